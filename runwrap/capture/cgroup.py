"""Count what the kernel killed for want of memory, so that the end of a run can say so."""

from __future__ import annotations

import os

from runwrap.capture.small_file import read_bytes

ROOT = "/sys/fs/cgroup"


def oom_kills() -> int | None:
    """Count the processes of our memory cgroup, else of the machine, that the kernel killed for want of memory.

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
        _, controllers, group = (line.split(b":", 2) + [b"", b""])[:3]
        name = os.fsdecode(group).rstrip("/")
        if not controllers:
            paths += [f"{ROOT}{name}/memory.events", f"{ROOT}/unified{name}/memory.events", f"{ROOT}/memory.events"]
        elif b"memory" in controllers.split(b","):
            paths += [f"{ROOT}/memory{name}/memory.oom_control", f"{ROOT}/memory/memory.oom_control"]
    return [*paths, "/proc/vmstat"]


def oom_kill_line(table: bytes) -> int | None:
    """Find the line `oom_kill N`."""
    for line in table.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == b"oom_kill" and words[1].isdigit():
            return int(words[1])
    return None
