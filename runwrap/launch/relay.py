"""Move a stream's bytes into output.log and from there to where they were going.

The kernel moves them: out of the pipe straight into the log, or out of the terminal into a pipe
that the keeper holds as well, and then into the log. No byte is ever only in our memory, so a
kill -9 at any point loses none.
"""

from __future__ import annotations

import errno
import os
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runwrap.launch.console import Console

CHUNK_BYTES = 1 << 18
# One page: for a longer splice from a terminal the kernel sets aside memory that it does not use.
TERMINAL_CHUNK_BYTES = 4096
TERMINAL_BATCH = 16
TERMINAL_BUFFER_BYTES = 1 << 17
# Below this, a page of the log in the reader's pipe costs more than copying the bytes.
ZERO_COPY_BYTES = 1 << 15
SPLICE_NONBLOCK = 2
SPLICE_REFUSED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


def make_pipe(size_bytes: int) -> tuple[int, int]:
    """Make a pipe with a buffer of this size, or of the usual one where the system permits no more."""
    import fcntl

    read_end, write_end = os.pipe()
    try:
        fcntl.fcntl(write_end, 1031, size_bytes)  # F_SETPIPE_SZ has no name before Python 3.10
    except OSError:
        pass
    return read_end, write_end


def readable_bytes(fd: int) -> int:
    """Return how many bytes wait to be read from a pipe."""
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, bytes(4)), sys.byteorder)


