"""A disk that is full or read-only: refused before the start, and never noticed by a command that runs."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, Terminal, is_bare, need, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

pytestmark = pytest.mark.timeout(120)

MEGA = 1 << 20
LINES = b"".join(b"%d\n" % number for number in range(1, 400_001))
ENDS_EARLY = "output.log ends early: No space left on device"
# Writes two megabytes, in turns to stdout and stderr: every line is a stretch of its own in the journal.
ALTERNATE = """
line=$(printf %0100d 0) number=0
while [ $number -lt 10000 ]; do echo o$line; echo e$line >&2; number=$((number + 1)); done
exit 5
"""


class Disk:
    """A small disk of our own, in a mount namespace that ends with the shell that has made it."""

    def __init__(self, folder: Path, options: str) -> None:
        need("unshare", "mount")
        point = folder / "disk"
        point.mkdir()
        self.process = subprocess.Popen(
            ["unshare", "-rm", "sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
        )
        self.point = point
        self.path = Path("/proc", str(self.process.pid), "root", *point.parts[1:])
        if said := self.order(f"mount -t tmpfs -o {options} none {point}"):
            self.end()
            pytest.skip(f"no disk may be mounted here: {said}")

    def order(self, line: str) -> str:
        """Have the shell do something, and return what that says."""
        said = ""
        try:
            self.process.stdin.write(f"{line}; echo done\n")
        except BrokenPipeError:
            pass
        for answer in self.process.stdout:
            if answer == "done\n":
                return said
            said += answer
        return said or "the shell has ended"

    def make_read_only(self) -> None:
        """Let nobody write on it any more."""
        assert self.order(f"mount -o remount,ro {self.point}") == ""

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Fill it up, but for some whole pages."""
        with Path(self.path, "filler").open("ab", buffering=0) as file:
            try:
                while file.write(bytes(4096)) == 4096:
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC
            file.truncate(file.tell() - leave_bytes)

    def end(self) -> None:
        """Let go of it."""
        self.process.communicate()


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[str], Disk]]:
    disks = []

    def make(options: str) -> Disk:
        disks.append(Disk(tmp_path, options))
        return disks[-1]

    yield make
    for disk in disks:
        disk.end()


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    if is_bare(wrapper):
        pytest.skip("the bare control writes no record that could fill a disk")
    desk = Desk(wrapper, tmp_path)
    yield desk
    desk.sweep()


@pytest.fixture
def disk(desk: Desk, make_disk: Callable[[str], Disk]) -> Disk:
    """Return the disk, of one megabyte, that the runs of the desk are kept on."""
    disk = make_disk("size=1m")
    desk.environ["RUNWRAP_DIR"] = str(disk.path / "data")
    return disk


def run(desk: Desk, *argv: str, **options) -> subprocess.CompletedProcess[bytes]:
    """Run runwrap with these arguments."""
    defaults = {"stdin": subprocess.DEVNULL, "cwd": desk.folder, "env": desk.environ, "timeout": 60}
    return subprocess.run([*desk.wrapper, *argv], capture_output=True, check=False, **defaults | options)


def check_refused(desk: Desk, done: subprocess.CompletedProcess[bytes], reason: str, where: Path) -> None:
    """Check for status 125 with reason and remedy, and that nothing was started or recorded."""
    first, hint = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (125, b"")
    assert first.startswith("runwrap: cannot ")
    assert first.endswith(reason)
    assert (
        hint == f"  hint: free some space there, or set RUNWRAP_DIR or --dir to another folder: now {where}"
    )
    assert not desk.has("ran")
    assert list(where.glob("*/*")) == []


