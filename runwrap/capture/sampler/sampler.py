"""Conduct the sampling of one run: one clock, and every part that has something to say, in turn."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

import psutil

from runwrap.capture.facts import DEFECTS
from runwrap.capture.sampler.energy import Energy, estimate
from runwrap.capture.sampler.gpu import GpuWatch
from runwrap.capture.sampler.group import Group
from runwrap.capture.sampler.host import Host
from runwrap.capture.sampler.tree import Tree
from runwrap.capture.sampler.usage import Usage
from runwrap.capture.small_file import read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from runwrap.capture.sampler.kin import Kin

    Values = dict[str, float]
    Emit = Callable[[str, dict[str, object]], object]

# Often while people look, and then seldom enough for runs of a month.
FIRST_INTERVAL_S, FIRST_DURATION_S, LATER_INTERVAL_S = 2.0, 60.0, 10.0
# Between the first look and one that has rates: a run of a second has a sample too.
SHORTEST_S = 0.1
MOST_DIGITS = 6


class Sampling:
    """What is asked of the sampler.

    `started_s` is when the script was started, by the clock of CLOCK_BOOTTIME; 0 where it was there before.
    """

    __slots__ = ("co2_g_per_kwh", "environ", "folders", "interval_s", "kin", "started_s")

    def __init__(self, kin: Kin, folders: dict[str, str], environ: dict[str, str]) -> None:
        self.kin = kin
        self.folders = folders
        self.environ = environ
        self.started_s = 0.0
        self.interval_s: float | None = None
        self.co2_g_per_kwh = 0.0


class Sampler:
    """Emits a `system` record now and then, and at the end the facts `usage` and `energy`."""

    def __init__(self, emit: Emit, sampling: Sampling) -> None:
        self.emit = emit
        self.sampling = sampling
        self.usage = Usage()
        self.energy = Energy()
        self.tree = Tree(sampling.kin, sampling.started_s)
        self.group = Group(read_bytes("/proc/self/cgroup"))
        self.memory_bytes = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        self.parts: dict[str, Callable[[float], Values]] = {
            "host": Host(sampling.folders).sample,
            "process": self.tree.sample,
            "group": self.group.sample,
            "energy": self.energy.sample,
            "gpu": self.ask_gpus,
        }
        self.gpus = GpuWatch(sampling.environ, emit)
        self.failed: set[str] = set()
        self.last_s: float | None = None

    def run(self, end_fd: int) -> None:
        """Sample until the other end of `end_fd` is closed, or a byte comes from it. Blocks."""
        poller = select.poll()
        poller.register(end_fd, select.POLLIN)
        self.gpus.start()
        began_s = due_s = time.monotonic()
        while True:
            self.sample()
            due_s = next_due_s(began_s, due_s, time.monotonic(), self.sampling.interval_s)
            if is_over(poller, due_s):
                return self.end()

    def sample(self) -> None:
        """Take one sample of everything; what cannot be read is left out."""
        now_s = time.monotonic()
        passed_s = now_s - self.last_s if self.last_s is not None else 0.0
        values: Values = {}
        for name, part in self.parts.items():
            values |= self.guarded(name, part, now_s)
        values |= self.share_of_memory(values)
        self.usage.take(values, passed_s)
        first, self.last_s = self.last_s is None, now_s
        if values and not first:  # without rates it would be half of one
            self.emit("system", {"values": {name: rounded(value) for name, value in values.items()}})

    def ask_gpus(self, _now_s: float) -> Values:
        """Return what the GPUs do."""
        self.gpus.ask(set(self.tree.ours))
        return self.gpus.take()

    def share_of_memory(self, values: Values) -> Values:
        """Return how much of its memory the script has: of what its group may have, or of the machine's."""
        if "process_memory_rss_bytes" not in values:
            return {}
        limit = values.get("group_memory_limit_bytes", self.memory_bytes)
        held = values["process_memory_rss_bytes"]
        return {"process_memory_percent": 100 * held / min(limit, self.memory_bytes)}

    def guarded(self, name: str, part: Callable[[float], Values], now_s: float) -> Values:
        """Return what a part says; one that fails leaves a gap, and says so once."""
        try:
            return part(now_s)
        except (*DEFECTS, psutil.Error) as error:
            if name not in self.failed:
                self.failed.add(name)
                words = " ".join(str(error).split())[:300] or type(error).__name__
                text = f"Some samples of {name} are missing: {words}."
                self.emit("notice", {"level": "warning", "part": "system", "text": text})
            return {}

    def end(self) -> None:
        """Take the last sample and sum up."""
        if self.last_s is not None and time.monotonic() - self.last_s >= SHORTEST_S:
            self.sample()
        gpus = self.gpus.totals()
        usage = self.usage.describe() | ({"gpus": gpus} if gpus else {})
        self.emit("fact", {"name": "usage", "value": usage})
        measured = [used_j for gpu in gpus.values() if isinstance(used_j := gpu["energy_j"], float)]
        gpu_j = sum(measured) if measured else None
        energy = estimate(self.energy.used_j(), gpu_j, self.sampling.co2_g_per_kwh)
        if energy:
            self.emit("fact", {"name": "energy", "value": energy})


def next_due_s(began_s: float, due_s: float, now_s: float, interval_s: float | None) -> float:
    """Return when the next sample is due: on one grid, which never drifts; what was missed is left out."""
    early = due_s - began_s < FIRST_DURATION_S
    step_s = interval_s or (FIRST_INTERVAL_S if early else LATER_INTERVAL_S)
    return due_s + step_s * (1 + max(0, int((now_s - due_s) / step_s)))


def is_over(poller: select.poll, due_s: float) -> bool:
    """Wait until a moment; tell whether the end has come before it."""
    left_s = due_s - time.monotonic()
    return bool(poller.poll(max(0.0, left_s) * 1000))


def rounded(value: float) -> float:
    """Return a value as it is worth writing down."""
    return int(value) if value == int(value) else round(value, MOST_DIGITS)
