"""Read what git's index knows of files that a diff passes over: those marked as unchanged, and submodules."""

from __future__ import annotations

import hashlib
import os

# The tag is a small letter where somebody said --assume-unchanged, and S or s for --skip-worktree.
LISTING = ("ls-files", "-v", "--stage", "-z", "--full-name", ":/")
ENTRY = rb"(?<![^\0])(?:([a-zS]) (\d{6})|\S (160000)) ([0-9a-f]{40,64}) \d\t([^\0]+)"
SHA1_LENGTH = 40  # hexadecimal digits


class Marked:
    """What a listing says: the id of each file that a diff passes over, and where submodules lie."""

    __slots__ = ("hidden", "skipped", "submodules")

    def __init__(self, listing: bytes) -> None:
        import re

        self.hidden: dict[bytes, bytes] = {}
        self.skipped: dict[bytes, bytes] = {}
        self.submodules: list[bytes] = []
        for match in re.finditer(ENTRY, listing):
            if b"160000" in (match[2], match[3]):
                self.submodules.append(match[5])
            elif match[1] in (b"S", b"s"):
                self.skipped[match[5]] = match[4]
            else:
                self.hidden[match[5]] = match[4]


def is_blob(content: bytes, object_id: bytes) -> bool:
    """Tell whether a content is that of a blob.

    Source: git-hash-object(1); gitformat-hash-function-transition, "Object names".
    """
    algorithm = "sha1" if len(object_id) == SHA1_LENGTH else "sha256"
    digest = hashlib.new(algorithm, b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest().encode() == object_id


def is_submodule(top: str, name: bytes) -> bool:
    """Tell whether a submodule's files are there: its folder, no link, holds a `.git`."""
    folder = os.path.join(os.fsencode(top), name)
    return os.path.realpath(folder) == os.path.realpath(os.fsencode(top)) + b"/" + name and os.path.lexists(
        folder + b"/.git"
    )
