"""Numbers as people read them at a glance: few digits, and the unit that the name says."""

from __future__ import annotations

from math import inf, isfinite, log10
from typing import NamedTuple

DIGITS = 4
MOST_PARTS = 10
LEAST_PLAIN, MOST_PLAIN = 1e-4, 1e7
BYTE_UNITS = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
UNITS = (
    ("_bytes_per_s", "bytes/s"),
    ("_per_s", "/s"),
    ("_bytes", "bytes"),
    ("_percent", "%"),
    ("_celsius", "°C"),
    ("_mhz", "MHz"),
    ("_kwh", "kWh"),
    ("_w", "W"),
    ("_j", "J"),
    ("_s", "s"),
)


class Quantity(NamedTuple):
    """What a name of a sample says: what is measured, its unit, and of which instance."""

    subject: str
    unit: str
    instance: str


def quantity_of(name: str) -> Quantity:
    """Take the name of a sample apart: `gpu_power_w/0` is `gpu_power` in W of instance 0."""
    stem, _, instance = name.partition("/")
    for ending, unit in UNITS:
        if stem.endswith(ending):
            return Quantity(stem.removesuffix(ending), unit, instance)
    return Quantity(stem, "", instance)


def number_in_words(value: float) -> str:
    """Write a number with few digits, never longer than ten characters or so."""
    try:
        number = float(value)
    except OverflowError:
        number = inf if value > 0 else -inf
    if not isfinite(number):
        return "NaN" if number != number else "∞" if number > 0 else "-∞"  # noqa: PLR0124  # as NaN is told
    if number == 0:
        return "0"
    if not LEAST_PLAIN <= abs(number) < MOST_PLAIN:
        mantissa, _, exponent = f"{number:.2e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    decimals = max(0, DIGITS - 1 - int(log10(abs(number)) // 1))
    written = f"{number:.{decimals}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def amount_in_words(value: float, unit: str) -> str:
    """Write a number with its unit: `97 %`, `1.2 GB`, `3.4 MB/s`."""
    if unit in ("bytes", "bytes/s"):
        return bytes_in_words(value) + unit.removeprefix("bytes")
    if unit in ("%", "W", "°C", "MHz"):
        return f"{value:.0f} {unit}" if isfinite(value) else f"{number_in_words(value)} {unit}"
    return f"{number_in_words(value)} {unit}".rstrip()


def bytes_in_words(size_bytes: float) -> str:
    """Say how large something is in three digits or so."""
    for name, unit_bytes in BYTE_UNITS:
        if isfinite(size_bytes) and size_bytes >= unit_bytes:
            size = size_bytes / unit_bytes
            return f"{size:.1f} {name}" if size < 100 else f"{size:.0f} {name}"  # noqa: PLR2004  # three digits
    return f"{size_bytes:.0f} B" if isfinite(size_bytes) else f"{number_in_words(size_bytes)} B"


def duration_in_words(duration_s: float) -> str:
    """Say how long something takes: `12 s`, `3 min 04 s`, `2 h 05 min`."""
    minutes, seconds = divmod(int(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"


def count_in_words(count: int, name: str) -> str:
    """Write a count with its noun: `1 point`, `12 points`."""
    return f"{count} {name}{'s'[: count != 1]}"


def usage_in_words(fact: object) -> str:
    """Say in a line what a run used, from the fact that sums it up: `cpu 87 % mean, gpu idle 30 %`."""
    parts = []
    for key, value in fact.items() if isinstance(fact, dict) else ():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
            continue
        stem, _, rule = key.rpartition("_")
        quantity = quantity_of(stem if rule in ("mean", "max", "min") else key)
        if rule == "share":
            parts.append(f"{stem.replace('_', ' ')} {100 * value:.0f} %")
        else:
            word = f" {rule}" if quantity_of(stem) == quantity else ""
            parts.append(
                f"{quantity.subject.replace('_', ' ')} {amount_in_words(value, quantity.unit)}{word}"
            )
    return ", ".join(parts[:MOST_PARTS])


def energy_in_words(fact: object) -> str:
    """Say in a line how much energy a run took: `0.12 kWh, 45 g CO2 (estimate)`."""
    known = fact if isinstance(fact, dict) else {}
    parts = []
    for key, unit in (("total_kwh", "kWh"), ("co2_g", "g CO2")):
        value = known.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            parts.append(f"{number_in_words(value)} {unit}")
    return ", ".join(parts) + (" (estimate)" if parts and known.get("estimate") else "")
