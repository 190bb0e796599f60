"""A run as its records tell it: what is known of it now."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from runwrap.record import LAST_TIME_S, clean, clean_text
from runwrap.store.liveness import boot_id, is_alive, pid_namespace
from runwrap.store.metric import Metrics, number_of, spread
from runwrap.store.shape import add, new_shape
from runwrap.store.stretch import remember

if TYPE_CHECKING:
    from runwrap.record import Record

Facts = dict[str, Any]
RUN_KEYS = ("project", "name", "group", "job_type", "cwd", "host", "user", "mode")
CALLED_KEYS = ("project", "name", "group", "job_type")
METRIC_KEYS = ("step_metric", "summary", "goal")
# What a reader needs to go on.
HIDDEN_KEYS = ("process", "last", "last_step", "by_hand", "shapes", "stretches")
PROCESS_KEYS = ("host", "pid", "pid_started", "boot_id", "pid_namespace")
MOST_LISTED = 10_000
# Of this fact each record tells of more.
MASKED = "masked"
# Metrics whose shape is kept, in so many buckets, to be shown as a line of text.
MOST_SHAPES, SHAPE_BUCKETS = 30, 64
LAST_PID = 2**31 - 1


class RunView:
    """One run, reduced from its records in order; `document` is all of it, as JSON can say it."""

    def __init__(self, path: str, document: Facts | None = None) -> None:
        self.path = path
        self.document: Facts = document or {
            "id": os.path.basename(path),
            "project": os.path.basename(os.path.dirname(path)),
            "name": os.path.basename(path),
            "group": None,
            "job_type": None,
            "started": 0.0,
            "cwd": None,
            "argv": [],
            "exit": None,
            "process": {},
            "config": {},
            "summary": {},
            "tags": [],
            "notes": "",
            "facts": {},
            "history": {},
            "metrics": {},
            "system": {},
            "shapes": {},
            "cause_detail": "",
            "stretches": [],
            "by_hand": [],
            "files": {},
            "notices": [],
            "alerts": [],
            "bad_lines": 0,
            "last": 0.0,
            "last_step": -1,
        }

        self.points = Metrics(self.document)

    def __getattr__(self, name: str) -> Any:
        """Give the parts of the document as attributes."""
        try:
            return self.__dict__["document"][name]
        except KeyError:
            raise AttributeError(name) from None

    def apply(self, record: Record) -> None:
        """Take one more record in; one whose data is not as it should be changes nothing."""
        self.document["last"] = max(self.document["last"], record.time)
        take = getattr(self, f"take_{record.kind}", None)
        if take:
            try:
                take(record.data if record.kind == "history" else clean(record.data))
            except (TypeError, KeyError, ValueError):
                self.document["bad_lines"] += 1

    def take_run(self, data: Facts) -> None:
        """Begin the run, or go on with it after an end."""
        started_s = seconds(data["started"])
        words = [str(word) for word in listed(data.get("argv", self.document["argv"]))]
        self.document |= {key: str(data[key]) for key in RUN_KEYS if data.get(key) is not None}
        self.document |= {"started": started_s, "argv": words, "exit": None}
        self.document["process"] = {key: data.get(key) for key in PROCESS_KEYS}
        self.document |= {"stretches": [], "cause_detail": ""}

    def take_exit(self, data: Facts) -> None:
        """End the run."""
        self.document["exit"] = data

    def take_config(self, data: Facts) -> None:
        """Merge values of the configuration, later ones over earlier ones."""
        merge(self.document["config"], data["values"])

    def take_summary(self, data: Facts) -> None:
        """Take values of the summary that were set by hand."""
        self.points.set_by_hand(table(data["values"]))

    def take_history(self, data: Facts) -> None:
        """Follow what points of metrics come to; the points are read elsewhere."""
        if type(data.get("step")) is int and not data.get("rank"):
            self.document["last_step"] = data["step"]
        for name, value in table(data["values"]).items():
            called = clean_text(name)
            self.draw(called, self.points.take(called, clean(value)))

    def draw(self, name: str, number: float | None) -> None:
        """Take one more point into the shape of a metric; what is no number leaves no trace."""
        shapes: Facts = self.document["shapes"]
        if number is None or (name not in shapes and len(shapes) >= MOST_SHAPES):
            return
        finite = number if number - number == 0 else None
        add(shapes.setdefault(name, new_shape()), self.document["last_step"], finite, SHAPE_BUCKETS)

    def take_system(self, data: Facts) -> None:
        """Follow what the run used: of each name the last value, the least, the greatest and the mean."""
        for name, value in table(data["values"]).items():
            number = number_of(value)
            if number is None or (
                name not in self.document["system"] and len(self.document["system"]) >= MOST_LISTED
            ):
                continue
            entry = self.document["system"].setdefault(name, {"count": 0})
            entry["count"] += 1
            entry["last"] = clean(value)
            if number - number == 0:
                spread(entry, number)

    def take_output(self, data: Facts) -> None:
        """Remember where the end of the output came from."""
        remember(self.document["stretches"], data["stream"], data["offset"], data["size_bytes"])

    def take_metric(self, data: Facts) -> None:
        """Take how a metric is to be read."""
        rule = {key: text(data[key]) for key in METRIC_KEYS if data.get(key) is not None}
        self.points.define(text(data["name"]), rule)

    def take_init(self, data: Facts) -> None:
        """Take what the script has called the run."""
        self.document |= {key: text(data[key]) for key in CALLED_KEYS if data.get(key) is not None}

    def take_alert(self, data: Facts) -> None:
        """List what people should know."""
        if len(self.document["alerts"]) < MOST_LISTED:
            alert = {key: text(data.get(key, "")) for key in ("title", "text", "level")}
            self.document["alerts"].append(alert)

    def take_fact(self, data: Facts) -> None:
        """Keep what was found out about the run's surroundings."""
        value = data["value"]
        if data["name"] == MASKED:
            value = added(self.document["facts"].get(MASKED), value)
        merge(self.document["facts"], {text(data["name"]): value})

    def take_tag(self, data: Facts) -> None:
        """Take tags away and give them."""
        removed = listed(data.get("remove", []))
        kept = [tag for tag in self.document["tags"] if tag not in removed]
        added = [text(tag) for tag in listed(data.get("add", []))]
        self.document["tags"] = list(dict.fromkeys(kept + added))[:MOST_LISTED]

    def take_note(self, data: Facts) -> None:
        """Replace the note."""
        self.document["notes"] = text(data["text"])

    def take_file(self, data: Facts) -> None:
        """List a file of the run, in place of an earlier one of that path."""
        file = {key: data.get(key) for key in ("path", "sha256", "size_bytes")}
        merge(self.document["files"], {text(data["path"]): file})

    def take_notice(self, data: Facts) -> None:
        """List what runwrap itself could not do."""
        if len(self.document["notices"]) < MOST_LISTED:
            notice = {key: text(data.get(key, "")) for key in ("level", "part", "text")}
            self.document["notices"].append(notice)

    def decide(self) -> tuple[str, str]:
        """Return the state and its cause, by the exit record or by whether the wrapper still lives."""
        end = self.document["exit"]
        if end is None:
            return state_of_process(self.document["process"])
        cause = str(end.get("cause", ""))
        if end.get("lost"):
            return "crashed", cause
        if end.get("signal") or end.get("status") is None:
            return "killed", cause
        return ("finished" if end.get("status") == 0 else "failed"), cause

    @property
    def has_failed(self) -> bool:
        """Tell whether the script ended by itself, with a status that is not 0."""
        return self.document["exit"] is not None and self.decide()[0] == "failed"

    @property
    def state(self) -> str:
        """Return running, finished, failed, killed or crashed."""
        return self.decide()[0]

    @property
    def duration_s(self) -> float | None:
        """Return how long the script ran: to its end, to the last that was heard of it, or until now."""
        if not self.document["started"]:
            return None
        try:
            return seconds((self.document["exit"] or {})["duration_s"])
        except (KeyError, TypeError, ValueError):
            end_s = time.time() if self.state == "running" else self.document["last"]
            return float(max(0.0, end_s - self.document["started"]))

    def to_json(self) -> Facts:
        """Return what `runwrap show --json` prints, and in brief `runwrap runs --json`."""
        state, cause = self.decide()
        shown = {key: value for key, value in self.document.items() if key not in HIDDEN_KEYS}
        shown |= {"state": state, "cause": cause, "duration_s": self.duration_s, "path": self.path}
        return shown | ({"files": list(shown["files"].values())} if "files" in shown else {})


