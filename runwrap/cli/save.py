"""`runwrap save FILE...`: files that belong to a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import typer

from runwrap.cli.place import ONTO, data_folder, size_in_words
from runwrap.errors import StoreError, UsageError, visible
from runwrap.launch.say import say
from runwrap.store.catalog import find_run
from runwrap.store.files import FileFolder, matches, name_in_run, start_of
from runwrap.store.journal import Journal

if TYPE_CHECKING:
    from runwrap.store.view import RunView

POLICIES = ("now", "live", "end")
FILES = typer.Argument(..., metavar="FILE...", help="Files, folders, or patterns in quotes.")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("save")(save_files)


def save_files(
    files: list[str] = FILES,
    policy: str = typer.Option("now", "--policy", metavar="WHEN", help="now, live or end."),
    base: str = typer.Option(None, "--base", metavar="FOLDER", help="Folder that their names begin at."),
    run: str | None = ONTO,
) -> None:
    """Put files into a run: as they are now; `live`: also when they change; `end`: as they are then."""
    if policy not in POLICIES:
        raise UsageError(f"nobody knows the policy {policy!r}", f"choose one of {', '.join(POLICIES)}")
    view = find_run(data_folder(), run) if run else None
    for file in files:
        path = os.path.abspath(file)
        start = os.path.abspath(base) if base else nearest_start(path)
        kept = keep_onto(view, path, start) if view else keep_around(path, start, policy)
        for data in kept:
            size = f"  {size_in_words(data['size_bytes'])}" if "size_bytes" in data else ""
            typer.echo(visible(f"{data['path']}{size}"))


def nearest_start(path: str) -> str | None:
    """Return the folder that the name of a file begins at, where that is not the one that it lies in."""
    cwd = os.getcwd()
    return cwd if path.startswith(cwd.rstrip("/") + "/") else None


def keep_around(path: str, start: str | None, policy: str) -> list[dict[str, Any]]:
    """Have the run around us keep files. Raises: UsageError, StoreError."""
    answer = say({"kind": "save", "path": path, "policy": policy} | ({"base": start} if start else {}))
    return list(answer["files"])


def keep_onto(view: RunView, path: str, start: str | None) -> list[dict[str, Any]]:
    """Keep files in a run that may have ended. Raises: UsageError, StoreError."""
    folder = FileFolder(os.path.join(view.path, "files"))
    journal = Journal(os.path.join(view.path, "journal.jsonl"))
    kept = []
    for source in matches(path):
        try:
            data = folder.keep(source, name_in_run(source, start or start_of(path)))
        except OSError as error:
            raise StoreError(f"cannot keep {source}: {error.strerror}", "look at the file") from error
        data.pop("is_torn", None)
        journal.append("file", {**data, "policy": "now"})
        kept.append(data)
    journal.sync()
    if not kept:
        raise UsageError(f"there is no file {path!r}", "give the path of one, or a pattern in quotes")
    return kept
