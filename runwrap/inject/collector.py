"""A collector of the script's own, for one that calls init() and was not started by runwrap.

`runwrap collect --` gets the settings of init() on its stdin, as one line of JSON. On its stdout it says
one line, {"socket": PATH, "run": {...}} as in the answer to `hello`, or {"error": TEXT}, and nothing after
it. It lives until a line {"status": N} on its stdin says how the script ends, or the script is gone.
"""

import _socket as socket  # in C; what `socket` itself imports beside takes 4 ms
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Any

START_PATIENCE_S = 30.0
END_PATIENCE_S = 30.0
REAP_PATIENCE_S = 1.0
INTERRUPTED = 130
CHUNK_BYTES = 1 << 16
VARIABLES = {"socket": "RUNWRAP_SOCKET", "files": "RUNWRAP_FILES", "id": "RUNWRAP_RUN"}


class NoCollectorError(Exception):
    """There is no collector; the text says why."""


class Collector:
    """A process that records what this one says. Raises: NoCollectorError."""

    def __init__(self, settings: "dict[str, Any]") -> None:
        self.pid = os.getpid()
        self.status = 0
        self.process, self.line, self.facts = start_collector(settings)
        self.excepthook, sys.excepthook = sys.excepthook, self.fail
        self.exit, sys.exit = sys.exit, self.leave
        for key, variable in VARIABLES.items():
            if self.facts.get(key):
                os.environ[variable] = str(self.facts[key])

    def fail(self, *error: "Any") -> None:
        """Remember that the script ends with an error, and show it as without us."""
        self.status = INTERRUPTED if error[0] is KeyboardInterrupt else 1
        self.excepthook(*error)

    def leave(self, status: "Any" = None) -> "Any":
        """Remember how the script wants to exit: there is no other way to know it."""
        from threading import current_thread, main_thread

        if current_thread() is main_thread():  # elsewhere it ends a thread
            self.status = 0 if status is None else status if isinstance(status, int) else 1
        self.exit(status)

    def end(self, status: int = 0) -> None:
        """Say how the script has ended, and wait until that is recorded."""
        if self.pid != os.getpid() or self.line.fileno() < 0:
            return  # another process, or it has been said
        for variable in VARIABLES.values():
            os.environ.pop(variable, None)
        if sys.excepthook == self.fail:
            sys.excepthook = self.excepthook
        if sys.exit == self.leave:
            sys.exit = self.exit
        try:
            self.line.settimeout(END_PATIENCE_S)
            self.line.send(b'{"status":%d}\n' % (status or self.status), socket.MSG_NOSIGNAL)
            self.line.recv(1)  # it says nothing, and closes the line as it ends
        except OSError:
            pass  # it has ended before, or takes too long and goes on without us
        self.line.close()
        reap(self.process)


def start_collector(
    settings: "dict[str, Any]",
) -> "tuple[subprocess.Popen[bytes], socket.socket, dict[str, Any]]":
    """Start a collector; return it, our line to it, and what it says of itself. Raises: NoCollectorError."""
    import json

    command = [*collect_command(), "collect", "--"]
    process, line = start_process(command)
    try:
        line.settimeout(START_PATIENCE_S)
        line.sendall(json.dumps(settings).encode() + b"\n", socket.MSG_NOSIGNAL)
    except OSError:
        pass  # it has ended; what it says of that is read all the same
    answer = first_line(process)
    try:
        said = json.loads(answer.decode())
        if "error" in said:
            stop(process, line)
            raise NoCollectorError(said["error"])
        facts = dict(said["run"], socket=said["socket"])
    except (ValueError, KeyError, TypeError):
        stop(process, line)
        raise NoCollectorError(f"`{command[0]} collect` did not say where its socket is") from None
    return process, line, facts


def start_process(command: "list[str]") -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """Start a process with a line to its stdin; return both. Raises: NoCollectorError."""
    import subprocess

    pair: "list[socket.socket]" = []
    try:
        # A pipe would end a script that lets SIGPIPE do that, if the collector were killed.
        pair.extend(socket.socketpair())
        process = subprocess.Popen(
            command, stdin=pair[1].fileno(), stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        for end in pair:
            end.close()
        raise NoCollectorError(f"{command[0]} cannot be started: {error.strerror}") from None
    pair[1].close()
    return process, pair[0]


def stop(process: "subprocess.Popen[bytes]", line: "socket.socket") -> None:
    """End a collector that does not record."""
    process.kill()
    process.wait()
    line.close()


def reap(process: "subprocess.Popen[bytes]") -> None:
    """Take the end of a collector that has closed its line; one that has not is left alone."""
    from subprocess import TimeoutExpired

    try:
        process.wait(REAP_PATIENCE_S)
    except TimeoutExpired:
        pass


def of_this_process() -> "dict[str, Any]":
    """Return what a collector is to know of this process."""
    try:
        cwd = os.getcwd()
    except OSError:  # it has been deleted
        cwd = "/"
    words = sys.orig_argv[1:] if sys.version_info >= (3, 10) else getattr(sys, "argv", [])
    return {"cwd": cwd, "argv": [sys.executable or "python", *words], "pid": os.getpid()}


def collect_command() -> "list[str]":
    """Return how runwrap is called. Raises: NoCollectorError."""
    import shutil

    beside = os.path.join(sys.prefix, "bin", "runwrap")
    found = os.environ.get("RUNWRAP_COMMAND") or shutil.which(beside) or shutil.which("runwrap")
    if found:
        return [found]
    if sys.version_info >= (3, 10):
        from importlib.util import find_spec

        if find_spec("runwrap") is not None and find_spec("runwrap.__main__") is not None:
            return [sys.executable, "-m", "runwrap"]
    raise NoCollectorError("the command runwrap is not found on the PATH")


def first_line(process: "subprocess.Popen[bytes]") -> bytes:
    """Read the one line that a collector says; what there is of it, where it takes too long."""
    from select import POLLIN, poll
    from time import monotonic

    assert process.stdout is not None
    deadline_s = monotonic() + START_PATIENCE_S
    line = b""
    with process.stdout as stdout:
        poller = poll()
        poller.register(stdout, POLLIN)
        while not line.endswith(b"\n") and poller.poll(max(0, 1000 * (deadline_s - monotonic()))):
            chunk = os.read(stdout.fileno(), CHUNK_BYTES)
            if not chunk:
                break
            line += chunk
    return line
