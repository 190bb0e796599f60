"""What a run printed is read back whole, stream by stream, and as it comes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwrap.store.catalog import RunWatch
from runwrap.store.journal import Journal
from runwrap.store.liveness import boot_id, pid_namespace, pid_started
from runwrap.store.output import Output, follow, paced

# Writes a run as the wrapper does: a byte on stdin is a line of output, the end of stdin is its own.
WRITER = """
import os, sys
from runwrap.store.journal import Journal
from runwrap.store.liveness import boot_id, pid_namespace, pid_started
journal = Journal("journal.jsonl")
pid = os.getpid()
facts = {"started": 1.0, "host": os.uname().nodename, "pid": pid, "pid_started": pid_started(pid)}
journal.append("run", facts | {"boot_id": boot_id(), "pid_namespace": pid_namespace()})
log, end = open("output.log", "ab", buffering=0), 0
print("up", flush=True)
while byte := sys.stdin.buffer.read(1):
    log.write(byte + b"\\n")
    journal.append("output", {"stream": "stdout", "offset": end, "size_bytes": 2})
    end += 2
log.write(b"last")
journal.append("exit", {"status": 0, "cause": "exited 0", "duration_s": 1.0})
"""


def make_output(folder: Path, *stretches: tuple[str, bytes], times_s: tuple[float, ...] = ()) -> None:
    """Write a run's output with a record for each stretch; those of stream `` have none."""
    journal = Journal(str(folder / "journal.jsonl"))
    offset = 0
    for number, (stream, data) in enumerate(stretches):
        if stream:
            facts: dict[str, object] = {"stream": stream, "offset": offset, "size_bytes": len(data)}
            journal.append("output", facts, times_s[number] if times_s else None)
        offset += len(data)
    (folder / "output.log").write_bytes(b"".join(data for _, data in stretches))


def read(folder: Path, *streams: str, **more: Any) -> bytes:
    """Read the whole output of a run that has ended."""
    return b"".join(Output(str(folder), set(streams), **more).pieces(ended=True))


def start_writer(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that writes a run."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", WRITER], cwd=folder, stdin=pipe, stdout=pipe)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    process.stdout.close()
    return process


