"""Job control is the shell's: ctrl-Z, fg, bg and & do to a wrapped command what they do to a bare one."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from terminal import Desk, Shell, Terminal, need, state_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

# Repeats the lines that it reads.
LINES = """
import os, sys
from desk import tell
tell("pid", os.getpid())
print("lines is up", flush=True)
for line in sys.stdin:
    print("got", line.strip() + ".", flush=True)
"""

# Goes on, then reads a line, when told to.
WAITER = """
import os
from desk import tell, wait_for
tell("pid", os.getpid())
tell("waiting")
wait_for("go")
print("went on", flush=True)
wait_for("read")
print("got", input() + ".", flush=True)
wait_for("never")
"""

# Takes single keys; stops itself at a z and ends at a q, as full-screen programs do.
KEYS = """
import os, signal, sys, termios, tty
saved = termios.tcgetattr(0)
def grab(word):
    tty.setraw(0)
    os.write(1, word)
grab(b"keys is up")
while True:
    key = os.read(0, 1)
    if key == b"z":
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
        os.kill(0, signal.SIGTSTP)
        grab(b"keys is back")
    elif key == b"q":
        termios.tcsetattr(0, termios.TCSADRAIN, saved)
        sys.exit(0)
    else:
        os.write(1, b"key %d." % key[0])
