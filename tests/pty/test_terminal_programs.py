"""Programs that take the whole terminal: editors and pagers work under the wrapper as bare."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from terminal import Tmux, need

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

VIM = "vim -u NONE -i NONE -n -N"

NUMBERS = [
    "$W {} numbers",
    "$W {} numbers 2>err.txt",
    "$W {} <numbers",
    "seq 999 | $W {}",
    "$W sh -c 'seq 999 | {}'",
]


class Screen(Tmux):
    """A tmux whose shell may have lost the prompt of the environment to the shell that started it."""

    def __enter__(self) -> Screen:
        self.line("PS1='ready$ '; clear")
        self.wait_for(r"\Aready\$$")
        return self


@pytest.fixture
def tmux(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Tmux]:
    with Screen(wrapper, tmp_path) as tmux:
        tmux.desk.script("numbers", "".join(f"{number}\n" for number in range(1, 1000)))
        yield tmux


def begin(tmux: Tmux, line: str) -> None:
    """Type a command after which the modes and the status are told."""
    tmux.line(f"stty -g >before; {line}; echo $? >part; stty -g >after; mv part status")


def end(tmux: Tmux) -> int:
    """Wait for the end of what `begin` began, with the terminal as it was; return its status."""
    status = int(tmux.desk.told("status"))
    assert tmux.desk.told("after") == tmux.desk.told("before")
    wait_for_alternate(tmux, "0")
    return status


def wait_for_alternate(tmux: Tmux, wanted: str) -> None:
    """Wait until the alternate screen is shown ("1") or is not."""
    tmux.wait(
        lambda _: tmux.run("display-message", "-p", "#{alternate_on}").strip() == wanted,
        f"alternate screen: {wanted}",
    )


def stop_and_bring_back(tmux: Tmux) -> None:
    """Stop what has the screen, use the shell, and bring it back."""
    tmux.keys("C-z")
    tmux.wait_for("Stopped")
    wait_for_alternate(tmux, "0")
    tmux.line("echo between $((40 + 2)) $(stty -g)")
    tmux.wait_for("^between 42")
    tmux.line("fg")


def test_vim_edits_saves_and_quits(tmux: Tmux) -> None:
    need("vim")
    tmux.line("echo shown $((40 + 2))")
    tmux.wait_for("^shown 42")
    begin(tmux, f"$W {VIM} note.txt")
    tmux.wait_for("^~$")
    wait_for_alternate(tmux, "1")
    tmux.run("send-keys", "-l", "ihello there")
    tmux.wait_for("^hello there$")
    tmux.keys("Enter", "w", "o", "r", "d", "BSpace", "l", "d", "Escape", "Up", "Home", "x")
    tmux.wait_for("^ello there$")
    tmux.line(":wq")
    assert end(tmux) == 0
    tmux.wait_for("^shown 42")
    tmux.wait_gone("^~$")
    assert tmux.desk.told("note.txt") == "ello there\nworld\n"


def test_vim_says_how_it_ended(tmux: Tmux) -> None:
    need("vim")
    begin(tmux, f"$W {VIM} note.txt")
    tmux.wait_for("^~$")
    tmux.line(":cquit")
    assert end(tmux) == 1


def test_vim_is_drawn_anew_at_each_size(tmux: Tmux) -> None:
    need("vim")
    tmux.desk.script("numbers", "".join(f"{number} {'x' * 300}\n" for number in range(1, 99)))
    begin(tmux, f"$W {VIM} '+set nowrap' numbers")
    for rows, columns in [(24, 80), (40, 120), (12, 50), (30, 90)]:
        tmux.resize(rows, columns)
        filled = (
            rf"\A1 x{{{columns - 2}}}\n(.*\n)+{rows - 1} x{{{columns - len(str(rows - 1)) - 1}}}\n(?!{rows} )"
        )
        tmux.wait(lambda text, filled=filled: re.match(filled, text), f"vim fills {rows} by {columns}")
    tmux.line(":q")
    assert end(tmux) == 0


def test_vim_is_stopped_and_brought_back(tmux: Tmux) -> None:
    need("vim")
    tmux.line("stty -g >before")
    tmux.line(f"$W {VIM} note.txt")
    tmux.wait_for("^~$")
    for words in ("one", "one two"):
        tmux.run("send-keys", "-l", f"A{words[-4:]}")
        tmux.keys("Escape")
        tmux.wait_for(f"^{words}$")
        stop_and_bring_back(tmux)
        wait_for_alternate(tmux, "1")
        tmux.wait_for(f"^{words}$")
        tmux.line("")
    tmux.line(":wq")
    wait_for_alternate(tmux, "0")
    tmux.line("stty -g >part; mv part after")
    assert tmux.desk.told("after") == tmux.desk.told("before")
    assert tmux.desk.told("note.txt") == "one two\n"


def test_vim_runs_commands(tmux: Tmux) -> None:
    need("vim")
    begin(tmux, f"$W {VIM} numbers")
    tmux.wait_for("^23$")
    tmux.line(":!echo ran $((40 + 2)); read word; echo got $word >part; mv part word")
    tmux.wait_for("^ran 42")
    tmux.line("answer")
    assert tmux.desk.told("word") == "got answer\n"
    tmux.wait_for("ENTER")
    tmux.line("")
    tmux.wait_for("^23$")
    tmux.line(":%!sort -rn")
    tmux.wait_for("^999$")
    tmux.line(":wq")
    assert end(tmux) == 0
    assert tmux.desk.told("numbers").startswith("999\n998\n")


@pytest.mark.parametrize(
    "line", ["seq 999 | $W {} -", "echo numbers | xargs -o $W {}", "$W {} numbers 2>err.txt"]
)
def test_vim_takes_keys_from_the_terminal_when_something_is_redirected(tmux: Tmux, line: str) -> None:
    need("vim")
    begin(tmux, line.format(VIM))
    tmux.wait_for("^23$")
    tmux.resize(40, 100)
    tmux.wait_for("^39$")
    tmux.keys("G")
    tmux.wait_for("^999$")
    tmux.run("send-keys", "-l", "othe end")
    tmux.wait_for("^the end$")
    tmux.keys("Escape")
    tmux.line(":w! saved")
    tmux.wait_for("written")
    tmux.line(":q!")
    assert end(tmux) == 0
    assert tmux.desk.told("saved").endswith("999\nthe end\n")


def test_git_asks_for_a_message_in_an_editor_and_pages_its_log(tmux: Tmux) -> None:
    need("vim", "git", "less")
    desk = tmux.desk
    line = "git init -q . && git config user.name x && git config user.email x@x"
    subprocess.run(["sh", "-c", line], cwd=desk.folder, env=desk.environ, check=True)
    begin(tmux, f"EDITOR='{VIM}' $W git commit --allow-empty")
    tmux.wait_for("Please enter the commit message")
    tmux.run("send-keys", "-l", "ifrom the editor")
    tmux.keys("Escape")
    tmux.line(":wq")
    assert end(tmux) == 0
    (desk.folder / "status").unlink()
    begin(tmux, "clear; LESS= $W git log")
    wait_for_alternate(tmux, "1")
    tmux.wait_for("from the editor$")
    tmux.keys("q")
    assert end(tmux) == 0


@pytest.mark.parametrize("line", NUMBERS)
def test_less_scrolls_searches_and_quits(tmux: Tmux, line: str) -> None:
    need("less")
    begin(tmux, line.format("less"))
    tmux.wait_for("^23$")
    wait_for_alternate(tmux, "1")
    tmux.keys("Space")
    tmux.wait_for("^46$")
    tmux.keys("G")
    tmux.wait_for("^999$")
    tmux.line("?^50.$")
    tmux.wait_for(r"\A509$")
    tmux.keys("g")
    tmux.wait_for(r"\A1$")
    tmux.keys("Down")
    tmux.wait_for(r"\A2$")
    tmux.keys("q")
    assert end(tmux) == 0


@pytest.mark.parametrize("line", NUMBERS[:-1])  # bare, a shell in between is not always stopped
def test_less_is_stopped_and_brought_back(tmux: Tmux, line: str) -> None:
    need("less")
    tmux.line(line.format("less"))
    tmux.wait_for("^23$")
    for top in (2, 3):
        stop_and_bring_back(tmux)
        wait_for_alternate(tmux, "1")
        tmux.wait_for("^23$")
        tmux.keys("Down")
        tmux.wait_for(rf"\A{top}$")
    tmux.keys("q")
    wait_for_alternate(tmux, "0")


@pytest.mark.parametrize("line", NUMBERS)
def test_less_is_drawn_anew_at_each_size(tmux: Tmux, line: str) -> None:
    need("less")
    begin(tmux, line.format("less"))
    tmux.wait_for("^23$")
    for rows in (40, 20, 30):
        tmux.resize(rows, 60)
        tmux.wait_for(rf"\A1\n(.*\n)*{rows - 1}\n:")
    tmux.keys("q")
    assert end(tmux) == 0


@pytest.mark.parametrize("line", [line for line in NUMBERS if "2>" not in line])  # it reads keys there
def test_more_waits_for_keys(tmux: Tmux, line: str) -> None:
    need("more")
    begin(tmux, line.format("more"))
    tmux.wait_for("^23\n--More--")
    tmux.keys("Space")
    tmux.wait_for(r"^4[4-6]\n--More--")
    tmux.keys("Enter")
    tmux.wait_for(r"^4[5-7]\n--More--")
    tmux.keys("q")
    assert end(tmux) == 0


def test_manual_pages_are_paged(tmux: Tmux) -> None:
    need("man", "less", "groff")
    text = (
        ".TH NUMBERS 1\n.SH NAME\nnumbers \\- a page\n.SH LIST\n"
        + "line of the page\n.PP\n" * 99
        + "the end\n"
    )
    tmux.desk.script("page.1", text)
    begin(tmux, "$W man ./page.1")
    tmux.wait_for("numbers - a page")
    tmux.keys("G")
    tmux.wait_for("the end")
    tmux.keys("q")
    assert end(tmux) == 0