def state_of_process(process: Facts) -> tuple[str, str]:
    """Decide about a run without an end, by pid, start time and boot id of its wrapper."""
    if not process:
        return "crashed", "its first record is damaged"
    if process["host"] != os.uname().nodename:
        return "running", f"on {process['host']}"
    if process["pid_namespace"] != pid_namespace():
        return "running", "in another container"
    if process["boot_id"] != boot_id():
        return "crashed", "the machine restarted"
    pid = process["pid"]
    if type(pid) is int and 0 < pid <= LAST_PID and is_alive(pid, process["pid_started"]):
        return "running", ""
    return "crashed", "runwrap was killed"


def merge(into: Facts, values: object) -> None:
    """Take values over by their keys, up to what a reader's memory is good for. Raises: TypeError."""
    for key, value in table(values).items():
        if key in into or len(into) < MOST_LISTED:
            into[key] = value


def added(before: object, more: object) -> Facts:
    """Add up what records say of the secrets that were masked. Raises: TypeError."""
    kinds = dict(table(before)["kinds"]) if before else {}
    for kind, count in table(table(more)["kinds"]).items():
        if type(count) is not int:
            raise TypeError(count)
        merge(kinds, {kind: kinds.get(kind, 0) + count})
    return {"count": sum(kinds.values()), "kinds": kinds}


def table(value: object) -> Facts:
    """Return a value that is a table. Raises: TypeError, where it is none."""
    if not isinstance(value, dict):
        raise TypeError(value)
    return value


def listed(value: object) -> list[Any]:
    """Return a value that is a list. Raises: TypeError, where it is none."""
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def text(value: object) -> str:
    """Return a value that is text. Raises: TypeError, where it is none."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def seconds(value: object) -> float:
    """Return a value that is a time or a duration. Raises: TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(value)
    if not 0 <= value < LAST_TIME_S:
        raise ValueError(value)
    return float(value)