"""


@pytest.fixture
def shell(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Shell]:
    with Shell(wrapper, tmp_path) as shell:
        shell.desk.script("lines.py", LINES)
        shell.desk.script("waiter.py", WAITER)
        shell.desk.script("keys.py", KEYS)
        yield shell


def wait_for_job(shell: Shell, state: str) -> None:
    """Wait until the shell says that its job is in a state."""
    wait_until(lambda: state in shell.command("jobs"), f"the job is {state}")


def say(shell: Shell, word: str) -> None:
    """Type a line and wait until the script repeats it."""
    shell.send(word + "\r")
    shell.expect(rf"got {word}\.")


@pytest.mark.parametrize("line", ["$W $P lines.py", "$W $P lines.py 2>err.txt", "$W $P lines.py | cat"])
def test_stopped_twice_and_brought_back_twice(shell: Shell, line: str) -> None:
    shell.start(line, shows="lines is up")
    pid = int(shell.desk.told("pid"))
    for word in ("one", "two"):
        say(shell, word)
        shell.stop()
        wait_until(lambda: state_of(pid) == "T", "the script is stopped")
        assert shell.command("echo between $((40 + 2))") == "between 42\n"
        shell.bring_back("lines.py")
    say(shell, "three")
    shell.press("D")
    assert shell.prompt() == 0


def test_stop_shows_what_the_terminal_shows(shell: Shell) -> None:
    shell.start("$W $P lines.py", shows="lines is up\r\n")
    since = shell.seen
    shell.stop()
    assert bytes(shell.output[since : shell.seen]).startswith(b"^Z\r\n[1]+  Stopped")


def test_modes_are_the_shells_while_the_script_is_stopped(shell: Shell) -> None:
    modes = shell.stty()
    shell.start("$W $P lines.py", shows="lines is up")
    shell.stop()
    assert shell.stty() == modes
    shell.bring_back("lines.py")
    say(shell, "back")
    shell.press("D")
    assert shell.prompt() == 0
    assert shell.stty() == modes


def test_line_editing_works_after_the_script_is_back(shell: Shell) -> None:
    shell.start("$W $P lines.py", shows="lines is up")
    shell.stop()
    shell.bring_back("lines.py")
    shell.send("wrong\x15right\r")
    shell.expect(r"got right\.")
    shell.press("C")
    assert shell.prompt() == 130


def test_stopped_script_goes_on_in_the_background_and_back(shell: Shell) -> None:
    shell.start("$W $P waiter.py")
    shell.desk.told("waiting")
    shell.stop()
    shell.start("bg")
    shell.prompt()
    shell.desk.tell("go")
    shell.expect("went on\r\n")
    shell.bring_back("waiter.py")
    shell.desk.tell("read")
    say(shell, "hello")
    shell.press("C")
    assert shell.prompt() == 130


def test_interrupt_after_bg_and_fg_ends_the_script(shell: Shell) -> None:
    shell.start("$W sh -c ': >up; exec sleep 100'")
    shell.desk.told("up")
    shell.stop()
    shell.start("bg")
    shell.prompt()
    shell.bring_back("sh -c")
    shell.press("C")
    assert shell.prompt() == 130


def test_script_started_in_the_background_comes_to_the_foreground(shell: Shell) -> None:
    shell.start("$W $P waiter.py &")
    shell.prompt()
    shell.desk.told("waiting")
    shell.bring_back("waiter.py")
    shell.desk.tell("go")
    shell.expect("went on\r\n")
    shell.desk.tell("read")
    say(shell, "hello")
    shell.stop()
    shell.bring_back("waiter.py")
    shell.press("C")
    assert shell.prompt() == 130


def test_reading_in_the_background_stops_the_script(shell: Shell) -> None:
    shell.start("$W $P lines.py &")
    shell.prompt()
    shell.desk.told("pid")
    wait_for_job(shell, "Stopped")
    shell.bring_back("lines.py")
    say(shell, "hello")
    shell.press("D")
    assert shell.prompt() == 0


def test_a_script_that_goes_on_in_the_background_leaves_the_keys_to_the_shell(shell: Shell) -> None:
    shell.start("$W $P waiter.py &")
    shell.prompt()
    shell.desk.told("waiting")
    for number in range(10):
        assert shell.command(f"echo mine $(({number} + 40))") == f"mine {number + 40}\n"
    shell.desk.tell("go")
    shell.expect("went on\r\n")
    assert shell.command("echo still $((40 + 2))") == "still 42\n"


def test_output_and_end_of_a_background_job_are_shown(shell: Shell) -> None:
    shell.start("$W sh -c 'echo out $((40 + 2))' &")
    shell.expect("out 42")
    wait_until(lambda: "Done" in shell.command("jobs") or b"Done" in shell.output, "the job is done")


def test_shell_waits_for_a_background_job_and_gets_its_status(shell: Shell) -> None:
    assert shell.command("$W sh -c 'exit 7' & wait $!; echo status $?").endswith("status 7\n")


def test_script_stopped_by_a_signal_of_its_own_is_a_stopped_job(shell: Shell) -> None:
    shell.start("$W $P lines.py", shows="lines is up")
    os.kill(int(shell.desk.told("pid")), signal.SIGSTOP)
    shell.expect("Stopped")
    shell.prompt()
    shell.bring_back("lines.py")
    say(shell, "hello")
    shell.press("D")
    assert shell.prompt() == 0


def test_job_stopped_and_continued_by_the_shell(shell: Shell) -> None:
    shell.start("$W $P waiter.py &")
    shell.prompt()
    shell.desk.told("waiting")
    shell.command("kill -STOP %1")
    wait_for_job(shell, "Stopped")
    shell.command("kill -CONT %1")
    wait_for_job(shell, "Running")
    shell.desk.tell("go")
    shell.expect("went on\r\n")
    shell.command("kill %1")
    wait_until(lambda: "waiter" not in shell.command("jobs"), "the job has ended")


def test_stop_key_is_nothing_where_no_shell_could_bring_the_script_back(
    wrapper: Sequence[str], tmp_path: Path
) -> None:
    desk = Desk(wrapper, tmp_path)
    desk.script("lines.py", LINES)
    with Terminal(desk, [*wrapper, desk.environ["P"], "lines.py"]) as terminal:
        terminal.expect("lines is up")
        for word in ("one", "two"):
            terminal.press("Z")
            terminal.send(word + "\r")
            terminal.expect(rf"got {word}\.")
        terminal.press("D")
        assert terminal.finish() == 0


def test_script_that_takes_the_stop_signal_is_not_stopped(shell: Shell) -> None:
    shell.start(
        """$W bash -c 'trap "echo took it" TSTP; echo up; while read x; do echo got $x.; done'""",
        shows="up\r",
    )
    shell.press("Z")
    shell.send("\r")
    shell.expect("took it")
    say(shell, "hello")
    shell.press("D")
    assert shell.prompt() == 0


def test_script_that_ignores_the_stop_signal_is_not_stopped(shell: Shell) -> None:
    shell.start("""$W sh -c 'trap "" TSTP; exec $P lines.py'""", shows="lines is up")
    shell.press("Z")
    say(shell, "hello")
    shell.press("D")
    assert shell.prompt() == 0


def test_stop_takes_the_shell_around_the_wrapper_along(shell: Shell) -> None:
    shell.start("sh -c '$W $P lines.py; echo after $?'", shows="lines is up")
    for word in ("one", "two"):
        say(shell, word)
        shell.stop()
        shell.bring_back("lines.py")
    say(shell, "three")
    shell.press("D")
    shell.expect("after 0")
    assert shell.prompt() == 0


def test_stop_takes_a_whole_pipeline_along(shell: Shell) -> None:
    shell.desk.script("pid.sh", "echo $$ >other\nexec cat\n")
    shell.start("$W $P lines.py | sh pid.sh", shows="lines is up")
    other = int(shell.desk.told("other"))
    shell.stop()
    wait_until(lambda: state_of(other) == "T", "the neighbour is stopped")
    shell.bring_back("lines.py")
    say(shell, "hello")
    shell.press("D")
    assert shell.prompt() == 0


@pytest.mark.parametrize(
    "line", ["$W $P keys.py", "$W $P keys.py 2>err.txt", "sh -c '$W $P keys.py; exit $?'"]
)
def test_program_in_raw_mode_that_stops_itself(shell: Shell, line: str) -> None:
    modes = shell.stty()
    shell.start(line, shows="keys is up")
    for _ in range(2):
        shell.send("a\x1a")
        shell.expect(r"key 97\.key 26\.")
        shell.send("z")
        shell.expect("Stopped")
        shell.prompt()
        assert shell.stty() == modes
        shell.bring_back("keys is back")
        shell.send("b\x03")
        shell.expect(r"key 98\.key 3\.")
    shell.send("q")
    assert shell.prompt() == 0
    assert shell.stty() == modes


def test_terminal_output_in_the_background_is_held_where_the_user_wants_it(shell: Shell) -> None:
    shell.command("stty tostop")
    shell.start("$W sh -c 'echo out $((40 + 2))' &")
    shell.prompt()
    wait_for_job(shell, "Stopped")
    assert b"out 42" not in shell.output
    shell.bring_back("out 42")
    assert shell.prompt() == 0


def test_interactive_shell_inside_has_job_control(shell: Shell) -> None:
    shell.start("PS1='inner$ ' $W bash --norc --noprofile -i", shows=r"inner\$ ")
    assert b"job control" not in shell.output
    for _ in range(2):
        shell.send("sh -c 'echo up; exec sleep 100'\r")
        shell.expect("up\r")
        shell.press("Z")
        shell.expect("Stopped.*sleep 100")
        shell.expect(r"inner\$ ")
        shell.send("jobs\r")
        shell.expect("Stopped.*sleep 100")
        shell.expect(r"inner\$ ")
        shell.send("fg\r")
        shell.expect("sh -c 'echo up; exec sleep 100'\r")
        shell.press("C")
        shell.expect(r"inner\$ ")
    shell.send("exit 3\r")
    assert shell.prompt() == 3


def test_interactive_shell_inside_can_be_suspended(shell: Shell) -> None:
    shell.start("PS1='inner$ ' $W bash --norc --noprofile -i", shows=r"inner\$ ")
    shell.send("suspend\r")
    shell.expect("Stopped")
    shell.prompt()
    assert shell.command("echo outer $((40 + 2))") == "outer 42\n"
    shell.start("fg")
    shell.send("\r")
    shell.expect(r"inner\$ ")
    shell.send("exit 4\r")
    shell.expect("exit\r")
    assert shell.prompt() == 4


def test_bash_inside_a_bash_inside(shell: Shell) -> None:
    need("dash")
    shell.start("PS1='inner$ ' $W dash -i", shows=r"inner\$ ")
    shell.send("$W $P lines.py\r")
    shell.expect("lines is up")
    say(shell, "one")
    shell.press("Z")
    shell.expect(r"Stopped")
    shell.expect(r"inner\$ ")
    shell.wait_stopped()
    shell.send("fg\r")
    shell.expect("lines.py\r")
    say(shell, "two")
    shell.press("D")
    shell.expect(r"inner\$ ")
    shell.press("D")
    assert shell.prompt() == 0


def test_script_is_the_foreground_of_its_terminal(shell: Shell) -> None:
    shell.desk.script(
        "front.py",
        "import os\nprint(os.tcgetpgrp(0) == os.getpgrp(), os.tcgetpgrp(os.open('/dev/tty', 2)) == os.getpgrp())",
    )
    assert shell.command("$W $P front.py") == "True True\n"


def test_killing_its_own_group_ends_the_script_and_not_the_shell(shell: Shell) -> None:
    shell.start("$W $P -c 'import os; os.kill(0, 15)'", shows="Terminated")
    assert shell.prompt() == 143
