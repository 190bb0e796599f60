"""Lines as they are sent: compact JSON in ASCII."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def make_encoder() -> "Callable[[Any, int], Any]":
    """Return what makes pieces of JSON; for NaN and the infinities it raises ValueError."""
    try:
        from _json import encode_basestring_ascii, make_encoder
    except ImportError:  # not CPython
        import json

        encoder = json.JSONEncoder(skipkeys=True, allow_nan=False, separators=(",", ":"), default=short_text)
        return lambda value, _: encoder.encode(value)
    return make_encoder(None, short_text, encode_basestring_ascii, None, ":", ",", False, True, False)


def short_text(value: "Any") -> str:
    """Write what is no JSON; others have made texts and numbers of nearly everything before."""
    return str(value)[:1000]


pieces_of = make_encoder()


def encoded(value: "Any") -> str:
    """Write JSON in ASCII, NaN and the infinities as words."""
    try:
        return "".join(pieces_of(value, 0))
    except ValueError:
        return "".join(pieces_of(worded(value), 0))


def worded(value: "Any") -> "Any":
    """Return a value with words for what JSON has no numbers for."""
    if isinstance(value, float) and value - value != 0:
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - NaN
    if isinstance(value, dict):
        return {key: worded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [worded(item) for item in value]
    return value


def line_of(kind: str, data: "dict[str, Any]") -> bytes:
    """Return a line."""
    said: "dict[str, Any]" = {"kind": kind}
    said.update((key, value) for key, value in data.items() if value is not None)
    return encoded(said).encode() + b"\n"


def notice_of(text: str) -> bytes:
    """Return the line that says what could not be done."""
    return line_of("notice", {"level": "warning", "part": "client", "text": text})


def whoever(rank: int) -> "dict[str, Any]":
    """Return who speaks."""
    client = f"{sys.implementation.name} {sys.version.split()[0]}"
    return {"pid": os.getpid(), "rank": rank or None, "client": client}
