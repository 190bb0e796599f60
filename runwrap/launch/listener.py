"""The socket that scripts talk to: made before the script starts, heard beside it, gone with the run."""

from __future__ import annotations

import _socket
import _thread
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from runwrap.launch.guard import Guard

# The kernel takes 107 bytes of a path, and the name of the socket is part of it.
LONGEST_FOLDER_BYTES = 60
BACKLOG = 128
CLOSE_WAIT_S = 10.0


class Listener:
    """A listening socket in a folder of its own, which only the user may enter. Raises: OSError."""

    def __init__(self, run_id: str) -> None:
        folder = os.path.join(runtime_folder(), f"runwrap-{run_id[:20]}-{os.urandom(3).hex()}")
        os.mkdir(folder, 0o700)
        self.folder = folder
        self.path = os.path.join(folder, "s")
        self.socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self.socket.bind(self.path)
        self.socket.listen(BACKLOG)
        self.stop_read, self.stop_write = os.pipe()
        self.done = _thread.allocate_lock()

    def fileno(self) -> int:
        """Return the listening descriptor, which no child of ours is to hold."""
        return self.socket.fileno()

    def start(self, guard: Guard, make_reader: Callable[[int, int], Any]) -> None:
        """Listen in a thread; what reads is made when the first script speaks."""
        self.done.acquire()

        def listen() -> None:
            guard("socket", lambda: self.listen(make_reader))
            self.socket.close()  # nobody is to wait for a reader that has gone
            self.done.release()

        _thread.start_new_thread(listen, ())

    def listen(self, make_reader: Callable[[int, int], Any]) -> None:
        """Wait for the first script, and read until told to stop. Blocks. Threads: one of its own."""
        ready = select.select([self.fileno(), self.stop_read], [], [])[0]
        if self.fileno() in ready:
            make_reader(self.fileno(), self.stop_read).run()

    def stop(self) -> None:
        """Have what was said read to its end. Blocks: until it is in the journal."""
        os.write(self.stop_write, b".")
        self.done.acquire(timeout=CLOSE_WAIT_S)

    def remove(self) -> None:
        """Remove the socket and its folder."""
        try:
            os.unlink(self.path)
            os.rmdir(self.folder)
        except OSError:
            pass  # somebody has tidied up before


def runtime_folder() -> str:
    """Return the folder that is made for sockets, or the one for whatever is short-lived."""
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    is_usable = os.path.isabs(folder) and len(os.fsencode(folder)) <= LONGEST_FOLDER_BYTES
    return folder if is_usable and os.access(folder, os.W_OK | os.X_OK) else "/tmp"  # noqa: S108  # ours is private
