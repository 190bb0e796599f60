"""What cannot be understood or used is refused in a sentence before the start; all else is run as bare."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, is_bare, need

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.timeout(120)

USAGE = "usage: runwrap [options] COMMAND [ARGS...]"
# A user who has no entry in the user database, and none of root's rights over files.
STRANGER = ("unshare", "-U", "--map-user=54321")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\u2028]")


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    if is_bare(wrapper):
        pytest.skip("the bare control refuses and records nothing")
    desk = Desk(wrapper, tmp_path)
    yield desk
    desk.sweep()


def run(
    desk: Desk, *argv: str | bytes, before: Sequence[str] = (), **options
) -> subprocess.CompletedProcess[bytes]:
    """Run runwrap with these arguments."""
    defaults = {"stdin": subprocess.DEVNULL, "cwd": desk.folder, "env": desk.environ, "timeout": 60}
    command = [*before, *desk.wrapper, *argv]
    return subprocess.run(command, capture_output=True, check=False, **defaults | options)


def shell(desk: Desk, line: str, wrapper: Sequence[str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash, in which `$W` is runwrap or another wrapper."""
    environ = desk.environ | ({"W": " ".join(wrapper)} if wrapper else {})
    return subprocess.run(
        ["bash", "-c", line], cwd=desk.folder, env=environ, capture_output=True, check=False, timeout=60
    )


def check_refused(desk: Desk, done: subprocess.CompletedProcess[bytes], status: int, *words: str) -> None:
    """Check for one sentence and at most one hint, and that nothing was started or recorded."""
    said = done.stderr.decode()
    first, *hint = said.splitlines()
    assert (done.returncode, done.stdout) == (status, b""), said
    assert first.startswith("runwrap: ")
    assert len(hint) <= 1
    assert all(line.startswith("  hint: ") for line in hint)
    assert [word for word in words if word not in said] == []
    assert "Traceback" not in said
    assert not desk.has("ran")
    assert Recorded.all_of(desk) == []


def show(desk: Desk, name: str = "latest") -> dict:
    """Return what `runwrap show` knows of a run."""
    done = run(desk, "show", name, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


@pytest.fixture
def stranger() -> Sequence[str]:
    """Return the words that make a user unknown; skip where the kernel does not permit it."""
    need("unshare")
    done = subprocess.run([*STRANGER, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no user namespace may be made here: {done.stderr.strip()}")
    return STRANGER


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "no command was given"),
        ("--", "no command was given"),
        ("--quiet", "no command was given"),
        ("--nme x touch ran", "unknown option --nme (did you mean --name?)"),
        ("-x touch ran", "unknown option -x"),
        ("--nam=x touch ran", "unknown option --nam"),
        ("--quiet --name", "--name wants a value: --name NAME"),
        ("--quiet=1 touch ran", "--quiet takes no value"),
        ("--config lr touch ran", "--config 'lr': wants KEY=VALUE, for example lr=0.1"),
        ("--config=0.1 touch ran", "--config '0.1': wants KEY=VALUE"),
        ("--config =0.1 touch ran", "--config '=0.1': wants KEY=VALUE"),
        ("--project= touch ran", "--project '': must not be empty"),
        ("--dir= touch ran", "--dir '': must not be empty"),
        ("--help touch ran --quiet", "Usage"),
    ],
)
def test_command_line_that_says_nothing_clear_is_status_2(desk: Desk, words: str, reason: str) -> None:
    done = run(desk, *words.split())
    if reason == "Usage":  # help is no mistake, and starts nothing either
        assert done.returncode == 0
        assert not desk.has("ran")
        return
    check_refused(desk, done, 2, reason, USAGE)


def test_unknown_option_is_written_harmlessly(desk: Desk) -> None:
    done = run(desk, "--\x1b[2J\n", "touch", "ran")
    check_refused(desk, done, 2, r"unknown option --\x1b[2J\n")
    assert not CONTROL.search(done.stderr.decode())


@pytest.mark.parametrize("bad", ["", "../x", "a/b", ".", ".hidden", "-x", "a\nb", "\x1b[2J", "é", "x" * 65])
def test_id_that_is_no_folder_name_is_refused(desk: Desk, bad: str) -> None:
    check_refused(desk, run(desk, f"--id={bad}", "touch", "ran"), 2, "--id", "wants 1 to 64 of the letters")


