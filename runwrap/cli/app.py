"""Conducts the verbs: one typer app made from them and from the table of options, and one way to fail."""

from __future__ import annotations

import inspect
import io
import os
import shlex
import shutil
import sys
from typing import Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from runwrap.cli import (
    alert,
    config,
    delete,
    doctor,
    live,
    log,
    logs,
    note,
    runs,
    save,
    scan,
    settings,
    show,
    summary,
    tag,
)
from runwrap.errors import NoSuchRunError, RunwrapError, StoreError, UsageError, complain
from runwrap.launch.options import OPTIONS, Option, grown

ABOUT = """Put runwrap in front of any command and it becomes a tracked experiment.

The options end at the first word that is none; it and what follows is the command. A first word that is
one of the verbs below is the verb; after -- it is a command all the same. Each option is also an
environment variable (RUNWRAP_PROJECT) and, mostly, a key in runwrap.toml: `runwrap settings` shows them."""
COMMAND = "COMMAND"
KILLED_BY_SIGPIPE, KILLED_BY_SIGINT = 141, 130

# Click's own UsageError, which typer has under a private name only.
UsageFault = cast("type[typer.BadParameter]", typer.BadParameter.__base__)


class Door(TyperGroup):
    """What stands behind `runwrap`: verbs, and any other word is a command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the verb; a word that is none is given to the command, whole."""
        if args[0] in self.commands and args[0] != COMMAND:
            return super().resolve_command(ctx, args)
        return COMMAND, self.commands[COMMAND], ["--", *args]

    def invoke(self, ctx: Any) -> Any:
        """Do what was asked, quietly where nobody reads on or ctrl-C is pressed."""
        try:
            result = super().invoke(ctx)
            if sys.stdout:
                sys.stdout.flush()
        except BrokenPipeError:
            mute()
            raise typer.Exit(KILLED_BY_SIGPIPE) from None
        except KeyboardInterrupt:
            raise typer.Exit(KILLED_BY_SIGINT) from None
        return result


def make_app() -> typer.Typer:
    """Make the app of all verbs."""
    app = typer.Typer(
        name="runwrap",
        cls=Door,
        help=ABOUT,
        callback=with_launch_options(read_options),
        context_settings={"help_option_names": ["-h", "--help"]},
        options_metavar="[options]",
        subcommand_metavar="COMMAND [ARGS...]",
        rich_markup_mode=None,
    )
    for verb in (
        runs,
        show,
        live,
        logs,
        note,
        tag,
        delete,
        log,
        config,
        summary,
        alert,
        save,
        scan,
        settings,
        doctor,
    ):
        verb.register(app)
    app.command(COMMAND, hidden=True)(read_command)
    return app


def with_launch_options(function: Any) -> Any:
    """Give a function the signature that typer makes the options of the launch from."""
    version = typer.Option(False, "--version", is_eager=True, callback=say_version, help="Say the version.")
    function.__signature__ = inspect.Signature(
        [
            parameter("context", typer.Context),
            *(parameter(option.name, *declared(option)) for option in OPTIONS),
            parameter("version", bool, version),
        ]
    )
    return function


def parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    """Make one parameter of a signature."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def declared(option: Option) -> tuple[Any, Any]:
    """Declare an option of the table to typer: its annotation and its default."""
    if option.kind == "flag":
        return bool, typer.Option(False, option.flag, help=option.help)
    # A list for every kind, so that each occurrence is looked at, as the fast path does.
    wants = typer.Option(None, option.flag, metavar=option.metavar, help=option.help, show_default=False)
    return list[str] | None, wants


def read_options(context: typer.Context, **values: Any) -> None:
    """Put what was given into the context, read as the fast path reads it. Raises: UsageError."""
    given: dict[str, object] = {}
    for option in OPTIONS:
        if option.kind == "flag" and values[option.name]:
            given[option.name] = True
        elif option.kind != "flag":
            for text in values[option.name] or ():
                given[option.name] = grown(option, given.get(option.name), text)
    context.ensure_object(dict)["given"] = given


def read_command(context: typer.Context, words: list[str]) -> None:
    """Put the command into the context: `__main__` launches, on its own fast path."""
    context.ensure_object(dict)["words"] = words


def say_version(asked: bool) -> None:
    """Print the version and leave."""
    if asked:
        from runwrap import __version__

        typer.echo(f"runwrap {__version__}")
        raise typer.Exit


def main(argv: list[str]) -> int:
    """Do what a verb says and return the status to exit with."""
    try:
        make_printable()
        status = get_command(make_app()).main(argv, prog_name="runwrap", standalone_mode=False)
    except (UsageFault, RunwrapError, OSError) as error:
        return complain(told(error, argv))
    except SystemExit as leave:
        status = leave.code
    except typer.Abort:
        status = 1
    return status if isinstance(status, int) else 0


def told(error: Exception, argv: list[str]) -> RunwrapError:
    """Return an error as one of ours."""
    if isinstance(error, UsageFault):
        return UsageError(sentence(error), with_way_to_program(usage(error), argv))
    if isinstance(error, OSError):
        mute()
        about = f": {error.filename}" if error.filename else ""
        return StoreError(f"{error.strerror}{about}")
    assert isinstance(error, RunwrapError)
    if isinstance(error, NoSuchRunError):
        error.hint = with_way_to_program(error.hint, argv)
    return error


def make_printable() -> None:
    """Let names that are not text be printed all the same, escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def mute() -> None:
    """Point stdout nowhere, so that what it still holds fails no more when Python ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def sentence(error: typer.BadParameter) -> str:
    """Return what typer has to say as one line like ours."""
    text = " ".join(error.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]


def usage(error: typer.BadParameter) -> str:
    """Return the verb's usage as one line."""
    return "usage:" + " ".join(error.ctx.get_usage().split()).removeprefix("Usage:") if error.ctx else ""


def with_way_to_program(hint: str, argv: list[str]) -> str:
    """Add to a hint how to reach the program that is named like the verb, if there is one."""
    path = shutil.which(argv[0]) if argv else None
    way = f"to run the program {path}: runwrap -- {shlex.join(argv)}" if path else ""
    return "; ".join(part for part in (hint, way) if part)
