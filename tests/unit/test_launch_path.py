"""Nothing heavy is imported before the script starts; each of these would cost it milliseconds."""

import os
import subprocess
import sys

import pexpect
import pytest

HEAVY = {
    *("argparse", "asyncio", "collections", "contextlib", "ctypes", "dataclasses", "datetime", "enum"),
    *("functools", "hashlib", "importlib.metadata", "inspect", "json", "logging", "pathlib", "random", "re"),
    *("shutil", "signal", "socket", "sqlite3", "subprocess", "tempfile", "threading", "tomllib", "typing"),
    *("git", "msgspec", "platformdirs", "psutil", "ptyprocess", "pynvml", "pyte", "requests", "rich"),
    *("sqlalchemy", "typer", "zstandard"),
}

# Writes down what is imported at the moment when a process of ours becomes the script.
PROBE = """
import os, sys
execve, seen = os.execve, sys.argv[1]
def probed(path, argv, environ):
    if argv[-1] == b"the script":
        with open(seen, "w") as file:
            file.write(" ".join(sys.modules))
    execve(path, argv, environ)
os.execve, sys.argv = probed, ["runwrap", *sys.argv[2:]]
from runwrap.__main__ import main
sys.exit(main())
"""


def imported_by_bare_python():
    """Return what this Python imports for itself, its .pth files included."""
    code = "import sys; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def launch_redirected(arguments, environ, folder):
    """Run with pipes for streams."""
    subprocess.run([sys.executable, *arguments], env=environ, cwd=folder, capture_output=True, check=True)


def launch_on_terminal(arguments, environ, folder):
    """Run with one terminal for all streams."""
    child = pexpect.spawn(sys.executable, arguments, env=environ, cwd=folder, timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before


@pytest.mark.parametrize("launch", [launch_redirected, launch_on_terminal])
def test_script_starts_before_anything_heavy_is_imported(launch, tmp_path):
    seen = tmp_path / "seen"
    environ = dict(os.environ, RUNWRAP_DIR=str(tmp_path / "data"))
    options = ["--project", "p", "--tags", "a,b", "--config", "lr=0.1"]
    launch(["-c", PROBE, str(seen), *options, "sh", "-c", ":", "the script"], environ, tmp_path)
    assert (set(seen.read_text().split()) - imported_by_bare_python()) & HEAVY == set()
