"""What a script says with the log API is in its run as docs/socket.md has it, from a Python without runwrap."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)

# The Python below the environment of the tests: runwrap is not installed there.
PYTHON = str(getattr(sys, "_base_executable", sys.executable))


def run_script(bench: Bench, text: str, *words: str, **environ: str) -> dict[str, Any]:
    """Run a script under runwrap; return what show tells of its run."""
    bench.desk.script("s.py", "import os, sys, runwrap\n" + text)
    return bench.run(*words, PYTHON, "s.py", **environ)


def rows_of(bench: Bench) -> list[tuple[int, dict[str, Any]]]:
    return [(row["step"], row["values"]) for row in bench.recorded().records("history")]


def notices_of(bench: Bench) -> list[str]:
    return [notice["text"] for notice in bench.recorded().records("notice")]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("log({'a': 1}); log({'a': 2}); log({'a': 3})", [0, 1, 2]),
        ("log({'a': 1}, commit=False); log({'b': 2}); log({'a': 3})", [0, 0, 1]),
        ("log({'a': 1}, commit=False); log({'b': 2}, commit=False); log({}, commit=True); log({'a': 3})", [0, 0, 0, 1]),
        ("log({'a': 1}, step=5); log({'b': 2}, step=5); log({'a': 3})", [5, 5, 6]),
        ("log({'a': 1}, step=9); log({'a': 2}, step=2); log({'a': 2}, step=2); log({'a': 3}, step=-7)", [9, 2, 2, -7]),
        ("log({'a': 1}, step=10**12); log({'a': 2}, 3); log({'a': 2}, True); log({'a': 2}, 4.0)", [10**12, 3, 1, 4]),
        ("log({'a': 1}, step=0, commit=False); log({'b': 2}); log({'b': 3})", [0, 0, 1]),
        ("runwrap.run.log({'a': 1}); runwrap.init().log({'a': 2}); log({'a': 3})", [0, 1, 2]),
    ],
)  # fmt: skip
def test_steps(bench: Bench, text: str, steps: list[int]) -> None:
    run_script(bench, f"log = runwrap.log\n{text}")
    assert [step for step, _ in rows_of(bench)] == steps
    assert notices_of(bench) == []


def test_values(bench: Bench) -> None:
    text = """
import collections, datetime, decimal, enum, fractions, pathlib
class Colour(enum.Enum): RED = "red"
Point = collections.namedtuple("Point", "x y")
runwrap.log({
    "int": 3, "float": 0.1, "yes": True, "none": None, "text": "wörds\\n\\0 \\U0001f600", "half": "\\ud800",
    "nan": float("nan"), "up": float("inf"), "down": -float("inf"), "tiny": 5e-324, "minus": -0.0,
    "huge": 10**300, "longer": 1 << 5000, "decimal": decimal.Decimal("0.5"), "part": fractions.Fraction(1, 4),
    "enum": Colour.RED, "path": pathlib.Path("/a"), "pause": datetime.timedelta(seconds=2),
    "bytes": b"raw", "list": [1, 2], "point": Point(1, 2.5), "deep": {"a": {"b": 1, 2: 3}}, "empty": {}, 7: "seven",
})
"""
    run_script(bench, text)
    ((_, values),) = rows_of(bench)
    assert math.copysign(1, values.pop("minus")) == -1
    assert values == {
        "int": 3, "float": 0.1, "yes": True, "none": None, "text": "wörds\n\0 \U0001f600", "half": "\ufffd",
        "nan": "NaN", "up": "Infinity", "down": "-Infinity", "tiny": 5e-324,
        "huge": 10**300, "longer": hex(1 << 5000), "decimal": 0.5, "part": 0.25,
        "enum": "red", "path": "/a", "pause": 2.0,
        "bytes": "raw", "list": "[1, 2]", "point/x": 1, "point/y": 2.5, "deep/a/b": 1, "deep/a/2": 3, "7": "seven",
    }  # fmt: skip
    assert notices_of(bench) == []


def test_what_is_no_row_is_an_error_of_the_scripts_line(bench: Bench) -> None:
    text = """
for wrong in (3, "loss", [1], None):
    try: runwrap.log(wrong)
    except TypeError as error: print(error)
