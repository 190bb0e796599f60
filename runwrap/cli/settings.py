"""`runwrap settings`: every setting, its value, and where that came from."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import typer

from runwrap.errors import visible
from runwrap.launch.options import OPTIONS
from runwrap.settings import Settings, data_root, load

if TYPE_CHECKING:
    from collections.abc import Sequence


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("settings")(show_settings)


def show_settings(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Show every setting, its value, and where that came from."""
    settings = load({}, os.environ, os.getcwd(), OPTIONS)
    found = values(settings)
    if as_json:
        origins = {name: {"value": value, "origin": settings.origin[name]} for name, value in found.items()}
        typer.echo(json.dumps(origins, indent=2))
        return
    rows = [(name, in_words(value), settings.origin[name]) for name, value in found.items()]
    for line in aligned([("setting", "value", "from"), *rows]):
        typer.echo(visible(line))


def values(settings: Settings) -> dict[str, object]:
    """Return the value of every setting; `dir` is the folder that is used where it is not set."""
    found = {option.name: getattr(settings, option.name) for option in OPTIONS}
    found["dir"] = data_root(settings, os.environ)
    return found


def in_words(value: object) -> str:
    """Write a value for a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False) if value else "-"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lay rows out in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
