"""`runwrap live [RUN]`: a run drawn in the terminal, as it goes on."""

from __future__ import annotations

import os
import sys

import typer

from runwrap.cli.place import complete, data_folder
from runwrap.errors import UsageError
from runwrap.store.catalog import find_run

RUN = typer.Argument(
    "latest",
    metavar="[RUN]",
    help="A run's id, the beginning of it, its name, or `latest`.",
    autocompletion=complete,
)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("live")(draw_run)


def draw_run(
    run: str = RUN,
    project: str = typer.Option(None, "--project", help="Look among the runs of this project only."),
) -> None:
    """Draw a run in the terminal while it runs, or afterwards: metrics, system, output. q leaves."""
    view = find_run(data_folder(), run, newest=True, project=project)
    require_terminal(view.id)
    from runwrap.live.app import show  # with a library that no other verb needs

    show(view.path)


def require_terminal(run_id: str) -> None:
    """Refuse to draw where there is no terminal. Raises: UsageError."""
    streams = (sys.stdin, sys.stdout)
    drawn = all(stream is not None and stream.isatty() for stream in streams)
    if not drawn or os.environ.get("TERM", "dumb") == "dumb":
        hint = f"elsewhere: runwrap show {run_id}, or runwrap logs -f {run_id}"
        raise UsageError("live draws on a terminal, and this is none", hint)
