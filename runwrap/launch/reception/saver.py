"""Keep the files that scripts want kept: now, whenever they change, and as they are at the end."""

from __future__ import annotations

import os
import queue
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

from runwrap.errors import RunwrapError
from runwrap.store.catalog import find_run
from runwrap.store.files import CAPTURED, OURS, FileFolder, files_in, matches, name_in_run, start_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwrap.capture.intake.speech import Item

    Line = dict[str, Any]
    Reply = Callable[[Line | None], object]
    Emit = Callable[[list[Item]], bool]
    Note = Callable[[str], None]

LIVE_INTERVAL_S = 5.0
# A file that is being written to all the time is copied again after so many times the time of its copy.
PAUSE_PER_COPY = 20
BEAT_S = 1.0
MOST_FILES = 10_000
MOST_ANSWERED = 1000
# Beyond this the digest of what the script itself has put into the run's folder is left to those who need it.
LARGEST_DIGESTED_BYTES = 256 << 20


class Order:
    """What a script wants kept: a path, or a pattern, and when."""

    def __init__(self, said: Line) -> None:
        self.path = os.path.normpath(said["path"])
        self.base = os.path.normpath(said.get("base") or start_of(self.path))
        self.policy = said.get("policy") or "now"


class Saver:
    """Does in a thread what scripts have asked for about files; `finish` ends it."""

    def __init__(self, files_path: str, root: str, emit: Emit, note: Note) -> None:
        self.files = FileFolder(files_path, self.passed)
        self.root = root
        self.emit = emit
        self.note = note
        self.errands: queue.SimpleQueue[tuple[Line, Reply] | None] = queue.SimpleQueue()
        self.waiting: list[Reply] = []
        self.orders: list[Order] = []
        self.kept: dict[str, tuple[Any, ...]] = {}  # by its name in the run: which state of which file
        self.pauses: dict[str, float] = {}
        self.at_work = ""
        self.passed_bytes = 0
        self.beaten_s = self.looked_s = 0.0
        self.is_hurried = False
        self.known = set(OURS)

    def put(self, said: Line, reply: Reply) -> None:
        """Take an errand; `reply` gets the answer when it is done, and None while it goes on."""
        self.waiting.append(reply)
        self.errands.put((said, reply))

    def finish(self, known: set[str]) -> None:
        """Do what is left, and record what nobody has told of: not the `known` names."""
        self.known |= known
        self.errands.put(None)

    def hurry(self) -> None:
        """Leave the rest: somebody does not want to wait."""
        self.is_hurried = True

    def run(self) -> None:
        """Do errands as they come, and look after what is live. Blocks: until the end of the run."""
        while True:
            is_live = any(order.policy == "live" for order in self.orders)
            try:
                errand = self.errands.get(timeout=LIVE_INTERVAL_S if is_live else None)
                if errand is None:
                    break
                self.serve(*errand)
            except queue.Empty:
                pass
            if is_live and time.monotonic() - self.looked_s >= LIVE_INTERVAL_S:
                self.look(at_end=False)
                self.looked_s = time.monotonic()
        self.look(at_end=True)
        self.sweep()

    def serve(self, said: Line, reply: Reply) -> None:
        """Do one errand and answer it."""
        try:
            answer = self.save(said) if said["kind"] == "save" else self.find(said)
        except RunwrapError as error:
            answer = {"ok": False, "error": f"{error}{f' ({error.hint})' if error.hint else ''}"}
        except (OSError, ValueError) as error:
            answer = {"ok": False, "error": in_words(error)}
        self.waiting.remove(reply)
        reply(answer)

    def save(self, said: Line) -> Line:
        """Keep what matches a pattern, or remember it. Raises: RunwrapError."""
        order = Order(said)
        if order.policy != "now":
            self.orders.append(order)
        files = [] if order.policy == "end" else self.keep_all(order)
        if order.policy == "now" and not files:
            text = f"there is no file {order.path!r}, or none that can be read"
            self.note(text[0].upper() + text[1:300] + ".")
            return {"ok": False, "error": text[:300]}
        return {"ok": True, "count": len(files), "files": files[:MOST_ANSWERED]}

    def find(self, said: Line) -> Line:
        """Say where a file of a run lies. Raises: RunwrapError."""
        word = said.get("run")
        folder = self.files
        if word:
            folder = FileFolder(os.path.join(find_run(self.root, word).path, "files"))
        found = folder.find(said["name"])
        if found is None:
            whose = f"the run {word!r}" if word else "this run"
            return {"ok": False, "error": f"{whose} has no file {said['name']!r}"[:300]}
        return {"ok": True, "file": found}

    def keep_all(self, order: Order, *, at_end: bool = False) -> list[Line]:
        """Keep the files of an order that are not as they were kept last; return all of them."""
        paths = list(islice(matches(order.path), MOST_FILES + 1))
        if len(paths) > MOST_FILES:
            self.note(f"{order.path[:200]!r} means more than {MOST_FILES} files: the others are not kept.")
        found = [self.keep(path, order, at_end=at_end) for path in paths[:MOST_FILES]]
        return [data for data in found if data]

    def keep(self, path: str, order: Order, *, at_end: bool) -> Line | None:
        """Keep one file, if it has changed and rests."""
        try:
            is_there = path.startswith(self.files.path + "/")
            name = os.path.relpath(path, self.files.path) if is_there else name_in_run(path, order.base)
            state = state_of(path)
            if self.kept.get(name) == state or not (at_end or time.monotonic() >= self.pauses.get(name, 0)):
                return {"path": name}
            began_s = time.monotonic()
            self.at_work, self.passed_bytes = path, 0
            data = self.files.describe(name) if is_there else self.files.keep(path, name)
            self.pauses[name] = time.monotonic() + PAUSE_PER_COPY * (time.monotonic() - began_s)
        except (OSError, ValueError, RunwrapError) as error:
            self.note(f"{path[:200]!r} was not kept: {in_words(error)}.")
            return None
        finally:
            self.at_work = ""
        self.warn(data, path, name)
        self.kept[name] = state
        self.emit([("file", {**data, "policy": order.policy}, time.time())])
        return data

    def warn(self, data: Line, path: str, name: str) -> None:
        """Note what is odd about a file that was kept."""
        if data.pop("is_torn", False):
            self.note(f"{path[:200]!r} was written to while it was copied.")
        before = self.kept.get(name)
        if before is not None and before[0] != path:
            self.note(f"{name[:200]!r} was {before[0][:200]!r} and is now {path[:200]!r}.")

    def look(self, *, at_end: bool) -> None:
        """Keep again what has changed; at the end also what was to wait for it."""
        for order in self.orders:
            if (at_end or order.policy == "live") and not self.keep_all(order, at_end=at_end) and at_end:
                self.note(f"No file was kept for {order.path[:200]!r}.")

    def sweep(self) -> None:
        """Record what the script has put into the folder of the run itself."""
        for path in islice(files_in(self.files.path), MOST_FILES):
            name = os.path.relpath(path, self.files.path)
            is_ours = name in self.known or name.startswith(f"{CAPTURED}/")
            if is_ours or name in self.kept or os.path.basename(name).startswith("."):
                continue
            try:
                size_bytes = os.lstat(path).st_size
                is_small = size_bytes <= LARGEST_DIGESTED_BYTES
                data = self.files.describe(name) if is_small else {"path": name, "size_bytes": size_bytes}
            except OSError as error:
                self.note(f"{name[:200]!r} in the run's folder: {in_words(error)}.")
                continue
            self.emit([("file", {**data, "policy": "end"}, time.time())])

    def passed(self, size_bytes: int) -> None:
        """Tell those who wait that something goes on. Raises: OSError, where there is no time."""
        if self.is_hurried:
            raise OSError(None, "there was no time for it")
        self.passed_bytes += size_bytes
        if time.monotonic() - self.beaten_s >= BEAT_S:
            self.beaten_s = time.monotonic()
            for reply in list(self.waiting):
                reply(None)


def state_of(path: str) -> tuple[Any, ...]:
    """Return what is different when a file is another one, or has changed. Raises: OSError."""
    found = os.stat(path)
    return path, found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def in_words(error: Exception) -> str:
    """Write an error short."""
    return str(getattr(error, "strerror", None) or error)[:300]
