"""The energy that the processors use, where the kernel lets us read it, and what it stands for."""

from __future__ import annotations

import os

from runwrap.capture.sampler.rate import Rates
from runwrap.capture.small_file import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    Values = dict[str, float]

ROOT = "/sys/class/powercap"
MICROJOULES = 1e-6
JOULES_PER_KWH = 3.6e6
# Those that do not hold one another: "core" and "uncore" are parts of "package", and "psys" holds all.
COUNTED = ("package", "dram")


class Domain:
    """One counter of energy, which begins anew when it is full."""

    __slots__ = ("before_j", "name", "path", "range_j", "used_j")

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name
        self.range_j = number(f"{path}/max_energy_range_uj") * MICROJOULES
        self.before_j = self.read()
        self.used_j = 0.0

    def read(self) -> float:
        """Return what the counter says; -1 where it cannot be read."""
        return number(f"{self.path}/energy_uj", -1 / MICROJOULES) * MICROJOULES

    def advance(self) -> float:
        """Return what was used since the beginning."""
        now_j = self.read()
        if now_j >= 0 <= self.before_j:
            grown_j = now_j - self.before_j
            self.used_j += grown_j if grown_j >= 0 else max(0.0, grown_j + self.range_j)
        self.before_j = now_j
        return self.used_j


class Energy:
    """Follows the energy of all processors and their memory. Source: the kernel's power/powercap.rst."""

    def __init__(self, root: str = ROOT) -> None:
        self.domains = [domain for domain in find_domains(root) if domain.before_j >= 0]
        self.rates = Rates()

    def sample(self, now_s: float) -> Values:
        """Return what was used since the beginning, and the power now; nothing where it cannot be read."""
        values: Values = {}
        for domain in self.domains:
            used_j = domain.advance()
            values[f"cpu_energy_j/{domain.name}"] = used_j
            power_w = self.rates.per_second(domain.name, used_j, now_s)
            if power_w is not None:
                values[f"cpu_power_w/{domain.name}"] = power_w
        return values

    def used_j(self) -> float | None:
        """Return what all have used; None where it cannot be read."""
        return sum(domain.used_j for domain in self.domains) if self.domains else None


def estimate(cpu_j: float | None, gpu_j: float | None, co2_g_per_kwh: float) -> dict[str, object] | None:
    """Return the value of the fact `energy`; None where nothing was measured."""
    measured = [used_j for used_j in (cpu_j, gpu_j) if used_j is not None]
    if not measured:
        return None
    total_kwh = sum(measured) / JOULES_PER_KWH
    return {
        "cpu_j": cpu_j,
        "gpu_j": gpu_j,
        "total_kwh": total_kwh,
        "co2_g": total_kwh * co2_g_per_kwh,
        "co2_g_per_kwh": co2_g_per_kwh,
        "estimate": True,
    }


def find_domains(root: str) -> list[Domain]:
    """Find the counters of packages and of their memory; two of one name are told apart by their package."""
    try:
        folders = sorted(name for name in os.listdir(root) if name.startswith("intel-rapl:"))
    except OSError:
        return []
    found = []
    for folder in folders:
        name = read_bytes(f"{root}/{folder}/name", 64).decode("ascii", "replace").strip()
        if name.startswith(COUNTED):
            package = folder.split(":")[1]
            found.append(
                Domain(f"{root}/{folder}", name if name.startswith("package") else f"{name}-{package}")
            )
    return found


def number(path: str, default: float = 0.0) -> float:
    """Return the number that a file holds."""
    word = read_bytes(path, 64).strip()
    return float(word) if word.isdigit() else default
