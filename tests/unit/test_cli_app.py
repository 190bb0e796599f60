"""What stands behind `runwrap` when the first word is a verb, and how it fails."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.main import get_command

from runwrap import __version__
from runwrap.cli import app as conductor
from runwrap.errors import NoSuchRunError, RunwrapError, SettingsError
from runwrap.launch.options import COMPLETION_VARIABLE, OPTIONS, VERBS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEADLINE_S = 20.0
PIPE = subprocess.PIPE
CALL = "import sys; from runwrap.cli.app import main; sys.exit(main(['settings']))"

Say = pytest.CaptureFixture[str]


def start(program: str, **options: Any) -> subprocess.Popen[str]:
    """Start a program in Python."""
    return subprocess.Popen([sys.executable, "-c", program], text=True, **options)


@pytest.fixture
def program_like_a_verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program named `show` on the PATH."""
    path = tmp_path / "bin" / "show"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    return path


@pytest.fixture
def ends_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Return what runs a verb that ends with an error."""

    def run(error: BaseException) -> int:
        app = typer.Typer(cls=conductor.Door, callback=lambda: None)

        @app.command("show")
        def show() -> None:
            raise error

        app.command("settings")(lambda: None)
        monkeypatch.setattr(conductor, "make_app", lambda: app)
        return conductor.main(["show"])

    return run


def test_the_verbs_are_the_ones_that_the_door_knows() -> None:
    commands = get_command(conductor.make_app()).commands  # type: ignore[attr-defined]
    assert set(commands) - {conductor.COMMAND} == VERBS


def test_every_verb_explains_itself(capsys: Say) -> None:
    for verb in sorted(VERBS):
        assert conductor.main([verb, "--help"]) == 0
        said = capsys.readouterr()
        assert said.out.startswith(f"Usage: runwrap {verb} ")
        assert said.err == ""


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_option_and_verb(flag: str, capsys: Say) -> None:
    assert conductor.main([flag]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Usage: runwrap [options] COMMAND [ARGS...]\n")
    for name in [option.flag for option in OPTIONS] + sorted(VERBS):
        assert re.search(rf"^  (-h, )?{name}\b", said, re.MULTILINE)
    assert f"\n  {conductor.COMMAND}" not in said


def test_the_version_is_said(capsys: Say) -> None:
    assert conductor.main(["--version"]) == 0
    assert capsys.readouterr().out == f"runwrap {__version__}\n"


def test_wrong_arguments_are_told_in_one_line_with_the_usage(capsys: Say) -> None:
    assert conductor.main(["settings", "--jsn"]) == 2
    said = capsys.readouterr()
    first, second = said.err.splitlines()
    assert first.startswith("runwrap: no such option")
    assert "--jsn" in first
    assert second.startswith("  hint: usage: runwrap settings [")
    assert said.out == ""


def test_wrong_arguments_for_a_verb_that_is_also_a_program_say_how_to_reach_it(
    program_like_a_verb: Path, capsys: Say
) -> None:
    assert conductor.main(["show", "--nothing", "a b"]) == 2
    said = capsys.readouterr().err
    assert f"to run the program {program_like_a_verb}: runwrap -- show --nothing 'a b'" in said


def test_a_run_that_does_not_exist_may_have_been_meant_for_the_program(
    program_like_a_verb: Path, ends_with: Callable[[BaseException], int], capsys: Say
) -> None:
    assert ends_with(NoSuchRunError("no run is called x")) == 1
    said = capsys.readouterr().err
    assert (
        said
        == f"runwrap: no run is called x\n  hint: to run the program {program_like_a_verb}: runwrap -- show\n"
    )


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (RunwrapError("it broke", "mend it"), 125, "runwrap: it broke\n  hint: mend it\n"),
        (SettingsError("no"), 125, "runwrap: no\n"),
        (NoSuchRunError("which?", "runwrap runs"), 1, "runwrap: which?\n  hint: runwrap runs\n"),
        (PermissionError(13, "Permission denied", "/x"), 125, "runwrap: Permission denied: /x\n"),
        (typer.Exit(3), 3, ""),
        (typer.Abort(), 1, ""),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 141, ""),
        (SystemExit(4), 4, ""),
        (SystemExit(), 0, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_errors_are_sentences_and_statuses(
    error: BaseException,
    status: int,
    said: str,
    ends_with: Callable[[BaseException], int],
    capsys: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conductor, "mute", lambda: None)
    monkeypatch.setenv("PATH", "/nowhere")
    assert ends_with(error) == status
    assert capsys.readouterr() == ("", said)


def test_nobody_reading_on_is_quiet() -> None:
    process = start(f"input(); {CALL}", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdout
    process.stdout.close()
    process.stdout = None
    said = process.communicate("\n", DEADLINE_S)[1]
    assert (process.returncode, said) == (141, "")


def test_a_full_disk_is_a_sentence() -> None:
    with open("/dev/full", "w") as full:
        process = start(CALL, stdout=full, stderr=PIPE)
        said = process.communicate(timeout=DEADLINE_S)[1]
    assert (process.returncode, said) == (125, "runwrap: No space left on device\n")


def test_a_closed_stdout_is_no_reason_to_fail() -> None:
    line = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", CALL]
    process = subprocess.run(line, stderr=PIPE, timeout=DEADLINE_S, check=False)
    assert (process.returncode, process.stderr) == (0, b"")


def test_control_c_is_quiet(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    waits = f"from runwrap.cli import settings; settings.load = lambda *_: open({str(fifo)!r}).read(); {CALL}"
    process = start(waits, stderr=PIPE)
    with open(fifo, "w"):  # opens when the verb does
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=DEADLINE_S)[1]
    assert (process.returncode, said) == (130, "")


def test_names_that_are_not_text_are_printed_all_the_same(tmp_path: Path) -> None:
    environ = os.environ | {"RUNWRAP_PROJECT": "\udcff", "RUNWRAP_DIR": str(tmp_path)}
    process = start(CALL, stdout=PIPE, env=environ)
    assert "\nproject          \\udcff " in process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode == 0


def test_what_a_file_of_others_says_does_no_harm_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    file = tmp_path / "runwrap.toml"
    monkeypatch.chdir(tmp_path)
    file.write_text(r'project = "\u001b]0;owned\u0007"')
    assert conductor.main(["settings"]) == 0
    assert r"\x1b]0;owned\x07" in capsys.readouterr().out
    file.write_text(r'"\u001b]0;owned\u0007" = 1')
    assert conductor.main(["settings"]) == 125
    assert capsys.readouterr().err.startswith(f"runwrap: {file}: '\\x1b]0;owned\\x07' is no setting\n")


def test_settings_say_their_values_and_where_they_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    file = tmp_path / "runwrap.toml"
    file.write_text("tags = ['a', 'b']\nconfig = {lr = 0.1}\nquiet = true\ndir = 'runs'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNWRAP_GROUP", "night")
    assert conductor.main(["settings"]) == 0
    rows = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in rows] == ["setting", *(option.name for option in OPTIONS)]
    said = {name: " ".join(rest.split()) for name, rest in rows}
    assert said["tags"] == f"a, b {file}"
    assert said["config"] == f'{{"lr": 0.1}} {file}'
    assert said["quiet"] == f"yes {file}"
    assert said["dir"] == f"{tmp_path}/runs {file}"
    assert said["group"] == "night RUNWRAP_GROUP"
    assert said["notes"] == "- default"


def test_settings_as_json_keep_their_types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNWRAP_CONFIG", "lr=0.1")
    assert conductor.main(["settings", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == [option.name for option in OPTIONS]
    assert said["config"] == {"value": {"lr": 0.1}, "origin": "RUNWRAP_CONFIG"}
    assert said["pty"] == {"value": False, "origin": "default"}
    assert said["project"] == {"value": tmp_path.name, "origin": "default"}


def completions(line: str, monkeypatch: pytest.MonkeyPatch, capsys: Say) -> list[str]:
    """Complete the last word of a line as bash asks for it."""
    monkeypatch.setenv(COMPLETION_VARIABLE, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    assert conductor.main([]) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("runwrap sh", ["show"]),
        ("runwrap --proj", ["--project"]),
        ("runwrap --quiet --no-s", ["--no-system"]),
        ("runwrap settings --js", ["--json"]),
        ("runwrap --project ", []),
        ("runwrap python ", []),
        ("runwrap --quiet python s", []),
    ],
)
def test_the_shell_completes_verbs_and_options_and_leaves_commands_alone(
    line: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    assert completions(line, monkeypatch, capsys) == offered


def test_all_verbs_are_offered_for_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Say) -> None:
    assert set(completions("runwrap ", monkeypatch, capsys)) == VERBS


def test_runs_are_completed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Say) -> None:
    monkeypatch.setenv("RUNWRAP_DIR", str(tmp_path))
    launch = [sys.executable, "-m", "runwrap", "--no-git", "--name", "amber-fox-1", "true"]
    subprocess.run(launch, check=True, timeout=DEADLINE_S)
    for verb in ("show", "logs", "note", "tag", "delete"):
        assert completions(f"runwrap {verb} am", monkeypatch, capsys) == ["amber-fox-1"]
    assert completions("runwrap show zz", monkeypatch, capsys) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_asks_by_the_variable_that_the_door_knows(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: Say
) -> None:
    monkeypatch.setenv(COMPLETION_VARIABLE, f"source_{shell}")
    assert conductor.main([]) == 0
    assert f"{COMPLETION_VARIABLE}=complete_{shell}" in capsys.readouterr().out
