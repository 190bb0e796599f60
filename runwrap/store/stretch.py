"""Where the end of a run's output came from, in bounded memory: stretches as [stream, offset, size]."""

from __future__ import annotations

from typing import Any

# So many of them tell enough of the tail.
MOST_STRETCHES = 256


def remember(stretches: list[Any], stream: object, offset: object, size_bytes: object) -> None:
    """Keep which stretch of the output came from which stream, as far as the tail goes."""
    if not isinstance(stream, str) or type(offset) is not int or type(size_bytes) is not int:
        return
    last = stretches[-1] if stretches else None
    if last and last[0] == stream and last[1] + last[2] == offset:
        last[2] += size_bytes
        return
    stretches.append([stream, offset, size_bytes])
    del stretches[:-MOST_STRETCHES]
