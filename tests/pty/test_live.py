"""`runwrap live` on a real terminal: a script's values are seen to change, and the terminal is given back as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pyte
import pytest
from terminal import Desk, Shell, Terminal, is_bare, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

# Logs a row for each step that it is told to take.
SCRIPT = """
import os, sys, runwrap
from desk import tell, wait_for
for step in range(9):
    print("step", step, "begins", "\\x1b]0;owned\\x07", flush=True)
    runwrap.log({"loss": 100 + step, "\\x1b[2Jevil": 1})
    wait_for(f"step{step}")
    if os.path.exists("fail"):
        raise ValueError("told to fail")
"""


class View:
    """`runwrap live` on a terminal, and what the screen shows."""

    def __init__(self, desk: Desk, *arguments: str) -> None:
        self.terminal = Terminal(
            desk, [*desk.wrapper, "live", *arguments], size=(24, 80), environ={"TERM": "xterm-256color"}
        )
        self.screen = pyte.Screen(80, 24)
        self.stream = pyte.ByteStream(self.screen)
        self.fed = 0

    def text(self) -> str:
        """Return what the screen shows now."""
        self.terminal.look("\0", 0.05)
        self.stream.feed(bytes(self.terminal.output[self.fed :]))
        self.fed = len(self.terminal.output)
        return "\n".join(self.screen.display)

    def shows(self, *words: str) -> None:
        """Wait until the screen shows some words."""
        wait_until(lambda: all(word in self.text() for word in words), f"the screen shows {words}")


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    if is_bare(wrapper):
        pytest.skip("the bare control records nothing")
    desk = Desk(wrapper, tmp_path)
    desk.script("script.py", SCRIPT)
    words = [*wrapper, "--name", "otter", sys.executable, "script.py"]
    with subprocess.Popen(
        words, cwd=desk.folder, env=desk.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ):
        wait_until(lambda: list((tmp_path / "data").glob("*/*/journal.jsonl")), "the run has begun")
        yield desk
        desk.sweep()


def test_the_values_of_a_running_script_are_seen_to_change_until_it_fails(desk: Desk) -> None:
    view = View(desk)
    with view.terminal as terminal:
        before = terminal.modes()
        view.shows("otter in", "● running", "loss", "100", "step 0 begins")
        desk.tell("step0")
        view.shows("101", "step 1 begins")
        terminal.resize(30, 100)
        view.screen.resize(30, 100)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        desk.tell("fail")
        desk.tell("step1")
        view.shows("● failed", "exited 1: ValueError: told to fail")
        assert terminal.modes() != before, "it reads single keys"
        terminal.send("q")
        assert terminal.finish() == 0
        assert terminal.modes() == before
        for harm in (b"owned\x07", b"\x1b]0;", b"\x1b[2Jevil"):
            assert harm not in terminal.output
        assert terminal.output.rfind(b"\x1b[?1049l") > terminal.output.rfind(b"\x1b[?1049h") > -1
        assert terminal.output.rfind(b"\x1b[?25h") > terminal.output.rfind(b"\x1b[?25l")


@pytest.mark.parametrize("end", ["ctrl-C", "SIGTERM", "SIGHUP"])
def test_whatever_ends_it_the_terminal_is_as_it_was(desk: Desk, end: str) -> None:
    view = View(desk, "otter")
    with view.terminal as terminal:
        before = terminal.modes()
        view.shows("otter in", "loss")
        if end == "ctrl-C":
            terminal.press("C")
        else:
            terminal.process.send_signal(signal.Signals[end])
        assert terminal.finish() == 0
        assert terminal.modes() == before
        assert terminal.output.rfind(b"\x1b[?1049l") > terminal.output.rfind(b"\x1b[?1049h") > -1


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_without_a_terminal_it_says_what_helps(desk: Desk, term: str) -> None:
    words = [*desk.wrapper, "live", "otter"]
    done = subprocess.run(
        words,
        env=desk.environ | {"TERM": term},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "draws on a terminal" in done.stderr
    assert "runwrap logs -f" in done.stderr


def test_a_project_narrows_down_where_to_look(desk: Desk) -> None:
    other = subprocess.run(
        [*desk.wrapper, "live", "otter", "--project", "other"],
        env=desk.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode == 1
    assert "there is no run yet" in other.stderr
    ours = subprocess.run(
        [*desk.wrapper, "live", "--project", "desk"],
        env=desk.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "draws on a terminal" in ours.stderr


def test_no_other_verb_waits_for_the_library_that_draws(desk: Desk) -> None:
    code = "import sys; from runwrap.cli.app import main; main(['show', 'otter']); sys.exit('textual' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], env=desk.environ, capture_output=True, check=True)


def test_stopped_and_brought_back_it_draws_all_of_the_screen_again(desk: Desk) -> None:
    with Shell(desk.wrapper, desk.folder.parent) as shell:
        shell.start("TERM=xterm $W live otter", "otter")
        shell.expect("q.* quit")
        shell.press("Z")
        shell.expect("Stopped")
        assert shell.prompt() == 128 + signal.SIGSTOP
        shell.start("fg", "otter")
        shell.expect("q.* quit")
        shell.send("q")
        assert shell.prompt() == 0
