"""`runwrap logs` shows people how lines ended, and programs the exact bytes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("runwrap"))
SCRIPT = r"printf 'start\n\r 1/2\r 2/2\n\033[31mred\033[0m\n'; printf 'warned\n' >&2; printf '\377\0end'"
BYTES = b"start\n\r 1/2\r 2/2\n\x1b[31mred\x1b[0m\n"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment for a root of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RUNWRAP_")}
    kept.pop("NO_COLOR", None)
    return kept | {"RUNWRAP_DIR": str(tmp_path / "data"), "TERM": "xterm"}


@pytest.fixture
def run(tmp_path: Path, environ: dict[str, str]) -> str:
    """Record a run and return its name."""
    words = [COMMAND, "--name", "one", "sh", "-c", SCRIPT]
    subprocess.run(words, env=environ, cwd=tmp_path, capture_output=True, check=True)
    return "one"


def logs(environ: dict[str, str], *words: str, status: int = 0) -> bytes:
    """Run the verb with pipes; return what it prints, or what it complains of."""
    done = subprocess.run(
        [COMMAND, "logs", *words], env=environ, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def logs_on_terminal(environ: dict[str, str], *words: str) -> bytes:
    """Run the verb on a terminal and return what it shows."""
    master, slave = pty.openpty()
    with subprocess.Popen([COMMAND, "logs", *words], env=environ, stdin=slave, stdout=slave, stderr=slave):
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 4096):
                shown += piece
        except OSError:  # what a terminal says when nobody has it open any more
            pass
    os.close(master)
    return shown.replace(b"\r\n", b"\n")


def test_piped_the_bytes_are_the_exact_ones(run: str, environ: dict[str, str]) -> None:
    shown = logs(environ, run)
    assert shown == logs(environ, run, "--raw")
    assert sorted(shown) == sorted(BYTES + b"warned\n\xff\0end")


def test_streams_are_shown_alone(run: str, environ: dict[str, str]) -> None:
    assert logs(environ, run, "--stdout") == BYTES + b"\xff\0end"
    assert logs(environ, run, "--stderr") == b"warned\n"


def test_settled_text_has_last_states_and_no_colours(run: str, environ: dict[str, str]) -> None:
    assert logs(environ, run, "--settled", "--stdout").decode() == "start\n 2/2\nred\n\ufffdend\n"


def test_on_a_terminal_lines_are_settled_with_their_colours(run: str, environ: dict[str, str]) -> None:
    shown = logs_on_terminal(environ, run, "--stdout")
    assert shown.decode() == "start\n 2/2\n\x1b[31mred\x1b[0m\n\ufffdend\n"
    assert b"\x1b" not in logs_on_terminal(environ | {"NO_COLOR": "1"}, run)
    assert logs_on_terminal(environ, run, "--stdout", "--raw") == BYTES + b"\xff\0end"


@pytest.mark.parametrize("how", [["-f"], ["--follow"], ["--replay", "1000"], ["--replay=max"]])
def test_followed_or_replayed_the_bytes_are_the_exact_ones(
    run: str, environ: dict[str, str], how: list[str]
) -> None:
    assert logs(environ, *how, run) == logs(environ, run)
    assert logs_on_terminal(environ, *how, run, "--stdout") == BYTES + b"\xff\0end"


def test_a_running_run_is_followed_until_it_ends(environ: dict[str, str]) -> None:
    pipe = subprocess.PIPE
    script = "echo one; read x; echo two"
    with subprocess.Popen([COMMAND, "sh", "-c", script], env=environ, stdin=pipe, stdout=pipe) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"one\n"
        words = [COMMAND, "logs", "-f", "--settled", "latest"]
        with subprocess.Popen(words, env=environ, stdout=pipe) as follower:
            assert follower.stdout
            assert follower.stdout.readline() == b"one\n"
            process.stdin.close()
            assert follower.stdout.read() == b"two\n"
        assert follower.returncode == 0


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, environ: dict[str, str]) -> None:
    subprocess.run([COMMAND, "seq", "100000"], env=environ, cwd=tmp_path, capture_output=True, check=True)
    words = ["sh", "-c", f'"{COMMAND}" logs latest; echo "$?" >&2']
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"1\n"
        process.stdout.close()
        assert process.stderr.read() == b"141\n"


@pytest.mark.parametrize(
    "words",
    [["--raw", "--settled"], ["-f", "--replay", "1"], ["--replay", "0"], ["--replay", "fast"]]
    + [["--replay", "nan"], ["--replay=-1"], ["--lines"]],
)
def test_what_makes_no_sense_is_told_in_one_line(run: str, environ: dict[str, str], words: list[str]) -> None:
    told = logs(environ, run, *words, status=2).splitlines()
    assert told[0].startswith(b"runwrap: ")
    assert len(told) == 2


def test_no_run_is_told(environ: dict[str, str]) -> None:
    assert logs(environ, "nothing", status=1).startswith(b"runwrap: ")
