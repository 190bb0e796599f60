"""Whoever is killed, whenever: what was written is kept, nothing is left behind, the record has its end."""

from __future__ import annotations

import hashlib
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, Terminal, is_bare, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

KILLS_EACH = 34  # with three kinds of streams and two victims: a little over 200
LINES_BEFORE_KILL = 8000
EXITS_EACH = 250
EXITS_BY_PIPE = 500
SIZE_BYTES = 1_000_000

# Writes line after line, to each descriptor in turn, and counts in shared memory what write(2) has taken.
# Standard error has an alphabet of its own: both can be told apart in a log that holds both.
WRITER = """
import mmap, os, sys
with open("count", "r+b") as file:
    shared = memoryview(mmap.mmap(file.fileno(), 16)).cast("Q")
targets = [int(word) for word in sys.argv[1:]]
shared[1] = os.getpid()
number = 0
while True:
    number += 1
    line = b"%d %s\\n" % (number, b"x" * (number * 37 % 150))
    target = targets[number % len(targets)]
    if target == 2:
        line = line.translate(bytes.maketrans(b"0123456789 x\\n", b"abcdefghij_y;"))
    written = os.write(target, line)
    assert written == len(line)
    shared[0] = number
"""

# Leads the session, as a shell does, and stays when the command has ended.
LEADER = """
sh -c 'echo $$ >wrapper.part; mv wrapper.part wrapper; exec "$@"' - "$@" {redirection}
echo $? >status.part; mv status.part status
read line
"""


OUT, ERR = b"0123456789 x\n", b"abcdefghij_y;"


def split(log: bytes) -> dict[int, bytes]:
    """Take apart what was written to each descriptor."""
    plain = log.replace(b"\r\n", b"\n")
    return {1: plain.translate(None, ERR), 2: plain.translate(None, OUT).translate(bytes.maketrans(ERR, OUT))}


def line_of(number: int) -> bytes:
    return b"%d %s" % (number, b"x" * (number * 37 % 150))


def is_whole(line: bytes) -> bool:
    """Tell whether a line is one as the writer wrote it."""
    number = line.partition(b" ")[0]
    return number.isdigit() and line == line_of(int(number))


class Scene:
    """A counted writer under the wrapper, to be killed when it is in full flow."""

    targets = (1,)

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        for name in ("wrapper", "status", "out", "err"):
            (desk.folder / name).unlink(missing_ok=True)
        shutil.rmtree(desk.environ["RUNWRAP_DIR"], ignore_errors=True)
        (desk.folder / "count").write_bytes(bytes(16))
        with (desk.folder / "count").open("r+b") as file:
            self.shared = memoryview(mmap.mmap(file.fileno(), 16)).cast("Q")

    @property
    def count(self) -> int:
        """Return how many lines were written."""
        return self.shared[0]

    @property
    def script(self) -> int:
        """Return the script's process."""
        return self.shared[1]

    @property
    def argv(self) -> list[str]:
        """Return the whole command."""
        return [*self.desk.wrapper, sys.executable, "writer.py", *map(str, self.targets)]

    def until(self, condition, what: str) -> None:
        """Wait for a condition while the reader goes on reading."""
        wait_until(condition, what)

    def only(self) -> list[int]:
        """Return the processes that may be there at the end."""
        return []

    def check_received(self, streams: list[bytes], *, is_all: bool) -> None:
        """Compare what the reader got with what was logged."""
        raise NotImplementedError

    def end(self) -> None:
        """Put everything away."""
        self.desk.sweep()


