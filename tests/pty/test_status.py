"""The command's end is runwrap's end: its status, or its death by a signal, as shells and waitpid see it."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, Terminal, is_bare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

SIGNALS = [number for number in sorted(signal.valid_signals()) if number < signal.SIGRTMIN]
HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
DEADLY = [number for number in SIGNALS if number not in HARMLESS | STOPPING]
BY_NAME = [number.name for number in DEADLY if isinstance(number, signal.Signals)]


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(wrapper, tmp_path)
    yield desk
    desk.sweep()


def run(desk: Desk, *argv: str, **options) -> subprocess.CompletedProcess[bytes]:
    """Run a command under the wrapper."""
    defaults = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60}
    return subprocess.run(
        [*desk.wrapper, *argv], cwd=desk.folder, env=desk.environ, check=False, **defaults | options
    )


def check_exit(desk: Desk, **wanted: object) -> None:
    """Compare what the journal says of the end."""
    if not is_bare(desk.wrapper):
        end = Recorded.of(desk).exit()
        assert {name: end[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    "status", [0, 1, 2, 3, 42, 77, 100, 120, 124, 125, 126, 127, 128, 129, 130, 137, 143, 200, 255]
)
def test_exit_status_is_the_commands(desk: Desk, status: int) -> None:
    assert run(desk, "sh", "-c", f"exit {status}").returncode == status
    check_exit(desk, status=status, signal=None, cause=f"exited {status}")


@pytest.mark.parametrize("status", [0, 1, 127, 255])
def test_exit_status_is_the_commands_on_a_terminal(desk: Desk, status: int) -> None:
    with Terminal(desk, [*desk.wrapper, "sh", "-c", f"exit {status}"]) as terminal:
        assert terminal.finish() == status
    check_exit(desk, status=status, signal=None)


@pytest.mark.parametrize("name", BY_NAME)
def test_death_by_a_signal_is_seen_by_waitpid(desk: Desk, name: str) -> None:
    number = signal.Signals[name]
    assert run(desk, "sh", "-c", f"ulimit -c 0; kill -{int(number)} $$").returncode == -number
    check_exit(desk, status=None, signal=name, cause=f"killed by {name}")


@pytest.mark.parametrize("name", BY_NAME)
def test_death_by_a_signal_is_seen_by_a_shell(desk: Desk, name: str) -> None:
    number = int(signal.Signals[name])
    line = f"ulimit -c 0; $W sh -c 'kill -{number} $$'; echo $?"
    bare = subprocess.run(
        ["bash", "-c", line], env=desk.environ | {"W": "env"}, capture_output=True, check=True
    )
    done = subprocess.run(["bash", "-c", line], env=desk.environ, capture_output=True, check=True)
    assert done.stdout == bare.stdout == b"%d\n" % (128 + number)
    # The shell names the signal, and what it ran.
    assert done.stderr.split(b"$W")[0].split()[5:6] == bare.stderr.split(b"$W")[0].split()[5:6]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL", "SIGSEGV", "SIGHUP", "SIGQUIT", "SIGPIPE"])
def test_death_by_a_signal_is_seen_on_a_terminal(desk: Desk, name: str) -> None:
    number = signal.Signals[name]
    with Terminal(desk, [*desk.wrapper, "sh", "-c", f"ulimit -c 0; kill -{int(number)} $$"]) as terminal:
        assert terminal.finish() == -number
    check_exit(desk, status=None, signal=name)


@pytest.mark.parametrize("offset", [0, 1, 10, 30])
def test_death_by_a_real_time_signal(desk: Desk, offset: int) -> None:
    number = signal.SIGRTMIN + offset
    assert run(desk, "sh", "-c", f"kill -{int(number)} $$").returncode == -number


@pytest.mark.parametrize("number", sorted(HARMLESS))
def test_harmless_signal_to_itself_changes_nothing(desk: Desk, number: int) -> None:
    assert run(desk, "sh", "-c", f"kill -{int(number)} $$; exit 4").returncode == 4


def test_core_dump_is_reported_for_the_command_alone(desk: Desk) -> None:
    run(desk, "sh", "-c", "ulimit -c 0; kill -QUIT $$")
    assert not [name for name in os.listdir(desk.folder) if name.startswith("core")]


def test_python_traceback_is_status_1(desk: Desk) -> None:
    done = run(desk, desk.environ["P"], "-c", "raise ValueError('wrong')")
    assert done.returncode == 1
    assert done.stderr.endswith(b"ValueError: wrong\n")


def test_interrupted_python_dies_of_sigint(desk: Desk) -> None:
    assert run(desk, desk.environ["P"], "-c", "raise KeyboardInterrupt").returncode == -signal.SIGINT


@pytest.mark.parametrize("command", ["no-such-command", "./no-such-file", "/no/such/folder/file", ""])
def test_missing_command_is_127(desk: Desk, command: str) -> None:
    done = run(desk, command)
    assert done.returncode == 127
    assert done.stdout == b""
    assert command.encode() in done.stderr.splitlines()[0]


def make_unusable(desk: Desk, kind: str) -> str:
    path = desk.folder / "unusable"
    if kind == "folder":
        path.mkdir()
    elif kind == "no_permission":
        path.write_text("echo never", "utf-8")
        path.chmod(0o644)
    elif kind == "bad_interpreter":
        path.write_text("#!/no/such/interpreter\n", "utf-8")
        path.chmod(0o755)
    elif kind == "under_a_file":
        path.write_text("", "utf-8")
        return str(path / "below")
    return str(path)


@pytest.mark.parametrize("kind", ["folder", "no_permission", "bad_interpreter", "under_a_file"])
def test_unusable_command_has_the_status_and_reason_of_env(desk: Desk, kind: str) -> None:
    command = make_unusable(desk, kind)
    done = run(desk, command)
    bare = subprocess.run(["env", command], capture_output=True, check=False)
    assert done.returncode == bare.returncode
    assert command.encode() in done.stderr


@pytest.mark.parametrize("kind", ["folder", "no_permission"])
def test_command_that_is_not_executable_is_126(desk: Desk, kind: str) -> None:
    assert run(desk, make_unusable(desk, kind)).returncode == 126


def test_script_without_interpreter_line_is_run_by_sh(desk: Desk) -> None:
    path = desk.script("plain", 'echo "plain $0 $1"; exit 5\n')
    path.chmod(0o755)
    done = run(desk, "./plain", "word")
    assert (done.returncode, done.stdout) == (5, b"plain ./plain word\n")


def test_empty_executable_file_is_status_0(desk: Desk) -> None:
    desk.script("empty", "").chmod(0o755)
    assert run(desk, "./empty").returncode == 0


@pytest.mark.parametrize(
    "line", ["$W true && echo yes", "$W false || echo yes", "if $W true; then echo yes; fi"]
)
def test_shell_conditions_hold(desk: Desk, line: str) -> None:
    done = subprocess.run(
        ["sh", "-ec", line], env=desk.environ, cwd=desk.folder, capture_output=True, check=True
    )
    assert done.stdout == b"yes\n"


def test_every_part_of_a_pipeline_has_its_status(desk: Desk) -> None:
    line = "$W sh -c 'exit 3' | $W sh -c 'cat; exit 4' | $W cat; echo ${PIPESTATUS[*]}"
    done = subprocess.run(
        ["bash", "-c", line], env=desk.environ, cwd=desk.folder, capture_output=True, check=True
    )
    assert done.stdout == b"3 4 0\n"


def test_errexit_ends_a_script(desk: Desk) -> None:
    line = "set -eo pipefail; $W sh -c 'exit 9' | cat; echo never"
    done = subprocess.run(
        ["bash", "-c", line], env=desk.environ, cwd=desk.folder, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (9, b"")


def test_resources_used_are_the_commands(desk: Desk) -> None:
    run(
        desk,
        desk.environ["P"],
        "-c",
        "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass",
    )
    if not is_bare(desk.wrapper):
        end = Recorded.of(desk).exit()
        assert end["cpu_user_s"] + end["cpu_system_s"] >= 0.3
        assert end["duration_s"] >= 0.3
        assert end["memory_peak_bytes"] > 1_000_000
