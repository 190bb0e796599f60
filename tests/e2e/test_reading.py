"""What the verbs say of runs that really took place, also of damaged ones and of those under way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terminal import Terminal, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(120)

WAITS = ["sh", "-c", "echo one; echo >up; until [ -e go ]; do sleep 0.01; done; echo two"]


@pytest.fixture
def running(bench) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run that has printed `one` and prints `two` when it is told to go."""
    with bench.start("--name", "under-way", *WAITS, stdout=subprocess.DEVNULL) as process:
        try:
            bench.desk.told("up")
            wait_until(lambda: bench.verb("logs", "under-way") == "one\n", "the line is in the log")
            yield process
        finally:
            bench.desk.tell("go")
            process.wait(60)


def finish(bench, process: subprocess.Popen[bytes]) -> None:
    """Let a run that waits go on to its end."""
    bench.desk.tell("go")
    assert process.wait(60) == 0
    bench.settle()


def on_terminal(bench, *words: str, keys: str = "", asks: str = "") -> tuple[int, str]:
    """Call a verb on a terminal, answer what it asks; return its status and what it showed."""
    with Terminal(bench.desk, ["runwrap", *words], size=(24, 160)) as terminal:
        if asks:
            terminal.expect(asks)
            terminal.send(keys)
        return terminal.finish(), terminal.output.decode().replace("\r\n", "\n")


def listed(bench, *filters: str) -> list[str]:
    """Return the names that `runs --json` lists."""
    return [json.loads(line)["name"] for line in bench.verb("runs", "--json", *filters).splitlines()]


def journal_of(bench, word: str) -> Path:
    """Return the journal of a run."""
    return Path(bench.shown(word)["path"], "journal.jsonl")


def test_states_are_right_while_scripts_run_and_after_they_ended_or_died(bench, running) -> None:
    bench.call("runwrap", "--name", "good", "true")
    bench.call("runwrap", "--name", "bad", "sh", "-c", "exit 3", status=3)
    bench.call("runwrap", "--name", "shot", "sh", "-c", "kill -9 $$", status=-signal.SIGKILL)
    with bench.start("--name", "lost", "sh", "-c", "echo >lost-up; exec sleep 100") as process:
        bench.desk.told("lost-up")
        assert bench.shown("lost")["state"] == "running"
        process.kill()
        process.wait()
    wait_until(lambda: bench.shown("lost")["exit"], "the run that lost its wrapper has its end")
    rows = [json.loads(line) for line in bench.verb("runs", "--json").splitlines()]
    assert [(row["name"], row["state"]) for row in rows] == [
        ("lost", "crashed"),
        ("shot", "killed"),
        ("bad", "failed"),
        ("good", "finished"),
        ("under-way", "running"),
    ]
    for row in rows:
        assert listed(bench, "--state", row["state"]) == [row["name"]]
    finish(bench, running)
    assert listed(bench, "--state", "finished") == ["good", "under-way"]
    assert listed(bench, "--state", "running") == []


def test_run_whose_every_process_was_killed_has_crashed(bench) -> None:
    with bench.start("--name", "gone", "sh", "-c", "echo >up; exec sleep 100") as process:
        bench.desk.told("up")
        for pid in sorted(bench.desk.pids()):  # so that none sees the end of another
            os.kill(pid, signal.SIGSTOP)
        bench.desk.sweep()
        assert process.wait(60) == -signal.SIGKILL
    shown = bench.shown("gone")
    assert (shown["state"], shown["cause"], shown["exit"]) == ("crashed", "runwrap was killed", None)
    assert "crashed (runwrap was killed)" in bench.verb("runs")


def test_runs_are_listed_by_project_and_tag_newest_first(bench) -> None:
    for name, project, tags in (
        ("one", "p", "a"),
        ("two", "q", "a,b"),
        ("three", "p", "b"),
        ("four", "p", "a,b"),
    ):
        bench.run("--name", name, "--project", project, "--tags", tags, "true")
    assert listed(bench) == ["four", "three", "two", "one"]
    assert listed(bench, "--project", "p") == ["four", "three", "one"]
    assert listed(bench, "--tag", "a", "--tag", "b") == ["four", "two"]
    assert listed(bench, "--project", "p", "--tag", "a", "--limit", "1") == ["four"]
    head, *rows = [line.split("\t") for line in bench.verb("runs").splitlines()]
    assert head == ["run", "name", "project", "state", "started", "duration", "tags", "cause", "command"]
    assert [(row[1], row[2], row[3], row[6], row[8]) for row in rows] == [
        ("four", "p", "finished", "a b", "true"),
        ("three", "p", "finished", "b", "true"),
        ("two", "q", "finished", "a b", "true"),
        ("one", "p", "finished", "a", "true"),
    ]


