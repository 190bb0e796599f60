"""What every test shares."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _ordinary_signals() -> None:
    """Let commands start as from a shell, also where the tests themselves run in its background."""
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def wrapper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the words to put before a command: runwrap, or `env` to run the bare control.

    RUNWRAP_TEST_WRAPPER chooses another wrapper; what looks at the record is skipped there.
    """
    for name in [name for name in os.environ if name.startswith("RUNWRAP_") and "TEST" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RUNWRAP_QUIET", "1")
    monkeypatch.setenv("RUNWRAP_DIR", str(tmp_path / "data"))
    chosen = os.environ.get("RUNWRAP_TEST_WRAPPER", "").split()
    return chosen or [str(Path(sys.executable).with_name("runwrap"))]


def python_with(name: str, *arguments: str | Path) -> str:
    """Return an interpreter with what pip installs by these arguments; it is made once, beside that of the tests.

    RUNWRAP_TEST_NAME_PYTHON names another one. Where nothing can be installed the test is skipped.
    """
    given = os.environ.get(f"RUNWRAP_TEST_{name.upper()}_PYTHON")
    if given:
        return given
    folder = Path(sys.prefix, f"runwrap-test-{name}")
    python, made = folder / "bin/python", folder / "made"
    if not made.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        command = [python, "-m", "pip", "install", "-q", *arguments]
        done = subprocess.run(command, check=False, capture_output=True, timeout=400)
        if done.returncode != 0:
            pytest.skip(f"cannot be installed here: {' '.join(map(str, arguments))}: {done.stderr[-200:]!r}")
        made.touch()
    return str(python)


@pytest.fixture(scope="session")
def media_python() -> str:
    """Return an interpreter with what draws and counts, and without runwrap."""
    return python_with("media", "numpy", "pillow", "matplotlib", "pandas", "plotly")


@pytest.fixture(scope="session")
def torch_python() -> str:
    """Return an interpreter with PyTorch, for processors only, and Keras, and without runwrap."""
    return python_with("torch", "torch==2.13.0", "numpy", "keras")


@pytest.fixture(scope="session")
def notebook_python() -> str:
    """Return an interpreter with a kernel for notebooks, and with runwrap."""
    return python_with("notebook", "nbclient", "ipykernel", "-e", Path(__file__).parents[1])


def build_nvml(folder: Path, *flags: str) -> Path:
    """Build the stand-in for the library of NVIDIA's driver; return its folder."""
    source = Path(__file__).with_name("standin") / "nvml.c"
    library = folder / "libnvidia-ml.so.1"
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed here")
    subprocess.run(["gcc", "-Wall", *flags, "-shared", "-fPIC", "-o", library, source], check=True)
    return folder


@pytest.fixture(scope="session")
def nvml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a library that answers as $STANDIN_NVML says."""
    return build_nvml(tmp_path_factory.mktemp("nvml"))


@pytest.fixture(scope="session")
def old_nvml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the same library as it was years ago."""
    return build_nvml(tmp_path_factory.mktemp("old_nvml"), "-DOLD")
