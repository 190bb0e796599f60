"""The first lines of a live view: what run it is, how it stands, and why it ended."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from runwrap.errors import visible
from runwrap.live.words import duration_in_words, energy_in_words, usage_in_words

if TYPE_CHECKING:
    from runwrap.store.view import RunView

COLOURS = {
    "running": "cyan", "finished": "green", "failed": "red", "killed": "yellow", "crashed": "magenta",
}  # fmt: skip
QUIET = "bright_black"
LONGEST_CHARACTERS = 2000


def draw_head(view: RunView, width: int, share_read: float) -> list[Text]:
    """Draw two lines, and a third where there is more to say."""
    state, cause = view.decide()
    colour = COLOURS[state]
    duration = duration_in_words(view.duration_s or 0.0)
    reading = "" if share_read >= 1 else f"reading {100 * share_read:.0f} %  "
    right = Text.assemble((reading, QUIET), (f"● {state}", f"bold {colour}"), f"  {duration}")
    left = Text.assemble((cut(view.name), "bold"), (" in ", QUIET), cut(view.project))
    left.truncate(max(1, width - right.cell_len - 2), overflow="ellipsis", pad=True)
    lines = [Text.assemble(left, "  ", right)]
    lines.append(Text(cut(shlex.join(map(str, view.argv))), QUIET))
    reason = reason_of(view, state, cause)
    if reason:
        lines.append(Text(reason, colour if state not in ("finished", "running") else QUIET))
    for line in lines[1:]:
        line.truncate(width, overflow="ellipsis")
    return lines


def reason_of(view: RunView, state: str, cause: str) -> str:
    """Say why a run ended as it did, or what it used."""
    if state == "finished":
        usage, energy = (view.facts.get(name) for name in ("usage", "energy"))
        return cut(", ".join(part for part in (usage_in_words(usage), energy_in_words(energy)) if part))
    return cut(": ".join(part for part in (cause, view.cause_detail) if part))


def cut(text: str) -> str:
    """Write a text so that it does no harm and is not too long to be looked at."""
    return visible(text[:LONGEST_CHARACTERS])
