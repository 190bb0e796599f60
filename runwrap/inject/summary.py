"""The values that stand for the whole run, as the script reads and sets them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Say = Callable[[dict[str, Any]], None]
    Tidy = Callable[[Any], dict[str, Any]]

RULES = ("last", "min", "max", "mean", "best", "none")
MISSING = object()


class Points:
    """What the points of metrics come to in this process: the last one, or as a rule says.

    The run itself is read by the same rules, from all points; this here is what the script may look at.
    """

    def __init__(self) -> None:
        self.values: "dict[str, Any]" = {}
        self.by_hand: "set[str]" = set()
        self.rules: "dict[str, str]" = {}
        self.counts: "dict[str, int]" = {}
        self.take: "Callable[[dict[str, Any]], None]" = self.values.update

    def clear(self) -> None:
        """Forget all, as another run begins."""
        self.__init__()  # type: ignore[misc]

    def define(self, name: str, summary: "str | None", goal: "str | None") -> None:
        """Take how a metric, or all that a pattern means, are to be read."""
        rule = rule_for(summary, goal)
        self.rules[name] = rule
        self.take = self.take_by_rule
        if rule == "none" and name not in self.by_hand:
            self.values.pop(name, None)

    def set(self, values: "dict[str, Any]") -> None:
        """Set values by hand: they stay until they are set again."""
        self.values.update(values)
        self.by_hand.update(values)
        self.take = self.take_by_rule

    def take_by_rule(self, values: "dict[str, Any]") -> None:
        """Take a row of points."""
        for name, value in values.items():
            if name in self.by_hand:
                continue
            rule = self.rule_of(name)
            if rule == "last":
                self.values[name] = value
            elif rule != "none" and isinstance(value, (int, float)) and value == value:  # noqa: PLR0124 - NaN
                self.values[name] = self.next_of(name, value, rule)

    def next_of(self, name: str, value: float, rule: str) -> float:
        """Return what a metric comes to with one point more."""
        old = self.values.get(name)
        seen = self.counts[name] = self.counts.get(name, 0) + 1
        if not isinstance(old, (int, float)):
            return value
        if rule == "mean":
            return old + (value - old) / seen
        return min(old, value) if rule == "min" else max(old, value)

    def rule_of(self, name: str) -> str:
        """Return how a metric is to be read; its own name goes before patterns."""
        if name in self.rules or not self.rules:
            return self.rules.get(name, "last")
        patterns = [pattern for pattern in list(self.rules) if "*" in pattern]
        if not patterns:
            return "last"
        from fnmatch import fnmatchcase

        return next((self.rules[pattern] for pattern in patterns if fnmatchcase(name, pattern)), "last")


def rule_for(summary: "str | None", goal: "str | None") -> str:
    """Return which of last, min, max, mean and none a definition means."""
    if summary == "best":
        return "max" if goal in ("maximize", "max") else "min"
    return summary if summary in RULES else "last"


class Summary:
    """Values by name: `summary.loss`, `summary["loss"]`, `summary["val"]["loss"]` for `val/loss`."""

    def __init__(self, say: "Say", tidy: "Tidy", points: Points, prefix: str = "") -> None:
        self.__dict__.update(_say=say, _tidy=tidy, _points=points, _prefix=prefix)

    def update(self, values: "Any" = None, **more: "Any") -> None:
        """Set values by hand; they stay, whatever is logged."""
        named = dict(values or {}, **more)
        row = self._tidy({self._prefix + str(key): value for key, value in named.items()})
        self._points.set(row)
        if row:
            self._say(row)

    def as_dict(self) -> "dict[str, Any]":
        """Return all values as a dict."""
        size = len(self._prefix)
        values = dict(self._points.values)
        return {name[size:]: value for name, value in values.items() if name.startswith(self._prefix)}

    def keys(self) -> "Any":
        """Return the names of all values."""
        return self.as_dict().keys()

    def values(self) -> "Any":
        """Return all values."""
        return self.as_dict().values()

    def items(self) -> "Any":
        """Return names and values."""
        return self.as_dict().items()

    def get(self, key: str, default: "Any" = None) -> "Any":
        """Return a value, or the default where there is none."""
        try:
            return self[key]
        except KeyError:
            return default

    def setdefault(self, key: str, default: "Any" = None) -> "Any":
        """Return a value, and set it before if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def __getitem__(self, key: str) -> "Any":
        name = self._prefix + key
        found = self._points.values.get(name, MISSING)
        if found is not MISSING:
            return found
        if any(other.startswith(name + "/") for other in list(self._points.values)):
            return Summary(self._say, self._tidy, self._points, name + "/")
        raise KeyError(key)

    def __setitem__(self, key: str, value: "Any") -> None:
        self.update({key: value})

    def __getattr__(self, name: str) -> "Any":
        if name[:1] != "_" and name in self:
            return self[name]
        raise AttributeError(f"summary has no {name!r}")

    __setattr__ = __setitem__

    def __contains__(self, key: object) -> bool:
        name = self._prefix + str(key)
        known = list(self._points.values)
        return name in known or any(other.startswith(name + "/") for other in known)

    def __iter__(self) -> "Iterator[str]":
        return iter(self.as_dict())

    def __len__(self) -> int:
        return len(self.as_dict())

    def __repr__(self) -> str:
        return str(self.as_dict())

    def __reduce__(self) -> "tuple[Any, ...]":
        return dict, (self.as_dict(),)
