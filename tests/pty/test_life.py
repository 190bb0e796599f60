"""Signals, background processes and the ways to start a command: all live and end as they would bare."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, Terminal, is_bare, need, state_of, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

# Counts each signal that it gets until it has been quiet for a moment after the last.
COUNTER = """
import os, signal, sys
from desk import tell
wanted = {getattr(signal, name) for name in sys.argv[2:]}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
tell(sys.argv[1], os.getpid())
numbers = [signal.sigwaitinfo(wanted).si_signo]
while info := signal.sigtimedwait(wanted, 0.4):
    numbers.append(info.si_signo)
tell(sys.argv[1] + ".count", " ".join(signal.Signals(number).name for number in numbers))
"""

# Takes some time to put things away when it is asked to end.
SLOW = """
import os, signal, sys, time
from desk import tell
def end(number, frame):
    print("putting away", flush=True)
    time.sleep(0.5)
    tell("saved", number)
    print("put away", flush=True)
    sys.exit(7)
signal.signal(getattr(signal, sys.argv[1]), end)
tell("up", os.getpid())
while True:
    signal.pause()
"""

FORWARDED = [
    "SIGTERM",
    "SIGINT",
    "SIGHUP",
    "SIGQUIT",
    "SIGUSR1",
    "SIGUSR2",
    "SIGALRM",
    "SIGWINCH",
    "SIGVTALRM",
    "SIGPWR",
]


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(wrapper, tmp_path)
    desk.script("counter.py", COUNTER)
    desk.script("slow.py", SLOW)
    yield desk
    desk.sweep()


def shell(desk: Desk, line: str, **options) -> subprocess.CompletedProcess[bytes]:
    """Run a shell line in which $W is the wrapper and $P Python."""
    defaults = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60}
    return subprocess.run(
        ["bash", "-c", line], cwd=desk.folder, env=desk.environ, check=False, **defaults | options
    )


@contextlib.contextmanager
def start(desk: Desk, *argv: str, **options) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command under the wrapper in a process group of its own; in the end nothing of it is left."""
    defaults = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "start_new_session": True}
    argv = (*desk.wrapper, *argv)
    with subprocess.Popen(argv, cwd=desk.folder, env=desk.environ, **defaults | options) as process:
        try:
            yield process
        finally:
            desk.sweep()


@pytest.mark.parametrize("name", FORWARDED)
def test_signal_to_the_wrapper_reaches_the_command_once(desk: Desk, name: str) -> None:
    with start(desk, sys.executable, "counter.py", "a", name) as process:
        desk.told("a")
        os.kill(process.pid, signal.Signals[name])
        assert desk.told("a.count") == name
        assert process.wait(20) == 0


@pytest.mark.parametrize("name", FORWARDED)
def test_signal_to_the_group_reaches_the_command_once(desk: Desk, name: str) -> None:
    with start(desk, sys.executable, "counter.py", "a", name) as process:
        desk.told("a")
        os.killpg(process.pid, signal.Signals[name])
        assert desk.told("a.count") == name
        assert process.wait(20) == 0


@pytest.mark.parametrize("name", FORWARDED)
def test_signal_to_the_wrapper_on_a_terminal_reaches_the_command_once(desk: Desk, name: str) -> None:
    with Terminal(desk, ["sh", "-c", "$W $P counter.py a " + name]) as terminal:
        desk.told("a")
        with open(
            f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children", encoding="utf-8"
        ) as file:
            pids = [int(word) for word in file.read().split()] or [terminal.process.pid]
        os.kill(pids[0], signal.Signals[name])
        assert desk.told("a.count") == name


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGQUIT", "SIGALRM", "SIGXCPU"])
@pytest.mark.parametrize("to_group", [False, True])
def test_signal_that_is_not_caught_ends_both(desk: Desk, name: str, to_group: bool) -> None:
    line = "ulimit -c 0; echo up; exec sleep 100"
    with start(desk, "sh", "-c", line) as process:
        assert process.stdout.readline() == b"up\n"
        # The line is seen before sh(1) has become sleep(1), and either dies of the signal.
        (os.killpg if to_group else os.kill)(process.pid, signal.Signals[name])
        assert process.wait(20) == -signal.Signals[name]
    wait_until(lambda: not desk.pids(), "no process is left")
    if not is_bare(desk.wrapper):
        assert Recorded.of(desk).exit()["signal"] == name


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
@pytest.mark.parametrize("to_group", [False, True])
def test_slow_cleanup_is_waited_for(desk: Desk, name: str, to_group: bool) -> None:
    with start(desk, sys.executable, "slow.py", name) as process:
        desk.told("up")
        (os.killpg if to_group else os.kill)(process.pid, signal.Signals[name])
        assert process.stdout.read() == b"putting away\nput away\n"
        assert process.wait(20) == 7
    assert desk.has("saved")


