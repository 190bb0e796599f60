"""The examples in docs/ run, learn something, and run the same under runwrap."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
RUNWRAP = Path(sys.executable).with_name("runwrap")


def run(*command, **environ):
    """Run a command and return what it printed."""
    done = subprocess.run(
        [*map(str, command)],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def losses(text):
    """Return the training loss of each epoch."""
    return [float(number) for number in re.findall(r" loss: ([0-9.]+)", text)]


def test_example_learns():
    first, *_, last = losses(run(sys.executable, EXAMPLES / "train.py", "--epochs", 3, "--samples", 300))
    assert last < first


def test_example_learns_the_same_twice_with_one_seed():
    command = (sys.executable, EXAMPLES / "train.py", "--epochs", 1, "--samples", 100, "--seed", 7)
    assert losses(run(*command)) == losses(run(*command))


@pytest.mark.slow
def test_example_under_runwrap_prints_what_it_prints_alone(tmp_path):
    command = (sys.executable, EXAMPLES / "train.py", "--epochs", 3)
    wrapped = run(RUNWRAP, *command, RUNWRAP_DIR=str(tmp_path))
    assert losses(wrapped) == losses(run(*command))
    assert [path.read_text() for path in tmp_path.rglob("output.log")] == [wrapped]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "module"), [("train_sklearn.py", "sklearn"), ("train_torch.py", "torch")])
def test_example_with_a_framework_learns(name, module):
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    first, *_, last = losses(run(sys.executable, EXAMPLES / name, "--epochs", 4))
    assert last < first
