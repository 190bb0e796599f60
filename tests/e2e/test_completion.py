"""What a shell completes, with the completion installed as the documentation says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from terminal import PROMPT, Terminal, need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

TAB = "\t"


class Line:
    """The command line of an interactive shell in which the completion has been installed."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def completes(self, typed: str, whole: str) -> None:
        """Type the beginning of a line and TAB: the line is completed so; then throw it away."""
        self.terminal.send(typed + TAB)
        self.terminal.expect(re.escape(whole))
        self.terminal.press("U")


@pytest.fixture
def home(bench) -> Path:
    """Give the user's home folder, with a file of his own in it."""
    return bench.folder.parent / "home"


@pytest.fixture
def bash(bench, home: Path) -> Iterator[Line]:
    """Install the completion from one interactive bash, and open another one, which has it."""
    need("bash")
    (home / ".bashrc").write_text("PS1='[$?]ready$ '\nMINE=kept\nunset PROMPT_COMMAND\n")
    with Terminal(bench.desk, ["bash", "-i"]) as terminal:
        terminal.expect(PROMPT)
        terminal.send("runwrap --install-completion\r")
        terminal.expect("bash completion installed")
        terminal.expect(PROMPT)
    with Terminal(bench.desk, ["bash", "-i"]) as terminal:
        terminal.expect(PROMPT)
        yield Line(terminal)


def test_bash_completes_verbs_options_and_runs(bench, bash: Line) -> None:
    bench.call("runwrap", "--name", "grand-panda-92", "--id", "1abc-def", "true")
    bash.completes("runwrap sh", "runwrap show ")
    bash.completes("runwrap show la", "runwrap show latest ")
    bash.completes("runwrap show gra", "runwrap show grand-panda-92 ")
    bash.completes("runwrap logs 1a", "runwrap logs 1abc-def ")
    bash.completes("runwrap --pro", "runwrap --project ")
    bash.completes("runwrap logs --set", "runwrap logs --settled ")
    bash.completes("runwrap --tags a --no-g", "runwrap --tags a --no-git ")


def test_completed_line_runs(bench, bash: Line) -> None:
    bench.call("runwrap", "--name", "grand-panda-92", "true")
    bash.terminal.send(f"runwrap sh{TAB}gran{TAB}| head -n 1\r")
    bash.terminal.expect("grand-panda-92 in desk")
    bash.terminal.expect(PROMPT)


def test_files_are_completed_where_a_command_is_expected(bench, bash: Line) -> None:
    bench.desk.script("train_model.py", "")
    bash.completes("runwrap python trai", "runwrap python train_model.py ")
    bash.completes("runwrap ./trai", "runwrap ./train_model.py ")


def test_what_completion_shows_does_not_become_a_run(bench, bash: Line) -> None:
    bash.completes("runwrap sh", "runwrap show ")
    bash.completes("runwrap dele", "runwrap delete ")
    assert not bench.data.exists()


def test_files_of_the_user_stay_as_they_are(home: Path, bash: Line) -> None:
    assert (home / ".bashrc").read_text().startswith("PS1='[$?]ready$ '\nMINE=kept\n")
    bash.terminal.send("echo $MINE | tr a-z A-Z\r")
    bash.terminal.expect("KEPT")


def test_name_of_a_run_is_no_way_to_run_a_command(bench, bash: Line) -> None:
    for number, name in enumerate(["odd$(touch sprung)", "odd;touch sprung", "odd * ", "odd`touch sprung`"]):
        bench.call("runwrap", "--name", name, "--id", f"oddity-{number}", "true")
    bash.terminal.send(f"runwrap show odd{TAB}")
    bash.terminal.expect("oddity-")
    bash.terminal.send("0\r")
    bash.terminal.expect("id +oddity-0")
    bash.terminal.expect(PROMPT)
    assert not bench.desk.has("sprung")


OTHERS = {
    "zsh": (".zshrc", "PS1='[%?]ready$ '\n"),
    "fish": (
        ".config/fish/config.fish",
        'set fish_greeting\nfunction fish_prompt; echo "[$status]ready\\$ "; end\n',
    ),
}


@pytest.mark.parametrize("shell", OTHERS)
def test_other_shells_complete_the_same(bench, home: Path, shell: str) -> None:
    need(shell)
    bench.call("runwrap", "--name", "grand-panda-92", "true")
    name, settings = OTHERS[shell]
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).write_text(settings)
    with Terminal(bench.desk, [shell, "-i"]) as terminal:
        terminal.expect(PROMPT)
        terminal.send("runwrap --install-completion\r")
        terminal.expect(f"{shell} completion installed")
        terminal.expect(PROMPT)
    with Terminal(bench.desk, [shell, "-i"]) as terminal:
        terminal.expect(PROMPT)
        if shell == "zsh":  # the first TAB only loads what typer has installed
            terminal.send(f"runwrap {TAB}")
            terminal.expect("\x07")
            terminal.press("U")
        for keys, shows in (
            (f"runwrap sh{TAB}la{TAB}\r", "grand-panda-92 in desk"),
            (f"runwrap note gran{TAB}seen\r", PROMPT),
            (f"runwrap logs --hel{TAB}\r", "Usage: runwrap logs"),
            (f"runwrap --vers{TAB}\r", r"runwrap \d"),
        ):
            terminal.send(keys)
            terminal.expect(shows)
    assert bench.shown("grand-panda-92")["notes"] == "seen"
