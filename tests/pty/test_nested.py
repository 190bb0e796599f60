"""runwrap under runwrap: both keep their records, and the command still cannot tell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, Terminal, is_bare, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(wrapper, tmp_path)
    yield desk
    desk.sweep()


def shell(desk: Desk, line: str, **options) -> subprocess.CompletedProcess[bytes]:
    """Run a shell line in which $W is the wrapper and $P Python."""
    defaults = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60}
    return subprocess.run(
        ["bash", "-c", line], cwd=desk.folder, env=desk.environ, check=False, **defaults | options
    )


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("status", [0, 1, 126, 255])
def test_status_passes_every_wrapper(desk: Desk, depth: int, status: int) -> None:
    assert shell(desk, "$W " * depth + f"sh -c 'exit {status}'").returncode == status


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGINT", "SIGSEGV"])
def test_death_by_a_signal_passes_every_wrapper(desk: Desk, name: str) -> None:
    number = signal.Signals[name]
    assert shell(desk, f"ulimit -c 0; exec $W $W sh -c 'kill -{int(number)} $$'").returncode == -number


@pytest.mark.parametrize(
    "line", ["$W $W cat sample", "$W sh -c '$W cat sample'", "$W cat sample | $W $W cat"]
)
def test_bytes_pass_every_wrapper(desk: Desk, line: str) -> None:
    sample = bytes(range(256)) * 5000
    (desk.folder / "sample").write_bytes(sample)
    done = shell(desk, line)
    assert (done.stdout, done.stderr) == (sample, b"")


def test_each_has_a_record_of_its_own(desk: Desk) -> None:
    shell(desk, "$W sh -c 'echo outer; $W echo inner; $W echo inner'")
    if not is_bare(desk.wrapper):
        logs = sorted(run.log for run in Recorded.all_of(desk))
        assert logs == [b"inner\n", b"inner\n", b"outer\ninner\ninner\n"]
        assert all(run.exit()["status"] == 0 for run in Recorded.all_of(desk))


def test_streams_stay_apart(desk: Desk) -> None:
    done = shell(desk, "$W $W sh -c 'echo out; echo err >&2'")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_input_reaches_the_innermost(desk: Desk) -> None:
    assert shell(desk, "seq 3 | { $W $W sh -c 'read a; echo got $a'; cat; }").stdout == b"got 1\n2\n3\n"


@pytest.mark.parametrize("to_group", [False, True])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1", "SIGINT", "SIGHUP"])
def test_signal_reaches_the_innermost_once(desk: Desk, name: str, to_group: bool) -> None:
    desk.script(
        "counter.py",
        "import signal, sys\nfrom desk import tell\nwanted = {getattr(signal, sys.argv[1])}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, wanted)\ntell('up')\nsignal.sigwait(wanted)\ncount = 1\n"
        "while signal.sigtimedwait(wanted, 0.5): count += 1\ntell('count', count)\n",
    )
    argv = [*desk.wrapper, *desk.wrapper, sys.executable, "counter.py", name]
    with subprocess.Popen(argv, cwd=desk.folder, env=desk.environ, start_new_session=True) as process:
        try:
            desk.told("up")
            (os.killpg if to_group else os.kill)(process.pid, signal.Signals[name])
            assert desk.told("count") == "1"
        finally:
            desk.sweep()


def test_kill_of_the_outer_leaves_nothing(desk: Desk) -> None:
    argv = [*desk.wrapper, *desk.wrapper, "sh", "-c", "echo up >up; exec sleep 100"]
    with subprocess.Popen(argv, cwd=desk.folder, env=desk.environ) as process:
        desk.told("up")
        process.kill()
        wait_until(lambda: not desk.pids(), "no process is left")


@pytest.mark.parametrize("redirection", ["", ">out", "2>err", "</dev/null", "| cat >out"])
def test_terminals_are_as_bare(desk: Desk, redirection: str) -> None:
    ask = "import os; open('seen', 'w').write(str([os.isatty(fd) for fd in (0, 1, 2)]))"
    desk.script("ask.py", ask)
    seen = []
    for words in ("$W $W", "env"):
        with Terminal(desk, ["bash", "-c", f"{words} $P ask.py {redirection}; exit"]) as terminal:
            terminal.finish()
        seen.append(desk.told("seen"))
        (desk.folder / "seen").unlink()
    assert seen[0] == seen[1]


def test_terminal_shows_the_same(desk: Desk) -> None:
    with Terminal(desk, ["sh", "-c", "$W $W printf 'a\\tb\\nc\\r\\n'; exit 0"]) as terminal:
        terminal.finish()
    assert bytes(terminal.output) == b"a\tb\r\nc\r\r\n"


def test_shell_under_the_wrapper_starts_others(desk: Desk) -> None:
    assert shell(desk, "$W bash -c 'for i in 1 2 3; do $W echo $i; done | $W sort -r'").stdout == b"3\n2\n1\n"
