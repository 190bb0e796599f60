"""`runwrap logs RUN`: what a run has printed."""

from __future__ import annotations

import math
import os
import sys
from typing import TYPE_CHECKING

import typer

from runwrap.cli.place import RUN, data_folder, on_terminal
from runwrap.errors import UsageError
from runwrap.store.catalog import RunWatch, find_run
from runwrap.store.output import Output, follow, paced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("logs")(show_logs)


def show_logs(  # noqa: PLR0913, PLR0917  # an argument for each option
    run: str = RUN,
    as_it_comes: bool = typer.Option(False, "--follow", "-f", help="Go on until the run ends."),
    stdout: bool = typer.Option(False, "--stdout", help="Only what was written to stdout."),
    stderr: bool = typer.Option(False, "--stderr", help="Only what was written to stderr."),
    raw: bool = typer.Option(False, "--raw", help="The exact bytes."),
    settled: bool = typer.Option(False, "--settled", help="The last state of each line."),
    replay: str = typer.Option(
        None, "--replay", metavar="SPEED", help="With the recorded timing: 1 as it was, 10, max."
    ),
) -> None:
    """Show what a run has printed: settled on a terminal, and the exact bytes piped, followed or replayed."""
    refuse_both("--raw", raw, "--settled", settled)
    refuse_both("--follow", as_it_comes, "--replay", replay is not None)
    speed = None if replay is None else speed_of(replay)
    view = find_run(data_folder(), run, newest=True)
    streams = {name for name, wanted in (("stdout", stdout), ("stderr", stderr)) if wanted}
    output = Output(view.path, streams, timed=speed is not None)
    pieces = output.pieces(ended=True)
    if speed is not None:
        pieces = paced(pieces, output, speed)
    elif as_it_comes:
        pieces = follow(output, RunWatch(view.path).is_over)
    live = as_it_comes or speed is not None
    if settled or not (raw or live or not on_terminal()):
        print_settled(pieces)
    else:
        print_raw(pieces, flush=live)


def refuse_both(first: str, has_first: bool, second: str, has_second: bool) -> None:
    """Refuse two options that exclude each other. Raises: UsageError."""
    if has_first and has_second:
        raise UsageError(f"{first} and {second} exclude each other", "give one of them")


def speed_of(text: str) -> float:
    """Read a speed. Raises: UsageError."""
    try:
        speed = math.inf if text == "max" else float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise UsageError(
            f"--replay {text}: no speed", "1 is as it was, 10 is ten times as fast, max is at once"
        )
    return speed


def print_raw(pieces: Iterator[bytes], *, flush: bool) -> None:
    """Print bytes as they are."""
    with stdout_file() as file:
        for piece in pieces:
            file.write(piece)
            if flush:
                file.flush()


def print_settled(pieces: Iterator[bytes]) -> None:
    """Print each line as it stood in the end."""
    from runwrap.store.settled import Settler  # with the emulator, which other verbs need not wait for

    encoding = sys.stdout.encoding if sys.stdout else "utf-8"
    with stdout_file() as file:
        settler = Settler(
            lambda text: file.write(text.encode(encoding, "replace")),
            colour=on_terminal() and not os.environ.get("NO_COLOR"),
        )
        for piece in pieces:
            if piece:
                settler.feed(piece)
            else:
                settler.pause()
                file.flush()
        settler.close()


def stdout_file() -> BinaryIO:
    """Open stdout for bytes, buffered whatever PYTHONUNBUFFERED says: else writes may be short."""
    if sys.stdout is None:
        return open(os.devnull, "wb")
    return open(sys.stdout.fileno(), "wb", closefd=False)
