"""What a line from the socket means: which records it makes, and what is answered (docs/socket.md)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from runwrap.capture.intake.line import (
    LAST_RANK,
    LAST_STEP,
    LONGEST_NAME,
    MOST_KEYS,
    BadLineError,
    answer_to,
    as_json,
    checked_values,
    inside,
    is_path,
    parsed,
    read_spill,
    shown,
    table,
    text,
    texts,
    time_of,
    whole,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runwrap.capture.intake.line import Line

    Item = tuple[str, dict[str, object] | bytes, float]

SPILL_PREFIX = ".spill-"
LEVELS = ("info", "warning", "error")
RULES = ("last", "min", "max", "mean", "best", "none")
CALLED = ("project", "name", "group", "job_type")
POLICIES = ("now", "live", "end")
# Who asks for these is answered when they are done.
ERRANDS = ("save", "restore")
NUMBERS = {int, float, bool, type(None)}
# These hold no text that may be changed, or are masked where they are taken.
UNMASKED = frozenset({"history", "metric", "file", "spill", "save", "restore", "hello"})


class Speech:
    """Makes records of the lines of one run.

    `run` is what is told about the run; `given` names the settings that the user gave to runwrap,
    which no script changes; `note` gets sentences about what was passed over; `mask` masks secrets.
    """

    def __init__(
        self,
        run: Line,
        given: frozenset[str],
        files_path: str,
        note: Callable[[str], None],
        mask: Callable[[Any], Any] = lambda value: value,
    ) -> None:
        self.mask = mask
        self.run = run
        self.given = given
        self.files_path = files_path
        self.flags = dict(run["config"])
        self.next_step: dict[int, int] = {}
        self.told_files: set[str] = set()
        self.errands: list[Line] = []
        self.refused = 0
        self.note = note

    def take(self, line: bytes, now_s: float, items: list[Item]) -> bytes:
        """Append the records of a line to `items` and return its answer. Raises: BadLineError."""
        said = parsed(line)
        before = len(items)
        try:
            way_to_take(said)(self, said, time_of(said, now_s), items)
        except BadLineError as error:
            error.answer = answer_to(said, {"ok": False, "error": str(error)})
            raise
        if said["kind"] not in UNMASKED:
            items[before:] = [(kind, self.mask(data), at_s) for kind, data, at_s in items[before:]]
        if said["kind"] in ERRANDS:
            return b""
        more = {"run": self.run} if said["kind"] in ("hello", "init") else {}
        return answer_to(said, {"ok": True, **more})

    def refuse(self, reason: str) -> None:
        """Count a line that could not be taken, and remember the first reason."""
        self.refused += 1
        if self.refused == 1:
            self.note(f"A line from the script was passed over: {reason}.")

    def close(self) -> None:
        """Say how many lines were passed over, if it was not one."""
        if self.refused > 1:
            self.note(f"{self.refused} lines from the script were passed over in all.")

    # One method for each kind that a line can be of.

    def take_history(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take a row of metrics."""
        values = said.get("values")
        rank = whole(said, "rank", 0, LAST_RANK) or 0
        if type(values) is not dict:
            raise BadLineError("history without an object `values`")
        if not is_plain(values):
            values = checked_values(values)
            values = values if are_numbers(values) else self.mask(values)
        step = whole(said, "step", -LAST_STEP, LAST_STEP)
        if step is None:
            step = self.next_step.get(rank, 0)
        self.next_step[rank] = step if said.get("commit") is False else step + 1
        data: dict[str, object] = {"step": step, "values": values, "source": "api"}
        if rank:
            data["rank"] = rank
        items.append(("history", as_json(data), time_s))

    def take_config(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take settings; those that the user gave stay."""
        values = table(said, "values")
        differing = [key for key in values if key in self.flags and values[key] != self.flags[key]]
        kept = {key: value for key, value in values.items() if key not in self.flags}
        source = text(said, "source") or "api"
        if differing:
            named = ", ".join(sorted(differing))[:300]
            self.note(f"The script's config was passed over where --config was given: {named}.")
        if kept:
            self.run["config"] |= kept
            items.append(("config", {"values": kept, "source": source}, time_s))

    def take_summary(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take values that were set by hand."""
        items.append(("summary", {"values": checked_values(table(said, "values"))}, time_s))

    def take_metric(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take how a metric is to be read."""
        data = {key: text(said, key) for key in ("name", "step_metric", "summary", "goal")}
        if not data["name"]:
            raise BadLineError("metric without a name")
        if data["summary"] not in (None, *RULES):
            raise BadLineError(f"nobody knows the summary {data['summary']!r}: {', '.join(RULES)}"[:300])
        items.append(("metric", {key: value for key, value in data.items() if value is not None}, time_s))

    def take_note(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take what the run is about."""
        items.append(("note", {"text": text(said, "text") or ""}, time_s))

    def take_tag(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take tags."""
        data: dict[str, object] = {key: texts(said, key) for key in ("add", "remove")}
        items.append(("tag", data, time_s))

    def take_alert(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take what people should know now."""
        level = (text(said, "level") or "info").lower()
        level = {"warn": "warning"}.get(level, level)
        if level not in LEVELS:
            raise BadLineError(f"nobody knows the level {level!r}: {', '.join(LEVELS)}"[:300])
        title = text(said, "title") or ""
        items.append(("alert", {"title": title, "text": text(said, "text") or "", "level": level}, time_s))

    def take_notice(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take what a part of ours in the script could not do."""
        data = {key: text(said, key) or "" for key in ("level", "part", "text")}
        items.append(("notice", dict(data), time_s))

    def take_file(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take that a file in the run's folder is complete."""
        path = text(said, "path") or ""
        full = within(self.files_path, path)
        try:
            found = os.lstat(full)
        except OSError as error:
            raise BadLineError(f"the file {path!r} of the run: {error.strerror}"[:300]) from None
        if not stat.S_ISREG(found.st_mode):
            raise BadLineError(f"{path!r} is no file")
        digest = text(said, "sha256")
        data: dict[str, object] = {
            "path": path,
            "sha256": digest,
            "size_bytes": found.st_size,
            "policy": "now",
        }
        self.told_files.add(path)
        items.append(("file", data, time_s))

    def take_init(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take what the script calls the run; what the user has called it stays."""
        called = {key: value for key in CALLED if (value := text(said, key)) is not None}
        notes, tags = text(said, "notes"), texts(said, "tags")
        for key in [key for key in called if key in self.given]:
            value = called.pop(key)
            if value != self.run.get(key):
                self.note(f"init({key}={value[:100]!r}) was passed over: --{key} was given.")
        if called:
            self.run |= called
            items.append(("init", dict(called), time_s))
        if notes and "notes" not in self.given:
            items.append(("note", {"text": notes}, time_s))
        if tags:
            items.append(("tag", {"add": tags, "remove": []}, time_s))

    def take_spill(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take a line that was too long for the socket."""
        path = within(self.files_path, text(said, "path") or "")
        if not os.path.basename(path).startswith(SPILL_PREFIX):
            raise BadLineError("spill wants a file that was spilt")
        line = read_spill(path)
        self.take(line, time_s, items)

    def take_save(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take that files are to be kept."""
        for key in ("path", "base"):
            path = text(said, key)
            if (path is not None or key == "path") and not (
                is_path(path or "") and os.path.isabs(path or "")
            ):
                raise BadLineError(f"{key} is no whole path, from the root: {shown(path)}")
        if said.get("policy") not in (None, *POLICIES):
            raise BadLineError(f"nobody knows the policy {shown(said['policy'])}: {', '.join(POLICIES)}")
        self.errands.append(said)

    def take_restore(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take that somebody asks for a file of this or another run."""
        inside(text(said, "name") or "")
        text(said, "run")
        self.errands.append(said)

    def take_hello(self, said: Line, time_s: float, items: list[Item]) -> None:
        """Take who speaks."""


TAKES: dict[str, Callable[[Speech, Line, float, list[Item]], None]] = {
    name.removeprefix("take_"): method for name, method in vars(Speech).items() if name.startswith("take_")
}


def is_plain(values: Line) -> bool:
    """Tell whether values are what they nearly always are: some numbers that JSON has digits for."""
    for name, value in values.items():
        # An infinity less itself is NaN, which is true.
        if type(value) is not float or value - value or len(name) > LONGEST_NAME:
            return False
    return len(values) <= MOST_KEYS


def are_numbers(values: Line) -> bool:
    """Tell whether values hold no text in which a secret could be."""
    return {*map(type, values.values())} <= NUMBERS


def way_to_take(said: Line) -> Callable[[Speech, Line, float, list[Item]], None]:
    """Return what takes a line of its kind. Raises: BadLineError."""
    kind = said.get("kind")
    take = TAKES.get(kind) if isinstance(kind, str) else None
    if take is None:
        raise BadLineError(f"nobody knows the kind {kind if kind is None else shown(kind)}")
    return take
