"""Take from a patch what may have been changed after the script had started."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = b"diff --git "
# The kernel stamps files with the time of its last tick (10 ms at the slowest), not with the time.
CLOCK_TICK_S = 0.02
# Some file systems keep whole seconds, FAT even ones: such a stamp can be that much older than the change.
WHOLE_SECONDS_S = 2.0
ESCAPES = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}


def cut_changed(patch: bytes, is_changed: Callable[[bytes], bool]) -> tuple[bytes, list[bytes]]:
    """Split a patch into the sections of unchanged files, and the names of the others."""
    kept = []
    names: dict[bytes, bool] = {}
    for section in sections(patch):
        name = section_name(section)
        if name not in names:
            names[name] = is_changed(name)
        if not names[name]:
            kept.append(section)
    return b"".join(kept), [name for name, changed in names.items() if changed]


def sections(patch: bytes) -> Iterator[bytes]:
    """Yield the part of each file; in no part can a line start as a header does."""
    start = 0 if patch.startswith(MARK) else patch.find(b"\n" + MARK) + 1
    if not patch.startswith(MARK, start):
        return
    while (end := patch.find(b"\n" + MARK, start) + 1) > 0:
        yield patch[start:end]
        start = end
    yield patch[start:]


def section_name(section: bytes) -> bytes:
    """Read the file name from a section's header, where it stands twice: `a/NAME b/NAME`."""
    line = section[len(MARK) : section.find(b"\n")]
    if line.startswith(b'"'):
        return unquote(line[1 : line.index(b'" "b/')])[2:]
    return line[2 : (len(line) - 1) // 2]


def unquote(text: bytes) -> bytes:
    """Undo git's quoting of file names, as in a C string."""
    head, *rest = text.split(b"\\")
    out = bytearray(head)
    index = 0
    while index < len(rest):
        part = rest[index]
        if not part:  # an escaped backslash: the next part is plain
            index += 1
            out += b"\\" + (rest[index] if index < len(rest) else b"")
        elif part[:3].isdigit():
            out += bytes([int(part[:3], 8) & 255]) + part[3:]
        else:
            out += bytes([ESCAPES[part[:1]]]) + part[1:]
        index += 1
    return bytes(out)


def is_changed_since(top: bytes, name: bytes, started_s: float) -> bool:
    """Tell whether a file may have been written, made, or deleted since a time."""
    path = os.path.join(top, name)
    while True:
        try:
            return newest_stamp(os.lstat(path)) >= started_s - CLOCK_TICK_S
        except (FileNotFoundError, NotADirectoryError):
            path = os.path.dirname(path)  # it is gone: when its folder was last changed is all there is
        except OSError:
            return True
        if len(path) < len(top):
            return True


def newest_stamp(status: os.stat_result) -> float:
    """Return the latest time at which a file can have been changed."""
    stamps = [status.st_ctime_ns]
    if status.st_mtime_ns <= time.time_ns():  # a later one was set by hand
        stamps.append(status.st_mtime_ns)
    newest = max(stamps)
    whole = status.st_ctime_ns % 1_000_000_000 == 0
    return newest / 1e9 + (WHOLE_SECONDS_S if whole else 0.0)
