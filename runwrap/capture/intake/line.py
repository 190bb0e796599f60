"""One line from the socket: how it is read, and what stands in it, or is not as it should be."""

from __future__ import annotations

import os
import stat
from typing import Any

import msgspec

from runwrap.record import LAST_TIME_S, clean, decode_json

Line = dict[str, Any]

# As text of six bytes a character it still fits into a record.
LONGEST_SPILL_BYTES = 2 << 20
MOST_KEYS = 10_000
LONGEST_NAME = 1000
LONGEST_NAMES = 1 << 20
DEEPEST_NAME = 10
# Counting on from there stays within 64 bits.
LAST_STEP = 2**62
LAST_RANK = 2**18 - 1

to_json = msgspec.json.Encoder().encode
from_json = msgspec.json.Decoder().decode


class BadLineError(ValueError):
    """A line that changes nothing; `answer` is for who has asked."""

    answer = b""


def parsed(line: bytes) -> Line:
    """Read a line. Raises: BadLineError."""
    try:
        said = from_json(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = parsed_slowly(line)
    if type(said) is not dict:
        raise BadLineError("it is no JSON object")
    return said


def parsed_slowly(line: bytes) -> object:
    """Read what only Python's own reader takes, such as halves of characters. Raises: BadLineError."""
    try:
        characters = line.strip().decode()
        said, end = decode_json(characters, 0)
    except (ValueError, StopIteration, RecursionError):
        raise BadLineError(f"it is no JSON: {line[:80]!r}") from None
    if end != len(characters):
        raise BadLineError(f"it is no JSON: {line[:80]!r}")
    return said


def as_json(data: dict[str, object]) -> bytes | dict[str, object]:
    """Write data as a record wants it, the short way where that can say it."""
    try:
        written = to_json(data)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return data
    return written if written.isascii() else data


def answer_to(said: Line, answer: dict[str, object]) -> bytes:
    """Write an answer for who has asked for one."""
    mark = said.get("id")
    if not isinstance(mark, (int, float, str)):
        return b""
    return to_json(clean({"id": mark, **answer})) + b"\n"


def time_of(said: Line, now_s: float) -> float:
    """Return when a line was said, as far as it tells."""
    time_s = said.get("time")
    if isinstance(time_s, (int, float)) and not isinstance(time_s, bool) and 0 <= time_s < LAST_TIME_S:
        return time_s
    return now_s


def whole(said: Line, key: str, least: int, most: int) -> int | None:
    """Return a whole number within bounds. Raises: BadLineError."""
    value = said.get(key)
    if type(value) is float and value.is_integer():
        value = int(value)
    if value is not None and type(value) is not int:
        raise BadLineError(f"{key} is no whole number: {shown(value)}")
    if value is not None and not least <= value <= most:
        raise BadLineError(f"{key} is not between {least} and {most}: {shown(value)}")
    return value


def shown(value: object) -> str:
    """Write the begin of a value for people, and of what may be nested without an end its type."""
    return f"{str(value)[:80]!r}" if not isinstance(value, (list, dict)) else f"a {type(value).__name__}"


def text(said: Line, key: str) -> str | None:
    """Return a text. Raises: BadLineError."""
    value = said.get(key)
    if value is not None and not isinstance(value, str):
        raise BadLineError(f"{key} is no text: {shown(value)}")
    return value


def texts(said: Line, key: str) -> list[str]:
    """Return a list of texts. Raises: BadLineError."""
    value = said.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadLineError(f"{key} is no list of texts")
    return value


def table(said: Line, key: str) -> Line:
    """Return an object. Raises: BadLineError."""
    value = said.get(key)
    if type(value) is not dict:
        raise BadLineError(f"{said['kind']} without an object `{key}`")
    if len(value) > MOST_KEYS:
        raise BadLineError(f"{key} has more than {MOST_KEYS} names")
    return value


def checked_values(values: Line, depth: int = 0) -> Line:
    """Return values as history and summary have them: objects within objects become `a/b`.

    Raises: BadLineError.
    """
    if len(values) > MOST_KEYS or depth > DEEPEST_NAME:
        raise BadLineError(f"more than {MOST_KEYS} names, or {DEEPEST_NAME} of them within each other")
    flat: Line = {}
    for name, value in values.items():
        if len(name) > LONGEST_NAME:
            raise BadLineError(f"a name of more than {LONGEST_NAME} characters: {name[:80]!r}")
        if type(value) is dict and "_type" not in value:
            flat |= {f"{name}/{inner}": item for inner, item in checked_values(value, depth + 1).items()}
        elif type(value) is list:
            raise BadLineError(f"{name[:80]!r} is a list, and no number, text or media object")
        else:
            flat[name] = clean(value, 2)  # so deep it stands in the record
    if sum(map(len, flat)) > LONGEST_NAMES:
        raise BadLineError(f"names of more than {LONGEST_NAMES} characters together")
    return flat


def inside(path: str) -> str:
    """Return a path that stays inside the run's folder. Raises: BadLineError."""
    parts = path.split("/")
    if not is_path(path) or any(part in ("", ".", "..") for part in parts):
        raise BadLineError(f"{path!r} is no path inside the run"[:300])
    return path


def within(folder: str, path: str) -> str:
    """Return the whole path of what lies inside a folder, not behind a link. Raises: BadLineError."""
    full = os.path.join(folder, inside(path))
    parent = os.path.dirname(full)
    if os.path.realpath(parent) != os.path.join(os.path.realpath(folder), os.path.dirname(path)).rstrip("/"):
        raise BadLineError(f"{path!r} is no path inside the run: it lies behind a link"[:300])
    return full


def is_path(path: str) -> bool:
    """Tell whether the system can know a text as a path: halves of characters cannot be."""
    try:
        return bool(path) and b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def open_itself(path: str, flags: int) -> int:
    """Open what lies at a path, not what a link names, and wait for nobody. Raises: OSError."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def read_spill(path: str) -> bytes:
    """Read a line from its file, and remove that. Raises: BadLineError."""
    try:
        with open(path, "rb", opener=open_itself) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadLineError("a spilt line is no file")
            line = file.read(LONGEST_SPILL_BYTES + 1)
        os.unlink(path)
    except OSError as error:
        raise BadLineError(f"a spilt line: {error.strerror}") from None
    if len(line) > LONGEST_SPILL_BYTES:
        raise BadLineError(f"a spilt line of more than {LONGEST_SPILL_BYTES} bytes")
    return line
