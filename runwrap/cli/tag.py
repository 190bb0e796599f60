"""`runwrap tag RUN +a -b`: give a run tags and take them away."""

from __future__ import annotations

import os

import typer

from runwrap.cli.place import RUN, data_folder, visible
from runwrap.errors import UsageError
from runwrap.store.catalog import find_run
from runwrap.store.journal import Journal


def register(app: typer.Typer) -> None:
    """Add the verb."""
    # `-b` is a tag to take away and no option.
    app.command("tag", context_settings={"ignore_unknown_options": True})(change_tags)


def change_tags(
    run: str = RUN,
    tags: list[str] = typer.Argument(  # noqa: B008  # typer reads it from the signature
        ..., metavar="+TAG|-TAG...", help="+a or a gives the tag a, -a takes it away."
    ),
) -> None:
    """Give a run tags and take them away."""
    removed = [word[1:] for word in tags if word.startswith("-")]
    added = [word.removeprefix("+") for word in tags if not word.startswith("-")]
    if not all([*removed, *added]) or any(
        "," in word or word.split() != [word] for word in [*removed, *added]
    ):
        raise UsageError("a tag is one word without commas", "for example: runwrap tag latest +good -draft")
    view = find_run(data_folder(), run)
    journal = Journal(os.path.join(view.path, "journal.jsonl"))
    journal.append("tag", {"add": added, "remove": removed})
    journal.sync()
    typer.echo(visible(" ".join(find_run(data_folder(), view.id).tags)))
