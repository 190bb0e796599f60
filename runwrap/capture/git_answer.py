"""Wait for a git process, within bounds, and say how it went."""

from __future__ import annotations

import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Process(Protocol):
        """A git that runs, as git_snapshot starts it."""

        pid: int
        output_fd: int
        errors_fd: int

        def close(self) -> None:
            """Close our ends."""


ERRORS_SIZE_BYTES = 64 << 10
LOOK_INTERVAL_S = 0.05
SIGKILL = 9


class Answer:
    """What a git process wrote, and how it ended: "ended", or cut short by "time" or "size"."""

    __slots__ = ("end", "errors", "output", "status")

    def __init__(self, output: bytes, errors: bytes, end: str) -> None:
        text, _, status = errors.decode("utf-8", "replace").rstrip("\n").rpartition("status ")
        self.output = output
        self.errors = text
        self.end = end
        self.status = int(status) if status.isdigit() else -1

    @property
    def succeeded(self) -> bool:
        """Tell whether git itself said that all went well."""
        return self.end == "ended" and self.status == 0

    def reason(self) -> str:
        """Say in one line why git failed."""
        lines = [line.strip() for line in self.errors.splitlines()]
        fatal = [line.partition(": ")[2] for line in lines if line.startswith(("fatal: ", "error: "))]
        words = fatal or [line for line in lines if line]
        return words[0][:300] if words else f"it ended with status {self.status}"


def has_ended(process: Process, timeout_s: float) -> bool:
    """Wait until the process and its children have ended; False when the time was up first."""
    poll = select.poll()
    poll.register(process.errors_fd, 0)  # only the hang-up is asked for, not what there is to read
    return bool(poll.poll(timeout_s * 1000))


def finish(process: Process, deadline: float, limit_bytes: int) -> Answer:
    """Wait for the end, or for the deadline (time.monotonic), or for too much output; then clean up."""
    errors = bytearray()
    try:
        end = wait(process, errors, deadline, lambda: os.fstat(process.output_fd).st_size > limit_bytes)
        output = read_whole(process.output_fd, limit_bytes)
        return Answer(output, bytes(errors), end)
    finally:
        stop(process)


def wait(process: Process, errors: bytearray, deadline: float, is_full: Callable[[], bool]) -> str:
    """Collect the errors until the pipe ends; say what ended the wait."""
    poll = select.poll()
    poll.register(process.errors_fd, select.POLLIN)
    while True:
        if poll.poll(LOOK_INTERVAL_S * 1000):
            chunk = os.read(process.errors_fd, ERRORS_SIZE_BYTES)
            if not chunk:
                return "size" if is_full() else "ended"
            errors += chunk
            del errors[:-ERRORS_SIZE_BYTES]
        if is_full():
            return "size"
        if time.monotonic() > deadline:
            return "time"


def read_whole(fd: int, limit_bytes: int) -> bytes:
    """Read a file from its start, up to a limit."""
    parts = []
    offset = 0
    while offset < limit_bytes and (part := os.pread(fd, min(1 << 20, limit_bytes - offset), offset)):
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def stop(process: Process) -> None:
    """End what still runs, and let go of it."""
    try:
        # While anything of the group runs the pipe is open, and while the pipe is open the number is theirs.
        if not has_ended(process, 0):
            os.killpg(process.pid, SIGKILL)
            has_ended(process, 1)
    except OSError:
        pass  # it ended meanwhile
    process.close()
    try:
        os.waitpid(process.pid, os.WNOHANG)
    except OSError:
        pass  # another process's child
