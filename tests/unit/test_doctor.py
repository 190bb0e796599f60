"""The doctor says what works, what does not and what to do, and measures what wrapping costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runwrap.cli import app, doctor
from runwrap.cli.doctor import Check

if TYPE_CHECKING:
    from pathlib import Path

GPU = {"vendor": "0x10de\n", "class": "0x030200\n"}
SOUND_CARD = {"vendor": "0x10de\n", "class": "0x040300\n"}
OTHER_GPU = {"vendor": "0x8086\n", "class": "0x030000\n"}


def environ(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment with a home of its own."""
    return {"HOME": str(folder), "PATH": os.environ["PATH"], **more}


def plug(folder: Path, **devices: dict[str, str]) -> Path:
    """Make a PCI bus as /sys shows it."""
    for name, files in devices.items():
        (folder / name).mkdir()
        for file, text in files.items():
            (folder / name / file).write_text(text)
    return folder


def test_a_check_is_one_line_with_its_remedy() -> None:
    assert doctor.line(Check("git", "ok", "git 2")) == "ok    git       git 2"
    assert doctor.line(Check("disk", "no", "full", "make room")) == "no    disk      full (make room)"


@pytest.mark.parametrize(
    ("on_terminal", "term", "word", "text"),
    [
        ([True, True, True], "xterm", "ok", "a script gets a terminal like this one (xterm)"),
        ([True, True, True], "", "warn", "TERM is not set: programs use no colours"),
        ([True, True, True], "dumb", "warn", "TERM is dumb: programs use no colours"),
        ([True, False, True], "", "ok", "redirected streams stay as they are"),
    ],
)
def test_the_terminal(on_terminal: list[bool], term: str, word: str, text: str) -> None:
    check = doctor.check_terminal(on_terminal, {"TERM": term})
    assert check.word == word
    assert check.text.startswith(text)
    assert bool(check.remedy) == (word != "ok")


