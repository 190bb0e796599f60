"""Programs that draw: curses, `top`, tmux, pagers of Python, and what they say to the terminal and back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from terminal import Shell, need, state_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

# Names the keys that it gets until a q.
CURSES = """
import curses, os, sys
from desk import tell
tell("pid", os.getpid())
def main(screen):
    screen.addstr(0, 0, "curses is up %d by %d." % screen.getmaxyx())
    while (key := screen.getch()) != ord("q"):
        screen.clear()
        screen.addstr(0, 0, "size %d by %d." % screen.getmaxyx())
        screen.addstr(1, 0, f"<{curses.keyname(key).decode()}>")
    return 7
status = curses.wrapper(main)
print("after", status)
sys.exit(status)
"""

# Puts out what it is told to a descriptor, then says what keys it got until a dot.
SEQUENCES = """
import os, sys, termios, tty
fd = int(sys.argv[1])
saved = termios.tcgetattr(0)
tty.setraw(0)
os.write(fd, b"<begin>" + open("sequences", "rb").read() + b"<end>")
keys = b""
while not keys.endswith(b"."):
    keys += os.read(0, 1024)
os.write(fd, b"keys " + keys.hex().encode() + b";")
termios.tcsetattr(0, termios.TCSADRAIN, saved)
"""

TO_TERMINAL = {
    "alternate_screen": b"\x1b[?1049h\x1b[22;0;0t\x1b[1;24r\x1b[H\x1b[2J\x1b[?1049l\x1b[23;0;0t",
    "mouse_and_paste": b"\x1b[?1000;1002;1006h\x1b[?2004h\x1b[?1004h\x1b[?2004l\x1b[?1006l",
    "titles_and_links": b"\x1b]0;title \xe2\x82\xac\x07\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\\x1b]52;c;aGk=\x07",
    "questions": b"\x1b[c\x1b[>c\x1b[6n\x1b]11;?\x1b\\\x1bP+q544e\x1b\\\x05",
    "colours": b"\x1b[38;2;1;2;3m\x1b[48;5;200m\x1b[4:3mx\x1b[0m\x1b(0lqk\x1b(B\x0e\x0f",
    "pictures": b"\x1bPq#0;2;0;0;0~~@@vv\x1b\\\x1b_Ga=T;AAAA\x1b\\\x1b]1337;File=:AAAA\x07",
    "cursor": b"\x1b7\x1b8\x1b[?25l\x1b[5 q\x1b[10;20H\x1bM\x1b[3S\x1b[?25h",
}
FROM_TERMINAL = {
    "mouse": b"\x1b[<0;10;5M\x1b[<0;10;5m\x1b[M !!\x1b[<64;1;1M",
    "paste": b"\x1b[200~one\rtwo\ttabbed\x03\x1a\x1b[201~",
    "answers": b"\x1b[?62;22c\x1b[24;80R\x1b]11;rgb:0000/0000/0000\x1b\\\x1b[I\x1b[O",
    "keys": b"\x1b[A\x1bOP\x1b[1;5C\x1b[15~\x1bx\x1b\x1b\x7f\x08\t\r\n",
    "controls": bytes(range(32)),
    "characters": "h\u00e9 \u20ac \U0001f600 \u65e5".encode() + b"\xff\xfe\x80",
}
STREAMS = [(1, ""), (1, "2>err.txt"), (2, ">out.txt"), (2, "| cat")]


@pytest.fixture
def shell(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Shell]:
    with Shell(wrapper, tmp_path) as shell:
        shell.desk.script("keys.py", CURSES)
        shell.desk.script("sequences.py", SEQUENCES)
        yield shell


def exchange(shell: Shell, line: str, shown: bytes, keys: bytes) -> None:
    """Check that a terminal gets what a script puts out and the script what is typed."""
    modes = shell.stty()
    (shell.desk.folder / "sequences").write_bytes(shown)
    shell.start(line, shows="<begin>")
    since = shell.seen
    shell.expect("<end>")
    assert bytes(shell.output[since : shell.seen]) == shown + b"<end>"
    shell.send(keys + b".")
    assert bytes.fromhex(shell.expect("keys ([0-9a-f]*);")) == keys + b"."
    assert shell.prompt() == 0
    assert shell.stty() == modes


@pytest.mark.parametrize(("stream", "redirection"), STREAMS)
@pytest.mark.parametrize("name", TO_TERMINAL)
def test_what_programs_say_to_terminals_is_unchanged(
    shell: Shell, name: str, stream: int, redirection: str
) -> None:
    exchange(shell, f"$W $P sequences.py {stream} {redirection}", TO_TERMINAL[name], b"")


@pytest.mark.parametrize(("stream", "redirection"), STREAMS)
@pytest.mark.parametrize("name", FROM_TERMINAL)
def test_what_terminals_say_to_programs_is_unchanged(
    shell: Shell, name: str, stream: int, redirection: str
) -> None:
    exchange(shell, f"$W $P sequences.py {stream} {redirection}", b"", FROM_TERMINAL[name])


@pytest.mark.parametrize("line", ["$W $P keys.py", "$W $P keys.py 2>err.txt"])
def test_curses_gets_keys_by_their_names(shell: Shell, line: str) -> None:
    modes = shell.stty()
    shell.start(line, shows=r"curses is up 24 by 100\.")
    for keys, name in [
        ("a", "a"),
        ("\x1bOA", "KEY_UP"),
        ("\x1bOD", "KEY_LEFT"),
        ("\x1b[15~", "KEY_F\\(5\\)"),
        ("\x1b[5~", "KEY_PPAGE"),
        ("\x7f", "KEY_BACKSPACE"),
        ("\x18", r"\^X"),
    ]:
        shell.send(keys)
        shell.expect(f"<{name}>")
    shell.send("q")
    shell.expect("\x1b\\[\\?1049l")
    shell.expect("after 7\r\n")
    assert shell.prompt() == 7
    assert shell.stty() == modes


@pytest.mark.parametrize("line", ["$W $P keys.py", "$W $P keys.py 2>err.txt"])
def test_curses_is_told_of_a_new_size(shell: Shell, line: str) -> None:
    shell.start(line, shows=r"curses is up 24 by 100\.")
    for rows, columns in [(40, 123), (13, 57)]:
        # curses sees to a signal that comes before it waits for a key only when there is one.
        pid = int(shell.desk.told("pid"))
        wait_until(lambda: state_of(pid) == "S", "curses waits for a key")  # noqa: B023  # called at once
        shell.resize(rows, columns)
        shell.expect(rf"size {rows} by {columns}\.")
        shell.expect("<KEY_RESIZE>")
    shell.send("q")
    shell.expect("after 7\r\n")
    assert shell.prompt() == 7


def test_curses_that_fails_leaves_the_terminal_usable(shell: Shell) -> None:
    modes = shell.stty()
    shell.desk.script("fails.py", "import curses\ncurses.wrapper(lambda screen: (screen.getch(), 1 / 0))\n")
    shell.start("$W $P fails.py", shows="\x1b\\[\\?1049h")
    shell.send("x")
    shell.expect("ZeroDivisionError: division by zero\r\n")
    assert shell.prompt() == 1
    assert shell.stty() == modes


def test_top_draws_until_a_key_ends_it(shell: Shell) -> None:
    need("top")
    modes = shell.stty()
    shell.start("$W top -d 0.1", shows="load average")
    for _ in range(3):
        shell.expect("top - ")
    shell.send("q")
    assert shell.prompt() == 0
    assert shell.stty() == modes


def test_top_prints_once_for_a_pipe(shell: Shell) -> None:
    need("top")
    shown = shell.command("$W top -b -n 1 | head -3")
    assert re.match(r"top - .*\nTasks: .*\n", shown)
    assert "\x1b" not in shown


def test_watch_shows_each_change(shell: Shell) -> None:
    need("watch")
    modes = shell.stty()
    shell.desk.script("value", "first\n")
    shell.start("$W watch -n 0.1 cat value", shows="first")
    shell.desk.script("value", "second\n")
    shell.expect("second")
    shell.press("C")
    shell.prompt()
    assert shell.stty() == modes


def test_help_of_python_is_paged(shell: Shell) -> None:
    need("less")
    modes = shell.stty()
    shell.start("$W $P -m pydoc str", shows="class str")
    shell.send("/casefold\r")
    shell.expect("casefold")
    shell.send("q")
    assert shell.prompt() == 0
    assert shell.stty() == modes


def test_help_in_an_interactive_python_is_paged(shell: Shell) -> None:
    need("less")
    shell.start("$W $P -q", shows=">>> ")
    shell.send("help(str)\r")
    shell.expect("class str")
    shell.send("q")
    shell.expect(">>> ")
    shell.send("print(40 + 2)\r")
    shell.expect("\n42\r\n")
    shell.expect(">>> ")
    shell.press("D")
    assert shell.prompt() == 0


def test_tmux_inside_is_detached_and_attached(shell: Shell) -> None:
    need("tmux")
    modes = shell.stty()
    shell.desk.script("tmux.conf", "set -g status off\nset -g assume-paste-time 0\nset -s escape-time 0\n")
    shell.desk.script("inside.sh", "echo up\nwhile read word; do echo got $word; : >got-$word; done\n")
    shell.start("$W tmux -L other -f tmux.conf new-session -s inside 'sh inside.sh'", shows="up")
    for word, again in (("hello", "$W tmux -L other attach"), ("world", "$W tmux -L other kill-server")):
        shell.send(f"{word}\r")
        shell.desk.told(f"got-{word}")
        shell.send("\x02d")
        shell.expect(r"\[detached \(from session inside\)\]")
        assert shell.prompt() == 0
        assert shell.stty() == modes
        shell.start(again)
        if again.endswith("attach"):
            shell.expect("got hello")
    assert shell.prompt() == 0


def test_script_inside_records_too(shell: Shell) -> None:
    need("script")
    modes = shell.stty()
    shell.start("$W script -q -c 'echo up; read word; echo got $word.' typescript", shows="up\r")
    shell.send("hello\r")
    shell.expect(r"got hello\.")
    assert shell.prompt() == 0
    assert "got hello." in shell.desk.told("typescript")
    assert shell.stty() == modes


@pytest.mark.parametrize(
    "redirection", ["", "</dev/null", "2>err.txt", ">out.txt 2>&1", "</dev/null >out.txt 2>&1"]
)
def test_terminal_itself_can_be_asked(shell: Shell, redirection: str) -> None:
    shell.desk.script("ask.sh", "printf 'Name? ' >/dev/tty\nread name </dev/tty\necho got $name. >/dev/tty\n")
    shell.start(f"$W sh ask.sh {redirection}", shows=r"Name\? ")
    shell.send("wrong\x15ada\r")
    shell.expect(r"got ada\.")
    assert shell.prompt() == 0
