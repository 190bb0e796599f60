"""Look at a repository and its submodules with git, within bounds, and collect what is found."""

from __future__ import annotations

import os
import time

from runwrap.capture import git_answer, git_patch, git_snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runwrap.capture.git_answer import Answer
    from runwrap.capture.git_snapshot import Snapshot

LIST_SIZE_BYTES = 31 << 20  # less than the shell lets git write
NAMED_COUNT = 3
# These say where the repository around is, not where a submodule is.
PLACES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
)


class Limits:
    """How long git may take, and how much of it is kept."""

    __slots__ = ("patch_size_bytes", "timeout_s", "untracked_count")

    def __init__(
        self, timeout_s: float = 20, patch_size_bytes: int = 10 << 20, untracked_count: int = 1000
    ) -> None:
        self.timeout_s = timeout_s
        self.patch_size_bytes = patch_size_bytes
        self.untracked_count = untracked_count


class Look:
    """One look at a repository: what was found so far, and what could not be."""

    def __init__(
        self, snapshot: Snapshot, cwd: str, environ: dict[str, str], started_s: float, limits: Limits
    ) -> None:
        self.snapshot = snapshot
        self.cwd = cwd
        self.environ = environ
        self.started_s = started_s
        self.limits = limits
        self.deadline = time.monotonic() + limits.timeout_s
        self.top = ""
        self.patch = b""
        self.sparse = b""
        self.beside: list[bytes] = []  # files for the archive: no patch tells of them
        self.notices: list[str] = []
        self.fact: dict[str, object] = {
            "commit": snapshot.commit or None,
            "branch": None,
            "remote": None,
            "dirty": None,
            "untracked": [],
            "patch": None,
            "archive": None,
            "left_out": [],
            "submodules": [],
            "sparse": None,
            "settings": {},
            "changed_during_capture": [],
            "not_compared": [],
        }

    def ask(self, *arguments: str) -> Answer:
        """Run git where the script runs, until the deadline."""
        return self.finish(git_snapshot.start_git(arguments, self.cwd, self.environ), LIST_SIZE_BYTES)

    def finish(self, process: git_snapshot.GitProcess, limit_bytes: int) -> Answer:
        """Wait for a git until the deadline."""
        return git_answer.finish(process, self.deadline, limit_bytes)

    def is_changed(self, name: bytes) -> bool:
        """Tell whether a file may have been changed since the script started."""
        return git_patch.is_changed_since(os.fsencode(self.top), name, self.started_s)

    def room(self, key: str) -> int:
        """Tell how many more names a list of the fact takes."""
        known = self.fact[key]
        return max(self.limits.untracked_count - len(known), 0) if isinstance(known, list) else 0

    def extend(self, key: str, names: list[bytes]) -> None:
        """Add names to a list of the fact, up to its limit."""
        known = self.fact[key]
        if isinstance(known, list):
            known += texts(names)[: self.room(key)]

    def why_unfinished(self, answer: Answer) -> str:
        """Say what cut git short."""
        if answer.end == "time":
            return f"git had not finished after {self.limits.timeout_s:g} s"
        return "there are too many" if answer.end == "size" else answer.reason()


class Tree:
    """The repository or one of its submodules: where it lies, and how its names begin in the whole."""

    __slots__ = ("commit", "cwd", "depth", "environ", "look", "prefix")

    def __init__(self, look: Look, prefix: bytes, commit: str, depth: int) -> None:
        self.look = look
        self.prefix = prefix
        self.commit = commit
        self.depth = depth
        self.cwd = os.path.join(look.top, os.fsdecode(prefix)) if prefix else look.cwd
        without = PLACES if prefix else ()
        self.environ = {name: value for name, value in look.environ.items() if name not in without}

    def ask(self, *arguments: str, limit_bytes: int = LIST_SIZE_BYTES) -> Answer:
        """Run git in this tree, until the deadline."""
        return self.look.finish(git_snapshot.start_git(arguments, self.cwd, self.environ), limit_bytes)

    def names(self, answer: Answer) -> list[bytes]:
        """Read the names of a list, as they are called in the whole; the last may be torn."""
        return [self.prefix + name for name in answer.output.split(b"\0")[:-1] if name]


def texts(names: list[bytes]) -> list[str]:
    """Turn file names into text."""
    return [os.fsdecode(name) for name in names]


def named(names: list[bytes]) -> str:
    """Name the first few of some files, with what would break a line made visible."""
    shown = [ascii(os.fsdecode(name))[1:-1][:200] for name in names[:NAMED_COUNT]]
    return ", ".join(shown) + (", …" if len(names) > NAMED_COUNT else "")


def count(names: list[bytes], noun: str) -> str:
    """Count some things in words."""
    return f"{len(names)} {noun}" + ("" if len(names) == 1 else "s")


def too_large(patch: bytes, limit_bytes: int) -> str:
    """Say that a patch was dropped, how large it is at least, and where it grew."""
    name = named([git_patch.section_name(last) for last in list(git_patch.sections(patch))[-1:]])
    size_mib = limit_bytes / (1 << 20)
    return f"The patch of local changes is larger than {size_mib:g} MiB and was not kept ({name})."
