"""With --pty redirected output gets a terminal: colours and lines at once, bytes unchanged, streams apart."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, is_bare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

ASK = "import os, sys; print([os.isatty(fd) for fd in (0, 1, 2)]); print('err', file=sys.stderr)"


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    if is_bare(wrapper):
        pytest.skip("the bare control has no such option")
    desk = Desk(wrapper, tmp_path)
    yield desk
    desk.sweep()


def run(desk: Desk, *argv: str, **options) -> subprocess.CompletedProcess[bytes]:
    """Run a command with --pty and with nothing of ours on a terminal."""
    defaults = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60, "start_new_session": True}
    argv = (*desk.wrapper, "--pty", *argv)
    return subprocess.run(argv, cwd=desk.folder, env=desk.environ, check=False, **defaults | options)


def test_output_is_a_terminal_and_input_is_what_it_was(desk: Desk) -> None:
    done = run(desk, sys.executable, "-c", ASK)
    assert done.stdout == b"[False, True, True]\n"
    assert done.stderr == b"err\n"


def test_mode_is_in_the_record(desk: Desk) -> None:
    run(desk, "true")
    assert Recorded.of(desk).records("run")[0]["mode"] == "pty"


@pytest.mark.parametrize("descriptor", [1, 2])
@pytest.mark.parametrize(
    "sample",
    [
        b"a\nb\n",
        b"a\r\nb\r",
        bytes(range(256)) * 8,
        b"\ttab\tstops\n",
        b"x" * 300_000,
        b"half",
        b"\x04\x1a\n",
    ],
)
def test_bytes_are_unchanged(desk: Desk, sample: bytes, descriptor: int) -> None:
    (desk.folder / "sample").write_bytes(sample)
    done = run(desk, "sh", "-c", f"cat sample >&{descriptor}")
    assert (done.stdout, done.stderr)[descriptor - 1] == sample
    assert Recorded.of(desk).log == sample


@pytest.mark.parametrize("line", ["exit 7", "kill -TERM $$", "exit 0", "no-such-command"])
def test_status_is_the_commands(desk: Desk, line: str) -> None:
    bare = subprocess.run(["sh", "-c", line], check=False, capture_output=True)
    assert run(desk, "sh", "-c", line).returncode == bare.returncode


def test_streams_stay_apart(desk: Desk) -> None:
    done = run(desk, "sh", "-c", "seq 5000 & seq 5000 >&2; wait")
    wanted = b"".join(b"%d\n" % number for number in range(1, 5001))
    assert (done.stdout, done.stderr) == (wanted, wanted)
    run_record = Recorded.of(desk)
    assert run_record.stream("stdout") == run_record.stream("stderr") == wanted


def test_order_of_joined_streams_is_kept(desk: Desk) -> None:
    done = run(
        desk,
        "sh",
        "-c",
        "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; done",
        capture_output=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.stdout == b"".join(b"out %d\nerr %d\n" % (number, number) for number in range(1, 6))


def test_each_line_comes_at_once(desk: Desk) -> None:
    script = "import sys\nprint('one')\nsys.stdin.readline()\nprint('two')"
    with subprocess.Popen(
        [*desk.wrapper, "--pty", sys.executable, "-c", script],
        cwd=desk.folder,
        env=desk.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout.readline() == b"one\n"
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.stdout.read() == b"two\n"


def test_programs_show_colours(desk: Desk) -> None:
    done = run(desk, "sh", "-c", "TERM=xterm ls --color=auto -d /")
    assert b"\x1b[" in done.stdout


def test_files_get_it_too(desk: Desk) -> None:
    with (desk.folder / "out").open("wb") as out:
        run(desk, sys.executable, "-c", ASK, capture_output=False, stdout=out, stderr=out)
    assert (desk.folder / "out").read_bytes() == b"[False, True, True]\nerr\n"


def test_input_comes_through(desk: Desk) -> None:
    done = run(desk, "sha256sum", stdin=None, input=bytes(range(256)) * 1000)
    bare = subprocess.run(["sha256sum"], input=bytes(range(256)) * 1000, capture_output=True, check=True)
    assert done.stdout == bare.stdout


def test_window_has_a_size(desk: Desk) -> None:
    done = run(desk, sys.executable, "-c", "import os; print(min(os.get_terminal_size(1)) > 0)")
    assert done.stdout == b"True\n"


def test_nothing_is_lost_at_the_end(desk: Desk) -> None:
    wanted = b"".join(b"%d\n" % number for number in range(1, 20001))
    for _ in range(20):
        assert run(desk, "seq", "20000").stdout == wanted


def test_environment_asks_for_it_as_well(desk: Desk) -> None:
    done = subprocess.run(
        [*desk.wrapper, sys.executable, "-c", ASK],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=desk.folder,
        env=desk.environ | {"RUNWRAP_PTY": "1"},
        check=True,
    )
    assert done.stdout == b"[False, True, True]\n"


def test_without_it_nothing_is_a_terminal(desk: Desk) -> None:
    done = subprocess.run(
        [*desk.wrapper, sys.executable, "-c", ASK],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=desk.folder,
        env=desk.environ,
        check=True,
    )
    assert done.stdout == b"[False, False, False]\n"
