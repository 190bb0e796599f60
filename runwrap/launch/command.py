"""The command before it becomes the script: where it is looked for, and what it will find around it."""

from __future__ import annotations

import errno
import os

from runwrap.errors import CommandNotExecutableError, CommandNotFoundError, RunwrapError
from runwrap.launch.options import VERBS
from runwrap.launch.spawn import exec_script, find, is_below_a_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from runwrap.launch.spawn import Command

OURS_ALONE = (b"RUNWRAP_ID", b"RUNWRAP_NAME", b"RUNWRAP_RESUME")


def current_folder() -> str:
    """Return the current folder, or the root where it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return "/"


def script_environ() -> dict[bytes, bytes]:
    """Return the environment as it was given to us."""
    environ = dict(os.environb)
    if environ.get(b"LC_CTYPE") == b"C.UTF-8":
        # Python sets this for itself in the C locale (PEP 538); the script is to see what was there.
        with open("/proc/self/environ", "rb") as file:
            if b"LC_CTYPE=C.UTF-8" not in file.read().split(b"\0"):
                del environ[b"LC_CTYPE"]
    for name in OURS_ALONE:  # a runwrap that the script starts is another run
        environ.pop(name, None)
    return environ


def check(command: Command) -> None:
    """Check that the command can be found and executed.

    Raises: CommandNotFoundError, CommandNotExecutableError.
    """
    name = os.fsdecode(command.argv[0])
    path, executable = find(command.argv[0], command.environ)
    if path is None and is_below_a_file(name):
        raise CommandNotExecutableError(f"{name}: {os.strerror(errno.ENOTDIR)}")
    if path is None:
        hint = "check the spelling, or give the path of the file"
        if name in VERBS:
            hint = f"a verb comes first: runwrap {name}"
        raise CommandNotFoundError(f"{name}: command not found", hint)
    if not executable:
        reason = "is a folder" if os.path.isdir(path) else "is not executable"
        shown = os.fsdecode(path)
        hint = "" if os.path.isdir(path) else f"make it executable (chmod +x {shown}) or name its interpreter"
        raise CommandNotExecutableError(f"{shown} {reason}", hint)


def run_untouched(command: Command) -> NoReturn:
    """Become the command (`--off`)."""
    _, failure_write = os.pipe()
    command.signal_mask = set()
    exec_script(command, {}, failure_write)


def not_executed(name: str, code: int) -> RunwrapError:
    """Return the error of a command that the system would not execute."""
    reason = f"{name}: {os.strerror(code)}"
    if code == errno.ENOENT:
        return CommandNotFoundError(reason, "its first line names an interpreter that is not there")
    return CommandNotExecutableError(reason)