class PipeScene(Scene):
    """Both streams are pipes, and somebody reads them."""

    targets = (1, 2)

    def __enter__(self) -> PipeScene:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            cwd=self.desk.folder,
            env=self.desk.environ,
        )
        self.received = [b"", b""]
        self.readers = [threading.Thread(target=self.read, args=(index,)) for index in (0, 1)]
        for reader in self.readers:
            reader.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()
        self.close()

    def read(self, index: int) -> None:
        """Read one stream to its end."""
        self.received[index] = (self.process.stdout, self.process.stderr)[index].read()

    def close(self) -> None:
        """Wait for the end of both streams."""
        for reader in self.readers:
            reader.join(20)
            assert not reader.is_alive(), "the streams are still held open"
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
        self.process.wait()

    def wrapper_pid(self) -> int:
        """Return the wrapper, which is to be killed."""
        return self.process.pid

    def status(self) -> int:
        """Return the status as a shell has it."""
        status = self.process.wait(20)
        return 128 - status if status < 0 else status

    def check_received(self, streams: list[bytes], *, is_all: bool) -> None:
        """See to what is left of the reader: it has what came, once and in order, and its modes."""
        for reader in self.readers:
            reader.join(20)
        got = [split(received)[index + 1] for index, received in enumerate(self.received)]
        for received, logged in zip(got, streams, strict=True):
            if is_all:
                assert received == logged
            lines = received.split(b"\n")[:-1]
            whole = [line for line in lines if is_whole(line)]
            # A killed wrapper may have logged what it did not get to pass on: one line is then cut there.
            assert len(lines) - len(whole) <= (0 if is_all else 1), set(lines) - set(whole)
            numbers = [int(line.split()[0]) for line in whole]
            assert numbers == sorted(set(numbers)), "something was doubled or reordered"


class TerminalScene(Scene):
    """The whole session is on a terminal of its own."""

    redirection = ""

    def __enter__(self) -> TerminalScene:
        self.terminal = Terminal(
            self.desk, ["sh", "-c", LEADER.format(redirection=self.redirection), "-", *self.argv]
        )
        self.modes = self.terminal.modes()
        return self

    def __exit__(self, *exception: object) -> None:
        self.terminal.__exit__(*exception)

    def until(self, condition, what: str) -> None:
        """Wait for a condition and read the screen meanwhile."""
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, f"never came true: {what}"
            self.terminal.read(time.monotonic() + 0.005)

    def wrapper_pid(self) -> int:
        """Return the wrapper, which is to be killed."""
        return int(self.desk.told("wrapper"))

    def status(self) -> int:
        """Return the status as the shell of the session saw it."""
        self.until(lambda: self.desk.has("status"), "the leader saw the wrapper end")
        return int(self.desk.told("status"))

    def only(self) -> list[int]:
        """Return the leader of the session, which stays."""
        return [self.terminal.process.pid]

    def check_received(self, streams: list[bytes], *, is_all: bool) -> None:
        """See to what is left of the reader: it has what came, once and in order, and its modes."""
        del streams, is_all
        self.until(lambda: self.terminal.modes() == self.modes, "the terminal has its modes back")
        assert self.terminal.foreground() == self.terminal.process.pid


class ErrorOnTerminalScene(TerminalScene):
    """The output goes to a file, what is said beside it to the terminal."""

    targets = (1, 2)
    redirection = ">out"


SCENES = {"pipes": PipeScene, "terminal_stderr": ErrorOnTerminalScene, "terminal": TerminalScene}


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(wrapper, tmp_path)
    desk.script("writer.py", WRITER)
    yield desk
    desk.sweep()


def check_lines(stream: bytes, wanted: range, count: int) -> None:
    """Look for every counted line, once and in its place; then there may be one that was not counted."""
    *lines, rest = stream.replace(b"\r\n", b"\n").split(b"\n")
    extra = [count + 1] if count + 1 in range(wanted.start, count + 2, wanted.step) else []
    expected = [line_of(number) for number in wanted]
    if len(lines) == len(expected) + 1 and extra:
        expected.append(line_of(extra[0]))
    differs = [index for index, (line, good) in enumerate(zip(lines, expected, strict=False)) if line != good]
    assert not differs, (
        f"line {differs[0]}: {lines[differs[0]]!r}, not {expected[differs[0]]!r}; {count} counted"
    )
    assert len(lines) == len(expected), f"{len(lines)} lines are there of {len(expected)}; {count} counted"
    assert not rest or (extra and (line_of(extra[0]) + b"\r").startswith(rest)), f"ends in {rest!r}"


