"""Read the config of a run from a YAML, JSON or TOML file that the user names."""

from __future__ import annotations

import os
import re
from typing import Any

from runwrap.errors import SettingsError
from runwrap.settings import parse_toml

LARGEST_BYTES = 1 << 20
MOST_VALUES = 10_000
DEEPEST = 50
HINT = "give a file with a table of names and values: YAML, JSON (.json) or TOML (.toml)"
# YAML 1.2 has 1e-3 for a number, where the older rules that the library knows want 1.0e-3.
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def read_config_file(path: str) -> dict[str, object]:
    """Return the values in a file, as JSON has them. Raises: SettingsError."""
    content = read(path)
    ending = os.path.splitext(path)[1].lower()
    parse = {".json": parse_json, ".toml": parse_toml}.get(ending, parse_yaml)
    values = parse(path, content)
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds no table of names and values", HINT)
    left = [MOST_VALUES]
    return {str(key): plain(path, value, left, DEEPEST) for key, value in values.items()}


def read(path: str) -> bytes:
    """Return what a file holds. Raises: SettingsError."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"cannot read the config file {path}: {error.strerror}", HINT) from None
    if content is None or len(content) > LARGEST_BYTES:
        raise SettingsError(f"the config file {path} holds more than {LARGEST_BYTES} bytes", HINT)
    return content


def parse_json(path: str, content: bytes) -> object:
    """Read JSON. Raises: SettingsError."""
    import json

    try:
        return json.loads(content, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is no JSON: {error}", HINT) from None


def parse_yaml(path: str, content: bytes) -> object:
    """Read YAML, without what it can say beyond data. Raises: SettingsError."""
    import yaml

    class Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]  # chosen here
        """Reads numbers as YAML 1.2 writes them too."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+0123456789."))
    try:
        return yaml.load(content, Loader)  # noqa: S506  # a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path} is no YAML: {reason[:300]}", HINT) from None


def plain(path: str, value: Any, left: list[int], depth: int) -> object:
    """Return a value as JSON has it: dates become text. Raises: SettingsError, where it is too much."""
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise SettingsError(
            f"{path} holds more than {MOST_VALUES} values, or too many within each other", HINT
        )
    if isinstance(value, dict):
        return {str(key): plain(path, item, left, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(path, item, left, depth - 1) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
