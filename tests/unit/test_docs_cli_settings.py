"""docs/cli.md and docs/settings.md say what the code does: nothing is missing, nothing is left over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from runwrap import errors
from runwrap.cli.app import make_app
from runwrap.launch.options import OPTIONS, VERBS
from runwrap.settings import load

DOCS = Path(__file__).parents[2] / "docs"
CLI = (DOCS / "cli.md").read_text(encoding="utf-8")
SETTINGS = (DOCS / "settings.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """Return what stands below a title, up to the next one of its rank or above."""
    rank = title.index(" ")
    _, found, rest = f"\n{text}".partition(f"\n{title}\n")
    assert found, f"no title {title!r}"
    return re.split(rf"^#{{1,{rank}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def verb_options(verb: str) -> set[str]:
    """Return the long names of a verb's options."""
    command: Any = get_command(make_app())
    params = command.commands[verb].params
    return {
        name
        for param in params
        if param.param_type_name == "option"
        for name in param.opts
        if name[:2] == "--"
    }


def test_every_option_of_a_launch_is_described() -> None:
    wanted = [[f"`{f'{option.flag} {option.metavar}'.strip()}`", option.help] for option in OPTIONS]
    assert rows(section(CLI, "## Options of a launch")) == wanted


def test_every_verb_is_described() -> None:
    titles = re.findall(r"^### `runwrap (\w+)", section(CLI, "## Verbs"), re.MULTILINE)
    assert sorted(titles) == sorted(VERBS)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_option_of_a_verb_is_described(verb: str) -> None:
    title = next(line for line in CLI.splitlines() if re.match(rf"### `runwrap {verb}\b", line))
    described = [cell for cell, _ in rows(section(CLI, title))]
    assert set(re.findall(r"--[a-z-]+", " ".join(described))) == verb_options(verb)


def test_every_exit_status_of_ours_is_described() -> None:
    described = {
        int(number) for cell, _ in rows(section(CLI, "## Exit status")) for number in cell.split(", ")
    }
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert described == {kind.exit_code for kind in kinds if issubclass(kind, errors.RunwrapError)} | {
        130,
        141,
    }


def test_every_setting_is_described() -> None:
    described = {row[1]: [row[0], row[2], row[4]] for row in rows(section(SETTINGS, "## All settings"))}
    assert described == {
        f"`{option.variable}`": [
            f"`{option.name}`" if option.in_files else "-",
            f"`{option.flag}`",
            option.help,
        ]
        for option in OPTIONS
    }


def test_every_default_is_described() -> None:
    told = {row[2].strip("`"): row[3] for row in rows(section(SETTINGS, "## All settings"))}
    computed = {
        "--project": "name of the folder",
        "--dir": "the data folder",
        "--name": "made up",
        "--id": "made up",
        "--system-interval": "2, later 10",
        "--grid-co2": "473",
    }
    for option in OPTIONS:
        assert told[option.flag] == computed.get(option.flag, "no" if option.default is False else "none")
        assert not option.default


def test_the_example_file_is_one(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", SETTINGS, re.DOTALL)
    assert example
    (tmp_path / "runwrap.toml").write_text(example[1])
    settings = load({}, {"HOME": str(tmp_path)}, str(tmp_path), OPTIONS)
    assert (settings.project, settings.tags, settings.no_git) == ("digits", ["baseline"], False)
    assert settings.config == {"optimizer": "adam", "data": {"name": "mnist", "folds": 5}}


def test_the_error_shown_is_the_one_that_comes(tmp_path: Path) -> None:
    (tmp_path / "runwrap.toml").write_text("projct = 'x'")
    with pytest.raises(errors.SettingsError) as caught:
        load({}, {}, str(tmp_path), OPTIONS)
    for line in (str(caught.value).removeprefix(str(tmp_path)), f"  hint: {caught.value.hint}"):
        assert line in section(SETTINGS, "## When a setting is wrong")
