"""What the tests from end to end share: a folder to work in, and the `runwrap` that people call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from recorded import Recorded
from terminal import MARKER, Desk, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNWRAP = str(Path(sys.executable).with_name("runwrap"))
# What says of this machine where the tests run; the runs of the tests are to say their own.
OUTSIDE = ("RUNWRAP_", "GIT_", "SLURM_", "PBS_", "CI", "VIRTUAL_ENV", "NO_COLOR", "XDG_")
TIMEOUT_S = 60


class Bench:
    """A desk with `runwrap` on its PATH and a data folder beside it."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk([RUNWRAP], folder)
        self.folder = self.desk.folder
        self.data = folder / "data"
        self.environ = self.desk.environ
        for name in [name for name in self.environ if name.startswith(OUTSIDE) and name != MARKER]:
            del self.environ[name]
        self.environ |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "PATH": f"{Path(RUNWRAP).parent}:{os.environ['PATH']}",
            "RUNWRAP_DIR": str(self.data),
            "RUNWRAP_QUIET": "1",
        }

    def call(self, *words: str | Path, status: int = 0, cwd: Path | None = None, **environ: str) -> bytes:
        """Call a program with pipes and return its stdout, or its stderr where it is to fail."""
        done = subprocess.run(
            words,
            cwd=cwd or self.folder,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == status, (done.stdout[-500:], done.stderr[-2000:])
        assert b"Traceback" not in done.stderr, done.stderr
        return done.stderr if status else done.stdout

    def verb(self, *words: str, status: int = 0, **environ: str) -> str:
        """Call a verb and return what it prints, or what it complains of."""
        return self.call(RUNWRAP, *words, status=status, **environ).decode()

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command under runwrap and leave it running."""
        defaults = {"cwd": self.folder, "env": self.environ, "stdin": subprocess.DEVNULL}
        return subprocess.Popen([RUNWRAP, *words], **defaults | options)

    def run(
        self, *words: str | Path, status: int = 0, cwd: Path | None = None, **environ: str
    ) -> dict[str, Any]:
        """Record a command; return what `show --json` says when the last process of ours has gone."""
        self.call(RUNWRAP, *words, status=status, cwd=cwd, **environ)
        self.settle()
        shown: dict[str, Any] = self.shown("latest")
        return shown

    def settle(self) -> None:
        """Wait until all facts are in: no process of ours is left."""
        wait_until(lambda: not self.desk.pids(), "no process is left")

    def shown(self, word: str) -> dict[str, Any]:
        """Return what is known of a run."""
        document: dict[str, Any] = json.loads(self.verb("show", word, "--json"))
        return document

    def recorded(self) -> Recorded:
        """Return the one run in the data folder."""
        return Recorded.of(self.desk)

    def git(self, *words: str | Path, cwd: Path | None = None) -> str:
        """Run git as its owner would."""
        settings = ["-c", "user.name=A", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
        return self.call("git", *settings, *words, cwd=cwd).decode().strip()

    def repository(self, **files: str) -> str:
        """Make the desk a repository with one commit, and return that."""
        self.git("init", "--quiet", "--initial-branch=main", ".")
        for name, text in files.items():
            (self.folder / name).write_text(text)
        return self.commit()

    def commit(self, cwd: Path | None = None) -> str:
        """Commit all that there is."""
        self.git("add", "--all", ".", cwd=cwd)
        self.git("commit", "--quiet", "--allow-empty", "--message=x", cwd=cwd)
        return self.git("rev-parse", "HEAD", cwd=cwd)

    def age(self) -> None:
        """Wait until what was written is older than a run that starts now, also by the kernel's clock."""
        probe = self.data.parent / "clock"
        probe.touch()
        written_ns = probe.stat().st_mtime_ns

        def is_later() -> bool:
            probe.touch()
            return probe.stat().st_mtime_ns > written_ns + 50_000_000

        wait_until(is_later, "the clock of the files goes on")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a place to work, and end what is left there."""
    made = Bench(tmp_path)
    yield made
    made.desk.sweep()