def test_without_a_choice_the_bytes_are_the_exact_ones(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    make_output(tmp_path, ("stdout", data[:10]), ("", data[10:]))
    assert read(tmp_path) == data
    assert read(tmp_path, timed=True) == data


def test_streams_are_told_apart_and_what_cannot_be_belongs_to_each(tmp_path: Path) -> None:
    make_output(tmp_path, ("stdout", b"a"), ("stderr", b"b"), ("", b"c"), ("both", b"d"), ("stdout", b"e"))
    assert read(tmp_path, "stdout") == b"acde"
    assert read(tmp_path, "stderr") == b"bcd"
    assert read(tmp_path, "stdout", "stderr") == b"abcde"


def test_an_end_without_records_belongs_to_each_once_the_run_is_over(tmp_path: Path) -> None:
    make_output(tmp_path, ("stdout", b"a"), ("", b"left by a killed wrapper"))
    output = Output(str(tmp_path), {"stderr"})
    assert b"".join(output.pieces(ended=False)) == b""
    assert b"".join(output.pieces(ended=True)) == b"left by a killed wrapper"


def test_what_comes_later_is_read_on(tmp_path: Path) -> None:
    make_output(tmp_path, ("stdout", b"a"))
    output = Output(str(tmp_path), {"stdout"})
    assert b"".join(output.pieces(ended=False)) == b"a"
    with (tmp_path / "output.log").open("ab") as log:
        log.write(b"bc")
    assert b"".join(output.pieces(ended=False)) == b""
    facts: dict[str, object] = {"stream": "stdout", "offset": 1, "size_bytes": 2}
    Journal(str(tmp_path / "journal.jsonl")).append("output", facts)
    assert b"".join(output.pieces(ended=False)) == b"bc"


odd = st.none() | st.integers(-5, 40) | st.sampled_from([2**70, -(2**70), 1.5, True, "", "stdout", [], {}])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr", "both"]) | odd, odd, odd), max_size=12))
def test_records_that_lie_lose_and_double_no_byte(
    tmp_path_factory: pytest.TempPathFactory, lies: list[tuple[object, object, object]]
) -> None:
    folder = tmp_path_factory.mktemp("lies")
    journal = Journal(str(folder / "journal.jsonl"))
    for stream, offset, size in lies:
        journal.append("output", {"stream": stream, "offset": offset, "size_bytes": size})
    journal.close()
    (folder / "output.log").write_bytes(b"0123456789abcdefghij")
    assert read(folder, timed=True) == b"0123456789abcdefghij"
    for stream in ("stdout", "stderr"):
        assert set(read(folder, stream)) <= set(b"0123456789abcdefghij")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_file_is_no_output(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "output.log")
    assert read(tmp_path) == b""


def test_without_a_log_there_is_no_output(tmp_path: Path) -> None:
    assert read(tmp_path) == b""


@pytest.mark.parametrize("streams", [set(), {"stdout"}])
def test_a_live_run_is_followed_to_its_end(tmp_path: Path, streams: set[str]) -> None:
    with start_writer(tmp_path) as writer:
        assert writer.stdin
        pieces = follow(Output(str(tmp_path), streams), RunWatch(str(tmp_path)).is_over)
        seen = b""
        for letter in b"abc":
            writer.stdin.write(bytes([letter]))
            writer.stdin.flush()
            while not seen.endswith(bytes([letter]) + b"\n"):
                seen += next(pieces)
        writer.stdin.close()
        assert seen + b"".join(pieces) == b"a\nb\nc\nlast"


def test_following_ends_with_a_killed_wrapper(tmp_path: Path) -> None:
    with start_writer(tmp_path) as writer:
        assert writer.stdin
        writer.stdin.write(b"a")
        writer.stdin.flush()
        pieces = follow(Output(str(tmp_path), set()), RunWatch(str(tmp_path)).is_over)
        while next(pieces) != b"a\n":
            pass
        writer.kill()
        assert b"".join(pieces) == b""


def test_a_run_that_is_over_is_not_waited_for(tmp_path: Path) -> None:
    pid = os.getpid()
    me = {"host": os.uname().nodename, "pid": pid, "boot_id": boot_id(), "pid_namespace": pid_namespace()}
    journal = Journal(str(tmp_path / "journal.jsonl"))
    journal.append("run", {"started": 1.0, "pid_started": pid_started(pid)} | me)
    journal.append("exit", {"status": 0})
    (tmp_path / "output.log").write_bytes(b"all")
    assert b"".join(follow(Output(str(tmp_path), set()), RunWatch(str(tmp_path)).is_over)) == b"all"


def test_a_replay_takes_its_time_and_not_more_than_asked(tmp_path: Path) -> None:
    make_output(tmp_path, ("stdout", b"a"), ("stderr", b"b"), ("stdout", b"c"), times_s=(10.0, 10.5, 11.0))

    def replay(speed: float) -> tuple[bytes, float]:
        output = Output(str(tmp_path), set(), timed=True)
        began_s = time.monotonic()
        seen = b"".join(paced(output.pieces(ended=True), output, speed))
        return seen, time.monotonic() - began_s

    seen, duration_s = replay(5.0)
    assert seen == b"abc"
    assert duration_s >= 0.2
    assert replay(float("inf"))[0] == b"abc"


def test_times_that_go_backwards_do_not_stop_a_replay(tmp_path: Path) -> None:
    make_output(tmp_path, ("stdout", b"a"), ("stdout", b"b"), ("", b"c"), times_s=(10.0, 1.0, 0.0))
    output = Output(str(tmp_path), set(), timed=True)
    assert b"".join(paced(output.pieces(ended=True), output, 1.0)) == b"abc"
