"""Tell which files a checkout would not write as they are, since git changes line endings on the way."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# What decides on line endings besides .gitattributes.
SETTINGS_QUESTION = ("config", "-z", "--get-regexp", r"^core\.(autocrlf|eol|attributesfile|sparsecheckout)$")
LISTING = ("ls-files", "--eol", "-z", "--full-name", "--")
# Where no setting applies to all files, only those with the attribute matter.
WITH_ATTRIBUTE = (":(top)", ":(top,exclude,attr:!text)")
KNOWN = {
    "core.autocrlf": ("true", "false", "input"),
    "core.eol": ("lf", "crlf", "native"),
}
YES = ("true", "yes", "on", "1")


def read_settings(answer: bytes) -> dict[str, str]:
    """Read git's answer about its settings; the last value of a key counts."""
    found = {}
    for entry in answer.split(b"\0")[:-1]:
        key, mark, value = os.fsdecode(entry).partition("\n")
        word = value.lower() if mark else "true"
        found[key] = "true" if word in YES else word
    return found


def kept_settings(settings: dict[str, str]) -> dict[str, str]:
    """Take the settings that a clone must have too."""
    return {key: settings[key] for key, words in KNOWN.items() if settings.get(key) in words}


def listing(settings: dict[str, str], attributes: bool) -> list[str] | None:
    """Say how git is to be asked; None when no line ending can have been changed."""
    if settings.get("core.autocrlf") in ("true", "input"):
        return [*LISTING, ":/"]
    return [*LISTING, *WITH_ATTRIBUTE] if attributes or "core.attributesfile" in settings else None


def altered(answer: bytes, settings: dict[str, str]) -> Iterator[bytes]:
    """Yield the files whose line endings a checkout of what git sees of them would not give.

    Source: git-ls-files(1), --eol; gitattributes(5), "End-of-line conversion".
    """
    for entry in answer.split(b"\0")[:-1]:
        facts, _, name = entry.partition(b"\t")
        words = facts.replace(b"attr/", b"").split()
        if name and len(words) > 1 and is_altered(words[0][2:], words[1][2:], words[2:], settings):
            yield name


def is_altered(index: bytes, work: bytes, attributes: list[bytes], settings: dict[str, str]) -> bool:
    """Tell of a file whether git takes from it what a checkout does not put back."""
    automatic = settings.get("core.autocrlf") in ("true", "input")
    if b"-text" in attributes or work in (b"", b"none") or not (attributes or automatic):
        return False
    if b"text" not in attributes and (work == b"-text" or index in (b"crlf", b"mixed")):
        return False  # what git decides on itself is left alone where it is binary, or has always been so
    return work != style(attributes, settings)


def style(attributes: list[bytes], settings: dict[str, str]) -> bytes:
    """Say which line endings a checkout writes."""
    for word in attributes:
        if word.startswith(b"eol="):
            return word[4:]
    automatic = settings.get("core.autocrlf")
    if automatic in ("true", "input"):
        return b"crlf" if automatic == "true" else b"lf"
    return b"crlf" if settings.get("core.eol") == "crlf" else b"lf"
