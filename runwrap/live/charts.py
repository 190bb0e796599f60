"""Charts of metrics: which come first, where each stands, and how it is drawn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from runwrap.errors import visible
from runwrap.live.spark import plot
from runwrap.live.words import amount_in_words, number_in_words, quantity_of
from runwrap.store.shape import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from runwrap.store.shape import Column, Shape

LEAST_WIDTH, LEAST_HEIGHT, GAP = 36, 4, 2
CAPTION_FROM = 6
# What people look at first, in the order in which they do, and last.
FIRST = (
    re.compile(r"(?:^|[^a-z])(?:val|valid|validation|eval|test|dev)(?:[^a-z]|$)", re.IGNORECASE),
    re.compile(
        r"loss|acc|score|reward|return|f1|auc|error|perplexity|ppl|bleu|iou|reward|mse|mae", re.IGNORECASE
    ),
)
LAST = re.compile(
    r"(?:^|[^a-z])(?:epoch|step|iter|iteration|time|timestamp|lr|learning_rate|grad|param)", re.IGNORECASE
)
RANKED = re.compile(r" \(rank \d+\)$")
SELECTED, PINNED = "▸", "•"
CURVE, QUIET = "cyan", "bright_black"


class Drawn(NamedTuple):
    """What a chart is made of."""

    name: str
    shape: Shape
    last: float
    position: int
    is_time: bool
    is_selected: bool
    is_pinned: bool


def in_order(names: Iterable[str], rules: Mapping[str, Any], pinned: Sequence[str]) -> list[str]:
    """Return names with the most important first: pinned, then with a goal, then by what they are called."""

    def key(name: str) -> tuple[int, int]:
        if name in pinned:
            return 0, pinned.index(name)
        if RANKED.search(name):
            return 6, 0
        if rules.get(name, {}).get("goal"):
            return 1, 0
        if LAST.search(name):
            return 5, 0
        said = [bool(pattern.search(name)) for pattern in FIRST]
        return (2 if all(said) else 3 if said[1] else 4), 0

    return sorted(names, key=key)


def found(names: Iterable[str], search: str) -> list[str]:
    """Return the names that have every word that is searched for in them."""
    words = search.casefold().split()
    return [name for name in names if all(word in name.casefold() for word in words)]


def grid(width: int, height: int, count: int) -> tuple[int, int]:
    """Return how many charts stand beside and below each other, so that as many as there are find room."""
    across = max(1, min(count, (width + GAP) // (LEAST_WIDTH + GAP)))
    down = max(1, min(-(-count // across), height // LEAST_HEIGHT))
    return across, down


def draw_chart(drawn: Drawn, width: int, height: int) -> list[Text]:
    """Draw one chart: its name and last value, the curve, and, where there is room, what it spans."""
    caption = height >= CAPTION_FROM
    title = title_of(drawn, width)
    reduced = columns(drawn.shape, width * 2) if drawn.shape["buckets"] else []
    known = [column for column in reduced if column is not None]
    if not known:
        return [title, Text("no number yet", QUIET)][:height] + [Text()] * max(0, height - 2)
    low, high = min(column[0] for column in known), max(column[1] for column in known)
    rows = plot([ends(column) for column in reduced], height - 1 - caption, low, high)
    lines = [title, *(Text(row, CURVE) for row in rows)]
    return lines + ([caption_of(drawn, low, high, width)] if caption else [])


def ends(column: Column) -> tuple[float, float] | None:
    """Return the ends of a column."""
    return column and (column[0], column[1])


def title_of(drawn: Drawn, width: int) -> Text:
    """Write the name of a chart on the left and its last value on the right."""
    value = amount_in_words(drawn.last, quantity_of(drawn.name).unit if drawn.is_time else "")
    mark = SELECTED if drawn.is_selected else PINNED if drawn.is_pinned else " "
    name = Text(f"{mark} {visible(drawn.name[:width])}", "bold" if drawn.is_selected else "")
    name.truncate(max(1, width - len(value) - 1), overflow="ellipsis", pad=True)
    return Text.assemble(name, " ", (value, "bold"))


def caption_of(drawn: Drawn, low: float, high: float, width: int) -> Text:
    """Say between which values a chart is drawn, and up to which step."""
    unit = quantity_of(drawn.name).unit if drawn.is_time else ""
    text = f"{amount_in_words(low, unit)} … {amount_in_words(high, unit)}" if low < high else "constant"
    place = "" if drawn.is_time else f"step {number_in_words(drawn.position)}"
    line = Text(f"  {text}", QUIET)
    line.truncate(max(1, width - len(place)), pad=True, overflow="ellipsis")
    return line.append(place, QUIET)


def beside(charts: Sequence[Sequence[Text]], width: int) -> list[Text]:
    """Put charts of one height beside each other, each so wide."""
    lines = []
    for parts in zip(*charts, strict=True):
        line = Text()
        for part in parts:
            cell = part.copy()
            cell.truncate(width, pad=True)
            line.append_text(cell).append(" " * GAP)
        lines.append(line)
    return lines
