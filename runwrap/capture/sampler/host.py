"""What the whole machine is doing: processors, memory, disks, networks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psutil

from runwrap.capture.sampler.rate import Rates
from runwrap.capture.small_file import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    Values = dict[str, float]

MOST_CORES = 256
MOST_DEVICES = 16
# Parts of disks, and devices that stand for files or memory: what goes through them is counted elsewhere.
PASSED_OVER = ("loop", "ram", "zram", "sr", "fd", "dm-", "md")


class Host:
    """Samples the machine; `folders` are those whose disks matter to the run, by what they are to it."""

    def __init__(self, folders: dict[str, str]) -> None:
        self.folders = folders
        self.rates = Rates()
        self.cores: list[tuple[float, float]] = []

    def sample(self, now_s: float) -> Values:
        """Return what can be read now. Raises: OSError, RuntimeError, where the kernel does not say it."""
        values: Values = {}
        for part in (self.processors, self.memory, self.disks, self.networks):
            for name, value in part(now_s):
                if value is not None:
                    values[name] = value
        return values

    def processors(self, _now_s: float) -> Iterator[tuple[str, float | None]]:
        """Return how busy the cores were since the last look, and the load."""
        cores = [busy_and_whole(core) for core in psutil.cpu_times(percpu=True)]
        before, self.cores = self.cores, cores
        if len(before) == len(cores):
            percents = [percent(old, new) for old, new in zip(before, cores, strict=True)]
            known = [value for value in percents if value is not None]
            if known:
                yield "host_cpu_percent", sum(known) / len(known)
            for number, value in enumerate(percents[:MOST_CORES]):
                yield f"host_cpu_percent/{number}", value
        yield "host_load_1min", os.getloadavg()[0]

    def memory(self, _now_s: float) -> Iterator[tuple[str, float | None]]:
        """Return what memory is in use: not available to others without swapping."""
        memory = psutil.virtual_memory()
        yield "host_memory_used_bytes", memory.total - memory.available
        yield "host_memory_percent", memory.percent
        swap = psutil.swap_memory()
        if swap.total:
            yield "host_swap_used_bytes", swap.used
        open_files = read_bytes("/proc/sys/fs/file-nr").split()
        if open_files:
            yield "host_open_files_count", float(open_files[0])

    def disks(self, now_s: float) -> Iterator[tuple[str, float | None]]:
        """Return how full the run's disks are, and what is read from and written to all devices in use."""
        seen = set()
        for name, folder in self.folders.items():
            try:
                device, disk = os.stat(folder).st_dev, psutil.disk_usage(folder)
            except OSError:
                continue  # it has been removed
            if device not in seen:
                seen.add(device)
                yield f"disk_used_bytes/{name}", disk.used
                yield f"disk_percent/{name}", disk.percent
        for name, counters in whole_disks().items():
            yield (
                f"disk_read_bytes_per_s/{name}",
                self.rates.per_second(f"r/{name}", counters.read_bytes, now_s),
            )
            yield (
                f"disk_write_bytes_per_s/{name}",
                self.rates.per_second(f"w/{name}", counters.write_bytes, now_s),
            )

    def networks(self, now_s: float) -> Iterator[tuple[str, float | None]]:
        """Return what goes through the networks that are in use."""
        used = [(name, net) for name, net in psutil.net_io_counters(pernic=True).items() if net.bytes_recv]
        for name, net in used[:MOST_DEVICES]:
            yield (
                f"net_received_bytes_per_s/{name}",
                self.rates.per_second(f"n/{name}", net.bytes_recv, now_s),
            )
            yield f"net_sent_bytes_per_s/{name}", self.rates.per_second(f"m/{name}", net.bytes_sent, now_s)


def busy_and_whole(core: object) -> tuple[float, float]:
    """Return for how long a core was busy, and for how long there was anything to say of it.

    Waiting for a disk is idle; time of guests is in `user` already, and stolen time was never ours.
    """
    times = core._asdict()  # type: ignore[attr-defined]  # a named tuple, whose fields depend on the system
    whole_s = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return whole_s - times["idle"] - times.get("iowait", 0.0) - times.get("steal", 0.0), whole_s


def percent(before: tuple[float, float], after: tuple[float, float]) -> float | None:
    """Return how busy a core was between two looks."""
    whole_s = after[1] - before[1]
    return max(0.0, min(100.0, 100.0 * (after[0] - before[0]) / whole_s)) if whole_s > 0 else None


def whole_disks() -> dict[str, psutil._common.sdiskio]:  # type: ignore[name-defined]  # it has no public name
    """Return the counters of the devices that something was ever read from, without their partitions."""
    counters = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    found = {
        name: disk
        for name, disk in counters.items()
        if disk.read_bytes + disk.write_bytes
        and not name.startswith(PASSED_OVER)
        and os.path.isdir(f"/sys/block/{name}")
    }
    return dict(sorted(found.items())[:MOST_DEVICES])
