"""The end of what a run prints, as lines that do no harm on a terminal, in bounded time and memory."""

from __future__ import annotations

import os
from collections import deque

from runwrap.errors import visible
from runwrap.store.reading import open_regular
from runwrap.store.settled import Settler

# Who prints faster than this in one look is not followed line by line: the rest is left out.
TAIL_BYTES = 64 << 10
MOST_LINES = 2000
LONGEST_CHARACTERS = 1000
TAB_COLUMNS = 8


class Tail:
    """Follows output.log: `lines` are its last ones as they look now, progress bars in their last state."""

    def __init__(self, run_path: str) -> None:
        self.path = os.path.join(run_path, "output.log")
        self.offset = 0
        self.total = 0
        self.settled: deque[str] = deque(maxlen=MOST_LINES)
        self.begun = ""
        self.settler = Settler(self.take, colour=False)

    def take(self, text: str) -> None:
        """Take text that changes no more."""
        *lines, self.begun = (self.begun + text).rsplit("\n", MOST_LINES + 1)
        self.settled.extend(lines)
        self.total += len(lines)
        self.begun = self.begun[-LONGEST_CHARACTERS:]

    def advance(self) -> bool:
        """Read what has come, or the end of it where that is much; tell whether anything has."""
        fd = open_regular(self.path)
        if fd is None:
            return False
        try:
            size = os.fstat(fd).st_size
            if size <= self.offset:
                return False
            if size - self.offset > TAIL_BYTES:
                self.skip_to(size - TAIL_BYTES)
            data = os.pread(fd, TAIL_BYTES, self.offset)
        finally:
            os.close(fd)
        self.offset += len(data)
        self.settler.feed(data)
        return True

    def skip_to(self, offset: int) -> None:
        """Go on further below, with a word about what is left out."""
        self.settled.clear()
        self.settled.append(f"… {offset} bytes before: runwrap logs")
        self.offset, self.begun = offset, ""
        self.settler = Settler(self.take, colour=False)

    def lines(self) -> list[str]:
        """Return the last lines, escaped and cut."""
        pending = self.settler.pending()
        if self.begun:
            pending = [self.begun + (pending[0] if pending else ""), *pending[1:]]
        return [shown(line) for line in [*self.settled, *pending][-MOST_LINES:]]


def shown(line: str) -> str:
    """Write a line so that it does no harm."""
    return visible(line[:LONGEST_CHARACTERS].rstrip("\r").expandtabs(TAB_COLUMNS)).rstrip()
