"""The Pythons of this machine that know nothing of runwrap: one of each version."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ["python2.7", *(f"python3.{minor}" for minor in range(6, 16)), "pypy3", "pypy"]
# A virtual environment says nothing new, and one that has runwrap is not what scripts run in.
ASK = """
import platform, sys
assert getattr(sys, "base_prefix", sys.prefix) == sys.prefix
try:
    import runwrap
except ImportError:
    print("%s %d %d" % ((platform.python_implementation().lower(),) + tuple(sys.version_info[:2])))
"""


class Interpreter(NamedTuple):
    """A Python and its version."""

    path: str
    version: tuple[int, int]
    name: str


def candidates() -> Iterator[Path]:
    """List where a Python may be."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [Path(sys.base_prefix, "bin"), *sorted(root.glob("versions/*/bin"))]
    folders += [Path("/usr/bin"), Path("/usr/local/bin"), *Path("/opt").glob("*/bin")]
    yield from (folder / name for folder in folders for name in NAMES)
    yield from (Path(path) for path in map(shutil.which, NAMES) if path)


@functools.cache
def interpreters() -> list[Interpreter]:
    """Return the Pythons that are here, the oldest first."""
    found: dict[str, Interpreter] = {}
    for path in dict.fromkeys(candidate.resolve() for candidate in candidates() if candidate.exists()):
        done = subprocess.run([path, "-c", ASK], capture_output=True, text=True, check=False, cwd="/")
        if done.returncode == 0 and done.stdout:
            kind, major, minor = done.stdout.split()
            name = f"{kind.replace('cpython', 'python')}{major}.{minor}"
            found.setdefault(name, Interpreter(str(path), (int(major), int(minor)), name))
    return sorted(found.values(), key=lambda python: python.version)


def since(version: tuple[int, int]) -> list[Interpreter]:
    """Return those that are not older than a version."""
    return [python for python in interpreters() if python.version >= version]


def newest() -> Interpreter:
    """Return the newest of them."""
    return interpreters()[-1]


def at_both_ends(version: tuple[int, int]) -> list[Interpreter]:
    """Return the oldest that is not older than a version, and the newest."""
    return list(chain(since(version)[:1], since(version)[1:][-1:]))
