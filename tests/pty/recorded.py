"""What tests read of a run: its journal and its output.log, as an outsider with the documentation would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import Desk, is_bare, wait_until


class Recorded:
    """The one run in a data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, desk: Desk) -> Recorded:
        """Find the run that was started from a desk; skip what bare commands cannot show."""
        if is_bare(desk.wrapper):
            pytest.skip("the bare control records nothing")
        found = cls.all_of(desk)
        assert len(found) == 1, found
        return found[0]

    @classmethod
    def all_of(cls, desk: Desk) -> list[Recorded]:
        """Find every run that was started from a desk."""
        root = Path(desk.environ["RUNWRAP_DIR"])
        return [cls(path.parent) for path in sorted(root.glob("*/*/journal.jsonl"))]

    @property
    def log(self) -> bytes:
        """Return everything that was put out."""
        return (self.folder / "output.log").read_bytes()

    def records(self, kind: str) -> list[dict]:
        """Return the data of the records of one kind."""
        lines = (self.folder / "journal.jsonl").read_bytes().split(b"\n")[:-1]
        records = [json.loads(line) for line in lines]
        assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
        return [record["data"] for record in records if record["kind"] == kind]

    def exit(self) -> dict:
        """Wait until the run has its end, and return that."""
        wait_until(lambda: self.records("exit"), "the journal has an exit record")
        ends = self.records("exit")
        assert len(ends) == 1, ends
        return ends[0]

    def stream(self, *names: str) -> bytes:
        """Return what came through one stream; the marks must cover the log without a gap."""
        log, end, taken = self.log, 0, b""
        for mark in self.records("output"):
            assert mark["offset"] == end, "a gap or an overlap between two output records"
            end += mark["size_bytes"]
            if mark["stream"] in names:
                taken += log[mark["offset"] : end]
        assert end == len(log), "the output records do not cover the log"
        return taken
