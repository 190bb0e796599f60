"""Start git just before the script starts, so that it sees the tree as the script finds it."""

from __future__ import annotations

import _signal
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Nothing here may write to the repository, run a program of the user's, ask, or reach a network.
CONFIG = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.quotePath=true",
    "core.safecrlf=false",
    "diff.suppressBlankEmpty=false",
    "submodule.recurse=false",
)
# Plumbing: unlike `git diff` it ignores the user's diff settings and never refreshes the index.
DIFF = (
    "diff-index",
    "--patch",
    "--binary",
    "--full-index",
    "--unified=3",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--no-renames",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--submodule=short",
    "--ignore-submodules=dirty",
)
# A filter (git-lfs, git-crypt) is a program of the user's, and some of them write: those files are left out.
UNFILTERED = ":(top,attr:!filter)"
ALL_FILTERED = (":(top)", ":(top,exclude,attr:!filter)")
SETTINGS = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
DROPPED = ("GIT_DIFF_OPTS", "GIT_EXTERNAL_DIFF", "GIT_PAGER_IN_USE", "LANGUAGE")
DROPPED_PREFIXES = ("GIT_TRACE", "GIT_LITERAL_PATHSPECS", "GIT_GLOB_", "GIT_NOGLOB_", "GIT_ICASE_")
# The shell tells the exit status on stderr, to a reader that need not be git's parent. Its limit, in blocks
# of 512 bytes, is for the case that no reader comes: the output is memory.
SHELL = 'ulimit -c 0; ulimit -f 65536; command git "$@"; echo "status $?" >&2'
STDERR = 2
HEAD_SIZE_BYTES = 4096
PACKED_SIZE_BYTES = 4 << 20


class GitProcess:
    """A git that runs: its output goes to a file in memory, its errors to a pipe that ends with it."""

    __slots__ = ("errors_fd", "output_fd", "pid")

    def __init__(self, pid: int, output_fd: int, errors_fd: int) -> None:
        self.pid = pid
        self.output_fd = output_fd
        self.errors_fd = errors_fd

    def close(self) -> None:
        """Close this process's ends."""
        for fd in (self.output_fd, self.errors_fd):
            os.close(fd)


class Snapshot:
    """What was seen of a repository just before the script: where, its HEAD, and the diff under way."""

    __slots__ = ("commit", "diff", "folder", "head")

    def __init__(self, folder: str, head: str, commit: str, diff: GitProcess) -> None:
        self.folder = folder
        self.head = head
        self.commit = commit
        self.diff = diff


def start_diff(cwd: str, environ: Mapping[str, str]) -> Snapshot | None:
    """Start the diff of the tracked files around `cwd`; None where there is no repository.

    Raises: OSError when no process can be started.
    """
    folder = find_repository(cwd, environ)
    if folder is None:
        return None
    head, commit = read_head(git_folder(folder, cwd, environ))
    return Snapshot(folder, head, commit, start_git(diff_arguments(commit or "HEAD"), cwd, environ))


def diff_arguments(tree: str) -> list[str]:
    """List git's arguments for the patch from `tree` to the files as they are."""
    return [*DIFF, tree, "--", UNFILTERED]


def find_repository(cwd: str, environ: Mapping[str, str]) -> str | None:
    """Find the nearest folder upwards that holds a `.git` or is a bare repository."""
    if environ.get("GIT_DIR"):
        return cwd
    folder = cwd
    while folder:
        if exists(folder + "/.git") or is_bare(folder):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    return None


def is_bare(folder: str) -> bool:
    """Tell whether a folder looks like the inside of a repository."""
    return all(exists(f"{folder}/{name}") for name in ("HEAD", "objects", "refs"))


def exists(path: str) -> bool:
    """Tell whether a path leads to anything."""
    try:
        os.stat(path)
    except (OSError, ValueError):
        return False
    return True


def git_folder(folder: str, cwd: str, environ: Mapping[str, str]) -> str:
    """Find the folder that holds HEAD; a worktree or a submodule has a file in place of `.git`."""
    given = environ.get("GIT_DIR")
    if given:
        return os.path.join(cwd, given)
    text = read_text(folder + "/.git")
    if text.startswith("gitdir: "):
        return os.path.join(folder, text[8:].rstrip("\n"))
    return folder + "/.git" if exists(folder + "/.git") else folder


