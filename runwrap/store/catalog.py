"""The catalog: one row a run in index.db, never the truth, rebuilt from the journals at will."""

from __future__ import annotations

import json
import os
from typing import Any

from runwrap.errors import NoSuchRunError
from runwrap.store.reading import JournalReader
from runwrap.store.view import RunView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

# Raised when the shape of a row or of a document changes: an older index is then made anew.
VERSION = 1
MOST_NAMED = 8


def journal_paths(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every run folder of a root, with the state of its journal."""
    for project in folders(root):
        for run in folders(project.path):
            try:
                state = os.stat(os.path.join(run.path, "journal.jsonl"), follow_symlinks=False)
            except OSError:
                continue
            yield run.path, state


def folders(path: str) -> list[os.DirEntry[str]]:
    """List the folders in a folder; hidden ones are being deleted."""
    try:
        with os.scandir(path) as entries:
            return [e for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:
        return []


def read_run(path: str, document: dict[str, Any] | None = None, offset: int = 0) -> tuple[RunView, int]:
    """Reduce a run's records, from an offset on; return the view and the offset behind it."""
    view = RunView(path, document)
    reader = JournalReader(os.path.join(path, "journal.jsonl"), offset)
    for record in reader.records():
        view.apply(record)
    view.document["bad_lines"] += reader.bad_lines
    return view, reader.offset


class RunWatch:
    """Follows one run's records to tell when it is over."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.view, self.offset = read_run(path)

    def is_over(self) -> bool:
        """Read on, and tell whether the run has ended or crashed."""
        self.view, self.offset = read_run(self.path, self.view.document, self.offset)
        return self.view.state != "running"


class Catalog:
    """All runs of a root. A damaged index is made anew, and where none can be written memory serves."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.read_count = 0

    def runs(self) -> list[RunView]:
        """Return every run, newest first, reading only what was appended since the last time."""
        from sqlalchemy.exc import DatabaseError

        path = os.path.join(self.root, "index.db")
        try:
            views = self.refresh(path)
        except DatabaseError:
            remove_index(path)
            try:
                views = self.refresh(path)
            except DatabaseError:
                views = self.refresh(None)
        return sorted(views, key=lambda view: (view.started, view.id), reverse=True)

    def refresh(self, path: str | None) -> list[RunView]:
        """Bring the index up to date and return what it holds."""
        from sqlalchemy import create_engine, event
        from sqlalchemy.pool import NullPool

        if not os.path.isdir(self.root):
            return []
        engine = create_engine(f"sqlite:///{path}" if path else "sqlite://", poolclass=NullPool)

        @event.listens_for(engine, "connect")
        def set_up(connection: Any, _: object) -> None:
            connection.execute("pragma busy_timeout=5000")
            if path:
                connection.execute("pragma journal_mode=wal")
                connection.execute("pragma synchronous=off")  # it can be rebuilt

        with engine.begin() as connection:
            return self.follow(connection)

    def follow(self, connection: Connection) -> list[RunView]:
        """Read the rows, then what the journals say beyond them."""
        from sqlalchemy import text

        if connection.execute(text("pragma user_version")).scalar() != VERSION:
            connection.execute(text("drop table if exists runs"))
            connection.execute(text(f"pragma user_version={VERSION}"))
        connection.execute(
            text(
                "create table if not exists runs (path text primary key, size integer, mtime_ns integer,"
                " offset integer, document text) without rowid"
            )
        )
        rows = {row.path: row for row in connection.execute(text("select * from runs"))}
        views, changed = [], []
        for path, state in journal_paths(self.root):
            row = rows.pop(os.path.relpath(path, self.root), None)
            if row is not None and (row.size, row.mtime_ns) == (state.st_size, state.st_mtime_ns):
                views.append(RunView(path, json.loads(row.document)))
                continue
            view, offset = self.catch_up(path, row, state.st_size)
            views.append(view)
            changed.append(
                {
                    "path": os.path.relpath(path, self.root),
                    "size": state.st_size,
                    "mtime_ns": state.st_mtime_ns,
                    "offset": offset,
                    "document": json.dumps(view.document),
                }
            )
        self.write(connection, changed, list(rows))
        return views

    def catch_up(self, path: str, row: Any, size: int) -> tuple[RunView, int]:
        """Read on where the row ends; from the start where the journal has been replaced."""
        self.read_count += 1
        if row is not None and row.offset <= row.size <= size:
            return read_run(path, json.loads(row.document), row.offset)
        return read_run(path)

    def write(self, connection: Connection, changed: list[dict[str, Any]], gone: list[str]) -> None:
        """Write what has changed, if anything has."""
        from sqlalchemy import text

        if changed:
            insert = text("insert or replace into runs values (:path, :size, :mtime_ns, :offset, :document)")
            connection.execute(insert, changed)
        if gone:
            connection.execute(text("delete from runs where path=:path"), [{"path": path} for path in gone])


def remove_index(path: str) -> None:
    """Remove an index that cannot be read."""
    for suffix in ("", "-wal", "-shm"):
        try:
            os.unlink(path + suffix)
        except OSError:
            pass


def find_run(root: str, word: str) -> RunView:
    """Find a run by its id, by the beginning of it, by its name, or as `latest`.

    Raises: NoSuchRunError, also where several answer.
    """
    for project in folders(root):
        path = os.path.join(project.path, word)
        if word and os.sep not in word and os.path.isfile(os.path.join(path, "journal.jsonl")):
            return read_run(path)[0]
    views = Catalog(root).runs()
    if not views:
        raise NoSuchRunError("there is no run yet", f"record one: runwrap COMMAND (looked in {root})")
    if word == "latest":
        return views[0]
    found = [view for view in views if view.name == word] or [
        v for v in views if word and v.id.startswith(word)
    ]
    if len(found) == 1:
        return found[0]
    raise NoSuchRunError(*explain(word, found, views))


def explain(word: str, found: list[RunView], views: list[RunView]) -> tuple[str, str]:
    """Say why a word names no run, or not one alone."""
    if found:
        listed = ", ".join(f"{view.id} ({view.project})" for view in found[:MOST_NAMED])
        return f"{word!r} names {len(found)} runs: {listed}", "use the id"
    import difflib

    near = difflib.get_close_matches(word, [view.name for view in views], 3)
    hint = f"did you mean {' or '.join(near)}?" if near else "list them: runwrap runs"
    return f"no run is called {word!r}", hint


def complete_runs(root: str, beginning: str) -> list[tuple[str, str]]:
    """Return names of runs that begin so, with a word about each, newest first."""
    return [
        (view.name, f"{view.state}, {view.project}")
        for view in Catalog(root).runs()
        if view.name.startswith(beginning)
    ][:100]
