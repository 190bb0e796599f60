"""Why a script failed, in its own last words: the line in its output that names the error."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from runwrap.errors import visible
from runwrap.store.line import SEQUENCE
from runwrap.store.reading import open_regular

if TYPE_CHECKING:
    from collections.abc import Sequence

TAIL_BYTES = 64 << 10
LONGEST_CHARACTERS = 200

# Launchers of several processes say whose line it is.
RANK = re.compile(r"^\[(?:rank|default)\d+\]:? ?")
# A traceback may follow a progress bar on its line; one in an exception group is set in.
HEADER = re.compile(
    r"(?P<before>.*?)(?P<group>Exception Group )?Traceback \(most recent call last\)(?P<box>:?)"
)
SET_IN = re.compile(r"[ |]*\|[ |]*$")
FRAME_MARKS = (" ", "\t", "│", "╰", "|")
GROUP_MARGIN = re.compile(r"^ *[|+] ?")
GROUP_RULE = re.compile(r"^[ |]*\+[-+]+ 1 -+$")
MARGINS = re.compile(r"^[ |+]*\| ")

# Each names what went wrong, at the beginning of a line unless it says otherwise.
STRONG = [
    re.compile(pattern)
    for pattern in (
        r"thread '.{0,200}' (?:\(\d+\) )?panicked at .*",
        r"(?:.{0,200}[\s:])?(?:Segmentation fault|Bus error|Illegal instruction)\b.*",
        r"(?:.{0,200}[\s:])?Floating point exception\b.*",
        r"terminate called .*",
        r"panic: .*",
        r"fatal error: .*",
        r"Exception in thread .*",
        r"Error(?: in .*)?: ?.*",
        r"ERROR: .*",
        r"(?:Uncaught )?[A-Za-z_][\w.]{0,200}(?:Error|Exception|Interrupt|Exit)(?: \[\w{1,80}\])?(?:: .*)?$",
    )
]
WEAK = [
    re.compile(pattern)
    for pattern in (
        r"[^\s:]{1,200}: error: .*",
        r"[^\s:]{1,200}: .{0,400}(?:not found|No such file or directory|Permission denied)$",
        r"make(?:\[\d+\])?: \*\*\* .*",
    )
]
# The message follows on the next line.
GOES_ON = re.compile(r"(?:thread '.*:|terminate called after .*|Error in .* : ?)$")
# A launcher's word that a child has failed says less than the child.
LAUNCHERS = ("torch.distributed.elastic.multiprocessing.errors.ChildFailedError",)


def last_words(run_path: str, stretches: Sequence[Sequence[Any]]) -> str:
    """Return the line at the end of a run's output that names the error, in stderr first; none is ''."""
    fd = open_regular(os.path.join(run_path, "output.log"))
    if fd is None or not stretches:
        return ""
    try:
        apart = [stretch for stretch in stretches if stretch[0] == "stderr"]
        size = os.fstat(fd).st_size
        begin = max(stretches[0][1], size - TAIL_BYTES, 0)
        return named(tail_of(fd, apart)) or named(tail_of(fd, [["both", begin, size - begin]]))
    except (OSError, OverflowError):
        return ""
    finally:
        os.close(fd)


def tail_of(fd: int, stretches: Sequence[Sequence[Any]]) -> bytes:
    """Read the last bytes of some stretches."""
    pieces: list[bytes] = []
    left = TAIL_BYTES
    for _, offset, size in reversed(stretches):
        if left <= 0 or offset < 0:
            break
        taken = max(0, min(size, left))
        pieces.append(os.pread(fd, taken, offset + size - taken))
        left -= taken
    return b"".join(reversed(pieces))


def named(output: bytes) -> str:
    """Return the last line of some output that names an error, made harmless and short."""
    text = SEQUENCE.sub(
        "", output[-TAIL_BYTES:].decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    )
    lines = [RANK.sub("", line.rstrip()) for line in text.split("\n")]
    found = max(traceback_line(lines), matching(lines, STRONG))[1] or matching(lines, WEAK)[1]
    shown = visible(" ".join(found[: 2 * LONGEST_CHARACTERS].split()))
    return shown if len(shown) <= LONGEST_CHARACTERS else shown[: LONGEST_CHARACTERS - 1] + "…"


def matching(lines: list[str], patterns: list[re.Pattern[str]]) -> tuple[int, str]:
    """Return the last line that fits one of some patterns, and its place; none is (-1, '')."""
    for place in range(len(lines) - 1, -1, -1):
        line = lines[place]
        if line and not line.startswith(LAUNCHERS) and any(pattern.match(line) for pattern in patterns):
            return place, line + (f" {following(lines, place + 1)}" if GOES_ON.match(line) else "")
    return -1, ""


def following(lines: list[str], place: int) -> str:
    """Return the next line that says something."""
    return next((line.strip() for line in lines[place : place + 3] if line.strip()), "")


def traceback_line(lines: list[str]) -> tuple[int, str]:
    """Return the line that ends Python's last traceback, and its place; none is (-1, '')."""
    for place in range(len(lines) - 1, -1, -1):
        header = HEADER.match(lines[place]) if "Traceback (most" in lines[place] else None
        if header and not SET_IN.match(header["before"]):
            end = end_of_traceback(lines, place + 1, bool(header["group"]))
            if end[1] and not end[1].startswith(LAUNCHERS):
                return end
    return -1, ""


def end_of_traceback(lines: list[str], place: int, is_group: bool) -> tuple[int, str]:
    """Return the first line behind the frames of a traceback; for a group, with the first error in it."""
    for at in range(place, len(lines)):
        line = GROUP_MARGIN.sub("", lines[at]) if is_group else lines[at]
        if line and not line.startswith(FRAME_MARKS):
            inner = first_of_group(lines, at + 1) if is_group else ""
            return at, f"{line}: {inner}" if inner else line
    return -1, ""


def first_of_group(lines: list[str], place: int) -> str:
    """Return the line that names the first error of an exception group which is none itself."""
    inside = False
    for line in lines[place:]:
        inside = inside or bool(GROUP_RULE.match(line))
        words = MARGINS.sub("", line)
        if inside and MARGINS.match(line) and words[:1].isalpha() and "Traceback (most" not in words:
            if "ExceptionGroup: " not in words:
                return words
            inside = False
    return ""
