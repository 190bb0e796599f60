"""Typing: line editing, echo, passwords, readline, debuggers, pastes and flow control are untouched."""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from typing import TYPE_CHECKING

import pytest
from terminal import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

READS = """
import os
os.write(1, b"reads is up\\n")
while True:
    data = os.read(0, 65536)
    os.write(1, b"read " + ascii(data).encode() + b".\\n")
    if not data:
        break
"""

PASSWORD = """
import getpass, sys
word = getpass.getpass("Secret: ")
print("length", len(word), "value", word[::-1] + ".", flush=True)
if not sys.stdin.isatty():
    print("stdin", sys.stdin.read().strip() + ".")
"""

DEBUGGED = """
def double(number):
    result = number * 2
    return result
breakpoint()
print("answer", double(21))
"""

DIGEST = """
import hashlib, os, sys
from desk import tell
want = int(sys.argv[1])
if sys.argv[2] == "raw":
    import termios, tty
    saved = termios.tcgetattr(0)
    tty.setraw(0)
os.write(1, b"digest is up")
digest, size = hashlib.sha256(), 0
while size < want:
    data = os.read(0, 65536)
    digest.update(data)
    size += len(data)
if sys.argv[2] == "raw":
    termios.tcsetattr(0, termios.TCSADRAIN, saved)
tell("digest", f"{size} {digest.hexdigest()}")
"""


@pytest.fixture
def shell(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Shell]:
    with Shell(wrapper, tmp_path) as shell:
        shell.desk.script("reads.py", READS)
        shell.desk.script("password.py", PASSWORD)
        shell.desk.script("debugged.py", DEBUGGED)
        shell.desk.script("digest.py", DIGEST)
        yield shell


@pytest.mark.parametrize("line", ["$W $P reads.py", "$W $P reads.py 2>err.txt", "$W $P reads.py | cat"])
@pytest.mark.parametrize(
    ("keys", "read"),
    [
        (b"plain\r", rb"plain\n"),
        (b"ab\x7fc\r", rb"ac\n"),
        (b"wrong\x15right\r", rb"right\n"),
        (b"one two\x17three\r", rb"one three\n"),
        (b"\x04", rb""),
        (b"half\x04", rb"half"),
        (b"tab\there\r", rb"tab\\there\n"),
        (b"quoted \x16\x15\r", rb"quoted \\x15\n"),
    ],
)
def test_line_editing_is_the_terminals(shell: Shell, line: str, keys: bytes, read: bytes) -> None:
    shell.start(line, shows="reads is up\r\n")
    shell.send(keys)
    expected = read.decode().replace("\\n", "\\\\n").replace("\\\\\\n", "\\\\n")
    shell.expect(rf"read b'{expected}'\.")
    if read:
        shell.press("D")
        shell.expect(r"read b''\.")
    assert shell.prompt() == 0


def test_erase_key_takes_whole_characters(shell: Shell) -> None:
    shell.command("stty iutf8")
    shell.start("$W $P reads.py", shows="reads is up\r\n")
    shell.send("e\u00e9\u20ac\x7f\x7fx\r")
    shell.expect(r"read b'ex\\n'\.")
    shell.press("D")
    assert shell.prompt() == 0


def test_erase_key_of_the_users_choice_counts(shell: Shell) -> None:
    shell.command("stty erase '#'")
    shell.start("$W $P reads.py", shows="reads is up\r\n")
    shell.send("ab#c\r")
    shell.expect(r"read b'ac\\n'\.")
    shell.press("D")
    assert shell.prompt() == 0


@pytest.mark.parametrize("line", ["$W $P reads.py", "$W $P reads.py 2>err.txt"])
def test_echo_shows_each_key_once(shell: Shell, line: str) -> None:
    shell.start(line, shows="reads is up\r\n")
    since = shell.seen
    shell.send("abc")
    shell.expect("abc")
    shell.send("\x7fd\x01\r")
    shell.expect(r"\.\r\n")
    assert bytes(shell.output[since : shell.seen]) == b"abc\x08 \x08d^A\r\nread b'abd\\x01\\n'.\r\n"
    shell.press("D")
    assert shell.prompt() == 0


def test_reprint_key_shows_the_line_again(shell: Shell) -> None:
    shell.start("$W $P reads.py", shows="reads is up\r\n")
    shell.send("again\x12")
    shell.expect(r"again\^R\r\nagain")
    shell.send("\r")
    shell.expect(r"read b'again\\n'\.")
    shell.press("D")
    assert shell.prompt() == 0


def test_end_of_input_at_the_start_of_a_line_ends_the_script(shell: Shell) -> None:
    shell.start("$W cat")
    shell.send("some text\r")
    shell.expect("some text\r\nsome text\r\n")
    shell.press("D")
    assert shell.prompt() == 0


