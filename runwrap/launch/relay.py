"""Move a stream's bytes into output.log and then to where they were going.

Bytes are read into memory that the keeper shares, and that is zero unless it holds some which may
not be in the log yet. So a kill -9 of the wrapper at any point loses none of them.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runwrap.launch.console import Console

CHUNK_BYTES = 1 << 16
# A terminal gives some 4 KB a read. Joining a few halves the work; more of them would keep the
# script waiting while we write.
TERMINAL_CHUNK_BYTES = 1 << 14
# What a script that has just ended may have left in a terminal, both directions of buffering.
TERMINAL_LEFT_BYTES = 1 << 17
NOT_LOGGED = -1
ZEROS = memoryview(bytes(CHUNK_BYTES))  # a slice of which is no copy


def make_pipe(size_bytes: int) -> tuple[int, int]:
    """Make a pipe with a buffer of this size, or of the usual one where the system permits no more."""
    read_end, write_end = os.pipe()
    try:
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, size_bytes)
    except OSError:
        pass
    return read_end, write_end


class Stream:
    """One stream on its way: `source` is read, `sink` is where the script's bytes belong.

    `sink` becomes None when its reader has gone.
    """

    def __init__(
        self, name: str, source: int, sink: int | None, console: Console, *, terminal: bool, packet: bool
    ) -> None:
        self.name = name
        self.source = source
        self.sink = sink
        self.console = console
        self.terminal = terminal
        self.packet = packet
        memory = memoryview(mmap.mmap(-1, CHUNK_BYTES + 16))
        self.chunk = memory[:CHUNK_BYTES]
        self.logged_at = memory[CHUNK_BYTES : CHUNK_BYTES + 8].cast("q")
        self.logged_at[0] = NOT_LOGGED
        self.status = memory[CHUNK_BYTES + 8 : CHUNK_BYTES + 9]
        self.sink_error: OSError | None = None
        self.on_status: Callable[[], None] | None = None
        # Called before a chunk is shown: who sees it may answer at once.
        self.on_chunk: Callable[[], None] | None = None
        if terminal:
            os.set_blocking(source, False)

    def left_bytes(self) -> int:
        """Return how many bytes a script that has just ended may have left in this stream."""
        if self.terminal:
            return TERMINAL_LEFT_BYTES
        import termios

        return int.from_bytes(fcntl.ioctl(self.source, termios.FIONREAD, bytes(4)), sys.byteorder)

    def step(self) -> bool:
        """Move what is there; return False at the end of the stream. Blocks: on the sink."""
        size, ended = self.read_joined() if self.terminal else self.read_once()
        if size:
            self.log(self.chunk[:size])
            if self.on_chunk:
                self.on_chunk()
            self.relay(self.chunk[:size])
            self.chunk[:size] = ZEROS[:size]
            self.logged_at[0] = NOT_LOGGED
        return not ended

    def read_once(self) -> tuple[int, bool]:
        """Read from a pipe: the size, and whether this was the end."""
        size = os.readv(self.source, [self.chunk])
        return size, not size

    def read_joined(self) -> tuple[int, bool]:
        """Read from a terminal what is ready, which comes in small pieces: the size, and whether it ended."""
        size = 0
        while size < TERMINAL_CHUNK_BYTES:
            try:
                piece = self.read_piece(size)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EIO:  # what a terminal says when nobody has it open any more
                    raise
                return size, True
            size += piece
        return size, False

    def read_piece(self, at: int) -> int:
        """Read once; in packet mode the first byte tells of changed modes, and none of data."""
        if not self.packet:
            return os.readv(self.source, [self.chunk[at:]])
        size = os.readv(self.source, [self.status, self.chunk[at:]])
        if self.status[0] and self.on_status:
            self.on_status()
        return size - 1

    def log(self, data: memoryview | bytes) -> None:
        """Append to output.log, unless it has failed before."""
        console = self.console
        if console.broken:
            return
        with console.lock:
            self.logged_at[0] = console.end
            try:
                write_all_at(console.fd, data, console.end)
            except OSError as error:
                console.broken = error
            else:
                console.note(self.name, len(data))

    def relay(self, data: memoryview | bytes) -> None:
        """Write to the sink. Blocks: while it is full."""
        if self.sink is None:
            return
        try:
            write_all(self.sink, data)
        except OSError as error:
            self.sink = None
            if error.errno != errno.EIO:  # the terminal was hung up, and SIGHUP says so
                self.sink_error = error

    def rescue(self, logged_bytes: int) -> None:
        """Log what a killed wrapper had read and not logged; it left so many bytes in the log."""
        data = bytes(self.chunk).rstrip(b"\0")
        at = self.logged_at[0]
        logged = 0 if at == NOT_LOGGED else max(0, logged_bytes - at)
        if data[logged:]:
            self.log(data[logged:])


def write_all(fd: int, data: memoryview | bytes) -> None:
    """Write everything. Blocks: until the last byte is taken, also on a non-blocking descriptor."""
    size = 0
    while size < len(data):
        try:
            size += os.write(fd, data[size:] if size else data)
        except BlockingIOError:
            wait_for_room(fd)


def wait_for_room(fd: int) -> None:
    """Wait until a descriptor that does not block takes bytes again. Blocks."""
    import select

    select.select([], [fd], [])


def write_all_at(fd: int, data: memoryview | bytes, offset: int) -> None:
    """Write everything at an offset."""
    size = 0
    while size < len(data):
        size += os.pwrite(fd, data[size:] if size else data, offset + size)
