"""Reading a journal that may be half written, damaged, huge or hostile."""

from __future__ import annotations

import os
import stat

from runwrap.record import BadLineError, Record, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 1 << 20
LONGEST_LINE_BYTES = 16 << 20


def open_regular(path: str) -> int | None:
    """Open a file for reading if it is one: no link, no pipe, no folder."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None


class JournalReader:
    """Reads on from an offset; `offset` is then behind the last whole line, bad ones are counted."""

    def __init__(self, path: str, offset: int = 0, kinds: tuple[str, ...] = ()) -> None:
        self.path = path
        self.kinds = kinds
        self.wanted = [b'"kind":"%s"' % kind.encode() for kind in kinds]
        self.offset = offset
        self.bad_lines = 0

    def records(self) -> Iterator[Record]:
        """Yield every good record, or those of the kinds wanted; a half line at the end is left for later."""
        fd = open_regular(self.path)
        if fd is None:
            return
        try:
            for line in self.lines(fd):
                if self.wanted and not any(kind in line for kind in self.wanted):
                    continue  # spared the decoding
                try:
                    record = decode(line)
                except BadLineError:
                    self.bad_lines += 1
                else:
                    if not self.kinds or record.kind in self.kinds:
                        yield record
        finally:
            os.close(fd)

    def lines(self, fd: int) -> Iterator[bytes]:
        """Yield the whole lines that there are now; one too long to be a record is passed over.

        Who writes faster than we read would else never let us end.
        """
        rest, at, skipping = b"", self.offset, False
        end = os.fstat(fd).st_size
        while block := os.pread(fd, min(BLOCK_BYTES, max(0, end - at)), at):
            at += len(block)
            *whole, rest = (rest + block).split(b"\n")
            for line in whole:
                self.offset += len(line) + 1
                if line and not skipping:
                    yield line
                skipping = False
            if len(rest) > LONGEST_LINE_BYTES:
                self.bad_lines += not skipping
                self.offset += len(rest)
                rest, skipping = b"", True


def read_records(path: str, offset: int = 0) -> Iterator[Record]:
    """Yield every good record of a journal."""
    yield from JournalReader(path, offset).records()
