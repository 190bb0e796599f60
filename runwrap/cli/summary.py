"""`runwrap summary KEY=VALUE...`: values that stand for the whole run from a shell script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwrap.cli.place import ONTO, PAIRS, say_onto
from runwrap.launch.say import line_of

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("summary")(write_summary)


def write_summary(words: list[str] = PAIRS, run: str | None = ONTO) -> None:
    """Set values that stand for the whole run."""
    say_onto(run, line_of("summary", words))
