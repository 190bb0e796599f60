"""Find the Python that a command will run in, without running anything."""

from __future__ import annotations

import os

from runwrap.capture import prefix_command
from runwrap.capture.prefix_command import Command
from runwrap.capture.small_file import read_bytes, read_text

DEPTH_LIMIT = 4
LINE_SIZE_BYTES = 4096
# What pip writes where the path of the interpreter is too long, or has a space, for a `#!` line.
EXEC_LINE = b"'''exec' "


class Found:
    """An interpreter's file; `is_shim` when it is a script that chooses one in a way unknown to us."""

    __slots__ = ("environ", "is_shim", "path")

    def __init__(self, path: str, environ: dict[str, str], is_shim: bool) -> None:
        self.path = path
        self.environ = environ
        self.is_shim = is_shim


def find_python(argv: list[str], cwd: str, environ: dict[str, str]) -> Found | None:
    """Find the interpreter of the first Python program that a command line starts, if any."""
    return find(Command(list(argv), cwd, dict(environ)), 0)


def find(command: Command, depth: int) -> Found | None:
    """Look through the commands that start others, and through `#!` lines."""
    if depth > DEPTH_LIMIT:
        return None
    for each in prefix_command.commands(command):
        found = of_program(each, depth)
        if found:
            return found
    return None


def of_program(command: Command, depth: int) -> Found | None:
    """Find the interpreter of one program, which is a Python itself or a script for one."""
    path = which(command.words[0], command.cwd, command.environ.get("PATH", os.defpath))
    if path is None:
        return None
    first_line = read_bytes(path, LINE_SIZE_BYTES)
    if prefix_command.is_python(path):
        return of_shim(path, command) if first_line.startswith(b"#!") else Found(path, command.environ, False)
    words = script_words(first_line)
    return find(command.shortened([*words, path]), depth + 1) if words else None


def which(name: str, cwd: str, path: str) -> str | None:
    """Find a program as execvp(3) does, from the folder that it would be executed in."""
    if "/" in name:
        return executable(os.path.join(cwd, name))
    found = (executable(os.path.join(cwd, folder, name)) for folder in path.split(":"))
    return next((each for each in found if each), None)


def executable(path: str) -> str | None:
    """Return the path of a program in its shortest form; links stay, for they tell environments apart."""
    try:
        usable = os.path.isfile(path) and os.access(path, os.X_OK)
    except ValueError:  # a NUL in the name
        return None
    return os.path.normpath(path) if usable else None


def script_words(start: bytes) -> list[str]:
    """Read the command of a script's `#!` line, or of the shell line that pip puts in place of a long one."""
    lines = start.split(b"\n", 3)
    if not lines[0].startswith(b"#!"):
        return []
    if len(lines) > 1 and lines[1].startswith(EXEC_LINE):
        rest = os.fsdecode(lines[1][len(EXEC_LINE) :]).strip()
        return [rest[1:].partition('"')[0]] if rest.startswith('"') else rest.split()[:1]
    return os.fsdecode(lines[0][2:]).split()


def of_shim(path: str, command: Command) -> Found:
    """Find what a pyenv shim stands for; any other shim has to be asked."""
    folder, name = os.path.split(path)
    root = os.path.dirname(folder)
    if os.path.basename(folder) == "shims" and os.path.isdir(root + "/versions"):
        for version in pyenv_versions(root, command):
            found = pyenv_program(root, version, name, command)
            if found:
                return Found(found, command.environ, False)
    return Found(path, command.environ, True)


def pyenv_versions(root: str, command: Command) -> list[str]:
    """Read the versions that pyenv would try: from its variable, the folders upwards, or its global file.

    Source: pyenv, "How It Works", "Understanding Python version selection".
    """
    given = command.environ.get("PYENV_VERSION")
    if given:
        return given.split(":")
    folder = command.cwd
    while True:
        words = version_words(folder + "/.python-version")
        if words or os.path.dirname(folder) == folder:
            return words or version_words(root + "/version") or ["system"]
        folder = os.path.dirname(folder)


def version_words(path: str) -> list[str]:
    """Read the names from a version file."""
    lines = read_text(path, LINE_SIZE_BYTES).splitlines()
    return [word for line in lines for word in line.partition("#")[0].split()]


def pyenv_program(root: str, version: str, name: str, command: Command) -> str | None:
    """Find a program in one of pyenv's versions; `3.12` stands for the newest of 3.12."""
    if version == "system":
        path = command.environ.get("PATH", os.defpath).split(":")
        others = [folder for folder in path if os.path.normpath(folder or ".") != root + "/shims"]
        return which(name, command.cwd, ":".join(others))
    version = version.removeprefix("python-")
    installed = sorted(os.listdir(root + "/versions"), key=version_key)
    matching = [each for each in installed if each == version or each.startswith(version + ".")]
    found = (executable(f"{root}/versions/{each}/bin/{name}") for each in reversed(matching))
    return next((each for each in found if each), None)


def version_key(name: str) -> list[tuple[int, str]]:
    """Order versions by number where there are numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]
