"""`runwrap show RUN`: everything that is known of a run."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import typer

from runwrap.cli.place import (
    RUN,
    age_in_words,
    data_folder,
    duration_in_words,
    moment,
    on_terminal,
    size_in_words,
)
from runwrap.errors import visible
from runwrap.live.spark import spark
from runwrap.live.words import (
    amount_in_words,
    count_in_words,
    energy_in_words,
    quantity_of,
    usage_in_words,
)
from runwrap.store.catalog import find_run
from runwrap.store.metric import number_of
from runwrap.store.shape import means

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runwrap.store.view import RunView

MOST_LINES = 30
LONGEST_KEY = 30
LONGEST_PART = 200
SPARK_COLUMNS = 24
CORES = "host_cpu_percent/"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("show")(show_run)


def show_run(run: str = RUN, as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Show what is known of a run."""
    view = find_run(data_folder(), run, newest=True)
    if as_json:
        typer.echo(json.dumps(view.to_json(), indent=2, allow_nan=False))
        return
    bold = on_terminal()
    for title, lines in sections(view):
        if lines:
            typer.echo(typer.style(title, bold=True) if bold else title)
            for line in lines[:MOST_LINES]:
                typer.echo(f"  {visible(line)}")
            if len(lines) > MOST_LINES:
                typer.echo(f"  and {len(lines) - MOST_LINES} more: --json")


def sections(view: RunView) -> list[tuple[str, list[str]]]:
    """Write a run as titled lists of lines."""
    return [
        (visible(f"{view.name} in {view.project}"), overview(view)),
        ("config", pairs(view.config)),
        ("summary", pairs(view.summary)),
        ("history", history_lines(view)),
        ("system", system_lines(view)),
        ("git", pairs(as_table(view.facts.get("git")))),
        ("host", pairs(as_table(view.facts.get("host")))),
        ("environment", pairs(as_table(view.facts.get("environment")))),
        ("packages", pairs(as_table(view.facts.get("packages")))),
        ("masked", masked(view.facts.get("masked"))),
        ("files", pairs({path: size_in_words(file["size_bytes"]) for path, file in view.files.items()})),
        ("notices", [f"{notice['level']}: {notice['part']}: {notice['text']}" for notice in view.notices]),
    ]


def overview(view: RunView) -> list[str]:
    """Say the most important things."""
    state, cause = view.decide()
    end = view.exit or {}
    rows = {
        "id": view.id,
        "state": f"{state} ({cause})" if cause else state,
        "cause": view.cause_detail,
        "command": shlex.join(map(str, view.argv)),
        "folder": view.document.get("cwd"),
        "started": f"{moment(view.started)} ({age_in_words(view.started)})",
        "duration": duration_in_words(view.duration_s),
        "cpu": cpu(end),
        "memory": memory(end),
        "usage": usage_in_words(view.facts.get("usage")),
        "energy": energy_in_words(view.facts.get("energy")),
        "tags": " ".join(view.tags),
        "note": view.notes,
        "damaged": damage(view.bad_lines),
        "kept in": view.path,
    }
    return pairs({key: value for key, value in rows.items() if value})


def history_lines(view: RunView) -> list[str]:
    """Draw each metric in a line: its shape, and its last, least and greatest value."""
    rows = []
    for name, facts in view.history.items():
        drawn = spark(means(view.shapes[name], SPARK_COLUMNS)) if name in view.shapes else ""
        values = [said(word, facts.get(word), "") for word in ("last", "min", "max")]
        rows.append([name, drawn, *values, count_in_words(facts["count"], "point")])
    return aligned(rows)


def system_lines(view: RunView) -> list[str]:
    """Say what was used, last and at most; single cores are left to --json."""
    return aligned(
        [
            [name, *(said(word, facts.get(word), quantity_of(name).unit) for word in ("last", "mean", "max"))]
            for name, facts in view.system.items()
            if not name.startswith(CORES)
        ]
    )


def said(word: str, value: object, unit: str) -> str:
    """Say a number with what it is, as far as there is one."""
    number = number_of(value)
    return "" if number is None else f"{word} {amount_in_words(number, unit)}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Write rows of texts as columns; what is too long pushes the rest of its line."""
    widths = [min(LONGEST_KEY, max(map(len, map(visible, column)))) for column in zip(*rows, strict=False)]
    return [
        "  ".join(f"{visible(cell):<{width}}" for cell, width in zip(row, widths, strict=False)).rstrip()
        for row in rows
    ]


def cpu(end: dict[str, Any]) -> str:
    """Say what the script used of the processor."""
    user_s, system_s = end.get("cpu_user_s"), end.get("cpu_system_s")
    if not isinstance(user_s, (int, float)) or not isinstance(system_s, (int, float)):
        return ""
    return f"{user_s:.2f} s user, {system_s:.2f} s system"


def memory(end: dict[str, Any]) -> str:
    """Say how much memory the script used at most."""
    size = end.get("memory_peak_bytes")
    return f"{size / 1e6:.0f} MB at most" if isinstance(size, (int, float)) else ""


def damage(count: int) -> str:
    """Say how many lines of the journal are lost."""
    return f"{count} line{'s'[: count != 1]} of the journal cannot be read" if count else ""


def as_table(value: object) -> dict[str, Any]:
    """Return a fact as a table of what is known."""
    if isinstance(value, dict):
        return {key: part for key, part in value.items() if part not in (None, [], {}, "")}
    return {} if value is None else {"value": value}


def masked(fact: object) -> list[str]:
    """Say how many secrets of which kind were masked."""
    kinds = as_table(fact).get("kinds")
    return pairs(kinds) if isinstance(kinds, dict) else []


def pairs(table: dict[str, Any]) -> list[str]:
    """Write a table as aligned lines."""
    width = min(LONGEST_KEY, max(map(len, map(str, table)), default=0))
    lines = []
    for key, value in table.items():
        first, *more = in_words(key, value).split("\n")
        lines += [f"{key!s:<{width}}  {first}", *(f"{'':<{width}}  {line}" for line in more)]
    return lines


def in_words(key: str, value: object) -> str:
    """Write a value short."""
    if isinstance(value, str):
        return value
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    if isinstance(value, (int, float)) and key.endswith("_bytes"):
        return size_in_words(value)
    if isinstance(value, dict) and "_type" in value:
        return medium_in_words(value)
    return json.dumps(value, ensure_ascii=False)


def medium_in_words(value: dict[str, Any]) -> str:
    """Say what kind of medium a value is, and where it lies."""
    size = f" {value['width']}x{value['height']}" if "width" in value and "height" in value else ""
    parts = [f"{value['_type']}{size}", value.get("path"), value.get("caption")]
    return "  ".join(str(part)[:LONGEST_PART] for part in parts if part)
