"""ctrl-C and ctrl-backslash reach what they would reach without the wrapper, once, or are plain bytes."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from terminal import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

# Says how many of each signal came, once a moment has passed without one. A line ends it.
COUNTER = """
import os, select, signal, sys
from desk import tell
wanted = {signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
name = sys.argv[1]
tell(name)
first = signal.sigwaitinfo(wanted)
numbers = [first.si_signo]
while info := signal.sigtimedwait(wanted, 0.5):
    numbers.append(info.si_signo)
tell(name + ".count", " ".join(signal.Signals(number).name for number in numbers))
"""

# Takes every signal that a key can cause, and repeats the lines that it reads.
READER = """
import os, signal, sys
for name in ("SIGINT", "SIGQUIT", "SIGTSTP"):
    signal.signal(getattr(signal, name), lambda number, frame: os.write(1, b"took %d.\\n" % number))
print("reader is up", flush=True)
for line in sys.stdin:
    print("line", ascii(line), flush=True)
"""

RAW = """
import os, sys, termios, tty
from desk import tell
saved = termios.tcgetattr(0)
getattr(tty, sys.argv[1])(0)
os.write(1, b"raw is up")
keys = b""
while not keys.endswith(b"END"):
    keys += os.read(0, 4096)
termios.tcsetattr(0, termios.TCSADRAIN, saved)
tell("keys", keys[:-3].hex())
"""


@pytest.fixture
def shell(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Shell]:
    with Shell(wrapper, tmp_path) as shell:
        shell.desk.script("counter.py", COUNTER)
        shell.desk.script("reader.py", READER)
        shell.desk.script("raw.py", RAW)
        yield shell


@pytest.mark.parametrize(("key", "name"), [("C", "SIGINT"), ("\\", "SIGQUIT"), ("Z", "SIGTSTP")])
@pytest.mark.parametrize(
    "line", ["$W $P counter.py a", "$W $P counter.py a | cat", "$W $P counter.py a 2>err.txt"]
)
def test_key_sends_its_signal_once(shell: Shell, line: str, key: str, name: str) -> None:
    # The neighbour in the pipeline would die of the key: then the shell is content with the rest.
    shell.start(line.replace("cat", "(trap '' QUIT TSTP INT; cat)"))
    shell.desk.told("a")
    shell.press(key)
    assert shell.desk.told("a.count") == name
    shell.prompt()


def test_second_interrupt_is_sent_as_well(shell: Shell) -> None:
    shell.start("$W $P reader.py", shows="reader is up")
    for _ in range(3):
        shell.press("C")
        shell.expect(r"took 2\.")
    shell.press("D")
    assert shell.prompt() == 0
    assert shell.output.count(b"took 2.") == 3


def test_interrupt_ends_a_command_that_does_not_catch_it(shell: Shell) -> None:
    shell.start("$W sh -c 'echo up; exec sleep 100'", shows="up\r")
    shell.press("C")
    assert shell.prompt() == 130


def test_quit_ends_a_command_that_does_not_catch_it(shell: Shell) -> None:
    shell.command("ulimit -c 0")
    shell.start("$W sh -c 'echo up; exec sleep 100'", shows="up\r")
    shell.press("\\")
    shell.expect("Quit")
    assert shell.prompt() == 131


def test_interrupt_is_shown_as_the_terminal_shows_it(shell: Shell) -> None:
    shell.start("$W sh -c 'echo up; exec sleep 100'", shows="up\r\n")
    since = shell.seen
    shell.press("C")
    assert shell.prompt() == 130
    assert bytes(shell.output[since : shell.seen]) == b"^C\r\n[130]ready$ "


def test_interrupt_of_a_computing_python_is_a_keyboard_interrupt(shell: Shell) -> None:
    shell.desk.script("compute.py", "print('computing', flush=True)\nwhile True: pass\n")
    shell.start("$W $P compute.py", shows="computing")
    shell.press("C")
    shell.expect("KeyboardInterrupt")
    assert shell.prompt() == 130


def test_interrupt_of_an_interactive_python_gives_its_prompt_back(shell: Shell) -> None:
    shell.start("$W $P -q", shows=">>> ")
    shell.send("import time; print('as' + 'leep'); time.sleep(100)\r")
    shell.expect("asleep\r")
    shell.press("C")
    shell.expect("KeyboardInterrupt")
    shell.expect(">>> ")
    shell.send("6 * 7\r")
    shell.expect("\n42\r")
    shell.expect(">>> ")
    shell.send("half a line")
    shell.expect("half a line")
    shell.press("C")
    shell.expect("KeyboardInterrupt")
    shell.expect(">>> ")
    shell.press("D")
    assert shell.prompt() == 0


def test_interrupt_ends_a_shell_loop_wholly(shell: Shell) -> None:
    shell.start(
        "for i in 1 2 3; do echo turn $((i + 40)); $W sh -c 'echo up; exec sleep 100'; done", shows="up\r"
    )
    shell.press("C")
    assert shell.prompt() == 130
    assert b"turn 41" in shell.output
    assert b"turn 42" not in shell.output


def test_interrupt_ends_a_loop_in_a_shell_script(shell: Shell) -> None:
    shell.desk.script(
        "loop.sh", "for i in 1 2 3; do echo turn $i; $W sh -c 'echo up; exec sleep 100'; done\necho end\n"
    )
    shell.start("bash loop.sh", shows="up\r")
    shell.press("C")
    assert shell.prompt() == 130
    assert b"turn 1" in shell.output
    assert b"turn 2" not in shell.output


def test_loop_goes_on_when_the_command_takes_the_interrupt_and_ends_well(shell: Shell) -> None:
    shell.desk.script("loop.sh", "for i in 1 2; do $W $P counter.py a$i; echo ended $i $?; done\n")
    shell.start("bash loop.sh")
    for turn in (1, 2):
        shell.desk.told(f"a{turn}")
        shell.press("C")
        shell.expect(f"ended {turn} 0")
    assert shell.prompt() == 0


def test_list_of_commands_ends_with_an_interrupted_one(shell: Shell) -> None:
    shell.start("$W sh -c 'echo up; exec sleep 100'; echo after $((40 + 2))", shows="up\r")
    shell.press("C")
    assert shell.prompt() == 130
    assert b"after 42" not in shell.output


@pytest.mark.parametrize(
    "line",
    [
        "$W $P counter.py a | $P counter.py b",
        "$P counter.py a | $W $P counter.py b",
        "$W $P counter.py a | $W $P counter.py b",
    ],
)
def test_interrupt_reaches_every_part_of_a_pipeline_once(shell: Shell, line: str) -> None:
    shell.start(line)
    shell.desk.told("a")
    shell.desk.told("b")
    shell.press("C")
    assert shell.desk.told("a.count") == "SIGINT"
    assert shell.desk.told("b.count") == "SIGINT"
    assert shell.prompt() == 0


def test_interrupt_reaches_every_process_of_the_script_once(shell: Shell) -> None:
    shell.start("$W sh -c 'trap : INT; $P counter.py a & $P counter.py b; wait'")
    shell.desk.told("a")
    shell.desk.told("b")
    shell.press("C")
    # A shell without job control makes its background commands ignore the interrupt, but a blocked one is kept.
    assert shell.desk.told("a.count") == "SIGINT"
    assert shell.desk.told("b.count") == "SIGINT"
    shell.prompt()


def test_interrupt_stops_a_flood_of_output(shell: Shell) -> None:
    shell.start("$W yes 'a line of a flood of output'", shows="flood of output\r\na line")
    shell.press("C")
    assert shell.prompt() == 130


def test_interrupt_discards_the_half_line_before_it(shell: Shell) -> None:
    shell.start("$W $P reader.py", shows="reader is up")
    shell.send("half")
    shell.expect("half")
    shell.press("C")
    shell.expect(r"took 2\.")
    shell.send("whole\r")
    shell.expect(r"line 'whole\\n'")
    shell.press("D")
    assert shell.prompt() == 0


def test_every_byte_reaches_a_script_in_raw_mode(shell: Shell) -> None:
    shell.start("$W $P raw.py setraw", shows="raw is up")
    keys = bytes(range(256))
    shell.send(keys + b"END")
    assert shell.desk.told("keys") == keys.hex()
    assert shell.prompt() == 0


def test_interrupt_key_is_a_byte_in_raw_mode_however_often(shell: Shell) -> None:
    shell.start("$W $P raw.py setraw", shows="raw is up")
    for _ in range(20):
        shell.press("CZ\\")
    shell.send("END")
    assert shell.desk.told("keys") == (b"\x03\x1a\x1c" * 20).hex()
    assert shell.prompt() == 0


def test_keys_of_a_terminal_emulator_pass_unchanged(shell: Shell) -> None:
    keys = b"\x1b[A\x1bOP\x1b[<0;10;10M\x1b[<0;10;10m\x1b[200~pasted\rtext\x1b[201~\x1b[I\x1b[1;5D\xc3\xa9\xe2\x82\xac\x7f\x08\x00"
    shell.start("$W $P raw.py setraw", shows="raw is up")
    shell.send(keys + b"END")
    assert shell.desk.told("keys") == keys.hex()
    assert shell.prompt() == 0


def test_interrupt_key_interrupts_a_script_that_reads_key_by_key(shell: Shell) -> None:
    shell.start("$W $P raw.py setcbreak", shows="raw is up")
    shell.send("abc")
    shell.press("C")
    shell.expect("KeyboardInterrupt")
    assert shell.prompt() == 130


def test_interrupt_key_of_the_users_choice_is_kept(shell: Shell) -> None:
    shell.command("stty intr ^G")
    shell.start("$W $P reader.py", shows="reader is up")
    shell.press("G")
    shell.expect(r"took 2\.")
    shell.send(b"a\x03b\r")
    shell.expect(r"line 'a\\x03b\\n'")
    shell.press("D")
    assert shell.prompt() == 0


def test_interrupt_key_of_the_scripts_choice_counts(shell: Shell) -> None:
    shell.start("$W sh -c 'stty intr ^G; exec $P reader.py'", shows="reader is up")
    shell.press("G")
    shell.expect(r"took 2\.")
    shell.send(b"a\x03b\r")
    shell.expect(r"line 'a\\x03b\\n'")
    shell.press("D")
    assert shell.prompt() == 0


def test_quoted_interrupt_key_is_a_character_of_the_line(shell: Shell) -> None:
    shell.start("$W $P reader.py", shows="reader is up\r\n")
    shell.press("V")
    shell.expect(r"\^\x08")
    shell.press("C")
    shell.send("\r")
    shell.expect(r"line '\\x03\\n'")
    assert b"took" not in shell.output
    shell.press("D")
    assert shell.prompt() == 0


def test_interrupt_does_not_reach_a_background_job(shell: Shell) -> None:
    shell.start("$W $P counter.py a &")
    shell.prompt()
    shell.desk.told("a")
    shell.press("C")
    shell.prompt()
    shell.start("$P reader.py", shows="reader is up")
    shell.press("C")
    shell.expect(r"took 2\.")
    shell.press("D")
    shell.prompt()
    shell.stays_without("nothing of the kind")
    assert not shell.desk.has("a.count")


def test_ignored_interrupt_stays_ignored(shell: Shell) -> None:
    shell.desk.script("ignore.sh", "trap '' INT QUIT\n$W sh -c 'echo up; read line; echo got $line'\n")
    shell.start("sh ignore.sh", shows="up\r")
    shell.press("C\\")
    shell.send("hello\r")
    shell.expect("got hello")
    assert shell.prompt() == 0


def test_interrupt_from_another_process_reaches_the_script(shell: Shell) -> None:
    shell.start("$W $P counter.py a")
    shell.desk.told("a")
    os.kill(shell.foreground(), signal.SIGINT)
    assert shell.desk.told("a.count") == "SIGINT"
    assert shell.prompt() == 0