def test_git_and_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor.check_git({"PATH": "/nowhere"}).remedy == "install git"
    here = environ(tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    outside = doctor.check_git(here)
    assert outside.word == "ok"
    assert outside.text.endswith(", no repository here")
    subprocess.run(["git", "init", "-q"], env=here, check=True)
    assert doctor.check_git(here).text.endswith(f", the repository is {tmp_path}")
    (tmp_path / ".git" / "config").write_text("[broken")
    broken = doctor.check_git(here)
    assert broken.word == "warn"
    assert "bad config" in broken.text


def test_a_gpu_is_seen_even_without_its_driver(tmp_path: Path) -> None:
    assert not doctor.has_nvidia(tmp_path / "nowhere")
    plug(tmp_path, sound=SOUND_CARD, other=OTHER_GPU)
    assert not doctor.has_nvidia(tmp_path)
    plug(tmp_path, gpu=GPU)
    assert doctor.has_nvidia(tmp_path)


def test_the_gpu_driver(tmp_path: Path) -> None:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        assert doctor.check_gpu(tmp_path) == Check("gpu", "ok", "no NVIDIA GPU on this machine")
        check = doctor.check_gpu(plug(tmp_path, gpu=GPU))
        assert check.word == "warn"
        assert check.remedy.startswith("install the NVIDIA driver")
    else:
        check = doctor.check_gpu(tmp_path)
        assert check.word == "ok"
        assert check.text.startswith("driver ")


def test_settings_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runwrap.toml").write_text("grop = 'x'")
    check = doctor.check_settings(environ(tmp_path))
    assert check == Check(
        "settings", "no", f"{tmp_path}/runwrap.toml: grop is no setting", "did you mean group?"
    )


def test_variables_that_are_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check = doctor.check_settings(environ(tmp_path, RUNWRAP_PROJCT="x"))
    assert (check.word, check.text) == ("warn", "RUNWRAP_PROJCT is no setting")
    assert check.remedy == "did you mean RUNWRAP_PROJECT?"
    ours = dict.fromkeys(
        ("RUNWRAP_RUN", "RUNWRAP_FILES", "RUNWRAP_SOCKET", "RUNWRAP_DB", "RUNWRAP_OBJECTS"), "x"
    )
    assert doctor.check_settings(environ(tmp_path, **ours)).word == "ok"


def test_settings_say_where_they_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor.check_settings(environ(tmp_path)).text == f"project {tmp_path.name}; set by nothing"
    check = doctor.check_settings(environ(tmp_path, RUNWRAP_PROJECT="x", RUNWRAP_PTY="1"))
    assert check.text == "project x; set by RUNWRAP_PROJECT, RUNWRAP_PTY"


def test_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "a" / "b"
    check = doctor.check_disk(environ(tmp_path, RUNWRAP_DIR=str(root)))
    assert (check.name, check.word) == ("disk", "ok")
    assert check.text.endswith(f" GB free in {root}")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(doctor, "LITTLE_BYTES", 2**80)
    assert doctor.check_disk(environ(tmp_path)).word == "warn"


@pytest.mark.parametrize("root", ["/dev/null/runs", "/proc/runs"])
def test_a_disk_that_takes_nothing(tmp_path: Path, root: str) -> None:
    check = doctor.check_disk(environ(tmp_path, RUNWRAP_DIR=root))
    assert check.word == "no"
    assert check.text.startswith(f"{root} cannot be written: ")
    assert "RUNWRAP_DIR" in check.remedy


def test_the_cost_is_what_wrapping_adds() -> None:
    check = doctor.check_cost(["env"], rounds=1)
    assert check.word in ("ok", "warn")
    assert set(check.values) == {"true", "python -c pass"}
    for cost in check.values.values():
        assert isinstance(cost, dict)
        assert cost["added_ms"] == cost["wrapped_ms"] - cost["bare_ms"]
        assert cost["bare_ms"] > 0


def test_a_high_cost_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SLOW_MS", -1e9)
    check = doctor.check_cost(["env"], rounds=1)
    assert (check.word, check.remedy) == ("warn", "try --no-git, and RUNWRAP_DIR on a local disk")


def test_measured_runs_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    for name in doctor.OF_ONE_RUN:
        monkeypatch.setenv(name, "1")
    script = f'env | grep ^RUNWRAP_ >>{told}; mkdir -p "$RUNWRAP_DIR/run"; exec "$@"'
    assert doctor.check_cost(["sh", "-c", script, "sh"], rounds=1).word in ("ok", "warn")
    names = {line.partition("=")[0] for line in told.read_text().splitlines()}
    folders = {
        line.partition("=")[2] for line in told.read_text().splitlines() if line.startswith("RUNWRAP_DIR=")
    }
    assert names == {"RUNWRAP_DIR", "RUNWRAP_QUIET"}
    assert len(folders) == 1
    assert not os.path.lexists(folders.pop())


def test_a_wrapper_that_fails_is_quoted() -> None:
    check = doctor.check_cost(["sh", "-c", "echo no room >&2; exit 125"], rounds=1)
    assert check.word == "no"
    assert check.text.endswith("ended with status 125: no room")


def test_a_wrapper_that_is_not_there_is_told() -> None:
    check = doctor.check_cost(["/nowhere/runwrap"], rounds=1)
    assert check.word == "no"
    assert check.remedy == "try /nowhere/runwrap true"


def test_runwrap_is_measured_as_it_was_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "runwrap"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    as_module = [sys.executable, "-m", "runwrap"]
    assert doctor.wrapper("pytest") == as_module
    assert doctor.wrapper(str(program)) == [str(program)]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.wrapper("pytest") == [str(program)]
    assert doctor.wrapper("/x/runwrap/__main__.py") == as_module


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Measure little, and keep runs in a folder of the test."""
    monkeypatch.setattr(doctor, "ROUNDS", 1)
    monkeypatch.setattr(doctor, "wrapper", lambda _: ["env"])
    monkeypatch.setenv("RUNWRAP_DIR", str(tmp_path))


@pytest.mark.usefixtures("quick")
def test_everything_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    status = app.main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["terminal", "git", "gpu", "settings", "disk", "cost"]
    assert {line.split()[0] for line in lines} <= {"ok", "warn"}
    assert status == 0


@pytest.mark.usefixtures("quick")
def test_what_cannot_work_is_status_1_and_json_says_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNWRAP_DIR", "/dev/null/x")
    assert app.main(["doctor", "--json"]) == 1
    said = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert list(said) == ["terminal", "git", "gpu", "settings", "disk", "cost"]
    assert said["disk"]["word"] == "no"
    assert set(said["cost"]["values"]) == {"true", "python -c pass"}
