"""Shell scripts say what they know with verbs: to the run around them, or onto another one."""

from __future__ import annotations

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