runwrap.log({"a": 1}, step="soon")
"""
    run_script(bench, text)
    assert rows_of(bench) == [(0, {"a": 1})]
    assert "step=soon is no whole number" in notices_of(bench)[0]


def test_long_rows_are_kept_whole(bench: Bench) -> None:
    text = """
runwrap.log({f"layer.{n}/weight": n / 7 for n in range(5000)})
runwrap.log({"text": "x" * 100_000})
runwrap.log({"after": 1})
"""
    run_script(bench, text)
    wide, long, after = rows_of(bench)
    assert wide == (0, {f"layer.{n}/weight": n / 7 for n in range(5000)})
    assert long == (1, {"text": "x" * 100_000})
    assert after == (2, {"after": 1})
    assert notices_of(bench) == []


def test_summary_follows_and_what_is_set_by_hand_stays(bench: Bench) -> None:
    text = """
for n in range(3): runwrap.log({"loss": 3 - n, "val": {"acc": n}, "nan": float("nan")})
runwrap.summary["loss"] = 0.5
runwrap.run.summary.update({"best": {"epoch": 1}})
runwrap.run.summary.note = "words"
runwrap.log({"loss": 7, "best/epoch": 9})
assert (runwrap.summary["loss"], runwrap.summary.best.epoch, runwrap.summary["val/acc"]) == (0.5, 1, 2)
runwrap.summary["note"] = "others"
"""
    view = run_script(bench, text)
    assert view["summary"] == {"loss": 0.5, "val/acc": 2, "nan": "NaN", "best/epoch": 1, "note": "others"}


def test_metrics_are_read_as_they_were_defined(bench: Bench) -> None:
    text = """
run = runwrap.init()
run.define_metric("epoch", summary="none")
run.define_metric("val/*", step_metric="epoch", summary="max")
runwrap.define_metric("val/loss", step_metric="epoch", summary="best", goal="minimize")
runwrap.define_metric("mean", summary="mean")
runwrap.define_metric("low", summary="min")
for n, x in enumerate((2, 9, 4)):
    runwrap.log({"epoch": n, "val/acc": x, "val/loss": x, "mean": x, "low": x, "other": x})
print({**runwrap.summary})
"""
    view = run_script(bench, text)
    expected = {"val/acc": 9, "val/loss": 2, "mean": 5, "low": 2, "other": 4}
    assert view["summary"] == pytest.approx(expected)
    assert {"name": "val/*", "step_metric": "epoch", "summary": "max"} in bench.recorded().records("metric")


def test_config_of_every_kind_and_its_changes(bench: Bench) -> None:
    text = """
import argparse, dataclasses
@dataclasses.dataclass
class Options:
    layers: int = 2
    deep: dict = dataclasses.field(default_factory=lambda: {"x": (1, 2)})
runwrap.config.lr = 0.1
runwrap.config.update(argparse.Namespace(batch=8, path=None))
runwrap.config.update(Options())
runwrap.config = {"old": "way"}
runwrap.config["lr"] = 0.1
try: runwrap.config.lr = 0.2
except ValueError as error: print(error)
runwrap.config.update({"lr": 0.3}, allow_val_change=True)
runwrap.config.deep.y = 5
assert (runwrap.config.lr, runwrap.config["batch"], runwrap.config.deep.x) == (0.3, 8, (1, 2))
"""
    bench.desk.script("s.py", "import runwrap\n" + text)
    printed = bench.call("runwrap", PYTHON, "s.py").decode()
    assert printed == (
        "config['lr'] is 0.1 and was to become 0.2; if that is meant, "
        "say config.update({'lr': 0.2}, allow_val_change=True)\n"
    )
    bench.settle()
    assert bench.shown("latest")["config"] == {
        "lr": 0.3, "batch": 8, "path": None, "layers": 2, "deep": {"x": [1, 2], "y": 5}, "old": "way",
    }  # fmt: skip
    edits = [record["values"] for record in bench.recorded().records("config")]
    assert [edit["lr"] for edit in edits if "lr" in edit] == [0.1, 0.3]
    assert edits[-1] == {"deep": {"x": [1, 2], "y": 5}}


def test_flags_win_and_differences_are_told(bench: Bench) -> None:
    text = """
