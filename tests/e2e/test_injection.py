"""Every Python of this machine runs a script under runwrap as it does bare, and can `import runwrap`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
from interpreters import Interpreter, interpreters, newest, since

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(300)

# What a script can see of its interpreter, less what of ours it is known to see.
LOOK = """
from __future__ import print_function
import os, sys, atexit
ours = ("RUNWRAP_RUN", "RUNWRAP_FILES", "RUNWRAP_SOCKET", "PYTHONPATH")
path = os.environ.get("PYTHONPATH") or ""
print("argv", sys.argv)
print("path", [entry for entry in sys.path if not NOT_RUN in entry])
print("flags", sys.flags, getattr(sys, "warnoptions", None), getattr(sys, "_xoptions", None))
print("modules", sorted(name for name in sys.modules if name != "runwrap.inject.finder"))
print("finders", [text for text in map(str, sys.meta_path) if "PackageFinder" not in text])
print("cached", len(sys.path_hooks), sorted(key for key in sys.path_importer_cache if not NOT_RUN in key))
print("environ", sorted(item for item in os.environ.items() if item[0] not in ours))
print("PYTHONPATH", [entry for entry in path.split(":") if not entry.endswith("/inject/boot")] if path else [])
print("self", sys.prefix, sys.executable, sys.dont_write_bytecode, sys.excepthook, sys.displayhook)
print("watched", sys.gettrace(), sys.getprofile(), getattr(atexit, "_ncallbacks", int)())
print("builtins", sorted(getattr(__builtins__, "__dict__", __builtins__)))
print("main", sorted(name for name in globals() if name[:2] == "__"), globals().get("__file__"), __name__)
print("user", "sitecustomize" in sys.modules, "usercustomize" in sys.modules, getattr(sys, "seen", None))
print("descriptors", len(os.listdir("/proc/self/fd")))
import threading, warnings
print("threads", threading.active_count(), warnings.filters)
print("in", sys.stdin.read())
sys.stderr.write("to stderr\\n")
sys.exit(3)
""".replace("NOT_RUN", "'/inject/boot'")
# -S leaves what PYTHONPATH says as it is: there our folder stays, with nothing in it but sitecustomize.
LOOK_EXACTLY = LOOK.replace("if not '/inject/boot' in", "if not '\\0' in")
CUSTOMIZE = {
    "present": "import sys; sys.seen = 'present'",
    "raising": "raise RuntimeError('of the user')",
    "missing": "import no_such_module",
    "printing": "import sys; sys.stdout.write('hello\\n'); sys.stderr.write('err\\n')",
}
LINES = 16


class Case(NamedTuple):
    """A way to start Python."""

    words: list[str]
    environ: dict[str, str] = {}  # noqa: RUF012  # nobody writes into it
    oldest: tuple[int, int] = (2, 7)
    script: str = LOOK_EXACTLY


CASES = {
    "plain": Case(["s.py", "a", "--b"]),
    "-E": Case(["-E", "s.py"]),
    "-I": Case(["-I", "s.py"], oldest=(3, 4)),
    "-S": Case(["-S", "without_site.py"], script=LOOK),
    "-s": Case(["-s", "s.py"]),
    "-P": Case(["-P", "s.py"], oldest=(3, 11)),
    "-O": Case(["-O", "s.py"]),
    "-u": Case(["-u", "s.py"]),
    "-B": Case(["-B", "s.py"]),
    "-bb": Case(["-bb", "s.py"], oldest=(3, 6)),
    "-W error": Case(["-W", "error", "s.py"]),
    "-X dev": Case(["-X", "dev", "s.py"], oldest=(3, 7)),
    "-X utf8": Case(["-X", "utf8", "s.py"], oldest=(3, 7)),
    "-X frozen_modules": Case(["-X", "frozen_modules=off", "s.py"], oldest=(3, 11)),
    "-m module": Case(["-m", "s"]),
    "-m package": Case(["-m", "pack"]),
    "folder": Case(["pack"]),
    "zip": Case(["s.zip", "a"]),
    "link": Case(["link/s.py"]),
    "-c": Case(["-c", LOOK_EXACTLY, "a"]),
    "stdin": Case(["-", "a"]),
    "stdin alone": Case([]),
    "safe path": Case(["s.py"], {"PYTHONSAFEPATH": "1"}, (3, 11)),
    "no bytecode": Case(["s.py"], {"PYTHONDONTWRITEBYTECODE": "1"}),
    "no user site": Case(["s.py"], {"PYTHONNOUSERSITE": "1"}),
    "own path": Case(["s.py"], {"PYTHONPATH": "extra"}),
    "own path, empty entry": Case(["s.py"], {"PYTHONPATH": "extra:"}),
    "own path, empty entry first": Case(["-m", "s"], {"PYTHONPATH": ":extra"}),
    "own path, twice": Case(["s.py"], {"PYTHONPATH": "extra:/no/such:extra"}),
    "own path, empty": Case(["s.py"], {"PYTHONPATH": ""}, (3, 6)),
    "our names": Case(["s.py"], {"PYTHONPATH": "ours"}),
    "our names beside it": Case(["ours/s.py"]),
    "usercustomize": Case(["s.py"], {"PYTHONUSERBASE": "base"}),
    "sitecustomize -m": Case(["-m", "s"], {"PYTHONPATH": "present"}),
    "sitecustomize twice": Case(["s.py"], {"PYTHONPATH": "present:raising"}),
    "sitecustomize present": Case(["s.py"], {"PYTHONPATH": "present"}),
    "sitecustomize raising": Case(["s.py"], {"PYTHONPATH": "raising"}),
    "sitecustomize missing": Case(["s.py"], {"PYTHONPATH": "missing"}),
}


def prepare(bench: Bench) -> None:
    """Lay out what the cases are about."""
    desk = bench.folder
    for name in ("pack", "extra", "ours", *CUSTOMIZE):
        (desk / name).mkdir()
    for name in ("s.py", "pack/__main__.py", "ours/s.py"):
        (desk / name).write_text(LOOK_EXACTLY)
    (desk / "without_site.py").write_text(LOOK)
    (desk / "pack/__init__.py").write_text("")
    for name in ("finder", "inject", "api", "boot"):
        (desk / f"ours/{name}.py").write_text("print('of the user')")
    (desk / "link").symlink_to(desk)
    for name, text in CUSTOMIZE.items():
        (desk / name / "sitecustomize.py").write_text(text)
    with zipfile.ZipFile(desk / "s.zip", "w") as archive:
        archive.writestr("__main__.py", LOOK_EXACTLY)
    bench.environ |= {"PYTHONHASHSEED": "0"}


def prepare_user_site(bench: Bench, python: str) -> None:
    """Put a usercustomize where a Python looks for it."""
    ask = "import site; print(site.getusersitepackages())"
    site = bench.call(python, "-c", ask, PYTHONUSERBASE="base").decode().strip()
    (bench.folder / site).mkdir(parents=True)
    (bench.folder / site / "usercustomize.py").write_text("import sys; sys.seen = 'user'")


def outcome(
    bench: Bench, words: list[str], environ: dict[str, str] | None = None, text: str = ""
) -> tuple[int, str, str]:
    """Run a command to its end; return its status and what it said, without what differs by chance."""
    done = subprocess.run(
        words,
        cwd=bench.folder,
        env=bench.environ | (environ or {}),
        input=text.encode(),
        capture_output=True,
        check=False,
    )
    said = [re.sub(r"0x[0-9a-f]+", "0x", stream.decode()) for stream in (done.stdout, done.stderr)]
    return done.returncode, said[0], said[1]


def differences(bench: Bench, python: str, case: Case) -> list[tuple[object, object]]:
    """Run a case bare and under runwrap; return what is not the same."""
    text = case.script if case.words in ([], ["-", "a"]) else "input"
    # A sitecustomize on PYTHONPATH is run by our own Python too, and its errors are told twice.
    without = ["runwrap", "--off"] if "PYTHONPATH" in case.environ else []
    bare = outcome(bench, [*without, python, *case.words], case.environ, text)
    wrapped = outcome(bench, ["runwrap", python, *case.words], case.environ, text)
    assert bare[0] == 3, bare
    assert bare[1].count("\n") >= LINES, bare
    lines = zip(*(said.splitlines() for said in (bare[1], wrapped[1])), strict=False)
    return [pair for pair in [*lines, *zip(bare, wrapped, strict=True)] if pair[0] != pair[1]]


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.name)
def test_a_script_runs_as_it_runs_bare(bench: Bench, python: Interpreter) -> None:
    prepare(bench)
    prepare_user_site(bench, python.path)
    cases = {name: case for name, case in CASES.items() if python.version >= case.oldest}
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda case: differences(bench, python.path, case), cases.values())
        different = {name: pairs for name, pairs in zip(cases, found, strict=True) if pairs}
    assert different == {}


ROWS = """
import sys
try:
    import runwrap
