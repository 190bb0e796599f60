"""`runwrap config KEY=VALUE...`: settings of the experiment from a shell script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwrap.cli.place import ONTO, PAIRS, say_onto
from runwrap.launch.say import line_of

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("config")(write_config)


def write_config(words: list[str] = PAIRS, run: str | None = ONTO) -> None:
    """Record settings of the experiment."""
    say_onto(run, line_of("config", words))
