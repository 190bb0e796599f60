"""What wrapping adds to the start and to the whole of a short command; the unit is `python -c pass`."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.bench.measure import PYTHON, RUNWRAP, in_turns, redirected, row, to_first_instruction


def make_repository(folder):
    """Make a git repository of 200 files with one change and one untracked file."""
    folder.mkdir()
    for number in range(200):
        (folder / f"file{number}.py").write_text(f"value = {number}\n" * 20)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        subprocess.run(["git", *identity, *command], cwd=folder, check=True)
    (folder / "file7.py").write_text("changed = True\n")
    (folder / "new.py").write_text("")
    return folder


def variants_in(folder, environ):
    """Return the commands that are compared in one folder."""
    passing = [PYTHON, "-c", "pass"]
    variants = {
        "python": redirected(passing, folder, environ),
        "true": redirected(["true"], folder, environ),
        "first": to_first_instruction([], folder, environ),
        "runwrap first": to_first_instruction([RUNWRAP], folder, environ),
        "runwrap true": redirected([RUNWRAP, "true"], folder, environ),
        "runwrap python": redirected([RUNWRAP, *passing], folder, environ),
    }
    if shutil.which("script"):
        variants["script true"] = redirected(["script", "-qec", "true", os.devnull], folder, environ)
        joined = f"{PYTHON} -c pass"
        variants["script python"] = redirected(["script", "-qec", joined, os.devnull], folder, environ)
    return variants


def report(place, taken, whole_bar):
    """Print the medians of one folder."""
    unit_s = taken["python"].wall_s
    print(f"launch, {place} (unit: python -c pass, {unit_s * 1000:.1f} ms)")
    bars = {"runwrap first": "bar: 2.2 units", "runwrap true": f"bar: {whole_bar} units"}
    names = {
        "first": "sh, to its first command",
        "runwrap first": "runwrap sh, to the script's first command",
    }
    for name, result in taken.items():
        value = f"{result.wall_s * 1000:.1f} ms {result.wall_s / unit_s:6.2f} units"
        row(names.get(name, name + ", whole"), value, bars.get(name, ""))


def bench(folder, rounds):
    """Measure outside a git repository and inside one."""
    environ = os.environ | {"RUNWRAP_DIR": str(folder / "data")}
    outside = folder / "outside"
    outside.mkdir()
    report("outside a git repository", in_turns(variants_in(outside, environ), rounds), 4)
    inside = make_repository(Path(folder) / "inside")
    report("inside a git repository", in_turns(variants_in(inside, environ), rounds), 16)
