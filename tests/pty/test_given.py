"""The command is given what it would be given bare: descriptors, signals, environment, limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, Terminal, is_bare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(120)

# Writes what it was given into the file that it is told.
LOOK = """
import json, os, resource, stat, sys
def tty(fd):
    try:
        return os.isatty(fd)
    except OSError:
        return None
def open_fds():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass
    return found
def kind(fd):
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return stat.S_IFMT(found.st_mode)
def place(fd):
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return [found.st_dev, found.st_ino]
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status"))
stat_fields = open("/proc/self/stat").read().rpartition(")")[2].split()
given = {
    "tty": [tty(fd) for fd in (0, 1, 2)],
    "kinds": [kind(fd) for fd in (0, 1, 2)],
    "places": [place(fd) for fd in (0, 1, 2)],
    "flags0": None if kind(0) is None else __import__("fcntl").fcntl(0, 3),
    "fds": open_fds(),
    "signals": {name: status[name] for name in ("SigIgn", "SigBlk", "SigCgt", "SigPnd", "ShdPnd")},
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n[:7] == "RLIMIT_"},
    "nice": os.nice(0), "umask": os.umask(0), "cwd": os.getcwd(), "environ": dict(os.environ),
    "affinity": sorted(os.sched_getaffinity(0)), "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
    "caps": [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")],
    "oom": open("/proc/self/oom_score_adj").read(), "policy": os.sched_getscheduler(0),
    "argv": [os.fsencode(word).hex() for word in sys.argv],
    "argv0": open("/proc/self/cmdline", "rb").read().split(b"\\0")[0].hex(),
    "pgrp": os.getpgrp(), "session": os.getsid(0), "parent": os.getppid(), "pid": os.getpid(),
    "terminal": int(stat_fields[4]) != 0, "foreground": int(stat_fields[5]) == os.getpgrp(),
    "exit_signal": stat_fields[35], "dumpable": status.get("CoreDumping"),
}
with open(os.environ["LOOK_TO"], "w") as file:
    json.dump(given, file)
