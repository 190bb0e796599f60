"""A collector of the script's own, for one that calls init() and was not started by runwrap.

`runwrap collect -- JSON` gets the settings of init() as one JSON object. On its stdout it says one
line, {"socket": PATH, "run": {...}} as in the answer to `hello`, and nothing after it. It lives until
its stdin is at its end: with a line {"status": N} before, that is how the script has ended, and
without one the script was killed. Its stderr is the script's.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import Any

START_PATIENCE_S = 30.0
END_PATIENCE_S = 30.0
CHUNK_BYTES = 1 << 16
VARIABLES = {"socket": "RUNWRAP_SOCKET", "files": "RUNWRAP_FILES", "id": "RUNWRAP_RUN"}


class NoCollectorError(Exception):
    """There is no collector; the text says why."""


class Collector:
    """A process that records what this one says. Raises: NoCollectorError."""

    def __init__(self, settings: "dict[str, Any]") -> None:
        self.pid = os.getpid()
        self.status = 0
        self.process, self.facts = start_collector(settings)
        self.excepthook = sys.excepthook
        sys.excepthook = self.fail
        for key, variable in VARIABLES.items():
            if self.facts.get(key):
                os.environ[variable] = str(self.facts[key])

    def fail(self, *error: "Any") -> None:
        """Remember that the script ends with an error, and show it as without us."""
        self.status = 1
        self.excepthook(*error)

    def end(self, status: int = 0) -> None:
        """Say how the script has ended, and wait until that is recorded."""
        if self.pid != os.getpid() or self.process.stdin is None or self.process.stdin.closed:
            return  # another process, or it has been said
        for variable in VARIABLES.values():
            os.environ.pop(variable, None)
        if sys.excepthook == self.fail:
            sys.excepthook = self.excepthook
        try:
            with self.process.stdin as stdin:
                stdin.write(b'{"status":%d}\n' % (status or self.status))
        except OSError:
            pass  # it has ended before
        from subprocess import TimeoutExpired

        try:
            self.process.wait(END_PATIENCE_S)
        except TimeoutExpired:
            pass  # it goes on without us


def start_collector(settings: "dict[str, Any]") -> "tuple[subprocess.Popen[bytes], dict[str, Any]]":
    """Start a collector; return it with what it says of itself. Raises: NoCollectorError."""
    import json
    import subprocess

    command = [*collect_command(), "collect", "--", json.dumps(settings)]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise NoCollectorError(f"{command[0]} cannot be started: {error.strerror}") from None
    line = first_line(process)
    try:
        said = json.loads(line.decode())
        facts = dict(said["run"], socket=said["socket"])
    except (ValueError, KeyError, TypeError):
        process.kill()
        process.communicate()
        raise NoCollectorError(f"`{command[0]} collect` did not say where its socket is") from None
    return process, facts


def collect_command() -> "list[str]":
    """Return how runwrap is called. Raises: NoCollectorError."""
    import shutil

    found = os.environ.get("RUNWRAP_COMMAND") or shutil.which("runwrap")
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
