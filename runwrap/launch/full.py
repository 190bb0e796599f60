"""Full mode: someone typed the command, so the script gets a session on a terminal of its own."""

from __future__ import annotations

import _signal
import _thread
import fcntl
import os
import termios
import time

from runwrap.launch import signals
from runwrap.launch.descriptors import STDIN, STDOUT
from runwrap.launch.outcome import Outcome
from runwrap.launch.pump import Pumps
from runwrap.launch.relay import Stream
from runwrap.launch.shim import Shim, ShimProcess, start_shim
from runwrap.launch.terminal import (
    KEY_OF,
    OFLAG,
    Terminal,
    copy_size,
    end_key,
    open_inner,
    pass_unchanged,
    size_of,
    type_unseen,
    typed_ahead,
    unread_keys,
    wait_for_keys,
    write_keys,
)
from runwrap.launch.typist import Typist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runwrap.launch.console import Console
    from runwrap.launch.keeper import Keeper
    from runwrap.launch.spawn import Command

    Guard = Callable[[str, Callable[[], None]], None]

# A shell's `fg` sends no SIGCONT to a job that runs already.
BACKGROUND_POLL_S = 0.2
QUIET_WAIT_S = 0.1
# So long a script that is brought to the foreground may not have learnt of it.
COMING_S = 1.0
TERMINAL_STOPS = (_signal.SIGTTIN, _signal.SIGTTOU)
FATAL = frozenset({_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT})


