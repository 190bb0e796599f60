"""The user's own patterns: read, and refused where they cannot be used."""

from __future__ import annotations

import re
from typing import Any

from runwrap.errors import UsageError

HINT = "give a regular expression as Python has them, without repeats inside of repeats"
# What repeats more often than this may as well repeat for ever.
MOST_OPTIONAL = 10


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the user's pattern, ready for use. Raises: UsageError."""
    try:
        made = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UsageError(f"--mask {pattern!r} is no regular expression: {error}", HINT) from None
    if made.search(""):
        raise UsageError(f"--mask {pattern!r} fits where nothing is", HINT)
    if has_repeats_within(pattern):
        raise UsageError(f"--mask {pattern!r} could take for ever: it repeats what repeats", HINT)
    return made


def has_repeats_within(pattern: str) -> bool:
    """Tell whether something repeats without end inside of something that repeats without end."""
    try:
        from re import _parser as parser  # type: ignore[attr-defined,unused-ignore]
    except ImportError:  # Python 3.10
        import sre_parse as parser  # type: ignore[no-redef,unused-ignore]
    return nested(parser.parse(pattern), inside=False)


def nested(part: Any, *, inside: bool) -> bool:
    """Look for an open repeat within another, in what the parser of patterns has made."""
    if isinstance(part, (list, tuple)) or type(part).__name__ == "SubPattern":
        parts = list(part)
        if len(parts) == 2 and str(parts[0]) in ("MAX_REPEAT", "MIN_REPEAT"):  # noqa: PLR2004  # (what, how)
            least, most, what = parts[1]
            is_open = most - least > MOST_OPTIONAL
            return (is_open and inside) or nested(what, inside=inside or is_open)
        return any(nested(item, inside=inside) for item in parts)
    return False
