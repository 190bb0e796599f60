"""Rates from counters that only grow, and the time between two looks at them."""

from __future__ import annotations


class Rates:
    """Remembers counters by name; the first look at one, and one that was set back, give no rate."""

    def __init__(self) -> None:
        self.before: dict[str, tuple[float, float]] = {}

    def per_second(self, name: str, count: float, now_s: float) -> float | None:
        """Return how fast a counter has grown since the last look."""
        known = self.before.get(name)
        self.before[name] = count, now_s
        if known is None or now_s <= known[1] or count < known[0]:
            return None
        return (count - known[0]) / (now_s - known[1])

    def forget_all_but(self, names: set[str]) -> None:
        """Forget counters of what is no longer there."""
        self.before = {name: known for name, known in self.before.items() if name in names}