@pytest.mark.parametrize(
    "line", ["$W $P password.py", "$W $P password.py 2>err.txt", "$W $P password.py | cat"]
)
def test_password_is_not_shown(shell: Shell, line: str) -> None:
    shell.start(line, shows="Secret: ")
    shell.send("hidden\r")
    shell.expect(r"length 6 value neddih\.")
    assert shell.prompt() == 0
    assert b"hidden" not in shell.output
    assert "echo" in shell.command("stty -a").replace("-echo ", "").split()


def test_password_is_asked_on_the_terminal_when_stdin_is_piped(shell: Shell) -> None:
    shell.start("echo piped | $W $P password.py", shows="Secret: ")
    shell.send("hidden\r")
    shell.expect(r"length 6 value neddih\.")
    shell.expect(r"stdin piped\.")
    assert shell.prompt() == 0
    assert b"hidden" not in shell.output
    assert " echo " in shell.command("stty -a").replace("\n", " ")


def test_password_prompt_that_is_interrupted_leaves_the_echo_on(shell: Shell) -> None:
    shell.start("$W $P password.py", shows="Secret: ")
    shell.press("C")
    assert shell.prompt() == 130
    assert " echo " in shell.command("stty -a").replace("\n", " ")


def test_shell_reads_a_password_without_echo(shell: Shell) -> None:
    shell.start("$W bash -c 'read -r -s -p \"Secret: \" word; echo; echo got ${#word}.'", shows="Secret: ")
    shell.send("hidden\r")
    shell.expect(r"got 6\.")
    assert shell.prompt() == 0
    assert b"hidden" not in shell.output


def test_interactive_python_has_history_and_arrow_keys(shell: Shell) -> None:
    shell.start("$W $P -q", shows=">>> ")
    shell.send("print(20 + 20)\r")
    shell.expect("\n40\r\n>>> ")
    shell.send("\x1b[A\x1b[D\x7f1\r")
    shell.expect("\n41\r\n>>> ")
    shell.send("\x1b[A\x01print('at home'), \x05\r")
    shell.expect("at home\r\n41\r")
    shell.press("D")
    assert shell.prompt() == 0


def test_interactive_python_completes_names(shell: Shell) -> None:
    shell.start("$W $P -q", shows=">>> ")
    shell.send("favourite_number = 43\r")
    shell.expect(">>> ")
    shell.send("favourite_n\t")
    shell.expect("favourite_number")
    shell.send("- 1\r")
    shell.expect("\n42\r")
    shell.expect(">>> ")
    shell.press("D")
    assert shell.prompt() == 0


def test_interactive_python_searches_its_history(shell: Shell) -> None:
    shell.start("$W $P -q", shows=">>> ")
    shell.send("'first' + 'one'\r")
    shell.expect("'firstone'")
    shell.expect(">>> ")
    shell.send("\x12fir")
    shell.expect("reverse-i-search")
    shell.send("\r")
    shell.expect("\n'firstone'")
    shell.expect(">>> ")
    shell.press("D")
    assert shell.prompt() == 0


def test_newer_interactive_python_edits_lines(shell: Shell) -> None:
    import sys

    if sys.version_info < (3, 13):
        pytest.skip("this Python has only the basic prompt")
    shell.start("PYTHON_BASIC_REPL= $W $P -q", shows=">>> ")
    shell.send("print(20 + 21)\x1b[D\x7f2\r")
    shell.expect("\n.*42")
    shell.press("D")
    assert shell.prompt() == 0


def test_debugger_steps_prints_and_goes_on(shell: Shell) -> None:
    shell.start("$W $P debugged.py", shows=r"\(Pdb\) ")
    for keys, shows in [
        ("s", "--Call--"),
        ("n", "result = number"),
        ("p number + 300", "321"),
        ("\x1b[A", "321"),
    ]:
        shell.send(keys + "\r")
        shell.expect(shows)
        shell.expect(r"\(Pdb\) ")
    shell.send("c\r")
    shell.expect("answer 42")
    assert shell.prompt() == 0


def test_debugger_survives_an_interrupt(shell: Shell) -> None:
    shell.desk.script("loop.py", "print('loop is up', flush=True)\nwhile True:\n    pass\n")
    shell.start("$W $P -m pdb -c continue loop.py", shows="loop is up")
    shell.press("C")
    shell.expect(r"\(Pdb\) ")
    shell.send("p 6 * 7\r")
    shell.expect("\n42\r")
    shell.expect(r"\(Pdb\) ")
    shell.send("q\r")
    shell.prompt()


def test_questions_are_answered_in_turn(shell: Shell) -> None:
    shell.desk.script("ask.py", "a = input('First? ')\nb = input('Second? ')\nprint(b, a, sep='/')\n")
    shell.start("$W $P ask.py", shows=r"First\? ")
    shell.send("one\r")
    shell.expect(r"Second\? ")
    shell.send("two\r")
    shell.expect("two/one\r")
    assert shell.prompt() == 0


