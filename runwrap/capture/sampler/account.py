"""What one GPU came to since the run began, from its samples."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    Values = dict[str, float]

IDLE_PERCENT = 5.0
# No GPU takes as much: a counter that says so has begun anew.
MOST_POWER_W = 10_000.0
# A counter is told in steps.
ENERGY_SLACK_J = 100.0
# Said again only when they have changed.
STEADY = ("gpu_memory_total_bytes", "gpu_power_limit_w")


class Account:
    """What one GPU came to since a moment."""

    def __init__(self, began_s: float) -> None:
        self.seen_s: float | None = began_s
        self.steady: Values = {}
        self.energy_j = 0.0
        self.is_measured = False
        self.counter: tuple[float, float] | None = None
        self.power: tuple[float, float] | None = None
        self.memory_max_bytes: float | None = None
        self.percent_s = self.idle_s = self.whole_s = 0.0

    def take(self, now_s: float, values: Values) -> Values:
        """Take a sample in; return it as it is told: energy from the beginning, and nothing steady twice."""
        if not values:  # a gap: what was before says nothing of what comes after
            self.seen_s, self.power = None, None
            return {}
        self.watch(now_s, values)
        told = {name: value for name, value in values.items() if self.steady.get(name) != value}
        self.steady |= {name: values[name] for name in STEADY if name in values}
        self.measure(now_s, values.get("gpu_energy_j"), values.get("gpu_power_w"))
        if "gpu_energy_j" in values or (self.power and not self.counter):
            told["gpu_energy_j"] = self.energy_j
        return told

    def watch(self, now_s: float, values: Values) -> None:
        """Note how busy and how full it was since the last sample."""
        used_bytes = values.get("gpu_memory_used_bytes", 0.0)
        self.memory_max_bytes = max(self.memory_max_bytes or 0.0, used_bytes)
        passed_s = now_s - self.seen_s if self.seen_s is not None else 0.0
        self.seen_s = now_s
        percent = values.get("gpu_percent")
        if percent is not None:
            self.whole_s += passed_s
            self.percent_s += percent * passed_s
            self.idle_s += passed_s if percent < IDLE_PERCENT else 0.0

    def measure(self, now_s: float, counter_j: float | None, power_w: float | None) -> None:
        """Add the energy since the last sample: by the counter, or by the power if there never was one."""
        self.is_measured = self.is_measured or counter_j is not None or power_w is not None
        if counter_j is not None:
            before_s, before_j = self.counter or (now_s, counter_j)
            grown_j = counter_j - before_j
            if 0 <= grown_j <= MOST_POWER_W * (now_s - before_s) + ENERGY_SLACK_J:
                self.energy_j += grown_j
            self.counter = now_s, counter_j
        elif power_w is not None and not self.counter:
            before_s, before_w = self.power or (now_s, power_w)
            self.energy_j += (before_w + power_w) / 2 * (now_s - before_s)
        self.power = (now_s, power_w) if power_w is not None else None

    def describe(self) -> dict[str, object]:
        """Return what it came to."""
        has_seen = self.whole_s > 0
        return {
            "energy_j": self.energy_j if self.is_measured else None,
            "memory_max_bytes": self.memory_max_bytes,
            "percent_mean": self.percent_s / self.whole_s if has_seen else None,
            "idle_share": self.idle_s / self.whole_s if has_seen else None,
        }
