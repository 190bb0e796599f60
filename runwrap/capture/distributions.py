"""Read which packages lie in some folders, in the words of `pip freeze --all`."""

from __future__ import annotations

import os

from runwrap.capture.address import without_credentials
from runwrap.capture.small_file import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEADER_SIZE_BYTES = 16 << 10
NAME_LENGTH_LIMIT = 200
ENTRY_COUNT_LIMIT = 50_000
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
VERSION_CHARACTERS = NAME_CHARACTERS | frozenset("+!*")


class Distribution:
    """An installed package: its name and version, and the folder that describes it."""

    __slots__ = ("folder", "name", "source", "version")

    def __init__(self, name: str, version: str, folder: str, source: str = "") -> None:
        self.name = name
        self.version = version
        self.folder = folder
        self.source = source  # where an old editable install points to

    @property
    def key(self) -> str:
        """The name by which pip takes two packages for the same."""
        parts = self.name.lower().replace("_", "-").replace(".", "-").split("-")
        return "-".join(part for part in parts if part)


def requirements(folders: Iterable[str]) -> list[str]:
    """List the requirement of each package, sorted; of two with one name the first on the path counts."""
    found: dict[str, Distribution] = {}
    for folder in folders:
        for distribution in distributions(folder):
            found.setdefault(distribution.key, distribution)
    return [requirement(each) for each in sorted(found.values(), key=lambda each: each.name.lower())]


def distributions(folder: str) -> Iterator[Distribution]:
    """Yield the packages of one folder."""
    for name in entries(folder):
        path = f"{folder}/{name}"
        stem, suffix = os.path.splitext(name)
        found = None
        if suffix in (".dist-info", ".egg-info"):
            found = read_distribution(path, stem)
        elif suffix == ".egg":
            found = read_distribution(path + "/EGG-INFO", stem)
        elif suffix == ".egg-link":
            found = read_link(folder, path)
        if found:
            yield found


def entries(folder: str) -> list[str]:
    """List a folder's names, bounded; pip leaves `~name` behind when it was interrupted."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return sorted(name for name in names[:ENTRY_COUNT_LIMIT] if not name.startswith("~"))


def read_distribution(path: str, stem: str) -> Distribution | None:
    """Read name and version from the head of the metadata, or else from the folder's name."""
    text = b""
    for name in ("/METADATA", "/PKG-INFO", ""):  # an .egg-info can be the file itself
        text = text or read_bytes(path + name, HEADER_SIZE_BYTES)
    fields = header(text)
    name, _, version = stem.partition("-")
    name = valid(fields.get("name", ""), NAME_CHARACTERS) or valid(name, NAME_CHARACTERS)
    version = valid(fields.get("version", ""), VERSION_CHARACTERS) or valid(
        version.partition("-")[0], VERSION_CHARACTERS
    )
    return Distribution(name, version, path) if name and version else None


def header(text: bytes) -> dict[str, str]:
    """Read the `Key: value` lines up to the first empty one; the first of a key counts."""
    fields: dict[str, str] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        if not line:
            break
        key, mark, value = line.partition(":")
        if mark:
            fields.setdefault(key.lower(), value.strip())
    return fields


def valid(text: str, characters: frozenset[str]) -> str:
    """Return a text if it is made of these characters and starts like a name, else ""."""
    usable = 0 < len(text) <= NAME_LENGTH_LIMIT and text[0].isalnum() and characters.issuperset(text)
    return text if usable else ""


def read_link(folder: str, path: str) -> Distribution | None:
    """Follow an .egg-link, by which setuptools made a package editable in former times."""
    lines = os.fsdecode(read_bytes(path, HEADER_SIZE_BYTES)).splitlines()
    target = next((line.strip() for line in lines if line.strip()), "")
    if not target:
        return None
    source = os.path.normpath(os.path.join(folder, target))
    for name in entries(source):
        if name.endswith((".egg-info", ".dist-info")):
            found = read_distribution(f"{source}/{name}", os.path.splitext(name)[0])
            if found:
                found.source = source
                return found
    return None


def requirement(distribution: Distribution) -> str:
    """Write a package as pip would: by version, by address, or as editable."""
    pinned = f"{distribution.name}=={distribution.version}"
    if distribution.source:
        return editable(distribution.source, pinned)
    text = read_bytes(distribution.folder + "/direct_url.json")
    origin = parse(text) if text else {}
    url = origin.get("url")
    if not isinstance(url, str) or not url.isprintable():
        return pinned
    if part(origin, "dir_info").get("editable") is True:
        return editable(local_path(url), pinned)
    return f"{distribution.name} @ {direct_reference(url, origin)}"


def parse(text: bytes) -> dict[str, object]:
    """Read a JSON object; an empty one when it is something else."""
    import json

    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def part(origin: dict[str, object], name: str) -> dict[str, object]:
    """Take an object out of an object."""
    value = origin.get(name)
    return value if isinstance(value, dict) else {}


def editable(path: str, pinned: str) -> str:
    """Write an editable install, with what pip puts above it."""
    if not path.isprintable():
        return pinned
    return f"# Editable install with no version control ({pinned})\n-e {path}"


def local_path(url: str) -> str:
    """Turn a file: address into a path."""
    if not url.startswith("file://"):
        return without_credentials(url)
    path = url.removeprefix("file://").rstrip("/")
    if "%" in path:
        from urllib.parse import unquote

        return unquote(path)
    return path


def direct_reference(url: str, origin: dict[str, object]) -> str:
    """Write where a package came from, in the form of PEP 440's direct references.

    Source: PEP 610, and the order of pip's own fragments.
    """
    address = without_credentials(url)
    vcs = part(origin, "vcs_info")
    if vcs:
        address = f"{vcs.get('vcs', 'git')}+{address}@{vcs.get('commit_id', '')}"
    hashes = part(part(origin, "archive_info"), "hashes")
    fragments = [f"{algorithm}={value}" for algorithm, value in list(hashes.items())[:1]]
    if isinstance(origin.get("subdirectory"), str):
        fragments.append(f"subdirectory={origin['subdirectory']}")
    text = address + ("#" + "&".join(fragments) if fragments else "")
    return "".join(character for character in text if character.isprintable())