class Stream:
    """One stream on its way: `source` is read, `sink` is where the script's bytes belong.

    `via` is the pipe between a terminal and the log. `sink` becomes None when its reader has gone.
    """

    def __init__(
        self, name: str, source: int, sink: int | None, console: Console, *, terminal: bool, packet: bool
    ) -> None:
        self.name = name
        self.source = source
        self.sink = sink
        self.console = console
        self.packet = packet
        self.via = make_pipe(TERMINAL_CHUNK_BYTES * TERMINAL_BATCH * 2) if terminal else None
        self.splices = hasattr(os, "splice")
        self.sink_error: OSError | None = None
        self.on_status: Callable[[], None] | None = None
        if terminal:
            os.set_blocking(source, False)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self.source

    def left_bytes(self) -> int:
        """Return how many bytes a script that has just ended may have left in this stream."""
        if self.via is not None:
            return TERMINAL_BUFFER_BYTES
        return readable_bytes(self.source)

    def step(self) -> bool:
        """Move what is there; return False at the end of the stream. Blocks: on the sink."""
        if not self.splices or self.console.broken:
            return self.copy()
        try:
            size = self.into_log() if self.via is None else self.terminal_into_log()
        except OSError as error:
            if error.errno in SPLICE_REFUSED:
                self.splices = False
            else:
                self.console.broken = error
            return self.rescue()
        return size >= 0

    def into_log(self) -> int:
        """Splice from a pipe into the log and relay it from there; -1 at the end."""
        console = self.console
        with console.lock:
            offset = console.end
            try:
                size = os.splice(
                    self.source, console.fd, CHUNK_BYTES, offset_dst=offset, flags=SPLICE_NONBLOCK
                )
            except BlockingIOError:
                return 0
            console.note(self.name, size) if size else None
        if not size:
            return -1
        self.relay(offset, size)
        return size

    def terminal_into_log(self) -> int:
        """Splice what a terminal holds into the pipe between, then into the log; -1 at the end."""
        size = ended = 0
        for _ in range(1 if self.packet else TERMINAL_BATCH):
            moved = self.terminal_into_via()
            if moved <= 0:
                ended = moved
                break
            size += moved
        if size:
            self.via_into_log(size)
        return ended if ended else size

    def terminal_into_via(self) -> int:
        """Move one read of the terminal; return its size, 0 for none now, -1 at the end."""
        assert self.via is not None
        try:
            size = os.splice(self.source, self.via[1], TERMINAL_CHUNK_BYTES, flags=SPLICE_NONBLOCK)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno == errno.EIO:  # what a terminal says when nobody has it open any more
                return -1
            raise
        if size and self.packet:
            if os.read(self.via[0], 1) != b"\0" and self.on_status:
                self.on_status()
            size -= 1
            return size
        return size or -1

    def via_into_log(self, size_bytes: int) -> None:
        """Move bytes from the pipe between into the log and relay them."""
        assert self.via is not None
        console = self.console
        with console.lock:
            offset, left = console.end, size_bytes
            while left:
                moved = os.splice(self.via[0], console.fd, left, offset_dst=console.end)
                console.note(self.name, moved)
                left -= moved
        self.relay(offset, size_bytes)

    def relay(self, offset: int, size_bytes: int) -> None:
        """Send a piece of the log to the sink. Blocks: while the sink is full."""
        if self.sink is None:
            return
        try:
            if size_bytes >= ZERO_COPY_BYTES and self.send_pages(self.sink, offset, size_bytes):
                return
            write_all(self.sink, os.pread(self.console.fd, size_bytes, offset))
        except OSError as error:
            self.lose_sink(error)

    def send_pages(self, sink: int, offset: int, size_bytes: int) -> bool:
        """Hand pages of the log to the sink; False where the sink takes none."""
        end = offset + size_bytes
        while offset < end:
            try:
                offset += os.sendfile(sink, self.console.fd, offset, end - offset)
            except BlockingIOError:
                select.select([], [sink], [])
            except OSError as error:
                if error.errno not in SPLICE_REFUSED:
                    raise
                write_all(sink, os.pread(self.console.fd, end - offset, offset))
                return True
        return True

    def lose_sink(self, error: OSError) -> None:
        """The reader has gone. A script's pipe is closed, so that it gets its own SIGPIPE."""
        self.sink = None
        if error.errno != errno.EIO:  # EIO: the terminal was hung up, and SIGHUP says so
            self.sink_error = error

    def rescue(self) -> bool:
        """Relay what a failed splice left in the pipe between, then go on by copying."""
        if self.via is not None and (left := readable_bytes(self.via[0])):
            self.pass_on(os.read(self.via[0], left))
        return True

    def rescue_via(self) -> None:
        """Log what a killed wrapper left in the pipe between."""
        left = readable_bytes(self.via[0]) if self.via is not None else 0
        if self.via is None or not left:
            return
        if self.packet and (first := os.read(self.via[0], 1)) != b"\0":
            self.pass_on(first)  # not the status byte: the wrapper had taken that already
        if left > self.packet:
            self.via_into_log(left - self.packet)

    def copy(self) -> bool:
        """Move a chunk through our own memory: no splice here, or no log any more."""
        try:
            chunk = os.read(self.source, 1 << 16)
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        if self.packet and chunk:
            if chunk[0] and self.on_status:
                self.on_status()
            chunk = chunk[1:]
            return self.pass_on(chunk) or True
        return self.pass_on(chunk)

    def pass_on(self, chunk: bytes) -> bool:
        """Log bytes where that is still possible, and write them to the sink."""
        console = self.console
        if chunk and not console.broken:
            with console.lock:
                try:
                    write_all_at(console.fd, chunk, console.end)
                    console.note(self.name, len(chunk))
                except OSError as error:
                    console.broken = error
        if chunk and self.sink is not None:
            try:
                write_all(self.sink, chunk)
            except OSError as error:
                self.lose_sink(error)
        return bool(chunk)


def write_all(fd: int, data: bytes) -> None:
    """Write everything. Blocks: until the last byte is taken, also on a non-blocking descriptor."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


def write_all_at(fd: int, data: bytes, offset: int) -> None:
    """Write everything at an offset."""
    view = memoryview(data)
    while view:
        size = os.pwrite(fd, view, offset)
        view, offset = view[size:], offset + size