run = runwrap.init(project="other", name="mine", notes="why", tags=["t"], group="g", config={"lr": 0.5, "seed": 1})
assert (run.config.lr, run.config["seed"], run.name, run.project) == (0.1, 1, "given", os.environ["PROJECT"])
runwrap.config.update({"lr": 0.7}, allow_val_change=True)
assert runwrap.config.lr == 0.1
"""
    words = ("--config", "lr=0.1", "--name", "given", "--project", "p")
    view = run_script(bench, text, *words, PROJECT="p")
    assert (view["name"], view["project"], view["group"]) == ("given", "p", "g")
    assert (view["config"], view["notes"], view["tags"]) == ({"lr": 0.1, "seed": 1}, "why", ["t"])
    told = " ".join(notices_of(bench))
    assert "init(name='mine') was passed over: --name was given" in told
    assert "init(project='other') was passed over: --project was given" in told
    assert "lr" in told.replace("init", "")


def test_each_process_of_a_run_may_have_its_own_settings(bench: Bench) -> None:
    text = """
import subprocess
if len(sys.argv) == 1:
    for rank in "01":
        subprocess.run([sys.executable, "s.py", rank], check=True, env={**os.environ, "RANK": rank})
else:
    run = runwrap.init(config={"rank": int(sys.argv[1]), "same": 1, "deep": {"device": sys.argv[1]}})
    assert (run.config.rank, run.config.deep.device) == (int(sys.argv[1]), sys.argv[1])
    try: run.config.rank = 7
    except ValueError: sys.exit()
    sys.exit("it was not refused")
"""
    view = run_script(bench, text)
    assert view["config"] == {"rank": 1, "same": 1, "deep": {"device": "1"}}
    edits = [list(record["values"]) for record in bench.recorded().records("config")]
    assert edits == [["rank", "same", "deep"], ["rank", "deep"]]


def test_one_script_may_have_one_run_after_another(bench: Bench) -> None:
    text = """
for lr in (0.1, 0.2):
    with runwrap.init(project="sweep", config={"lr": lr}) as run:
        assert run.config.lr == lr
        run.log({"lr": lr})
"""
    view = run_script(bench, text)
    assert (view["config"], [values["lr"] for _, values in rows_of(bench)]) == ({"lr": 0.2}, [0.1, 0.2])


def test_nothing_that_is_logged_stops_the_script(bench: Bench) -> None:
    text = """
import threading
from unittest import mock
class OwnError(Exception): pass
class Odd:
    @property
    def shape(self): raise OwnError
    def __str__(self): raise OwnError
class Items(dict):
    def keys(self): raise OwnError
circle = {}
circle["again"] = circle
for odd in (Odd(), Items(a=1), mock.MagicMock(), mock.Mock(), circle, object, print, (n for n in "ab"), sys, 1j, [[]], {1: {}}):
    runwrap.log({"odd": odd, "step": 1}, step=odd)
    runwrap.log({"odd": [odd], str(1): {"deep": odd}})
    runwrap.config.update({"odd": odd, "list": [odd]}, allow_val_change=True)
    runwrap.summary["odd"] = odd
shared = {f"n{n}": 0.5 for n in range(1000)}
is_over = threading.Event()
def change():
    while not is_over.is_set():
        for n in range(50): shared[f"more{n}"] = 0.5
        for n in range(50): del shared[f"more{n}"]
sys.setswitchinterval(1e-6)
thread = threading.Thread(target=change)
thread.start()
try:
    for n in range(300): runwrap.log(shared)
finally: is_over.set()
"""
    run_script(bench, text)
    rows = rows_of(bench)
    assert len(rows) == 12 * 2 + 300
    assert {values["step"] for _, values in rows[:24:2]} == {1}


WANDB_SCRIPT = """
import argparse, math, os, random
import runwrap as wandb

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=3)
args = parser.parse_args()
wandb.login()
run = wandb.init(project="demo", entity="team", config={"learning_rate": 0.02, "architecture": "CNN"},
    name="first", tags=["a", "b"], notes="n", settings=wandb.Settings(start_method="thread"), save_code=True)
