"""Hear what scripts say over the socket, and make records of it (docs/socket.md)."""

from __future__ import annotations

import os
import select
import socket
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
# What a script that has ended left in the sockets is read to its end; who goes on talking is not waited for.
LAST_WORDS_S = 5.0
NO_DESCRIPTOR_WAIT_S = 0.05


class Connection:
    """One script's end of the socket, and the line that it has begun."""

    def __init__(self, peer: socket.socket) -> None:
        self.peer = peer
        self.rest = bytearray()
        self.skipping = False

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
        self.rest, self.skipping = bytearray(), True
        return True

    def answer(self, line: bytes) -> bool:
        """Send an answer; False for one who does not take it."""
        try:
            return self.peer.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) == len(line)
        except OSError:
            return False


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
            connection.peer.close()
        self.listener.close()
        self.poller.close()

    def attend(self, timeout_s: float | None) -> set[int]:
        """Read what is there; return which descriptors had something."""
        ready = {fd for fd, _ in self.poller.poll(timeout_s)}
        if self.listener.fileno() in ready:
            self.accept()
        for fd in ready & self.connections.keys():
            self.hear(self.connections[fd])
        return ready

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
            self.connections[peer.fileno()] = Connection(peer)
            self.poller.register(peer, select.EPOLLIN)

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
        self.understand(connection, lines)

    def part(self, connection: Connection, end: bytes) -> None:
        """Part from a connection; a last line without its newline counts."""
        lines, _ = connection.take(end)
        self.understand(connection, [line for line in lines if line])
        self.poller.unregister(connection.peer)
        del self.connections[connection.peer.fileno()]
        connection.peer.close()

    def understand(self, connection: Connection, lines: list[bytes]) -> None:
        """Make records of lines, keep them, and answer those who asked."""
        items: list[Item] = []
        answers: list[bytes] = []
        now_s = time.time()
        for line in lines:
            try:
                answer = self.speech.take(line, now_s, items)
            except BadLineError as error:
                answer = error.answer
                self.speech.refuse(str(error))
            if answer:
                answers.append(answer)
        if (not items or self.emit_many(items)) and answers:
            connection.answer(b"".join(answers))
        errands, self.speech.errands = self.speech.errands, []
        for said in errands:
            self.do_errand(said, answer_on(connection, said))


def answer_on(connection: Connection, said: Line) -> Answer:
    """Return what answers one who has asked; an empty line says that it takes longer."""

    def answer(text: dict[str, object] | None) -> None:
        line = answer_to(said, text or {})
        connection.answer(line if text else line and b"\n")

    return answer
