"""The catalog says what the journals say, whatever became of it, and a run's state is right."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runwrap.errors import NoSuchRunError
from runwrap.store.catalog import Catalog, complete_runs, find_run
from runwrap.store.journal import Journal
from runwrap.store.liveness import boot_id, pid_namespace, pid_started
from runwrap.store.removal import RunningError, remove_run

ENDED = {"status": 0, "signal": None, "cause": "exited 0", "duration_s": 2.0}


def make_run(root: Path, run_id: str, *, project: str = "p", started: float = 1.0, **more) -> Journal:
    """Write the beginning of a run as the launcher does."""
    folder = root / project / run_id
    (folder / "files").mkdir(parents=True)
    journal = Journal(str(folder / "journal.jsonl"))
    facts = {"id": run_id, "project": project, "name": f"name-{run_id}", "argv": ["true"], "started": started}
    journal.append("run", facts | process() | more, started)
    return journal


def process(pid: int | None = None) -> dict[str, object]:
    """Say which process writes, as a run record does."""
    pid = pid or os.getpid()
    ids = {"boot_id": boot_id(), "pid_namespace": pid_namespace(), "pid_started": pid_started(pid)}
    return {"host": os.uname().nodename, "pid": pid} | ids


def dead_process() -> dict[str, object]:
    """Say so of a process that has ended since."""
    child = subprocess.Popen(["sleep", "100"])
    facts = process(child.pid)
    child.kill()
    child.wait()
    return facts


def test_runs_are_listed_newest_first_with_what_their_records_say(tmp_path: Path) -> None:
    journal = make_run(tmp_path, "a", started=1.0)
    journal.append("config", {"values": {"lr": 0.1, "deep": {"x": 1}}, "source": "flag"})
    journal.append("config", {"values": {"lr": 0.2}, "source": "api"})
    journal.append("tag", {"add": ["one", "two"], "remove": []})
    journal.append("tag", {"add": ["three"], "remove": ["one"]})
    journal.append("note", {"text": "first"})
    journal.append("note", {"text": "second"})
    journal.append("history", {"values": {"loss": 1.0}, "step": 0})
    journal.append("exit", ENDED)
    make_run(tmp_path, "b", started=2.0)
    newer, older = Catalog(str(tmp_path)).runs()
    assert (newer.id, older.id) == ("b", "a")
    assert older.to_json()["config"] == {"lr": 0.2, "deep": {"x": 1}}
    shown = find_run(str(tmp_path), "a").to_json()
    assert shown["config"] == {"lr": 0.2, "deep": {"x": 1}}
    assert shown["tags"] == ["two", "three"]
    assert shown["notes"] == "second"
    assert shown["history"] == {
        "loss": {"count": 1, "last": 1.0, "min": 1.0, "max": 1.0, "mean": 1.0, "numbers": 1}
    }
    assert (shown["state"], shown["cause"], shown["duration_s"]) == ("finished", "exited 0", 2.0)


def test_only_journals_that_grew_are_read_again(tmp_path: Path) -> None:
    for number in range(30):
        make_run(tmp_path, f"r{number:02}")
    first, second, third = (Catalog(str(tmp_path)) for _ in range(3))
    first.runs()
    assert first.read_count == 30
    second.runs()
    assert second.read_count == 0
    Journal(str(tmp_path / "p" / "r07" / "journal.jsonl")).append("note", {"text": "new"})
    views = third.runs()
    assert third.read_count == 1
    assert {view.id for view in views if view.notes == "new"} == {"r07"}


def test_a_run_that_was_removed_is_gone_from_the_catalog(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    make_run(tmp_path, "b")
    Catalog(str(tmp_path)).runs()
    shutil.rmtree(tmp_path / "p" / "a")
    assert [view.id for view in Catalog(str(tmp_path)).runs()] == ["b"]


@pytest.mark.parametrize("damage", ["delete", "overwrite", "truncate", "folder"])
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: str) -> None:
    make_run(tmp_path, "a")
    Catalog(str(tmp_path)).runs()
    index = tmp_path / "index.db"
    if damage == "overwrite":
        index.write_bytes(b"garbage" * 5000)
    elif damage == "truncate":
        os.truncate(index, 3000)
    else:
        index.unlink()
    if damage == "folder":
        index.mkdir()
    assert [view.id for view in Catalog(str(tmp_path)).runs()] == ["a"]


def test_a_run_in_progress_is_running(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    assert find_run(str(tmp_path), "a").state == "running"


def test_a_wrapper_that_died_since_is_seen_though_the_journal_did_not_grow(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "100"])
    make_run(tmp_path, "a", **process(child.pid))
    assert Catalog(str(tmp_path)).runs()[0].state == "running"
    child.kill()
    child.wait()
    assert Catalog(str(tmp_path)).runs()[0].decide() == ("crashed", "runwrap was killed")


@pytest.mark.parametrize(
    ("change", "state", "cause"),
    [
        ({"pid_started": 1}, "crashed", "runwrap was killed"),
        ({"boot_id": "another"}, "crashed", "the machine restarted"),
        ({"host": "elsewhere", "boot_id": "another"}, "running", "on elsewhere"),
        ({"pid_namespace": "pid:[1]"}, "running", "in another container"),
        ({"pid": None}, "crashed", "runwrap was killed"),
    ],
)
def test_state_without_an_end_is_decided_by_the_process(
    tmp_path: Path, change: dict[str, object], state: str, cause: str
) -> None:
    make_run(tmp_path, "a", **(process() | change))
    assert find_run(str(tmp_path), "a").decide() == (state, cause)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (ENDED, "finished"),
        (ENDED | {"status": 3, "cause": "exited 3"}, "failed"),
        (ENDED | {"status": None, "signal": "SIGKILL", "cause": "killed by SIGKILL"}, "killed"),
        (ENDED | {"status": None, "lost": True, "cause": "runwrap was killed"}, "crashed"),
    ],
)
def test_state_with_an_end_is_what_the_end_says(tmp_path: Path, end: dict[str, object], state: str) -> None:
    make_run(tmp_path, "a", **dead_process()).append("exit", end)
    assert find_run(str(tmp_path), "a").decide() == (state, end["cause"])


def test_a_resumed_run_is_running_again(tmp_path: Path) -> None:
    journal = make_run(tmp_path, "a")
    journal.append("exit", ENDED)
    journal.append("run", {"id": "a", "started": 5.0, "resumed": True} | process())
    assert find_run(str(tmp_path), "a").state == "running"


def test_runs_are_found_by_id_prefix_name_and_latest(tmp_path: Path) -> None:
    make_run(tmp_path, "abc1", started=1.0)
    make_run(tmp_path, "abd2", started=2.0, project="q")
    root = str(tmp_path)
    assert [find_run(root, word).id for word in ("abc1", "abc", "name-abd2", "latest")] == [
        "abc1",
        "abc1",
        "abd2",
        "abd2",
    ]
    with pytest.raises(NoSuchRunError, match=r"names 2 runs: abd2 \(q, running\), abc1 \(p, running\)"):
        find_run(root, "ab")
    with pytest.raises(NoSuchRunError) as caught:
        find_run(root, "name-abd")
    assert "name-abd2" in caught.value.hint


@pytest.mark.parametrize("word", ["", "../p/abc1", "../root/p/abc1", ".", "..", "\0"])
def test_no_word_leads_out_of_the_root(tmp_path: Path, word: str) -> None:
    make_run(tmp_path / "root", "abc1")
    with pytest.raises(NoSuchRunError):
        find_run(str(tmp_path / "root"), word)


def test_one_id_in_two_projects_is_told_apart_by_the_project(tmp_path: Path) -> None:
    make_run(tmp_path, "best", project="p")
    make_run(tmp_path, "best", project="q")
    with pytest.raises(NoSuchRunError, match="2 runs") as caught:
        find_run(str(tmp_path), "best")
    assert caught.value.hint == "use PROJECT/ID"
    assert find_run(str(tmp_path), "q/best").project == "q"


def test_of_several_runs_of_one_name_the_newest_is_found_only_where_that_is_wanted(tmp_path: Path) -> None:
    make_run(tmp_path, "older", started=1.0, name="nightly")
    make_run(tmp_path, "newer", started=2.0, name="nightly")
    assert find_run(str(tmp_path), "nightly", newest=True).id == "newer"
    with pytest.raises(NoSuchRunError, match="2 runs"):
        find_run(str(tmp_path), "nightly")


def test_names_in_errors_do_no_harm(tmp_path: Path) -> None:
    for number in range(2):
        make_run(tmp_path, f"a{number}", name="evil\x1b[2J", project="p", started=float(number))
    for word in ("evil\x1b[2J", "evil"):
        with pytest.raises(NoSuchRunError) as caught:
            find_run(str(tmp_path), word)
        assert (str(caught.value) + caught.value.hint).isprintable()


def test_names_and_ids_are_completed(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    assert complete_runs(str(tmp_path), "name-") == [("name-a", "running, p")]
    assert complete_runs(str(tmp_path), "a") == [("a", "running, p")]
    assert complete_runs(str(tmp_path), "") == [("name-a", "running, p")]
    assert complete_runs(str(tmp_path), "other") == []


def test_records_of_the_wrong_shape_are_counted_and_change_nothing(tmp_path: Path) -> None:
    journal = make_run(tmp_path, "a")
    for kind in ("run", "config", "history", "fact", "tag", "note", "file", "notice", "exit", "summary"):
        journal.append(kind, {"values": 1, "add": 2, "name": [], "started": "x", "path": None})
    view = Catalog(str(tmp_path)).runs()[0]
    assert view.name == "name-a"
    assert view.bad_lines > 0


@pytest.mark.parametrize("change", ["replaced", "edited", "cut"])
def test_a_journal_that_is_another_one_now_is_read_from_its_start(tmp_path: Path, change: str) -> None:
    journal = make_run(tmp_path, "a")
    journal.append("note", {"text": "first"})
    assert Catalog(str(tmp_path)).runs()[0].notes == "first"
    path = Path(journal.path)
    lines = path.read_bytes().splitlines(keepends=True)
    if change == "replaced":
        (tmp_path / "other").write_bytes(lines[0])
        other = Journal(str(tmp_path / "other"))
        other.append("note", {"text": "second " * 100})
        Path(other.path).rename(path)
    elif change == "edited":
        path.write_bytes(lines[0] + lines[1].replace(b"first", b"furst"))
    else:
        path.write_bytes(lines[0])
    notes = Catalog(str(tmp_path)).runs()[0].notes
    assert notes == {"replaced": "second " * 100, "edited": "", "cut": ""}[change]


def test_a_long_journal_is_read_on_from_where_the_index_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = make_run(tmp_path, "a")
    points = [("history", {"values": {"loss": 1.0}, "step": step}, 1.0) for step in range(1000)]
    journal.append_many(points)
    journal.append("file", {"path": "model.pt", "sha256": "0", "size_bytes": 1})
    monkeypatch.setattr("runwrap.store.catalog.SMALL_BYTES", 1000)
    before = find_run(str(tmp_path), "a").to_json()
    journal.append_many(points)
    after = find_run(str(tmp_path), "a").to_json()
    assert [shown["history"]["loss"]["count"] for shown in (before, after)] == [1000, 2000]
    assert after["files"] == [{"path": "model.pt", "sha256": "0", "size_bytes": 1}]
    catalog = Catalog(str(tmp_path))
    assert catalog.whole(str(tmp_path / "p" / "a")).history["loss"]["count"] == 2000
    assert catalog.read_count == 0


def test_what_is_no_run_folder_is_passed_over(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make_run(root, "a")
    make_run(tmp_path / "elsewhere", "outside")
    (root / "p" / "link").symlink_to(tmp_path / "elsewhere" / "p" / "outside")
    (root / "linked").symlink_to(tmp_path / "elsewhere" / "p")
    (root / "p" / "empty").mkdir()
    (root / "p" / "odd" / "journal.jsonl").mkdir(parents=True)
    (root / "p" / "file").touch()
    os.mkdir(os.fsencode(root / "p") + b"/\xff")
    make_run(root, ".deleted-x")
    assert [view.id for view in Catalog(str(root)).runs()] == ["a"]
    for word in ("link", "outside", "empty", "odd", ".deleted-x"):
        with pytest.raises(NoSuchRunError):
            find_run(str(root), word)


def test_a_process_that_ended_and_was_not_asked_about_yet_is_dead(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "100"])
    make_run(tmp_path, "a", **process(child.pid))
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert find_run(str(tmp_path), "a").decide() == ("crashed", "runwrap was killed")
    child.wait()


def test_a_run_without_a_whole_first_record_is_listed_all_the_same(tmp_path: Path) -> None:
    journal = make_run(tmp_path, "a")
    journal.append("note", {"text": "still here"})
    path = Path(journal.path)
    path.write_bytes(path.read_bytes().replace(b'"kind":"run"', b'"kind":"rum"', 1))
    view = Catalog(str(tmp_path)).runs()[0]
    assert (view.name, view.project, view.notes, view.bad_lines) == ("a", "p", "still here", 1)
    assert view.decide() == ("crashed", "its first record is damaged")


def test_what_is_left_of_a_removal_cut_short_goes_with_the_next(tmp_path: Path) -> None:
    make_run(tmp_path, ".deleted-a")
    make_run(tmp_path, "b").append("exit", ENDED)
    remove_run(find_run(str(tmp_path), "b"))
    assert list((tmp_path / "p").iterdir()) == []


def test_a_running_run_is_not_removed_and_an_ended_one_wholly(tmp_path: Path) -> None:
    journal = make_run(tmp_path / "root", "a")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (tmp_path / "root" / "p" / "a" / "files" / "link").symlink_to(outside)
    with pytest.raises(RunningError):
        remove_run(find_run(str(tmp_path / "root"), "a"))
    journal.append("exit", ENDED)
    remove_run(find_run(str(tmp_path / "root"), "a"))
    assert list((tmp_path / "root" / "p").iterdir()) == []
    assert (outside / "kept").exists()
