"""What docs/python.md prints runs as it is printed, where runwrap is not installed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)

DOCS = Path(__file__).parents[2] / "docs/python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
# The interpreter that the tests' environment was made from: runwrap is not installed there.
PYTHON = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}")


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_an_example_of_the_documentation_runs(bench: Bench, block: str) -> None:
    bench.desk.script("example.py", block)
    view = bench.run(PYTHON, "example.py")
    assert view["notices"] == []
    said = {"log(": "history", "config": "config", "save(": "files", "summary[": "summary"}
    for word, part in said.items():
        assert word not in block or view[part], part


def test_media_of_the_documentation_are_files_of_the_run(bench: Bench) -> None:
    (block,) = (block for block in BLOCKS if "runwrap.Image" in block)
    bench.desk.script("example.py", block)
    view = bench.run(PYTHON, "example.py")
    (row,) = bench.recorded().records("history")
    assert set(re.findall(r'^    "(\w+)":', block, re.MULTILINE)) == set(row["values"])
    kept = {file["path"] for file in view["files"]}
    assert {value["path"] for value in row["values"].values() if "path" in value} <= kept
    shown = bench.verb("show", "latest")
    assert "image 16x16  media/images/" in shown
    assert "weights    histogram\n" in shown
