"""The terminal's modes after the script, whatever became of it, are those of a bare run."""

from __future__ import annotations

import os
import signal
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terminal import Shell, is_bare, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.timeout(60)

# Leaves the terminal raw in the ways that its argument names.
RAW = """
import os, signal, sys, termios, tty
from desk import tell, wait_for
saved = termios.tcgetattr(0)
tty.setraw(0)
tell("pid", os.getpid())
os.write(1, b"raw is up")
how = sys.argv[1]
if how in ("exit 0", "exit 1"):
    termios.tcsetattr(0, termios.TCSADRAIN, saved)
if how.startswith("exit"):
    sys.exit(int(how[-1]))
if how.startswith("SIG"):
    os.kill(os.getpid(), getattr(signal, how))
wait_for("never")
"""

# Starts its arguments as a shell without job control does, and reports the modes before and after.
PARENT = """
import os, subprocess, sys, termios
from desk import tell
def modes():
    state = termios.tcgetattr(0)
    return [*state[:4], b"".join(c if isinstance(c, bytes) else bytes([c]) for c in state[6])]
before = modes()
process = subprocess.Popen(sys.argv[1:])
tell("wrapper", process.pid)
status = process.wait()
if os.path.exists("pid"):
    from desk import wait_for
    pid = int(open("pid").read())
    while os.path.exists(f"/proc/{pid}") and open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] not in "ZX":
        pass
changed = [name for name, a, b in zip(("iflag", "oflag", "cflag", "lflag", "cc"), before, modes()) if a != b]
print("status", status, "changed:", *changed, "end", end="\\r\\n", flush=True)
"""


@pytest.fixture
def shell(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Shell]:
    with Shell(wrapper, tmp_path) as shell:
        shell.desk.script("raw.py", RAW)
        shell.desk.script("parent.py", PARENT)
        yield shell


def works(shell: Shell) -> None:
    """Check that the shell's line editor and the terminal's own modes work as before."""
    shell.send("echo wrong\x15echo rihgt\x1b[D\x14 $((40 + 2))\r")
    shell.expect("right ?.*42|rigth 42|42\r\n")
    shell.prompt()
    shell.send("cat\r")
    shell.expect("cat\r\n")
    wait_until(lambda: shell.foreground() != shell.process.pid, "cat is in the foreground")
    shell.send("wrong\x15good\r")
    shell.expect("\r\ngood\r\n")
    shell.press("D")
    shell.prompt()


@pytest.mark.parametrize("how", ["exit 0", "exit 1"])
@pytest.mark.parametrize("line", ["$W $P raw.py {}", "$W $P raw.py {} 2>err.txt", "$W $P raw.py {} | cat"])
def test_script_that_puts_the_modes_back_leaves_them_so(shell: Shell, line: str, how: str) -> None:
    modes = shell.stty()
    shell.command(line.format(f"'{how}'"))
    assert shell.stty() == modes


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "SIGHUP", "SIGINT", "SIGSEGV"])
def test_script_that_dies_in_raw_mode_leaves_the_shell_working(shell: Shell, how: str) -> None:
    shell.command("ulimit -c 0")
    modes = shell.stty()
    shell.start(f"$W $P raw.py {how}", shows="raw is up")
    assert shell.prompt() == 128 + getattr(signal, how)
    works(shell)
    assert shell.stty() == modes


@pytest.mark.parametrize("line", ["$W $P raw.py wait", "$W $P raw.py wait 2>err.txt"])
def test_killed_script_leaves_the_shell_working(shell: Shell, line: str) -> None:
    modes = shell.stty()
    shell.start(line, shows="raw is up")
    os.kill(int(shell.desk.told("pid")), signal.SIGKILL)
    assert shell.prompt() == 137
    works(shell)
    assert shell.stty() == modes


@pytest.mark.parametrize("line", ["$W $P raw.py wait", "$W $P raw.py wait 2>err.txt"])
def test_killed_job_leaves_the_shell_working(shell: Shell, line: str) -> None:
    modes = shell.stty()
    shell.start(line, shows="raw is up")
    pid = int(shell.desk.told("pid"))
    os.kill(shell.foreground(), signal.SIGKILL)
    assert shell.prompt() == 137
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the script is gone too")
    works(shell)
    assert shell.stty() == modes


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "SIGINT"])
def test_wrapper_puts_the_modes_back_when_the_script_dies(shell: Shell, how: str) -> None:
    if is_bare(shell.desk.wrapper):
        pytest.skip("without a wrapper nobody puts the modes back")
    shell.command("ulimit -c 0")
    shell.start(f"$P parent.py $W $P raw.py {how}", shows="raw is up")
    assert shell.expect("changed:(.*)end") == " "
    shell.prompt()


