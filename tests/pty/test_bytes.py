"""Every byte goes where it would go without the wrapper: whole, in order, and no further than its reader."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import select
import socket
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, is_bare, need, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

MEGA = 1_000_000
ALL_BYTES = bytes(range(256)) * 64


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(wrapper, tmp_path)
    yield desk
    desk.sweep()


def shell(desk: Desk, line: str, **options) -> subprocess.CompletedProcess[bytes]:
    """Run a shell line in which $W is the wrapper and $P Python."""
    defaults = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 100}
    return subprocess.run(
        ["bash", "-c", line], cwd=desk.folder, env=desk.environ, check=False, **defaults | options
    )


def wrapped(desk: Desk, *command: str, **options) -> subprocess.CompletedProcess[bytes]:
    """Run a command under the wrapper."""
    defaults = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 100}
    return subprocess.run(
        [*desk.wrapper, *command], cwd=desk.folder, env=desk.environ, check=False, **defaults | options
    )


SAMPLES = {
    "all_values": ALL_BYTES,
    "zeros": bytes(200_000),
    "no_newline_at_the_end": b"half a line",
    "carriage_returns": b"one\rtwo\r\nthree\n\r" * 1000,
    "one_byte": b"x",
    "one_newline": b"\n",
    "nothing": b"",
    "escapes": b"\x1b[2J\x1b]0;title\x07\x04\x03\x1a\x1c\x11\x13" * 100,
    "not_utf8": b"\xff\xfe\xc3(\xa0\xa1" * 1000,
    "ends_in_zeros": b"data" + bytes(5000),
    "random": random.Random(5).randbytes(3 * MEGA),
    "just_64k": random.Random(6).randbytes(1 << 16),
    "one_more_than_64k": random.Random(7).randbytes((1 << 16) + 1),
}


@pytest.mark.parametrize("descriptor", [1, 2])
@pytest.mark.parametrize("sample", SAMPLES)
def test_output_is_binary_clean(desk: Desk, sample: str, descriptor: int) -> None:
    (desk.folder / "sample").write_bytes(SAMPLES[sample])
    done = shell(desk, f"$W cat sample {'>&2' if descriptor == 2 else ''}")
    assert (done.stdout, done.stderr)[descriptor - 1] == SAMPLES[sample]
    assert (done.stderr, done.stdout)[descriptor - 1] == b""
    if not is_bare(desk.wrapper):
        assert Recorded.of(desk).log == SAMPLES[sample]


@pytest.mark.parametrize("descriptor", [1, 2])
@pytest.mark.parametrize("sample", ["all_values", "random", "ends_in_zeros"])
def test_output_into_a_file_is_binary_clean(desk: Desk, sample: str, descriptor: int) -> None:
    (desk.folder / "sample").write_bytes(SAMPLES[sample])
    desk.script("put.sh", f"cat sample >&{descriptor}")
    shell(desk, f"$W sh put.sh {descriptor}>out")
    assert (desk.folder / "out").read_bytes() == SAMPLES[sample]


@pytest.mark.parametrize("sample", SAMPLES)
def test_input_is_binary_clean(desk: Desk, sample: str) -> None:
    done = wrapped(desk, "cat", stdin=None, input=SAMPLES[sample])
    assert done.stdout == SAMPLES[sample]


@pytest.mark.parametrize("sample", ["all_values", "random"])
def test_both_streams_stay_apart(desk: Desk, sample: str) -> None:
    (desk.folder / "sample").write_bytes(SAMPLES[sample])
    done = shell(desk, "$W sh -c 'cat sample & cat sample >&2; wait; echo out; echo err >&2'")
    assert done.stdout == SAMPLES[sample] + b"out\n"
    assert done.stderr == SAMPLES[sample] + b"err\n"
    if not is_bare(desk.wrapper):
        run = Recorded.of(desk)
        assert run.stream("stdout") == done.stdout
        assert run.stream("stderr") == done.stderr


TURNS = "i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i + 1)); done"
IN_TURN = b"".join(b"out %d\nerr %d\n" % (number, number) for number in range(300))


@pytest.mark.parametrize(
    "target", ["2>&1 | cat", ">out 2>&1; cat out", ">>out 2>&1; cat out", "&>out; cat out"]
)
def test_order_of_both_streams_in_one_place_is_kept(desk: Desk, target: str) -> None:
    desk.script("turns.sh", TURNS)
    done = shell(desk, f"$W sh turns.sh {target}")
    assert done.stdout == IN_TURN
    if not is_bare(desk.wrapper):
        run = Recorded.of(desk)
        assert run.log == IN_TURN
        assert run.stream("both") == IN_TURN


def test_order_of_both_streams_in_one_socket_is_kept(desk: Desk) -> None:
    desk.script("turns.sh", TURNS)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        argv = [*desk.wrapper, "sh", "turns.sh"]
        with subprocess.Popen(argv, cwd=desk.folder, env=desk.environ, stdout=theirs, stderr=theirs):
            theirs.close()
            assert b"".join(iter(lambda: ours.recv(65536), b"")) == IN_TURN


@pytest.mark.parametrize("size", [1, 100, 4096, 70_000])
def test_pieces_keep_their_order(desk: Desk, size: int) -> None:
    desk.script(
        "pieces.py", "import os, sys\nfor n in range(200): os.write(1, b'%c' % (n % 251) * int(sys.argv[1]))"
    )
    done = shell(desk, f"$W $P pieces.py {size} | cat")
    assert done.stdout == b"".join(b"%c" % (n % 251) * size for n in range(200))


@pytest.mark.parametrize(
    "line", ["$W echo new >>old", "$W sh -c 'echo new >&2' 2>>old", "$W echo new 1>>old 2>&1"]
)
def test_appending_keeps_what_is_there(desk: Desk, line: str) -> None:
    desk.script("old", "old\n")
    shell(desk, line)
    assert (desk.folder / "old").read_bytes() == b"old\nnew\n"


def test_two_that_append_to_one_file_keep_each_others_lines(desk: Desk) -> None:
    desk.script(
        "lines.py",
        "import os, sys\nfor n in range(2000): os.write(1, b'%s %d\\n' % (sys.argv[1].encode(), n))",
    )
    shell(desk, "$W $P lines.py a >>log & $W $P lines.py b >>log & wait")
    text = (desk.folder / "log").read_bytes()
    assert len(text) == sum(len(f"a {number}\n") * 2 for number in range(2000))


@pytest.mark.parametrize(
    "line", ["{ echo before; $W echo within; echo after; } >out", "exec >out; $W echo 1; echo 2"]
)
def test_position_in_a_shared_file_is_shared(desk: Desk, line: str) -> None:
    shell(desk, line)
    lines = (desk.folder / "out").read_text("utf-8").split()
    assert lines in (["before", "within", "after"], ["1", "2"])


def test_file_is_truncated_as_the_shell_does_it(desk: Desk) -> None:
    desk.script("out", "a long line that was there before\n")
    shell(desk, "$W echo short >out")
    assert (desk.folder / "out").read_bytes() == b"short\n"


def test_large_input_is_not_eaten(desk: Desk) -> None:
    with (desk.folder / "large").open("wb") as file:
        for seed in range(50):
            file.write(random.Random(seed).randbytes(MEGA))
    done = shell(
        desk,
        "{ $W head -c 10 >first; cat | sha256sum; sha256sum <first; } <large",
    )
    digest = hashlib.sha256()
    with (desk.folder / "large").open("rb") as file:
        first = file.read(10)
        assert done.stdout.split()[2].decode() == hashlib.sha256(first).hexdigest()
        # What head(1) reads ahead it gives back in a seekable file, as without a wrapper.
        while block := file.read(MEGA):
            digest.update(block)
    assert done.stdout.split()[0].decode() == digest.hexdigest()


def test_large_input_comes_through_a_pipe_whole(desk: Desk) -> None:
    done = shell(desk, "head -c 50000000 /dev/zero | tr '\\0' x | $W sha256sum")
    assert done.stdout.split()[0].decode() == hashlib.sha256(b"x" * 50 * MEGA).hexdigest()


def test_input_that_nobody_reads_is_left_for_the_next(desk: Desk) -> None:
    done = shell(desk, "{ $W true; $W true; cat; } < <(printf 'one\\ntwo\\n')")
    assert done.stdout == b"one\ntwo\n"


def test_loop_that_reads_lines_runs_for_each(desk: Desk) -> None:
    done = shell(desk, "printf '%s\\n' 1 2 3 4 5 | while read n; do $W echo turn $n; done")
    assert done.stdout == b"turn 1\nturn 2\nturn 3\nturn 4\nturn 5\n"


def test_line_is_taken_from_a_shared_pipe_and_no_more(desk: Desk) -> None:
    done = shell(
        desk, "printf 'one\\ntwo\\nthree\\n' | { $W sh -c 'read a; echo got $a'; read b; echo then $b; cat; }"
    )
    assert done.stdout == b"got one\nthen two\nthree\n"


def test_input_file_is_seekable(desk: Desk) -> None:
    desk.script(
        "seek.py", "import os\nprint(os.read(0, 3), os.lseek(0, 10, 0), os.read(0, 3), os.lseek(0, 0, 1))"
    )
    desk.script("letters", "abcdefghijklmnopqrstuvwxyz")
    done = shell(desk, "{ $W $P seek.py; cat; } <letters")
    assert done.stdout == b"b'abc' 10 b'klm' 13\nnopqrstuvwxyz"


def test_large_output_comes_whole(desk: Desk) -> None:
    done = shell(desk, "$W sh -c 'head -c 200000000 /dev/zero | tr \"\\0\" y' | sha256sum")
    digest = hashlib.sha256()
    for _ in range(200):
        digest.update(b"y" * MEGA)
    assert done.stdout.split()[0].decode() == digest.hexdigest()
    if not is_bare(desk.wrapper):
        assert (Recorded.of(desk).folder / "output.log").stat().st_size == 200 * MEGA


@pytest.mark.parametrize(
    "line", ["$W yes | head -n 1", "$W seq 1000000 | head -n 1 >one; cat one", "$W yes | $W head -n 1"]
)
def test_reader_that_leaves_early_ends_the_writer(desk: Desk, line: str) -> None:
    done = shell(desk, line + "; echo ${PIPESTATUS[0]}")
    assert done.stdout.split()[0] in (b"y", b"1")
    assert done.stderr == b""


@pytest.mark.parametrize("command", ["yes", "seq 100000000", "cat /dev/zero"])
def test_writer_whose_reader_left_dies_of_sigpipe(desk: Desk, command: str) -> None:
    done = shell(desk, f"$W {command} | head -c 1 >first; echo ${{PIPESTATUS[0]}}")
    assert done.stdout == b"141\n"
    if not is_bare(desk.wrapper):
        assert Recorded.of(desk).exit()["signal"] == "SIGPIPE"


def test_writer_that_ignores_sigpipe_sees_the_error(desk: Desk) -> None:
    desk.script(
        "broken.py",
        "import os\ntry:\n  while 1: os.write(1, bytes(4096))\nexcept BrokenPipeError: os.write(2, b'EPIPE')",
    )
    assert shell(desk, "$W $P broken.py | head -c 1").stderr == b"EPIPE"


def test_sort_in_the_middle_of_a_pipeline(desk: Desk) -> None:
    assert shell(desk, "seq 1000000 | $W sort -n | head -1").stdout == b"1\n"
    assert (
        shell(desk, "seq 1000 | shuf | $W sort -n | sha256sum").stdout
        == shell(desk, "seq 1000 | sha256sum").stdout
    )


def test_writer_waits_for_a_slow_reader(desk: Desk) -> None:
    desk.script(
        "flood.py",
        "import os\nn = 0\nwhile True:\n  os.write(1, bytes(4096)); n += 4096\n  open('n', 'w').write(str(n))",
    )
    with subprocess.Popen(
        [*desk.wrapper, sys.executable, "flood.py"], cwd=desk.folder, env=desk.environ, stdout=subprocess.PIPE
    ) as process:
        seen: list[str] = []

        def stands_still() -> bool:
            seen.append((desk.folder / "n").read_text("utf-8") if desk.has("n") else "")
            return len(seen) > 50 and bool(seen[-1]) and len(set(seen[-50:])) == 1

        wait_until(stands_still, "the writer waits")
        assert int(seen[-1]) <= 4 * MEGA
        before = int(seen[-1])
        process.stdout.read(4 * MEGA)
        wait_until(lambda: int((desk.folder / "n").read_text("utf-8") or 0) > before, "the writer goes on")
        process.stdout.close()


def test_line_comes_through_at_once(desk: Desk) -> None:
    desk.script("lines.sh", "echo one; read a; echo two $a >&2; read b; printf three")
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*desk.wrapper, "sh", "lines.sh"],
        cwd=desk.folder,
        env=desk.environ,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
    ) as process:
        assert process.stdout.readline() == b"one\n"
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stderr.readline() == b"two x\n"
        process.stdin.write(b"y\n")
        process.stdin.flush()
        assert process.stdout.read(5) == b"three"


def test_last_line_without_a_newline_comes_before_the_end(desk: Desk) -> None:
    for _ in range(20):
        assert wrapped(desk, "printf", "last").stdout == b"last"


@pytest.mark.parametrize("end", ["kill -9 $$", "kill -SEGV $$", "exit 3", "exec false"])
def test_last_output_is_there_however_the_command_ends(desk: Desk, end: str) -> None:
    done = wrapped(desk, "sh", "-c", f"ulimit -c 0; seq 20000; echo error >&2; {end}")
    assert done.stdout == b"".join(b"%d\n" % number for number in range(1, 20001))
    assert done.stderr.startswith(b"error\n")


@pytest.mark.parametrize("descriptor", [1, 2])
def test_descriptor_of_the_callers_is_left_as_it_was(desk: Desk, descriptor: int) -> None:
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 65536)
    os.set_blocking(write_end, False)
    got = bytearray()

    def read() -> None:
        while chunk := os.read(read_end, 1 << 16):
            got.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    target = {"stdout" if descriptor == 1 else "stderr": write_end, "capture_output": False}
    # Two megabytes into a pipe that does not block: dd(1) itself would fail bare, a blocking relay must not.
    wrapped(desk, "sh", "-c", f"seq 1000 >&{descriptor}", **target)
    assert not os.get_blocking(write_end)
    os.close(write_end)
    reader.join(20)
    assert bytes(got) == b"".join(b"%d\n" % number for number in range(1, 1001))
    os.close(read_end)


def test_output_into_a_fifo(desk: Desk) -> None:
    os.mkfifo(desk.folder / "fifo")
    done = shell(desk, "cat fifo & $W seq 100000 >fifo; wait")
    assert done.stdout == b"".join(b"%d\n" % number for number in range(1, 100001))


@pytest.mark.parametrize("target", ["/dev/null", "/dev/full"])
def test_output_into_a_device(desk: Desk, target: str) -> None:
    bare = shell(desk, f"seq 10 >{target}; echo $?").stdout
    assert stat.S_ISCHR(os.stat(target).st_mode)
    if target == "/dev/null":
        assert shell(desk, f"$W seq 10 >{target}; echo $?").stdout == bare


def test_tee_and_process_substitution(desk: Desk) -> None:
    done = shell(
        desk,
        "$W seq 5 > >(cat >copy); while [ ! -s copy ]; do :; done; $W paste <(seq 3) <(seq 4 6)",
    )
    assert done.stdout == b"1\t4\n2\t5\n3\t6\n"
    assert (desk.folder / "copy").read_bytes() == b"1\n2\n3\n4\n5\n"


def test_binary_output_compares_by_digest(desk: Desk) -> None:
    need("gzip")
    (desk.folder / "sample").write_bytes(SAMPLES["random"])
    assert (
        shell(desk, "$W gzip -nc sample | $W gzip -dc | $W sha256sum").stdout.split()[0].decode()
        == hashlib.sha256(SAMPLES["random"]).hexdigest()
    )


def test_nothing_is_added_to_either_stream(desk: Desk) -> None:
    done = wrapped(desk, "true")
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1", "1 2", "0 1 2"])
def test_command_without_some_of_its_streams_writes_to_the_others(desk: Desk, closed: str) -> None:
    closing = " ".join(f"{fd}>&-" if fd != "0" else "<&-" for fd in closed.split())
    done = shell(desk, f"$W sh -c 'echo out; echo err >&2' {closing} 3>&-")
    bare = shell(desk, f"env sh -c 'echo out; echo err >&2' {closing} 3>&-")
    assert (done.returncode, done.stdout) == (bare.returncode, bare.stdout)
    assert done.stderr == bare.stderr


def test_quiet_descriptor_ends_when_the_command_closes_it(desk: Desk) -> None:
    pipe = subprocess.PIPE
    desk.script("close.sh", "echo last; exec >&- ; read a")
    with subprocess.Popen(
        [*desk.wrapper, "sh", "close.sh"], cwd=desk.folder, env=desk.environ, stdin=pipe, stdout=pipe
    ) as process:
        assert process.stdout.read(5) == b"last\n"
        ready, _, _ = select.select([process.stdout], [], [], 3)
        ended = bool(ready) and process.stdout.read(1) == b""
        process.stdin.close()
        process.wait()
    assert ended, "the reader does not see the end of the output while the command goes on"
