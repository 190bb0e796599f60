"""Real terminals for tests: what a person at the keyboard can do, and what the screen then shows."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DEADLINE_S = 20.0
POLL_S = 0.01
PATTERN_SPAN_BYTES = 4096
PROMPT = r"\[(\d+)\]ready\$ "
LEFLAG, CC = 3, 6
MARKER = "RUNWRAP_TEST_TERMINAL"
CTRL = {letter: bytes([index]) for index, letter in enumerate("@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_")}

# What the programs of the tests share; they run in the desk's folder and so can import it.
DESK_MODULE = """
import os, time

def tell(name, value=""):
    with open(name + ".part", "w") as file:
        file.write(str(value))
    os.rename(name + ".part", name)

def wait_for(name):
    while not os.path.exists(name):
        time.sleep(0.01)
"""


def need(*programs: str) -> None:
    """Skip the test where a program that it drives is not installed."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed here")


def is_bare(wrapper: Sequence[str]) -> bool:
    """Tell whether the wrapper under test is the control, which wraps nothing."""
    return Path(wrapper[-1]).name == "env"


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait until a condition holds. Raises: AssertionError when it never does."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"never came true: {what}"
        time.sleep(POLL_S)


def state_of(pid: int) -> str:
    """Return the state letter of a process, empty when there is none."""
    try:
        return Path("/proc", str(pid), "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


class Desk:
    """A folder and an environment to work in, and an end for every process that was started there."""

    def __init__(self, wrapper: Sequence[str], folder: Path) -> None:
        self.wrapper = list(wrapper)
        self.folder = folder / "desk"
        self.folder.mkdir(exist_ok=True)
        self.marker = f"{MARKER}={uuid.uuid4().hex}"
        home = folder / "home"
        home.mkdir(exist_ok=True)
        self.script("desk.py", DESK_MODULE)
        inputrc = self.script(".inputrc", "set enable-bracketed-paste off\nset bell-style none\n")
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("TMUX", "LESS", "VIM", "BASH", "PYTHON"))
        }
        for name in ("ENV", "PROMPT_COMMAND", "COLUMNS", "LINES", "PAGER", "MORE", "HISTFILE"):
            kept.pop(name, None)
        self.environ: dict[str, str] = kept | {
            "HOME": str(home),
            "INPUTRC": str(inputrc),
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "LESSHISTFILE": "-",
            "P": sys.executable,
            "PS1": "[$?]ready$ ",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHON_BASIC_REPL": "1",
            "TERM": "xterm",
            "TMUX_TMPDIR": str(folder),
            "W": " ".join(self.wrapper),
            MARKER: self.marker.partition("=")[2],
        }

    def script(self, name: str, text: str) -> Path:
        """Put a file on the desk."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def has(self, name: str) -> bool:
        """Tell whether a program on the desk has told something under this name."""
        return (self.folder / name).exists()

    def told(self, name: str) -> str:
        """Wait until a program has told something, and return it."""
        wait_until(lambda: self.has(name), f"a program tells {name!r}")
        return (self.folder / name).read_text(encoding="utf-8", errors="replace")

    def tell(self, name: str) -> None:
        """Tell a waiting program to go on."""
        (self.folder / name).touch()

    def pids(self) -> list[int]:
        """List the processes that were started from this desk and still run."""
        found = []
        wanted = self.marker.encode()
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                try:
                    environ = Path("/proc", entry, "environ").read_bytes()
                except OSError:
                    continue
                if wanted in environ:
                    found.append(int(entry))
        return found

    def sweep(self) -> None:
        """End every process that was started from this desk."""
        end = time.monotonic() + DEADLINE_S
        while (pids := self.pids()) and time.monotonic() < end:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(POLL_S)


class Terminal:
    """A program on a terminal of its own: keys go in, what it shows comes out."""

    def __init__(
        self,
        desk: Desk,
        argv: Sequence[str],
        *,
        size: tuple[int, int] = (24, 100),
        prepare: Callable[[int], None] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.desk = desk
        self.master, slave = os.openpty()
        self.output = bytearray()
        self.seen = 0
        self.closed = False
        self.resize(*size)
        if prepare:
            prepare(slave)
        try:
            self.process = subprocess.Popen(
                argv,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                cwd=desk.folder,
                env=desk.environ | dict(environ or {}),
                start_new_session=True,
                preexec_fn=claim_terminal,
            )
        finally:
            os.close(slave)
        os.set_blocking(self.master, False)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.desk.sweep()
        self.hang_up()
        self.process.wait()

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[object]:
        """Return the terminal's modes as tcgetattr(3) has them."""
        return list(termios.tcgetattr(self.master))

    def echoes(self) -> bool:
        """Tell whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self.master)[LEFLAG] & termios.ECHO)

    def foreground(self) -> int:
        """Return the process group in the foreground."""
        return os.tcgetpgrp(self.master)

    def hang_up(self) -> None:
        """Close the terminal, as closing its window does."""
        if not self.closed:
            os.close(self.master)
            self.closed = True

    def read(self, end: float) -> bool:
        """Take what is shown next; False at the end of everything or when the time is up."""
        ready, _, _ = select.select([self.master], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return False
        try:
            self.output += os.read(self.master, 1 << 16)
        except BlockingIOError:
            return True
        except OSError as error:
            assert error.errno == errno.EIO
            return False
        return True

    def send(self, keys: bytes | str) -> None:
        """Type, reading the screen meanwhile. Blocks: while the terminal takes no more keys."""
        view = memoryview(keys.encode() if isinstance(keys, str) else keys)
        end = time.monotonic() + DEADLINE_S
        while view:
            assert time.monotonic() < end, f"nobody takes the last {len(view)} keys; {self.tail()}"
            readable, writable, _ = select.select([self.master], [self.master], [], 1.0)
            if readable and not self.read(end):
                pytest.fail(f"the terminal ended while keys were typed; {self.tail()}")
            if writable:
                try:
                    view = view[os.write(self.master, view) :]
                except BlockingIOError:
                    continue

    def press(self, keys: str) -> None:
        """Press control keys, one for each letter."""
        for letter in keys:
            self.send(CTRL[letter])

    def expect(self, pattern: str, deadline_s: float = DEADLINE_S) -> str:
        """Wait until the screen shows a pattern after what was expected last; return its first group."""
        shown = self.look(pattern, deadline_s)
        assert shown is not None, f"never shown: {pattern!r}; {self.tail()}"
        return shown

    def look(self, pattern: str, deadline_s: float) -> str | None:
        """Wait for a pattern for a while; None when it was not shown."""
        compiled = re.compile(pattern.encode())
        end = time.monotonic() + deadline_s
        start, going = self.seen, True
        while True:
            match = compiled.search(self.output, start)
            if match:
                self.seen = match.end()
                return match.group(1 if compiled.groups else 0).decode("utf-8", "replace")
            if not going:
                return None
            start = max(self.seen, len(self.output) - PATTERN_SPAN_BYTES)
            going = self.read(end)

    def stays_without(self, pattern: str, duration_s: float = 0.4) -> None:
        """Watch for a while that something is not shown."""
        shown = self.look(pattern, duration_s)
        assert shown is None, f"shown, but should not be: {pattern!r}; {self.tail()}"

    def finish(self) -> int:
        """Read to the end and return the exit status as subprocess has it."""
        end = time.monotonic() + DEADLINE_S
        while self.read(end):
            pass
        assert time.monotonic() < end, f"the terminal never ended; {self.tail()}"
        return self.process.wait(DEADLINE_S)

    def tail(self) -> str:
        """Describe the end of what was shown, for messages."""
        before, since = bytes(self.output[: self.seen][-500:]), bytes(self.output[self.seen :][-1500:])
        return f"the screen since: {since!r}; before: {before!r}"


class Shell(Terminal):
    """An interactive bash with job control on a terminal, `$W` the wrapper and `$P` Python."""

    def __init__(
        self,
        wrapper: Sequence[str],
        folder: Path,
        *,
        size: tuple[int, int] = (24, 100),
        prepare: Callable[[int], None] | None = None,
    ) -> None:
        need("bash")
        desk = Desk(wrapper, folder)
        super().__init__(desk, ["bash", "--norc", "--noprofile", "-i"], size=size, prepare=prepare)

    def __enter__(self) -> Shell:
        self.prompt()
        return self

    def prompt(self) -> int:
        """Wait for the prompt and return the status of the command before it."""
        return int(self.expect(PROMPT))

    def start(self, line: str, shows: str = "") -> None:
        """Type a command and wait for its line's echo, then for what it shows first."""
        self.send(line + "\r")
        self.expect(r"\r\n")
        if shows:
            self.expect(shows)

    def wait_stopped(self) -> None:
        """Wait until the script is stopped: until then it may still take what is typed."""
        if self.desk.has("pid"):
            pid = int(self.desk.told("pid"))
            wait_until(lambda: state_of(pid) == "T", "the script is stopped")

    def stop(self) -> None:
        """Press ctrl-Z and wait until the shell has its prompt back and says so."""
        self.press("Z")
        self.expect("Stopped")
        status = self.prompt()
        assert status == 128 + signal.SIGTSTP
        self.wait_stopped()

    def bring_back(self, shows: str) -> None:
        """Type fg and wait until the job is in the foreground and something is shown."""
        self.start("fg", shows)
        wait_until(lambda: self.foreground() != self.process.pid, "the job is in the foreground")

    def command(self, line: str) -> str:
        """Type a command and return what it shows up to the next prompt."""
        self.start(line)
        since = self.seen
        self.prompt()
        shown = bytes(self.output[since : self.seen])
        return re.sub(PROMPT.encode() + b"$", b"", shown).decode("utf-8", "replace").replace("\r\n", "\n")

    def stty(self) -> str:
        """Return the modes in which the shell starts its commands."""
        return self.command("stty -g").strip()


