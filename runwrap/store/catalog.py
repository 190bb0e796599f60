"""The catalog: every run under one root, and how a word finds one."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Any

from runwrap.errors import NoSuchRunError
from runwrap.store.cause import last_words
from runwrap.store.layout import project_folder
from runwrap.store.reading import JournalReader
from runwrap.store.view import RunView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwrap.store.index import Index

JOURNAL, INDEX = "journal.jsonl", "index.db"
MOST_NAMED = 8
MOST_COMPLETED = 100
# A journal of this size is read in no time; beyond it the index knows how far it has been read.
SMALL_BYTES = 4 << 20
# What lists of runs do without, as it may be long.
IN_FULL_ONLY = (
    "facts",
    "files",
    "notices",
    "alerts",
    "history",
    "metrics",
    "by_hand",
    "system",
    "shapes",
    "stretches",
)


def journals(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every run folder, as its place under the root, with the state of its journal."""
    for project in folders(root):
        for run in folders(project.path):
            state = journal_state(run.path)
            if state:
                yield f"{project.name}/{run.name}", state


def journal_state(run_path: str) -> os.stat_result | None:
    """Return the state of a run's journal; none where it has none, as what is no run."""
    try:
        state = os.stat(os.path.join(run_path, JOURNAL), follow_symlinks=False)
    except OSError:
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def folders(path: str) -> list[os.DirEntry[str]]:
    """List the folders in a folder; hidden ones are being deleted, and odd names are not ours."""
    try:
        with os.scandir(path) as entries:
            return [e for e in entries if e.name[0] != "." and e.name.isprintable() and is_folder(e)]
    except OSError:
        return []


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder and no link to one."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def read_run(path: str, document: dict[str, Any] | None = None, offset: int = 0) -> tuple[RunView, int]:
    """Reduce a run's records, from an offset on; return the view and the offset behind it."""
    view = RunView(path, document)
    reader = JournalReader(os.path.join(path, JOURNAL), offset)
    for record in reader.records():
        view.apply(record)
    view.document["bad_lines"] += reader.bad_lines
    if view.has_failed:
        view.document["cause_detail"] = last_words(path, view.stretches)
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
    """All runs of a root. A damaged index is made anew, and where none can be kept memory serves."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.read_count = 0

    def runs(self) -> list[RunView]:
        """Return every run in brief, newest first, reading only what was appended since the last time."""
        if not os.path.isdir(self.root):
            return []
        with self.opened() as (_, views):
            return sorted(views, key=lambda view: (view.started, view.id), reverse=True)

    def whole(self, path: str) -> RunView:
        """Return one run with all that is known of it."""
        with self.opened() as (index, _):
            document = index.document(os.path.relpath(path, self.root))
        return RunView(path, document) if document else read_run(path)[0]

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[Index, list[RunView]]]:
        """Open the index, up to date, and return what it holds."""
        from runwrap.store import index

        with contextlib.ExitStack() as stack:
            for path in (os.path.join(self.root, INDEX), os.path.join(self.root, INDEX), None):
                try:
                    opened = stack.enter_context(index.Index(path))
                    views = self.refreshed(opened)
                except (index.DamagedIndexError, UnicodeDecodeError):
                    stack.close()
                    index.remove(str(path))
                except index.NoIndexError:
                    stack.close()
                else:
                    break
            yield opened, views

    def refreshed(self, index: Index) -> list[RunView]:
        """Read the rows, then what the journals say beyond them."""
        from runwrap.store.index import sealed, unsealed

        rows = index.rows()
        views, changed = [], []
        for place, state in journals(self.root):
            path = os.path.join(self.root, place)
            row = rows.pop(place, None)
            known = (row.inode, row.size, row.mtime_ns) if row else None
            found = {"inode": state.st_ino, "size": state.st_size, "mtime_ns": state.st_mtime_ns}
            if row and known == tuple(found.values()) and (document := unsealed(row.brief)):
                views.append(RunView(path, document))
                continue
            view, offset = self.catch_up(path, row, state, index)
            brief = {key: value for key, value in view.document.items() if key not in IN_FULL_ONLY}
            views.append(RunView(path, brief))
            texts = {"brief": sealed(brief), "document": sealed(view.document)}
            changed.append({"path": place, "offset": offset, **found, **texts})
        if changed or rows:
            index.write(changed, list(rows))
        return views

    def catch_up(self, path: str, row: Any, state: os.stat_result, index: Index) -> tuple[RunView, int]:
        """Read on where the row ends; from the start where the journal is another one or has been changed."""
        self.read_count += 1
        if row and row.inode == state.st_ino and row.offset <= row.size < state.st_size:
            document = index.document(row.path)
            if document:
                return read_run(path, document, row.offset)
        return read_run(path)


def find_run(root: str, word: str, *, newest: bool = False, project: str | None = None) -> RunView:
    """Find a run by its id, PROJECT/ID, its name, the beginning of its id, or as `latest`.

    With a project, only its runs are looked at.
    Where several have the name there is no answer, or, if wanted, the newest of them.
    Raises: NoSuchRunError.
    """
    paths = [] if word == "latest" or project is not None else with_id(root, word)
    if len(paths) != 1:
        views = [view for view in Catalog(root).runs() if project in (None, view.project)]
        paths = [view.path for view in matching(views, root, word, newest=newest)]
    if os.path.getsize(os.path.join(paths[0], JOURNAL)) <= SMALL_BYTES:
        return read_run(paths[0])[0]
    return Catalog(root).whole(paths[0])


def with_id(root: str, word: str) -> list[str]:
    """Return the folders of the runs with an id, or with PROJECT/ID."""
    project, slash, run_id = word.rpartition("/")
    return [
        run.path
        for folder in folders(root)
        if not slash or folder.name == project_folder(project)
        for run in folders(folder.path)
        if run.name == run_id and journal_state(run.path)
    ]


def matching(views: list[RunView], root: str, word: str, *, newest: bool) -> list[RunView]:
    """Return the one run that a word means. Raises: NoSuchRunError."""
    if not views:
        raise NoSuchRunError("there is no run yet", f"record one: runwrap COMMAND (looked in {root})")
    if word == "latest":
        return views[:1]
    called = [view for view in views if view.name == word]
    found = (
        [view for view in views if view.id == word]
        or (called[:1] if newest else called)
        or [view for view in views if word and view.id.startswith(word)]
    )
    if len(found) != 1:
        raise NoSuchRunError(*explained(word, found, views))
    return found


def explained(word: str, found: list[RunView], views: list[RunView]) -> tuple[str, str]:
    """Say why a word names no run, or not one alone."""
    if found:
        named = [f"{view.id} ({printable(view.project)}, {view.state})" for view in found[:MOST_NAMED]]
        more = [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
        alike = len({view.id for view in found}) < len(found)
        return (
            f"{word!r} names {len(found)} runs: {', '.join(named + more)}",
            f"use {'PROJECT/ID' if alike else 'the id'}",
        )
    import difflib

    near = difflib.get_close_matches(word, [name for view in views for name in (view.name, view.id)], 3)
    hint = f"did you mean {' or '.join(map(printable, near))}?" if near else "list them: runwrap runs"
    return f"no run is called {word!r}", hint


def printable(name: str) -> str:
    """Write a name so that it can do no harm in a message."""
    return name if name.isprintable() else repr(name)


def complete_runs(root: str, beginning: str) -> list[tuple[str, str]]:
    """Return names and ids of runs that begin so, with a word about each, newest first."""
    found: dict[str, str] = {}
    for view in Catalog(root).runs():
        for word in (view.name, view.id):
            if word.startswith(beginning) and (beginning or word == view.name):
                found.setdefault(word, f"{view.state}, {view.project}")
    return list(found.items())[:MOST_COMPLETED]
