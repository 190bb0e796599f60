"""Settings: flag, then environment, then project file, then user file, then default."""

from __future__ import annotations

import os

from runwrap.errors import SettingsError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class Option(Protocol):
        """What is asked of an option in the table of the launch; its readers raise ValueError."""

        name: str
        flag: str
        kind: str
        variable: str
        in_files: bool

        @property
        def default(self) -> object:
            """The value where nothing gives one."""

        def read_variable(self, text: str) -> object:
            """Read an environment variable."""

        def read_key(self, value: object) -> object:
            """Read a value of a file."""


PROJECT_FILE, SHARED_FILE, USER_FILE = "runwrap.toml", "pyproject.toml", "config.toml"
DIR_HINT = "set RUNWRAP_DIR or --dir to the folder that runs are to be kept in"


class Settings:
    """Every setting as an attribute, and in `origin` where each came from."""

    project: str
    name: str | None
    notes: str | None
    tags: list[str]
    group: str | None
    job_type: str | None
    id: str | None
    resume: bool
    dir: str | None
    config: dict[str, object]
    config_file: list[str]
    metric: list[str]
    hooks: list[str]
    env_keep: list[str]
    no_inject: bool
    no_git: bool
    no_system: bool
    system_interval: float | None
    grid_co2: float | None
    offline: bool
    pty: bool
    quiet: bool
    off: bool

    def __init__(self, values: dict[str, object], origin: dict[str, str]) -> None:
        self.__dict__.update(values)
        self.origin = origin


class SettingsFile:
    """A settings file that was found and read."""

    __slots__ = ("folder", "label", "values")

    def __init__(self, path: str, label: str, values: dict[str, object]) -> None:
        self.folder = os.path.dirname(path)
        self.label = label
        self.values = values


def load(
    given: dict[str, object], environ: Mapping[str, str], cwd: str, options: tuple[Option, ...]
) -> Settings:
    """Bring together what the command line gave with all other sources.

    Raises: SettingsError, naming the variable, or the file and what is wrong in it; UsageError.
    """
    project, project_file = look_upwards(cwd)
    files = [file for file in (project_file, read_user_file(environ)) if file]
    for file in files:
        check_keys(file, options)
    values: dict[str, object] = {"project": project}
    origin: dict[str, str] = {}
    for option in options:
        value, origin[option.name], base = choose(option, given, environ, files)
        if option.kind == "path" and isinstance(value, str):
            value = absolute(value, base or cwd, environ)
        elif option.kind == "paths" and isinstance(value, list):
            value = [absolute(path, base or cwd, environ) for path in value]
        if value is not None or option.name not in values:
            values[option.name] = value
    if given.get("resume") and not values["id"]:
        raise UsageError("--resume wants --id: which run goes on?")
    return Settings(values, origin)


def choose(
    option: Option, given: dict[str, object], environ: Mapping[str, str], files: list[SettingsFile]
) -> tuple[object, str, str]:
    """Return an option's value, its origin, and the folder that a relative path in it starts from.

    Raises: SettingsError.
    """
    if option.name in given:
        return given[option.name], f"flag {option.flag}", ""
    if text := environ.get(option.variable):
        return from_variable(option, text), option.variable, ""
    for file in files:
        if option.name in file.values:
            return from_file(option, file), file.label, file.folder
    return option.default, "default", ""


def from_variable(option: Option, text: str) -> object:
    """Read an environment variable. Raises: SettingsError."""
    try:
        return option.read_variable(text)
    except ValueError as error:
        hint = f"correct it, or unset {option.variable}"
        raise SettingsError(f"{option.variable}={text!r}: {error}", hint) from None


def from_file(option: Option, file: SettingsFile) -> object:
    """Read a value of a file. Raises: SettingsError."""
    try:
        return option.read_key(file.values[option.name])
    except ValueError as error:
        hint = "docs/settings.md lists every key"
        raise SettingsError(f"{file.label}: {option.name} {error}", hint) from None


def check_keys(file: SettingsFile, options: tuple[Option, ...]) -> None:
    """Refuse the first key that is no setting. Raises: SettingsError with the nearest that is."""
    for key in file.values:
        option = next((option for option in options if option.name == key), None)
        if option is None:
            shown = key if key.isprintable() else repr(key)
            raise SettingsError(f"{file.label}: {shown} is no setting", nearest(key, options))
        if not option.in_files:
            hint = f"give {option.flag} or {option.variable}"
            raise SettingsError(f"{file.label}: {key} cannot be set in a file", hint)


def nearest(key: str, options: tuple[Option, ...]) -> str:
    """Say which key may have been meant."""
    from difflib import get_close_matches

    allowed = [option.name for option in options if option.in_files]
    near = get_close_matches(key, allowed, n=1)
    return f"did you mean {near[0]}?" if near else f"the keys are {', '.join(allowed)}"


