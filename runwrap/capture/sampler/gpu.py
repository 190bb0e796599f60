"""The GPUs: what they do, which of them the script uses, and what that comes to."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from runwrap.capture.facts import DEFECTS
from runwrap.capture.sampler.account import Account
from runwrap.capture.sampler.visible import IN_BUS_ORDER, visible_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from runwrap.capture.sampler import amd, nvidia

    Values = dict[str, float]
    Emit = Callable[[str, dict[str, object]], object]
    Card = amd.Card | nvidia.Card

LIBRARY = "libnvidia-ml.so.1"
# Where one of these is, there may be a driver; where one of EXPECTED is, there is to be a GPU. A container
# sees the driver's files of a machine whose GPUs it was not given, and every WSL has a dxg.
SIGNS = ("/dev/nvidiactl", "/dev/nvidia0", "/proc/driver/nvidia", "/dev/dxg")
EXPECTED = ("/dev/nvidiactl", "/dev/nvidia0")
AMD_SIGN = "/sys/module/amdgpu"
CUDA_VARIABLES = ("CUDA_VISIBLE_DEVICES",)
AMD_VARIABLES = ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
# A driver may need some seconds to wake up.
PATIENCE_S = 30.0
LAST_ANSWER_S = 0.5
# The process numbers that the driver knows are those of the outermost namespace. Source: proc_ns.h.
OUTERMOST_PIDS = "pid:[4026531836]"


class GpuWatch:
    """Asks the drivers in a thread of its own, for they may take long, or never answer.

    What that thread has to say is emitted by `take` and `totals`, so from the caller's own thread.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        emit: Emit,
        signs: tuple[str, ...] = SIGNS,
        expected: tuple[str, ...] = EXPECTED,
    ) -> None:
        self.environ = environ
        self.emit = emit
        self.has_sign = any(map(os.path.exists, signs)) or is_library_named(environ)
        self.is_expected = any(map(os.path.exists, expected))
        self.knows_pids = is_outermost()
        self.asked, self.idle = threading.Event(), threading.Event()
        self.idle.set()
        self.is_running = False
        self.asked_s = self.began_s = 0.0
        self.pids: set[int] = set()
        self.words: deque[tuple[str, dict[str, object]]] = deque()
        self.troubles: set[str] = set()
        self.versions: dict[str, object] = {"driver": None, "cuda": None}
        self.lock = threading.Lock()  # around the following, and never while a driver is asked
        self.values: Values = {}
        self.accounts: dict[str, Account] = {}
        self.used: set[str] = set()
        self.visible: set[str] = set()
        self.has_holders = False

    def start(self) -> None:
        """Start the thread, where there is a sign of a GPU; it begins with a sample."""
        if self.has_sign or os.path.exists(AMD_SIGN):
            self.began_s = self.asked_s = time.monotonic()
            self.is_running = True
            self.idle.clear()
            threading.Thread(target=self.work, name="gpu", daemon=True).start()

    def ask(self, pids: set[int]) -> None:
        """Let a sample be taken for these processes, unless the last one has not come back."""
        self.pids = set(pids)
        if self.is_running and self.idle.is_set():
            self.idle.clear()
            self.asked_s = time.monotonic()
            self.asked.set()

    def take(self) -> Values:
        """Return what has been found since the last call, and emit what else there is to say."""
        self.tell()
        with self.lock:
            values, self.values = self.values, {}
        return values

    def totals(self) -> dict[str, dict[str, object]]:
        """Return what the script's GPUs came to: those that it used, or, where no driver tells, could see.

        Of an instance only the memory is its own, so its GPU is there too, whoever else uses that.
        Blocks: for a moment, if a sample has just been asked for, because it has the last of the energy.
        """
        if time.monotonic() - self.asked_s < LAST_ANSWER_S:
            self.idle.wait(LAST_ANSWER_S)
        self.tell()
        with self.lock:
            labels = self.used if self.has_holders else self.visible
            labels = labels | {label.partition(".")[0] for label in labels}
            found = sorted(labels & self.accounts.keys(), key=in_order)
            return {label: self.accounts[label].describe() for label in found}

    def tell(self) -> None:
        """Emit what the thread has to say, or that it says nothing."""
        if not self.idle.is_set() and time.monotonic() - self.asked_s > PATIENCE_S:
            self.complain("hang", f"The GPU driver has not answered for {PATIENCE_S:g} s")
        while self.words:
            self.emit(*self.words.popleft())

    def complain(self, trouble: str, text: str) -> None:
        """Tell of one kind of trouble once, where there should be none."""
        if self.is_expected and trouble not in self.troubles:
            self.troubles.add(trouble)
            text = f"{' '.join(text.split())[:300]}; samples of it are missing."
            self.words.append(("notice", {"level": "warning", "part": "gpu", "text": text}))

    def work(self) -> None:
        """Sample whenever it is wanted, and say what stops it. Threads: one of its own. Blocks: for ever."""
        try:
            cards = self.find_nvidia() or self.find_amd()
            if cards:
                self.sample_forever(cards)
        except (*DEFECTS, MemoryError) as error:
            self.complain("defect", f"The GPUs cannot be sampled: {error or type(error).__name__}")
        finally:
            self.is_running = False
            self.idle.set()

    def find_nvidia(self) -> Sequence[Card]:
        """Start NVIDIA's library, where there is a sign of it, and list its GPUs."""
        if not self.has_sign:
            return []
        from runwrap.capture.sampler import nvidia

        try:
            cards = nvidia.find_cards()
        except nvidia.ERRORS as error:
            self.complain("init", f"The GPU driver cannot be asked: {error}")
            return []
        self.versions = nvidia.versions()
        return cards

    def find_amd(self) -> Sequence[Card]:
        """List AMD's GPUs, where its driver is loaded and NVIDIA's has none."""
        if not os.path.exists(AMD_SIGN):
            return []
        from runwrap.capture.sampler import amd

        return amd.find_cards()

    def sample_forever(self, cards: Sequence[Card]) -> None:
        """Describe the GPUs, and ask them whenever it is wanted."""
        self.sample(cards)
        self.describe(cards)
        while True:
            self.idle.set()
            self.asked.wait()
            self.asked.clear()
            self.sample(cards)

    def sample(self, cards: Sequence[Card]) -> None:
        """Ask every GPU once."""
        pids, used = self.pids, set(self.used)
        for card in cards:
            now_s = time.monotonic()
            values = card.sample(now_s)
            held = card.holders(now_s) if self.knows_pids else None
            if card.is_lost:
                self.complain("lost", f"GPU {card.label} ({card.name}) has stopped answering")
            with self.lock:
                told = self.accounts.setdefault(card.label, Account(self.began_s)).take(now_s, values)
                if held is not None:
                    self.has_holders = True
                    told |= self.share_of(card.label, [held[pid] for pid in held.keys() & pids])
                self.values |= {f"{name}/{card.label}": value for name, value in told.items()}
        if self.used != used:
            devices = sorted(self.used, key=in_order)
            self.words.append(("fact", {"name": "gpus_used", "value": {"devices": devices}}))

    def share_of(self, label: str, sizes: list[int | None]) -> Values:
        """Note that a GPU is used if the script's processes are on it; return how much memory they have."""
        if sizes:
            self.used.add(label)
        known = [size for size in sizes if size is not None]
        is_told = label in self.used and len(known) == len(sizes)
        return {"process_gpu_memory_bytes": sum(known)} if is_told else {}

    def describe(self, cards: Sequence[Card]) -> None:
        """Tell which GPUs there are, and which of them the script sees."""
        seen = self.look(cards)
        self.visible = seen or set()
        devices = [self.as_device(card, seen) for card in cards if not card.is_instance]
        for device in devices:
            mine = [card for card in cards if card.label.startswith(f"{device['index']}.")]
            device["mig"] = [self.as_device(card, seen) for card in mine]
        order = self.environ.get("CUDA_DEVICE_ORDER")
        value = {**self.versions, "cuda_device_order": order, "devices": devices}
        self.words.append(("fact", {"name": "gpu", "value": value}))

    def as_device(self, card: Card, seen: set[str] | None) -> dict[str, object]:
        """Return what stays as it is of a GPU; `visible` is None where nobody but CUDA knows."""
        total_bytes = self.accounts[card.label].steady.get("gpu_memory_total_bytes")
        return {
            "index": card.label,
            "vendor": card.vendor,
            "uuid": card.uuid,
            "name": card.name,
            "memory_total_bytes": total_bytes,
            "visible": None if seen is None else card.label in seen,
        }

    def look(self, cards: Sequence[Card]) -> set[str] | None:
        """Return the GPUs that the script is let to see; None where nobody but CUDA knows."""
        names = {card.label: card.names for card in cards}
        kinds = {(card.name, card.has_instances) for card in cards if not card.is_instance}
        variables = AMD_VARIABLES if all(card.vendor == "amd" for card in cards) else CUDA_VARIABLES
        given = [self.environ[name] for name in variables if name in self.environ]
        order = self.environ.get("CUDA_DEVICE_ORDER") if variables is CUDA_VARIABLES else IN_BUS_ORDER
        return visible_labels(given[0] if given else None, names, order, is_mixed=len(kinds) > 1)


def is_library_named(environ: Mapping[str, str]) -> bool:
    """Tell whether the driver's library is in a folder that the user has named."""
    folders = environ.get("LD_LIBRARY_PATH", "").split(":")
    return any(os.path.exists(f"{folder}/{LIBRARY}") for folder in folders if folder.startswith("/"))


def is_outermost() -> bool:
    """Tell whether we know processes by the numbers that the driver knows them by."""
    try:
        return os.readlink("/proc/self/ns/pid") == OUTERMOST_PIDS
    except OSError:
        return False


def in_order(label: str) -> list[int]:
    """Sort labels as numbers: 10 after 9, and 1.0 after 1."""
    return [int(number) for number in label.split(".")]
