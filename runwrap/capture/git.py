"""Describe the git repository as the script found it: commit, local changes, files that git does not know."""

from __future__ import annotations

import os
import time

from runwrap.capture import address, artifact, git_answer, git_patch, git_repository, git_snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runwrap.capture.git_answer import Answer
    from runwrap.capture.git_snapshot import Snapshot

    Found = Iterator[tuple[str, dict[str, object]]]

LIST_SIZE_BYTES = 16 << 20
NAMED_COUNT = 3
NOT_FOUND = 127  # what a shell says of a command that is not there
# The diff of no commit at all is the one from the empty tree, whose id depends on the repository's hash.
EMPTY_TREE = ("hash-object", "-t", "tree", "/dev/null")


class Limits:
    """How long git may take, and how much of it is kept; `mask` masks secrets."""

    __slots__ = ("mask", "patch_size_bytes", "timeout_s", "untracked_count")

    def __init__(
        self, timeout_s: float = 20, patch_size_bytes: int = 10 << 20, untracked_count: int = 1000
    ) -> None:
        self.timeout_s = timeout_s
        self.patch_size_bytes = patch_size_bytes
        self.untracked_count = untracked_count
        self.mask: Callable[[bytes], bytes] = bytes


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
        self.notices: list[str] = []
        self.fact: dict[str, object] = {
            "commit": snapshot.commit or None,
            "branch": branch_of(snapshot.head),
            "remote": None,
            "dirty": None,
            "untracked": [],
            "patch": None,
            "changed_during_capture": [],
            "not_compared": [],
        }

    def ask(self, *arguments: str) -> Answer:
        """Run git where the script runs, until the deadline."""
        process = git_snapshot.start_git(arguments, self.cwd, self.environ)
        return git_answer.finish(process, self.deadline, LIST_SIZE_BYTES)

    def is_changed(self, name: bytes) -> bool:
        """Tell whether a file may have been changed since the script started."""
        return git_patch.is_changed_since(os.fsencode(self.top), name, self.started_s)


def describe(
    snapshot: Snapshot,
    cwd: str,
    environ: dict[str, str],
    started_s: float,
    files_dir: str,
    limits: Limits | None = None,
) -> Found:
    """Yield the records of the repository that `start_diff` found.

    Raises: OSError when the run's folder cannot be written.
    """
    look = Look(snapshot, cwd, environ, started_s, limits or Limits())
    tree = look.ask("rev-parse", "--show-toplevel")
    if is_no_repository(tree, environ):
        snapshot.diff.close()
        return
    read_tree(look, tree)
    if tree.end == "ended" and "not a git repository" not in tree.errors:
        read_names(look)
    for text in look.notices:
        yield "notice", {"level": "warning", "part": "git", "text": text}
    if look.patch:
        masked = look.limits.mask(look.patch)
        look.fact |= {"masked": True} if masked != look.patch else {}
        yield "file", artifact.write_artifact(files_dir, "diff.patch", masked)
        look.fact["patch"] = "diff.patch"
    yield "fact", {"name": "git", "value": look.fact}


def is_no_repository(tree: Answer, environ: dict[str, str]) -> bool:
    """Tell whether git's boundaries, not a defect, kept it from the `.git` that is there."""
    bounded = "filesystem boundary" in tree.errors or bool(environ.get("GIT_CEILING_DIRECTORIES"))
    return bounded and "not a git repository" in tree.errors


def branch_of(head: str) -> str | None:
    """Take the branch's name from what HEAD says; None when detached."""
    name = head.removeprefix("ref: ").strip()
    if name in (head, "refs/heads/.invalid"):
        return None
    return name.removeprefix("refs/heads/")


def read_tree(look: Look, tree: Answer) -> None:
    """Compare the files with the commit, as far as there are files and git reads them."""
    diff = git_answer.finish(look.snapshot.diff, look.deadline, look.limits.patch_size_bytes)
    if tree.succeeded:
        look.top = os.fsdecode(tree.output.removesuffix(b"\n"))
        if not look.snapshot.commit:
            diff = find_commit(look, diff)
        keep_patch(look, diff)
        list_uncompared(look)
        list_untracked(look)
    elif "must be run in a work tree" not in tree.errors:
        look.notices.append(explain(tree, look))


