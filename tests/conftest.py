"""What every test shares."""

from __future__ import annotations

import os
import signal
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
