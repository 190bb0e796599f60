"""The journal: the one append-only file that is the truth about a run."""

from __future__ import annotations

import _thread
import errno
import fcntl
import os
import stat
import time

from runwrap.errors import StoreError
from runwrap.record import BadLineError, Record, decode, encode, encode_raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

TAIL_BLOCK_BYTES = 1 << 16
LONGEST_LINE_BYTES = 16 << 20


class JournalError(StoreError):
    """A journal cannot be written."""


class Journal:
    """Appends to a journal that other processes append to as well.

    Each append locks the file, so that seq stays without gaps or doubles, and is one write.
    Threads may share it, processes may not: a lock belongs to the open file. Raises: JournalError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.seq = 0
        self.end = 0
        self.lock = _thread.allocate_lock()
        try:
            # O_RDWR: the last seq is read from the tail.
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self.fd = os.open(path, flags, 0o600)
        except OSError as error:
            raise JournalError(f"cannot open {path}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(self.fd).st_mode):
            self.close()
            raise JournalError(f"cannot open {path}: it is no file")

    def append(self, kind: str, data: dict[str, object], time_s: float | None = None) -> int:
        """Append one record and return its seq."""
        return self.append_many([(kind, data, time.time() if time_s is None else time_s)])

    def append_many(self, items: Iterable[tuple[str, dict[str, object] | bytes, float]]) -> int:
        """Append records in one write and return the last seq; data may be JSON, as `encode_raw` wants it."""
        try:
            with self.lock:
                fcntl.flock(self.fd, fcntl.LOCK_EX)
                try:
                    return self.append_locked(items)
                finally:
                    fcntl.flock(self.fd, fcntl.LOCK_UN)
        except OSError as error:
            raise JournalError(f"cannot write {self.path}: {error.strerror}") from error

    def append_locked(self, items: Iterable[tuple[str, dict[str, object] | bytes, float]]) -> int:
        """Write the lines after whatever stands at the end now."""
        torn = self.catch_up()
        seq, lines = self.seq, [b"\n"] if torn else []
        for kind, data, time_s in items:
            seq += 1
            if isinstance(data, bytes):
                lines.append(encode_raw(seq, time_s, kind, data))
            else:
                lines.append(encode(Record(seq, time_s, kind, data)))
            if len(lines[-1]) > LONGEST_LINE_BYTES:
                raise OSError(errno.EMSGSIZE, f"a record of {len(lines[-1])} bytes is too large")
        text = b"".join(lines)
        size = os.write(self.fd, text)
        if size < len(text):
            # A full disk took a part: what was whole before stays, and nothing half is left.
            os.ftruncate(self.fd, self.end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.seq, self.end = seq, self.end + size
        return seq

    def catch_up(self) -> bool:
        """Learn the last seq where others have appended; tell whether the last line is torn."""
        size = os.fstat(self.fd).st_size
        if size == self.end:
            return False
        # What was lost at the end since is not counted again.
        self.seq = max(self.seq, last_seq(self.fd, size))
        self.end = size
        return size > 0 and os.pread(self.fd, 1, size - 1) != b"\n"

    def sync(self) -> None:
        """Bring the journal to the disk. Blocks: on the disk."""
        try:
            os.fdatasync(self.fd)
        except OSError as error:
            raise JournalError(f"cannot sync {self.path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


def last_seq(fd: int, size: int) -> int:
    """Find the seq of the last good line, reading backwards."""
    rest: list[bytes] = []  # the pieces, last first, of a line that begins in a block before
    while size > 0:
        start = max(0, size - TAIL_BLOCK_BYTES)
        first, *lines = os.pread(fd, size - start, start).split(b"\n")
        if lines:
            lines[-1] += b"".join(reversed(rest))
            rest = []
        rest.append(first)
        if start == 0:
            lines.insert(0, b"".join(reversed(rest)))
        for line in reversed(lines):
            try:
                return decode(line).seq
            except BadLineError:
                continue
        if len(rest) * TAIL_BLOCK_BYTES > LONGEST_LINE_BYTES:
            rest = []  # too long to be a record
        size = start
    return 0
