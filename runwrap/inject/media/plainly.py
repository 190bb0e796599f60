"""Values as JSON has them: numbers of numpy, dates and the like become what they mean."""

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEEPEST = 100


def json_bytes(value: "Any") -> bytes:
    """Write a value as JSON in ASCII, as docs/record-format.md says."""
    import json

    return json.dumps(plain(value), separators=(",", ":"), allow_nan=False).encode("ascii")


def plain(value: "Any", depth: int = 0) -> "Any":
    """Return a value made of what JSON knows; NaN and the infinities become words."""
    if value is None or isinstance(value, (bool, str)):
        return text(value) if isinstance(value, str) else value
    if isinstance(value, (int, float)):
        return number(value)
    if depth > DEEPEST:
        return "..."
    if isinstance(value, dict):
        return {text(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1) for item in value]
    return of_another_library(value, depth)


def number(value: "Any") -> "Any":
    """Return a number, or the word for one that JSON has not; subclasses become what they are made of."""
    if isinstance(value, int):
        return int(value) if value.bit_length() <= 2048 else hex(value)
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def text(value: str) -> str:
    """Return a text without halves of characters."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def of_another_library(value: "Any", depth: int) -> "Any":
    """Return what an array, a number or a date of a library holds, else its text."""
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
    for method in ("tolist", "isoformat"):
        if callable(getattr(value, method, None)):
            found = getattr(value, method)()
            return plain(found, depth + 1) if type(found) is not type(value) else text(str(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return text(str(value))
