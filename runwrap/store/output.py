"""What a run has printed, read back: the bytes of output.log, which stream they came from, and when."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from runwrap.store.reading import JournalReader, open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runwrap.record import Record

BLOCK_BYTES = 1 << 20
POLL_S = 0.1
LONGEST_WAIT_S = 1e6
BOTH = "both"


class Piece(NamedTuple):
    """A stretch of output.log; without a time where no record tells of it."""

    stream: str
    start: int
    end: int
    time_s: float | None


class Output:
    """The output of one run, or of some of its streams; what cannot be told apart belongs to each.

    Source: docs/record-format.md on `output` records and on bytes that none of them covers.
    """

    def __init__(self, run_path: str, streams: set[str], *, timed: bool = False) -> None:
        self.streams = streams and streams | {BOTH}
        self.by_records = timed or bool(streams)
        self.reader = JournalReader(os.path.join(run_path, "journal.jsonl"), kinds=("output",))
        self.path = os.path.join(run_path, "output.log")
        self.fd: int | None = None
        self.end = 0
        self.time_s: float | None = None

    def pieces(self, *, ended: bool) -> Iterator[bytes]:
        """Yield what has come since the last call, leaving in `time_s` when each piece came.

        Before the run has ended, bytes that no record tells of yet may not be told apart yet.
        """
        if self.fd is None:
            self.fd = open_regular(self.path)
        if self.fd is None:
            return
        for piece in self.stretches(self.fd, ended=ended):
            if not self.streams or piece.stream in self.streams:
                self.time_s = piece.time_s
                yield from self.blocks(piece)
        if ended:
            os.close(self.fd)
            self.fd = None

    def stretches(self, fd: int, *, ended: bool) -> Iterator[Piece]:
        """Yield the log as stretches in order, without gaps and overlaps."""
        size = os.fstat(fd).st_size
        for record in self.reader.records() if self.by_records else ():
            piece = piece_of(record)
            if piece is None or piece.end <= self.end:
                continue
            if piece.end > size:  # written since
                size = os.fstat(fd).st_size
            start = self.end
            self.end = min(piece.end, size)
            if piece.start > start:
                yield Piece(BOTH, start, min(piece.start, size), piece.time_s)
            if self.end > piece.start:
                yield piece._replace(start=max(piece.start, start), end=self.end)
        if size > self.end and (ended or not self.by_records):
            start, self.end = self.end, size
            yield Piece(BOTH, start, size, None)

    def blocks(self, piece: Piece) -> Iterator[bytes]:
        """Yield the bytes of a stretch."""
        assert self.fd is not None
        at = piece.start
        while at < piece.end:
            block = os.pread(self.fd, min(BLOCK_BYTES, piece.end - at), at)
            if not block:
                return
            at += len(block)
            yield block


def piece_of(record: Record) -> Piece | None:
    """Return the stretch that an `output` record tells of; none where it makes no sense."""
    stream, offset, size = (record.data.get(key) for key in ("stream", "offset", "size_bytes"))
    if not isinstance(stream, str) or type(offset) is not int or type(size) is not int:
        return None
    if offset < 0 or size <= 0:
        return None
    return Piece(stream, offset, offset + size, record.time)


def follow(output: Output, is_over: Callable[[], bool]) -> Iterator[bytes]:
    """Yield output as it comes until the run is over, with an empty piece where nothing has come.

    Blocks: until then.
    """
    over = False
    while True:
        yield from output.pieces(ended=over)
        yield b""
        if over:
            return
        over = is_over()
        # A last look comes a moment after the end: what is left of a killed run is still being saved.
        time.sleep(POLL_S)


def paced(pieces: Iterator[bytes], output: Output, speed: float) -> Iterator[bytes]:
    """Yield output with the pauses with which it came, so many times as fast. Blocks: as long as it took."""
    began_s, first_s = time.monotonic(), None
    for piece in pieces:
        if output.time_s is not None:
            first_s = output.time_s if first_s is None else first_s
            wait_s = (output.time_s - first_s) / speed - (time.monotonic() - began_s)
            if wait_s > 0:
                yield b""
                time.sleep(min(wait_s, LONGEST_WAIT_S))
        yield piece
