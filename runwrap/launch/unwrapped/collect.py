"""Record a script that calls init() without runwrap around it: `runwrap collect --`.

inject/collector.py starts this and says what the lines between both mean.
"""

from __future__ import annotations

import json
import os
import time

from runwrap.capture.sampler.kin import Kin
from runwrap.errors import RunwrapError, StoreError, UsageError
from runwrap.launch import signals
from runwrap.launch.config_file import read_config_file
from runwrap.launch.folder import RunFolder
from runwrap.launch.guard import Guard
from runwrap.launch.options import OPTIONS
from runwrap.launch.reception.desk import Desk
from runwrap.launch.sampling import start_sampler
from runwrap.launch.spawn import Command, fork_aside
from runwrap.launch.unwrapped.script import Script
from runwrap.settings import data_root, load
from runwrap.store.layout import project_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runwrap.settings import Settings

STDIN, STDOUT, STDERR = 0, 1, 2
SYNC_INTERVAL_S = 1.0
SAMPLER_WAIT_S = 1.0
# The words of a command line are among what it is told, and those take 2 MiB at most.
LONGEST_LINE_BYTES = 16 << 20
GIVEN = ("project", "name", "group", "job_type", "notes", "id", "dir")


def settings_for(said: dict[str, Any]) -> Settings:
    """Return the settings of a run: what init() was given, then all other sources. Raises: RunwrapError."""
    given: dict[str, object] = {key: str(said[key]) for key in GIVEN if said.get(key)}
    if said.get("tags"):
        given["tags"] = [str(tag) for tag in said["tags"]]
    for option in OPTIONS:
        if option.name in given and option.check:
            try:
                option.check(str(given[option.name]))
            except ValueError as error:
                raise UsageError(f"init({option.name}={given[option.name]!r}) {error}") from None
    resume = said.get("resume")
    if resume is not None and (said.get("id") or os.environ.get("RUNWRAP_ID")):
        given["resume"] = resume not in (False, "never")
    settings = load(given, os.environ, str(said["cwd"]), OPTIONS)
    if settings.id and resume == "must":
        folder = os.path.join(data_root(settings, os.environ), project_folder(settings.project), settings.id)
        if not os.path.isdir(folder):
            raise StoreError(f"there is no run {settings.id} to go on with", "leave out resume='must'")
    return settings


class Collection:
    """One run that is recorded beside its script. Raises: RunwrapError, where it cannot begin."""

    def __init__(self, said: dict[str, Any]) -> None:
        settings = settings_for(said)
        if settings.off:
            raise UsageError("runwrap is turned off", "unset RUNWRAP_OFF")
        files = {path: read_config_file(path) for path in settings.config_file}
        words = [str(word) for word in said["argv"]]
        self.folder = RunFolder(settings, words, str(said["cwd"]), files)
        self.guard = Guard()
        given = frozenset(name for name, origin in settings.origin.items() if origin != "default")
        self.desk = Desk(self.folder, self.guard, given)
        self.folder.begin("collect", [])
        path = self.desk.open()
        if path is None:
            error = self.folder.cannot_begin(self.guard.notices[0]["text"])
            raise StoreError(str(error), "look at XDG_RUNTIME_DIR and /tmp: sockets are made there")
        self.path = path
        self.script = Script(int(said["pid"]), STDIN)

    def run(self) -> None:
        """Say where the socket is, record until the script ends, and write the end. Blocks."""
        snapshot = self.folder.start_diff()
        self.folder.script_starts()
        self.folder.script_started_s = time.time()
        command = Command([], dict(os.environb), frozenset(), set())
        own = [STDIN, STDOUT, *self.desk.descriptors()]
        fork_aside(lambda: self.folder.collect_facts(self.guard, command, snapshot), own)
        kin = Kin(f"RUNWRAP_RUN={self.folder.id}", set(), {os.getpid()}, frozenset({self.script.pid}))
        sampler = start_sampler(self.folder, kin, command.environ, own, lambda _: None)
        answer(socket=self.path, run=self.folder.about())
        self.desk.start()
        self.guard("folder", self.folder.script_runs)
        self.script.wait(SYNC_INTERVAL_S, lambda: self.guard("journal", self.folder.journal.sync))
        if sampler:
            sampler.end()
        self.desk.finish(lambda _: None)
        self.guard("journal", self.end)
        if sampler:
            sampler.wait(SAMPLER_WAIT_S)

    def end(self) -> None:
        """Write the last records and bring them to the disk."""
        self.folder.end(self.script.exit_facts(self.folder.started_clock_s), [], self.guard.notices)
        self.folder.journal.sync()


def first_line() -> bytes:
    """Read the line that says what init() was given; no other comes before we have answered. Blocks."""
    line = b""
    while not line.endswith(b"\n") and len(line) < LONGEST_LINE_BYTES:
        chunk = os.read(STDIN, LONGEST_LINE_BYTES)
        if not chunk:
            break
        line += chunk
    return line


def answer(**said: object) -> None:
    """Say the one line that the script waits for, and nothing after it."""
    try:
        os.write(STDOUT, json.dumps(said).encode() + b"\n")
    except OSError:
        pass  # the script has gone: that is how its run ends
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (STDOUT, STDERR):
        os.dup2(null, fd)
    os.close(null)


def main() -> int:
    """Record a script; where that cannot begin, say why in the line that it waits for."""
    signals.block_all()
    signals.mind_children()
    try:
        said = json.loads(first_line())
        for name in ("RUNWRAP_SOCKET", "RUNWRAP_FILES", "RUNWRAP_RUN"):
            os.environ.pop(name, None)
        Collection(said).run()
    except RunwrapError as error:
        answer(error=f"{error}{f' ({error.hint})' if error.hint else ''}")
        return error.exit_code
    except (OSError, ValueError, KeyError, TypeError) as error:
        answer(error=f"{type(error).__name__}: {error}")
        return 1
    return 0
