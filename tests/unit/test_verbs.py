"""The verbs read back real runs, and nothing that a run is called does harm on a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("runwrap"))


@pytest.fixture
def run(tmp_path: Path):
    """Return a function that runs runwrap on a root of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("RUNWRAP_")}
    environ = kept | {"RUNWRAP_DIR": str(tmp_path / "data"), "COLUMNS": "300"}

    def call(*words: str, status: int = 0, **more) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [COMMAND, *words],
            env=environ,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=60,
            check=False,
            **more,
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return call


def on_terminal(words: list[str], environ: dict[str, str]) -> bytes:
    """Run a command on a terminal and return what it shows."""
    master, slave = pty.openpty()
    with subprocess.Popen(words, env=environ, stdin=slave, stdout=slave, stderr=slave):
        os.close(slave)
        shown = b""
        try:
            while piece := os.read(master, 4096):
                shown += piece
        except OSError:  # what a terminal says when nobody has it open any more
            pass
    os.close(master)
    return shown


def test_a_run_is_shown_with_all_that_was_said_of_it(run) -> None:
    options = ["--project", "vision", "--name", "first", "--tags", "a,b", "--notes", "why", "--group", "g"]
    run(
        *options,
        "--job-type",
        "train",
        "--config",
        "lr=0.1",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 3",
        status=3,
    )
    shown = json.loads(run("show", "latest", "--json").stdout)
    wanted = {
        "project": "vision",
        "name": "first",
        "tags": ["a", "b"],
        "notes": "why",
        "group": "g",
        "job_type": "train",
        "config": {"lr": 0.1},
        "argv": ["sh", "-c", "echo out; echo err >&2; exit 3"],
        "state": "failed",
        "cause": "exited 3",
    }
    assert {key: shown[key] for key in wanted} == wanted
    assert shown["exit"]["status"] == 3
    assert shown["exit"]["duration_s"] > 0
    assert shown["exit"]["memory_peak_bytes"] > 0
    assert shown["facts"]["host"]["cpu_count"] == os.cpu_count()
    assert "first in vision" in run("show", "first").stdout


def test_the_packages_of_the_scripts_interpreter_are_kept(run, tmp_path: Path) -> None:
    run(sys.executable, "-c", "pass")
    shown = json.loads(run("show", "latest", "--json").stdout)
    assert shown["facts"]["packages"]["interpreter"] == sys.executable
    folder = next((tmp_path / "data").glob("*/*/files"))
    assert "pytest==" in (folder / "requirements.txt").read_text()


def test_runs_are_filtered_by_project_tag_and_state(run) -> None:
    run("--project", "p", "--name", "one", "--tags", "x", "true")
    run("--project", "p", "--name", "two", "--tags", "x,y", "false", status=1)
    run("--project", "q", "--name", "three", "true")

    def names(*filters: str) -> list[str]:
        return [json.loads(line)["name"] for line in run("runs", "--json", *filters).stdout.splitlines()]

    assert names() == ["three", "two", "one"]
    assert names("--project", "p") == ["two", "one"]
    assert names("--tag", "x", "--tag", "y") == ["two"]
    assert names("--state", "failed") == ["two"]
    assert names("--limit", "1") == ["three"]
    run("runs", "--state", "sleeping", status=2)


def test_piped_the_table_is_plain_text_with_tabs(run) -> None:
    run("--name", "one", "true")
    head, row = run("runs").stdout.splitlines()
    assert head.split("\t")[:4] == ["run", "name", "project", "state"]
    assert row.split("\t")[1] == "one"
    assert "\x1b" not in row


def test_names_from_outside_do_no_harm_on_a_terminal(run, tmp_path: Path) -> None:
    evil = "[red]x[/red]\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n"
    run("--name", evil, "--project", evil, "--notes", evil, "--config", f"k={evil}", "echo", evil)
    environ = os.environ | {"RUNWRAP_DIR": str(tmp_path / "data"), "TERM": "xterm", "COLUMNS": "300"}
    for words in (["runs"], ["show", "latest"]):
        shown = on_terminal([COMMAND, *words], environ)
        for harm in (b"\x1b]", b"\x07", b"\x1b[2J", "\x9b".encode(), "\u202e".encode()):
            assert harm not in shown
        assert b"[red]x[/red]" in shown


def test_notes_are_replaced_and_tags_given_and_taken(run) -> None:
    run("--name", "one", "--tags", "a", "true")
    run("note", "one", "what came of it")
    assert run("tag", "one", "+b", "c", "-a").stdout == "b c\n"
    shown = json.loads(run("show", "one", "--json").stdout)
    assert (shown["notes"], shown["tags"]) == ("what came of it", ["b", "c"])
    run("tag", "one", "+", status=2)
    run("tag", "one", "a,b", status=2)


def test_delete_asks_nobody_who_is_not_there(run, tmp_path: Path) -> None:
    run("--name", "one", "true")
    assert "--yes" in run("delete", "one", status=2).stderr
    run("delete", "one", "--yes")
    assert run("runs").stdout.count("\n") == 1
    assert [path.name for path in (tmp_path / "data").glob("*/*")] == []


def test_a_running_run_is_not_deleted(run) -> None:
    root = json.loads(run("settings", "--json").stdout)["dir"]["value"]
    words = [COMMAND, "--name", "long", "sh", "-c", "echo up; read x"]
    with subprocess.Popen(
        words, env=os.environ | {"RUNWRAP_DIR": root}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        assert "running" in run("delete", "long", "--yes", status=1).stderr
        assert process.stdin
        process.stdin.close()


def test_a_word_that_names_no_run_says_what_is_near(run) -> None:
    run("--name", "amber-fox-1", "true")
    assert "did you mean amber-fox-1?" in run("show", "amber-fox-2", status=1).stderr


def test_without_any_run_the_way_to_one_is_said(run) -> None:
    assert "runwrap COMMAND" in run("show", "latest", status=1).stderr
    assert run("runs", "--json").stdout == ""
