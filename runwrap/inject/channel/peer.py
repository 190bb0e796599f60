"""A socket to the reader that is in nobody's way, and what is answered on one."""

import _socket as socket  # in C; what `socket` itself imports beside takes 4 ms
from fcntl import F_DUPFD_CLOEXEC, fcntl
from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SEND_BUFFER_BYTES = 8 << 20
PATIENCE_S = 2.0
POLL_S = 0.01
CHUNK_BYTES = 1 << 16
# Above what scripts open, and what they close when they become daemons.
LOWEST_DESCRIPTOR = 200
FLAGS = socket.MSG_NOSIGNAL  # a script may have SIGPIPE end it


class Peer(socket.socket):
    """A socket that goes silently with its process, and never closes a descriptor that is not its own."""

    def __del__(self) -> None:
        self.detach()


def opened(path: str) -> Peer:
    """Connect, and do not wait longer for a busy reader than for a line to be sent. Raises: OSError."""
    peer = raised(Peer(socket.AF_UNIX, socket.SOCK_STREAM))
    deadline_s = monotonic() + PATIENCE_S
    try:
        peer.setblocking(False)  # also where the script has given all sockets a timeout
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        while True:
            try:
                peer.connect(path)
            except BlockingIOError:
                if monotonic() > deadline_s:
                    raise
                sleep(POLL_S)
            else:
                return peer
    except OSError:
        peer.close()
        raise


def raised(peer: Peer) -> Peer:
    """Move a socket to a descriptor that is out of the script's way."""
    try:
        fd = fcntl(peer.fileno(), F_DUPFD_CLOEXEC, LOWEST_DESCRIPTOR)
    except OSError:
        return peer  # the script may not have that many
    peer.close()
    return Peer(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd)


def answer_on(peer: Peer, line: bytes) -> "dict[str, Any]":
    """Send a line and read its answer; while empty lines come it is being worked at.

    Raises: OSError, ValueError.
    """
    import json

    peer.settimeout(PATIENCE_S)
    peer.sendall(line, FLAGS)
    deadline_s = monotonic() + PATIENCE_S
    answer = b""
    while not answer.endswith(b"\n"):
        peer.settimeout(max(POLL_S, deadline_s - monotonic()))
        chunk = peer.recv(CHUNK_BYTES)
        answer = (answer + chunk).lstrip(b"\n")
        if not answer:
            deadline_s = monotonic() + PATIENCE_S
        if not chunk or monotonic() > deadline_s:
            raise ValueError("no answer")
    found = json.loads(answer.decode())
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 - it is the reader that is wrong
    return found
