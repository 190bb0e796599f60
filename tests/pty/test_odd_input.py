"""What is odd, broken or hostile around a command is no reason not to run it: as bare, and recorded."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, Terminal, is_bare, need, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.timeout(120)

# What could move a cursor, set a title, hide or turn around what follows, or end a line.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]")
HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\t../../etc/\u202eshadow\u2028$(touch ran)`'\""
NOT_UTF8 = [b"a\xff\xfeb", b"\xc3(", b"caf\xe9", b"\xed\xa0\x80", b"plain", b""]


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    if is_bare(wrapper):
        pytest.skip("the bare control records nothing")
    desk = Desk(wrapper, tmp_path)
    yield desk
    desk.sweep()


def run(desk: Desk, *argv: str | bytes, **options) -> subprocess.CompletedProcess[bytes]:
    """Run runwrap with these arguments."""
    defaults = {"stdin": subprocess.DEVNULL, "cwd": desk.folder, "env": desk.environ, "timeout": 60}
    return subprocess.run(
        options.pop("wrapper", desk.wrapper) + list(argv),
        capture_output=True,
        check=False,
        **defaults | options,
    )


def show(desk: Desk, name: str = "latest") -> dict:
    """Return what `runwrap show` knows of a run."""
    done = run(desk, "show", name, "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    return json.loads(done.stdout)


def make_repository(desk: Desk, broken: str) -> Path:
    """Make a repository with a commit and a change, and break it."""
    need("git")
    folder = desk.folder / "repository"
    folder.mkdir()
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@e"]
    (folder / "file").write_text("one\n", "utf-8")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], env=desk.environ, check=True, capture_output=True)
    (folder / "file").write_text("two\n", "utf-8")
    inner = folder / ".git"
    if broken == "objects":
        for path in inner.glob("objects/??/*"):
            path.unlink()
    elif broken == "objects folder":
        shutil.rmtree(inner / "objects")
    elif broken in ("HEAD", "index", "config"):
        (inner / broken).write_bytes(bytes(range(128, 256)))
    else:
        shutil.rmtree(inner)
        if broken == "points nowhere":
            inner.write_text("gitdir: /no/such/folder\n", "utf-8")
        elif broken == "is a fifo":
            os.mkfifo(inner)
        else:
            inner.mkdir()
    return folder


BROKEN = ["HEAD", "index", "config", "objects", "objects folder", "points nowhere", "is a fifo", "is empty"]


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_repository_is_a_notice_and_the_command_runs_as_bare(desk: Desk, broken: str) -> None:
    folder = make_repository(desk, broken)
    line = "pwd; cat file; echo wrong >&2; git status >/dev/null 2>&1; echo $?; exit 3"
    bare = run(desk, "sh", "-c", line, cwd=folder, wrapper=["env"])
    done = run(desk, "sh", "-c", line, cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (3, bare.stdout, bare.stderr)
    wait_until(lambda: Recorded.of(desk).records("notice"), "a notice is recorded")
    assert {(data["level"], data["part"]) for data in Recorded.of(desk).records("notice")} == {
        ("warning", "git")
    }
    seen = show(desk)
    assert (seen["state"], seen["cause"]) == ("failed", "exited 3")
    assert all("Traceback" not in notice["text"] for notice in seen["notices"])
    assert not CONTROL.search(run(desk, "show", "latest").stdout.decode())


def test_broken_repository_is_told_of_once_the_command_has_ended(desk: Desk) -> None:
    folder = make_repository(desk, "HEAD")
    desk.environ["RUNWRAP_QUIET"] = "0"
    with Terminal(desk, [*desk.wrapper, "sh", "-c", f"cd {folder}; echo hi"]) as terminal:
        assert terminal.finish() == 0
    assert b"warning: git" not in terminal.output  # the folder that runwrap was started in is in none
    with Terminal(desk, ["sh", "-c", f"cd {folder}; exec {desk.environ['W']} echo hi"]) as terminal:
        assert terminal.finish() == 0
    lines = bytes(terminal.output).decode().splitlines()
    assert lines[1] == "hi"
    assert [
        line.startswith(start) for line, start in zip(lines, ["runwrap: ", "hi", "runwrap: "], strict=False)
    ]
    assert lines[3].startswith("runwrap: warning: git: git cannot read the repository at ")
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        (["--tags", "a,b", "--tags", "c d"], ["a", "b", "c", "d"]),
        (["--tags=a, b ,,\tc\n"], ["a", "b", "c"]),
        (["--tags=" + ",", "--tags", "a"], ["a"]),
        (["--tags", "--quiet"], ["--quiet"]),
        (["--tags", "+a,-b,a=b"], ["+a", "-b", "a=b"]),
        (["--tags", "é,日本"], ["é", "日本"]),
    ],
)
def test_tags_come_between_commas_and_white_space(desk: Desk, words: list[str], tags: list[str]) -> None:
    assert run(desk, *words, "true").returncode == 0
    assert Recorded.of(desk).records("tag") == [{"add": tags, "remove": []}]
    assert show(desk)["tags"] == tags


def test_tags_that_name_nothing_are_none(desk: Desk) -> None:
    assert run(desk, "--tags", " , ,", "true").returncode == 0
    assert Recorded.of(desk).records("tag") == []


def test_variable_and_file_give_tags_as_the_option_does(desk: Desk) -> None:
    desk.script("runwrap.toml", 'tags = "x, y z"')
    run(desk, "--id", "by-file", "true")
    run(desk, "--id", "by-variable", "true", env=desk.environ | {"RUNWRAP_TAGS": "a,b c"})
    assert (show(desk, "by-file")["tags"], show(desk, "by-variable")["tags"]) == (
        ["x", "y", "z"],
        ["a", "b", "c"],
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=", {"a": ""}),
        ("a==", {"a": "="}),
        ("a=b=c", {"a": "b=c"}),
        (" a =1", {"a": 1}),
        ("a=[1, 2", {"a": "[1, 2"}),
        ("a=NaN", {"a": "NaN"}),
        ("a=" + "[" * 100_000, {"a": "[" * 100_000}),
        ("a\x1b[2J=\x07", {"a\x1b[2J": "\x07"}),
        ("a=1" + "0" * 400, {"a": 10**400}),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_config_that_is_no_json_is_text(desk: Desk, text: str, values: dict) -> None:
    assert run(desk, "--config", text, "true").returncode == 0
    assert show(desk)["config"] == values
    assert not CONTROL.search(run(desk, "show", "latest").stdout.decode())


def test_arguments_that_are_not_utf8_arrive_and_can_be_read_back(desk: Desk) -> None:
    desk.script("words.py", "import os, sys; os.write(1, b'|'.join(map(os.fsencode, sys.argv[1:])))")
    command = [desk.environ["P"], "words.py", *NOT_UTF8]
    done = run(desk, *command)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"|".join(NOT_UTF8), b"")
    [data] = Recorded.of(desk).records("run")
    assert [base64.b64decode(word) for word in data["argv_base64"]] == [os.fsencode(word) for word in command]
    assert data["argv"][2:] == ["a\ufffd\ufffdb", "\ufffd(", "caf\ufffd", "\ufffd\ufffd\ufffd", "plain", ""]
    assert (Recorded.of(desk).folder / "journal.jsonl").read_bytes().isascii()
    assert show(desk)["argv"] == data["argv"]
    assert run(desk, "runs").stdout.count(b"\n") == 2


def test_folder_whose_name_is_not_utf8_is_a_project(desk: Desk) -> None:
    folder = os.fsencode(desk.folder) + b"/caf\xe9"
    os.mkdir(folder)
    done = run(desk, "pwd", cwd=folder, env=desk.environ | {"PWD": ""})
    assert (done.returncode, done.stdout) == (0, folder + b"\n")
    assert Recorded.of(desk).folder.parent.name == "caf%E9"
    assert show(desk)["project"] == "caf\ufffd"


@pytest.mark.parametrize("descriptor", [1, 2])
def test_output_that_is_not_utf8_is_kept_and_shown_exactly(desk: Desk, descriptor: int) -> None:
    sample = bytes(range(256)) * 40 + b"\xff"
    (desk.folder / "sample").write_bytes(sample)
    done = run(desk, "sh", "-c", f"cat sample >&{descriptor}")
    assert (done.stdout, done.stderr)[descriptor - 1] == sample
    assert Recorded.of(desk).log == sample
    assert run(desk, "logs", "latest", "--raw").stdout == sample


GIVEN = ["--name", HOSTILE, "--notes", HOSTILE, "--group", HOSTILE, "--job-type", HOSTILE, "--tags", HOSTILE]


def test_hostile_words_are_kept_as_they_are_and_shown_harmlessly(desk: Desk) -> None:
    done = run(desk, *GIVEN, "--project", HOSTILE, "--config", f"{HOSTILE}={HOSTILE}", "echo", HOSTILE)
    assert (done.returncode, done.stdout) == (0, HOSTILE.encode() + b"\n")
    seen = show(desk)
    for key in ("name", "notes", "group", "job_type", "project"):
        assert seen[key] == HOSTILE
    assert " ".join(seen["tags"]) == " ".join(HOSTILE.replace(",", " ").split())
    assert seen["config"] == {HOSTILE.strip(): HOSTILE}
    for words in (
        ["runs"],
        ["show", "latest"],
        ["runs", "--json"],
        ["show", HOSTILE],
        ["show", HOSTILE + "x"],
    ):
        said = run(desk, *words)
        assert not CONTROL.search((said.stdout + said.stderr).decode()), words
    assert run(desk, "runs").stdout.count(b"\n") == 2
    assert run(desk, "show", HOSTILE).returncode == 0
    assert not desk.has("ran")


@pytest.mark.parametrize("words", [[], ["runs"], ["show", "latest"], ["show", HOSTILE]], ids=str)
def test_hostile_words_do_nothing_to_a_terminal(desk: Desk, words: list[str]) -> None:
    desk.environ["RUNWRAP_QUIET"] = "0"
    if words:
        run(desk, *GIVEN, "true")
    with Terminal(desk, [*desk.wrapper, *(words or [*GIVEN, "true"])], size=(24, 200)) as terminal:
        assert terminal.finish() == 0
    shown = re.sub("\x1b\\[[0-9;]*m", "", bytes(terminal.output).decode()).replace("\r\n", "\n")
    assert r"\x1b]0;" in shown
    assert not CONTROL.search(shown)


@pytest.mark.parametrize(
    "project", ["..", ".", "/", "../../up", "/etc", ".hidden", "a/b", "%", "x" * 300, "a\nb", "~"]
)
def test_project_of_any_name_is_one_folder_among_the_others(desk: Desk, project: str) -> None:
    before = set(desk.folder.parent.iterdir())
    assert run(desk, f"--project={project}", "true").returncode == 0
    root = Path(desk.environ["RUNWRAP_DIR"])
    assert set(desk.folder.parent.iterdir()) - before == {root}
    assert Recorded.of(desk).folder.resolve().parent.parent == root.resolve()
    [name] = os.listdir(root)
    assert re.fullmatch(r"[A-Za-z0-9_%-][A-Za-z0-9._%~-]{0,216}", name)
    assert show(desk)["project"] == project
    assert run(desk, "runs", "--project", project).stdout.count(b"\n") == 2