except ImportError:
    print("no runwrap")
else:
    for step in range(3):
        runwrap.log({"x": step})
"""
WITHOUT_IMPORT = ["-E", "-I", "-S"]
WITH_IMPORT = [
    "plain",
    "-s",
    "-P",
    "-O",
    "-W error",
    "-m module",
    "-m package",
    "zip",
    "-c",
    "stdin",
    "own path",
]


def rows_of(bench: Bench, python: Interpreter, name: str) -> tuple[tuple[int, str, str], list[object]]:
    """Run a script that logs three rows; return how it went and the rows that are in the journal."""
    case = CASES[name]
    words = [ROWS if word == LOOK_EXACTLY else word for word in case.words]
    run_id = f"case{len(os.listdir(bench.data)) if bench.data.exists() else 0}-{name.replace(' ', '-')}"
    ended = outcome(bench, ["runwrap", "--id", run_id, python.path, *words], case.environ, ROWS)
    (journal,) = bench.data.glob(f"*/{run_id}/journal.jsonl")
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    assert not [record for record in records if record["kind"] == "notice"]
    return ended, [record["data"]["values"] for record in records if record["kind"] == "history"]


@pytest.mark.parametrize("python", interpreters(), ids=lambda python: python.name)
def test_a_script_can_import_runwrap_where_it_is_not_installed(bench: Bench, python: Interpreter) -> None:
    prepare(bench)
    for name in ("s.py", "pack/__main__.py", "without_site.py"):
        (bench.folder / name).write_text(ROWS)
    with zipfile.ZipFile(bench.folder / "s.zip", "w") as archive:
        archive.writestr("__main__.py", ROWS)
    names = [name for name in WITH_IMPORT + WITHOUT_IMPORT if python.version >= CASES[name].oldest]
    cannot = names if python.version < (3, 6) else WITHOUT_IMPORT
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(names, pool.map(lambda name: rows_of(bench, python, name), names), strict=True))
    nothing = ((0, "no runwrap\n", ""), [])
    everything = ((0, "", ""), [{"x": 0}, {"x": 1}, {"x": 2}])
    assert found == {name: nothing if name in cannot else everything for name in names}


@pytest.mark.parametrize("python", since((3, 6)), ids=lambda python: python.name)
def test_a_virtual_environment_is_no_different(bench: Bench, python: Interpreter) -> None:
    bench.call(python.path, "-m", "venv", "--without-pip", "env")
    (bench.folder / "s.py").write_text(LOOK_EXACTLY)
    (site,) = (bench.folder / "env/lib").glob("python*/site-packages")
    for text in CUSTOMIZE.values():
        (site / "sitecustomize.py").write_text(text)
        assert differences(bench, "env/bin/python", Case(["s.py"])) == []
    (site / "sitecustomize.py").unlink()
    (bench.folder / "s.py").write_text(ROWS)
    assert outcome(bench, ["runwrap", "env/bin/python", "s.py"]) == (0, "", "")
    assert bench.shown("latest")["summary"] == {"x": 2}
    (site / "runwrap").mkdir()
    (site / "runwrap/__init__.py").write_text("def log(row): print('installed', row)")
    assert outcome(bench, ["runwrap", "env/bin/python", "s.py"])[1].count("installed") == 3


@pytest.mark.parametrize("text", ["import sys; sys.exit(5)", "raise KeyboardInterrupt"])
def test_a_sitecustomize_that_ends_python_ends_it(bench: Bench, text: str) -> None:
    # There is a traceback then, and one line of it is the import in ours.
    python = newest()
    bench.call(python.path, "-m", "venv", "--without-pip", "env")
    (site,) = (bench.folder / "env/lib").glob("python*/site-packages")
    (site / "sitecustomize.py").write_text(text)
    bare = outcome(bench, ["env/bin/python", "-c", "pass"])
    wrapped = outcome(bench, ["runwrap", "env/bin/python", "-c", "pass"])
    assert bare[0] != 0
    assert bare[:2] == wrapped[:2]
    assert set(bare[2].splitlines()) <= set(wrapped[2].splitlines())


def test_turned_off_nothing_of_ours_is_in_the_interpreter(bench: Bench) -> None:
    prepare(bench)
    look = "import os, sys; print(os.environ.get('PYTHONPATH'), 'PackageFinder' in str(sys.meta_path))"
    for words in (["--no-inject"], ["--off"]):
        done = outcome(bench, ["runwrap", *words, newest().path, "-c", look + "; import runwrap"])
        assert done[:2] == (1, "None False\n")
        assert "No module named 'runwrap'" in done[2]
