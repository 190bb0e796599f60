"""`runwrap note RUN TEXT`: say what a run was for, or what came of it."""

from __future__ import annotations

import typer

from runwrap.cli.place import RUN, append, data_folder
from runwrap.store.catalog import find_run


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("note")(write_note)


def write_note(run: str = RUN, text: str = typer.Argument(..., metavar="TEXT", help="The note.")) -> None:
    """Write the note of a run; it replaces the one before, which the journal keeps."""
    append(find_run(data_folder(), run), "note", {"text": text})
