"""The user's terminal, and the inner one that the script gets in its place."""

from __future__ import annotations

import _signal
import _thread
import fcntl
import os
import select
import termios
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Attributes = list[int | list[bytes | int]]

IFLAG, OFLAG, CFLAG, LFLAG, ISPEED, OSPEED, CHARACTERS = range(7)
KEY_OF = {_signal.SIGINT: termios.VINTR, _signal.SIGQUIT: termios.VQUIT, _signal.SIGTSTP: termios.VSUSP}
# What turns one output byte into another, or into several.
OUTPUT_CHANGES = (
    termios.ONLCR | termios.OCRNL | termios.ONOCR | termios.ONLRET | termios.OLCUC | termios.TABDLY
)
EXTPROC = 0o200000
KEYS_ARRIVE_S = 0.01
MOST_ENDS = 8


def size_of(fd: int) -> bytes:
    """Return a terminal's window size, pixels included, as the kernel holds it; nothing if hung up."""
    try:
        return fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return b""


def copy_size(from_fd: int, to_fd: int) -> None:
    """Give one terminal the window size of another, pixels included."""
    if size := size_of(from_fd):
        try:
            fcntl.ioctl(to_fd, termios.TIOCSWINSZ, size)
        except OSError:
            pass  # the other one was hung up


def open_inner(like_fd: int | None) -> tuple[int, int]:
    """Open a pty; master and slave. It starts with the modes and the size of `like_fd`."""
    master, slave = os.openpty()
    if like_fd is not None:
        termios.tcsetattr(slave, termios.TCSANOW, termios.tcgetattr(like_fd))
        copy_size(like_fd, slave)
    return master, slave


def pass_unchanged(fd: int) -> None:
    """Let an inner terminal leave the processing of output to the one where it will be shown."""
    modes = termios.tcgetattr(fd)
    modes[OFLAG] &= ~OUTPUT_CHANGES
    termios.tcsetattr(fd, termios.TCSANOW, modes)


def open_inner_for_output(like_fd: int | None) -> tuple[int, int]:
    """Open a pty for a stream alone: what is written to it comes out unchanged.

    With `like_fd`, the terminal where the bytes end, packet mode tells of each change of modes.
    """
    master, slave = open_inner(like_fd)
    modes = termios.tcgetattr(slave)
    if like_fd is None:
        modes[OFLAG] &= ~termios.OPOST
        fcntl.ioctl(
            slave, termios.TIOCSWINSZ, (24).to_bytes(2, "little") + (80).to_bytes(2, "little") + bytes(4)
        )
    else:
        modes[OFLAG] &= ~OUTPUT_CHANGES
        modes[LFLAG] |= EXTPROC
        fcntl.ioctl(master, termios.TIOCPKT, (1).to_bytes(4, "little"))
    termios.tcsetattr(slave, termios.TCSANOW, modes)
    return master, slave


class Terminal:
    """The controlling terminal of the wrapper: raw while the script is in the foreground."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.saved: Attributes = termios.tcgetattr(fd)
        self.inner: Attributes = self.saved
        self.is_raw = False
        # The pump follows the inner modes while the main thread enters and leaves the foreground.
        self.lock = _thread.allocate_lock()

    def in_foreground(self) -> bool:
        """Tell whether our job is the one that the terminal listens to."""
        try:
            return os.tcgetpgrp(self.fd) == os.getpgrp()
        except OSError:
            return False

    def set(self, modes: Attributes) -> None:
        """Set the modes now; a terminal that was hung up takes none."""
        try:
            termios.tcsetattr(self.fd, termios.TCSANOW, modes)
        except (OSError, termios.error):
            pass

    def raw_modes(self) -> Attributes:
        """Raw, but the keys that make signals make them where the inner terminal has them do so."""
        modes = copy(self.saved)
        modes[IFLAG] = 0
        modes[OFLAG] &= ~termios.OPOST  # type: ignore[operator]  # an int at this place
        modes[LFLAG] = int(self.inner[LFLAG]) & termios.ISIG  # type: ignore[arg-type]  # an int at this place
        characters = list(self.inner[CHARACTERS])  # type: ignore[arg-type]  # a list at this place
        # No read waits: a key that makes a signal discards those that were there to be read.
        characters[termios.VMIN], characters[termios.VTIME] = b"\0", b"\0"
        modes[CHARACTERS] = characters
        return modes

    def take(self) -> Attributes:
        """Start from the modes that the terminal has now, and return them."""
        try:
            now = termios.tcgetattr(self.fd)
        except (OSError, termios.error):
            return self.saved  # hung up: the last ones that were seen will do
        if not self.is_ours(now):  # a shell that has left us our own has saved none
            self.saved = self.inner = now
        return self.saved

    def make_raw(self) -> None:
        """Hand every key to the inner terminal."""
        with self.lock:
            self.is_raw = True
            self.set(self.raw_modes())

    def follow(self, inner: Attributes) -> None:
        """Follow a change of the inner terminal's modes."""
        with self.lock:
            if inner != self.inner:
                self.inner = inner
                if self.is_raw:
                    self.set(self.raw_modes())

    def cook(self, modes: Attributes) -> None:
        """Leave raw mode for these modes."""
        with self.lock:
            if self.is_raw:
                self.is_raw = False
                self.set(modes)

    def leave(self) -> None:
        """Leave the terminal to a shell that has taken it, and sets its own modes if it is one that does."""
        with self.lock:
            if self.is_raw:
                self.is_raw = False
                self.restore_if_left_raw()

    def restore_if_left_raw(self) -> None:
        """Put the saved modes back, unless somebody has set others since the wrapper's death."""
        try:
            now = termios.tcgetattr(self.fd)
        except (OSError, termios.error):
            return
        if self.is_ours(now):
            self.set(self.saved)

    def is_ours(self, modes: Attributes) -> bool:
        """Tell whether modes are those in which keys are carried."""
        raw = self.raw_modes()
        is_raw = modes[IFLAG] == raw[IFLAG] and modes[OFLAG] == raw[OFLAG]
        return is_raw and not int(modes[LFLAG]) & ~termios.ISIG  # type: ignore[arg-type]  # an int at this place

    def key_of(self, signal_number: int) -> bytes | None:
        """Return the character that makes a signal in the inner terminal."""
        index = KEY_OF.get(signal_number)
        key = self.inner[CHARACTERS][index] if index is not None else None  # type: ignore[index]  # a list at this place
        return key if isinstance(key, bytes) and key != b"\0" else None

    def push_back(self, keys: bytes) -> None:
        """Give keys that nobody read back to the terminal, where the kernel permits it."""
        quiet = copy(self.saved)
        quiet[LFLAG] &= ~(termios.ECHO | termios.ECHONL)  # type: ignore[operator]  # an int at this place
        self.set(quiet)
        try:
            for key in keys:
                fcntl.ioctl(self.fd, termios.TIOCSTI, bytes([key]))
        except OSError:
            pass  # dev.tty.legacy_tiocsti is off, as is usual since Linux 6.2