def test_id_that_is_taken_is_refused_and_keeps_its_run(desk: Desk) -> None:
    run(desk, "--id", "one", "echo", "first")
    done = run(desk, "--id", "one", "touch", "ran")
    assert done.returncode == 125
    assert b"there is a run one already" in done.stderr
    assert b"hint: choose another --id, or add --resume" in done.stderr
    assert not desk.has("ran")
    assert Recorded.of(desk).log == b"first\n"


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        ("no-such-command", 127, "no-such-command: command not found\n  hint: check the spelling"),
        ("./no-such-file x", 127, "./no-such-file: command not found"),
        ("-- list", 127, "list: command not found"),
        ("-- logs", 127, "hint: a verb comes first: runwrap logs"),
        ("./plain", 126, "./plain is not executable\n  hint: make it executable (chmod +x ./plain)"),
        ("plain", 126, "plain is not executable"),
        ("./folder", 126, "./folder is a folder"),
        ("./plain/below", 126, "./plain/below: Not a directory"),
    ],
)
def test_command_that_cannot_be_run_is_named(desk: Desk, words: str, status: int, reason: str) -> None:
    desk.script("plain", "touch ran")
    (desk.folder / "folder").mkdir()
    path = {"PATH": f"{desk.environ['PATH']}:{desk.folder}"}
    check_refused(desk, run(desk, *words.split(), env=desk.environ | path), status, reason)


