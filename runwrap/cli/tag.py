"""`runwrap tag RUN +a -b`: give a run tags and take them away."""

from __future__ import annotations

import typer

from runwrap.cli.place import RUN, append, data_folder
from runwrap.errors import UsageError, visible
from runwrap.store.catalog import find_run

EXAMPLE = "for example: runwrap tag latest +good -draft"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    # Behind the run there are no options: `-h` takes the tag h away.
    app.command("tag", context_settings={"allow_interspersed_args": False})(change_tags)


def change_tags(
    run: str = RUN,
    words: list[str] = typer.Argument(  # noqa: B008  # typer reads it from the signature
        ..., metavar="+TAG|-TAG...", help="+a or a gives the tag a, -a takes it away."
    ),
) -> None:
    """Give a run tags and take them away."""
    added, removed = read_words([word for word in words if word != "--"])
    view = find_run(data_folder(), run)
    append(view, "tag", {"add": added, "remove": removed})
    tags = [tag for tag in view.tags if tag not in removed] + added
    typer.echo(visible(" ".join(dict.fromkeys(tags))))


def read_words(words: list[str]) -> tuple[list[str], list[str]]:
    """Tell tags to give from tags to take away. Raises: UsageError."""
    removed = [word[1:] for word in words if word.startswith("-")]
    added = [word.removeprefix("+") for word in words if not word.startswith("-")]
    for tag in [*added, *removed]:
        if tag.startswith("-") or "," in tag or tag.split() != [tag]:
            raise UsageError(f"{visible(tag)!r} is no tag: a tag is one word without commas", EXAMPLE)
    for tag in added:
        if tag in removed:
            raise UsageError(f"{visible(tag)} is given and taken away", EXAMPLE)
    return added, removed
