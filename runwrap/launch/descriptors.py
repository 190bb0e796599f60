"""What the standard descriptors are, and which of the script's streams need a pipe or a terminal."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

STDIN, STDOUT, STDERR = 0, 1, 2


class Wire:
    """One stream of the script: the descriptors that it serves and where its bytes go in the end.

    `kind` is "pipe" (no terminal here), "terminal" (the sink is one, so the script gets one too)
    or "line" (no terminal, but `--pty` asked for one).
    """

    __slots__ = ("kind", "name", "serves", "sink")

    def __init__(self, name: str, serves: tuple[int, ...], kind: str) -> None:
        self.name = name
        self.serves = serves
        self.sink = serves[0]
        self.kind = kind


def fill_closed() -> frozenset[int]:
    """Fill those of 0, 1 and 2 that are closed and return them, so that nothing of ours lands there."""
    closed = set()
    for fd in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(fd)
        except OSError:
            closed.add(fd)
            # The lowest free number is this one, as those below it are filled.
            os.open(os.devnull, os.O_RDWR)
    return frozenset(closed)


def close_for_reader(ends: Iterable[int]) -> None:
    """Let go of standard descriptors, so that who reads there sees the end; nothing else lands on them."""
    for fd in ends:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        os.dup2(null, fd, inheritable=False)
        os.close(null)


def close_inherited() -> None:
    """Close what was opened for the script (`3>pipe`): whoever reads it waits for the script alone.

    Ours are told apart by being closed on exec.
    """
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > STDERR and os.get_inheritable(int(name)):
                os.close(int(name))
        except OSError:
            pass  # the folder's own descriptor, closed by now


def same_file(one: int, other: int) -> bool:
    """Tell whether two descriptors lead to the same file, pipe, socket or terminal."""
    a, b = os.fstat(one), os.fstat(other)
    return (a.st_dev, a.st_ino, a.st_rdev) == (b.st_dev, b.st_ino, b.st_rdev)


def is_full_terminal(closed: frozenset[int]) -> bool:
    """Tell whether 0, 1 and 2 are all our controlling terminal: someone typed the command."""
    if closed or not os.isatty(STDIN):
        return False
    if not (same_file(STDIN, STDOUT) and same_file(STDIN, STDERR)):
        return False
    try:
        os.tcgetpgrp(STDIN)
    except OSError:
        return False
    return True


def choose_wires(closed: frozenset[int], force_pty: bool) -> list[Wire]:
    """Choose a wire for each open output stream; one for both where they are the same file."""
    if not closed & {STDOUT, STDERR} and same_file(STDOUT, STDERR):
        return [Wire("both", (STDOUT, STDERR), kind_of(STDOUT, force_pty))]
    names = {STDOUT: "stdout", STDERR: "stderr"}
    return [Wire(name, (fd,), kind_of(fd, force_pty)) for fd, name in names.items() if fd not in closed]


def kind_of(fd: int, force_pty: bool) -> str:
    """Name the kind of wire that a descriptor needs."""
    if os.isatty(fd):
        return "terminal"
    return "line" if force_pty else "pipe"
