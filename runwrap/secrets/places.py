"""Where masks go in a text, and where they stand already."""

from __future__ import annotations

from runwrap.secrets.signs import MASK_BEGIN, mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from runwrap.secrets.shapes import Span

LONGEST_MASK = 100


def masks_in(text: str) -> list[tuple[int, int]]:
    """Return where masks stand already."""
    found = []
    start = text.find(MASK_BEGIN)
    while start >= 0:
        end = text.find("]", start, start + LONGEST_MASK)
        found.append((start, end + 1 if end > 0 else start + len(MASK_BEGIN)))
        start = text.find(MASK_BEGIN, found[-1][1])
    return found


def merged(spans: list[Span], masks: list[tuple[int, int]]) -> list[Span]:
    """Return spans without overlaps, in order, and without what is masked already."""
    joined: list[Span] = []
    for start, end, kind in sorted(spans, key=lambda span: span[0]):
        if joined and start < joined[-1][1]:
            before = joined[-1]
            joined[-1] = (before[0], max(before[1], end), before[2])
        else:
            joined.append((start, end, kind))
    return list(clipped(joined, masks)) if masks else joined


def clipped(spans: list[Span], masks: list[tuple[int, int]]) -> Iterator[Span]:
    """Yield what spans cover beside the masks; both are in order."""
    place = 0
    for start, end, kind in spans:
        while place < len(masks) and masks[place][1] <= start:
            place += 1
        at, later = start, place
        while later < len(masks) and masks[later][0] < end:
            if at < masks[later][0]:
                yield at, masks[later][0], kind
            at = max(at, masks[later][1])
            later += 1
        if at < end:
            yield at, end, kind


def replaced(text: str, spans: list[Span]) -> str:
    """Return a text with masks for spans; a private key keeps its lines, as patches count them."""
    parts = []
    done = 0
    for start, end, kind in spans:
        parts += [text[done:start], mask(kind)]
        if kind == "private key":
            lines = text[start:end].split("\n")[1:]
            parts += ["\n" + line[: line[:1] in ("+", "-", " ")] for line in lines]
        done = end
    return "".join(parts) + text[done:]
