"""A notebook that calls init() is a run, from there to finish() or to the end of its kernel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(240)

# Executes a notebook as `jupyter execute` does, and writes it back with what its cells printed.
EXECUTE = """
import json, sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.from_dict(json.load(open("n.ipynb")))
NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.outputs:
        print(output.get("text") or output.get("data", {}).get("text/plain", ""), end="")
"""


def execute(bench: Bench, python: str, *cells: str) -> bytes:
    """Execute a notebook of these cells, with no runwrap around it; return what they print."""
    made: list[dict[str, Any]] = [
        {
            "cell_type": "code", "id": f"cell{number}", "metadata": {}, "source": cell, "outputs": [],
            "execution_count": None,
        }
        for number, cell in enumerate(cells)
    ]  # fmt: skip
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}
    (bench.folder / "n.ipynb").write_text(json.dumps(notebook))
    printed = bench.call(
        python, "-c", EXECUTE, HOME=str(bench.folder), IPYTHONDIR=str(bench.folder / "ipython")
    )
    bench.settle()
    return printed


def test_a_notebook_is_a_run(bench: Bench, notebook_python: str) -> None:
    printed = execute(
        bench,
        notebook_python,
        "import runwrap\nrun = runwrap.init(project='p', name='book', config={'lr': 0.1})",
        "for step in range(3): runwrap.log({'loss': 1 / (step + 1)})",
        "run.log({'h': runwrap.Histogram([1, 2, 3])})\nprint(run.name)",
        "run.finish()\nprint('done')",
        "runwrap.init(project='p', name='second').log({'loss': 5.0})",  # and the kernel ends
    )
    assert printed == b"book\ndone\n"
    runs = [json.loads(line) for line in bench.verb("runs", "--json").splitlines()]
    found = {run["name"]: (run["state"], run["summary"]["loss"], run["config"]) for run in runs}
    assert found["book"] == ("finished", pytest.approx(1 / 3), {"lr": 0.1})
    assert found["second"][1:] == (5.0, {})
    assert found["second"][0] in ("finished", "killed")  # as the kernel is ended: asked, or at once
    view = bench.shown("book")
    assert view["history"]["loss"]["count"] == 3
    assert view["facts"]["packages"]["count"] > 10
    assert view["notices"] == []
