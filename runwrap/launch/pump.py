"""Threads that drive the streams, one each, so that a slow reader slows only its own writer."""

from __future__ import annotations

import _thread
import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runwrap.launch.relay import Stream

TERMINAL_HANDOVER_MS = 50
SETTLE_POLL_S = 0.001


class Pump:
    """Drives one stream until its end, or until the script has ended and nothing of it is left."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.stop_read, self.stop_write = os.pipe()
        self.ended = False
        self.done = False
        self.busy = False

    def run(self) -> None:
        """Relay until the end, or until `stop` and what was there by then. Blocks."""
        poller = select.poll()
        poller.register(self.stream.source, select.POLLIN)
        poller.register(self.stop_read, select.POLLIN)
        while not self.ended and all(fd != self.stop_read for fd, _ in poller.poll()):
            self.busy = True
            self.step()
            self.busy = False
        if not self.ended:
            self.drain()
        self.done = True

    def step(self) -> None:
        """Move one chunk and look at what it brought about."""
        self.ended = not self.stream.step()
        if self.stream.sink_error and not self.ended:
            self.ended = True
            os.close(self.stream.source)

    def drain(self) -> None:
        """Move what the script wrote before it ended, and not what others go on writing.

        In a pipe all of it is there by now. A terminal hands it over a moment later.
        """
        poller = select.poll()
        poller.register(self.stream.source, select.POLLIN)
        end = self.stream.console.end + self.stream.left_bytes()
        while not self.ended and poller.poll(TERMINAL_HANDOVER_MS if self.stream.terminal else 0):
            self.step()
            if self.stream.console.end >= end:
                break

    def has_more(self) -> bool:
        """Tell whether there is something to move, or on its way."""
        # In this order: what has left the source by now is in the hands of a pump that is busy.
        waiting = not self.ended and bool(select.select([self.stream.source], [], [], 0)[0])
        return waiting or self.busy

    def stop(self) -> None:
        """Let `run` end as soon as nothing is left to move."""
        os.write(self.stop_write, b".")


class Pumps:
    """All pumps of a run; `news` is called in a pump's thread when it is done."""

    def __init__(self, streams: list[Stream], news: Callable[[], None]) -> None:
        self.streams = streams
        self.news = news
        self.pumps: list[Pump] = []

    def start(self, guard: Callable[[str, Callable[[], None]], None]) -> None:
        """Start a thread a stream; `guard` runs it, and sets aside what fails."""
        self.pumps = [Pump(stream) for stream in self.streams]
        for pump in self.pumps:
            _thread.start_new_thread(self.drive, (pump, guard))

    def drive(self, pump: Pump, guard: Callable[[str, Callable[[], None]], None]) -> None:
        """Run one pump; where it fails go on without the log, as the script must not notice."""
        guard("output", pump.run)
        if not pump.done:
            pump.stream.console.broken = OSError("the relay failed")
            guard("output", pump.run)
        pump.done = True
        self.news()

    def stop(self) -> None:
        """Let every pump end once it has moved what is there."""
        for pump in self.pumps:
            pump.stop()

    def settle(self, timeout_s: float) -> None:
        """Wait until what has been written so far is shown. Blocks: so long and no longer."""
        deadline_s = time.monotonic() + timeout_s
        while any(pump.has_more() for pump in self.pumps) and time.monotonic() < deadline_s:
            time.sleep(SETTLE_POLL_S)

    def all_done(self) -> bool:
        """Tell whether every pump has ended."""
        return all(pump.done for pump in self.pumps)

    def any_left(self) -> bool:
        """Tell whether somebody still holds a stream open."""
        return any(not pump.ended for pump in self.pumps)

    def ended(self) -> list[int]:
        """Return the places of the streams that are at their end, or whose readers have gone."""
        return [place for place, pump in enumerate(self.pumps) if pump.ended]
