"""What we add to the start of a Python, in counts: a time would say more of the machine than of us."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from interpreters import Interpreter, interpreters, since

from runwrap.launch import injection

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)

# With -S the start can be watched: site does afterwards what it would have done by itself.
WATCHED = """
import sys
seen = []
def watch(event, given):
    if event in ("open", "compile", "exec", "import", "os.listdir", "socket.connect", "subprocess.Popen"):
        seen.append("%s %s" % (event, given[0]))
if hasattr(sys, "addaudithook"):
    sys.addaudithook(watch)
import site
site.main()
seen += ["module " + name for name in sys.modules]
sys.stdout.write("\\n".join(line for line in seen if not line.startswith("exec <code object <module>")))
"""


@pytest.fixture
def boot(bench: Bench) -> str:
    """Return the folder of a copy that can be written to, so that there is bytecode of it."""
    bench.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return os.path.join(injection.copied(str(bench.folder / "cache")), injection.BOOT)


def watched(bench: Bench, python: Interpreter, **environ: str) -> Counter[str]:
    """Return what happens while a Python starts."""
    return Counter(bench.call(python.path, "-S", "-c", WATCHED, **environ).decode().splitlines())


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.name)
def test_a_start_costs_one_module_and_two_files_of_bytecode(
    bench: Bench, boot: str, python: Interpreter
) -> None:
    bench.call(python.path, "-c", "pass", PYTHONPATH=boot)
    extra = watched(bench, python, PYTHONPATH=boot) - watched(bench, python)
    assert sum(line.startswith("open ") for line in extra.elements()) <= 2
    events = [line for line in extra.elements() if not line.startswith(("open ", "exec "))]
    finder = ["module runwrap.inject.finder"] if python.version >= (3, 6) else []
    # An import is an event since Python 3.8.
    assert events == ["import sitecustomize"] * (python.version >= (3, 8)) + finder


@pytest.mark.parametrize("python", since((3, 7))[-1:], ids=lambda python: python.name)
def test_bytecode_is_kept_where_it_can_be(bench: Bench, boot: str, python: Interpreter) -> None:
    def compiled() -> list[str]:
        done = subprocess.run(
            [python.path, "-v", "-c", "pass"],
            env=bench.environ | {"PYTHONPATH": boot},
            capture_output=True,
            text=True,
            check=True,
        )
        return [
            line for line in done.stderr.splitlines() if "runwrap" in line and line.startswith("# created")
        ]

    assert len(compiled()) == 2
    assert compiled() == []