def read_head(git_dir: str) -> tuple[str, str]:
    """Read HEAD, and the commit that it means or "" where only git can tell."""
    head = read_text(git_dir + "/HEAD").strip()
    if not head.startswith("ref: "):
        return head, as_commit(head)
    name = head[5:].strip()
    common = os.path.join(git_dir, read_text(git_dir + "/commondir").strip())
    return head, as_commit(read_text(os.path.join(common, name)).strip()) or packed_commit(common, name)


def packed_commit(common_dir: str, name: str) -> str:
    """Look up a branch among the packed ones."""
    table = read_bytes(common_dir + "/packed-refs", PACKED_SIZE_BYTES)
    end = table.find(b" " + os.fsencode(name) + b"\n")
    return "" if end < 0 else as_commit(os.fsdecode(table[table.rfind(b"\n", 0, end) + 1 : end]))


def as_commit(text: str) -> str:
    """Return a text that is an object id, or ""."""
    if len(text) in (40, 64) and not text.strip("0123456789abcdef"):
        return text
    return ""


def read_text(path: str) -> str:
    """Read the start of a small file; "" when there is none."""
    return os.fsdecode(read_bytes(path, HEAD_SIZE_BYTES))


def read_bytes(path: str, size_bytes: int) -> bytes:
    """Read at most `size_bytes` of a file without waiting for anything; b"" when it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        return os.read(fd, size_bytes)
    except OSError:
        return b""
    finally:
        os.close(fd)


def start_git(arguments: Sequence[str], cwd: str, environ: Mapping[str, str]) -> GitProcess:
    """Start git in a session of its own, with nothing of ours but the two ends.

    Raises: OSError when no process can be started.
    """
    output_fd = memory_file()
    errors_fd, writing_fd = os.pipe2(os.O_CLOEXEC)
    process = GitProcess(0, output_fd, errors_fd)
    try:
        process.pid = spawn(command_line(arguments, cwd), quiet(environ), output_fd, writing_fd)
    except OSError:
        process.close()
        raise
    finally:
        os.close(writing_fd)
    return process


def memory_file() -> int:
    """Open a file that has no name and is gone with its last holder."""
    if hasattr(os, "memfd_create"):  # not in a Python that was built for an old C library
        return os.memfd_create("runwrap-git", os.MFD_CLOEXEC)
    folders = ("/dev/shm", os.environ.get("TMPDIR", ""), "/tmp")  # noqa: S108 -- the name is random, and gone at once
    folder = next((folder for folder in folders if folder and os.access(folder, os.W_OK)), ".")
    path = f"{folder}/runwrap-git-{os.urandom(8).hex()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return fd


def command_line(arguments: Sequence[str], cwd: str) -> list[str]:
    """Put git's arguments behind the shell's and our settings."""
    settings = [word for setting in CONFIG for word in ("-c", setting)]
    return ["sh", "-c", SHELL, "sh", "-C", cwd, "--no-pager", *settings, *arguments]


def quiet(environ: Mapping[str, str]) -> dict[str, str]:
    """Take from the environment what would make git talk, ask, wait or run something."""
    kept = {
        name: value
        for name, value in environ.items()
        if name not in DROPPED and not name.startswith(DROPPED_PREFIXES)
    }
    kept.update(SETTINGS)
    return kept


def spawn(argv: list[str], environ: dict[str, str], output_fd: int, errors_fd: int) -> int:
    """Start a program that has /dev/null, `output_fd` and `errors_fd` as its streams, and no other fd."""
    actions: list[tuple[int, int] | tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output_fd, 1),
        (os.POSIX_SPAWN_DUP2, errors_fd, 2),
    ]
    # What the user's shell opened for the script (3>pipe) must not be kept open by git.
    actions += [(os.POSIX_SPAWN_CLOSE, fd) for fd in map(int, os.listdir("/proc/self/fd")) if fd > STDERR]
    signals = (_signal.SIGPIPE, _signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGXFSZ)
    try:
        return os.posix_spawn(
            "/bin/sh", argv, environ, file_actions=actions, setsid=True, setsigmask=(), setsigdef=signals
        )
    except NotImplementedError:  # a Python that was built for an old C library
        return os.posix_spawn(
            "/bin/sh", argv, environ, file_actions=actions, setpgroup=0, setsigmask=(), setsigdef=signals
        )
