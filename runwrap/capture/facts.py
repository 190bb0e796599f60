"""Conduct the capture at the start of a run: one part after the other, each within bounds of its own."""

from __future__ import annotations

import _signal
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from runwrap.capture.git_snapshot import Snapshot

    Emit = Callable[[str, dict[str, object]], object]
    Found = Iterator[tuple[str, dict[str, object]]]
    Part = Callable[["Request"], Found]

# What can go wrong with files, programs and modules that others made. A part that meets it is set aside.
DEFECTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
SMALL_PART_TIMEOUT_S = 10.0
# What git may need after its own limit: GitPython's import, and writing the patch.
AFTER_GIT_S = 10.0
# So long a git that is still at work keeps the packages waiting: the sooner its end is seen, the fewer
# files can have been changed by then.
GIT_FIRST_S = 1.0
RING_INTERVAL_S = 0.5
INJECTED = "PYTHONPATH"
CAPTURED = "captured"
CONDA_NAME = "conda-explicit.txt"
SCRIPT_SIZE_BYTES = 1 << 20
LOCK_SIZE_BYTES = 8 << 20


class Request:
    """What is asked of the capture: about which command, and where its files go; `mask` masks secrets."""

    __slots__ = (
        "argv", "cwd", "env_keep", "environ", "files_dir", "git_timeout_s", "mask", "snapshot", "started_s",
    )  # fmt: skip

    def __init__(
        self,
        argv: list[str],
        cwd: str,
        environ: dict[str, str],
        files_dir: str,
        started_s: float,
        snapshot: Snapshot | None,
    ) -> None:
        self.argv = argv
        self.cwd = cwd
        self.environ = environ
        self.files_dir = files_dir
        self.started_s = started_s
        self.snapshot = snapshot
        self.env_keep: list[str] = []
        self.git_timeout_s = 20.0
        self.mask: Callable[[bytes], bytes] = bytes


def collect(emit: Emit, request: Request) -> None:
    """Emit what is known about host, environment, packages and repository; a part that fails is a notice.

    Blocks: until all is done, at most a minute. Threads: the main one only.
    """
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, (_signal.SIGALRM,))
    guarded("host", host, request, emit, SMALL_PART_TIMEOUT_S)
    guarded("environment", environment, request, emit, SMALL_PART_TIMEOUT_S)
    git_first = request.snapshot is not None and has_ended(request.snapshot)
    if git_first:
        guarded("git", git, request, emit, request.git_timeout_s + AFTER_GIT_S)
    guarded("packages", packages, request, emit, SMALL_PART_TIMEOUT_S)
    guarded("code", code, request, emit, SMALL_PART_TIMEOUT_S)
    guarded("locks", locks, request, emit, SMALL_PART_TIMEOUT_S)
    if request.snapshot is not None and not git_first:
        guarded("git", git, request, emit, request.git_timeout_s + AFTER_GIT_S)


def has_ended(snapshot: Snapshot) -> bool:
    """Give git a moment to end."""
    from runwrap.capture import git_answer

    return git_answer.has_ended(snapshot.diff, GIT_FIRST_S)


def host(_request: Request) -> Found:
    """Describe the machine."""
    from runwrap.capture import host as part

    yield fact("host", part.describe())


def environment(request: Request) -> Found:
    """Describe the surroundings."""
    from runwrap.capture import environment as part

    given = {name: value for name, value in request.environ.items() if name != INJECTED}
    if INJECTED in os.environ:  # as it was before we were put into it
        given[INJECTED] = os.environ[INJECTED]
    yield fact("environment", part.describe(given, request.env_keep))


def packages(request: Request) -> Found:
    """List the packages of the interpreter that the command uses; nothing when it uses none."""
    from runwrap.capture import interpreter

    found = interpreter.find_python(request.argv, request.cwd, request.environ)
    if found is None:
        return
    from runwrap.capture import artifact, distributions, site_folders

    site = site_folders.find_site(found.path, request.cwd, found.environ, found.is_shim)
    if site is None:
        raise ValueError(f"{found.path} does not say where its packages lie")
    lines = distributions.requirements(site.folders)
    content = "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
    content = request.mask(content)
    yield "file", artifact.write_artifact(request.files_dir, "requirements.txt", content)
    python = {"interpreter": site.interpreter, "python": site.version or None}
    conda = conda_file(site.interpreter)
    if conda:
        yield "file", artifact.write_artifact(request.files_dir, CONDA_NAME, conda)
    files = {"path": "requirements.txt", "conda": CONDA_NAME if conda else None}
    yield fact("packages", {**python, "count": len(lines), **files})


def conda_file(interpreter: str) -> bytes:
    """Return the explicit list of a conda environment; b"" for any other."""
    from runwrap.capture.address import without_credentials
    from runwrap.capture.code import lock_files

    found = lock_files.conda_packages(interpreter)
    clean = [(lock_files.without_token(without_credentials(address)), md5) for address, md5 in found]
    return lock_files.explicit_list(clean) if clean else b""