def check_record(scene: Scene, *, is_wrapper_killed: bool) -> None:
    """Look at all that must hold after a kill."""
    scene.until(lambda: set(scene.desk.pids()) <= set(scene.only()), "no process is left")
    if is_bare(scene.desk.wrapper):
        scene.check_received([b"", b""], is_all=False)
        return
    run = Recorded.of(scene.desk)
    end = run.exit()
    if is_wrapper_killed:
        assert end["lost"] is True, end
    else:
        assert (end["signal"], end["status"], end.get("lost")) == ("SIGKILL", None, None), end
    count, ways = scene.count, len(scene.targets)
    streams = []
    for index, target in enumerate(scene.targets):
        first = index or ways
        streams.append(split(run.log)[target])
        check_lines(streams[-1], range(first, count + 1, ways), count)
    scene.check_received(streams, is_all=not is_wrapper_killed)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["wrapper", "script"])
@pytest.mark.parametrize("kind", SCENES)
def test_kill_at_a_random_point_loses_no_line_and_leaves_nothing(desk: Desk, kind: str, victim: str) -> None:
    chance = random.Random(f"{kind} {victim}")
    for turn in range(KILLS_EACH):
        kill_after = int(LINES_BEFORE_KILL ** chance.random())
        with SCENES[kind](desk) as scene:
            scene.until(lambda scene=scene, after=kill_after: scene.count >= after, "lines are written")
            pid = scene.wrapper_pid() if victim == "wrapper" else scene.script
            os.kill(pid, signal.SIGKILL)
            assert scene.status() == 137, f"turn {turn}"
            check_record(scene, is_wrapper_killed=victim == "wrapper")


@pytest.mark.parametrize("victim", ["wrapper", "script"])
@pytest.mark.parametrize("kind", SCENES)
def test_marks_cover_the_log_after_a_kill(desk: Desk, kind: str, victim: str) -> None:
    with SCENES[kind](desk) as scene:
        scene.until(lambda: scene.count >= 3000, "lines are written")
        os.kill(scene.wrapper_pid() if victim == "wrapper" else scene.script, signal.SIGKILL)
        scene.status()
        run = Recorded.of(desk)
        run.exit()
        scene.until(lambda: set(desk.pids()) <= set(scene.only()), "no process is left")
        for target in scene.targets:
            names = ("stdout", "both") if target == 1 else ("stderr",)
            assert split(run.stream(*names))[target] == split(run.log)[target]


@pytest.mark.parametrize("kind", SCENES)
@pytest.mark.parametrize("delay_ms", [0, 5, 10, 15, 20, 30, 40, 60, 80])
def test_kill_of_the_wrapper_while_it_starts_leaves_nothing(desk: Desk, kind: str, delay_ms: int) -> None:
    with SCENES[kind](desk) as scene:
        pid = scene.wrapper_pid()
        at = time.monotonic() + delay_ms / 1000
        scene.until(lambda: time.monotonic() >= at, "the delay is over")
        os.kill(pid, signal.SIGKILL)
        assert scene.status() == 137
        scene.until(lambda: set(desk.pids()) <= set(scene.only()), "no process is left")
        if kind != "pipes":
            scene.until(lambda: scene.terminal.modes() == scene.modes, "the terminal has its modes back")
        if not is_bare(desk.wrapper):
            for run in Recorded.all_of(desk):
                assert len(run.records("exit")) <= 1


def test_killed_wrapper_takes_a_silent_script_with_it(desk: Desk) -> None:
    ready = desk.script("silent.sh", "trap '' HUP INT TERM PIPE; echo up >ready; while :; do :; done").name
    with subprocess.Popen([*desk.wrapper, "sh", ready], cwd=desk.folder, env=desk.environ) as process:
        desk.told("ready")
        process.kill()
    wait_until(lambda: not desk.pids(), "no process is left")


