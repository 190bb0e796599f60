"""Hybrid mode: something is redirected, so the script stays in our job, on the real terminal."""

from __future__ import annotations

import _signal
import os
import time

from runwrap.launch import signals
from runwrap.launch.descriptors import close_for_reader
from runwrap.launch.relay import Stream, make_pipe
from runwrap.launch.spawn import exec_script, fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runwrap.launch.console import Console
    from runwrap.launch.descriptors import Wire
    from runwrap.launch.keeper import Keeper
    from runwrap.launch.mirror import Mirror
    from runwrap.launch.outcome import Outcome
    from runwrap.launch.pump import Pumps
    from runwrap.launch.spawn import Command

    Guard = Callable[[str, Callable[[], None]], None]

PIPE_BYTES = 1 << 20
FATAL = frozenset({_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT})
# Who stops has often written something last, and it is to be seen before the shell has the terminal.
QUIET_WAIT_S = 0.1
# Programs lose one that comes while they see to the one before, as `less` does.
RESIZE_TOLD_S = 0.05


class HybridSession:
    """A script in our own process group, with a pipe or an inner terminal for each output stream."""

    def __init__(self, command: Command, wires: list[Wire], console: Console) -> None:
        self.command = command
        self.wires = wires
        self.mode = "pty" if any(wire.kind == "line" for wire in wires) else "hybrid"
        self.script = 0
        self.ends: dict[int, int] = {}
        self.mirrors: list[Mirror] = []
        self.outcome: Outcome | None = None
        self.dropped: set[int] = set()
        self.resized_s: float | None = None
        self.streams = [self.open(wire, console) for wire in wires]
        self.pumps: Pumps

    def open(self, wire: Wire, console: Console) -> Stream:
        """Make the two ends of a stream: one for the script, one for us."""
        if wire.kind == "pipe":
            ours, theirs = make_pipe(PIPE_BYTES)
        else:
            from runwrap.launch.terminal import open_inner_for_output

            ours, theirs = open_inner_for_output(wire.sink if wire.kind == "terminal" else None)
        self.ends |= dict.fromkeys(wire.serves, theirs)
        mirrored = wire.kind == "terminal"
        stream = Stream(wire.name, ours, wire.sink, console, terminal=wire.kind != "pipe", packet=mirrored)
        if mirrored:
            from runwrap.launch.mirror import Mirror

            self.mirrors.append(Mirror(ours, wire.sink))
            stream.on_status = self.mirrors[-1].follow
        return stream

    def script_ends(self) -> list[int]:
        """List the descriptors that only the script is to hold."""
        return list(set(self.ends.values()))

    def start(self, keeper: Keeper, failure_fd: int, not_ours: list[int]) -> None:
        """Fork the script; the keeper hears of it before it is executed."""
        del not_ours  # they are closed on exec

        def child() -> None:
            os.write(keeper.orders, b"script %d\n" % os.getpid())
            exec_script(self.command, self.ends, failure_fd)

        self.script = fork(child)
        for fd in self.script_ends():
            os.close(fd)

    def serve(self, keeper: Keeper, guard: Guard) -> Outcome:
        """Relay streams and signals until the script has ended and its output is through. Blocks."""
        # What comes after the start of the script need not be loaded before it.
        from runwrap.launch.pump import Pumps

        self.pumps = Pumps(self.streams, signals.poke)
        self.pumps.start(guard)
        while self.outcome is None or not self.pumps.all_done():
            info = signals.wait(None if self.resized_s is None else self.resized_s - time.monotonic())
            if self.resized_s is not None and time.monotonic() >= self.resized_s:
                self.tell_resize()
            if info is None:
                continue
            if self.outcome is not None and info.si_signo in FATAL:
                self.outcome.broken_by = info.si_signo
                break
            guard("session", lambda: self.attend(info, keeper))  # noqa: B023  # called at once
        guard("session", self.close)
        return self.outcome

    def attend(self, info: Any, keeper: Keeper) -> None:
        """Do what a signal calls for."""
        if info.si_signo == _signal.SIGCHLD:
            self.outcome = self.outcome or self.look_at_script(keeper)
        elif signals.is_poke(info):
            self.drop_ended(keeper)
        elif self.outcome is None:
            self.deliver(info, keeper)
        elif info.si_signo in signals.STOPS:
            signals.stop_self(info.si_signo, whole_group=False)

    def drop_ended(self, keeper: Keeper) -> None:
        """Close both ways what the script has closed, or what nobody reads any more."""
        for place in set(self.pumps.ended()) - self.dropped:
            self.dropped.add(place)
            wire = self.wires[place]
            ends = wire.serves if wire.kind == "pipe" and self.outcome is None else ()
            keeper.drop_stream(place, ends)
            close_for_reader(ends)

    def look_at_script(self, keeper: Keeper) -> Outcome | None:
        """Find out whether the script has stopped, which we follow, or has ended."""
        change = os.waitid(os.P_PID, self.script, os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT)
        if change is None:
            return None
        if change.si_code == os.CLD_STOPPED:
            os.waitid(os.P_PID, self.script, os.WSTOPPED | os.WNOHANG)
            if os.waitid(os.P_PID, self.script, os.WCONTINUED | os.WNOHANG) is None:
                self.pumps.settle(QUIET_WAIT_S)
                signals.stop_self(change.si_status, whole_group=False)
                if signals.take(_signal.SIGCONT, 0):
                    self.go_on(keeper)
            return None
        from runwrap.launch.outcome import Outcome

        keeper.script_ended()
        _, status, usage = os.wait4(self.script, 0)
        self.pumps.stop()
        return Outcome(status, usage.ru_utime, usage.ru_stime, usage.ru_maxrss)

    def go_on(self, keeper: Keeper) -> None:
        """Continue the script if what has continued us was not meant for the whole job.

        A stop that has come since takes back the keeper's copy, and is not to be undone.
        """
        if not keeper.is_group_signal(_signal.SIGCONT) and not signals.is_stop_pending():
            os.kill(self.script, _signal.SIGCONT)

    def deliver(self, info: Any, keeper: Keeper) -> None:
        """Pass a signal on, unless the script has got its own."""
        number = info.si_signo
        if number == _signal.SIGCONT:
            self.go_on(keeper)
            return
        # Asked in any case: the keeper's copy is to be taken, lest it answer for a later one.
        has_its_own = keeper.is_group_signal(number)
        is_resize = number == _signal.SIGWINCH and bool(self.mirrors)
        for mirror in self.mirrors if is_resize else ():
            mirror.follow_size()
        if is_resize:
            self.resized_s = time.monotonic() + RESIZE_TOLD_S
        elif not (has_its_own or signals.is_from_terminal(info)):
            os.kill(self.script, number)

    def tell_resize(self) -> None:
        """Tell the script again: it may have asked for the size before we could copy it."""
        self.resized_s = None
        if self.outcome is None:
            os.kill(self.script, _signal.SIGWINCH)

    def close(self) -> None:
        """Stop what reads keys."""
        for mirror in self.mirrors:
            mirror.stop_keys()
