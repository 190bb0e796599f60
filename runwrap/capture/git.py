"""Describe the git repository as the script found it: commit, local changes, files that git does not know."""

from __future__ import annotations

import os

from runwrap.capture import address, artifact, git_answer, git_patch, git_repository, git_snapshot
from runwrap.capture.code import archive, index, line_endings
from runwrap.capture.code.look import Limits, Look, Tree, count, named, too_large

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwrap.capture.git_answer import Answer
    from runwrap.capture.git_snapshot import Snapshot

    Found = Iterator[tuple[str, dict[str, object]]]

NOT_FOUND = 127  # what a shell says of a command that is not there
# The diff of no commit at all is the one from the empty tree, whose id depends on the repository's hash.
EMPTY_TREE = ("hash-object", "-t", "tree", "/dev/null")
SUBMODULE_COUNT = 50
SUBMODULE_DEPTH = 4
SPARSE_SIZE_BYTES = 1 << 20
PATCH_NAME = "diff.patch"
ARCHIVE_NAME = "untracked.tar.gz"
SPARSE_NAME = "sparse-checkout"


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
    look.fact["branch"] = branch_of(snapshot.head)
    tree = look.ask("rev-parse", "--show-toplevel")
    if is_no_repository(tree, environ):
        snapshot.diff.close()
        return
    read_tree(look, tree)
    if tree.end == "ended" and "not a git repository" not in tree.errors:
        read_names(look)
    files = {"patch": (PATCH_NAME, look.patch), "archive": (ARCHIVE_NAME, packed(look))}
    for text in look.notices:
        yield "notice", {"level": "warning", "part": "git", "text": text}
    for key, (name, content) in {**files, "sparse": (SPARSE_NAME, look.sparse)}.items():
        if content:
            yield "file", artifact.write_artifact(files_dir, name, content)
            look.fact[key] = name
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
    diff = look.finish(look.snapshot.diff, look.limits.patch_size_bytes)
    if tree.succeeded:
        look.top = os.fsdecode(tree.output.removesuffix(b"\n"))
        if not look.snapshot.commit:
            diff = find_commit(look, diff)
        keep_patch(look, diff)
        read_files(Tree(look, b"", str(look.fact["commit"] or ""), 0))
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
    return look.finish(process, look.limits.patch_size_bytes)


def keep_patch(look: Look, diff: Answer) -> None:
    """Take the parts of the patch that show the files as the script found them."""
    if diff.end == "size":
        look.fact["dirty"] = True
        look.notices.append(too_large(diff.output, look.limits.patch_size_bytes))
    elif not diff.succeeded:
        look.notices.append(explain(diff, look))
    else:
        patch, changed = git_patch.cut_changed(diff.output, look.is_changed)
        look.patch += patch
        look.fact["dirty"] = bool(look.fact["dirty"] or patch or changed)
        look.extend("changed_during_capture", changed)
        if changed:
            look.notices.append(
                f"{count(changed, 'tracked file')} changed while git was reading: what {named(changed)} "
                "held before the script started is not in the patch."
            )


def read_files(tree: Tree) -> None:
    """Find the files that the patch does not tell of, in the repository and in its submodules."""
    list_uncompared(tree)
    list_untracked(tree)
    listing = tree.ask(*index.LISTING)
    if not listing.succeeded:
        reason = tree.look.why_unfinished(listing)
        tree.look.notices.append(f"Files marked as unchanged, and submodules, were not looked at: {reason}.")
    marked = index.Marked(listing.output)
    settings = line_endings.read_settings(tree.ask(*line_endings.SETTINGS_QUESTION).output)
    list_hidden(tree, marked, settings)
    list_altered(tree, settings, has_attributes=b".gitattributes\0" in listing.output)
    if len(marked.submodules) > SUBMODULE_COUNT:
        told = f"Of {len(marked.submodules)} submodules only the first {SUBMODULE_COUNT} were looked at."
        tree.look.notices.append(told)
    for name in marked.submodules[:SUBMODULE_COUNT]:
        if tree.depth < SUBMODULE_DEPTH and index.is_submodule(tree.look.top, tree.prefix + name):
            read_submodule(tree, tree.prefix + name)


def list_uncompared(tree: Tree) -> None:
    """List the files that only a git filter, a program of the user's, could compare with the commit."""
    if not tree.commit:
        return
    look = tree.look
    filtered = ("diff-index", "--name-only", "-z", "--no-renames", "--ignore-submodules=all", tree.commit)
    names = tree.names(tree.ask(*filtered, "--", *git_snapshot.ALL_FILTERED))
    names = [name for name in names if not look.is_changed(name)]
    if names:
        look.extend("not_compared", names)
        look.fact["dirty"] = True
        look.beside += names
        look.notices.append(
            f"{count(names, 'file')} with a git filter may be modified; "
            f"the patch cannot tell: {named(names)}."
        )