def test_killed_wrapper_is_shown_as_crashed(desk: Desk) -> None:
    with PipeScene(desk) as scene:
        scene.until(lambda: scene.count > 10, "lines are written")
        os.kill(scene.wrapper_pid(), signal.SIGKILL)
        run = Recorded.of(desk)
        assert run.exit()["cause"] == "runwrap was killed"
    shown = subprocess.check_output(
        [*desk.wrapper, "show", "latest", "--json"], env=desk.environ, cwd=desk.folder
    )
    assert b'"crashed"' in shown


@pytest.mark.parametrize("victims", [("wrapper", "script"), ("script", "wrapper")])
def test_kill_of_both_at_once_loses_no_line(desk: Desk, victims: tuple[str, str]) -> None:
    for _ in range(3):
        with PipeScene(desk) as scene:
            scene.until(lambda scene=scene: scene.count > 500, "lines are written")
            pids = {"wrapper": scene.wrapper_pid(), "script": scene.script}
            os.kill(pids[victims[0]], signal.SIGKILL)
            try:
                os.kill(pids[victims[1]], signal.SIGKILL)
            except ProcessLookupError:
                assert victims[0] == "wrapper" or is_bare(desk.wrapper)
            scene.status()
            scene.until(lambda: not desk.pids(), "no process is left")
            if not is_bare(desk.wrapper):
                run = Recorded.of(desk)
                run.exit()
                check_lines(split(run.log)[1], range(2, scene.count + 1, 2), scene.count)


@pytest.fixture
def sample(desk: Desk) -> bytes:
    text = random.Random(1).randbytes(SIZE_BYTES // 2).hex().encode()
    (desk.folder / "sample").write_bytes(text)
    return text


def check_whole(what: str, got: bytes, sample: bytes) -> None:
    assert len(got) == len(sample), f"{what} has {len(got)} bytes of {len(sample)}"
    assert hashlib.sha256(got).digest() == hashlib.sha256(sample).digest(), f"{what} differs"


def check_logs(desk: Desk, sample: bytes, runs: int) -> None:
    """Compare every log with what was put out, and forget the runs."""
    if not is_bare(desk.wrapper):
        found = Recorded.all_of(desk)
        assert len(found) == runs
        for run in found:
            check_whole("output.log", run.log, sample)
            shutil.rmtree(run.folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("descriptor", [1, 2])
def test_exit_right_after_output_loses_no_byte_of_a_pipe(desk: Desk, sample: bytes, descriptor: int) -> None:
    def once(_: int) -> bytes:
        command = ["sh", "-c", f"exec head -c {SIZE_BYTES} sample >&{descriptor}"]
        done = subprocess.run(
            [*desk.wrapper, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            cwd=desk.folder,
            env=desk.environ,
        )
        return done.stdout + done.stderr

    done = 0
    with ThreadPoolExecutor(2) as pool:
        for start in range(0, EXITS_BY_PIPE // 2, 50):
            for got in pool.map(once, range(start, start + 50)):
                check_whole("the pipe", got, sample)
                done += 1
            check_logs(desk, sample, 50)
    assert done == EXITS_BY_PIPE // 2


@pytest.mark.slow
@pytest.mark.parametrize("redirection", ["", "</dev/null"])
def test_exit_right_after_output_loses_no_byte_of_a_terminal(
    desk: Desk, sample: bytes, redirection: str
) -> None:
    line = f'"$@" {redirection}; echo "($?)"'
    argv = ["sh", "-c", line, "-", *desk.wrapper, "head", "-c", str(SIZE_BYTES), "sample"]
    for _ in range(EXITS_EACH // 2):
        terminals = [Terminal(desk, argv), Terminal(desk, argv)]
        for terminal in terminals:
            assert terminal.finish() == 0
            check_whole("the terminal", bytes(terminal.output), sample + b"(0)\r\n")
        for terminal in terminals:
            terminal.hang_up()
        check_logs(desk, sample, 2)
