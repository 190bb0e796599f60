"""The shim: leader of the session on the inner terminal, and parent of the script.

A script that led its session could not be stopped by ctrl-Z, and its end would hang up what it
left in the background.
"""

from __future__ import annotations

import _signal
import fcntl
import os
import select
import termios

from runwrap.launch.descriptors import close_inherited
from runwrap.launch.spawn import exec_script, fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runwrap.launch.spawn import Command


class Shim:
    """The wrapper's end of the shim."""

    def __init__(self, pid: int, orders: int, reports: int) -> None:
        self.pid = pid
        self.orders = orders
        self.reports = reports
        self.continued = 0

    def tell(self, order: bytes) -> None:
        """Send an order; a shim that is gone is done without."""
        try:
            os.write(self.orders, order + b"\n")
        except OSError:
            pass

    def signal(self, signal_number: int, *, whole_group: bool) -> None:
        """Pass a signal on to the script, or to its whole group."""
        self.continued += signal_number == _signal.SIGCONT
        self.tell(b"group %d" % signal_number if whole_group else b"signal %d" % signal_number)

    def set_foreground(self, script_is: bool) -> None:
        """Make the script, or else nobody who reads, the foreground of the inner terminal."""
        self.tell(b"foreground" if script_is else b"background")

    def read_reports(self) -> list[list[bytes]]:
        """Return what the shim has to say, a list of words each; nothing more: it has gone. Blocks."""
        return [line.split() for line in os.read(self.reports, 4096).splitlines()]


class ShimProcess:
    """What runs in the shim."""

    def __init__(self, command: Command, master: int, slave: int) -> None:
        self.command = command
        self.master = master
        self.slave = slave
        self.script = 0
        self.ended = False
        # How often it was continued by order, so that a stop before that is known to be over.
        self.continued = 0

    def start(self, failure_fd: int, announce_fd: int, *, in_foreground: bool) -> None:
        """Make the session and start the script in a process group of its own."""
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
        group = os.getpgrp()

        def child() -> None:
            os.setpgid(0, 0)
            os.tcsetpgrp(self.slave, os.getpid() if in_foreground else group)
            os.write(announce_fd, b"script %d\n" % os.getpid())
            exec_script(self.command, dict.fromkeys((0, 1, 2), self.slave), failure_fd)

        self.script = fork(child)
        for fd in (self.slave, failure_fd, announce_fd):
            os.close(fd)
        close_inherited()
        # Those of the outer terminal: it would not be hung up while we held it.
        for fd in (0, 1, 2):
            os.close(fd)

    def serve(self, orders: int, reports: int) -> None:
        """Follow orders and report on the script until wrapper and keeper are both gone. Blocks."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        _signal.set_wakeup_fd(wake_write)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {_signal.SIGCHLD})
        self.report_changes(reports)
        poller = select.poll()
        poller.register(orders, select.POLLIN)
        poller.register(wake_read, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poller.poll()}
            if wake_read in ready:
                os.read(wake_read, 512)
                self.report_changes(reports)
            if orders in ready:
                lines = os.read(orders, 4096).splitlines()
                if not lines:
                    break
                for line in lines:
                    self.obey(line)
        self.stay()

    def stay(self) -> None:
        """Keep the session until the last process in it has let go of the terminal. Blocks."""
        self.signal(_signal.SIGKILL, whole_group=False)
        poller = select.poll()
        poller.register(self.master, 0)
        poller.poll()

    def report_changes(self, reports: int) -> None:
        """Report that the script was stopped or has ended."""
        while not self.ended:
            pid, status, usage = os.wait4(self.script, os.WNOHANG | os.WUNTRACED)
            if not pid:
                return
            if os.WIFSTOPPED(status):
                report = b"stopped %d %d" % (os.WSTOPSIG(status), self.continued)
            else:
                self.ended = True
                facts = (status, usage.ru_utime, usage.ru_stime, usage.ru_maxrss)
                report = b"ended %d %f %f %d" % facts
            try:
                os.write(reports, report + b"\n")
            except OSError:
                return  # the wrapper is gone, and the keeper does not ask

    def obey(self, line: bytes) -> None:
        """Do one thing that was ordered."""
        word, _, value = line.partition(b" ")
        if word == b"foreground":
            self.set_foreground(self.script)
        elif word == b"background":
            self.set_foreground(os.getpgrp())
        else:
            self.signal(int(value), whole_group=word == b"group")

    def set_foreground(self, group: int) -> None:
        """Choose the group that reads from the inner terminal."""
        try:
            os.tcsetpgrp(self.master, group)
        except OSError:
            pass  # that group has ended

    def signal(self, signal_number: int, *, whole_group: bool) -> None:
        """Signal the script while its pid is its own."""
        self.continued += signal_number == _signal.SIGCONT
        if self.ended:
            return
        try:
            if whole_group:
                os.killpg(self.script, signal_number)
            else:
                os.kill(self.script, signal_number)
        except OSError:
            pass  # nobody is left


def start_shim(
    process: ShimProcess, failure_fd: int, announce_fd: int, not_ours: list[int], *, in_foreground: bool
) -> Shim:
    """Fork the shim, which forks the script."""
    orders_read, orders = os.pipe()
    reports, reports_write = os.pipe()

    def child() -> None:
        for fd in (orders, reports, *not_ours):
            os.close(fd)
        process.start(failure_fd, announce_fd, in_foreground=in_foreground)
        process.serve(orders_read, reports_write)

    pid = fork(child)
    os.close(orders_read)
    os.close(reports_write)
    return Shim(pid, orders, reports)
