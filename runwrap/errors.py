"""Errors that end runwrap with one sentence, a hint and an exit status."""

from __future__ import annotations

import sys

# Control characters, invisible ones, halves of characters, and what ends a line.
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


class RunwrapError(Exception):
    """What stops runwrap before the script starts; `hint` says what to do about it."""

    exit_code = 125

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(RunwrapError):
    """The command line cannot be understood."""

    exit_code = 2


class SettingsError(RunwrapError):
    """A setting, or the file that it stands in, cannot be used."""


class StoreError(RunwrapError):
    """The data folder, or a run in it, cannot be read or written."""


class NoSuchRunError(StoreError):
    """No run, or more than one, answers to a name."""

    exit_code = 1


class CommandNotExecutableError(RunwrapError):
    """The command is there and cannot be executed."""

    exit_code = 126


class CommandNotFoundError(RunwrapError):
    """The command is nowhere on the PATH."""

    exit_code = 127


def complain(error: RunwrapError) -> int:
    """Print an error and its hint, which may quote what others have written, and return its status."""
    lines = [f"runwrap: {visible(error)}"] + ([f"  hint: {visible(error.hint)}"] if error.hint else [])
    try:
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()
    except (OSError, AttributeError):
        sys.stderr = None  # closed or full: the status says it, and Python's last flush does not change it
    return error.exit_code


def visible(text: object) -> str:
    """Make what comes from outside harmless on a terminal: control characters are written out."""
    text = str(text)
    if text.isprintable():
        return text
    import unicodedata

    return "".join(written_out(c) if unicodedata.category(c) in HIDDEN else c for c in text)


def written_out(character: str) -> str:
    """Write a character as an escape of Python's."""
    if character.isascii():
        return repr(character)[1:-1]
    return character.encode("ascii", "backslashreplace").decode()