def test_line_editor_of_the_shell_works(shell: Shell) -> None:
    shell.start("$W bash -c 'read -e -p \"Line: \" word; echo got $word.'", shows="Line: ")
    shell.send("bc\x01a\x05d\r")
    shell.expect(r"got abcd\.")
    assert shell.prompt() == 0


def test_bracketed_paste_reaches_the_line_editor_whole(shell: Shell) -> None:
    shell.desk.script(".inputrc", "set enable-bracketed-paste on\n")
    shell.start("$W bash -c 'read -e -p \"Line: \" word; echo got $word.'", shows="Line: ")
    shell.send("\x1b[200~echo one\recho two\x1b[201~\r")
    shell.expect(r"got echo one")
    shell.prompt()


@pytest.mark.parametrize("line", ["$W $P digest.py {} cooked", "$W $P digest.py {} cooked 2>err.txt"])
def test_long_paste_of_lines_arrives_whole(shell: Shell, line: str) -> None:
    pasted = b"".join(
        b"line %d of what was pasted, with some text in it\n" % number for number in range(1400)
    )
    shell.start(line.format(len(pasted)), shows="digest is up")
    shell.send(pasted.replace(b"\n", b"\r"))
    assert shell.desk.told("digest") == f"{len(pasted)} {hashlib.sha256(pasted).hexdigest()}"
    assert shell.prompt() == 0


@pytest.mark.parametrize("line", ["$W $P digest.py {} raw", "$W $P digest.py {} raw 2>err.txt"])
def test_long_paste_into_a_script_in_raw_mode_arrives_whole(shell: Shell, line: str) -> None:
    pasted = os.urandom(1 << 16)
    shell.start(line.format(len(pasted)), shows="digest is up")
    shell.send(pasted)
    assert shell.desk.told("digest") == f"{len(pasted)} {hashlib.sha256(pasted).hexdigest()}"
    assert shell.prompt() == 0


@pytest.mark.parametrize("line", ["$W $P hold.py", "$W $P hold.py 2>err.txt", "$W $P hold.py | cat"])
def test_output_can_be_held_and_let_go(shell: Shell, line: str) -> None:
    shell.desk.script(
        "hold.py",
        "from desk import tell\nprint('hold is up', flush=True)\nword = input()\ntell('read', word)\nprint(word.upper(), flush=True)\n",
    )
    shell.start(line, shows="hold is up\r\n")
    # The line comes after the key in the same stream, so who reads it knows that the output is held.
    shell.send(b"\x13word\r")
    assert shell.desk.told("read") == "word"
    shell.stays_without("WORD")
    shell.press("Q")
    shell.expect("WORD\r")
    assert shell.prompt() == 0


def test_round_trip_of_a_key_stroke_is_measured(shell: Shell, record_property: pytest.RecordProperty) -> None:
    shell.desk.script(
        "echo.py",
        "import os, tty, termios\ns = termios.tcgetattr(0)\ntty.setraw(0)\nos.write(1, b'echo is up')\n"
        "while (key := os.read(0, 1)) != b'.':\n    os.write(1, b'<' + key + b'>')\n"
        "termios.tcsetattr(0, termios.TCSADRAIN, s)\n",
    )
    shell.start("$W $P echo.py", shows="echo is up")
    trips_s = []
    for _ in range(100):
        began_s = time.perf_counter()
        shell.send("x")
        shell.expect("<x>")
        trips_s.append(time.perf_counter() - began_s)
    record_property("key_round_trip_median_ms", round(statistics.median(trips_s) * 1000, 3))
    shell.send(".")
    assert shell.prompt() == 0


def test_end_of_input_typed_ahead_ends_the_script(shell: Shell) -> None:
    os.mkfifo(shell.desk.folder / "go")
    shell.start("sh -c ': >up; read line <go; exec $W cat'; echo status $?")
    shell.desk.told("up")
    shell.press("D")
    # The terminal takes keys one after the other: what is shown of this one says that it has the first.
    shell.send("x\r")
    shell.expect("x\r\n")
    (shell.desk.folder / "go").write_text("\n")
    shell.expect("status 0")


def test_line_typed_ahead_is_shown_once_and_read(shell: Shell) -> None:
    os.mkfifo(shell.desk.folder / "go")
    shell.start("sh -c ': >up; read line <go; exec $W $P -c \"print(input() + chr(33))\"'")
    shell.desk.told("up")
    since = shell.seen
    shell.send("hello\r")
    shell.expect("hello\r\n")
    (shell.desk.folder / "go").write_text("\n")
    assert shell.prompt() == 0
    assert bytes(shell.output[since : shell.seen]).startswith(b"hello\r\nhello!\r\n")