def test_modes_are_put_back_when_the_wrapper_is_killed(shell: Shell) -> None:
    if is_bare(shell.desk.wrapper):
        pytest.skip("without a wrapper nobody puts the modes back")
    shell.start("$P parent.py $W $P raw.py wait", shows="raw is up")
    os.kill(int(shell.desk.told("wrapper")), signal.SIGKILL)
    # The shim is not the parent's to wait for: the script's end, which it brings about last, is.
    assert shell.expect("changed:(.*)end") == " "
    shell.prompt()


@pytest.mark.parametrize(
    "script", ["exit 0", "exit 1", "saved=$(stty -g); stty raw; stty $saved", "kill -9 $$", "kill -15 $$"]
)
def test_modes_are_untouched_for_a_parent_that_does_not_care(shell: Shell, script: str) -> None:
    shell.start(f"$P parent.py $W sh -c '{script}'")
    assert shell.expect("changed:(.*)end").strip() == ""
    shell.prompt()


@pytest.mark.parametrize("change", ["-echo", "tostop", "-icrnl", "erase ^H", "-onlcr", "intr ^G"])
def test_modes_that_the_script_sets_are_kept(shell: Shell, change: str) -> None:
    shell.start(f"$P parent.py $W stty {change}")
    changed = shell.expect("changed:(.*)end").split()
    expected = {"-echo": "lflag", "tostop": "lflag", "-icrnl": "iflag", "-onlcr": "oflag"}
    assert changed == [expected.get(change, "cc")]
    shell.prompt()


def test_echo_that_the_script_turned_off_stays_off_for_the_commands_that_follow(shell: Shell) -> None:
    shell.command("$W stty -echo")
    shell.send("stty -a >modes.txt; stty echo; echo on $((40 + 2))\r")
    shell.expect("on 42")
    shell.prompt()
    assert " -echo " in shell.desk.told("modes.txt").replace("\n", " ")


def test_modes_that_a_failing_script_sets_end_as_the_shell_wants(shell: Shell) -> None:
    found = []
    for word in ("", "$W "):
        shell.send(f"{word}sh -c 'stty -echo; exit 1'\r")
        assert shell.prompt() == 1
        shell.send("stty -g >modes.txt; stty echo; : >set\r")
        shell.desk.told("set")
        shell.prompt()
        found.append(shell.desk.told("modes.txt"))
        (shell.desk.folder / "set").unlink()
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "line", ["$W sh set.sh | cat", "$W sh set.sh >out.txt", "cat /dev/null | $W sh set.sh"]
)
def test_modes_set_through_any_stream_reach_the_terminal(shell: Shell, line: str) -> None:
    stream = "1" if line.startswith("cat") else "2"
    shell.desk.script(
        "set.sh",
        f"stty -echo <&{stream}\n: >set\nwhile [ ! -e go ]; do :; done\nstty echo <&{stream}\n"
        ": >reset\nwhile [ ! -e gone ]; do :; done\n",
    )
    shell.start(line)
    shell.desk.told("set")
    wait_until(lambda: not shell.echoes(), "the echo is off")
    shell.desk.tell("go")
    shell.desk.told("reset")
    wait_until(shell.echoes, "the echo is on")
    shell.desk.tell("gone")
    assert shell.prompt() == 0


@pytest.mark.parametrize(
    "name", ["iutf8", "-ixon", "ixany", "-echoctl", "xcase", "-onlcr", "tab3", "-echoe", "noflsh"]
)
def test_script_finds_the_modes_of_the_terminal(shell: Shell, name: str) -> None:
    shell.desk.script("found.sh", "stty -g >$1\n")
    runs = "sh found.sh bare.txt; $W sh found.sh wrapped.txt; $W sh found.sh hybrid.txt 2>err.txt"
    shell.send(f"stty {name}; {runs}; stty sane\r")
    shell.prompt()
    assert shell.desk.told("wrapped.txt") == shell.desk.told("bare.txt")
    assert shell.desk.told("hybrid.txt") == shell.desk.told("bare.txt")