def code(request: Request) -> Found:
    """Keep a copy of the main script where no repository has it."""
    from runwrap.capture.code.main_script import main_script
    from runwrap.capture.repository_sign import may_be_in_repository

    path = main_script(request.argv, request.cwd, request.environ)
    if path is None or may_be_in_repository(os.path.dirname(os.path.realpath(path))):
        return
    from runwrap.capture import artifact, git_patch, small_file

    content = small_file.read_bytes(path, SCRIPT_SIZE_BYTES + 1)
    top = os.fsencode(os.path.dirname(path))
    is_changed = git_patch.is_changed_since(top, os.fsencode(os.path.basename(path)), request.started_s)
    value: dict[str, object] = {"script": path, "path": None}
    if content and len(content) <= SCRIPT_SIZE_BYTES and b"\0" not in content and not is_changed:
        name = artifact.plain_name(os.path.basename(path))
        kept = request.mask(content)
        value |= {"masked": True} if kept != content else {}
        yield "file", artifact.write_inside(request.files_dir, CAPTURED, name, kept)
        value["path"] = f"{CAPTURED}/{name}"
    yield fact("code", value)


def locks(request: Request) -> Found:
    """Keep the lock files of the project around the working folder and of the one around the script."""
    from runwrap.capture import artifact, small_file
    from runwrap.capture.code.lock_files import lock_files
    from runwrap.capture.code.main_script import main_script

    script = main_script(request.argv, request.cwd, request.environ)
    folders = dict.fromkeys([request.cwd, *([os.path.dirname(script)] if script else [])])
    home = request.environ.get("HOME", "")
    kept: dict[str, str] = {}
    for path in [path for folder in folders for path in lock_files(folder, home)]:
        name = os.path.basename(path)
        content = small_file.read_bytes(path, LOCK_SIZE_BYTES + 1) if name not in kept else b""
        if content and len(content) <= LOCK_SIZE_BYTES:
            content = request.mask(content)
            yield "file", artifact.write_inside(request.files_dir, CAPTURED, name, content)
            kept[name] = path
    if kept:
        yield fact("locks", {f"{CAPTURED}/{name}": path for name, path in kept.items()})


def git(request: Request) -> Found:
    """Describe the repository that was found before the script was started."""
    from runwrap.capture import git as part
    from runwrap.capture.code.look import Limits

    if request.snapshot is not None:
        limits = Limits(request.git_timeout_s)
        limits.mask = request.mask
        yield from part.describe(
            request.snapshot, request.cwd, request.environ, request.started_s, request.files_dir, limits
        )


def fact(name: str, value: dict[str, object]) -> tuple[str, dict[str, object]]:
    """Make the record of a fact."""
    return "fact", {"name": name, "value": value}


def guarded(name: str, part: Part, request: Request, emit: Emit, limit_s: float) -> None:
    """Emit a part's records; what stops it becomes a notice."""
    records = part(request)
    clock = Clock(limit_s)
    try:
        while record := advance(records, clock):
            emit(*record)
    except DEFECTS as error:
        clock.stop()
        words = " ".join(str(error).split())[:300] or type(error).__name__
        text = f"The {name} facts are incomplete: {words}."
        emit("notice", {"level": "warning", "part": name, "text": text})


def advance(records: Found, clock: Clock) -> tuple[str, dict[str, object]] | None:
    """Let a part make its next record; the clock does not run while one is on its way into the journal."""
    clock.start()
    try:
        return next(records, None)
    finally:
        clock.stop()


class TimeUpError(RuntimeError):
    """A part has used up its time."""


class Clock:
    """A limit for the time between `start` and `stop`, all of them together; for the main thread only."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.left_s = limit_s
        self.is_running = False
        self.handler: object = None
        self.timer_s = (0.0, 0.0)

    def start(self) -> None:
        """Let the clock run; it rings again and again, for somebody may take the first ring for his own."""
        self.handler = _signal.signal(_signal.SIGALRM, self.ring)
        self.timer_s = _signal.setitimer(_signal.ITIMER_REAL, max(self.left_s, 0.001), RING_INTERVAL_S)
        self.is_running = True

    def stop(self) -> None:
        """Stop the clock, and give the timer back to whoever had it."""
        if self.is_running:
            self.is_running = False
            left_s = _signal.setitimer(_signal.ITIMER_REAL, 0)[0]
            self.left_s = min(self.left_s, left_s)
            _signal.signal(_signal.SIGALRM, self.handler)
            _signal.setitimer(_signal.ITIMER_REAL, *self.timer_s)

    def ring(self, _number: int, _frame: FrameType | None) -> None:
        """End what takes too long."""
        if self.is_running:
            self.left_s = 0.0
            raise TimeUpError(f"this took longer than {self.limit_s:g} s")
