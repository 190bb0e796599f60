"""The limits of the container or batch job around the run, and what is used of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from runwrap.capture.sampler.rate import Rates
from runwrap.capture.small_file import read_bytes

if TYPE_CHECKING:
    Values = dict[str, float]

ROOT = "/sys/fs/cgroup"
# Version 1 writes a number near the largest one where there is no limit.
NO_LIMIT_BYTES = 1 << 60
MICROSECONDS = 1e-6
NANOSECONDS = 1e-9


class Group:
    """The control groups of a process, as its file `cgroup` in /proc names them.

    Source: the kernel's admin-guide, cgroup-v2.rst and cgroup-v1.
    """

    def __init__(self, lines: bytes, root: str = ROOT) -> None:
        self.folders = group_folders(lines, root)
        self.rates = Rates()
        self.kills_before = self.oom_kills() or 0.0

    def sample(self, now_s: float) -> Values:
        """Return what the group uses, and how much that is of its limits; nothing where it has none."""
        values: Values = {}
        memory = self.memory()
        if memory:
            used_bytes, limit_bytes = memory
            values |= {"group_memory_used_bytes": used_bytes, "group_memory_limit_bytes": limit_bytes}
            values["group_memory_percent"] = 100 * used_bytes / limit_bytes
        if self.core_limits():
            cores, folder = min(self.core_limits())
            used_s = self.processor_s(folder)
            per_second = self.rates.per_second(folder, used_s, now_s) if used_s is not None else None
            if per_second is not None:
                values["group_cpu_percent"] = 100 * per_second / cores
            values["group_cpu_limit_count"] = cores
        kills = self.oom_kills()
        if kills is not None:
            values["group_oom_kill_count"] = kills - self.kills_before
        return values

    def memory(self) -> tuple[float, float] | None:
        """Return used and allowed memory where least is allowed; caches that can be dropped do not count."""
        found = []
        for folder in self.folders.get("memory", ()):
            limit = number(f"{folder}/memory.max") or number(f"{folder}/memory.limit_in_bytes")
            used = number(f"{folder}/memory.current") or number(f"{folder}/memory.usage_in_bytes")
            if limit and used is not None and limit < NO_LIMIT_BYTES:
                stat = table(f"{folder}/memory.stat")
                dropped = stat.get(b"total_inactive_file", stat.get(b"inactive_file", 0.0))
                found.append((max(0.0, used - dropped), limit))
        return min(found, key=lambda pair: pair[1]) if found else None

    def core_limits(self) -> list[tuple[float, str]]:
        """Return how many cores a group may use in all, and its folder, for each that has a limit."""
        limits = []
        for folder in self.folders.get("cpu", ()):
            quota, period = [*read_bytes(f"{folder}/cpu.max").split(), b"", b""][:2]
            if not quota:
                quota = read_bytes(f"{folder}/cpu.cfs_quota_us").strip()
                period = read_bytes(f"{folder}/cpu.cfs_period_us").strip()
            if quota.isdigit() and period.isdigit() and int(quota) and int(period):
                limits.append((int(quota) / int(period), folder))
        return limits

    def processor_s(self, folder: str) -> float | None:
        """Return the time on processors that a group has used in all."""
        used = table(f"{folder}/cpu.stat").get(b"usage_usec")
        if used is not None:
            return used * MICROSECONDS
        for place in (folder, *self.folders.get("cpuacct", ())):  # version 1 may keep it elsewhere
            used = number(f"{place}/cpuacct.usage")
            if used is not None:
                return used * NANOSECONDS
        return None

    def oom_kills(self) -> float | None:
        """Count what was killed in the group for want of memory."""
        for folder in self.folders.get("memory", ()):
            for name in ("memory.events", "memory.oom_control"):
                kills = table(f"{folder}/{name}").get(b"oom_kill")
                if kills is not None:
                    return kills
        return None


def group_folders(lines: bytes, root: str) -> dict[str, list[str]]:
    """Return for each controller the folders of a process's group and those around it, the nearest first."""
    found: dict[str, list[str]] = {}
    for line in lines.splitlines():
        _, controllers, where = [*line.split(b":", 2), b"", b""][:3]
        names = [os.fsdecode(name) for name in controllers.split(b",") if name]
        mounts = (
            [root, f"{root}/unified"] if not names else [f"{root}/{','.join(names)}", f"{root}/{names[0]}"]
        )
        # In a container its own group is mounted as the root, whatever it is called outside.
        folders = [folder for mount in mounts for folder in upwards(mount, os.fsdecode(where))]
        for name in names or ("memory", "cpu"):
            found.setdefault(name, []).extend(folder for folder in folders if os.path.isdir(folder))
    return found


def upwards(mount: str, where: str) -> list[str]:
    """Return a group's folder and those of the groups around it."""
    parts = [part for part in where.split("/") if part not in ("", "..")]
    return ["/".join([mount, *parts[:count]]) for count in range(len(parts), -1, -1)]


def number(path: str) -> float | None:
    """Return the number that a file holds; None for `max`, or where there is none."""
    word = read_bytes(path).strip()
    return float(word) if word.isdigit() else None


def table(path: str) -> dict[bytes, float]:
    """Return the lines `name number` of a file."""
    words = [line.split() for line in read_bytes(path).splitlines()]
    return {pair[0]: float(pair[1]) for pair in words if len(pair) == 2 and pair[1].isdigit()}  # noqa: PLR2004  # a pair
