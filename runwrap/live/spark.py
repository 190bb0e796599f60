"""Lines of text that draw numbers: blocks in one row, or dots in several."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
MIDDLE = 3
# Braille: four dots high and two wide; the bits of the left and of the right column, from the top.
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
BRAILLE = 0x2800


def spark(values: Sequence[float | None], least: float | None = None, greatest: float | None = None) -> str:
    """Draw numbers as blocks, from the least to the greatest, their own if none are given; gaps are blank."""
    known = [value for value in values if value is not None and isfinite(value)]
    if not known:
        return " " * len(values)
    low = min(known) if least is None else least
    high = max(known) if greatest is None else greatest
    return "".join(
        BLOCKS[level(value, low, high, len(BLOCKS), MIDDLE)] if value is not None and isfinite(value) else " "
        for value in values
    )


def level(value: float, low: float, high: float, levels: int, middle: int) -> int:
    """Return which of so many levels a value is on; where there is no range it is the middle one."""
    # Halves, as a range may be larger than any number.
    span = high / 2 - low / 2
    if not span > 0:
        return middle
    share = min(1.0, max(0.0, (value / 2 - low / 2) / span))
    return round(share * (levels - 1))


def plot(columns: Sequence[tuple[float, float] | None], height: int, low: float, high: float) -> list[str]:
    """Draw a least and a greatest value for each dot column as a line, in rows of braille from the top."""
    height = max(1, height)
    rows = height * len(DOTS[0])
    cells = [[0] * ((len(columns) + 1) // 2) for _ in range(height)]
    before: tuple[int, int] | None = None
    for x, column in enumerate(columns):
        if column is None:
            before = None
            continue
        bottom, top = (level(value, low, high, rows, rows // 2) for value in column)
        for y in range(*joined(before, bottom, top)):
            from_top = rows - 1 - y
            cells[from_top // 4][x // 2] |= DOTS[x % 2][from_top % 4]
        before = (bottom, top)
    return ["".join(chr(BRAILLE + bits) if bits else " " for bits in row) for row in cells]


def joined(before: tuple[int, int] | None, bottom: int, top: int) -> tuple[int, int]:
    """Return the range of dots in a column that reaches to the one before it."""
    if before and before[1] < bottom:
        bottom = before[1] + 1
    elif before and before[0] > top:
        top = before[0] - 1
    return bottom, top + 1
