"""`runwrap scan [RUN...]`: find secrets in what was recorded."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from runwrap.cli.place import complete, data_folder, working_folder
from runwrap.errors import visible
from runwrap.launch.options import OPTIONS
from runwrap.secrets.firewall import FACT, Firewall
from runwrap.settings import load
from runwrap.store.catalog import Catalog, find_run
from runwrap.store.reading import open_regular, read_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwrap.store.view import RunView

    Found = Iterator[tuple[str, int, str]]

BLOCK_BYTES = 1 << 20
FILES = ("requirements.txt",)
ENDINGS = (".patch", ".diff")


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("scan")(scan_runs)


def scan_runs(
    words: list[str] = typer.Argument(  # noqa: B008  # typer reads it from the signature
        None, metavar="[RUN...]", help="Runs to look at; else all.", autocompletion=complete
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Find secrets in what was recorded; the status is 1 where there are some."""
    root = data_folder()
    views = [find_run(root, word) for word in words] if words else Catalog(root).runs()
    firewall = Firewall(os.environ, load({}, os.environ, working_folder(), OPTIONS).mask)
    rows: list[dict[str, Any]] = []
    for view in views:
        for file, place, kind in in_run(view, firewall):
            row = {"run": view.id, "project": view.project, "name": view.name}
            row |= {"file": file, "record" if file == "journal.jsonl" else "line": place, "kind": kind}
            rows.append(row)
            if not as_json:
                typer.echo(visible(in_words(row)))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif not rows:
        typer.echo(f"no secret was found in {len(views)} run{'s'[: len(views) != 1]}")
    if rows:
        raise typer.Exit(1)


def in_words(row: dict[str, Any]) -> str:
    """Say where a secret stands, and never what it is."""
    place = f"record {row['record']}" if "record" in row else f"line {row['line']}"
    return f"{row['name']} ({row['run']})  {row['file']}, {place}: {row['kind']}"


def in_run(view: RunView, firewall: Firewall) -> Found:
    """Yield the file, the place in it, and the kind of every secret in a run."""
    for seq, kind in in_journal(os.path.join(view.path, "journal.jsonl"), firewall):
        yield "journal.jsonl", seq, kind
    for name in ["output.log", *(f"files/{name}" for name in texts_in(os.path.join(view.path, "files")))]:
        for line, kind in in_file(os.path.join(view.path, name), firewall):
            yield name, line, kind


def texts_in(folder: str) -> list[str]:
    """Name the files of a run that we wrote and that hold text of others."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(name for name in names if name in FILES or name.endswith(ENDINGS))


def in_journal(path: str, firewall: Firewall) -> Iterator[tuple[int, str]]:
    """Yield the records that hold secrets, and of which kind those are."""
    for record in read_records(path):
        if record.kind == "output" or (record.kind == "fact" and record.data.get("name") == FACT):
            continue
        data = dict(record.data)
        words = data.pop("argv", None)
        firewall.words([str(word) for word in words] if isinstance(words, list) else [])
        firewall.value(data)
        for kind in taken(firewall):
            yield record.seq, kind


def taken(firewall: Firewall) -> list[str]:
    """Return the kinds of secrets that were found since the last time, each as often as it was."""
    found, firewall.counts = firewall.counts, {}
    return [kind for kind, count in found.items() for _ in range(count)]


def in_file(path: str, firewall: Firewall) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that hold secrets, and of which kind those are."""
    fd = open_regular(path)
    if fd is None:
        return
    first = 1
    with open(fd, "rb") as file:
        for block in blocks(file):
            text = block.decode("utf-8", "surrogateescape")
            for start, _, kind in firewall.find(text):
                yield first + text.count("\n", 0, start), kind
            first += block.count(b"\n")


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file in blocks of whole lines; a line that is longer than a block is cut."""
    while block := file.read(BLOCK_BYTES):
        yield block + (b"" if block.endswith(b"\n") else file.readline(BLOCK_BYTES))