"""


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(wrapper, tmp_path)
    desk.script("look.py", LOOK)
    desk.script("in", "input\n")
    yield desk
    desk.sweep()


def both(desk: Desk, line: str, **options) -> tuple[dict, dict]:
    """Run a line in which $W $L looks around, under the wrapper and bare; return what each was given."""
    found = []
    for wrapper, name in ((" ".join(desk.wrapper), "wrapped"), ("env", "bare")):
        environ = desk.environ | {
            "W": wrapper,
            "LOOK_TO": str(desk.folder / name),
            "L": f"{sys.executable} look.py",
        }
        defaults = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60}
        done = subprocess.run(
            ["bash", "-c", line], cwd=desk.folder, env=environ, check=False, **defaults | options
        )
        assert desk.has(name), done.stderr
        found.append(json.loads((desk.folder / name).read_text("utf-8")))
    return found[0], found[1]


def both_on_terminal(desk: Desk, line: str) -> tuple[dict, dict]:
    """Do the same in a shell that leads a session on a terminal."""
    found = []
    for wrapper, name in ((" ".join(desk.wrapper), "wrapped"), ("env", "bare")):
        environ = {"W": wrapper, "LOOK_TO": str(desk.folder / name), "L": f"{sys.executable} look.py"}
        with Terminal(desk, ["bash", "-c", line + "; exit"], environ=environ) as terminal:
            terminal.finish()
        assert desk.has(name), terminal.tail()
        found.append(json.loads((desk.folder / name).read_text("utf-8")))
    return found[0], found[1]


INPUTS = {
    "inherited": "",
    "file": "<in",
    "null": "</dev/null",
    "pipe": None,
    "closed": "<&-",
    "here": "<<<word",
}
OUTPUTS = {"inherited": "", "file": ">out", "null": ">/dev/null", "pipe": None, "closed": ">&-"}
ERRORS = {"inherited": "", "file": "2>err", "null": "2>/dev/null", "joined": "2>&1", "closed": "2>&-"}


# A shell cannot join what is closed.
PAIRS = [(out, err) for out in OUTPUTS for err in ERRORS if (out, err) != ("closed", "joined")]


def redirected(given: str, out: str, err: str) -> str:
    line = " ".join(filter(None, ["$W $L", INPUTS[given], OUTPUTS[out], ERRORS[err]]))
    line = f"cat in | {line}" if given == "pipe" else line
    return f"{line} | cat" if out == "pipe" else line


@pytest.mark.parametrize(("out", "err"), PAIRS)
@pytest.mark.parametrize("given", INPUTS)
def test_isatty_is_as_bare_for_every_redirection(desk: Desk, given: str, out: str, err: str) -> None:
    wrapped, bare = both_on_terminal(desk, redirected(given, out, err))
    assert wrapped["tty"] == bare["tty"]
    assert wrapped["terminal"] == bare["terminal"] is True
    assert wrapped["foreground"] == bare["foreground"]


@pytest.mark.parametrize(("out", "err"), PAIRS)
@pytest.mark.parametrize("given", INPUTS)
def test_nothing_is_a_terminal_where_there_was_none(desk: Desk, given: str, out: str, err: str) -> None:
    wrapped, bare = both(desk, redirected(given, out, err))
    assert wrapped["tty"] == bare["tty"]
    assert [kind is None for kind in wrapped["kinds"]] == [kind is None for kind in bare["kinds"]]
    assert wrapped["kinds"][0] == bare["kinds"][0]
    assert (wrapped["places"][1] == wrapped["places"][2]) == (bare["places"][1] == bare["places"][2])


@pytest.mark.parametrize("given", ["<in", "</dev/null", "<>in", "</dev/zero", "</proc/self/status"])
def test_stdin_is_the_very_file(desk: Desk, given: str) -> None:
    wrapped, bare = both(desk, f"$W $L {given}")
    assert wrapped["kinds"][0] == bare["kinds"][0]
    assert wrapped["flags0"] == bare["flags0"]
    if "proc" not in given:
        assert wrapped["places"][0] == bare["places"][0]


def test_stdin_is_the_very_pipe(desk: Desk) -> None:
    read_end, write_end = os.pipe()
    wrapped, bare = both(desk, "$W $L", stdin=read_end)
    assert wrapped["places"][0] == bare["places"][0] == [os.fstat(read_end).st_dev, os.fstat(read_end).st_ino]
    os.close(read_end)
    os.close(write_end)


def test_stdin_is_the_very_terminal_in_hybrid_mode(desk: Desk) -> None:
    wrapped, bare = both_on_terminal(desk, "tty >name; $W $L >out; tty")
    assert wrapped["tty"] == bare["tty"] == [True, False, True]
    assert wrapped["places"][0][0] == bare["places"][0][0]


TRAPS = [
    "",
    "INT",
    "QUIT",
    "HUP",
    "TERM",
    "PIPE",
    "CHLD",
    "USR1 USR2",
    "TSTP TTIN TTOU",
    "XFSZ",
    "INT QUIT HUP TERM PIPE",
]


@pytest.mark.parametrize("ignored", TRAPS)
@pytest.mark.parametrize("redirection", ["", ">out", "2>err >&2"])
def test_ignored_signals_are_as_bare(desk: Desk, ignored: str, redirection: str) -> None:
    trap = f"trap '' {ignored}; " if ignored else ""
    wrapped, bare = both(desk, f"{trap}$W $L {redirection}")
    assert wrapped["signals"] == bare["signals"]


@pytest.mark.parametrize("ignored", TRAPS)
def test_ignored_signals_are_as_bare_on_a_terminal(desk: Desk, ignored: str) -> None:
    trap = f"trap '' {ignored}; " if ignored else ""
    wrapped, bare = both_on_terminal(desk, f"{trap}$W $L")
    assert wrapped["signals"] == bare["signals"]


@pytest.mark.parametrize(
    "blocked", ["", "SIGINT", "SIGTERM", "SIGCHLD", "SIGUSR1", "SIGHUP SIGWINCH SIGPIPE", "SIGCONT"]
)
@pytest.mark.parametrize("on_terminal", [False, True])
def test_blocked_signals_are_as_bare(desk: Desk, blocked: str, on_terminal: bool) -> None:
    desk.script(
        "block.py",
        "import os, signal, sys\nnames = sys.argv[1].split()\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [getattr(signal, name) for name in names])\n"
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL); signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "os.execvp(sys.argv[2], sys.argv[2:])\n",
    )
    wrapped, bare = (both_on_terminal if on_terminal else both)(desk, f"$P block.py '{blocked}' $W $L")
    assert wrapped["signals"] == bare["signals"]


@pytest.mark.parametrize("on_terminal", [False, True])
@pytest.mark.parametrize(
    "redirection",
    ["", "3<in", "3<in 4>four 9>nine", "7<>in", "200<in", "3<&0 4>&1 5>&2", "<&-", ">&-", "<&- >&- 2>&-"],
)
def test_descriptors_are_as_bare(desk: Desk, redirection: str, on_terminal: bool) -> None:
    wrapped, bare = (both_on_terminal if on_terminal else both)(desk, f"$W $L {redirection}")
    assert sorted(wrapped["fds"]) == sorted(bare["fds"])
    assert [wrapped["fds"][fd] for fd in wrapped["fds"] if int(fd) > 5 and fd in ("7", "9", "200")] == [
        bare["fds"][fd] for fd in bare["fds"] if int(fd) > 5 and fd in ("7", "9", "200")
    ]


def test_process_substitution_is_readable(desk: Desk) -> None:
    done = subprocess.run(
        ["bash", "-c", "$W cat <(echo one) <(echo two)"], env=desk.environ, capture_output=True, check=True
    )
    assert done.stdout == b"one\ntwo\n"


@pytest.mark.parametrize("on_terminal", [False, True])
@pytest.mark.parametrize(
    "setting",
    [
        "umask 027",
        "umask 777",
        "ulimit -n 99",
        "ulimit -c 0",
        "ulimit -s 4096",
        "ulimit -t 500",
        "ulimit -f 9999999",
        "cd /",
        "renice -n 5 $$ >&2",
        "taskset -pc 0 $$ >&2",
        "echo 500 >/proc/$$/oom_score_adj",
    ],
)
def test_process_is_set_up_as_bare(desk: Desk, setting: str, on_terminal: bool) -> None:
    line = f"{setting}; $W $P {desk.folder}/look.py"
    wrapped, bare = (both_on_terminal if on_terminal else both)(desk, line)
    for name in (
        "limits",
        "nice",
        "umask",
        "cwd",
        "affinity",
        "ids",
        "caps",
        "oom",
        "policy",
        "exit_signal",
        "dumpable",
    ):
        assert wrapped[name] == bare[name], name


def test_process_group_is_the_callers_where_streams_are_redirected(desk: Desk) -> None:
    wrapped, _ = both(desk, "$W $L")
    assert wrapped["pgrp"] == os.getpgrp()
    assert wrapped["session"] == os.getsid(0)


@pytest.mark.parametrize("on_terminal", [False, True])
def test_environment_has_few_additions_and_no_changes(desk: Desk, on_terminal: bool) -> None:
    line = "export EMPTY= SPACES='a  b' LINES2=$'a\\nb' EQUALS=a=b=c; $W $L"
    wrapped, bare = (both_on_terminal if on_terminal else both)(desk, line)
    ours, theirs = wrapped["environ"], bare["environ"]
    changing = {"W", "LOOK_TO", "_"}
    assert {k: v for k, v in theirs.items() if k not in changing} == {
        k: ours.get(k) for k in theirs if k not in changing
    }
    assert set(ours) - set(theirs) <= {"RUNWRAP_RUN", "RUNWRAP_FILES", "RUNWRAP_SOCKET", "PYTHONPATH"}


def test_environment_that_is_not_utf8_is_kept(desk: Desk) -> None:
    environ = {os.fsencode(k): os.fsencode(v) for k, v in desk.environ.items()} | {
        b"RAW": b"\xff\xfe",
        b"\xe9": b"x",
    }
    done = subprocess.run([*desk.wrapper, "env", "-0"], env=environ, capture_output=True, check=True)
    assert {b"RAW=\xff\xfe", b"\xe9=x"} <= set(done.stdout.split(b"\0"))


def test_empty_environment_will_do(desk: Desk) -> None:
    argv = (
        desk.wrapper
        if is_bare(desk.wrapper)
        else [*desk.wrapper, "--quiet", "--dir", str(desk.folder / "runs")]
    )
    done = subprocess.run([*argv, "/usr/bin/env"], env={}, cwd=desk.folder, capture_output=True, check=True)
    assert done.stderr == b""
    assert all(line.startswith((b"RUNWRAP_", b"PYTHONPATH=")) for line in done.stdout.splitlines())


WORDS = {
    "plain": [b"one", b"two"],
    "empty": [b"", b"", b"x", b""],
    "blanks": [b" ", b"a b", b"\t", b"\n", b"trailing\n"],
    "quotes": [b"'", b'"', b"\\", b"$HOME", b"`id`", b"*", b"~", b"!"],
    "options": [b"--", b"-x", b"--project", b"p", b"--help", b"--version", b"-h"],
    "not_utf8": [b"\xff\xfe", b"\xc3(", b"\xed\xa0\x80", b"ok\x80"],
    "all_bytes": [bytes(range(1, 256))],
    "unicode": ["\u00e9\u20ac\U0001f600".encode()],
    "long": [b"x" * 100_000],
    "many": [b"%d" % number for number in range(5000)],
}


@pytest.mark.parametrize("words", WORDS)
def test_arguments_arrive_byte_for_byte(desk: Desk, words: str) -> None:
    script = "import os, sys\nfor word in sys.argv[1:]: print(os.fsencode(word).hex())"
    argv = [os.fsencode(word) for word in [*desk.wrapper, sys.executable, "-c", script]]
    done = subprocess.run(
        [*argv, *WORDS[words]], env=desk.environ, cwd=desk.folder, capture_output=True, check=True
    )
    assert [bytes.fromhex(line.decode()) for line in done.stdout.splitlines() or [b""]] == WORDS[words]
    if not is_bare(desk.wrapper):
        started = Recorded.of(desk).records("run")[0]
        assert len(started["argv"]) == len(WORDS[words]) + 3
        assert ("argv_base64" in started) == (words in ("not_utf8", "all_bytes"))


@pytest.mark.parametrize("name", ["cat", "/bin/cat", "./mine", "folder/mine"])
def test_first_word_is_kept_as_it_was_typed(desk: Desk, name: str) -> None:
    (desk.folder / "folder").mkdir()
    for path in (desk.folder / "mine", desk.folder / "folder" / "mine"):
        path.symlink_to("/bin/cat")
    done = subprocess.run(
        [*desk.wrapper, name, "/proc/self/cmdline"],
        env=desk.environ,
        cwd=desk.folder,
        capture_output=True,
        check=True,
    )
    assert done.stdout.split(b"\0")[0] == name.encode()


@pytest.mark.parametrize("path", ["first:/bin", "first:second:/bin", ":/bin", "/no/such:first:/bin"])
def test_command_is_looked_up_as_bare(desk: Desk, path: str) -> None:
    for folder in ("first", "second", "."):
        place = desk.folder / folder
        place.mkdir(exist_ok=True)
        (place / "tool").write_text(f"#!/bin/sh\necho {folder}\n", "utf-8")
        (place / "tool").chmod(0o755)
    found = []
    for wrapper in (desk.wrapper, ["/usr/bin/env"]):
        done = subprocess.run(
            [*wrapper, "tool"],
            env=desk.environ | {"PATH": path},
            cwd=desk.folder,
            capture_output=True,
            check=True,
        )
        found.append(done.stdout)
    assert found[0] == found[1]


@pytest.mark.parametrize("size", [(24, 80), (50, 211), (1, 1), (0, 0), (500, 1000)])
@pytest.mark.parametrize("redirection", ["", ">out", "2>err", "<in", "| cat"])
def test_window_size_is_the_terminals(desk: Desk, size: tuple[int, int], redirection: str) -> None:
    desk.script(
        "size.py",
        "import os\nsizes = [tuple(os.get_terminal_size(fd))[::-1] for fd in (0, 1, 2) if os.isatty(fd)]\n"
        "open('sizes', 'w').write(str(sorted(set(sizes))))",
    )
    with Terminal(desk, ["bash", "-c", f"$W $P size.py {redirection}; exit"], size=size) as terminal:
        terminal.finish()
    assert desk.told("sizes") == str([size])


@pytest.mark.parametrize("redirection", ["", ">out", "2>err", "<in", "| cat", "</dev/null >out 2>&1"])
def test_controlling_terminal_can_be_opened(desk: Desk, redirection: str) -> None:
    with Terminal(desk, ["bash", "-c", f"$W sh -c 'echo spoken >/dev/tty' {redirection}; exit"]) as terminal:
        terminal.finish()
    assert terminal.output.endswith(b"spoken\r\n")


def test_no_controlling_terminal_where_there_was_none(desk: Desk) -> None:
    wrapped, bare = both(desk, "$W $L", start_new_session=True)
    assert wrapped["terminal"] == bare["terminal"] is False
