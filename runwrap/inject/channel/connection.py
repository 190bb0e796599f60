"""What one process says: each line is sent at once, and whole or not at all."""

import atexit
import os
from _thread import RLock
from itertools import count
from select import POLLOUT, poll
from time import monotonic

from runwrap.inject.channel.line import line_of, notice_of, whoever
from runwrap.inject.channel.peer import FLAGS, PATIENCE_S, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runwrap.inject.channel.peer import Peer

LONGEST_LINE_BYTES = 16 << 10
LONGEST_SPILL_BYTES = 2 << 20
RANK_VARIABLES = (
    "RANK",
    "SLURM_PROCID",
    "OMPI_COMM_WORLD_RANK",
    "PMI_RANK",
    "HOROVOD_RANK",
    "JAX_PROCESS_ID",
    "LOCAL_RANK",
)
HISTORY = '{"kind":"history","values":'
RANKED_HISTORY = '{"kind":"history","rank":%d,"values":'


def rank_of(environ: "Any") -> int:
    """Return the number of this process in a distributed run."""
    for name in RANK_VARIABLES:
        word = environ.get(name, "")
        if word.isdigit():
            return int(word)
    return 0


def swallow(line: bytes, _: int) -> int:
    """Take a line where nobody listens."""
    return len(line)


class Connection:
    """What one process says. Where nobody listens, or no longer, it says nothing."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = RLock()  # for what goes wrong
        self.rank = rank_of(os.environ)
        self.head = RANKED_HISTORY % self.rank if self.rank else HISTORY
        self.numbers = count()
        self.dropped = 0
        self.is_stalled = False
        self.is_watched = False
        self.may_reconnect = True
        self.peer: "Peer | None" = None
        self.inode = 0
        self.send: "Callable[[bytes, int], int]" = swallow
        self.connect()

    def connect(self) -> None:
        """Connect and say who speaks, where there is a reader."""
        path = os.environ.get("RUNWRAP_SOCKET")
        self.send = swallow
        if not path:
            return
        try:
            self.peer = opened(path)
            self.inode = os.fstat(self.peer.fileno()).st_ino
            self.peer.send(line_of("hello", whoever(self.rank)), FLAGS)
        except OSError:
            return
        self.send = self.peer.send

    def close(self) -> None:
        """Close the socket, if the descriptor is still that."""
        self.send = swallow
        if self.peer is None:
            return
        fd = self.peer.detach()
        try:
            if fd >= 0 and os.fstat(fd).st_ino == self.inode:
                os.close(fd)
        except OSError:
            pass  # the script has closed it

    def put(self, line: bytes) -> bool:
        """Send a line; tell whether it is on its way."""
        if len(line) > LONGEST_LINE_BYTES:
            return self.spill(line)
        send = self.send
        try:
            is_whole = send(line, FLAGS) == len(line)
        except OSError as error:
            return self.retry(line, send, error)
        if self.dropped:
            self.report()
        return is_whole

    def retry(self, line: bytes, send: "Callable[[bytes, int], int]", error: "OSError | None") -> bool:
        """Send a line that did not go: over a new connection, or when there is room again."""
        with self.lock:
            if not isinstance(error, BlockingIOError):
                if send is self.send:  # and no other thread has connected again
                    self.reconnect()
                error = self.attempt(line)
            if isinstance(error, BlockingIOError) and not self.is_stalled:
                error = self.wait(line)
            if isinstance(error, BlockingIOError):
                self.drop()
            elif error is not None:
                self.send = swallow
            return error is None

    def attempt(self, line: bytes) -> "OSError | None":
        """Send a line; return what was in the way."""
        try:
            self.send(line, FLAGS)
        except OSError as error:
            return error
        return None

    def wait(self, line: bytes) -> "OSError | None":
        """Wait until there is room for a line, but not for long; return what was in the way."""
        deadline_s = monotonic() + PATIENCE_S
        poller = poll()
        if self.peer is not None:
            poller.register(self.peer.fileno(), POLLOUT)
        error: "OSError | None" = BlockingIOError()
        while isinstance(error, BlockingIOError) and monotonic() < deadline_s:
            poller.poll(max(1, 1000 * (deadline_s - monotonic())))
            error = self.attempt(line)
        return error

    def reconnect(self) -> None:
        """Connect a second time: the script may have closed what it did not know."""
        self.close()
        if self.may_reconnect:
            self.may_reconnect = False
            self.connect()

    def drop(self) -> None:
        """Count a line that nobody takes."""
        self.is_stalled = True
        self.dropped += 1
        if not self.is_watched:
            self.is_watched = True
            atexit.register(self.report)

    def report(self) -> None:
        """Say how many lines were dropped, as soon as lines go again."""
        if not self.dropped or self.pid != os.getpid():  # a child was forked, and has dropped none
            return
        with self.lock:
            text = f"Lines from the script that nobody read for {PATIENCE_S:.0f} s were lost: {self.dropped}."
            if self.dropped and self.attempt(notice_of(text)) is None:
                self.dropped = 0
                self.is_stalled = False

    def spill(self, line: bytes) -> bool:
        """Write a line to a file, since it is too long to be sent whole, and say where it is."""
        folder = os.environ.get("RUNWRAP_FILES")
        if not folder or len(line) > LONGEST_SPILL_BYTES:
            return self.put(notice_of(f"A line of {len(line)} bytes is too long to be kept."))
        name = f".spill-{os.getpid()}-{next(self.numbers)}"
        path = os.path.join(folder, name)
        try:
            with open(
                os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb"
            ) as file:
                file.write(line)
            is_sent = self.put(line_of("spill", {"path": name}))
        except FileExistsError:  # by a process of the same number, in another container
            return self.spill(line)
        except OSError as error:
            is_sent = False
            self.put(notice_of(f"A line of {len(line)} bytes could not be kept: {error.strerror}."))
        if not is_sent or self.send is swallow:
            remove(path)
        return is_sent


def remove(path: str) -> None:
    """Remove a file, if there is one."""
    try:
        os.unlink(path)
    except OSError:
        pass
