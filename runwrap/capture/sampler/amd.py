"""What is known of AMD GPUs: by AMD's library where it is installed, else by the kernel's files.

Sources: ROCm documentation, "AMD SMI Python API"; Linux documentation, "drm/amdgpu" and "hwmon".
"""

from __future__ import annotations

import os
import re
from importlib import import_module

from runwrap.capture.small_file import read_bytes, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Values = dict[str, float]
    Held = dict[int, int | None]

DRM = "/sys/class/drm"
VENDOR = "0x1002"
MIB = 1 << 20
MOST_DIGITS = 20  # of 64 bits
MOST_PERCENT = 100
# Files of a card, what each says, and how many of its units make one of ours.
FILES = {
    "gpu_busy_percent": ("gpu_percent", 1),
    "mem_busy_percent": ("gpu_memory_bandwidth_percent", 1),
    "mem_info_vram_used": ("gpu_memory_used_bytes", 1),
    "mem_info_vram_total": ("gpu_memory_total_bytes", 1),
}
SENSORS = {
    "power1_input": ("gpu_power_w", 1_000_000),
    "power1_average": ("gpu_power_w", 1_000_000),
    "power1_cap": ("gpu_power_limit_w", 1_000_000),
    "temp1_input": ("gpu_temperature_celsius", 1000),
    "freq1_input": ("gpu_sm_clock_mhz", 1_000_000),
    "freq2_input": ("gpu_memory_clock_mhz", 1_000_000),
    "pwm1": ("gpu_fan_percent", 2.55),
}


class Card:
    """A GPU by the files of its driver."""

    vendor = "amd"
    is_instance = has_instances = is_lost = False

    def __init__(self, label: str, device: str) -> None:
        self.label = label
        self.device = device
        unique = line_of(f"{device}/unique_id").removeprefix("0x")
        self.uuid = f"GPU-{unique}" if unique else None
        self.name = line_of(f"{device}/product_name") or None
        self.names = (self.uuid,) if self.uuid else ()

    def sample(self, _now_s: float) -> Values:
        """Return what is known; nothing while the GPU sleeps, for looking would wake it up."""
        if line_of(f"{self.device}/power/runtime_status") == "suspended":
            return {}
        return self.ask()

    def ask(self) -> Values:
        """Read every file that is there."""
        values = numbers(self.device, FILES)
        for sensor in entries(f"{self.device}/hwmon"):
            values |= numbers(f"{self.device}/hwmon/{sensor}", SENSORS)
        return values

    def holders(self, _now_s: float) -> Held | None:
        """Return who uses it: that is not known."""
        return None


class LibraryCard(Card):
    """A GPU by AMD's library, which knows of some what the files do not say."""

    def __init__(self, label: str, device: str, smi: Any, handle: Any) -> None:
        super().__init__(label, device)
        self.smi = smi
        self.handle = handle
        self.name = self.name or answer(lambda: smi.amdsmi_get_gpu_asic_info(handle)["market_name"])

    def ask(self) -> Values:
        """Read the files, and ask for what they do not say. Blocks: as long as the library likes."""
        values = super().ask()
        for names, ask in ((ACTIVITY, self.activity), (MEMORY, self.memory), (POWER, self.power)):
            if not names <= values.keys():
                values = (answer(ask) or {}) | values
        return values | (answer(self.energy) or {})

    def activity(self) -> Values:
        """Return how busy it is."""
        found = self.smi.amdsmi_get_gpu_activity(self.handle)
        return told(found, gfx_activity=("gpu_percent", 1), umc_activity=("gpu_memory_bandwidth_percent", 1))

    def memory(self) -> Values:
        """Return its memory."""
        found = self.smi.amdsmi_get_gpu_vram_usage(self.handle)
        return told(
            found, vram_used=("gpu_memory_used_bytes", MIB), vram_total=("gpu_memory_total_bytes", MIB)
        )

    def power(self) -> Values:
        """Return the power that it takes."""
        found = self.smi.amdsmi_get_power_info(self.handle)
        name = ("gpu_power_w", 1)
        return told(found, average_socket_power=name, current_socket_power=name, socket_power=name)

    def energy(self) -> Values:
        """Return the energy since the driver was loaded, from steps of some µJ."""
        found = self.smi.amdsmi_get_energy_count(self.handle)
        steps = found.get("energy_accumulator", found.get("power"))
        return {"gpu_energy_j": steps * found["counter_resolution"] / 1e6}


ACTIVITY = {"gpu_percent", "gpu_memory_bandwidth_percent"}
MEMORY = {"gpu_memory_used_bytes", "gpu_memory_total_bytes"}
POWER = {"gpu_power_w"}


def answer(ask: Callable[[], Any]) -> Any:
    """Return an answer of the library; None where it has none, or says "N/A" where a number belongs."""
    amdsmi = import_module("amdsmi")
    try:
        return ask()
    except (amdsmi.AmdSmiException, AttributeError, LookupError, TypeError, ValueError):
        return None


def told(found: dict[str, Any], **names: tuple[str, int]) -> Values:
    """Name the numbers among what the library says."""
    return {
        name: found[key] * times
        for key, (name, times) in names.items()
        if isinstance(found.get(key), (int, float))
    }


def find_cards(drm: str = DRM) -> list[Card]:
    """List the GPUs in the order of the bus. Blocks: as long as AMD's library likes."""
    folders = [f"{drm}/{name}/device" for name in entries(drm) if re.fullmatch(r"card\d{1,4}", name)]
    ours = [folder for folder in folders if line_of(f"{folder}/vendor") == VENDOR]
    ours.sort(key=bus_of)
    handles = find_handles() if ours else {}
    cards = []
    for number, folder in enumerate(ours):
        found = handles.get(bus_of(folder))
        cards.append(LibraryCard(str(number), folder, *found) if found else Card(str(number), folder))
    return cards


def find_handles() -> dict[str, tuple[Any, Any]]:
    """Return AMD's library and what it calls each GPU, by the place on the bus; nothing without it."""
    try:
        amdsmi = import_module("amdsmi")
    except (ImportError, OSError, AttributeError, KeyError):  # it looks for its own library as it is imported
        return {}
    try:
        amdsmi.amdsmi_init()
        handles = amdsmi.amdsmi_get_processor_handles()
        return {amdsmi.amdsmi_get_gpu_device_bdf(handle).lower(): (amdsmi, handle) for handle in handles}
    except (amdsmi.AmdSmiException, AttributeError):
        return {}


def bus_of(device: str) -> str:
    """Return a device's place on the bus, as 0000:03:00.0."""
    return os.path.basename(os.path.realpath(device)).lower()


def entries(folder: str) -> list[str]:
    """List a folder; nothing when it cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def line_of(path: str) -> str:
    """Return what a file says in its first line."""
    return read_text(path, 256).partition("\n")[0].strip()


def numbers(folder: str, names: Mapping[str, tuple[str, float]]) -> Values:
    """Return the numbers of those files of a folder that are there and have one."""
    values = {}
    for file, (name, per) in names.items():
        text = read_bytes(f"{folder}/{file}", 64).strip()
        if text.isdigit() and len(text) <= MOST_DIGITS:
            values[name] = int(text) / per
    return {name: value for name, value in values.items() if name not in ACTIVITY or value <= MOST_PERCENT}