def test_command_may_ignore_a_request_to_end(desk: Desk) -> None:
    with start(
        desk, "sh", "-c", "trap '' TERM; echo up; read line; echo got $line", stdin=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        for _ in range(5):
            process.terminate()
        process.stdin.write(b"word\n")
        process.stdin.close()
        assert process.stdout.read() == b"got word\n"
        assert process.wait(20) == 0


def test_many_signals_one_after_the_other_all_arrive(desk: Desk) -> None:
    desk.script(
        "each.py",
        "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, {10})\nos.write(1, b'up\\n')\n"
        "for n in range(50):\n  signal.sigwait({10}); os.write(1, b'%d\\n' % n)\n",
    )
    with start(desk, sys.executable, "each.py") as process:
        process.stdout.readline()
        for number in range(50):
            os.kill(process.pid, signal.SIGUSR1)
            assert process.stdout.readline() == b"%d\n" % number


def test_signal_of_the_command_to_its_group_arrives_once(desk: Desk) -> None:
    desk.script(
        "group.py",
        "import os, signal\nwanted = {signal.SIGUSR1}\nsignal.pthread_sigmask(signal.SIG_BLOCK, wanted)\n"
        "os.kill(0, signal.SIGUSR1)\ncount = 0\nwhile signal.sigtimedwait(wanted, 0.4): count += 1\nprint(count)\n",
    )
    line = "trap '' USR1; $W env --default-signal=USR1 $P group.py"
    assert shell(desk, line, start_new_session=True).stdout == b"1\n"


def test_stopped_command_is_stopped_and_goes_on(desk: Desk) -> None:
    with start(
        desk, "sh", "-c", "echo $$; while read line; do echo got $line; done", stdin=subprocess.PIPE
    ) as process:
        script = int(process.stdout.readline())
        for turn in (b"one", b"two"):
            os.killpg(process.pid, signal.SIGSTOP)
            wait_until(lambda: state_of(script) == state_of(process.pid) == "T", "both are stopped")
            os.killpg(process.pid, signal.SIGCONT)
            wait_until(lambda: "T" not in (state_of(script), state_of(process.pid)), "both go on")
            process.stdin.write(turn + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"got " + turn + b"\n"
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("name", ["SIGTSTP", "SIGSTOP"])
def test_command_that_stops_itself_is_seen_as_stopped(desk: Desk, name: str) -> None:
    # Bare, the caller's waitpid tells; a stop request to the wrapper alone stops the command too.
    line = f"set -m; $W sh -c 'echo $$ >pid; kill -{name[3:]} $$; echo again' & wait $!; jobs -l; echo; fg"
    done = shell(desk, f"{line} >/dev/null; cat", start_new_session=True)
    assert b"again\n" in done.stdout


def test_stop_and_continue_of_the_wrapper_alone(desk: Desk) -> None:
    with start(desk, sys.executable, "counter.py", "a", "SIGCONT") as process:
        desk.told("a")
        os.kill(process.pid, signal.SIGTSTP)
        os.kill(process.pid, signal.SIGCONT)
        assert desk.told("a.count").split()[0] == "SIGCONT"
        assert process.wait(20) == 0


def test_background_child_goes_on_after_the_command(desk: Desk) -> None:
    line = "sh -c 'while [ ! -e go ]; do sleep 0.02; done; echo late >late' >/dev/null 2>&1 </dev/null &"
    done = shell(desk, f'$W sh -c "{line}"')
    assert done.returncode == 0
    assert not desk.has("late")
    desk.tell("go")
    wait_until(lambda: desk.has("late"), "the background child went on")
    wait_until(lambda: not desk.pids(), "no process is left")


@pytest.mark.parametrize("redirection", ["", ">&2", "| cat"])
def test_late_output_arrives_and_the_end_does_not_wait_for_it(desk: Desk, redirection: str) -> None:
    inner = f"(while [ ! -e go ]; do sleep 0.02; done; echo late {redirection}) & echo early; exit 6"
    desk.script("inner.sh", inner)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*desk.wrapper, "sh", "inner.sh"],
        cwd=desk.folder,
        env=desk.environ,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
    ) as process:
        assert process.stdout.readline() == b"early\n"
        assert process.wait(20) == 6
        desk.tell("go")
        assert process.stdout.read() + process.stderr.read() == b"late\n"
    wait_until(lambda: not desk.pids(), "no process is left")
    if not is_bare(desk.wrapper):
        assert Recorded.of(desk).log == b"early\nlate\n"


