"""`--config-file` gives a run the config that lies in files; flags go before it, and both before the script."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)


def test_files_then_flags_then_the_script(bench: Bench) -> None:
    (bench.folder / "base.yaml").write_text("lr: 1e-3\nlayers: 2\nopt: adam\n")
    (bench.folder / "more.json").write_text('{"layers": 3}')
    bench.desk.script(
        "s.py", "import runwrap\nprint(runwrap.init(config={'lr': 5, 'opt': 'sgd', 'x': 1}).config)"
    )
    files = ("--config-file", "base.yaml", "--config-file=more.json", "--config", "opt=lion")
    view = bench.run(*files, sys.executable, "s.py")
    assert view["config"] == {"lr": 0.001, "layers": 3, "opt": "lion", "x": 1}
    assert bench.recorded().log.decode().strip() == str({"lr": 0.001, "layers": 3, "opt": "lion", "x": 1})
    assert "lr, opt" in view["notices"][0]["text"]
    sources = [(data["source"], data.get("path", "")[-9:]) for data in bench.recorded().records("config")]
    assert sources == [("file", "base.yaml"), ("file", "more.json"), ("flag", ""), ("api", "")]


def test_a_project_file_names_files_beside_it(bench: Bench) -> None:
    (bench.folder / "runwrap.toml").write_text('config_file = ["base.yaml"]')
    (bench.folder / "base.yaml").write_text("lr: 1")
    (bench.folder / "sub").mkdir()
    assert bench.run("true", cwd=bench.folder / "sub")["config"] == {"lr": 1}


def test_a_file_that_cannot_be_read_stops_us_before_the_script(bench: Bench) -> None:
    message = bench.call("runwrap", "--config-file", "missing.yaml", "touch", "started", status=125).decode()
    assert "missing.yaml: No such file or directory" in message
    assert "hint: give a file" in message
    assert not (bench.folder / "started").exists()
