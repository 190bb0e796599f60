"""A collector of the script's own, for one that calls init() and was not started by runwrap.

`runwrap collect -- JSON` gets the settings of init() as one JSON object. On its stdout it says one
line, {"socket": PATH, "run": {...}} as in the answer to `hello`, or {"error": TEXT}, and nothing after
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
            self.line.send(b'{"status":%d}\n' % (status or self.status), socket.MSG_NOSIGNAL)
        except OSError:
            pass  # it has ended before
        self.line.close()
        from subprocess import TimeoutExpired

        try:
            self.process.wait(END_PATIENCE_S)
        except TimeoutExpired:
            pass  # it goes on without us


def start_collector(
    settings: "dict[str, Any]",
) -> "tuple[subprocess.Popen[bytes], socket.socket, dict[str, Any]]":
    """Start a collector; return it, our line to it, and what it says of itself. Raises: NoCollectorError."""
    import json
    import subprocess

    command = [*collect_command(), "collect", "--", json.dumps(settings)]
    # A pipe would end a script that lets SIGPIPE do that, if the collector were killed.
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(
            command, stdin=theirs.fileno(), stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        ours.close()
        raise NoCollectorError(f"{command[0]} cannot be started: {error.strerror}") from None
    finally:
        theirs.close()
    line = first_line(process)
    try:
        said = json.loads(line.decode())
        if "error" in said:
            stop(process, ours)
            raise NoCollectorError(said["error"])
        facts = dict(said["run"], socket=said["socket"])
    except (ValueError, KeyError, TypeError):
        stop(process, ours)
        raise NoCollectorError(f"`{command[0]} collect` did not say where its socket is") from None
    return process, ours, facts


def stop(process: "subprocess.Popen[bytes]", line: "socket.socket") -> None:
    """End a collector that does not record."""
    process.kill()
    process.wait()
    line.close()


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
