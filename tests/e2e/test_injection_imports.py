"""`import runwrap` under runwrap is an ordinary import: who wins, what tools see of it, what children get."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from interpreters import Interpreter, at_both_ends, newest, since

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

pytestmark = pytest.mark.timeout(120)

ENDS = pytest.mark.parametrize("python", at_both_ends((3, 6)), ids=lambda python: python.name)
LOG = "import runwrap; runwrap.log({'x': 1})"
FAKE = "def log(row): print('of the user', row)"


def said(bench: Bench, *words: str | Path, status: int = 0, **environ: str) -> str:
    """Run a command under runwrap; return what it printed, when it said nothing else."""
    done = subprocess.run(
        ["runwrap", *words],
        cwd=bench.folder,
        env=bench.environ | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout


def summary(bench: Bench) -> dict[str, object]:
    """Return the summary of the run before."""
    view = bench.shown("latest")
    assert view["notices"] == []
    values: dict[str, object] = view["summary"]
    return values


@ENDS
def test_the_users_own_module_wins(bench: Bench, python: Interpreter) -> None:
    line = f"import sys; sys.path.append('lib'); {LOG}"
    bench.desk.script("s.py", line)
    (bench.folder / "lib").mkdir()
    for place in ("runwrap.py", "lib/runwrap.py"):
        bench.desk.script(place, FAKE)
        for words in (["s.py"], ["-m", "s"], ["-c", line]):
            assert said(bench, python.path, *words) == "of the user {'x': 1}\n"
        assert summary(bench) == {}
        (bench.folder / place).unlink()
    assert said(bench, python.path, "s.py") == ""
    assert summary(bench) == {"x": 1}


TOOLS = """
import importlib, importlib.util, inspect, io, os, pickle, pkgutil, sys
assert importlib.util.find_spec("runwrap").name == "runwrap"
assert importlib.util.find_spec("runwrap.nothing") is None
assert "runwrap" not in sys.modules or importlib.util.find_spec("runwrap.nothing") is None
for name in ("runwrap_more", "runwrap2", "inject", "yaml_of_runwrap"):
    assert importlib.util.find_spec(name) is None, name
import runwrap
spec = runwrap.__spec__
assert type(runwrap.__loader__).__name__ == "SourceFileLoader", runwrap.__loader__
assert spec.origin == runwrap.__file__ and spec.submodule_search_locations == list(runwrap.__path__)
assert "put it in front of any command" in inspect.getsource(runwrap)
assert inspect.getmodule(runwrap.log).__name__.startswith("runwrap.inject")
assert "runwrap" not in [found.name for found in pkgutil.iter_modules()]
assert pickle.loads(pickle.dumps(runwrap.Image)) is runwrap.Image
image = runwrap.Image
assert importlib.reload(runwrap) is runwrap and runwrap.Image is image
del sys.modules["runwrap"]
import runwrap
runwrap.log({"x": 1})
try:
    import runwrap.nothing
except ImportError as error:
    assert error.name == "runwrap.nothing"
else:
    raise AssertionError
import pydoc
old, sys.stdout = sys.stdout, io.StringIO()
pydoc.doc("runwrap")
text, sys.stdout = sys.stdout.getvalue(), old
assert "put it in front of any command" in text, text
if sys.version_info >= (3, 8):
    import importlib.metadata
    names = [found.metadata["Name"] for found in importlib.metadata.distributions()]
    assert "runwrap" not in names, names
