"""Where the verbs look for runs, and how they write what comes from outside."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import typer

from runwrap.errors import RunwrapError, visible
from runwrap.launch.masking import masked_records
from runwrap.launch.options import OPTIONS
from runwrap.launch.say import say
from runwrap.live.words import bytes_in_words
from runwrap.secrets.firewall import Firewall
from runwrap.settings import data_root, load
from runwrap.store.catalog import complete_runs, find_run
from runwrap.store.journal import Journal

if TYPE_CHECKING:
    from runwrap.store.view import RunView

MINUTE_S = 60
# What a shell that puts a completed word on its line, as it is, would take for more than a part of the word.
SHELL_SYNTAX = frozenset(" !\"#$&'()*;<=>?[\\]^`{|}~")
UTC = timezone.utc


def data_folder() -> str:
    """Return the root of all runs, from the settings."""
    return data_root(load({}, os.environ, working_folder(), OPTIONS), os.environ)


def working_folder() -> str:
    """Return the current folder."""
    try:
        return os.getcwd()
    except OSError:
        return "/"  # it has been deleted, and runs can be read all the same


def complete(incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of a run in a shell; a run whose name is shell syntax goes by its id."""
    try:
        found = complete_runs(data_folder(), incomplete)
    except (RunwrapError, OSError, ValueError):
        return []  # a shell that waits for a completion is no place for an error
    if incomplete and "latest".startswith(incomplete):
        found.append(("latest", "the newest run"))
    return [(name, visible(about)) for name, about in found if name.isprintable() and is_plain(name)]


def is_plain(name: str) -> bool:
    """Tell whether a name can stand on a command line without quotes."""
    return SHELL_SYNTAX.isdisjoint(name) and not name.startswith("-")


RUN = typer.Argument(
    ...,
    metavar="RUN",
    help="A run's id, the beginning of it, its name, or `latest`.",
    autocompletion=complete,
)


PAIRS = typer.Argument(..., metavar="KEY=VALUE...", help="Values, JSON or text.")
ONTO = typer.Option(
    None, "--run", metavar="RUN", help="Onto this run, not the one around.", autocompletion=complete
)


def say_onto(run: str | None, line: dict[str, Any]) -> None:
    """Say one line to a run, which may have ended, or else to the run around us.

    Raises: StoreError, UsageError.
    """
    if run is None:
        say(line)
        return
    view = find_run(data_folder(), run)
    data = {key: value for key, value in line.items() if key != "kind"}
    if line["kind"] == "history":
        data = {"step": view.document["last_step"] + 1, **data, "source": "command"}
    append(view, line["kind"], data)


def append(view: RunView, kind: str, data: dict[str, Any]) -> None:
    """Append a record to a run, without its secrets. Raises: StoreError, UsageError."""
    firewall = Firewall(os.environ, load({}, os.environ, working_folder(), OPTIONS).mask)
    now_s = time.time()
    journal = Journal(os.path.join(view.path, "journal.jsonl"))
    journal.append_many(masked_records(firewall, [(kind, data, now_s)]))
    journal.sync()


def on_terminal() -> bool:
    """Tell whether people read what is printed."""
    return sys.stdout is not None and sys.stdout.isatty()


def moment(time_s: float) -> str:
    """Write a moment as programs and people can read it: 2026-01-31T09:05:00+00:00, here and now."""
    return datetime.fromtimestamp(time_s, UTC).astimezone().isoformat(timespec="seconds") if time_s else "-"


def age_in_words(started_s: float) -> str:
    """Say how long ago something began."""
    passed_s = max(0.0, time.time() - started_s)
    for name, size_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed_s >= size_s:
            return f"{int(passed_s // size_s)} {name} ago"
    return f"{int(passed_s)} s ago"


def size_in_words(size_bytes: object) -> str:
    """Say how large something is, as far as it is known."""
    return bytes_in_words(size_bytes) if isinstance(size_bytes, (int, float)) else "-"


def duration_in_words(duration_s: float | None) -> str:
    """Say how long something took."""
    if duration_s is None:
        return "-"
    if duration_s < MINUTE_S:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
