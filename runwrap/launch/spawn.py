"""Turn a fork of the wrapper into the script, exactly as a shell would have started it."""

from __future__ import annotations

import _signal
import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn


class Command:
    """What is to be executed, and the state of the process that it is to find."""

    __slots__ = ("argv", "closed", "environ", "ignores_children", "signal_mask")

    def __init__(
        self, argv: list[bytes], environ: dict[bytes, bytes], closed: frozenset[int], mask: set[int]
    ) -> None:
        self.argv = argv
        self.environ = environ
        self.closed = closed
        self.signal_mask = mask
        self.ignores_children = False


def fork(child: Callable[[], None]) -> int:
    """Fork, run `child` in the new process, and return its pid; the child never returns."""
    pid = os.fork()
    if pid:
        return pid
    try:
        child()
    finally:
        os._exit(125)
    return 0  # pragma: no cover


def fork_aside(work: Callable[[], object], held: list[int]) -> int:
    """Fork what works beside the script, quietly and without the descriptors in `held`; return its pid."""

    def child() -> None:
        os.setsid()
        os.nice(5)
        for fd in held:
            os.close(fd)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        work()
        os._exit(0)

    return fork(child)


def reap(pid: int, timeout_s: float) -> None:
    """Wait for a child of ours to end, so long and no longer; it may go on when we are gone."""
    import select

    ended = os.pidfd_open(pid)
    if select.select([ended], [], [], timeout_s)[0]:
        os.waitpid(pid, os.WNOHANG)
    os.close(ended)


def exec_script(command: Command, streams: Mapping[int, int], failure_fd: int) -> NoReturn:
    """Become the script; a failure is told as an errno on `failure_fd`, which a success closes."""
    for number, fd in streams.items():
        os.dup2(fd, number)
    for number in command.closed:
        os.close(number)
    # Python ignores these two for itself; a script that was started by a shell finds the default.
    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(number, _signal.SIG_DFL)
    if command.ignores_children:
        _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, command.signal_mask)
    code = exec_first(command)
    os.write(failure_fd, b"%d" % code)
    os._exit(127 if code == errno.ENOENT else 126)


def exec_first(command: Command) -> int:
    """Execute the first candidate that can be; return the errno that says most when none can."""
    denied = 0
    last = errno.ENOENT
    for path in candidates(command.argv[0], command.environ):
        try:
            exec_or_interpret(path, command)
        except OSError as error:
            last = error.errno or errno.EIO
            if last not in (errno.ENOENT, errno.ENOTDIR):
                denied = denied or last
    return denied or last


def exec_or_interpret(path: bytes, command: Command) -> None:
    """Execute a file; one without a `#!` line is a shell script, as execvp(3) has it."""
    try:
        os.execve(path, command.argv, command.environ)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        os.execve(b"/bin/sh", [b"/bin/sh", path, *command.argv[1:]], command.environ)


def candidates(name: bytes, environ: Mapping[bytes, bytes]) -> list[bytes]:
    """List the files that a command word may mean, in the order of the PATH."""
    if b"/" in name:
        return [name]
    path = environ.get(b"PATH", os.defpath.encode())
    return [os.path.join(folder or b".", name) for folder in path.split(b":")]


def find(name: bytes, environ: Mapping[bytes, bytes]) -> tuple[bytes | None, bool]:
    """Find the file of a command word: its path or None, and whether it can be executed."""
    found = None
    for path in candidates(name, environ):
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path, True
            found = found or path
        elif os.path.exists(path) and b"/" in name:
            return path, False
    return found, False


def is_below_a_file(name: str) -> bool:
    """Tell whether a path leads through something that is no folder."""
    try:
        os.stat(name)
    except NotADirectoryError:
        return "/" in name
    except OSError:
        pass
    return False