@pytest.mark.parametrize("line", ["$W $P held.py", "$W $P held.py 2>err.txt", "$W $P held.py | cat"])
def test_keys_that_the_script_did_not_read_are_the_shells(shell: Shell, line: str) -> None:
    setting = Path("/proc/sys/dev/tty/legacy_tiocsti")
    if not is_bare(shell.desk.wrapper) and setting.exists() and setting.read_text().strip() != "1":
        pytest.skip("this kernel lets no program give keys back (dev.tty.legacy_tiocsti)")
    shell.desk.script(
        "held.py", "from desk import wait_for\nprint('held is up', flush=True)\nwait_for('go')\n"
    )
    shell.start(line, shows="held is up\r\n")
    shell.send("echo ahead $((40 + 2))\recho second $((50 + 2))\r")
    shell.expect(r"second \$")
    shell.desk.tell("go")
    shell.expect("\r\nahead 42")
    shell.expect("\r\nsecond 52")
    shell.prompt()


def test_keys_after_those_that_the_script_read_are_the_shells(shell: Shell) -> None:
    setting = Path("/proc/sys/dev/tty/legacy_tiocsti")
    if not is_bare(shell.desk.wrapper) and setting.exists() and setting.read_text().strip() != "1":
        pytest.skip("this kernel lets no program give keys back (dev.tty.legacy_tiocsti)")
    shell.start(
        "$W sh -c 'echo up; read line; echo got $line.; while [ ! -e go ]; do :; done'", shows="up\r\n"
    )
    shell.send("mine\recho theirs $((40 + 2))\r")
    shell.expect(r"got mine\.")
    shell.desk.tell("go")
    shell.expect("\r\ntheirs 42")
    shell.prompt()


def test_closed_terminal_hangs_the_script_up(shell: Shell) -> None:
    shell.desk.script("hup.sh", "trap 'echo hup >hup.txt; exit 0' HUP\n: >up\nwhile :; do sleep 0.05; done\n")
    shell.start("$W bash hup.sh")
    shell.desk.told("up")
    shell.hang_up()
    assert shell.desk.told("hup.txt") == "hup\n"
    wait_until(lambda: not shell.desk.pids(), "nothing of it runs any more")


@pytest.mark.parametrize(
    "line", ["$W sleep 100", "$W sleep 100 2>err.txt", "$W sleep 100 | cat", "$W sleep 100 &"]
)
def test_closed_terminal_ends_a_script_that_does_not_care(shell: Shell, line: str) -> None:
    shell.start(line)
    wait_until(lambda: any(name_of(pid) == "sleep" for pid in shell.desk.pids()), "the script has started")
    shell.hang_up()
    wait_until(lambda: not shell.desk.pids(), "nothing of it runs any more")


def test_terminal_closed_at_a_stopped_script_ends_it(shell: Shell) -> None:
    shell.start("$W sh -c 'echo $$ >pid; echo up; exec sleep 100'", shows="up\r\n")
    shell.stop()
    shell.hang_up()
    wait_until(lambda: not shell.desk.pids(), "nothing of it runs any more")


def test_late_output_of_a_background_process_is_shown(shell: Shell) -> None:
    shell.desk.script("late.sh", "while [ ! -e go ]; do sleep 0.02; done\necho late $((40 + 2))\n: >told\n")
    assert shell.command("$W sh -c 'sh late.sh & echo main'") == "main\n"
    modes = termios.tcgetattr(shell.master)
    shell.desk.tell("go")
    shell.expect("late 42")
    shell.desk.told("told")
    assert termios.tcgetattr(shell.master) == modes
    works(shell)


def test_background_process_is_not_hung_up_by_the_end_of_the_script(shell: Shell) -> None:
    shell.desk.script(
        "stay.sh",
        "trap 'echo hup >fate' HUP\n: >up\nwhile [ ! -e go ]; do sleep 0.02; done\necho well >>fate\n",
    )
    shell.command("$W sh -c 'bash stay.sh >/dev/null & while [ ! -e up ]; do :; done'")
    works(shell)
    shell.desk.tell("go")
    assert shell.desk.told("fate") == "well\n"


def name_of(pid: int) -> str:
    """Return the short name of a process, empty when there is none."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
