"""The index under the catalog: a row a run in SQLite, never the truth, which anybody may delete."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import zlib
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine, Row

# Raised when the shape of a row or of a document changes: an older index is then made anew.
VERSION = 4
BUSY_MS = 3000
# What SQLite says where the file is not to blame.
OUTER_REASONS = ("locked", "readonly", "unable to open", "is full", "disk I/O", "too large")
CHECK_DIGITS = 8

# `brief` is what lists of runs need, `document` is all; `size` and `mtime_ns` are the journal's.
RUNS = Table(
    "runs",
    MetaData(),
    Column("path", String, primary_key=True),
    Column("inode", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("brief", String, nullable=False),
    Column("document", String, nullable=False),
)


class DamagedIndexError(Exception):
    """The file is no index, or not a whole one."""


class NoIndexError(Exception):
    """No index can be kept there."""


class Index:
    """The rows, in one file, or without a path in memory. Used in a `with`. Raises: both errors."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.engine = make_engine(path)
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Index:
        """Open it, empty if it is new or of another version."""
        with self.stack, translating():
            if self.path:
                make_private(self.path)
            self.stack.callback(self.engine.dispose)
            self.connection = self.stack.enter_context(self.engine.connect())
            if self.connection.execute(text("pragma user_version")).scalar() != VERSION:
                self.connection.execute(text("drop table if exists runs"))
                self.connection.execute(text(f"pragma user_version={VERSION}"))
            RUNS.create(self.connection, checkfirst=True)
            self.connection.commit()
            self.stack = self.stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.stack.close()

    def rows(self) -> dict[str, Row[Any]]:
        """Return all rows by path, without their documents."""
        columns = (column for column in RUNS.columns if column.name != "document")
        with translating():
            return {row.path: row for row in self.connection.execute(select(*columns))}

    def document(self, path: str) -> dict[str, Any] | None:
        """Return the document of a row; none where it is damaged, or there is none."""
        with translating():
            return unsealed(
                self.connection.execute(select(RUNS.c.document).where(RUNS.c.path == path)).scalar()
            )

    def write(self, changed: list[dict[str, Any]], gone: list[str]) -> None:
        """Replace rows and delete others."""
        with translating():
            if changed:
                self.connection.execute(insert(RUNS).prefix_with("or replace"), changed)
            for path in gone:
                self.connection.execute(delete(RUNS).where(RUNS.c.path == path))
            self.connection.commit()


@contextlib.contextmanager
def translating() -> Iterator[None]:
    """Translate errors of the database into what can be done about them."""
    try:
        yield
    except (DatabaseError, OSError) as error:
        if isinstance(error, OSError) or any(word in str(error) for word in OUTER_REASONS):
            raise NoIndexError(str(error)) from error
        raise DamagedIndexError(str(error)) from error


def make_engine(path: str | None) -> Engine:
    """Make an engine whose connections do not wait for the disk: what is lost is made again."""
    engine = create_engine(f"sqlite:///{path}" if path else "sqlite://", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.execute(f"pragma busy_timeout={BUSY_MS}")
        if path:
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=off")

    return engine


def make_private(path: str) -> None:
    """Make the file if there is none, for its owner's eyes. Raises: OSError, also where it is no file."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise FileExistsError(path)
    finally:
        os.close(fd)


def remove(path: str) -> None:
    """Remove an index, so that it is made anew."""
    for suffix in ("", "-wal", "-shm"):
        try:
            os.unlink(path + suffix)
        except OSError:
            pass


def sealed(document: dict[str, Any]) -> str:
    """Write a document with a check."""
    content = json.dumps(document, separators=(",", ":"))
    return f"{zlib.crc32(content.encode()):08x}{content}"


def unsealed(content: object) -> dict[str, Any] | None:
    """Read a document; none where it is damaged."""
    if not isinstance(content, str):
        return None
    check, written = content[:CHECK_DIGITS], content[CHECK_DIGITS:]
    if f"{zlib.crc32(written.encode()):08x}" != check:
        return None
    document: dict[str, Any] = json.loads(written)
    return document