from runwrap import log as other
import runwrap as wandb
from runwrap.inject.media import Image
wandb.log({"y": 2})
"""


@pytest.mark.parametrize("python", since((3, 6)), ids=lambda python: python.name)
def test_tools_see_an_ordinary_package(bench: Bench, python: Interpreter) -> None:
    bench.desk.script("s.py", TOOLS)
    assert said(bench, python.path, "-W", "error", "s.py") == ""
    assert summary(bench) == {"x": 1, "y": 2}


# What scripts do to their own interpreter, each followed by an import of ours that works or is refused.
UPSIDE_DOWN = {
    "clears the finders": ("import sys; sys.meta_path[:] = sys.meta_path[:3]", False),
    "has no finder": ("import sys; sys.meta_path.clear(); import sys as again", False),
    "clears the modules": (
        "import sys\nfor name in [name for name in sys.modules if 'runwrap' in name]: del sys.modules[name]",
        True,
    ),
    "clears the path": ("import sys; sys.path[:] = sys.path[1:]", True),
    "takes ours away": ("import sys; del sys.modules['runwrap.inject.finder']", True),
    "has a finder of its own": (
        "import sys\nclass Own:\n def find_spec(self, *given): return None\nsys.meta_path.insert(0, Own())",
        True,
    ),
    "forgets its environment": ("import os; os.environ.pop('PYTHONPATH')", True),
    "runs site again": ("import site; site.main()", True),
}


@ENDS
@pytest.mark.parametrize("what", UPSIDE_DOWN)
def test_a_script_may_turn_its_interpreter_upside_down(bench: Bench, python: Interpreter, what: str) -> None:
    lines, is_there = UPSIDE_DOWN[what]
    bench.desk.script("s.py", f"{lines}\nimport json, sys\ntry:\n {LOG}\nexcept ImportError: print('none')")
    if what == "has no finder":
        bench.desk.script("s.py", f"{lines}\nprint('none')")
    assert said(bench, python.path, "s.py") == ("" if is_there else "none\n")
    assert summary(bench) == ({"x": 1} if is_there else {})


CHILDREN = {
    "a child": "import subprocess, sys; subprocess.check_call([sys.executable, '-c', LOG])",
    "a child with a path of its own": (
        "import os, subprocess, sys\n"
        "environ = dict(os.environ, PYTHONPATH='lib:' + os.environ['PYTHONPATH'])\n"
        "subprocess.check_call([sys.executable, '-c', 'import of_lib; ' + LOG], env=environ)"
    ),
    "another Python in its place": "import os; os.execv(OTHER, [OTHER, '-c', LOG])",
    "spawn": "POOL('spawn')",
    "forkserver": "POOL('forkserver')",
    "fork": "POOL('fork')",
}
POOL = """
import multiprocessing
def work(value):
    import runwrap
    runwrap.log({"x": value})
def POOL(method):
    context = multiprocessing.get_context(method)
    child = context.Process(target=work, args=(1,))
    child.start()
    child.join()
    assert child.exitcode == 0
if __name__ == "__main__":
"""


@ENDS
@pytest.mark.parametrize("way", CHILDREN)
def test_children_can_import_runwrap_too(bench: Bench, python: Interpreter, way: str) -> None:
    (bench.folder / "lib").mkdir()
    bench.desk.script("lib/of_lib.py", "")
    lines = CHILDREN[way].replace("LOG", repr(LOG)).replace("OTHER", repr(newest().path))
    bench.desk.script("s.py", POOL + "".join(f"    {line}\n" for line in lines.splitlines()))
    assert said(bench, python.path, "s.py") == ""
    assert summary(bench) == {"x": 1}


def test_a_child_without_our_environment_runs_as_bare(bench: Bench) -> None:
    child = (
        "import os, sys; print(sorted(os.environ), 'runwrap.inject.finder' in sys.modules); import runwrap"
    )
    line = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {child!r}], env={{}}))"
    done = subprocess.run(
        ["runwrap", newest().path, "-c", line],
        cwd=bench.folder,
        env=bench.environ,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"runwrap.inject.finder" not in done.stdout
    assert b" False\n" in done.stdout
    assert b"No module named 'runwrap'" in done.stderr


@pytest.mark.parametrize("python", since((3, 8))[-1:], ids=lambda python: python.name)
def test_subinterpreters_start_and_import(bench: Bench, python: Interpreter) -> None:
    # Newer Pythons give each a lock of its own, and modules of C that cannot have that are refused there.
    name = "_interpreters" if python.version >= (3, 13) else "_xxsubinterpreters"
    inner = 'import sys; assert not sys.modules.get("runwrap"); import runwrap; runwrap.log({"x": 1})'
    line = f"import {name} as inner; one = inner.create(); print(inner.run_string(one, {inner!r})); inner.destroy(one)"
    assert said(bench, python.path, "-c", line) == "None\n"
    assert summary(bench) == {"x": 1}


def test_runwrap_in_a_script_that_it_runs_is_the_installed_one(bench: Bench) -> None:
    line = "import subprocess; subprocess.check_call(['runwrap', '--version'])"
    assert said(bench, newest().path, "-c", line).startswith("runwrap ")
    line = f"import subprocess, sys; subprocess.check_call(['runwrap', sys.executable, '-c', {LOG!r}])"
    assert said(bench, newest().path, "-c", line) == ""
    assert len(list(bench.data.glob("*/*/journal.jsonl"))) == 3