def test_table_on_a_terminal_has_aligned_columns_and_says_why(bench) -> None:
    bench.run("--name", "good", "echo", "a b")
    bench.run("--name", "bad", "sh", "-c", "exit 3", status=3)
    status, shown = on_terminal(bench, "runs")
    assert status == 0
    head, *rows = re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()
    at = head.index("command")
    assert [row[at:].rstrip() for row in rows] == ["sh -c 'exit 3'", "echo 'a b'"]
    assert "failed (exited 3)" in rows[0]
    assert re.search(r"finished +\d+ s ago", rows[1])


def test_run_is_found_by_id_beginning_name_project_and_latest(bench) -> None:
    bench.run("--id", "abc-1", "--name", "first", "--project", "p", "true")
    bench.run("--id", "abd-2", "--name", "second", "--project", "p q", "true")
    for word in ("abc-1", "abc", "first", "p/abc-1"):
        assert bench.shown(word)["id"] == "abc-1"
    for word in ("abd-2", "abd", "second", "p q/abd-2", "latest"):
        assert bench.shown(word)["id"] == "abd-2"
    assert bench.verb("show", "abd").startswith("second in p q\n  id        abd-2\n")


def test_word_that_could_mean_several_runs_is_refused_with_their_ids(bench) -> None:
    bench.run("--id", "abc-1", "--project", "p", "true")
    bench.run("--id", "abd-2", "--project", "p", "true")
    for verb in ("show", "logs"):
        said = bench.verb(verb, "ab", status=1).splitlines()
        assert said[0].startswith("runwrap: 'ab' names 2 runs: ")
        assert {"abc-1", "abd-2"} <= set(re.findall(r"ab\w-\d", said[0]))
        assert said[1] == "  hint: use the id"
    bench.run("--id", "abc-1", "--project", "q", "true")
    said = bench.verb("delete", "abc-1", "--yes", status=1).splitlines()
    assert said[1] == "  hint: use PROJECT/ID"
    assert len(listed(bench)) == 3
    assert bench.shown("q/abc-1")["project"] == "q"


def test_logs_give_the_exact_bytes_and_the_streams_apart(bench) -> None:
    speaks = r"printf 'a\377\0\r\n'; printf 'e\033[31mrr\n' >&2; printf 'end without newline'"
    bench.run("sh", "-c", speaks)
    out, err = b"a\xff\x00\r\nend without newline", b"e\x1b[31mrr\n"
    whole = bench.call("runwrap", "logs", "latest", "--raw")
    assert whole == bench.call("runwrap", "logs", "latest") == bench.recorded().log
    assert sorted(whole) == sorted(out + err)
    assert bench.call("runwrap", "logs", "latest", "--stdout") == out
    assert bench.call("runwrap", "logs", "latest", "--stderr", "--raw") == err


BARS = """
import sys
print("begin")
for done in range(0, 101, 10):
    print(f"\\r{done:3}%|{'#' * (done // 10):<10}|", end="", flush=True)
print()
print("first 0%\\nsecond 0%")
for done in range(0, 101, 50):
    print(f"\\x1b[2A\\x1b[2Kfirst {done}%\\n\\x1b[2Ksecond {done}%", flush=True)
print("end")
"""


@pytest.mark.parametrize("recorded_on_terminal", [False, True])
def test_progress_bars_are_settled_as_they_looked_last(bench, recorded_on_terminal: bool) -> None:
    bench.desk.script("bars.py", BARS)
    if recorded_on_terminal:
        with Terminal(bench.desk, ["bash", "-c", "$W $P bars.py; exit"]) as terminal:
            assert terminal.finish() == 0
    else:
        bench.call("bash", "-c", "$W $P bars.py")
    settled = "begin\n100%|##########|\nfirst 100%\nsecond 100%\nend\n"
    assert bench.verb("logs", "latest", "--settled") == settled
    assert on_terminal(bench, "logs", "latest") == (0, settled)
    assert bench.call("runwrap", "logs", "latest").count(b"%|") == 11


@pytest.mark.usefixtures("running")
def test_follower_sees_a_run_on_to_its_end(bench) -> None:
    words = ["runwrap", "logs", "-f", "under-way"]
    with subprocess.Popen(words, cwd=bench.folder, env=bench.environ, stdout=subprocess.PIPE) as follower:
        assert follower.stdout
        assert follower.stdout.readline() == b"one\n"
        assert follower.poll() is None
        bench.desk.tell("go")
        assert follower.stdout.read() == b"two\n"
        assert follower.wait(60) == 0


