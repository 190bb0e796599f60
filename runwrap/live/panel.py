"""A part of the screen that is drawn as lines of text, and that lines up with nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Callable

RULE = "bright_black"
# Where the panels stand; the rest of their heights follows from what there is.
SHEET = """
Screen { layout: vertical; overflow: hidden; }
Panel { width: 1fr; }
#head, #lanes { height: auto; }
#charts { height: 3fr; }
#tail { height: 2fr; min-height: 3; }
#keys { height: 1; }
#search { height: 1; border: none; padding: 0 1; display: none; }
"""


class Panel(Widget):
    """Shows what `draw` returns for its width and height."""

    def __init__(self, draw: Callable[[int, int], list[Text]], name: str) -> None:
        super().__init__(id=name)
        self.draw = draw
        self.rows: list[Strip] = []

    def redraw(self) -> None:
        """Draw anew, and have the screen show only what differs."""
        width, height = self.size
        if not width or not height:
            return
        rows = [self.strip_of(line, width) for line in self.draw(width, height)[:height]]
        if rows != self.rows:
            self.rows = rows
            self.refresh()

    def strip_of(self, line: Text, width: int) -> Strip:
        """Make one line exactly as wide as the screen."""
        line.no_wrap = True
        return Strip(list(line.render(self.app.console))).adjust_cell_length(width)

    def on_resize(self) -> None:
        """Draw for another size."""
        self.redraw()

    def render_line(self, y: int) -> Strip:
        """Give one line to the screen."""
        return self.rows[y] if y < len(self.rows) else Strip.blank(self.size.width)


def rule(title: str, about: str, width: int) -> Text:
    """Draw a thin line with a title on the left and a word on the right."""
    end = f" {about} ──" if about else ""
    middle = "─" * max(0, width - len(title) - len(end) - 4)
    return Text.assemble(("── ", RULE), (title, "bold"), (f" {middle}{end}", RULE))
