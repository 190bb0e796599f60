"""The GPUs: what they do, which of them the script uses, and what that comes to."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from runwrap.capture.facts import DEFECTS
from runwrap.capture.sampler.visible import visible_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from runwrap.capture.sampler.nvidia import Card

    Values = dict[str, float]
    Emit = Callable[[str, dict[str, object]], object]

LIBRARY = "libnvidia-ml.so.1"
# Where one of these is, a GPU is expected.
SIGNS = ("/proc/driver/nvidia/version", "/dev/nvidia0", "/dev/dxg")
# A driver may need some seconds to wake up.
PATIENCE_S = 30.0
# An answer that takes longer is told with the next sample.
ANSWER_PATIENCE_S = 0.4
IDLE_PERCENT = 5.0
# The process numbers that the driver knows are those of the outermost namespace. Source: proc_ns.h.
OUTERMOST_PIDS = "pid:[4026531836]"
# Said again only when they have changed.
STEADY = (
    "gpu_memory_total_bytes",
    "gpu_power_limit_w",
    "gpu_ecc_corrected_count",
    "gpu_ecc_uncorrected_count",
)


class Account:
    """What one GPU came to."""

    def __init__(self) -> None:
        self.before: tuple[float, Values] | None = None
        self.energy_j = 0.0
        self.memory_max_bytes = 0.0
        self.busy_area = self.idle_s = self.seen_s = 0.0
        self.steady: Values = {}

    def take(self, now_s: float, values: Values) -> Values:
        """Take a sample in; return it as it is told: energy from the beginning, and nothing twice."""
        passed_s = now_s - self.before[0] if self.before else 0.0
        before = self.before[1] if self.before else {}
        self.before = now_s, values
        self.memory_max_bytes = max(self.memory_max_bytes, values.get("gpu_memory_used_bytes", 0.0))
        if "gpu_percent" in values and before:
            self.seen_s += passed_s
            self.busy_area += values["gpu_percent"] * passed_s
            self.idle_s += passed_s if values["gpu_percent"] < IDLE_PERCENT else 0.0
        told = {name: value for name, value in values.items() if self.steady.get(name) != value}
        self.steady |= {name: values[name] for name in STEADY if name in values}
        if "gpu_energy_j" in values or "gpu_power_w" in values:
            self.energy_j += grown_j(before, values, passed_s)
            told["gpu_energy_j"] = self.energy_j
        return told

    def describe(self) -> dict[str, object]:
        """Return what it came to."""
        seen_s = self.seen_s or 1.0
        return {
            "energy_j": self.energy_j,
            "memory_max_bytes": self.memory_max_bytes,
            "percent_mean": self.busy_area / seen_s if self.seen_s else None,
            "idle_share": self.idle_s / seen_s if self.seen_s else None,
        }


def grown_j(before: Values, values: Values, passed_s: float) -> float:
    """Return the energy since the last sample, by the counter; where there is none, by the power."""
    if "gpu_energy_j" in values and "gpu_energy_j" in before:
        grown = values["gpu_energy_j"] - before["gpu_energy_j"]
        if grown >= 0:
            return grown
    if "gpu_energy_j" not in values and "gpu_power_w" in before:
        return (before["gpu_power_w"] + values["gpu_power_w"]) / 2 * passed_s
    return 0.0


class GpuWatch:
    """Asks the driver in a thread of its own, for it may take long, or never answer."""

    def __init__(self, environ: Mapping[str, str], emit: Emit, signs: tuple[str, ...] = SIGNS) -> None:
        self.environ = environ
        self.emit = emit
        self.signs = signs
        self.asked, self.answered = threading.Event(), threading.Event()
        self.lock = threading.Lock()  # around what both threads use
        self.pids: set[int] = set()
        self.values: Values = {}
        self.accounts: dict[str, Account] = {}
        self.used: set[str] = set()
        self.visible: list[str] = []
        self.began_s: float | None = None
        self.has_answered = self.is_sampling = False
        self.knows_pids = outermost_pids()

    def start(self) -> None:
        """Start the thread, where there is a sign of a GPU."""
        if self.is_expected() or any(map(os.path.exists, library_paths(self.environ))):
            self.began_s = time.monotonic()
            threading.Thread(target=self.work, daemon=True).start()

    def is_expected(self) -> bool:
        """Tell whether the driver is there."""
        return any(map(os.path.exists, self.signs))

    def ask(self, pids: set[int]) -> None:
        """Let a sample be taken, unless one is on its way."""
        if not self.asked.is_set():
            self.pids = set(pids)
            self.answered.clear()
            self.asked.set()

    def take(self) -> Values:
        """Return what has been found since the last call. Blocks: for a moment, if an answer may come."""
        if self.is_sampling:
            self.answered.wait(ANSWER_PATIENCE_S)
        with self.lock:
            values, self.values = self.values, {}
        return values

    def work(self) -> None:
        """Sample, and say what stops it. Threads: one of its own. Blocks: for ever."""
        defects: tuple[type[BaseException], ...] = (*DEFECTS, *driver_errors())
        try:
            self.sample_forever()
        except defects as error:
            self.has_answered, self.is_sampling = True, False
            if self.is_expected():
                self.complain(f"The GPUs cannot be sampled: {' '.join(str(error).split())[:300]}.")

    def sample_forever(self) -> None:
        """Find the GPUs, and ask them whenever it is wanted. Raises: NVMLError, and what files can raise."""
        from runwrap.capture.sampler import nvidia

        cards = nvidia.find_cards()
        self.has_answered = True
        if cards:
            self.describe(cards, nvidia.versions())
            self.is_sampling = True
            while self.asked.wait():
                self.sample(cards)
                self.asked.clear()
                self.answered.set()

    def is_silent(self) -> bool:
        """Tell whether the driver has never answered, though it had time."""
        return (
            self.began_s is not None
            and not self.has_answered
            and time.monotonic() - self.began_s > PATIENCE_S
        )

    def complain(self, words: str) -> None:
        """Tell of something once."""
        self.emit("notice", {"level": "warning", "part": "gpu", "text": words})

    def describe(self, cards: list[Card], versions: dict[str, object]) -> None:
        """Emit which GPUs there are, and which of them the script sees."""
        uuids = {card.label: card.uuid for card in cards}
        self.visible = visible_labels(self.environ.get("CUDA_VISIBLE_DEVICES"), uuids)
        devices = [
            {
                "index": card.label,
                "uuid": card.uuid,
                "name": card.name,
                "memory_total_bytes": card.memory_bytes,
                "visible": card.label in self.visible,
            }
            for card in cards
        ]
        order = self.environ.get("CUDA_DEVICE_ORDER")
        value = {**versions, "cuda_device_order": order, "devices": devices}
        self.emit("fact", {"name": "gpu", "value": value})

    def sample(self, cards: list[Card]) -> None:
        """Ask every GPU once."""
        values: Values = {}
        used = set(self.used)
        for card in cards:
            now_s = time.monotonic()
            found = card.sample(now_s)
            if found:
                account = self.accounts.setdefault(card.label, Account())
                with self.lock:
                    found = account.take(now_s, found)
            held = card.memory_of(self.pids) if self.knows_pids else {}
            if held:
                used.add(card.label)
                found["process_gpu_memory_bytes"] = sum(held.values())
            values |= {f"{name}/{card.label}": value for name, value in found.items()}
        if used != self.used:
            self.used = used
            self.emit("fact", {"name": "gpus_used", "value": {"devices": sorted(used)}})
        with self.lock:
            self.values |= values

    def totals(self) -> dict[str, dict[str, object]]:
        """Return what the script's GPUs came to: those that it used, or else those that it could see."""
        if self.is_silent() and self.is_expected():
            self.complain(f"The GPU driver has not answered within {PATIENCE_S:g} s.")
        with self.lock:
            labels = self.used or set(self.visible)
            labels = labels | {
                label.partition(".")[0] for label in labels
            }  # an instance's power is its GPU's
            return {
                label: self.accounts[label].describe() for label in sorted(labels) if label in self.accounts
            }


def library_paths(environ: Mapping[str, str]) -> list[str]:
    """List where the driver's library would be, if it is in a folder that the user names."""
    folders = environ.get("LD_LIBRARY_PATH", "").split(":")
    return [os.path.join(folder, LIBRARY) for folder in folders if folder.startswith("/")]


def outermost_pids() -> bool:
    """Tell whether we know processes by the numbers that the driver knows them by."""
    try:
        return os.readlink("/proc/self/ns/pid") == OUTERMOST_PIDS
    except OSError:
        return False


def driver_errors() -> tuple[type[Exception], ...]:
    """Return the class of the errors of the driver's library, as far as it is there."""
    try:
        import pynvml
    except ImportError:
        return ()
    return (pynvml.NVMLError,)