def test_daemon_that_keeps_the_streams_open_does_not_hold_the_caller(desk: Desk) -> None:
    with start(
        desk, "sh", "-c", "setsid sh -c 'trap \"\" HUP; while [ ! -e go ]; do sleep 0.02; done' & echo up"
    ) as process:
        assert process.stdout.readline() == b"up\n"
        assert process.wait(20) == 0
        assert desk.pids()
        desk.tell("go")
        assert process.stdout.read() == b""
    wait_until(lambda: not desk.pids(), "no process is left")


def test_late_output_on_a_terminal_arrives(desk: Desk) -> None:
    desk.script("inner.sh", "(while [ ! -e go ]; do sleep 0.02; done; echo la''te) & echo early")
    with Terminal(desk, ["sh", "-c", "$W sh inner.sh; echo ended $?; read line"]) as terminal:
        terminal.expect("ended 0")
        desk.tell("go")
        terminal.expect("late\r\n")


def test_nohup_survives_a_hang_up(desk: Desk) -> None:
    with subprocess.Popen(
        ["nohup", *desk.wrapper, "sh", "-c", "echo up; read line; echo got $line"],
        cwd=desk.folder,
        env=desk.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline() == b"up\n"
        os.killpg(process.pid, signal.SIGHUP)
        os.kill(process.pid, signal.SIGHUP)
        process.stdin.write(b"word\n")
        process.stdin.close()
        assert process.stdout.read() == b"got word\n"
        assert process.wait(20) == 0


def test_nohup_leaves_a_handler_of_the_commands_own_working(desk: Desk) -> None:
    with subprocess.Popen(
        ["nohup", *desk.wrapper, sys.executable, "slow.py", "SIGHUP"],
        cwd=desk.folder,
        env=desk.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        desk.told("up")
        os.kill(process.pid, signal.SIGHUP)
        assert process.stdout.read() == b"putting away\nput away\n"
        assert process.wait(20) == 7


def test_nohup_survives_the_end_of_its_terminal(desk: Desk) -> None:
    line = "nohup $W sh -c 'echo up >up; while [ ! -e go ]; do sleep 0.02; done; echo done; echo x >done' & read line"
    with Terminal(desk, ["bash", "-c", line]) as terminal:
        desk.told("up")
        terminal.hang_up()
        terminal.process.wait(20)
        desk.tell("go")
        desk.told("done")
        wait_until(lambda: not desk.pids(), "no process is left")
    assert (desk.folder / "nohup.out").read_bytes() == b"done\n"


def test_closed_terminal_hangs_the_command_up(desk: Desk) -> None:
    with Terminal(desk, ["sh", "-c", "$W $P counter.py a SIGHUP"]) as terminal:
        desk.told("a")
        terminal.hang_up()
        assert desk.told("a.count").split()[0] == "SIGHUP"
        wait_until(lambda: not desk.pids(), "no process is left")


@pytest.mark.parametrize(
    "line",
    ["setsid -w $W sh -c 'exit 5'", "$W setsid -w sh -c 'exit 5'", "$W sh -c 'setsid -w sh -c \"exit 5\"'"],
)
def test_setsid_works_on_either_side(desk: Desk, line: str) -> None:
    need("setsid")
    assert shell(desk, line).returncode == 5


@pytest.mark.parametrize(
    "line", ["timeout 0.4 $W sleep 100", "$W timeout 0.4 sleep 100", "timeout --foreground 0.4 $W sleep 100"]
)
def test_timeout_works_on_either_side(desk: Desk, line: str) -> None:
    assert shell(desk, line).returncode == 124
    wait_until(lambda: not desk.pids(), "no process is left")


def test_timeout_that_kills_leaves_nothing(desk: Desk) -> None:
    assert shell(desk, "timeout -s KILL 0.6 $W sleep 100; exit $?").returncode == 137
    wait_until(lambda: not desk.pids(), "no process is left")


@pytest.mark.parametrize(
    "line",
    [
        "$W sh -c 'exit 5' & wait $!",
        "($W sh -c 'exit 5')",
        "exec $W sh -c 'exit 5'",
        "eval '$W sh -c \"exit 5\"'",
    ],
)
def test_shell_starts_it_in_every_way(desk: Desk, line: str) -> None:
    assert shell(desk, line).returncode == 5


@pytest.mark.parametrize(
    "prefix", ["env A=1", "nice -n 3", "stdbuf -o0", "xargs -a /dev/null", "flock lock", "time"]
)
def test_other_wrappers_work_on_either_side(desk: Desk, prefix: str) -> None:
    first = "" if prefix == "time" else f"$W {prefix} sh -c 'echo out' &&"
    assert shell(desk, f"{first} {prefix} $W sh -c 'echo out'").stdout.endswith(b"out\n")


def test_background_job_in_a_script_may_be_killed(desk: Desk) -> None:
    done = shell(
        desk,
        "$W sh -c 'trap \"echo ended; exit 3\" TERM; echo >up; while :; do sleep 0.02; done' & "
        "while [ ! -e up ]; do sleep 0.02; done; kill $!; wait $!; echo $?",
    )
    assert done.stdout == b"ended\n3\n"


@pytest.mark.parametrize(
    "command", ["true", "false", "sh -c 'kill -9 $$'", "sh -c 'sleep 0.1 & wait'", "seq 100000"]
)
@pytest.mark.parametrize("on_terminal", [False, True])
def test_nothing_is_left_over(desk: Desk, command: str, on_terminal: bool) -> None:
    before = set(os.listdir("/dev/shm"))
    if on_terminal:
        with Terminal(desk, ["sh", "-c", f"$W {command}; exit 0"]) as terminal:
            terminal.finish()
            wait_until(lambda: not desk.pids(), "no process is left")
    else:
        shell(desk, f"$W {command} | cat")
        wait_until(lambda: not desk.pids(), "no process is left")
    assert set(os.listdir("/dev/shm")) <= before
    assert not [
        name
        for name in os.listdir(desk.folder)
        if name not in ("desk.py", ".inputrc", "counter.py", "slow.py")
    ]


def test_children_of_the_caller_are_no_business_of_ours(desk: Desk) -> None:
    # An exec'd wrapper has children that it did not start.
    assert shell(desk, "sleep 100 >&- 2>&- & echo; exec $W sh -c 'exit 5' >/dev/null").returncode == 5
    assert shell(desk, "exec $W sh -c 'cat; exit 6' < <(echo x; sleep 0.2)").returncode == 6


def test_command_has_no_children_that_it_did_not_start(desk: Desk) -> None:
    desk.script("reap.py", "import os\ntry: os.wait()\nexcept ChildProcessError: print('none')")
    assert shell(desk, "$W $P reap.py").stdout == b"none\n"


def test_eight_at_once_do_not_disturb_one_another(desk: Desk) -> None:
    line = 'for i in 1 2 3 4 5 6 7 8; do $W sh -c "seq ${i}000; exit $i" >out$i & pids="$pids $!"; done; '
    done = shell(desk, line + "for pid in $pids; do wait $pid; echo $?; done")
    assert done.stdout.split() == [b"%d" % number for number in range(1, 9)]
    for number in range(1, 9):
        wanted = b"".join(b"%d\n" % line for line in range(1, number * 1000 + 1))
        assert (desk.folder / f"out{number}").read_bytes() == wanted
    if not is_bare(desk.wrapper):
        runs = Recorded.all_of(desk)
        assert sorted(run.exit()["status"] for run in runs) == list(range(1, 9))
        assert len({run.records("run")[0]["id"] for run in runs}) == 8
