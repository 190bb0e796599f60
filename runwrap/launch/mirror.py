"""Repeat on a real terminal what a script does to the inner one that one of its streams got."""

from __future__ import annotations

import _thread
import os
import select
import termios

from runwrap.launch.descriptors import STDIN
from runwrap.launch.terminal import EXTPROC, IFLAG, LFLAG, Keyboard, copy_size, write_keys


class Mirror:
    """Repeats on a real terminal the modes that a script sets on its inner one."""

    def __init__(self, inner: int, outer: int) -> None:
        self.inner = inner
        self.outer = outer
        self.modes = termios.tcgetattr(inner)
        self.keyboard: Keyboard | None = None

    def follow_size(self) -> None:
        """Give the inner terminal the size of the real one."""
        copy_size(self.outer, self.inner)

    def follow(self) -> None:
        """Repeat a change; where stdin is no terminal, a program that wants single keys gets them."""
        before, self.modes = self.modes, termios.tcgetattr(self.inner)
        try:
            if os.tcgetpgrp(self.outer) != os.getpgrp():
                return
            outer = termios.tcgetattr(self.outer)
            for place in range(IFLAG, LFLAG + 1):
                outer[place] ^= before[place] ^ self.modes[place]
            outer[LFLAG] &= ~EXTPROC
            if before[-1] != self.modes[-1]:
                outer[-1] = list(self.modes[-1])
            termios.tcsetattr(self.outer, termios.TCSANOW, outer)
        except (OSError, termios.error):
            return  # hung up, or no terminal of ours
        self.carry_keys(wanted=not self.modes[LFLAG] & termios.ICANON and not os.isatty(STDIN))

    def carry_keys(self, *, wanted: bool) -> None:
        """Start or stop carrying keys from the real terminal to the inner one."""
        if wanted and self.keyboard is None:
            self.keyboard = Keyboard(self.outer, self.send)
            _thread.start_new_thread(self.keyboard.run, ())
        elif not wanted:
            self.stop_keys()

    def send(self, keys: bytes, stop_fd: int) -> None:
        """Write keys to the inner terminal. Blocks: while it is full."""
        while keys := write_keys(self.inner, keys):
            if select.select([stop_fd], [self.inner], [])[0]:
                return

    def stop_keys(self) -> None:
        """Stop carrying keys."""
        if self.keyboard is not None:
            self.keyboard.stop()
            self.keyboard = None
