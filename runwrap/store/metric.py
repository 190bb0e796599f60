"""What stands for a metric as a whole: its last value, its best one, or as it was defined."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

Facts = dict[str, Any]

MOST_NAMES = 10_000
WORDS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
UNSEEN = object()


class Metrics:
    """Follows the metrics of one run, in parts of its document that a reader can keep and go on from.

    `history` has, by name, how many points there are, the last one, and of numbers the least, the
    greatest and the mean; `rules` says how each is to be read; what is in `by_hand` is left alone.
    """

    def __init__(self, document: Facts) -> None:
        # A run in brief has not all of them, and takes no points.
        self.history: Facts = document.get("history", {})
        self.summary: Facts = document.get("summary", {})
        self.rules: Facts = document.get("metrics", {})
        self.by_hand: list[str] = document.get("by_hand", [])
        self.kept: dict[str, str] = {}

    def take(self, name: str, value: object) -> float | None:
        """Take one more point of a metric, and return the number that it is, if it is one."""
        entry = self.history.get(name)
        number = number_of(value)
        if entry is None:
            if len(self.history) >= MOST_NAMES:
                return number
            entry = self.history[name] = {"count": 0}
        entry["count"] += 1
        entry["last"] = value
        if number is not None and number - number == 0:
            spread(entry, number)
        rule = self.kept.get(name) or self.rule_of(name)
        if rule == "last" and name not in self.by_hand:
            self.summary[name] = value
        elif rule != "none":
            self.summarise(name, entry, rule)
        return number

    def define(self, name: str, rule: Facts) -> None:
        """Take how a metric, or all that a pattern means, are to be read."""
        if name in self.rules or len(self.rules) < MOST_NAMES:
            self.rules[name] = rule
        self.kept.clear()
        for known, entry in self.history.items():
            if fnmatchcase(known, name):
                self.summarise(known, entry, self.rule_of(known))

    def set_by_hand(self, values: Facts) -> None:
        """Take values of the summary that the script has set: they stay until they are set again."""
        for name, value in values.items():
            if name in self.summary or len(self.summary) < MOST_NAMES:
                self.summary[name] = value
                if name not in self.by_hand:
                    self.by_hand.append(name)

    def rule_of(self, name: str) -> str:
        """Return which of a metric's values stands for it: last, min, max, mean or none."""
        found = self.rules.get(name)
        if found is None:
            patterns = (pattern for pattern in self.rules if "*" in pattern and fnmatchcase(name, pattern))
            found = self.rules.get(next(patterns, ""), {})
        word = found.get("summary") or "last"
        if word == "best":
            word = "max" if found.get("goal") in ("maximize", "max") else "min"
        self.kept[name] = word if word in ("last", "min", "max", "mean", "none") else "last"
        return self.kept[name]

    def summarise(self, name: str, entry: Facts, rule: str) -> None:
        """Put into the summary what stands for a metric."""
        if name in self.by_hand:
            return
        value = entry.get(rule, UNSEEN)
        if value is UNSEEN:
            self.summary.pop(name, None)
        else:
            self.summary[name] = value


def number_of(value: object) -> float | None:
    """Return the number that a value is, NaN and the infinities among them; None where it is none."""
    if type(value) is float:
        return value
    number = WORDS.get(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return None
    try:
        float(number)
    except OverflowError:
        return None  # a whole number beyond all that can be drawn or averaged
    return number


def spread(entry: Facts, number: float) -> None:
    """Take a number into the least, the greatest and the mean."""
    if "min" not in entry:
        entry |= {"min": number, "max": number, "mean": float(number), "numbers": 1}
        return
    entry["numbers"] += 1
    entry["min"] = min(entry["min"], number)
    entry["max"] = max(entry["max"], number)
    entry["mean"] += (number - entry["mean"]) / entry["numbers"]
