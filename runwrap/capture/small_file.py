"""Read the start of a file that others wrote, whatever it turns out to be."""

from __future__ import annotations

import os


def read_bytes(path: str, size_bytes: int = 1 << 16) -> bytes:
    """Read at most `size_bytes`, without waiting for anything; b"" when there is nothing to read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return b""
    try:
        return read_from(fd, size_bytes)
    except OSError:
        return b""
    finally:
        os.close(fd)


def read_text(path: str, size_bytes: int = 1 << 16) -> str:
    """Read the start of a text file; what is no UTF-8 is replaced."""
    return read_bytes(path, size_bytes).decode("utf-8", "replace")


def read_from(fd: int, size_bytes: int) -> bytes:
    """Read until the end or the limit: a file of the kernel's comes in pieces."""
    parts = []
    while size_bytes > 0 and (part := os.read(fd, size_bytes)):
        parts.append(part)
        size_bytes -= len(part)
    return b"".join(parts)
