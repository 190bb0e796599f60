"""Flag, environment, project file, user file, default: in that order, and each says where it came from."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import pytest

from runwrap.errors import RunwrapError, SettingsError, UsageError
from runwrap.launch.options import OPTIONS, Option, parse
from runwrap.settings import Settings, data_root, load

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
TEXTS = {
    "text": "x",
    "path": "/x",
    "paths": "/x",
    "list": "x",
    "words": "x",
    "pairs": "x=1",
    "flag": "yes",
    "number": "5",
}
VALUES = {
    "text": "x",
    "path": "/x",
    "paths": ["/x"],
    "list": ["x"],
    "words": ["x"],
    "pairs": {"x": 1},
    "flag": True,
    "number": 5.0,
}
KEYS = {
    "text": '"x"',
    "path": '"/x"',
    "paths": '["/x"]',
    "list": '["x"]',
    "words": '["x"]',
    "pairs": "{x = 1}",
    "flag": "true",
    "number": "5",
}


class Desk:
    """A home, a project in it and a folder in that, where settings are loaded."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.project = self.home / "project"
        self.here = self.project / "src"
        self.here.mkdir(parents=True)
        self.environ = {"HOME": str(self.home)}

    def write(self, name: str, text: str) -> Path:
        """Put a file into the home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, *line: str, **environ: str) -> Settings:
        """Load the settings of a command line."""
        given = parse([*line, "true"])[0]
        return load(given, self.environ | environ, str(self.here), OPTIONS)

    def refusal(self, *line: str, **environ: str) -> RunwrapError:
        """Return why the settings of a command line are refused."""
        with pytest.raises(RunwrapError) as caught:
            self.load(*line, **environ)
        assert "\n" not in str(caught.value)
        return caught.value


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_nearest_source_counts(desk: Desk) -> None:
    def group(*line: str, **environ: str) -> tuple[str | None, str]:
        settings = desk.load(*line, **environ)
        return settings.group, settings.origin["group"]

    assert group() == (None, "default")
    user = desk.write(".config/runwrap/config.toml", 'group = "user"')
    assert group() == ("user", str(user))
    project = desk.write("project/pyproject.toml", '[tool.runwrap]\ngroup = "project"')
    assert group() == ("project", f"{project} [tool.runwrap]")
    assert group(RUNWRAP_GROUP="variable") == ("variable", "RUNWRAP_GROUP")
    assert group("--group", "flag", RUNWRAP_GROUP="variable") == ("flag", "flag --group")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_a_variable(desk: Desk, option: Option) -> None:
    settings = desk.load(**{option.variable: TEXTS[option.kind]})
    assert getattr(settings, option.name) == VALUES[option.kind]
    assert settings.origin[option.name] == option.variable


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS if option.in_files], ids=lambda option: option.name
)
@pytest.mark.parametrize("letter", ["_", "-"])
def test_options_are_keys(desk: Desk, option: Option, letter: str) -> None:
    path = desk.write("project/runwrap.toml", f"{option.name.replace('_', letter)} = {KEYS[option.kind]}")
    settings = desk.load()
    assert getattr(settings, option.name) == VALUES[option.kind]
    assert settings.origin[option.name] == str(path)


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS if not option.in_files], ids=lambda option: option.name
)
def test_what_belongs_to_one_run_is_no_key(desk: Desk, option: Option) -> None:
    path = desk.write("project/runwrap.toml", f"{option.name} = {KEYS[option.kind]}")
    error = desk.refusal()
    assert str(error) == f"{path}: {option.name} cannot be set in a file"
    assert error.hint == f"give {option.flag} or {option.variable}"


def test_every_setting_is_declared_once_with_its_default(desk: Desk) -> None:
    settings = desk.load()
    names = [option.name for option in OPTIONS]
    assert list(Settings.__annotations__) == names
    assert sorted(settings.origin) == sorted(names)
    defaults = {option.name: option.default for option in OPTIONS} | {"project": "src"}
    assert {name: getattr(settings, name) for name in names} == defaults


def test_the_nearest_project_file_counts(desk: Desk) -> None:
    far = desk.write("runwrap.toml", 'group = "far"')
    assert desk.load().origin["group"] == str(far)
    shared = desk.write("project/pyproject.toml", '[tool.runwrap]\ngroup = "shared"')
    assert desk.load().origin["group"] == f"{shared} [tool.runwrap]"
    own = desk.write("project/runwrap.toml", 'group = "own"')
    assert desk.load().origin["group"] == str(own)
    near = desk.write("project/src/runwrap.toml", "")
    assert desk.load().group is None
    near.unlink()
    assert desk.load().group == "own"


@pytest.mark.parametrize(
    "text",
    [
        "[project]\nname = 'x'",
        "[project]\ndependencies = ['runwrap']",
        "[tool.ruff]\n# runwrap",
        "not TOML",
        "tool = 'runwrap'",
    ],
)
def test_a_pyproject_without_our_table_is_passed_over(desk: Desk, text: str) -> None:
    desk.write("project/pyproject.toml", text)
    own = desk.write("runwrap.toml", 'group = "far"')
    assert desk.load().origin["group"] == str(own)


def test_the_project_is_named_after_its_folder(desk: Desk) -> None:
    assert desk.load().project == "src"
    (desk.home / ".git").mkdir()
    assert desk.load().project == "home"
    desk.write("project/runwrap.toml", "")
    assert desk.load().project == "project"
    (desk.here / ".git").write_text("gitdir: elsewhere")
    assert desk.load().project == "src"
    assert load({}, desk.environ, "/", OPTIONS).project == "root"


def test_an_empty_variable_counts_as_unset(desk: Desk) -> None:
    empty = {option.variable: "" for option in OPTIONS}
    assert set(desk.load(**empty).origin.values()) == {"default"}


@pytest.mark.parametrize("word", ["1", "true", "YES", " on "])
def test_words_that_turn_a_flag_on(desk: Desk, word: str) -> None:
    desk.write("project/runwrap.toml", f'pty = "{word}"')
    assert desk.load(RUNWRAP_QUIET=word).quiet
    assert desk.load().pty


@pytest.mark.parametrize("word", ["0", "false", "NO", "off"])
def test_words_that_turn_a_flag_off(desk: Desk, word: str) -> None:
    desk.write("project/runwrap.toml", "quiet = true")
    settings = desk.load(RUNWRAP_QUIET=word)
    assert (settings.quiet, settings.origin["quiet"]) == (False, "RUNWRAP_QUIET")


def test_lists_and_pairs_in_variables(desk: Desk) -> None:
    settings = desk.load(RUNWRAP_TAGS="a, b c", RUNWRAP_METRIC="a, b\noff", RUNWRAP_CONFIG="lr=0.1 opt=adam")
    assert (settings.tags, settings.metric) == (["a", "b", "c"], ["a, b", "off"])
    assert settings.config == {"lr": 0.1, "opt": "adam"}
    assert desk.load(RUNWRAP_CONFIG='{"a b": {"c": [1]}}').config == {"a b": {"c": [1]}}


def test_config_in_a_file_may_be_nested_and_dates_become_text(desk: Desk) -> None:
    desk.write(
        "project/runwrap.toml", "[config]\nlr = 0.1\n[config.data]\nuntil = 2024-01-31\nsizes = [1, 2]\n"
    )
    assert desk.load().config == {"lr": 0.1, "data": {"until": "2024-01-31", "sizes": [1, 2]}}


def test_defaults_are_not_shared(desk: Desk) -> None:
    desk.load().tags.append("x")
    assert desk.load().tags == []


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("RUNWRAP_PTY", "maybe", "RUNWRAP_PTY='maybe': wants 1, true, yes or on, or 0, false, no or off"),
        ("RUNWRAP_CONFIG", "lr", "RUNWRAP_CONFIG='lr': wants KEY=VALUE, for example lr=0.1"),
        ("RUNWRAP_PROJECT", " ", "RUNWRAP_PROJECT=' ': must not be empty"),
        ("RUNWRAP_ID", "a/b", "RUNWRAP_ID='a/b': wants 1 to 64 of the letters"),
    ],
)
def test_a_bad_variable_is_named(desk: Desk, variable: str, text: str, message: str) -> None:
    error = desk.refusal(**{variable: text})
    assert isinstance(error, SettingsError)
    assert str(error).startswith(message)
    assert error.hint == f"correct it, or unset {variable}"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("projct = 'x'", ": projct is no setting", "did you mean project?"),
        ("zzz = 1", ": zzz is no setting", "the keys are project, tags,"),
        ("project = 5", ": project wants text, not 5", "docs/settings.md"),
        ("project = ''", ": project must not be empty", "docs/settings.md"),
        ('dir = "a\\u0000"', ": dir must not hold a NUL character", "docs/settings.md"),
        ("tags = ['a', 1]", ": tags wants a list of text, not such a list", "docs/settings.md"),
        ("config = 'a'", ": config wants a table, not text", "docs/settings.md"),
        ("pty = 2", ": pty wants 1, true, yes or on", "docs/settings.md"),
        ("pty = []", ": pty wants yes or no, not such a list", "docs/settings.md"),
        ("a = 1\nb = = 2", ", line 2, column 5: Invalid value", "correct it there"),
        ("a = 'x", ", line 1, column 7: ", "correct it there"),
        ("a = [\n", ", line 2, column 1: ", "correct it there"),
        ("x = " + "[" * 5000, "", "correct it there"),
        ("x = " + "9" * 5000, ": ", ""),
    ],
)
def test_a_bad_file_is_named_with_the_place_in_it(desk: Desk, text: str, message: str, hint: str) -> None:
    path = desk.write("project/runwrap.toml", text)
    error = desk.refusal()
    assert isinstance(error, SettingsError)
    assert str(error).startswith(f"{path}{message}")
    assert error.hint.startswith(hint)


def test_text_that_is_not_utf8_is_pointed_at(desk: Desk) -> None:
    path = desk.project / "runwrap.toml"
    path.write_bytes("# é\ngroup = 'é".encode() + b"\xff'")
    assert str(desk.refusal()) == f"{path}, line 2, column 11: not UTF-8 text"


@pytest.mark.parametrize("text", ["[tool]\nrunwrap = 1", "[tool]\nrunwrap = [1]", "[[tool.runwrap]]"])
def test_our_table_in_pyproject_is_a_table(desk: Desk, text: str) -> None:
    path = desk.write("project/pyproject.toml", text)
    assert str(desk.refusal()) == f"{path} [tool.runwrap] wants to be a table"


def test_a_folder_in_place_of_the_file_is_refused(desk: Desk) -> None:
    (desk.project / "runwrap.toml").mkdir()
    assert str(desk.refusal()) == f"cannot read {desk.project}/runwrap.toml: Is a directory"


def test_a_fifo_in_place_of_the_file_is_not_waited_for(desk: Desk) -> None:
    os.mkfifo(desk.project / "runwrap.toml")
    assert desk.load().project == "project"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may search."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def as_somebody() -> Iterator[None]:
    """Be a user who is not allowed everything."""
    user = os.geteuid()
    os.seteuid(user or NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_file_that_may_not_be_read_is_named(open_folder: Path) -> None:
    path = open_folder / "runwrap.toml"
    path.touch(mode=0)
    with as_somebody(), pytest.raises(SettingsError) as caught:
        load({}, {}, str(open_folder), OPTIONS)
    assert str(caught.value) == f"cannot read {path}: Permission denied"
    assert caught.value.hint == "make it readable or move it"


def test_a_folder_that_may_not_be_searched_is_passed_over(open_folder: Path) -> None:
    here = open_folder / "closed" / "here"
    here.mkdir(parents=True)
    here.parent.chmod(0)
    try:
        with as_somebody():
            assert load({}, {}, str(here), OPTIONS).project == "here"
    finally:
        here.parent.chmod(0o700)


def test_folders_are_relative_to_where_they_were_written(desk: Desk) -> None:
    assert desk.load("--dir", "runs").dir == str(desk.here / "runs")
    assert desk.load(RUNWRAP_DIR="../runs").dir == str(desk.project / "runs")
    desk.write("project/runwrap.toml", "dir = 'runs/'")
    assert desk.load().dir == str(desk.project / "runs")
    assert desk.load("--dir=~/runs").dir == str(desk.home / "runs")
    assert desk.load("--dir=~").dir == str(desk.home)


def test_resume_wants_an_id(desk: Desk) -> None:
    error = desk.refusal("--resume")
    assert isinstance(error, UsageError)
    assert str(error) == "--resume wants --id: which run goes on?"
    assert desk.load("--resume", "--id", "x").resume
    assert desk.load("--resume", RUNWRAP_ID="x").id == "x"


@pytest.mark.parametrize(
    "environ",
    [
        {"HOME": "/somewhere"},
        {"HOME": "/somewhere", "XDG_DATA_HOME": "/data"},
        {"HOME": "/somewhere", "XDG_DATA_HOME": "relative"},
        {"HOME": "/somewhere", "XDG_DATA_HOME": ""},
        {},
    ],
)
def test_runs_are_kept_where_platformdirs_says(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    settings = load({}, environ, "/", OPTIONS)
    assert data_root(settings, environ) == platformdirs.user_data_dir("runwrap", appauthor=False)


def test_the_user_file_moves_with_xdg(desk: Desk) -> None:
    path = desk.write("elsewhere/runwrap/config.toml", "group = 'x'")
    assert desk.load(XDG_CONFIG_HOME=str(desk.home / "elsewhere")).origin["group"] == str(path)
    assert desk.load(XDG_CONFIG_HOME="elsewhere").group is None


def test_a_user_without_any_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    settings = load({}, {}, "/", OPTIONS)
    with pytest.raises(SettingsError) as caught:
        data_root(settings, {})
    assert str(caught.value) == "no home folder is known to keep runs in"
    assert "RUNWRAP_DIR" in caught.value.hint
    assert data_root(load({}, {"RUNWRAP_DIR": "/runs"}, "/", OPTIONS), {}) == "/runs"
    with pytest.raises(SettingsError, match="no home folder is known"):
        load({"dir": "~/runs"}, {}, "/", OPTIONS)


def test_a_folder_whose_name_is_not_utf8_can_keep_runs() -> None:
    settings = load({}, {"RUNWRAP_DIR": "/runs/\udcff"}, "/", OPTIONS)
    assert os.fsencode(data_root(settings, {})) == b"/runs/\xff"
