"""The clients that docs/socket.md prints work as they are printed."""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terminal import need

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    need(*programs)
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


@pytest.mark.parametrize("language", COMMANDS)
@pytest.mark.parametrize("path", ["", "/nowhere/s", "s"], ids=["empty", "gone", "hanging up"])
def test_a_client_that_nobody_hears_lets_its_script_be(bench: Bench, language: str, path: str) -> None:
    command = command_for(bench, language)
    path = str(bench.folder / path) if path == "s" else path
    with hanging_up(str(bench.folder / "s")):
        assert bench.call("sh", "-c", 'exec "$@" 2>&1', "sh", *command, RUNWRAP_SOCKET=path) == b""


@contextlib.contextmanager
def hanging_up(path: str) -> Iterator[None]:
    """Listen, and hang up on everybody at once."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_the_client_in_cpp_is_c_too(bench: Bench) -> None:
    need("gcc")
    bench.desk.script("client.c", CLIENTS["cpp"])
    bench.call("gcc", "-Wall", "-Wextra", "-Werror", "-o", "client", "client.c")


def test_the_client_in_python_runs(bench: Bench) -> None:
    (text,) = (text for language, text in BLOCKS if language == "python")
    bench.desk.script("s.py", text)
    assert bench.run(sys.executable, "s.py")["summary"] == {"loss": 0.3}
