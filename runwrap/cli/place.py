"""Where the verbs look for runs, and how they write what comes from outside."""

from __future__ import annotations

import os
import time
import unicodedata

import typer

from runwrap.launch.options import OPTIONS
from runwrap.settings import data_root, load
from runwrap.store.catalog import complete_runs

MINUTE_S = 60
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def data_folder() -> str:
    """Return the root of all runs, from the settings."""
    return data_root(load({}, os.environ, os.getcwd(), OPTIONS), os.environ)


def complete(incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of a run in a shell."""
    try:
        return [(visible(name), visible(about)) for name, about in complete_runs(data_folder(), incomplete)]
    except (OSError, ValueError):
        return []  # a shell that waits for a completion is no place for an error


RUN = typer.Argument(
    ...,
    metavar="RUN",
    help="A run's id, the beginning of it, its name, or `latest`.",
    autocompletion=complete,
)


def visible(text: object) -> str:
    """Make what comes from outside harmless on a terminal: control characters are written out."""
    return "".join(written_out(c) if unicodedata.category(c) in HIDDEN else c for c in str(text))


def written_out(character: str) -> str:
    """Write a character as an escape of Python's."""
    return (
        repr(character)[1:-1]
        if character.isascii()
        else character.encode("ascii", "backslashreplace").decode()
    )


def age_in_words(started_s: float) -> str:
    """Say how long ago something began."""
    passed_s = max(0.0, time.time() - started_s)
    for name, size_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed_s >= size_s:
            return f"{int(passed_s // size_s)} {name} ago"
    return f"{int(passed_s)} s ago"


def duration_in_words(duration_s: float | None) -> str:
    """Say how long something took."""
    if duration_s is None:
        return "-"
    if duration_s < MINUTE_S:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
