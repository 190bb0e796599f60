"""The run's folder and journal, as the launcher writes them."""

from __future__ import annotations

import os
import time

from runwrap import __version__
from runwrap.errors import StoreError
from runwrap.record import new_run_id, new_run_name
from runwrap.settings import data_root
from runwrap.store.journal import Journal, JournalError
from runwrap.store.layout import project_folder
from runwrap.store.liveness import boot_id, pid_namespace, pid_started, user_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runwrap.capture.git_snapshot import Snapshot
    from runwrap.launch.console import Marks
    from runwrap.launch.guard import Guard
    from runwrap.launch.outcome import Outcome
    from runwrap.launch.spawn import Command
    from runwrap.settings import Settings


# Room on the disk that is kept for the last records, should the script's output fill it.
BALLAST_BYTES = 1 << 14
SIGKILL = 9


class RunFolder:
    """A run on disk, from its first record to its last; `files` is the config that was given in files.

    Raises: StoreError, where it cannot be made.
    """

    def __init__(
        self, settings: Settings, words: list[str], cwd: str, files: dict[str, dict[str, object]]
    ) -> None:
        self.settings = settings
        self.config_files = files
        self.words = words
        self.cwd = cwd
        self.started_s = time.time()
        self.id = settings.id or new_run_id(self.started_s)
        self.name = settings.name or new_run_name()
        self.root = data_root(settings, os.environ)
        self.path = os.path.join(self.root, project_folder(settings.project), self.id)
        self.journal_path = os.path.join(self.path, "journal.jsonl")
        self.resumed = os.path.lexists(self.journal_path)
        if self.resumed and not settings.resume:
            raise StoreError(f"there is a run {self.id} already", "choose another --id, or add --resume")
        self.files_path = os.path.join(self.path, "files")
        self.output_path = os.path.join(self.path, "output.log")
        self.ballast_path = os.path.join(self.path, ".ballast")
        try:
            before = os.umask(0o077)
            try:
                os.makedirs(self.files_path, exist_ok=True)
            finally:
                os.umask(before)
        except OSError as error:
            raise self.cannot_begin(f"cannot make the run's folder {self.path}: {error.strerror}") from error
        try:
            self.journal = Journal(self.journal_path)
        except JournalError as error:
            raise self.cannot_begin(str(error)) from error
        self.oom_kills: int | None = None
        self.script_started_s = self.started_s
        self.cause = ""
        self.duration_s = 0.0

    def environ(self) -> dict[bytes, bytes]:
        """Return what the script finds in its environment beside what was there."""
        return {b"RUNWRAP_RUN": os.fsencode(self.id), b"RUNWRAP_FILES": os.fsencode(self.files_path)}

    def about(self) -> dict[str, object]:
        """Tell a script about its run."""
        return {
            "id": self.id,
            "name": self.name,
            "project": self.settings.project,
            "group": self.settings.group,
            "job_type": self.settings.job_type,
            "dir": self.path,
            "files": self.files_path,
            "config": (given := self.given_config()),
            "flags": sorted(given),
        }

    def given_config(self) -> dict[str, object]:
        """Return the config that the user has given: the later ones of the files, then the flags."""
        given: dict[str, object] = {}
        for values in (*self.config_files.values(), self.settings.config):
            given |= values
        return given

    def begin(self, mode: str, streams: list[str]) -> None:
        """Write what is known before the start: the run, and what the command line says of it."""
        settings = self.settings
        records: Marks = [("run", self.run_facts(mode, streams), self.started_s)]
        for path, values in self.config_files.items():
            records.append(("config", {"values": values, "source": "file", "path": path}, self.started_s))
        if settings.config:
            records.append(("config", {"values": settings.config, "source": "flag"}, self.started_s))
        if settings.tags:
            records.append(("tag", {"add": settings.tags, "remove": []}, self.started_s))
        if settings.notes:
            records.append(("note", {"text": settings.notes}, self.started_s))
        try:
            self.journal.append_many(records)
        except JournalError as error:
            raise self.cannot_begin(str(error)) from error

    def cannot_begin(self, reason: str) -> StoreError:
        """Return the error of a run that cannot begin, and leave nothing of one that is new."""
        if not self.resumed:
            drop(self.journal_path)
            drop(self.output_path)
            drop(self.files_path, os.rmdir)
            drop(self.path, os.rmdir)
        hint = f"free some space there, or set RUNWRAP_DIR or --dir to another folder: now {self.root}"
        return StoreError(reason, hint)

    def run_facts(self, mode: str, streams: list[str]) -> dict[str, object]:
        """Describe the run."""
        both = "both" in streams
        facts: dict[str, object] = {
            "id": self.id,
            "project": self.settings.project,
            "name": self.name,
            "group": self.settings.group,
            "job_type": self.settings.job_type,
            "argv": self.words,
            "cwd": self.cwd,
            "started": self.started_s,
            "host": os.uname().nodename,
            "user": user_name(),
            "pid": os.getpid(),
            "pid_started": pid_started(os.getpid()),
            "boot_id": boot_id(),
            "pid_namespace": pid_namespace(),
            "runwrap": __version__,
            "mode": mode,
            "streams": {name: "both" if both else name for name in ("stdout", "stderr")},
        }
        raw = [os.fsencode(word) for word in self.words]
        if not all(map(is_text, raw)):
            import base64

            facts["argv_base64"] = [base64.b64encode(word).decode() for word in raw]
        if self.resumed:
            facts["resumed"] = True
        return facts

    def start_diff(self) -> Snapshot | None:
        """Start what describes the working tree, just before the script can change it."""
        from runwrap.capture.repository_sign import may_be_in_repository

        if self.settings.no_git or not may_be_in_repository(self.cwd):
            return None
        from runwrap.capture.git_snapshot import start_diff

        try:
            return start_diff(self.cwd, os.environ)
        except OSError:
            return None

    def script_starts(self) -> None:
        """Take the time that durations are counted from."""
        self.started_clock_s = time.monotonic()

    def script_runs(self) -> None:
        """Do what could wait until the script was started."""
        from runwrap.capture.cgroup import oom_kills

        self.oom_kills = oom_kills()
        with open(self.ballast_path, "wb") as file:
            file.write(bytes(BALLAST_BYTES))

    def collect_facts(self, guard: Guard, command: Command, snapshot: Snapshot | None) -> list[str]:
        """Gather the facts into the journal; return the notices in words. Runs in the collector."""
        from runwrap.capture.facts import Request, collect
        from runwrap.launch.guard import in_words

        journal = Journal(self.journal_path)
        news: list[str] = []

        def emit(kind: str, data: dict[str, Any]) -> None:
            journal.append(kind, data)
            if kind == "notice":
                news.append(in_words(data))

        environ = {os.fsdecode(key): os.fsdecode(value) for key, value in command.environ.items()}
        request = Request(self.words, self.cwd, environ, self.files_path, self.script_started_s, snapshot)
        request.env_keep = self.settings.env_keep
        guard("facts", lambda: collect(emit, request))
        for notice in guard.notices:
            emit("notice", notice)
        return news

    def append_anew(self, records: Marks) -> None:
        """Append from a process other than the wrapper."""
        Journal(self.journal_path).append_many(records)

    def marked_bytes(self) -> int:
        """Return how much of the log the journal accounts for."""
        from runwrap.store.reading import read_records

        end = 0
        for record in read_records(self.journal_path):
            if record.kind == "output":
                end = int(str(record.data["offset"])) + int(str(record.data["size_bytes"]))
        return end

    def mark_lost(self) -> None:
        """Record that the wrapper was killed. Runs in the keeper."""
        facts: dict[str, object] = {
            "status": None,
            "signal": None,
            "cause": "runwrap was killed",
            "lost": True,
        }
        facts["duration_s"] = time.monotonic() - self.started_clock_s
        Journal(self.journal_path).append("exit", facts)

    def end(self, exit_facts: dict[str, object], marks: Marks, notices: list[dict[str, str]]) -> None:
        """Write the last records."""
        moment = time.time()
        notes: Marks = [("notice", dict(notice), moment) for notice in notices]
        records: Marks = [*marks, *notes]
        records.append(("exit", exit_facts, moment))
        try:
            self.journal.append_many(records)
        except JournalError:
            drop(self.ballast_path)  # the disk is full: this makes room for the end
            try:
                self.journal.append_many(records)
            except JournalError:
                self.journal.append_many(records[len(marks) :])  # the end matters more than the marks
        drop(self.ballast_path)

    def out_of_memory(self, outcome: Outcome) -> bool:
        """Tell whether the kernel has killed for want of memory while the script was killed."""
        if outcome.signal_number() != SIGKILL or self.oom_kills is None:
            return False
        from runwrap.capture.cgroup import oom_kills

        return (oom_kills() or 0) > self.oom_kills

    def exit_facts(self, outcome: Outcome, failure: bytes) -> dict[str, object]:
        """Describe the end."""
        from runwrap.launch.outcome import signal_name

        self.duration_s = time.monotonic() - self.started_clock_s
        number = outcome.signal_number()
        self.cause = outcome.cause(self.out_of_memory(outcome))
        if failure:
            self.cause = f"could not be executed: {os.strerror(int(failure))}"
        return {
            "status": outcome.exit_status(),
            "signal": signal_name(number) if number else None,
            "cause": self.cause,
            "duration_s": self.duration_s,
            "cpu_user_s": outcome.cpu_user_s,
            "cpu_system_s": outcome.cpu_system_s,
            "memory_peak_bytes": outcome.memory_peak_bytes,
        }

    def greeting(self) -> str:
        """Say which run has begun."""
        return f"runwrap: {self.name} in {self.settings.project}, follow it with: runwrap logs -f {self.name}"

    def farewell(self, outcome: Outcome) -> str:
        """Say how the run ended."""
        from runwrap.launch.outcome import in_words

        duration_s = self.duration_s or time.monotonic() - self.started_clock_s
        cause = self.cause or outcome.cause(out_of_memory=False)
        return f"runwrap: {self.name} {cause} after {in_words(duration_s)}, see: runwrap show {self.name}"


def drop(path: str, remove: Callable[[str], None] = os.unlink) -> None:
    """Remove a file that may be gone already, or a folder if it is empty."""
    try:
        remove(path)
    except OSError:
        pass


def is_text(raw: bytes) -> bool:
    """Tell whether bytes are UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
