"""output.log: the raw bytes in order of arrival, and the marks that say which stream and when."""

from __future__ import annotations

import _thread
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Marks = list[tuple[str, dict[str, object], float]]

FLUSH_INTERVAL_S = 0.05
SYNC_INTERVAL_S = 1.0


class Console:
    """The log of a run's output; several streams write it in turn, under `lock`.

    `end` is where the next byte goes.
    """

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.end = os.fstat(self.fd).st_size
        self.lock = _thread.allocate_lock()
        self.broken: OSError | None = None
        self.marks: list[list[object]] = []
        self.pending = _thread.allocate_lock()
        self.pending.acquire()
        self.closing = False

    def recover(self) -> None:
        """Find the end again after the process that wrote here has died."""
        self.lock = _thread.allocate_lock()
        self.pending = _thread.allocate_lock()
        self.end = os.fstat(self.fd).st_size
        self.marks = []

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Read a piece of the log."""
        return os.pread(self.fd, size_bytes, offset)

    def note(self, stream: str, size_bytes: int) -> None:
        """Mark bytes that have just been written at the end. Threads: the caller holds `lock`."""
        last = self.marks[-1] if self.marks else None
        if last is not None and last[0] == stream:
            last[2] += size_bytes  # type: ignore[operator]  # a list, not a class: this runs once a chunk
        else:
            self.marks.append([stream, self.end, size_bytes, time.time()])
            if last is None and self.pending.locked():
                self.pending.release()
        self.end += size_bytes

    def take_marks(self) -> Marks:
        """Take the marks that were made since the last call, as records to be appended."""
        with self.lock:
            marks, self.marks = self.marks, []
        return [
            ("output", {"stream": stream, "offset": offset, "size_bytes": size}, moment)  # type: ignore[misc]  # the list of `note`
            for stream, offset, size, moment in marks
        ]

    def flush_forever(self, append: Callable[[Marks], object], sync: Callable[[], None]) -> None:
        """Append the marks some 20 times a second while there are any, and sync once a second.

        Blocks: until `close`.
        """
        synced, dirty = time.monotonic(), False
        while not self.closing:
            self.pending.acquire(True, SYNC_INTERVAL_S if dirty else -1)
            if not self.closing and self.marks:
                time.sleep(FLUSH_INTERVAL_S)
            marks = self.take_marks()
            if marks:
                append(marks)
                dirty = True
            if dirty and time.monotonic() - synced >= SYNC_INTERVAL_S:
                sync()
                synced, dirty = time.monotonic(), False

    def close(self) -> None:
        """End `flush_forever`."""
        self.closing = True
        if self.pending.locked():
            self.pending.release()
