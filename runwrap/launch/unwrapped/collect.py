"""Record a script that calls init() without runwrap around it: `runwrap collect -- JSON`.

inject/collector.py starts this and says what the lines between both mean.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from runwrap.errors import RunwrapError, StoreError, UsageError
from runwrap.launch import signals
from runwrap.launch.config_file import read_config_file
from runwrap.launch.folder import RunFolder
from runwrap.launch.guard import Guard
from runwrap.launch.options import OPTIONS
from runwrap.launch.reception.desk import Desk
from runwrap.launch.spawn import Command, fork_aside
from runwrap.launch.unwrapped.script import Script
from runwrap.settings import data_root, load
from runwrap.store.layout import project_folder

if TYPE_CHECKING:
    from runwrap.settings import Settings

STDIN, STDOUT, STDERR = 0, 1, 2
SYNC_INTERVAL_S = 1.0
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
    if said.get("id") and said.get("resume") not in (None, False, "never"):
        given["resume"] = True
    settings = load(given, os.environ, str(said["cwd"]), OPTIONS)
    if said.get("id") and said.get("resume") == "must":
        folder = os.path.join(data_root(settings, os.environ), project_folder(settings.project), said["id"])
        if not os.path.isdir(folder):
            raise StoreError(f"there is no run {said['id']} to go on with", "leave out resume='must'")
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
            raise StoreError(self.guard.notices[0]["text"])
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
        answer(socket=self.path, run=self.folder.about())
        self.desk.start()
        self.script.wait(SYNC_INTERVAL_S, lambda: self.guard("journal", self.folder.journal.sync))
        self.desk.finish(lambda _: None)
        self.guard("journal", self.end)

    def end(self) -> None:
        """Write the last records and bring them to the disk."""
        for notice in self.guard.notices:
            self.folder.journal.append("notice", dict(notice))
        self.folder.journal.append("exit", self.script.exit_facts(self.folder.started_clock_s))
        self.folder.journal.sync()


def answer(**said: object) -> None:
    """Say the one line that the script waits for, and nothing after it."""
    os.write(STDOUT, json.dumps(said).encode() + b"\n")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (STDOUT, STDERR):
        os.dup2(null, fd)
    os.close(null)


def main(arguments: list[str]) -> int:
    """Record a script; where that cannot begin, say why in the line that it waits for."""
    signals.block_all()
    try:
        said = json.loads(arguments[-1])
        for name in ("RUNWRAP_SOCKET", "RUNWRAP_FILES", "RUNWRAP_RUN"):
            os.environ.pop(name, None)
        Collection(said).run()
    except RunwrapError as error:
        answer(error=f"{error}{f' ({error.hint})' if error.hint else ''}")
        return error.exit_code
    except (OSError, ValueError, KeyError, IndexError) as error:
        answer(error=f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
