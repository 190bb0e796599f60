"""Count what the kernel killed for want of memory, so that the end of a run can say so."""

from __future__ import annotations

import os

from runwrap.capture.small_file import read_bytes

ROOT = "/sys/fs/cgroup"


def oom_kills() -> int | None:
    """Count what the kernel killed for want of memory, in our memory cgroup or else on the machine.

    Source: the kernel's Documentation/admin-guide/cgroup-v2.rst (memory.events) and cgroup-v1/memory.rst.
    """
    for path in counters():
        count = oom_kill_line(read_bytes(path))
        if count is not None:
            return count
    return None


def counters() -> list[str]:
    """List the files that may hold the count, the nearest first; in a container our own group is the root."""
    paths = []
    for line in read_bytes("/proc/self/cgroup").splitlines():
        _, controllers, where = [*line.split(b":", 2), b"", b""][:3]
        name = os.fsdecode(where).rstrip("/")
        if not controllers:
            paths += [f"{root}/memory.events" for root in (ROOT + name, f"{ROOT}/unified{name}", ROOT)]
        elif b"memory" in controllers.split(b","):
            paths += [f"{ROOT}/memory{group}/memory.oom_control" for group in (name, "")]
    return [*paths, "/proc/vmstat"]


def oom_kill_line(table: bytes) -> int | None:
    """Find the line `oom_kill N`."""
    for line in table.splitlines():
        name, _, value = line.partition(b" ")
        if name == b"oom_kill" and value.isdigit():
            return int(value)
    return None
