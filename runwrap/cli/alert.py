"""`runwrap alert TITLE [TEXT]`: something that people should know now."""

from __future__ import annotations

import typer

from runwrap.cli.place import ONTO, say_onto


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("alert")(write_alert)


def write_alert(
    title: str = typer.Argument(..., metavar="TITLE", help="What it is about."),
    text: str = typer.Argument("", metavar="[TEXT]", help="What there is to say of it."),
    level: str = typer.Option("info", "--level", metavar="LEVEL", help="info, warning or error."),
    run: str | None = ONTO,
) -> None:
    """Record something that people should know now."""
    say_onto(run, {"kind": "alert", "title": title, "text": text, "level": level})