class FullSession:
    """A script in a session of its own, on an inner terminal that mirrors the outer one."""

    mode = "full"

    def __init__(self, command: Command, console: Console) -> None:
        self.command = command
        self.terminal = Terminal(STDIN)
        self.master, self.slave = open_inner(STDIN)
        self.slave_name = os.ttyname(self.slave)
        self.started_modes = self.terminal.saved
        self.streams = [Stream("both", self.master, STDOUT, console, terminal=True, packet=False)]
        self.pumps = Pumps(self.streams, signals.poke)
        self.shim: Shim
        self.raw_modes = b""
        self.foreground = False
        self.came_s = -COMING_S
        self.typist = Typist(self.master)
        self.size = size_of(self.slave)
        self.reports: list[list[bytes]] = []
        self.outcome: Outcome | None = None

    def script_ends(self) -> list[int]:
        """List the descriptors that only the script is to hold."""
        return [self.slave]

    def start(self, keeper: Keeper, failure_fd: int, not_ours: list[int]) -> None:
        """Fork the shim, which holds none of `not_ours`, and with it the script."""
        self.foreground = self.terminal.in_foreground()
        if self.foreground:
            keys = typed_ahead(STDIN, end_key(self.started_modes))
            self.make_raw()
            type_unseen(self.master, self.slave_name, keys + typed_ahead(STDIN))
        else:
            pass_unchanged(self.slave)
        process = ShimProcess(self.command, self.master, self.slave)
        self.shim = start_shim(
            process, failure_fd, keeper.orders, [keeper.answers, *not_ours], in_foreground=self.foreground
        )
        os.close(self.slave)

    def serve(self, keeper: Keeper, guard: Guard) -> Outcome:
        """Relay keys, output and signals until the script has ended. Blocks."""
        if self.foreground:
            self.typist.start()
        self.streams[0].on_chunk = self.follow_modes
        self.pumps.start(guard)
        _thread.start_new_thread(guard, ("session", self.read_reports))
        while self.outcome is None or not self.pumps.all_done():
            info = signals.wait(None if self.foreground else BACKGROUND_POLL_S)
            if self.outcome is not None and info is not None and info.si_signo in FATAL:
                self.outcome.broken_by = info.si_signo
                break
            guard("session", lambda: self.attend(info, keeper))  # noqa: B023  # called at once
        guard("session", self.finish)
        return self.outcome

    def attend(self, info: Any, keeper: Keeper) -> None:
        """Do what a signal, a report of the shim or the passing of time calls for."""
        if info is not None and signals.is_poke(info):
            self.typist.type_keys()
        elif info is not None and self.outcome is None:
            self.deliver(info, keeper)
        while self.reports:
            self.hear(self.reports.pop(0), keeper)
        self.look_where_we_are()

    def follow_modes(self) -> None:
        """Let the outer terminal follow the inner one. Threads: called by the pump."""
        # Asked for after each chunk, and taken apart only when it has changed.
        raw = fcntl.ioctl(self.master, termios.TCGETS, bytes(64))
        if raw != self.raw_modes:
            self.raw_modes = raw
            self.terminal.follow(termios.tcgetattr(self.master))

    def read_reports(self) -> None:
        """Collect what the shim reports. Blocks: until it has gone. Threads: one of its own."""
        while reports := self.shim.read_reports():
            self.reports.extend(reports)
            signals.poke()
        # Where the shim itself was killed, its session and the script go with it.
        self.reports.append([b"ended", b"%d" % _signal.SIGKILL, b"0", b"0", b"0"])
        signals.poke()

    def hear(self, report: list[bytes], keeper: Keeper) -> None:
        """Act on one report of the shim."""
        if report[0] == b"stopped":
            if int(report[2]) == self.shim.continued:  # else it has been continued since
                self.stop(int(report[1]))
        elif self.outcome is None:
            keeper.script_ended()
            status, user_s, system_s, peak_kb = report[1:]
            self.outcome = Outcome(int(status), float(user_s), float(system_s), int(peak_kb))
            self.pumps.stop()

    def deliver(self, info: Any, keeper: Keeper) -> None:
        """Pass a signal to the inner terminal or to the script, as the outer one would have."""
        number = info.si_signo
        is_group_signal = number != _signal.SIGCHLD and keeper.is_group_signal(number)
        if number == _signal.SIGWINCH:
            self.follow_size()
            if not signals.is_from_terminal(info):
                self.shim.signal(number, whole_group=is_group_signal)
        elif number == _signal.SIGCHLD:
            pass
        elif not signals.is_from_terminal(info):
            self.shim.signal(number, whole_group=is_group_signal)
        elif number == _signal.SIGHUP:
            self.shim.signal(number, whole_group=True)
        elif number in KEY_OF:
            self.press(number)

    def press(self, signal_number: int) -> None:
        """Let a key that the outer terminal made a signal of be pressed on the inner one."""
        if self.terminal.is_raw and not self.came_just_now():
            if key := self.terminal.key_of(signal_number):
                write_keys(self.master, key)
                # Before a shell around us gives the terminal to others, and we follow.
                wait_for_keys(self.slave_name)
            return
        # Pressed before we took the terminal, or before the shim could make the script its foreground.
        self.look_where_we_are()
        self.shim.signal(signal_number, whole_group=True)

    def follow_size(self) -> None:
        """Give the inner terminal the size of the outer one."""
        copy_size(STDIN, self.master)
        self.size = size_of(self.master)

    def stop(self, signal_number: int) -> None:
        """Stop as the script did, with the terminal as it left it; go on once we are continued."""
        self.look_where_we_are()
        if self.foreground and self.came_just_now() and signal_number in TERMINAL_STOPS:
            # The shell has brought us here, and the script had read too soon.
            self.shim.signal(_signal.SIGCONT, whole_group=True)
            return
        self.pumps.settle(QUIET_WAIT_S)
        self.give_terminal(termios.tcgetattr(self.master))
        signals.stop_self(signal_number, whole_group=True)
        was_stopped = signals.take(_signal.SIGCONT, 0)
        self.look_where_we_are()
        if not was_stopped and signal_number in TERMINAL_STOPS:
            # An orphaned job that reads will never be given the terminal: as if it were hung up.
            self.shim.signal(_signal.SIGHUP, whole_group=True)
        self.shim.signal(_signal.SIGCONT, whole_group=True)

    def came_just_now(self) -> bool:
        """Tell whether we have been brought to the foreground a moment ago."""
        return time.monotonic() - self.came_s < COMING_S

    def look_where_we_are(self) -> None:
        """Mirror the shell's job control, which may have moved us to the foreground or out of it."""
        now = self.terminal.in_foreground()
        if self.foreground and not (now and self.typist.is_at_work()):
            # Also where we were away for a moment only, in which a key was another's.
            self.shim.set_foreground(script_is=False)
            self.typist.stop()
            self.terminal.leave()
            pass_unchanged(self.master)
        if now and not self.terminal.is_raw and self.outcome is None:
            self.follow_size()
            self.take_terminal()
            self.came_s = time.monotonic()
            self.shim.set_foreground(script_is=True)
        self.foreground = now

    def take_terminal(self) -> None:
        """Give the inner terminal the modes that the shell left us, then carry keys to it."""
        self.started_modes = self.terminal.take()
        termios.tcsetattr(self.master, termios.TCSANOW, self.started_modes)
        keys = typed_ahead(STDIN, end_key(self.started_modes))
        self.make_raw()
        write_keys(self.master, keys)
        self.typist.start()

    def make_raw(self) -> None:
        """Make the outer terminal raw."""
        self.raw_modes = b""
        self.terminal.make_raw()

    def give_terminal(self, modes: list[Any]) -> None:
        """Leave the outer terminal to others, in these modes."""
        self.typist.stop()
        self.return_size()
        self.terminal.cook(modes)

    def return_size(self) -> None:
        """Keep a size that the script has set."""
        if self.foreground and size_of(self.master) != self.size:
            copy_size(self.master, STDIN)

    def finish(self) -> None:
        """Leave the outer terminal as the script would have: changed by it unless it was killed."""
        assert self.outcome is not None
        modes = self.terminal.saved
        inner = termios.tcgetattr(self.master)
        if self.outcome.exit_status() is not None and inner != self.started_modes:
            modes = inner
        self.typist.stop()
        self.return_size()
        if self.terminal.is_raw and self.terminal.in_foreground():
            if keys := unread_keys(self.slave_name):
                self.terminal.push_back(keys)
            self.terminal.cook(modes)
        if self.pumps.any_left():
            inner[OFLAG] &= ~termios.OPOST  # the outer terminal does that again, from now on
            termios.tcsetattr(self.master, termios.TCSANOW, inner)
        os.close(self.shim.orders)
        if not self.pumps.any_left():
            os.waitpid(self.shim.pid, 0)