def list_untracked(tree: Tree) -> None:
    """List the files that git neither tracks nor ignores, without those that the script made."""
    look = tree.look
    answer = tree.ask("ls-files", "-z", "--others", "--exclude-standard", "--full-name", ":/")
    if not answer.succeeded:
        look.notices.append(f"The list of untracked files is incomplete: {look.why_unfinished(answer)}.")
    names = tree.names(answer)
    found: list[bytes] = []
    limit = look.room("untracked")
    for name in names:
        if len(found) == limit:
            place = f" in {named([tree.prefix])}" if tree.prefix else ""
            look.notices.append(f"Of {len(names)} untracked files{place} the first {limit} are listed.")
            break
        if not look.is_changed(name):
            found.append(name)
    look.extend("untracked", found)
    look.beside += found


def list_hidden(tree: Tree, marked: index.Marked, settings: dict[str, str]) -> None:
    """Find the files that somebody told git to take for unchanged, and that are not."""
    look = tree.look
    is_sparse = bool(marked.skipped) and settings.get("core.sparsecheckout") == "true"
    names = marked.hidden if is_sparse else marked.hidden | marked.skipped
    missing = []
    for name, object_id in list(names.items())[: look.limits.untracked_count]:
        is_same = is_as_in_index(tree, tree.prefix + name, object_id)
        if is_same is None and not is_sparse and not look.is_changed(tree.prefix + name):
            missing.append(tree.prefix + name)
        elif is_same is False:
            look.beside.append(tree.prefix + name)
            look.fact["dirty"] = True
    look.extend("not_compared", missing)
    if missing:
        look.notices.append(
            f"{count(missing, 'file')} that git is to ignore cannot be read: {named(missing)}."
        )
    if is_sparse and not tree.prefix:
        place = tree.ask("rev-parse", "--git-path", "info/sparse-checkout").output.removesuffix(b"\n")
        path = os.path.join(tree.cwd, os.fsdecode(place))
        look.sparse = git_snapshot.read_bytes(path, SPARSE_SIZE_BYTES)


def is_as_in_index(tree: Tree, name: bytes, object_id: bytes) -> bool | None:
    """Tell whether a file is the blob that git takes it for; None when it cannot be read."""
    try:
        item = archive.read_item(os.fsencode(tree.look.top), name)
    except OSError:
        return None
    if item is None or len(item.content) <= archive.FILE_SIZE_BYTES:
        return item is not None and index.is_blob(item.content, object_id)
    path = os.path.join(tree.look.top, os.fsdecode(name))
    return tree.ask("hash-object", "--no-filters", "--", path).output.strip() == object_id


def list_altered(tree: Tree, settings: dict[str, str], *, has_attributes: bool) -> None:
    """Find the files whose line endings are others than those that git would write."""
    look = tree.look
    if not tree.prefix:
        look.fact["settings"] = line_endings.kept_settings(settings)
    arguments = line_endings.listing(settings, has_attributes)
    if arguments:
        answer = tree.ask(*arguments)
        found = [tree.prefix + name for name in line_endings.altered(answer.output, settings)]
        look.beside += [name for name in found if not look.is_changed(name)]
        if not answer.succeeded:
            reason = look.why_unfinished(answer)
            look.notices.append(f"Line endings were not compared: {reason}.")


def read_submodule(tree: Tree, name: bytes) -> None:
    """Add what is changed in a submodule to the patch and to the lists of the whole."""
    look = tree.look
    inner = Tree(look, name + b"/", "", tree.depth + 1)
    answer = inner.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    inner.commit = git_snapshot.as_commit(answer.output.decode("ascii", "replace").strip())
    if not inner.commit:
        return
    submodules = look.fact["submodules"]
    if isinstance(submodules, list):
        submodules.append({"path": os.fsdecode(name), "commit": inner.commit})
    path = os.fsdecode(inner.prefix)
    places = [f"--src-prefix=a/{path}", f"--dst-prefix=b/{path}"]
    command, *rest = git_snapshot.diff_arguments(inner.commit)
    at = rest.index(inner.commit)
    limit = max(look.limits.patch_size_bytes - len(look.patch), 1)
    diff = inner.ask(command, *rest[:at], *places, *rest[at:], limit_bytes=limit)
    keep_patch(look, diff)
    read_files(inner)


def packed(look: Look) -> bytes:
    """Pack the files that no patch tells of; note what is left out."""
    if not look.beside:
        return b""
    collection = archive.Collection(look.top, look.is_changed)
    collection.take(look.beside)
    left_out, limit = collection.left_out, look.limits.untracked_count
    look.fact["left_out"] = left_out[:limit]
    if len(left_out) > limit:
        look.notices.append(f"Of {len(left_out)} files that were left out the first {limit} are listed.")
    return collection.packed() if collection.items else b""


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
        reason = look.why_unfinished(answer)
        return f"git cannot read the repository at {look.snapshot.folder} ({reason}): {missing}."
    return f"The patch of local changes is missing: {look.why_unfinished(answer)}."