def look_upwards(cwd: str) -> tuple[str, SettingsFile | None]:
    """Return the default project, and the project file, by one walk from a folder up to the root.

    Raises: SettingsError, where the file cannot be used.
    """
    folder, home_of_project = cwd, ""
    while True:
        file = read_project_file(folder)
        if not home_of_project and (file or os.path.lexists(os.path.join(folder, ".git"))):
            home_of_project = folder
        parent = os.path.dirname(folder)
        if file or parent == folder:
            return os.path.basename(home_of_project or cwd) or "root", file
        folder = parent


def read_project_file(folder: str) -> SettingsFile | None:
    """Return the project file of one folder, if it has one. Raises: SettingsError."""
    path = os.path.join(folder, PROJECT_FILE)
    content = read(path)
    if content is not None:
        return SettingsFile(path, path, with_underscores(path, parse_toml(path, content)))
    path = os.path.join(folder, SHARED_FILE)
    content = read(path)
    if content is None or b"runwrap" not in content:
        return None
    tools = parse_toml(path, content).get("tool")
    if not isinstance(tools, dict) or "runwrap" not in tools:
        return None
    label = f"{path} [tool.runwrap]"
    return SettingsFile(path, label, with_underscores(label, tools["runwrap"]))


def read_user_file(environ: Mapping[str, str]) -> SettingsFile | None:
    """Return the user's file, if there is one. Raises: SettingsError."""
    path = user_file_path(environ)
    content = read(path) if path else None
    if content is None:
        return None
    return SettingsFile(path, path, with_underscores(path, parse_toml(path, content)))


def user_file_path(environ: Mapping[str, str]) -> str:
    """Return where the user's file is looked for; nothing where no home is known."""
    folder = xdg_folder(environ, "XDG_CONFIG_HOME", ".config")
    return os.path.join(folder, USER_FILE) if folder else ""


def with_underscores(label: str, values: object) -> dict[str, object]:
    """Return a table with its keys as the options are named. Raises: SettingsError."""
    if not isinstance(values, dict):
        raise SettingsError(f"{label} wants to be a table", "write [tool.runwrap] and the keys below it")
    return {key.replace("-", "_"): value for key, value in values.items()}


def read(path: str) -> bytes | None:
    """Return what a file holds; None where there is none. Raises: SettingsError."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            return file.read()
    except OSError as error:
        # A folder above that may not be searched is no reason to refuse: nobody can say what is in it.
        if isinstance(error, FileNotFoundError) or not os.path.lexists(path):
            return None
        hint = "make it readable, or move it away"
        raise SettingsError(f"cannot read {path}: {error.strerror}", hint) from error


def parse_toml(path: str, content: bytes) -> dict[str, object]:
    """Return what a TOML file says. Raises: SettingsError with line and column."""
    try:
        import tomllib
    except ImportError:  # Python 3.10
        import tomli as tomllib  # type: ignore[no-redef,import-not-found,unused-ignore]
    hint = "correct it there, or move the file away"
    try:
        values: dict[str, object] = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        where = position(content[: error.start].decode())
        raise SettingsError(f"{path}, {where}: not UTF-8 text", hint) from None
    except ValueError as error:
        reason, _, where = str(error).rstrip(")").partition(" (at ")
        if where == "end of document":
            where = position(content.decode())
        where = f", {where}" if where else ""
        raise SettingsError(f"{path}{where}: {reason}", hint) from None
    except RecursionError:
        raise SettingsError(f"{path}: nested too deeply", hint) from None
    return values


def position(before: str) -> str:
    """Say in line and column where a text ends."""
    lines = before.split("\n")
    return f"line {len(lines)}, column {len(lines[-1]) + 1}"


def home(environ: Mapping[str, str]) -> str:
    """Return the user's home, by the environment or else by the user database; empty where neither knows."""
    if environ.get("HOME", "").startswith("/"):
        return environ["HOME"]
    import pwd

    try:
        found = pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""
    return found if found.startswith("/") else ""


def xdg_folder(environ: Mapping[str, str], variable: str, in_home: str) -> str:
    """Return runwrap's folder under an XDG base folder; empty where no home is known.

    Source: the XDG Base Directory Specification (a path that is not absolute is ignored).
    """
    named = environ.get(variable, "")
    if not named.startswith("/"):
        known = home(environ)
        if not known:
            return ""
        named = os.path.join(known, in_home)
    return os.path.join(named, "runwrap")


def data_root(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the folder that all runs are kept in. Raises: SettingsError, where no home is known."""
    if root := settings.dir or xdg_folder(environ, "XDG_DATA_HOME", os.path.join(".local", "share")):
        return root
    raise SettingsError("no home folder is known to keep runs in", DIR_HINT)


def absolute(path: str, base: str, environ: Mapping[str, str]) -> str:
    """Return a path made absolute, with `~` for the home. Raises: SettingsError, where no home is known."""
    if path == "~" or path.startswith("~/"):
        known = home(environ)
        if not known:
            raise SettingsError(f"{path}: no home folder is known", DIR_HINT)
        path = known + path[1:]
    return os.path.normpath(os.path.join(base, path))
