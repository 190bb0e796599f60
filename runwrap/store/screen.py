"""A terminal screen that gives away its lines when they can change no more."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pyte
from pyte import graphics

if TYPE_CHECKING:
    from collections.abc import Callable

    Row = dict[int, pyte.screens.Char]

ROWS = 100
COLUMNS = 1000
TAB_COLUMNS = 8
WHOLE_DISPLAY = (2, 3)
BLANK = pyte.screens.Char(" ")
FOREGROUND = {name: str(code) for code, name in (graphics.FG_AIXTERM | graphics.FG_ANSI).items()}
BACKGROUND = {name: str(code) for code, name in (graphics.BG_AIXTERM | graphics.BG_ANSI).items()}
STYLES = {text[1:]: str(code) for code, text in graphics.TEXT.items() if text[0] == "+"}
HEX_DIGITS = 6


class Screen(pyte.Screen):
    """A screen as wide as its longest line, whose lines go to `give` when they leave it.

    What would be lost on a real one, by clearing it or by going to a fixed place on it, leaves it as well.
    """

    def __init__(self, give: Callable[[str], object], *, colour: bool) -> None:
        self.give = give
        self.colour = colour
        # Whether rows have been addressed by number: from then on they are one picture, redrawn.
        self.addressed = True
        # Whether the cursor was just sent to the first cell, as it is before all is cleared.
        self.homed = False
        # Rows above the first that was written on since all was cleared are not there.
        self.blank_above = False
        super().__init__(COLUMNS, ROWS)
        self.addressed = False

    def widen(self, columns: int) -> None:
        """Make room to the right of the cursor."""
        self.columns = max(self.columns, self.cursor.x + columns + 1)

    def at_rest(self) -> bool:
        """Tell whether what comes next can only be appended."""
        return self.cursor.y == ROWS - 1 and self.cursor.x == 0 and self.cursor.attrs == BLANK

    def draw(self, data: str) -> None:
        """Write text at the cursor, with what has no width of its own on the character before it."""
        self.homed = False
        if data.isascii():
            super().draw(data)
            return
        for char in data:
            before = self.cursor.x
            super().draw(char)
            if self.cursor.x == before > 0 and not unicodedata.combining(char):
                row = self.buffer[self.cursor.y]
                row[before - 1] = row[before - 1]._replace(data=row[before - 1].data + char)

    def index(self) -> None:
        """Go down a row; at the bottom, give away the row at the top."""
        if self.cursor.y < ROWS - 1:
            self.cursor.y += 1
            return
        self.give_row(self.buffer.pop(0, None))
        for y in range(1, ROWS):
            if y in self.buffer:
                self.buffer[y - 1] = self.buffer.pop(y)

    def reverse_index(self) -> None:
        """Go up a row; there is none above the first."""
        self.cursor_up()

    def tab(self) -> None:
        """Go to the next tab stop."""
        self.cursor.x = min((self.cursor.x // TAB_COLUMNS + 1) * TAB_COLUMNS, self.columns - 1)

    def save_cursor(self) -> None:
        """Remember the cursor, one of them."""
        self.savepoints.clear()
        super().save_cursor()

    def restore_cursor(self) -> None:
        """Go back to where the cursor was remembered, which stays remembered."""
        saved = list(self.savepoints)
        super().restore_cursor()
        self.savepoints.extend(saved)
        self.save_cursor()

    def cursor_position(self, line: int | None = None, column: int | None = None) -> None:
        """Go to a cell by its numbers."""
        self.leave_text()
        super().cursor_position(line, column)
        self.homed = (self.cursor.x, self.cursor.y) == (0, 0)

    def cursor_to_line(self, line: int | None = None) -> None:
        """Go to a row by its number."""
        self.leave_text()
        super().cursor_to_line(line)

    def leave_text(self) -> None:
        """Give away text that was written line by line before it is painted over."""
        if not self.addressed:
            self.clear()
            self.addressed = True

    def erase_in_line(self, how: int = 0, private: bool = False) -> None:  # noqa: ARG002, FBT002  # as in pyte
        """Erase from the cursor on (0), up to it (1), or the whole row (2)."""
        row = self.buffer[self.cursor.y]
        for x in list(row):
            if (how != 0 or x >= self.cursor.x) and (how != 1 or x <= self.cursor.x):
                del row[x]

    def erase_in_display(self, how: int = 0, *_: int, **__: bool) -> None:
        """Erase from the cursor on (0), up to it (1), or everything (2, 3), which gives it away."""
        if how in WHOLE_DISPLAY or (how == 0 and self.homed):
            self.clear()
            return
        for y in list(self.buffer):
            if (y > self.cursor.y) if how == 0 else (y < self.cursor.y):
                self.buffer[y].clear()
        self.erase_in_line(how)

    def clear(self) -> None:
        """Give away every row, and have an empty screen."""
        for y in range(max([*self.buffer, self.cursor.y - 1]) + 1):
            self.give_row(self.buffer.get(y))
        self.buffer.clear()
        self.blank_above = True

    def finish(self) -> None:
        """Give away every row up to the cursor, and those below it that are written on."""
        written = [y for y, row in self.buffer.items() if any(cell != BLANK for cell in row.values())]
        for y in range(max([*written, self.cursor.y - 1]) + 1):
            self.give_row(self.buffer.get(y))

    def rows(self) -> list[str]:
        """Return the rows above the cursor."""
        return [self.written(self.buffer.get(y)) for y in range(self.cursor.y)]

    def all_rows(self) -> list[str]:
        """Return every row down to the last that is written on."""
        written = [self.written(self.buffer.get(y)) for y in range(max([*self.buffer, self.cursor.y]) + 1)]
        while written and not written[-1]:
            del written[-1]
        return written

    def give_row(self, row: Row | None) -> None:
        """Give away one row."""
        if row:
            self.blank_above = False
        elif self.blank_above:
            return
        self.give(self.written(row))

    def written(self, row: Row | None) -> str:
        """Write a row as text, with its colours if they are wanted."""
        if not row:
            return ""
        end = max((x for x, cell in row.items() if cell.data != " " or self.is_seen(cell)), default=-1) + 1
        cells = [row.get(x) or BLANK for x in range(end)]
        if not self.colour:
            return "".join(cell.data for cell in cells)
        parts, style = [], ""
        for cell in cells:
            if cell.data and (new := style_of(cell)) != style:
                parts.append(f"\x1b[0{new}m")
                style = new
            parts.append(cell.data)
        return "".join(parts) + ("\x1b[0m" if style else "")

    def is_seen(self, cell: pyte.screens.Char) -> bool:
        """Tell whether a blank shows, by its background."""
        return self.colour and (cell.bg != "default" or cell.reverse or cell.underscore)


def style_of(cell: pyte.screens.Char) -> str:
    """Return the parameters that give a cell its looks."""
    codes = [code for name, code in STYLES.items() if getattr(cell, name)]
    codes += colour_codes(cell.fg, FOREGROUND, "38") + colour_codes(cell.bg, BACKGROUND, "48")
    return "".join(f";{code}" for code in codes)


def colour_codes(name: str, names: dict[str, str], extended: str) -> list[str]:
    """Return the parameters of a colour, which has a name or is six hexadecimal digits."""
    if name == "default":
        return []
    if name in names:
        return [names[name]]
    if len(name) != HEX_DIGITS:
        return []
    return [extended, "2", *(str(int(name[at : at + 2], 16)) for at in (0, 2, 4))]
