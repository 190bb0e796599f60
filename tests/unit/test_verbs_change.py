"""The verbs that change what is kept do it to the right run, and only when that is meant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from runwrap.store.journal import Journal

COMMAND = str(Path(sys.executable).with_name("runwrap"))
ENDED = {"status": 0, "signal": None, "cause": "exited 0", "duration_s": 2.0}
TIMEOUT_S = 60


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return the environment for a root of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RUNWRAP_")}
    return kept | {"RUNWRAP_DIR": str(tmp_path / "data"), "TERM": "xterm"}


def make_run(tmp_path: Path, run_id: str, name: str, started: float = 1.0) -> Path:
    """Write a run that has ended."""
    folder = tmp_path / "data" / "p" / run_id
    folder.mkdir(parents=True)
    journal = Journal(str(folder / "journal.jsonl"))
    journal.append("run", {"project": "p", "name": name, "argv": ["true"], "started": started}, started)
    journal.append("exit", ENDED)
    return folder


def call(environ: dict[str, str], *words: str, status: int = 0, cwd: Path | None = None) -> str:
    """Run a verb and return what it says."""
    done = subprocess.run(
        [COMMAND, *words],
        env=environ,
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def shown(environ: dict[str, str], run: str) -> dict[str, object]:
    """Return what is known of a run."""
    document: dict[str, object] = json.loads(call(environ, "show", run, "--json"))
    return document


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        (["+a", "b", "+c"], ["a", "b", "c"]),
        (["+a", "+a"], ["a"]),
        (["+help", "-the", "-h", "-y"], ["help"]),
        (["--", "a"], ["a"]),
        (["+ä[b]"], ["ä[b]"]),
    ],
)
def test_tags_are_given(tmp_path: Path, environ: dict[str, str], words: list[str], tags: list[str]) -> None:
    make_run(tmp_path, "one", "first")
    assert call(environ, "tag", "one", *words) == " ".join(tags) + "\n"
    assert shown(environ, "one")["tags"] == tags


def test_tags_are_taken_away(tmp_path: Path, environ: dict[str, str]) -> None:
    make_run(tmp_path, "one", "first")
    call(environ, "tag", "one", "a", "draft", "h")
    assert call(environ, "tag", "one", "-draft", "-h", "+b", "-never-had") == "a b\n"


@pytest.mark.parametrize("words", [[], ["+"], ["-"], ["a,b"], ["a b"], ["--json"], ["+a", "-a"], [""]])
def test_what_is_no_tag_is_refused(tmp_path: Path, environ: dict[str, str], words: list[str]) -> None:
    make_run(tmp_path, "one", "first")
    assert call(environ, "tag", "one", *words, status=2).startswith("runwrap: ")
    assert shown(environ, "one")["tags"] == []


def test_a_note_may_have_lines_and_begin_like_an_option(tmp_path: Path, environ: dict[str, str]) -> None:
    make_run(tmp_path, "one", "first")
    call(environ, "note", "one", "--", "-1 was\nbetter \x1b[31m")
    assert shown(environ, "one")["notes"] == "-1 was\nbetter \x1b[31m"
    text = call(environ, "show", "one")
    assert "-1 was\n" in text
    assert "better \\x1b[31m\n" in text


def test_to_change_one_of_several_of_a_name_takes_its_id(tmp_path: Path, environ: dict[str, str]) -> None:
    make_run(tmp_path, "older", "nightly", 1.0)
    make_run(tmp_path, "newer", "nightly", 2.0)
    assert shown(environ, "nightly")["id"] == "newer"
    for words in (["note", "nightly", "x"], ["tag", "nightly", "x"], ["delete", "nightly", "--yes"]):
        told = call(environ, *words, status=1)
        assert "'nightly' names 2 runs: newer (p, finished), older (p, finished)" in told
        assert "hint: use the id" in told
    call(environ, "delete", "older", "--yes")
    assert shown(environ, "nightly")["id"] == "newer"


@pytest.mark.parametrize(("answer", "kept"), [("n", True), ("", True), ("y", False)])
def test_on_a_terminal_delete_asks(tmp_path: Path, environ: dict[str, str], answer: str, kept: bool) -> None:
    folder = make_run(tmp_path, "one", "evil\x1b[2J[bold]")
    child = pexpect.spawn(COMMAND, ["delete", "one"], env=environ, timeout=TIMEOUT_S, encoding="utf-8")
    child.expect_exact("Remove evil\\x1b[2J[bold] (one) in p, finished? [y/N]:")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == kept
    assert folder.exists() is kept


def test_delete_with_yes_does_not_ask(tmp_path: Path, environ: dict[str, str]) -> None:
    folder = make_run(tmp_path, "one", "first")
    assert call(environ, "delete", "--yes", "first") == "removed first (one) in p, finished\n"
    assert not folder.exists()
    assert call(environ, "show", "one", status=1)


def test_a_folder_that_was_deleted_is_a_place_to_read_from(tmp_path: Path, environ: dict[str, str]) -> None:
    make_run(tmp_path, "one", "first")
    gone = tmp_path / "gone"
    gone.mkdir()
    line = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", COMMAND, "runs"]
    done = subprocess.run(line, env=environ, cwd=gone, capture_output=True, text=True, check=True)
    assert "first" in done.stdout


@pytest.mark.parametrize("verb", ["show", "logs", "note", "tag", "delete"])
def test_runs_are_completed_for_every_verb(tmp_path: Path, environ: dict[str, str], verb: str) -> None:
    make_run(tmp_path, "one", "amber-fox-1")
    make_run(tmp_path, "two", "evil\n\x1b[31m")
    asks = {"_RUNWRAP_COMPLETE": "complete_bash", "COMP_CWORD": "2"}
    assert call(environ | asks | {"COMP_WORDS": f"runwrap {verb} am"}).split() == ["amber-fox-1"]
    assert call(environ | asks | {"COMP_WORDS": f"runwrap {verb} on"}).split() == ["one"]
    everything = call(environ | asks | {"COMP_WORDS": f"runwrap {verb} "})
    assert everything.split() == ["amber-fox-1"]
    broken = environ | asks | {"COMP_WORDS": f"runwrap {verb} am", "RUNWRAP_NO_GIT": "perhaps"}
    assert call(broken).strip() == ""


@pytest.mark.parametrize(("columns", "has"), [(200, "tags"), (70, "name")])
def test_the_table_fits_the_terminal(tmp_path: Path, environ: dict[str, str], columns: int, has: str) -> None:
    make_run(tmp_path, "1m83vnwgkkdjx", "amber-falcon-81")
    call(environ, "tag", "latest", "night")
    child = pexpect.spawn(
        COMMAND, ["runs"], env=environ, timeout=TIMEOUT_S, encoding="utf-8", dimensions=(30, columns)
    )
    child.expect(pexpect.EOF)
    lines = [line for line in (child.before or "").split("\r\n") if line]
    assert len(lines) == 2
    assert has in lines[0]
    assert "amber-falcon-81" in lines[1]
