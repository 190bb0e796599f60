"""Types on the inner terminal what is typed on the user's."""

from __future__ import annotations

import _thread
import select

from runwrap.launch import signals
from runwrap.launch.descriptors import STDIN
from runwrap.launch.terminal import Keyboard, write_keys


class Typist:
    """Types on an inner terminal what is typed on the user's, while our job is in the foreground."""

    def __init__(self, master: int) -> None:
        self.master = master
        self.keyboard: Keyboard | None = None
        self.done = _thread.allocate_lock()
        self.keys = b""
        self.keys_taken = _thread.allocate_lock()
        self.keys_taken.acquire()

    def start(self) -> None:
        """Start to carry keys."""
        self.keyboard = Keyboard(STDIN, self.send_keys)
        self.done.acquire()
        _thread.start_new_thread(self.carry_keys, (self.keyboard,))

    def is_at_work(self) -> bool:
        """Tell whether keys are carried; not so after the terminal has listened to another job."""
        return self.done.locked()

    def carry_keys(self, keyboard: Keyboard) -> None:
        """Carry keys. Threads: one of its own."""
        try:
            keyboard.run()
        finally:
            self.done.release()
            signals.poke()

    def send_keys(self, keys: bytes, stop_fd: int) -> None:
        """Have the main thread type keys. Blocks: until there was room for them. Threads: the keyboard's.

        The main thread takes signals in the order of their numbers, and a poke after all others: so
        a key that became a signal is never overtaken by one that was typed after it.
        """
        self.keys = keys
        while self.keys:
            signals.poke()
            self.keys_taken.acquire()
            if self.keys and select.select([stop_fd], [self.master], [])[0]:
                return

    def type_keys(self) -> None:
        """Type what the keyboard's thread has read."""
        if self.keys:
            self.keys = write_keys(self.master, self.keys)
            if self.keys_taken.locked():
                self.keys_taken.release()

    def stop(self) -> None:
        """Stop carrying keys, for certain: another reader would lose them to us."""
        if self.keyboard is not None:
            self.keyboard.stop()
            while not self.done.acquire(timeout=0.001):
                self.type_keys()
            self.done.release()
            self.keyboard = None