def test_follower_leaves_when_the_run_has_crashed(bench, running) -> None:
    words = ["runwrap", "logs", "-f", "under-way"]
    with subprocess.Popen(words, cwd=bench.folder, env=bench.environ, stdout=subprocess.PIPE) as follower:
        assert follower.stdout
        assert follower.stdout.readline() == b"one\n"
        running.kill()
        assert follower.stdout.read() == b""
        assert follower.wait(60) == 0
    assert bench.shown("under-way")["state"] == "crashed"


@pytest.mark.parametrize("speed", ["max", "1000", "1"])
def test_replay_keeps_the_order_and_ends(bench, speed: str) -> None:
    bench.run("sh", "-c", "for i in 1 2 3; do seq $i 300; echo e$i >&2; done")
    log = bench.recorded().log
    assert bench.call("runwrap", "logs", "latest", "--replay", speed) == log
    assert bench.call("runwrap", "logs", "latest", "--replay", speed, "--stderr") == b"e1\ne2\ne3\n"


def test_notes_and_tags_change_also_while_the_script_runs(bench, running) -> None:
    bench.verb("note", "under-way", "first thought")
    assert bench.verb("tag", "under-way", "+a", "b") == "a b\n"
    assert listed(bench, "--tag", "b") == ["under-way"]
    finish(bench, running)
    bench.verb("note", "under-way", "second \u2013 better")
    assert bench.verb("tag", "under-way", "-b", "+c") == "a c\n"
    shown = bench.shown("under-way")
    assert (shown["notes"], shown["tags"], shown["state"]) == ("second \u2013 better", ["a", "c"], "finished")
    assert shown["bad_lines"] == 0
    assert [note["text"] for note in bench.recorded().records("note")] == [
        "first thought",
        "second \u2013 better",
    ]


def test_running_run_is_not_deleted_and_a_finished_one_is(bench, running) -> None:
    said = bench.verb("delete", "under-way", "--yes", status=1)
    assert "running" in said
    finish(bench, running)
    assert "--yes" in bench.verb("delete", "under-way", status=2)
    bench.verb("delete", "under-way", "--yes")
    assert listed(bench) == []
    assert list(bench.data.glob("*/*")) == []


def test_delete_asks_on_a_terminal(bench) -> None:
    bench.run("--name", "kept", "true")
    bench.run("--name", "other", "true")
    status, _ = on_terminal(bench, "delete", "kept", asks=r"Remove kept .*\? \[y/N\]", keys="n\r")
    assert (status, listed(bench)) == (1, ["other", "kept"])
    status, _ = on_terminal(bench, "delete", "kept", asks=r"Remove kept .*\? \[y/N\]", keys="y\r")
    assert (status, listed(bench)) == (0, ["other"])


def test_doctor_finds_that_all_works_and_measures_the_cost(bench) -> None:
    status, shown = on_terminal(bench, "doctor")
    lines = {line.split()[1]: line for line in shown.splitlines()}
    assert (status, set(lines)) == (0, {"terminal", "git", "gpu", "settings", "disk", "cost"})
    assert all(line.split()[0] in ("ok", "warn") for line in lines.values())
    assert re.search(r"GB free in ", lines["disk"])
    assert re.search(r"\btrue takes \d+\.\d ms more\b", lines["cost"])
    assert not bench.data.exists()


def test_half_a_last_line_is_passed_over_and_the_next_writer_goes_on(bench) -> None:
    bench.run("--name", "torn", "echo", "hello")
    path = journal_of(bench, "torn")
    with path.open("ab") as journal:
        journal.write(b'{"seq":99,"time":1790000000.1,"kind":"not')
    shown = bench.shown("torn")
    assert (shown["state"], shown["bad_lines"]) == ("finished", 0)
    assert bench.verb("logs", "torn") == "hello\n"
    bench.verb("note", "torn", "after the tear")
    shown = bench.shown("torn")
    assert (shown["notes"], shown["bad_lines"], shown["state"]) == ("after the tear", 1, "finished")
    assert listed(bench) == ["torn"]


def test_damaged_line_in_the_middle_is_reported_and_the_rest_shown(bench) -> None:
    bench.run("--name", "damaged", "--tags", "a", "--notes", "kept", "echo", "hello")
    path = journal_of(bench, "damaged")
    assert "damaged  " not in bench.verb("show", "damaged").partition("\n")[2]
    content = path.read_bytes()
    assert content.count(b'"add":["a"]') == 1
    path.write_bytes(content.replace(b'"add":["a"]', b'"add":["X"]'))
    shown = bench.shown("damaged")
    assert (shown["bad_lines"], shown["tags"]) == (1, [])
    assert (shown["notes"], shown["state"], shown["cause"]) == ("kept", "finished", "exited 0")
    assert re.search(r"^  damaged +1 line of the journal", bench.verb("show", "damaged"), re.MULTILINE)
    assert bench.verb("logs", "damaged") == "hello\n"
    assert listed(bench) == ["damaged"]
