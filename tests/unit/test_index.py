"""The index may be lost, damaged, locked or impossible: what is read is what the journals say."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runwrap.store import index
from runwrap.store.catalog import Catalog
from runwrap.store.journal import Journal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a root with some runs that have ended, and their index."""
    for number in range(3):
        folder = tmp_path / "p" / f"run{number}"
        folder.mkdir(parents=True)
        journal = Journal(str(folder / "journal.jsonl"))
        journal.append("run", {"started": float(number + 1), "name": f"name{number}", "argv": ["true"]}, 1.0)
        journal.append("config", {"values": {"lr": number}})
        journal.append("exit", {"status": 0, "cause": "exited 0", "duration_s": 1.0})
    Catalog(str(tmp_path)).runs()
    return tmp_path


def read(root: Path) -> list[dict[str, Any]]:
    """Return what a catalog says."""
    return [view.to_json() for view in Catalog(str(root)).runs()]


def count_read(root: Path) -> int:
    """Return how many journals a catalog has to read."""
    catalog = Catalog(str(root))
    catalog.runs()
    return catalog.read_count


def test_the_index_is_for_its_owner_alone(root: Path) -> None:
    for name in ("index.db", "index.db-wal", "index.db-shm"):
        if (root / name).exists():
            assert stat.S_IMODE((root / name).stat().st_mode) == 0o600


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=100))
def test_damage_anywhere_changes_nothing_that_is_read(root: Path, place: float, piece: bytes) -> None:
    (root / "index.db").unlink()
    wanted = read(root)
    content = bytearray((root / "index.db").read_bytes())
    start = int(place * len(content))
    content[start : start + len(piece)] = piece
    (root / "index.db").write_bytes(content)
    assert read(root) == wanted
    assert read(root) == wanted


def test_an_index_of_another_version_is_made_anew(root: Path) -> None:
    wanted = read(root)
    with sqlite3.connect(root / "index.db") as database:
        database.executescript("pragma user_version=99; drop table runs; create table runs (odd)")
    database.close()
    assert read(root) == wanted
    assert count_read(root) == 0


def test_an_index_of_this_version_with_another_shape_is_made_anew(root: Path) -> None:
    wanted = read(root)
    with sqlite3.connect(root / "index.db") as database:
        database.executescript("drop table runs; create table runs (odd)")
    database.close()
    assert read(root) == wanted
    assert count_read(root) == 0


def test_a_locked_index_is_done_without_and_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = read(root)
    monkeypatch.setattr(index, "BUSY_MS", 1)
    Journal(str(root / "p" / "run0" / "journal.jsonl")).append("system", {"values": {}})
    database = sqlite3.connect(root / "index.db", isolation_level=None)
    database.execute("begin immediate")
    assert read(root) == wanted
    database.execute("rollback")
    database.close()
    assert count_read(root) == 1
    assert count_read(root) == 0


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("elsewhere")])
def test_where_no_index_can_be_memory_serves(root: Path, make: Any) -> None:
    wanted = read(root)
    for path in root.glob("index.db*"):
        path.unlink()
    make(root / "index.db")
    assert read(root) == wanted
    assert not (root / "elsewhere").exists()


def test_a_root_that_cannot_be_written_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = read(root)
    for path in root.glob("index.db*"):
        path.unlink()

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(index, "make_private", refuse)
    assert read(root) == wanted
    assert not list(root.glob("index.db*"))


def test_a_root_that_is_not_there_has_no_runs_and_is_not_made(tmp_path: Path) -> None:
    assert Catalog(str(tmp_path / "none")).runs() == []
    assert not (tmp_path / "none").exists()
