"""`runwrap runs`: the table of runs, newest first."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import typer

from runwrap.cli.place import age_in_words, data_folder, duration_in_words, moment, on_terminal
from runwrap.errors import UsageError, visible
from runwrap.record import STATES
from runwrap.store.catalog import Catalog

if TYPE_CHECKING:
    from runwrap.store.view import RunView

COLUMNS = ("run", "name", "project", "state", "started", "duration", "tags", "cause", "command")
COLOURS = {"running": "cyan", "finished": "green", "failed": "red", "killed": "yellow", "crashed": "magenta"}
SHOWN_ON_TERMINAL = 50
LEFT_OUT = ("tags", "duration", "project", "cause")
LEAST_COMMAND, LEAST_CAUSE = 20, 24
GAP = 2
GIVING_WAY = ("name", "project", "tags", "cause", "command")
STATE, CAUSE = COLUMNS.index("state"), COLUMNS.index("cause")
MOST_SHOWN = 500
LONGEST_CAUSE = 60


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
    for_people = on_terminal() and not as_json
    most = limit if limit is not None else SHOWN_ON_TERMINAL if for_people else len(wanted)
    if as_json:
        for view in wanted[:most]:
            typer.echo(json.dumps(view.to_json(), allow_nan=False))
    elif for_people:
        print_table(wanted[:most], len(wanted))
    else:
        for row in [COLUMNS, *(cells(view, moment(view.started)) for view in wanted[:most])]:
            typer.echo("\t".join(row))


def fits(view: RunView, project: str | None, tags: list[str], state: str | None) -> bool:
    """Tell whether a run is one of those asked for."""
    if project is not None and view.project != project:
        return False
    return set(tags) <= set(view.tags) and (state is None or view.state == state)


def cells(view: RunView, started: str) -> tuple[str, ...]:
    """Write a run as the cells of a row."""
    state, cause = view.decide()
    shown = f"{state} ({cause})" if cause and state not in ("finished", "running") else state
    parts = [view.id, view.name, view.project, shown, started]
    parts += [duration_in_words(view.duration_s), " ".join(view.tags), view.cause_detail[:LONGEST_CAUSE]]
    return tuple(map(visible, [*parts, shlex.join(view.argv)]))


def columns_for(rows: list[tuple[str, ...]], width: int) -> list[int]:
    """Choose columns: none that is empty, and fewer where the command would find no room."""
    natural = [max((len(row[place]) for row in rows), default=0) for place in range(len(COLUMNS))]
    natural[CAUSE] = min(natural[CAUSE], LEAST_CAUSE)
    columns = [place for place, size in enumerate(natural) if size or not rows]
    for name in LEFT_OUT:
        place = COLUMNS.index(name)
        if place in columns and sum(natural[other] + GAP for other in columns[:-1]) + LEAST_COMMAND > width:
            columns.remove(place)
    return columns


def print_table(views: list[RunView], count: int) -> None:
    """Print the table that people read."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    rows = [cells(view, age_in_words(view.started)) for view in views]
    columns = columns_for(rows, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for column in columns:
        # Only columns that may wrap give way where it is narrow; their cells end in an ellipsis instead.
        table.add_column(COLUMNS[column], no_wrap=COLUMNS[column] not in GIVING_WAY)
    for row in rows:
        # Text objects, as names are not markup.
        texts = [Text(cell[:MOST_SHOWN], no_wrap=True, overflow="ellipsis") for cell in row]
        texts[STATE].stylize(COLOURS[row[STATE].split()[0]])
        table.add_row(*(texts[column] for column in columns))
    console.print(table)
    if count > len(views):
        typer.echo(f"{count - len(views)} more: --limit {count}")
