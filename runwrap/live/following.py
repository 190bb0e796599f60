"""A run as it is now: its records, read on from where the last look ended, in bounded time and memory."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from runwrap.record import clean_text
from runwrap.store.cause import last_words
from runwrap.store.metric import number_of
from runwrap.store.reading import JournalReader
from runwrap.store.shape import Shape, add, new_shape
from runwrap.store.view import RunView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwrap.record import Record

# So many buckets a line where there are few of them, fewer where there are many.
MOST_BUCKETS, LEAST_BUCKETS, BUCKETS_IN_ALL = 512, 16, 200_000
MOST_NAMES = 4000
# Sums over instances, of what is drawn as one lane.
SUMMED = (
    "disk_read_bytes_per_s",
    "disk_write_bytes_per_s",
    "net_received_bytes_per_s",
    "net_sent_bytes_per_s",
)


class Line:
    """One line to be drawn: its shape, the last point of it, and how many there were."""

    __slots__ = ("count", "last", "position", "shape")

    def __init__(self) -> None:
        self.shape: Shape = new_shape()
        self.count = 0
        self.last: float = 0.0
        self.position = 0

    def take(self, position: int, number: float, most: int) -> None:
        """Take one more point."""
        finite = float(number) if number - number == 0 else None
        add(self.shape, position, finite, most)
        self.count += 1
        self.last, self.position = number, position


class Lines:
    """The lines of one kind, by name."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.left_out = 0

    def take(self, name: str, position: int, number: float) -> None:
        """Take one more point of a line, where there is room for its name."""
        line = self.lines.get(name)
        if line is None:
            if len(self.lines) >= MOST_NAMES:
                self.left_out += 1
                return
            line = self.lines[name] = Line()
        most = max(LEAST_BUCKETS, min(MOST_BUCKETS, BUCKETS_IN_ALL // len(self.lines)))
        line.take(position, number, most)


class Following:
    """Follows one run; what it costs grows with what is new."""

    def __init__(self, path: str) -> None:
        self.view = RunView(path)
        self.reader = JournalReader(os.path.join(path, "journal.jsonl"))
        self.coming: Iterator[Record] | None = None
        self.metrics = Lines()
        self.system = Lines()
        self.explained: object = None

    def advance(self, budget_s: float) -> bool:
        """Read on for so long at most; tell whether anything has come."""
        end_s = time.monotonic() + budget_s
        came = False
        if self.coming is None:
            self.coming = self.reader.records()
        for record in self.coming:
            self.take(record)
            came = True
            if time.monotonic() > end_s:
                break
        else:
            self.coming = None
        self.view.document["bad_lines"] += self.reader.bad_lines
        self.reader.bad_lines = 0
        self.explain()
        return came

    def is_behind(self) -> bool:
        """Tell whether there is more to read than was read in the time given."""
        return self.coming is not None

    def take(self, record: Record) -> None:
        """Take one more record in."""
        self.view.apply(record)
        values = record.data.get("values")
        if isinstance(values, dict):
            if record.kind == "history":
                self.take_row(record.data, values)
            elif record.kind == "system":
                self.take_sample(record.time, values)

    def take_row(self, data: dict[str, Any], values: dict[str, Any]) -> None:
        """Take the numbers of one step; other processes of a distributed run have lines of their own."""
        step, rank = data.get("step"), data.get("rank")
        position = step if type(step) is int else self.view.last_step
        for name, value in values.items():
            number = number_of(value)
            if number is not None:
                self.metrics.take(clean_text(name) + (f" (rank {rank})" if rank else ""), position, number)

    def take_sample(self, time_s: float, values: dict[str, Any]) -> None:
        """Take what the run used at one moment, and the sums of what is counted by instance."""
        sums: dict[str, float] = {}
        for name, value in values.items():
            number = number_of(value)
            if number is not None:
                self.system.take(clean_text(name), int(time_s), number)
                stem = name.partition("/")[0]
                if stem in SUMMED and stem != name:
                    sums[stem] = sums.get(stem, 0.0) + float(number)
        for name, number in sums.items():
            self.system.take(name, int(time_s), number)

    def explain(self) -> None:
        """Find out once for each end why the script has failed."""
        end = self.view.exit
        if end is not self.explained and self.view.has_failed:
            self.view.document["cause_detail"] = last_words(self.view.path, self.view.stretches)
        self.explained = end

    def close(self) -> None:
        """Let the journal go."""
        if self.coming is not None:
            self.coming.close()  # type: ignore[attr-defined]  # it is a generator
            self.coming = None
