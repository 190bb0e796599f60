"""Whatever stands in a journal, a run can be shown."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwrap.cli import runs, show
from runwrap.record import KINDS, STATES, Record, decode, encode
from runwrap.store.view import RunView

WORDS = [
    "id",
    "project",
    "name",
    "argv",
    "started",
    "pid",
    "values",
    "add",
    "remove",
    "text",
    "path",
    "value",
]
WORDS += [
    "status",
    "signal",
    "cause",
    "lost",
    "duration_s",
    "cpu_user_s",
    "cpu_system_s",
    "memory_peak_bytes",
]
WORDS += ["size_bytes", "sha256", "level", "part", "host", "boot_id", "pid_namespace", "pid_started", "git"]
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS)
)
values = st.recursive(
    leaves | st.integers(0, 2**70) | st.sampled_from([1e300, -1.0, "\x1b[2J", "\ud800", "a\nb"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=8,
)
datas = st.dictionaries(st.sampled_from(WORDS), values, max_size=10)
records = st.builds(Record, st.integers(1, 99), st.floats(0, 4e9), st.sampled_from(KINDS), datas)


@settings(max_examples=400, deadline=None)
@given(st.lists(records, max_size=8), st.booleans())
def test_any_records_make_a_run_that_can_be_shown(found: list[Record], written: bool) -> None:
    view = RunView("/root/project/run")
    for record in found:
        view.apply(decode(encode(record)) if written else record)
    document = json.loads(json.dumps(view.to_json(), allow_nan=False))
    assert document["state"] in STATES
    assert document["duration_s"] is None or math.isfinite(document["duration_s"])
    row = runs.cells(view, "now")
    assert not {unicodedata.category(c) for cell in row for c in cell} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert all(isinstance(line, str) for _, lines in show.sections(view) for line in lines)
    again = RunView("/root/project/run", json.loads(json.dumps(view.document)))
    assert again.to_json()["config"] == document["config"]


def test_only_so_much_is_kept_of_what_has_no_end() -> None:
    view = RunView("/root/project/run")
    for number in range(10_100):
        for kind, data in (
            ("config", {"values": {f"k{number}": 1}}),
            ("file", {"path": f"f{number}"}),
            ("notice", {"text": "again"}),
            ("history", {"values": {f"h{number}": 1}}),
        ):
            view.apply(Record(1, 1.0, kind, data))
    shown = view.to_json()
    assert {key: len(shown[key]) for key in ("config", "files", "notices", "history")} == {
        "config": 10_000,
        "files": 10_000,
        "notices": 10_000,
        "history": 10_000,
    }


def test_tags_go_before_they_come() -> None:
    view = RunView("/root/project/run")
    view.apply(Record(1, 1.0, "tag", {"add": ["a", "b"], "remove": []}))
    view.apply(Record(2, 1.0, "tag", {"add": ["a", "c"], "remove": ["a", "b"]}))
    assert view.tags == ["a", "c"]


def test_a_journal_of_lies_is_listed_and_shown(tmp_path: Path) -> None:
    folder = tmp_path / "p" / "run"
    folder.mkdir(parents=True)
    lies = {
        "run": {"started": 1e300, "argv": "x", "name": 5, "pid": -1, "host": None},
        "exit": {"status": "no", "signal": [], "cause": {"a": 1}, "duration_s": "long"},
        "config": {"values": {"k\n\x1b[31m": "\u202e[bold]x"}},
        "file": {"path": "../../../etc/passwd", "size_bytes": -1},
    }
    lines = [encode(Record(seq, 1.0, kind, data)) for seq, (kind, data) in enumerate(lies.items(), 1)]
    (folder / "journal.jsonl").write_bytes(b"".join(lines) + b"\0" * 5000 + b"\xff\n" + b"x" * 100)
    command = str(Path(sys.executable).with_name("runwrap"))
    environ = {"RUNWRAP_DIR": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    for words in (["runs"], ["show", "run"], ["show", "run", "--json"], ["logs", "run"], ["runs", "--json"]):
        done = subprocess.run([command, *words], env=environ, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert not set(done.stdout.decode()) & set("\x1b\u202e\0")


@pytest.mark.parametrize("value", [0, 12.5, 3e6])
def test_a_run_in_progress_lasts_until_now(value: float) -> None:
    view = RunView("/root/project/run")
    view.apply(Record(1, 100.0, "run", {"started": 100.0, "host": "elsewhere"}))
    assert view.state == "running"
    assert view.duration_s is not None
    assert view.duration_s > value


def test_show_draws_each_metric_in_its_line() -> None:
    view = RunView("/root/project/run")
    for step, value in enumerate([1.0, 2, "NaN", 4, "Infinity", 8]):
        view.apply(Record(1, 1.0, "history", {"step": step, "values": {"loss": value, "\x1b[2J": value}}))
    view.apply(Record(1, 1.0, "history", {"step": 9, "values": {"text": "x"}}))
    view.apply(Record(2, 1.0, "system", {"values": {"gpu_power_w/0": 250.0, "host_cpu_percent/0": 1}}))
    usage = {"cpu_percent_mean": 87.0, "gpu_idle_share": 0.25}
    view.apply(Record(3, 1.0, "fact", {"name": "usage", "value": usage}))
    view.apply(Record(3, 1.0, "fact", {"name": "energy", "value": {"total_kwh": 0.5, "estimate": True}}))
    titled = dict(show.sections(view))
    assert titled["history"][0].split() == [
        "loss",
        "▁▂",
        "▄",
        "█",
        "last",
        "8",
        "min",
        "1",
        "max",
        "8",
        "6",
        "points",
    ]
    assert titled["history"][2].split() == ["text", "1", "point"]
    assert titled["system"] == ["gpu_power_w/0  last 250 W  mean 250 W  max 250 W"]
    assert {"usage     cpu 87 % mean, gpu idle 25 %", "energy    0.5 kWh (estimate)"} <= set(
        show.overview(view)
    )