wandb.config.update(args)
wandb.define_metric("epoch")
wandb.define_metric("val/*", step_metric="epoch")
wandb.define_metric("acc", summary="max")
assert wandb.run is run and wandb.run.name == "first" and wandb.run.id and os.path.isdir(wandb.run.dir)
table = wandb.Table(columns=["id", "picture"])
for epoch in range(wandb.config.epochs):
    picture = wandb.Image([[0, 128], [255, epoch]], caption=f"epoch {epoch}")
    table.add_data(epoch, picture)
    wandb.log({"epoch": epoch, "acc": [0.5, 0.9, 0.7][epoch], "val": {"loss": 1.0 / (epoch + 1)},
        "examples": [picture], "weights": wandb.Histogram([random.random() for _ in range(50)])})
    run.log({"late": epoch}, commit=False)
wandb.log({"table": table, "plot": wandb.plot.line(wandb.Table(columns=["x", "y"], data=[[1, 2], [3, 4]]), "x", "y", title="t")})
run.summary["best_accuracy"] = 0.9
wandb.run.summary.update({"test": 1})
wandb.alert(title="Low accuracy", text="words", level=wandb.AlertLevel.WARN)
open(os.path.join(wandb.run.dir, "model.txt"), "w").write("model")
wandb.save("*.nothing")
wandb.finish()
with wandb.init(project="demo", mode="online") as run:
    run.log({"again": 1})
"""


def test_the_common_script_runs_as_it_stands(bench: Bench) -> None:
    bench.desk.script("s.py", WANDB_SCRIPT)
    view = bench.run(PYTHON, "s.py", WANDB_API_KEY="x")
    assert (view["name"], view["project"], view["tags"], view["notes"]) == ("first", "demo", ["a", "b"], "n")
    assert view["config"] == {"learning_rate": 0.02, "architecture": "CNN", "epochs": 3}
    summary = view["summary"]
    assert {name: summary[name] for name in ("acc", "val/loss", "best_accuracy", "test", "again")} == {
        "acc": 0.9, "val/loss": 1 / 3, "best_accuracy": 0.9, "test": 1, "again": 1,
    }  # fmt: skip
    kinds = {name: value["_type"] for name, value in summary.items() if isinstance(value, dict)}
    assert kinds == {"examples": "gallery", "weights": "histogram", "table": "table", "plot": "plot"}
    assert view["alerts"] == [{"title": "Low accuracy", "text": "words", "level": "warning"}]
    assert "model.txt" in {file["path"] for file in view["files"]}


@pytest.mark.parametrize("given", ['mode="disabled"', "RUNWRAP_MODE", "WANDB_MODE"])
def test_what_is_disabled_says_nothing(bench: Bench, given: str) -> None:
    text = f"""
run = runwrap.init({given if "=" in given else ""} {"," if "=" in given else ""} config={{"lr": 1}}, name="n")
runwrap.log({{"a": 1}}); runwrap.config.x = 1; run.summary["x"] = 1; runwrap.alert("t"); runwrap.save("s.py")
runwrap.log({{"image": runwrap.Image([[1]]), "table": runwrap.Table(columns=["a"])}}); runwrap.watch(None)
assert run.config.lr == 1 and run.disabled
runwrap.finish()
"""
    text = text.replace("(  config", "(config")
    view = run_script(bench, text, **({} if "=" in given else {given: "disabled"}))
    assert (rows_of(bench), view["config"], view["summary"], view["alerts"]) == ([], {}, {}, [])
    assert {file["path"] for file in view["files"]} <= {"requirements.txt", "captured/s.py"}


def test_outside_one_sentence_is_said(bench: Bench) -> None:
    folder = json.loads(
        bench.call(
            sys.executable, "-c", "import json, runwrap; print(json.dumps(runwrap.__path__[0]))"
        ).decode()
    )
    text = f"""
import sys
sys.path.append({folder!r}[:-len("/runwrap")])
import runwrap
for n in range(3): runwrap.log({{"a": n, "x": [1]}})
runwrap.config.lr = 0.1
runwrap.summary["a"] = runwrap.config.lr
runwrap.define_metric("a", summary="min"); runwrap.alert("t"); runwrap.save("s.py"); runwrap.finish()
runwrap.log({{"image": runwrap.Image([[1]])}})
sys.exit(3)
"""
    bench.desk.script("s.py", text)
    said = bench.call(PYTHON, "s.py", status=3).decode()
    assert (
        said
        == "runwrap: nothing is recorded: start the script with `runwrap`, or call runwrap.init() first\n"
    )
    assert not bench.data.exists()