def find_commit(look: Look, diff: Answer) -> Answer:
    """Ask git for the branch and the commit that HEAD means; before the first one, compare with nothing."""
    name = look.ask("symbolic-ref", "--quiet", "HEAD").output.decode("utf-8", "surrogateescape").strip()
    look.fact["branch"] = branch_of(f"ref: {name}") if name else None
    commit = look.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if commit.succeeded:
        look.fact["commit"] = commit.output.decode("ascii", "replace").strip()
        return diff
    branch = look.ask("for-each-ref", "--count=1", name)
    if branch.errors or branch.output:  # it is there and broken
        return git_answer.Answer(
            b"", f"HEAD means no commit, {branch.reason()}\nstatus 128".encode(), "ended"
        )
    empty = look.ask(*EMPTY_TREE).output.decode("ascii", "replace").strip()
    process = git_snapshot.start_git(git_snapshot.diff_arguments(empty), look.cwd, look.environ)
    return git_answer.finish(process, look.deadline, look.limits.patch_size_bytes)


def keep_patch(look: Look, diff: Answer) -> None:
    """Take the parts of the patch that show the files as the script found them."""
    if diff.end == "size":
        look.fact["dirty"] = True
        look.notices.append(too_large(diff.output, look.limits.patch_size_bytes))
    elif not diff.succeeded:
        look.notices.append(explain(diff, look))
    else:
        look.patch, changed = git_patch.cut_changed(diff.output, look.is_changed)
        look.fact["dirty"] = bool(look.patch or changed)
        look.fact["changed_during_capture"] = texts(changed)
        if changed:
            look.notices.append(
                f"{count(changed, 'tracked file')} changed while git was reading: what {named(changed)} "
                "held before the script started is not in the patch."
            )


def list_uncompared(look: Look) -> None:
    """List the files that only a git filter, a program of the user's, could compare with the commit."""
    commit = look.fact["commit"]
    if not commit:
        return
    answer = look.ask(
        "diff-index", "--name-only", "-z", "--no-renames", str(commit), "--", *git_snapshot.ALL_FILTERED
    )
    names = [name for name in answer.output.split(b"\0") if name and not look.is_changed(name)]
    if names:
        look.fact["not_compared"] = texts(names[: look.limits.untracked_count])
        look.fact["dirty"] = True
        look.notices.append(
            f"{count(names, 'file')} with a git filter may be modified; "
            f"the patch cannot tell: {named(names)}."
        )


def list_untracked(look: Look) -> None:
    """List the files that git neither tracks nor ignores, without those that the script made."""
    answer = look.ask("ls-files", "-z", "--others", "--exclude-standard", "--full-name", ":/")
    if not answer.succeeded:
        look.notices.append(f"The list of untracked files is incomplete: {why_unfinished(answer, look)}.")
    names = answer.output.split(b"\0")[:-1]
    found: list[bytes] = []
    limit = look.limits.untracked_count
    for name in names:
        if len(found) == limit:
            look.notices.append(f"Of {len(names)} untracked files the first {limit} are listed.")
            break
        if not look.is_changed(name):
            found.append(name)
    look.fact["untracked"] = texts(found)


def read_names(look: Look) -> None:
    """Add what GitPython reads from the repository's own files, even where git refuses to run."""
    given = look.environ.get("GIT_DIR")
    folder = os.path.join(look.cwd, given) if given else look.top or look.snapshot.folder
    try:
        commit, remote = git_repository.describe(folder, str(look.fact["branch"] or ""))
    except (OSError, ValueError) as error:
        look.notices.append(f"GitPython cannot read the repository at {folder}: {error}.")
        return
    look.fact["remote"] = address.without_credentials(remote) or None
    look.fact["commit"] = look.fact["commit"] or commit or None


def explain(answer: Answer, look: Look) -> str:
    """Say in one sentence why there is no patch."""
    missing = "the patch of local changes and the list of untracked files are missing"
    if answer.status == NOT_FOUND:
        return f"There is no git on the PATH: {missing}."
    if "dubious ownership" in answer.errors or "unsafe repository" in answer.errors:
        folder = look.snapshot.folder
        return (
            f"git does not read {folder}, which belongs to another user: {missing}; "
            f"`git config --global --add safe.directory {folder}` permits it."
        )
    if not look.top:
        reason = why_unfinished(answer, look)
        return f"git cannot read the repository at {look.snapshot.folder} ({reason}): {missing}."
    return f"The patch of local changes is missing: {why_unfinished(answer, look)}."


def why_unfinished(answer: Answer, look: Look) -> str:
    """Say what cut git short."""
    if answer.end == "time":
        return f"git had not finished after {look.limits.timeout_s:g} s"
    return "there are too many" if answer.end == "size" else answer.reason()


def too_large(patch: bytes, limit_bytes: int) -> str:
    """Say that a patch was dropped, how large it is at least, and where it grew."""
    *_, last = git_patch.sections(patch)
    name = named([git_patch.section_name(last)])
    size_mib = limit_bytes / (1 << 20)
    return f"The patch of local changes is larger than {size_mib:g} MiB and was not kept ({name})."


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
