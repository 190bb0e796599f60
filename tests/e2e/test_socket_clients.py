"""The clients that docs/socket.md prints work as they are printed."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)

DOCS = Path(__file__).parents[2] / "docs/socket.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
CLIENTS = {language: text for language, text in BLOCKS if language != "python"}
# How each is run, behind which its file comes, and which programs it needs.
COMMANDS = {
    "sh": (["sh"], ["awk"]),
    "bash": (["bash"], ["nc", "awk"]),
    "js": (["node"], ["node"]),
    "perl": (["perl"], ["perl"]),
    "cpp": (["./client"], ["g++"]),
    "r": (["Rscript"], ["Rscript", "nc"]),
}


def command_for(bench: Bench, language: str) -> list[str]:
    """Write a client into a file, build it where that is needed, and return how it is run."""
    words, programs = COMMANDS[language]
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed here")
    path = bench.folder / f"client.{language}"
    path.write_text(CLIENTS[language])
    if language == "cpp":
        bench.call("g++", "-Wall", "-Wextra", "-Werror", "-o", "client", path)
        return words
    return [*words, str(path)]


def test_every_client_that_is_printed_is_tried() -> None:
    assert set(CLIENTS) == set(COMMANDS)


@pytest.mark.parametrize("language", COMMANDS)
def test_a_client_says_what_it_says(bench: Bench, language: str) -> None:
    command = command_for(bench, language)
    view = bench.run(*command)
    rows = [(row["step"], row["values"]["loss"]) for row in bench.recorded().records("history")]
    assert rows == [(step, pytest.approx(1 / (step + 1), rel=1e-5)) for step in range(10)]
    assert (view["config"], view["summary"]["best"]) == ({"lr": 0.1}, 0.1)
    assert (view["state"], view["notices"]) == ("finished", [])
    said = f"This run is {view['name']}.\n" if language == "perl" else ""
    assert bench.recorded().log.decode() == said
    assert bench.call(*command) == b""  # and where there is no runwrap


def test_the_client_in_python_runs(bench: Bench) -> None:
    (text,) = (text for language, text in BLOCKS if language == "python")
    bench.desk.script("s.py", text)
    assert bench.run(sys.executable, "s.py")["summary"] == {"loss": 0.3}
