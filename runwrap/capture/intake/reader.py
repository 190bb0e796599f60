"""Hear what scripts say over the socket, and make records of it (docs/socket.md)."""

from __future__ import annotations

import os
import select
import socket
import threading
import time

from runwrap.capture.intake.line import BadLineError, answer_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runwrap.capture.intake.line import Line
    from runwrap.capture.intake.speech import Item, Speech

    EmitMany = Callable[[list[Item]], bool]
    Answer = Callable[[dict[str, object] | None], object]
    DoErrand = Callable[[Line, Answer], object]

LONGEST_LINE_BYTES = 1 << 20
CHUNK_BYTES = 1 << 18
MOST_CONNECTIONS = 500
# What all connections together may have begun without a newline, and what one may leave of its answers.
MOST_BEGUN_BYTES = 64 << 20
MOST_UNREAD_BYTES = 4 << 20
# What a script that has ended left in the sockets is read to its end; who goes on talking is not waited for.
LAST_WORDS_S = 5.0
NO_DESCRIPTOR_WAIT_S = 0.05


class Connection:
    """One script's end of the socket, the line that it has begun, and the answers that wait for room."""

    def __init__(self, peer: socket.socket, poller: select.epoll | None = None) -> None:
        self.peer = peer
        self.poller = poller
        self.rest = bytearray()
        self.skipping = False
        self.unread = bytearray()
        self.is_watched = False
        self.lock = threading.Lock()

    def take(self, chunk: bytes) -> tuple[list[bytes], bool]:
        """Return the lines that a chunk completes, and whether one of them was too long to be kept."""
        first, newline, others = chunk.partition(b"\n")
        if not self.skipping:
            self.rest += first
        if not newline:
            return [], self.cut()
        lines = [] if self.skipping else [bytes(self.rest)]
        self.skipping = False
        *more, rest = others.split(b"\n")
        self.rest = bytearray(rest)
        return lines + more, self.cut()

    def cut(self) -> bool:
        """Give up a line begun that is too long already; tell whether it was."""
        if len(self.rest) <= LONGEST_LINE_BYTES:
            return False
        self.skip()
        return True

    def skip(self) -> None:
        """Give up the line begun, and pass over what else comes of it."""
        self.rest, self.skipping = bytearray(), True

    def answer(self, line: bytes | bytearray) -> None:
        """Send an answer as there is room for it; who leaves too much unread gets no more. Threads: any."""
        with self.lock:
            if len(self.unread) <= MOST_UNREAD_BYTES:
                self.unread += line
                self.pour()

    def make_room(self) -> None:
        """Send more of the answers: some have been read."""
        with self.lock:
            self.pour()

    def pour(self) -> None:
        """Send what the socket takes now of the answers, and have it watched for room for the others."""
        try:
            sent = self.peer.send(self.unread, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            sent = 0
        except OSError:  # it has gone
            sent = len(self.unread)
        del self.unread[:sent]
        if self.poller and self.is_watched != bool(self.unread):
            self.is_watched = bool(self.unread)
            self.poller.modify(self.peer, select.EPOLLIN | (select.EPOLLOUT if self.unread else 0))

    def close(self) -> None:
        """Hang up."""
        with self.lock:
            if self.poller:
                self.poller.unregister(self.peer)
            self.poller = None
            self.peer.close()


class Intake:
    """Reads every connection to a listening socket, in one thread, until `stop_fd` is readable.

    `emit_many` keeps what came together and tells whether it could: then those who asked are answered.
    `do_errand` does what takes longer, and answers when it is done; None says that it goes on.
    """

    def __init__(
        self, listener_fd: int, stop_fd: int, speech: Speech, emit_many: EmitMany, do_errand: DoErrand
    ) -> None:
        self.listener = socket.socket(fileno=os.dup(listener_fd))
        self.speech = speech
        self.emit_many = emit_many
        self.do_errand = do_errand
        self.connections: dict[int, Connection] = {}
        self.stop_fd = stop_fd
        self.poller = select.epoll()
        self.listener.setblocking(False)
        self.poller.register(self.listener, select.EPOLLIN)
        self.poller.register(stop_fd, select.EPOLLIN)

    def run(self) -> None:
        """Serve until `stop_fd` is readable, and then until nothing is left that was said before. Blocks."""
        while self.stop_fd not in self.attend(None):
            pass
        self.poller.unregister(self.stop_fd)
        deadline_s = time.monotonic() + LAST_WORDS_S
        while self.attend(0) and time.monotonic() < deadline_s:
            pass
        self.speech.close()
        for connection in self.connections.values():
            connection.close()
        self.listener.close()
        self.poller.close()

    def attend(self, timeout_s: float | None) -> set[int]:
        """Read what is there; return which descriptors had something."""
        ready = dict(self.poller.poll(timeout_s))
        if self.listener.fileno() in ready:
            self.accept()
        for fd in ready.keys() & self.connections.keys():
            if ready[fd] & select.EPOLLOUT:
                self.connections[fd].make_room()
            if ready[fd] & ~select.EPOLLOUT:
                self.hear(self.connections[fd])
        return set(ready)

    def accept(self) -> None:
        """Take in new connections, as many as can be served."""
        while True:
            try:
                peer, _ = self.listener.accept()
            except BlockingIOError:
                return  # nobody waits any more
            except OSError as error:
                self.speech.refuse(f"a connection: {error.strerror}")
                time.sleep(NO_DESCRIPTOR_WAIT_S)
                return
            if len(self.connections) >= MOST_CONNECTIONS:
                self.speech.refuse(f"more than {MOST_CONNECTIONS} connections")
                with peer:
                    Connection(peer).answer(b'{"ok":false,"error":"too many connections"}\n')
                continue
            self.poller.register(peer, select.EPOLLIN)
            self.connections[peer.fileno()] = Connection(peer, self.poller)

    def hear(self, connection: Connection) -> None:
        """Read a chunk from one connection and make records of its lines."""
        try:
            chunk = connection.peer.recv(CHUNK_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self.part(connection, chunk or b"\n")
            return
        lines, too_long = connection.take(chunk)
        if too_long:
            self.speech.refuse(f"a line of more than {LONGEST_LINE_BYTES} bytes")
        elif len(connection.rest) > CHUNK_BYTES and self.begun_bytes() > MOST_BEGUN_BYTES:
            connection.skip()
            self.speech.refuse(
                f"lines of more than {MOST_BEGUN_BYTES} bytes together that were begun at once"
            )
        self.understand(connection, lines)

    def begun_bytes(self) -> int:
        """Return how much is kept of lines that have no end yet."""
        return sum(len(connection.rest) for connection in self.connections.values())

    def part(self, connection: Connection, end: bytes) -> None:
        """Part from a connection; a last line without its newline counts."""
        lines, _ = connection.take(end)
        self.understand(connection, [line for line in lines if line])
        del self.connections[connection.peer.fileno()]
        connection.close()

    def understand(self, connection: Connection, lines: list[bytes]) -> None:
        """Make records of lines, keep them, and answer those who asked."""
        items: list[Item] = []
        answers = bytearray()
        now_s = time.time()
        for line in lines:
            try:
                answers += self.speech.take(line, now_s, items)
            except BadLineError as error:
                answers += error.answer
                self.speech.refuse(str(error))
            if len(answers) > MOST_UNREAD_BYTES:
                self.settle(connection, items, answers)
                items, answers = [], bytearray()
        self.settle(connection, items, answers)
        errands, self.speech.errands = self.speech.errands, []
        for said in errands:
            self.do_errand(said, answer_on(connection, said))

    def settle(self, connection: Connection, items: list[Item], answers: bytearray) -> None:
        """Keep records, and then answer those who asked."""
        if (not items or self.emit_many(items)) and answers:
            connection.answer(answers)


def answer_on(connection: Connection, said: Line) -> Answer:
    """Return what answers one who has asked; an empty line says that it takes longer."""

    def answer(text: dict[str, object] | None) -> None:
        line = answer_to(said, text or {})
        connection.answer(line if text else line and b"\n")

    return answer