def copy(modes: Attributes) -> Attributes:
    """Copy modes, the list of characters included."""
    return [*modes[:CHARACTERS], list(modes[CHARACTERS])]  # type: ignore[arg-type]  # a list at this place


def unread_keys(slave_name: str) -> bytes:
    """Read what was typed into an inner terminal and not read by anyone."""
    try:
        slave = os.open(slave_name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        modes = termios.tcgetattr(slave)
        modes[LFLAG] &= ~termios.ICANON
        modes[CHARACTERS][termios.VMIN], modes[CHARACTERS][termios.VTIME] = b"\0", b"\0"
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        return os.read(slave, 4096)
    except (OSError, termios.error):
        return b""
    finally:
        os.close(slave)


def wait_for_keys(slave_name: str) -> None:
    """Wait until the kernel has handed the keys that were written over to an inner terminal. Blocks."""
    try:
        slave = os.open(slave_name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    # To ask whether there are any waits for those on their way, unless some have arrived before.
    if select.select([slave], [], [], 0)[0]:
        time.sleep(KEYS_ARRIVE_S)
    os.close(slave)


class Keyboard:
    """Reads keys, in a thread of its own, while our job is in the foreground."""

    def __init__(self, terminal_fd: int, send: Callable[[bytes, int], None]) -> None:
        self.terminal_fd = terminal_fd
        self.send = send
        self.stop_read, self.stop_write = os.pipe()

    def run(self) -> None:
        """Send keys on until `stop`, or until the terminal is gone or listens to another job. Blocks."""
        poller = select.poll()
        poller.register(self.terminal_fd, select.POLLIN)
        poller.register(self.stop_read, select.POLLIN)
        while self.stop_read not in (ready := dict(poller.poll())):
            try:
                keys = os.read(self.terminal_fd, 4096)
            except OSError:
                return
            if keys:
                self.send(keys, self.stop_read)
            elif ready[self.terminal_fd] & select.POLLHUP:
                return

    def stop(self) -> None:
        """End `run`, before it takes another key."""
        os.write(self.stop_write, b".")


def write_keys(master: int, keys: bytes) -> bytes:
    """Write keys to an inner terminal and return those for which it has no room."""
    try:
        return keys[os.write(master, keys) :]
    except BlockingIOError:
        return keys
    except OSError:
        return b""  # it was hung up


def end_key(modes: Attributes) -> bytes:
    """Return the key that makes an end of input."""
    key = modes[CHARACTERS][termios.VEOF]  # type: ignore[index]  # a list at this place
    assert isinstance(key, bytes)
    return key


def typed_ahead(fd: int, end: bytes = b"") -> bytes:
    """Take what was typed before we came; an end of input becomes the key `end`.

    Taken while the terminal still knows lines and ends: in raw mode an end would be read as a zero.
    """
    keys, ends = b"", 0
    while ends < MOST_ENDS and select.select([fd], [], [], 0)[0]:
        try:
            line = os.read(fd, 4096)
        except OSError:
            break  # hung up, or not ours
        keys += line or end
        ends += not line
    return keys


def type_unseen(master: int, slave_name: str, keys: bytes) -> None:
    """Type keys that the outer terminal has shown already. Blocks: until they have arrived."""
    if keys:
        modes = termios.tcgetattr(master)
        quiet = copy(modes)
        quiet[LFLAG] &= ~(termios.ECHO | termios.ECHONL)  # type: ignore[operator]  # an int at this place
        termios.tcsetattr(master, termios.TCSANOW, quiet)
        write_keys(master, keys)
        wait_for_keys(slave_name)
        termios.tcsetattr(master, termios.TCSANOW, modes)
