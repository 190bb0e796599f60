"""`runwrap runs`: the table of runs, newest first."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import typer

from runwrap.cli.place import age_in_words, data_folder, duration_in_words, visible
from runwrap.errors import UsageError
from runwrap.record import STATES
from runwrap.store.catalog import Catalog

if TYPE_CHECKING:
    from runwrap.store.view import RunView

COLUMNS = ("run", "name", "project", "state", "started", "duration", "tags", "command")
COLOURS = {"running": "cyan", "finished": "green", "failed": "red", "killed": "yellow", "crashed": "magenta"}
SHOWN_ON_TERMINAL = 50
LONGEST_COMMAND = 60


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("runs")(list_runs)


def list_runs(
    project: str = typer.Option(None, "--project", help="Only runs of this project."),
    tag: list[str] = typer.Option(  # noqa: B008  # typer reads it from the signature
        None, "--tag", help="Only runs with this tag; repeat for several."
    ),
    state: str = typer.Option(None, "--state", help=f"Only runs in this state: {', '.join(STATES)}."),
    limit: int = typer.Option(None, "--limit", min=0, help="At most so many; 50 on a terminal."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON, one run a line."),
) -> None:
    """List the runs, newest first."""
    if state is not None and state not in STATES:
        raise UsageError(f"--state {state}: no such state", f"one of {', '.join(STATES)}")
    wanted = [view for view in Catalog(data_folder()).runs() if fits(view, project, tag or [], state)]
    on_terminal = sys.stdout.isatty()
    most = limit if limit is not None else SHOWN_ON_TERMINAL if on_terminal and not as_json else len(wanted)
    if as_json:
        for view in wanted[:most]:
            typer.echo(json.dumps(view.to_json(), allow_nan=False))
    elif on_terminal:
        print_table(wanted[:most], len(wanted))
    else:
        for row in [COLUMNS, *map(cells, wanted[:most])]:
            typer.echo("\t".join(row))


def fits(view: RunView, project: str | None, tags: list[str], state: str | None) -> bool:
    """Tell whether a run is one of those asked for."""
    if project is not None and view.project != project:
        return False
    return set(tags) <= set(view.tags) and (state is None or view.state == state)


def cells(view: RunView) -> tuple[str, ...]:
    """Write a run as the cells of a row."""
    state, cause = view.decide()
    shown = f"{state} ({cause})" if cause and state not in ("finished", "running") else state
    command = shlex.join(map(str, view.argv))
    if len(command) > LONGEST_COMMAND:
        command = command[: LONGEST_COMMAND - 1] + "…"
    parts = [view.id, view.name, view.project, shown, age_in_words(view.started)]
    parts += [duration_in_words(view.duration_s), " ".join(view.tags), command]
    return tuple(map(visible, parts))


def print_table(views: list[RunView], count: int) -> None:
    """Print the table that people read."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in COLUMNS:
        table.add_column(
            name, overflow="ellipsis", no_wrap=True, min_width=len(name) if name == "state" else None
        )
    for view in views:
        # Text objects, as names are not markup.
        row = [Text(cell) for cell in cells(view)]
        row[3].stylize(COLOURS[view.state])
        table.add_row(*row)
    Console().print(table)
    if count > len(views):
        typer.echo(f"{count - len(views)} more: --limit {count}")
