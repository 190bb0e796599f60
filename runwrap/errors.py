"""Errors that end runwrap with one sentence, a hint and an exit status."""

from __future__ import annotations


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