@pytest.mark.parametrize(
    ("variable", "text", "reason"),
    [
        ("RUNWRAP_CONFIG", "lr", "RUNWRAP_CONFIG='lr': wants KEY=VALUE, for example lr=0.1"),
        ("RUNWRAP_PTY", "perhaps", "RUNWRAP_PTY='perhaps': wants 1, true, yes or on, or 0, false, no or off"),
        ("RUNWRAP_ID", "../x", "RUNWRAP_ID='../x': wants 1 to 64"),
        ("RUNWRAP_DIR", " ", "RUNWRAP_DIR=' ': must not be empty"),
    ],
)
def test_variable_that_makes_no_sense_is_named(desk: Desk, variable: str, text: str, reason: str) -> None:
    done = run(desk, "touch", "ran", env=desk.environ | {variable: text})
    check_refused(desk, done, 125, reason, f"hint: correct it, or unset {variable}")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("runwrap.toml", b'project = "a', ", line 1, column 13: "),
        ("runwrap.toml", b'project = "a"\ntags = [\n  1 2]\n', ", line 3, column 5: Unclosed array"),
        ("runwrap.toml", b'project = "a"\n\nx', ", line 3, column 2: Expected '='"),
        ("runwrap.toml", b"# caf\xc3\xa9\n# \xff\n", ", line 2, column 3: not UTF-8 text"),
        ("pyproject.toml", b"[tool.runwrap]\nproject\n", ", line 2, column 8: Expected '='"),
        ("pyproject.toml", b"[tool]\nrunwrap = 1\n", " [tool.runwrap] wants to be a table"),
        ("home/.config/runwrap/config.toml", b"\n= 1", ", line 2, column 1: Invalid"),
        ("runwrap.toml", b'projct = "a"', ": projct is no setting\n  hint: did you mean project?"),
        ("runwrap.toml", b"tags = 3", ": tags wants a list of text, not 3"),
        ("runwrap.toml", b"config = 3", ": config wants a table, not 3"),
        ("runwrap.toml", b'pty = "perhaps"', ": pty wants 1, true, yes or on"),
        ("runwrap.toml", b'id = "one"', ": id cannot be set in a file\n  hint: give --id or RUNWRAP_ID"),
        ("runwrap.toml", b'"\\u001b[2J" = 1', r": '\x1b[2J' is no setting"),
        ("runwrap.toml", b"a = " + b"[" * 100_000, ""),
    ],
)
def test_malformed_settings_file_is_named_with_line_and_column(
    desk: Desk, name: str, text: bytes, reason: str
) -> None:
    path = (desk.folder.parent if name.startswith("home") else desk.folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    below = desk.folder / "below"
    below.mkdir()
    check_refused(desk, run(desk, "touch", "../ran", cwd=below), 125, f"{path}{reason}", "hint: ")


def test_settings_file_that_is_a_folder_is_refused(desk: Desk) -> None:
    (desk.folder / "runwrap.toml").mkdir()
    check_refused(desk, run(desk, "touch", "ran"), 125, f"cannot read {desk.folder}/runwrap.toml: Is a dir")


def test_unreadable_settings_file_is_refused(desk: Desk, stranger: Sequence[str]) -> None:
    desk.script("runwrap.toml", "").chmod(0)
    done = run(desk, "touch", "ran", before=stranger)
    reason = f"cannot read {desk.folder}/runwrap.toml: Permission denied\n  hint: make it readable"
    check_refused(desk, done, 125, reason)


def homeless(desk: Desk, **more: str) -> dict[str, str]:
    """Return an environment without a home and a data folder."""
    names = ("HOME", "RUNWRAP_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
    return {name: value for name, value in desk.environ.items() if name not in names} | more


@pytest.mark.parametrize(
    ("words", "more"), [("", {}), ("", {"HOME": "here"}), ("--dir=~/runs", {}), ("--dir=~", {"HOME": ""})]
)
def test_nowhere_to_keep_runs_is_status_125(
    desk: Desk, stranger: Sequence[str], words: str, more: dict[str, str]
) -> None:
    done = run(desk, *words.split(), "touch", "ran", before=stranger, env=homeless(desk, **more))
    check_refused(desk, done, 125, "no home folder is known", "hint: set RUNWRAP_DIR or --dir to the folder")


def test_user_without_name_and_home_is_recorded(desk: Desk, stranger: Sequence[str]) -> None:
    environ = homeless(desk, RUNWRAP_DIR=desk.environ["RUNWRAP_DIR"])
    done = run(desk, "sh", "-c", "id -u; echo ${HOME-none}", before=stranger, env=environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"54321\nnone\n", b"")
    assert [data["user"] for data in Recorded.of(desk).records("run")] == ["54321"]
    read = run(desk, "runs", before=stranger, env=environ)
    assert (read.returncode, read.stdout.count(b"\n"), read.stderr) == (0, 2, b"")


def test_unwritable_data_folder_is_refused(desk: Desk, stranger: Sequence[str]) -> None:
    data = Path(desk.environ["RUNWRAP_DIR"])
    data.mkdir(mode=0o555)
    done = run(desk, "touch", "ran", before=stranger)
    check_refused(desk, done, 125, "cannot make the run's folder", "Permission denied", "hint: ", str(data))
    assert os.listdir(data) == []


def test_data_folder_below_a_file_is_refused(desk: Desk) -> None:
    desk.script("file", "")
    done = run(desk, "--dir", "file/runs", "touch", "ran")
    check_refused(desk, done, 125, "Not a directory", f"--dir to another folder: now {desk.folder}/file/runs")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("--bad touch ran", 2),
        ("--config x touch ran", 2),
        ("--dir /dev/null/x touch ran", 125),
        ("/etc/passwd", 126),
        ("no-such-command", 127),
        ("show no-such-run", 1),
        ("show --bad", 2),
    ],
)
def test_error_that_nobody_can_read_keeps_its_status(
    desk: Desk, words: str, status: int, redirection: str
) -> None:
    done = shell(desk, f"$W {words} {redirection}; echo $? >status")
    assert (desk.told("status"), done.stdout, done.stderr) == (f"{status}\n", b"", b"")
    assert not desk.has("ran")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_closed_for_the_command_and_it_is_recorded(desk: Desk, closed: str) -> None:
    desk.script(
        "closed.sh",
        "for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && echo $n; done >seen; echo out; echo err >&2; exit 7",
    )
    seen = []
    for wrapper in (["env"], desk.wrapper):
        done = shell(desk, f"$W sh closed.sh {closed} 3>&-", wrapper)
        seen.append((done.returncode, done.stdout, done.stderr, desk.told("seen")))
    assert seen[1] == seen[0]
    assert Recorded.of(desk).exit()["status"] == 7
    assert sorted(Recorded.of(desk).log) == sorted(seen[0][1] + seen[0][2])


@pytest.mark.parametrize("writer", ["yes", "$P -c 'while 1: print(1)'"])
def test_writer_whose_reader_leaves_ends_as_bare(desk: Desk, writer: str) -> None:
    line = f"$W {writer} 2>/dev/null | head -n 1; echo ${{PIPESTATUS[0]}}"
    done, bare = shell(desk, line), shell(desk, line, ["env"])
    assert (done.stdout, done.stderr) == (bare.stdout, bare.stderr)
    assert show(desk)["state"] == ("killed" if writer == "yes" else "failed")


def test_reader_that_leaves_a_verb_is_no_error_of_its(desk: Desk) -> None:
    run(desk, "seq", "1000000")
    done = shell(desk, "$W logs latest --raw | head -n 1; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == (b"1\n141\n", b"")