class Tmux:
    """A tmux server of its own with one bash in one pane: keys by name, the screen as text."""

    def __init__(self, wrapper: Sequence[str], folder: Path, *, size: tuple[int, int] = (24, 80)) -> None:
        need("tmux", "bash")
        self.desk = Desk(wrapper, folder)
        self.desk.environ["TERM"] = "screen"
        self.config = self.desk.script(
            "tmux.conf", "set -g status off\nset -s escape-time 0\nset -g default-terminal screen\n"
        )
        rows, columns = size
        self.run(
            *("-f", str(self.config), "new-session", "-d", "-x", str(columns), "-y", str(rows)),
            "bash --norc --noprofile -i",
        )

    def __enter__(self) -> Tmux:
        self.wait_for(PROMPT)
        return self

    def __exit__(self, *exception: object) -> None:
        self.run("kill-server", check=False)
        self.desk.sweep()

    def run(self, *arguments: str, check: bool = True) -> str:
        """Give this server a command and return what it prints."""
        return subprocess.run(
            ["tmux", "-L", "t", *arguments],
            env=self.desk.environ,
            cwd=self.desk.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=check,
            timeout=DEADLINE_S,
        ).stdout

    def keys(self, *names: str) -> None:
        """Press keys by their tmux names; anything that is no name is typed."""
        self.run("send-keys", *names)

    def line(self, text: str) -> None:
        """Type a line."""
        self.run("send-keys", "-l", text)
        self.keys("Enter")

    def screen(self) -> str:
        """Return what the screen shows."""
        return self.run("capture-pane", "-p")

    def wait_for(self, pattern: str) -> None:
        """Wait until the screen shows a pattern."""
        self.wait(lambda text: re.search(pattern, text, re.MULTILINE), f"the screen shows {pattern!r}")

    def wait_gone(self, pattern: str) -> None:
        """Wait until the screen no longer shows a pattern."""
        self.wait(lambda text: not re.search(pattern, text, re.MULTILINE), f"{pattern!r} leaves the screen")

    def wait(self, holds: Callable[[str], object], what: str) -> None:
        """Wait until something holds for the screen."""
        end = time.monotonic() + DEADLINE_S
        while not holds(text := self.screen()):
            assert time.monotonic() < end, f"never came true: {what}; the screen:\n{text}"
            time.sleep(POLL_S)

    def resize(self, rows: int, columns: int) -> None:
        """Give the window another size."""
        self.run("resize-window", "-x", str(columns), "-y", str(rows))


def claim_terminal() -> None:
    """Make stdin the controlling terminal and every signal what a login shell finds it to be."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) is not None:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
