"""The script and all that it has started: what these processes use together."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from runwrap.capture.small_file import read_bytes

if TYPE_CHECKING:
    from runwrap.capture.sampler.kin import Kin

    Values = dict[str, float]

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Where these stand behind the name in /proc/PID/stat. Source: proc_pid_stat(5).
PARENT, USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM, THREADS, STARTED, RSS = 1, 11, 12, 13, 14, 17, 19, 21
LARGEST_ENVIRON_BYTES = 1 << 18
# Looking for new processes may take this part of the time, on a machine that has many; yet it is done.
LARGEST_SHARE = 0.002
LONGEST_PAUSE_S = 10.0
# A look at the shared pages holds up a process that asks for memory, so it is rare, and not for large ones.
PSS_INTERVAL_S = 30.0
LARGEST_PSS_SHARE = 0.0002
LARGEST_PSS_BYTES = 1 << 30
MOST_PSS_PROCESSES = 64


class Process:
    """One process as it was at the last look."""

    __slots__ = (
        "children_ticks", "io_read", "io_written", "own_ticks", "parent", "rss_bytes", "started", "threads",
    )  # fmt: skip

    def __init__(self, stat: list[bytes], io: tuple[int, int] | None) -> None:
        self.parent = int(stat[PARENT])
        self.started = int(stat[STARTED])
        self.own_ticks = int(stat[USER]) + int(stat[SYSTEM])
        self.children_ticks = int(stat[CHILDREN_USER]) + int(stat[CHILDREN_SYSTEM])
        self.threads = int(stat[THREADS])
        self.rss_bytes = int(stat[RSS]) * PAGE_BYTES
        self.io_read, self.io_written = io or (0, 0)


class Tree:
    """Follows the processes of a script, also those that have left its session or lost their parent.

    `started_s` is when the script was started, by the clock that the starts of processes are counted on.
    """

    def __init__(self, kin: Kin, started_s: float) -> None:
        self.kin = kin
        self.started_s = started_s
        self.ours: dict[int, Process] = {}
        self.others: set[int] = set()
        self.looked_s: float | None = None
        self.searched_s: float | None = None  # by the clock that the starts of processes are counted on
        self.next_search_s = 0.0
        self.next_pss_s = 0.0

    def sample(self, now_s: float) -> Values:
        """Return what the processes use now, and have used a second since the last look."""
        self.search(now_s)
        before, passed_s = self.ours, now_s - self.looked_s if self.looked_s is not None else 0.0
        after = {pid: process for pid in before if (process := look(pid, before[pid].started))}
        self.ours, self.looked_s = after, now_s
        if not after:
            return {}  # hidden from us, or gone
        values: Values = {
            "process_count": len(after),
            "process_thread_count": sum(process.threads for process in after.values()),
            "process_memory_rss_bytes": sum(process.rss_bytes for process in after.values()),
        }
        if passed_s > 0:
            values |= rates(before, after, passed_s)
        return values | self.shared_memory(now_s)

    def search(self, now_s: float) -> None:
        """Find processes that are new, and ours; seldom, where the machine has so many that it takes long."""
        if now_s < self.next_search_s:
            return
        began_s, boot_s = time.perf_counter(), since_boot_s()
        pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        new = sorted(pids - self.others - self.ours.keys())
        for _ in range(2):  # where numbers have begun anew, a child may come before its parent
            for pid in new:
                if pid not in self.ours and (process := look(pid)) and self.is_ours(pid, process):
                    self.ours[pid] = newborn(process, self.searched_s)
        self.others = pids - self.ours.keys()
        is_first = self.searched_s is None  # and every process is new
        self.searched_s = boot_s
        pause_s = (time.perf_counter() - began_s) / LARGEST_SHARE
        self.next_search_s = now_s + (0 if is_first else min(LONGEST_PAUSE_S, pause_s))

    def is_ours(self, pid: int, process: Process) -> bool:
        """Tell whether the script has started a process, or it is the script."""
        kin, parent = self.kin, process.parent
        if pid in kin.roots:
            return True
        if pid in kin.strangers or process.started * TICK_S < self.started_s - TICK_S:
            return False
        if parent in kin.parents or parent in self.ours:
            return True
        return parent not in kin.strangers and self.has_mark(pid)

    def has_mark(self, pid: int) -> bool:
        """Tell whether a process, or what it comes from, was started by the script."""
        return self.kin.mark in read_bytes(f"/proc/{pid}/environ", LARGEST_ENVIRON_BYTES).split(b"\0")

    def shared_memory(self, now_s: float) -> Values:
        """Return the memory without what is counted twice, now and then and where it is cheap."""
        rss_bytes = sum(process.rss_bytes for process in self.ours.values())
        is_cheap = rss_bytes <= LARGEST_PSS_BYTES and len(self.ours) <= MOST_PSS_PROCESSES
        if now_s < self.next_pss_s or not is_cheap:
            return {}
        began_s = time.thread_time()
        shares = [size for pid in self.ours if (size := pss_bytes(pid)) is not None]
        self.next_pss_s = now_s + max(PSS_INTERVAL_S, (time.thread_time() - began_s) / LARGEST_PSS_SHARE)
        return {"process_memory_pss_bytes": sum(shares)} if len(shares) == len(self.ours) else {}


def newborn(process: Process, searched_s: float | None) -> Process:
    """Return a process as it was at the last search: if it began after that, all it has used is new."""
    if searched_s is not None and process.started * TICK_S >= searched_s - TICK_S:
        process.own_ticks = process.children_ticks = process.io_read = process.io_written = 0
    return process


def since_boot_s() -> float:
    """Return the time by the clock that the starts of processes are counted on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def look(pid: int, started: int | None = None) -> Process | None:
    """Read what the kernel says of a process; None where it has gone, or another one has its number."""
    stat = read_once(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    if len(stat) <= RSS or stat[0] in (b"Z", b"X") or (started is not None and int(stat[STARTED]) != started):
        return None
    return Process(stat, input_output(pid))


def read_once(path: str) -> bytes:
    """Read a file of the kernel's that is whole at the first read; b"" when it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 4096)
    except OSError:
        return b""
    finally:
        os.close(fd)


def input_output(pid: int) -> tuple[int, int] | None:
    """Return what a process has read from disks, and written; None where that is not ours to know."""
    words = read_once(f"/proc/{pid}/io").split()
    try:
        return int(words[words.index(b"read_bytes:") + 1]), int(words[words.index(b"write_bytes:") + 1])
    except (IndexError, ValueError):
        return None


def pss_bytes(pid: int) -> int | None:
    """Return a process's own part of its memory."""
    for line in read_bytes(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return None


def rates(before: dict[int, Process], after: dict[int, Process], passed_s: float) -> Values:
    """Return what was used a second: by those that live, and by those that have ended in between.

    A parent that has waited for a child has taken over what that used, also of one that was never seen.
    """
    live = [(before[pid], after[pid]) for pid in after]
    gone = [old for pid, old in before.items() if pid not in after and old.parent in after]
    ticks = sum(new.own_ticks - old.own_ticks for old, new in live)
    inherited = sum(new.children_ticks - old.children_ticks for old, new in live)
    known = sum(old.own_ticks + old.children_ticks for old in gone)
    ticks += max(0, inherited - known)
    read = sum(new.io_read - old.io_read for old, new in live) - sum(old.io_read for old in gone)
    written = sum(new.io_written - old.io_written for old, new in live) - sum(old.io_written for old in gone)
    return {
        "process_cpu_percent": 100 * max(0, ticks) * TICK_S / passed_s,
        "process_read_bytes_per_s": max(0, read) / passed_s,
        "process_write_bytes_per_s": max(0, written) / passed_s,
    }
