"""Shell scripts say what they know with verbs: to the run around them, or onto another one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)

SCRIPT = """
set -e
for epoch in 1 2 3; do runwrap log loss=0.$epoch "step=$epoch" state=warm; done
runwrap log loss=0.05
runwrap config lr=0.1 'layers=[1, 2]' name=adam
runwrap summary best=0.05
runwrap alert "look here" "the loss is low" --level warning
"""


def test_a_shell_script_says_what_it_knows(bench: Bench) -> None:
    view = bench.run("sh", "-c", SCRIPT)
    rows = bench.recorded().records("history")
    assert [(row["step"], row["values"]["loss"]) for row in rows] == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.05)]
    assert view["config"] == {"lr": 0.1, "layers": [1, 2], "name": "adam"}
    assert view["summary"] == {"loss": 0.05, "state": "warm", "best": 0.05}
    assert view["alerts"] == [{"title": "look here", "text": "the loss is low", "level": "warning"}]


def test_a_run_that_has_ended_may_be_told_more(bench: Bench) -> None:
    bench.run("sh", "-c", "runwrap log loss=1 step=7")
    bench.verb("log", "--run", "latest", "loss=0.5")
    bench.verb("summary", "accuracy=0.9", "--run", "latest")
    assert [row["step"] for row in bench.recorded().records("history")] == [7, 8]
    view = bench.shown("latest")
    assert view["summary"] == {"loss": 0.5, "accuracy": 0.9}
    assert view["state"] == "finished"


# What is on stdin is the loop's; the verb reads none of it.
LOOP = "seq 3 | while read -r n; do runwrap log n=$n step=$n; done | cat"
# A verb for each, all at once, and what they say ends where they end.
CROWD = "for n in $(seq 20); do runwrap log n=$n step=$n & done; wait"
BARE = 'for n in 1 2 3; do env -i RUNWRAP_SOCKET="$RUNWRAP_SOCKET" "$(command -v runwrap)" log n=$n step=$n; done'


@pytest.mark.parametrize(
    ("line", "count"), [(LOOP, 3), (CROWD, 20), (BARE, 3)], ids=["pipeline", "crowd", "empty environment"]
)
def test_a_verb_says_its_row_wherever_a_shell_calls_it(bench: Bench, line: str, count: int) -> None:
    view = bench.run("bash", "-c", f"set -eo pipefail; {line}")
    rows = bench.recorded().records("history")
    assert sorted((row["step"], row["values"]["n"]) for row in rows) == [(n, n) for n in range(1, count + 1)]
    assert (bench.recorded().log, view["notices"]) == (b"", [])


def test_a_job_of_cron_says_something_to_a_run_that_it_names(bench: Bench) -> None:
    bench.run("true")
    folder, program = bench.environ["RUNWRAP_DIR"], shutil.which("runwrap", path=bench.environ["PATH"])
    for run in (["--run", "latest"], []):
        words = ("env", "-i", f"RUNWRAP_DIR={folder}", str(program), "log", "loss=0.5", "step=9", *run)
        bench.call(*words, status=0 if run else 2)
    assert [row["step"] for row in bench.recorded().records("history")] == [9]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("runwrap log loss", "'loss' is no KEY=VALUE"),
        ("runwrap log =1", "'=1' is no KEY=VALUE"),
        ("runwrap log x=[1,2]", "'x' is a list"),
        ("runwrap log x=1 step=soon", "step is no whole number"),
        ("runwrap alert look --level loud", "nobody knows the level"),
        ("RUNWRAP_SOCKET=/nowhere runwrap log x=1", "does not answer: No such file"),
        ("env -u RUNWRAP_SOCKET runwrap log x=1", "there is no run around this"),
        ("runwrap log x=1 --run nobody", "nobody"),
    ],
)
def test_what_cannot_be_said_is_an_error_with_a_hint(bench: Bench, line: str, said: str) -> None:
    message = bench.call("runwrap", "sh", "-c", f"{line} 2>&1; test $? -ne 0 && echo failed").decode()
    assert message.endswith("failed\n")
    assert said in message
    assert "  hint: " in message