def check_record(desk: Desk, output: bytes, *, status: int | None, state: str, notices: list[str]) -> None:
    """Check that the run can be read, and what it says: all of the output that has found room."""
    done = run(desk, "show", "latest", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    seen = json.loads(done.stdout)
    assert (seen["state"], seen["exit"]["status"], seen["bad_lines"]) == (state, status, 0)
    assert [notice["text"] for notice in seen["notices"]] == notices
    raw = run(desk, "logs", "latest", "--raw").stdout
    assert raw == Recorded.of(desk).log
    assert len(raw) > MEGA // 2
    assert output.startswith(raw)
    assert run(desk, "runs").stdout.count(f"\t{state}".encode()) == 1


@pytest.mark.parametrize("filled", ["at the beginning", "after other runs"])
def test_full_disk_is_refused_before_the_start(desk: Desk, disk: Disk, filled: str) -> None:
    if filled == "after other runs":
        assert run(desk, "echo", "first").returncode == 0
        before = Recorded.of(desk)
        before.exit()
        desk.environ["RUNWRAP_PROJECT"] = "other"
        wait_until(lambda: len(before.records("fact")) >= 2, "the facts of the first run are recorded")
    disk.fill()
    done = run(desk, "touch", "ran")
    assert done.returncode == 125
    assert b"No space left on device\n  hint: free some space there, or set RUNWRAP_DIR" in done.stderr
    assert not desk.has("ran")
    runs = Recorded.all_of(desk)
    assert [recorded.log for recorded in runs] == ([b"first\n"] if filled == "after other runs" else [])


@pytest.mark.parametrize("inodes", range(1, 8))
def test_disk_with_too_few_files_left_is_refused_and_left_clean(
    desk: Desk, make_disk: Callable[[str], Disk], inodes: int
) -> None:
    root = make_disk(f"nr_inodes={inodes}").path
    done = run(desk, "--dir", str(root), "touch", "ran")
    if inodes <= 5:  # the root itself, project, run, files, journal.jsonl, output.log
        check_refused(desk, done, "No space left on device", root)
    else:
        assert done.returncode == 0
        assert desk.has("ran")


def test_read_only_disk_is_refused_and_its_runs_can_be_read(desk: Desk, disk: Disk) -> None:
    assert run(desk, "--name", "first", "echo", "hi").returncode == 0
    disk.make_read_only()
    check_refused(
        desk,
        run(desk, "--dir", f"{disk.path}/new", "touch", "ran"),
        "Read-only file system",
        disk.path / "new",
    )
    assert run(desk, "touch", "ran").returncode == 125
    assert run(desk, "logs", "first", "--raw").stdout == b"hi\n"
    assert b"\tfirst\t" in run(desk, "runs").stdout
    for words in (["note", "first", "x"], ["tag", "first", "x"], ["delete", "-y", "first"]):
        done = run(desk, *words)
        assert (done.returncode, done.stdout) == (125, b""), words
        assert b"Read-only file system" in done.stderr
        assert b"Traceback" not in done.stderr


def test_home_that_is_read_only_is_refused_with_a_remedy_that_helps(desk: Desk, disk: Disk) -> None:
    disk.make_read_only()
    del desk.environ["RUNWRAP_DIR"]
    desk.environ["HOME"] = str(disk.path)
    where = disk.path / ".local" / "share" / "runwrap"
    check_refused(desk, run(desk, "touch", "ran"), "Read-only file system", where)
    assert run(desk, "--dir", str(desk.folder / "runs"), "touch", "ran").returncode == 0
    assert desk.has("ran")


@pytest.mark.parametrize(
    ("end", "status", "state"),
    [("exit 0", 0, "finished"), ("exit 3", 3, "failed"), ("kill -9 $$", -9, "killed")],
)
@pytest.mark.usefixtures("disk")
def test_disk_that_fills_is_noticed_by_nobody_but_the_log(
    desk: Desk, end: str, status: int, state: str
) -> None:
    done = run(desk, "sh", "-c", f"seq 400000; echo last >&2; {end}")
    assert (done.returncode, done.stdout == LINES, done.stderr) == (status, True, b"last\n")
    recorded = None if status < 0 else status
    check_record(desk, LINES, status=recorded, state=state, notices=[ENDS_EARLY])
    assert Recorded.of(desk).exit()["signal"] == ("SIGKILL" if status < 0 else None)


@pytest.mark.usefixtures("disk")
def test_disk_that_fills_is_told_of_once_when_the_command_has_ended(desk: Desk) -> None:
    desk.environ["RUNWRAP_QUIET"] = "0"
    with Terminal(desk, [*desk.wrapper, "sh", "-c", "seq 400000; exit 3"]) as terminal:
        assert terminal.finish() == 3
    greeting, output = bytes(terminal.output).split(b"\r\n", 1)
    assert greeting.startswith(b"runwrap: ")
    wanted = LINES.replace(b"\n", b"\r\n")
    assert output[: len(wanted)] == wanted
    farewell, notice, rest = output[len(wanted) :].decode().split("\r\n")
    assert " exited 3 after " in farewell
    assert (notice, rest) == (f"runwrap: error: output: {ENDS_EARLY}", "")
    check_record(desk, wanted, status=3, state="failed", notices=[ENDS_EARLY])


@pytest.mark.usefixtures("disk")
def test_disk_that_fills_with_marks_too_keeps_the_end_and_is_told_of_once(desk: Desk) -> None:
    desk.script("alternate.sh", ALTERNATE)
    desk.environ["RUNWRAP_QUIET"] = "0"
    with Terminal(desk, ["sh", "-c", "$W sh alternate.sh >out; exit $?"]) as terminal:
        assert terminal.finish() == 5
    assert (desk.folder / "out").read_text("utf-8") == f"o{0:0100}\n" * 10000
    lines = bytes(terminal.output).decode().split("\r\n")
    assert lines[1:10001] == [f"e{0:0100}"] * 10000
    assert " exited 5 after " in lines[10001]
    assert lines[10002:] == [f"runwrap: error: output: {ENDS_EARLY}", ""]
    seen = json.loads(run(desk, "show", "latest", "--json").stdout)
    assert (seen["state"], seen["exit"]["status"], seen["bad_lines"]) == ("failed", 5, 0)
    assert [notice["text"] for notice in seen["notices"]] == [ENDS_EARLY]
    raw = run(desk, "logs", "latest", "--raw").stdout
    assert raw == Recorded.of(desk).log
    assert len(raw) > MEGA // 2


@pytest.mark.parametrize("pages", range(1, 8))
def test_disk_that_is_all_but_full_refuses_or_records_the_end(desk: Desk, disk: Disk, pages: int) -> None:
    disk.fill(leave_bytes=pages * 4096)
    done = run(desk, "sh", "-c", "touch ran; seq 400000; exit 3")
    if done.returncode == 125:
        check_refused(desk, done, "No space left on device", disk.path / "data")
        return
    assert (done.returncode, done.stdout == LINES, done.stderr) == (3, True, b"")
    assert Recorded.of(desk).exit()["status"] == 3
    assert LINES.startswith(run(desk, "logs", "latest", "--raw").stdout)


def test_command_is_refused_its_own_files_as_bare(desk: Desk, disk: Disk) -> None:
    line = f"seq 400000 >{disk.path}/own; echo $?"
    disk.fill(leave_bytes=1 << 17)
    bare = subprocess.run(["sh", "-c", line], capture_output=True, check=False, env=desk.environ)
    os.unlink(disk.path / "own")
    done = run(desk, "sh", "-c", line)
    assert (done.returncode, done.stdout, done.stderr) == (0, bare.stdout, bare.stderr)
    assert (done.stderr + done.stdout).startswith(Recorded.of(desk).log)
    assert json.loads(run(desk, "show", "latest", "--json").stdout)["state"] == "finished"


@pytest.mark.usefixtures("disk")
def test_wrapper_that_is_killed_on_a_full_disk_leaves_a_run_that_can_be_read(desk: Desk) -> None:
    with subprocess.Popen(
        [*desk.wrapper, "sh", "-c", "seq 400000; echo >up; exec sleep 600"],
        cwd=desk.folder,
        env=desk.environ,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout.read(len(LINES)) == LINES
        desk.told("up")
        process.send_signal(signal.SIGKILL)
        assert process.stdout.read() == b""
    wait_until(lambda: run(desk, "runs", "--state", "crashed").stdout.count(b"\n") == 2, "the run is crashed")
    assert LINES.startswith(run(desk, "logs", "latest", "--raw").stdout)
