"""`runwrap log KEY=VALUE...`: a row of metrics from a shell script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runwrap.cli.place import ONTO, PAIRS, say_onto
from runwrap.launch.say import line_of

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("log")(log_row)


def log_row(words: list[str] = PAIRS, run: str | None = ONTO) -> None:
    """Log a row of metrics; `step=4` says which step it is, else it is the next one."""
    say_onto(run, line_of("log", words))
