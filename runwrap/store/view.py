"""A run as its records tell it: what is known of it now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from runwrap.store.liveness import boot_id, pid_namespace, pid_started

if TYPE_CHECKING:
    from runwrap.record import Record

Facts = dict[str, Any]
RUN_KEYS = ("project", "name", "group", "job_type", "cwd", "host", "user", "mode")
PROCESS_KEYS = ("host", "pid", "pid_started", "boot_id", "pid_namespace")
MOST_LISTED = 10_000


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
            "files": [],
            "notices": [],
            "bad_lines": 0,
            "last": 0.0,
        }

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
                take(record.data)
            except (TypeError, KeyError, ValueError, AttributeError):
                self.document["bad_lines"] += 1

    def take_run(self, data: Facts) -> None:
        """Begin the run, or go on with it after an end."""
        started_s = float(data["started"])
        self.document |= {key: str(data[key]) for key in RUN_KEYS if data.get(key) is not None}
        self.document["argv"] = [str(word) for word in data.get("argv") or self.document["argv"]]
        self.document["started"] = started_s
        self.document["process"] = {key: data.get(key) for key in PROCESS_KEYS}
        self.document["exit"] = None

    def take_exit(self, data: Facts) -> None:
        """End the run."""
        self.document["exit"] = dict(data)

    def take_config(self, data: Facts) -> None:
        """Merge values of the configuration, later ones over earlier ones."""
        self.document["config"] |= dict(data["values"])

    def take_summary(self, data: Facts) -> None:
        """Merge values of the summary."""
        self.document["summary"] |= dict(data["values"])

    def take_history(self, data: Facts) -> None:
        """Count points of metrics, which are read elsewhere."""
        for key in data["values"]:
            self.document["history"].setdefault(key, {"count": 0})["count"] += 1

    def take_fact(self, data: Facts) -> None:
        """Keep what was found out about the run's surroundings."""
        self.document["facts"][str(data["name"])] = data["value"]

    def take_tag(self, data: Facts) -> None:
        """Give tags and take them away."""
        removed = data.get("remove", [])
        kept = [tag for tag in self.document["tags"] if tag not in removed]
        self.document["tags"] = list(dict.fromkeys([*kept, *map(str, data.get("add", []))]))

    def take_note(self, data: Facts) -> None:
        """Replace the note."""
        self.document["notes"] = str(data["text"])

    def take_file(self, data: Facts) -> None:
        """List a file of the run, in place of an earlier one of that path."""
        files = {file["path"]: file for file in self.document["files"]}
        files[str(data["path"])] = {key: data.get(key) for key in ("path", "sha256", "size_bytes")}
        self.document["files"] = list(files.values())[-MOST_LISTED:]

    def take_notice(self, data: Facts) -> None:
        """List what runwrap itself could not do."""
        notice = {key: str(data.get(key, "")) for key in ("level", "part", "text")}
        self.document["notices"] = [*self.document["notices"], notice][-MOST_LISTED:]

    def decide(self) -> tuple[str, str]:
        """Return the state and its cause, by the exit record or by whether the wrapper still lives."""
        end = self.document["exit"]
        if end is None:
            return state_of_process(self.document["process"])
        cause = str(end.get("cause", ""))
        if end.get("lost"):
            return "crashed", cause
        if end.get("signal"):
            return "killed", cause
        return ("finished" if end.get("status") == 0 else "failed"), cause

    @property
    def state(self) -> str:
        """Return running, finished, failed, killed or crashed."""
        return self.decide()[0]

    @property
    def duration_s(self) -> float | None:
        """Return how long the script ran: to its end, or to the last that was heard of it."""
        end = self.document["exit"] or {}
        if isinstance(end.get("duration_s"), (int, float)):
            return float(end["duration_s"])
        return (
            max(0.0, self.document["last"] - self.document["started"]) if self.document["started"] else None
        )

    def to_json(self) -> Facts:
        """Return what `runwrap show --json` prints."""
        state, cause = self.decide()
        hidden = ("process", "last", "bad_lines")
        shown = {key: value for key, value in self.document.items() if key not in hidden}
        return shown | {"state": state, "cause": cause, "duration_s": self.duration_s}


def state_of_process(process: Facts) -> tuple[str, str]:
    """Decide about a run without an end, by pid, start time and boot id of its wrapper."""
    if not process:
        return "crashed", "it never began"
    host, here = process.get("host"), os.uname().nodename
    if host != here:
        return "running", f"on {host}"
    if process.get("boot_id") != boot_id():
        return "crashed", "the machine restarted"
    if process.get("pid_namespace") != pid_namespace():
        return "running", "in another container"
    pid = process.get("pid")
    if isinstance(pid, int) and pid_started(pid) == process.get("pid_started") is not None:
        return "running", ""
    return "crashed", "runwrap was killed"
