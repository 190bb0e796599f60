"""output.log: the raw bytes in order of arrival, and the marks that say which stream and when."""

from __future__ import annotations

import _thread
import mmap
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Marks = list[tuple[str, dict[str, object], float]]

FLUSH_INTERVAL_S = 0.05
SYNC_INTERVAL_S = 1.0
STREAMS = ("stdout", "stderr", "both")
MARK_WORDS = 4
MOST_MARKS = 1024


class Console:
    """The log of a run's output; several streams write it in turn, under `lock`.

    `end` is where the next byte goes. The marks that are not in the journal yet lie in memory that
    the keeper shares: a number of them, then stream, offset, size and time of each.
    """

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.end = os.fstat(self.fd).st_size
        self.broken: OSError | None = None
        self.marks = memoryview(mmap.mmap(-1, 8 * (1 + MARK_WORDS * MOST_MARKS))).cast("q")
        self.closing = False
        self.renew_locks()

    def renew_locks(self) -> None:
        """Make locks that nobody holds."""
        self.lock = _thread.allocate_lock()
        self.pending = _thread.allocate_lock()
        self.pending.acquire()

    def recover(self) -> None:
        """Find the end again after the process that wrote here has died."""
        self.renew_locks()
        self.end = os.fstat(self.fd).st_size

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Read a piece of the log."""
        return os.pread(self.fd, size_bytes, offset)

    def note(self, stream: str, size_bytes: int) -> None:
        """Mark bytes that have just been written at the end. Threads: the caller holds `lock`."""
        marks, count, name = self.marks, self.marks[0], STREAMS.index(stream)
        last = 1 + MARK_WORDS * (count - 1)
        if count and marks[last] == name:
            marks[last + 2] += size_bytes
        elif count == MOST_MARKS:
            marks[last] = STREAMS.index("both")  # they alternate faster than anyone reads
            marks[last + 2] += size_bytes
        else:
            at = last + MARK_WORDS
            marks[at], marks[at + 1], marks[at + 2] = name, self.end, size_bytes
            marks[at + 3] = time.time_ns()
            marks[0] = count + 1
            if self.pending.locked():
                self.pending.release()
        self.end += size_bytes

    def read_marks(self) -> Marks:
        """Return the marks that are not in the journal yet, as records to be appended."""
        with self.lock:
            words = list(self.marks[1 : 1 + MARK_WORDS * self.marks[0]])
        marks: Marks = []
        for at in range(0, len(words), MARK_WORDS):
            name, offset, size, moment_ns = words[at : at + MARK_WORDS]
            facts = {"stream": STREAMS[name], "offset": offset, "size_bytes": size}
            marks.append(("output", facts, moment_ns / 1e9))
        return marks

    def drop_marks(self, end: int) -> None:
        """Forget the marks of what lies before `end`: they are in the journal."""
        marks = self.marks
        with self.lock:
            words = list(marks[1 : 1 + MARK_WORDS * marks[0]])
            kept = 0
            for at in range(0, len(words), MARK_WORDS):
                name, offset, size, moment_ns = words[at : at + MARK_WORDS]
                start = max(offset, end)
                if start < offset + size:
                    place = 1 + MARK_WORDS * kept
                    marks[place], marks[place + 1], marks[place + 2] = name, start, offset + size - start
                    marks[place + 3] = moment_ns
                    kept += 1
            marks[0] = kept

    def record_marks(self, append: Callable[[Marks], object]) -> Marks:
        """Append the marks to the journal, and forget them only then."""
        marks = self.read_marks()
        if marks:
            append(marks)
            self.drop_marks(end_of(marks))
        return marks

    def flush_forever(self, append: Callable[[Marks], object], sync: Callable[[], None]) -> None:
        """Append the marks some 20 times a second while there are any, and sync once a second.

        Blocks: until `close`.
        """
        synced, dirty = time.monotonic(), False
        while not self.closing:
            self.pending.acquire(True, SYNC_INTERVAL_S if dirty else -1)
            if not self.closing and self.marks[0]:
                time.sleep(FLUSH_INTERVAL_S)
            dirty = bool(self.record_marks(append)) or dirty
            if dirty and time.monotonic() - synced >= SYNC_INTERVAL_S:
                sync()
                synced, dirty = time.monotonic(), False

    def close(self) -> None:
        """End `flush_forever`."""
        self.closing = True
        if self.pending.locked():
            self.pending.release()


def end_of(marks: Marks) -> int:
    """Return the offset behind the last of some marks."""
    _, last, _ = marks[-1]
    return int(str(last["offset"])) + int(str(last["size_bytes"]))
