"""`runwrap delete RUN`: remove a run for good."""

from __future__ import annotations

import sys

import typer

from runwrap.cli.place import RUN, data_folder
from runwrap.errors import UsageError, visible
from runwrap.store.catalog import find_run
from runwrap.store.removal import remove_run


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("delete")(delete_run)


def delete_run(run: str = RUN, yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask.")) -> None:
    """Remove a run and everything in it; never one that is running."""
    root = data_folder()
    view = find_run(root, run)
    about = visible(f"{view.name} ({view.id}) in {view.project}, {view.state}")
    if not yes:
        if sys.stdin is None or not sys.stdin.isatty():
            raise UsageError("delete asks before it removes, and here is nobody to ask", "add --yes")
        typer.confirm(f"Remove {about}?", abort=True)
    remove_run(view)
    typer.echo(f"removed {about}")
