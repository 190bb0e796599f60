"""The keeper: a small process beside the wrapper that finishes what a killed wrapper cannot.

It stands in the wrapper's process group and so sees which signals were sent to the whole group;
it holds every stream, and relays what others go on writing after the script has ended.
"""

from __future__ import annotations

import _signal
import os

from runwrap.launch import signals
from runwrap.launch.descriptors import close_for_reader, close_inherited
from runwrap.launch.spawn import fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runwrap.launch.console import Console, Marks
    from runwrap.launch.relay import Stream

# The kernel signals a group one after the other: our copy may come a moment after the wrapper's.
GROUP_SIGNAL_WAIT_S = 0.002
SCRIPT_END_WAIT_MS = 2000


class Keeper:
    """The wrapper's end of the keeper: what it may be told and asked."""

    def __init__(self, pid: int, orders: int, answers: int) -> None:
        self.pid = pid
        self.orders = orders
        self.answers = answers

    def tell(self, order: bytes) -> None:
        """Send an order; a keeper that is gone is done without."""
        try:
            os.write(self.orders, order + b"\n")
        except OSError:
            pass

    def ask(self, order: bytes) -> bytes:
        """Send an order and return the answer, or nothing from a keeper that is gone."""
        self.tell(order)
        return os.read(self.answers, 1)

    def script_ended(self) -> None:
        """Say that the script's pid is about to be free for others."""
        self.tell(b"ended")

    def is_group_signal(self, signal_number: int) -> bool:
        """Ask whether a signal that the wrapper got was sent to the whole group."""
        return self.ask(b"signal %d" % signal_number) == b"y"

    def drop_stream(self, index: int, ends: tuple[int, ...]) -> None:
        """Have a stream closed, and our ends of where it went. Blocks: until it is."""
        self.ask(b" ".join([b"drop", *(b"%d" % number for number in (index, *ends))]))

    def leave(self, *, relay_late: bool) -> None:
        """End the keeper, or leave it to relay what comes late."""
        self.tell(b"late" if relay_late else b"done")
        if not relay_late:
            os.waitpid(self.pid, 0)


def has_bytes(fd: int, timeout_ms: int | None) -> bool:
    """Tell whether there is something to read, or an end to be seen."""
    import select

    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(timeout_ms))


class KeeperProcess:
    """What runs in the keeper."""

    def __init__(
        self,
        console: Console,
        streams: list[Stream],
        on_wrapper_death: Callable[[], None],
        append: Callable[[Marks], object],
        mark_lost: Callable[[], None],
        marked_bytes: Callable[[], int],
    ) -> None:
        self.marked_bytes = marked_bytes
        self.streams = streams
        self.all_streams = streams
        self.console = console
        self.append = append
        self.on_wrapper_death = on_wrapper_death
        self.mark_lost = mark_lost
        self.script = -1

    def serve(self, orders: int, answers: int) -> None:
        """Follow orders until told to leave, or until the wrapper is dead. Blocks."""
        rest = b""
        while True:
            chunk = os.read(orders, 4096)
            if not chunk:
                return self.finish_for_wrapper()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                word, _, value = line.partition(b" ")
                if word == b"done":
                    return None
                if word == b"late":
                    return self.relay_late()
                self.obey(word, value, answers)

    def obey(self, word: bytes, value: bytes, answers: int) -> None:
        """Do one thing that was ordered, and answer where an answer is waited for."""
        if word == b"script":
            self.script = os.pidfd_open(int(value))
        elif word == b"ended":
            self.script = -1
        elif word == b"signal":
            os.write(answers, b"y" if signals.take(int(value), GROUP_SIGNAL_WAIT_S) else b"n")
        elif word == b"drop":
            place, *ends = (int(number) for number in value.split())
            self.close(self.all_streams[place])
            close_for_reader(ends)
            os.write(answers, b".")

    def close(self, stream: Stream) -> None:
        """Give up a stream."""
        self.streams = [other for other in self.streams if other is not stream]
        os.close(stream.source)

    def finish_for_wrapper(self) -> None:
        """End the script as the kill of the wrapper would have ended it bare, and keep its output."""
        self.on_wrapper_death()
        if self.script >= 0:
            try:
                _signal.pidfd_send_signal(self.script, _signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended in the same moment
            has_bytes(self.script, SCRIPT_END_WAIT_MS)
        self.recover()
        logged_bytes = self.console.end
        self.console.drop_marks(self.marked_bytes())
        sinks = {stream.name: stream.sink for stream in self.streams}
        for stream in self.streams:
            stream.sink = None  # the log first: a full pipe or a stopped terminal may hold us up
            stream.rescue(logged_bytes)
        for stream in self.streams:
            self.drain(stream)
        shown = self.append_marks()
        self.mark_lost()
        for stream in self.streams:
            stream.sink = sinks[stream.name]
        self.relay_again(shown, logged_bytes, sinks)
        self.relay_late()

    def recover(self) -> None:
        """Take over the log where the wrapper left it."""
        self.console.recover()

    def drain(self, stream: Stream) -> None:
        """Bring what is buffered into the log."""
        end = stream.console.end + stream.left_bytes()
        while has_bytes(stream.source, 0) and stream.step() and stream.console.end < end:
            pass

    def relay_again(self, marks: Marks, logged_bytes: int, sinks: dict[str, int | None]) -> None:
        """Relay what the wrapper had not even logged."""
        for _, mark, _ in marks:
            offset, size = int(str(mark["offset"])), int(str(mark["size_bytes"]))
            start = max(offset, logged_bytes)
            for stream in self.streams:
                if stream.name == mark["stream"] and sinks[stream.name] is not None and start < offset + size:
                    stream.relay(self.console.read(start, offset + size - start))

    def append_marks(self) -> Marks:
        """Record which bytes of the log came when."""
        return self.console.record_marks(self.append)

    def relay_late(self) -> None:
        """Relay until nobody holds the streams any more. Blocks."""
        import select

        poller = select.poll()
        self.recover()
        for stream in self.streams:
            poller.register(stream.source, select.POLLIN)
        while self.streams:
            ready = {fd for fd, _ in poller.poll()}
            for stream in [one for one in self.streams if one.source in ready]:
                ended = not stream.step() or stream.sink_error
                self.append_marks()
                if ended:
                    poller.unregister(stream.source)
                    self.close(stream)


def start_keeper(process: KeeperProcess, script_ends: list[int]) -> Keeper:
    """Fork the keeper, in the wrapper's own process group; it holds no end that is the script's."""
    orders_read, orders = os.pipe()
    answers, answers_write = os.pipe()

    def child() -> None:
        for fd in (orders, answers, *script_ends):
            os.close(fd)
        close_inherited()
        process.serve(orders_read, answers_write)

    pid = fork(child)
    os.close(orders_read)
    os.close(answers_write)
    return Keeper(pid, orders, answers)
