"""Settled output: how each line stood in the end, of text that redraws itself on a terminal."""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import TYPE_CHECKING

from runwrap.store.screen import ROWS, Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyte import Stream

LONG_CHARACTERS = 1 << 16
LONGEST_CHARACTERS = 1 << 20
MOST_STYLES = 20

UNUSUAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What is more than a colour, an erasing of the line, or a return to its start, and needs a screen.
MOVING = re.compile("[\x08]|\x1b(?!\\[[0-9;:]*m|\\[[02]?K)")
# One control sequence, also one that is cut off; control characters that show nothing.
SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)(?P<parameters>[0-?]*)(?P<between>[ -/]*)(?P<final>[@-~]|$|(?=[^ -~]))"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c|(?=\x1b)|$)"
    "|\x1b(?P<plain>[78DEM])|\x1b[ -/]*(?:[0-~]|$|(?=[^ -~]))"
    "|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"
)
PARAMETERS = re.compile(r"(?:\d{0,4}[;:])*\d{0,4}")
MOVES, ERASERS = frozenset("ABCDEFGPXade@`LM"), {"J": ("", "0", "1", "2", "3"), "K": ("", "0", "1", "2")}
TWO_NUMBERS = re.compile(r"\d{0,4}(?:;\d{0,4})?")
CUT_OFF = re.compile("\x1b(?:\\[[0-?]*[ -/]*|[\\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)$")
ENTER_OTHER, LEAVE_OTHER = (re.compile(rf"\x1b\[\?(?:1049|1047|47){final}") for final in "hl")
STYLE, STYLE_RESET = re.compile("\x1b\\[[0-9;:]*m"), re.compile("\x1b\\[0*m")
ERASE = re.compile("\x1b\\[[02]?K")
ERASE_ALL = "\x1b[2K"
# Characters that surely take one cell each; others are looked up.
NOT_NARROW = re.compile("[^\x20-\x7e\xa0-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u25fc]")


class Settler:
    """Takes raw output and prints every line in its last state, in order and in bounded memory.

    Lines that cannot change others go past the terminal's emulation, which is a hundred times as slow.
    """

    def __init__(self, show: Callable[[str], object], *, colour: bool) -> None:
        self.show = show
        self.colour = colour
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.rest = ""
        self.held: list[str] = []
        self.screen: Screen | None = None
        self.stream: Stream | None = None
        self.plain_lines = 0
        self.styles: list[str] = []
        self.on_other_screen = False
        self.before_other_screen = ""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self.take(self.decoder.decode(data))

    def take(self, text: str) -> None:
        """Take the next text: whole lines at once, the line begun is kept short."""
        lines, newline, rest = text.rpartition("\n")
        if newline:
            self.take_lines(self.rest + lines)
            self.rest = ""
        self.rest += rest
        if len(self.rest) > LONG_CHARACTERS:
            self.shorten()

    def pause(self) -> None:
        """Show what is held back, as nothing comes at the moment that could still change it."""
        if self.screen is None:
            self.show_held(0)

    def close(self) -> None:
        """Show all that is left."""
        self.take(self.decoder.decode(b"", final=True))
        if self.rest or self.before_other_screen:
            self.on_other_screen = False
            self.take_line(self.rest)
        self.leave_screen()
        self.show_held(0)

    def take_lines(self, block: str) -> None:
        """Take whole lines, without the last newline."""
        block = block.replace("\r\n", "\n")
        if self.screen is None and not self.styles and not self.on_other_screen and not UNUSUAL.search(block):
            self.hold(block.split("\n"))
            return
        for line in block.split("\n"):
            self.take_line(line)

    def take_line(self, line: str) -> None:
        """Take one line."""
        inside = self.inside(line)
        if inside is None:
            return
        line = inside.rstrip("\r")
        if UNUSUAL.search(line):
            line = shortened(cleaned(line, colour=self.colour))
            self.plain_lines = 0
        if self.screen is None:
            flat = flattened(line)
            if flat is not None:
                self.hold([self.styled(flat)])
                return
            self.enter_screen()
        self.on_screen(line)

    def inside(self, line: str) -> str | None:
        """Leave out what was drawn on the other screen, on which editors and pagers draw; None if it goes on."""
        kept = self.before_other_screen
        while True:
            if self.on_other_screen:
                found = LEAVE_OTHER.search(line)
            else:
                found = ENTER_OTHER.search(line)
                kept += line[: found.start()] if found else line
            if not found:
                break
            self.on_other_screen = not self.on_other_screen
            line = line[found.end() :]
        self.before_other_screen = kept if self.on_other_screen else ""
        return None if self.on_other_screen else kept

    def shorten(self) -> None:
        """Drop from a long line begun what has been overwritten already; show it where nothing is."""
        cut = CUT_OFF.search(self.rest)
        line, tail = (self.rest[: cut.start()], cut[0]) if cut else (self.rest, "")
        tail = tail if len(tail) < LONG_CHARACTERS else ""
        inside = self.inside(line)
        if inside is None:
            self.rest = tail
            return
        line = shortened(cleaned(inside, colour=self.colour))
        if len(line) > LONGEST_CHARACTERS:
            self.enter_screen()
            self.draw(line)
            self.leave_screen(newline=False)
            line = ""
        self.rest = line + tail

    def styled(self, line: str) -> str:
        """Give a line the style that the one before has left, and end it in none."""
        if not self.colour:
            return line
        before = "".join(self.styles)
        for style in STYLE.findall(line):
            self.styles = [] if STYLE_RESET.fullmatch(style) else [*self.styles, style][-MOST_STYLES:]
        return before + line + ("\x1b[0m" if self.styles else "")

    def hold(self, lines: list[str]) -> None:
        """Keep the last lines, which the cursor may go back up to, and show those before them."""
        self.held += lines
        self.show_held(ROWS)

    def show_held(self, kept: int) -> None:
        """Show the lines held back but for the last."""
        if len(self.held) > kept:
            end = len(self.held) - kept
            self.show("\n".join(self.held[:end]) + "\n")
            del self.held[:end]

    def enter_screen(self) -> None:
        """Go on with emulation, on top of the lines that are still held."""
        if self.screen is not None:
            return
        from pyte import Stream

        self.screen = Screen(lambda row: self.show(row + "\n"), colour=self.colour)
        self.stream = Stream(self.screen)
        held, self.held = self.held, []
        self.show_rows_of(held[: 1 - ROWS] if len(held) >= ROWS else [])
        for line in held[-(ROWS - 1) :]:
            self.on_screen(line)
        self.draw("".join(self.styles))
        self.styles = []

    def show_rows_of(self, lines: list[str]) -> None:
        """Show lines that no cursor can reach any more."""
        for line in lines:
            self.show(line + "\n")

    def draw(self, line: str) -> None:
        """Draw text on the screen."""
        assert self.screen is not None
        assert self.stream is not None
        self.screen.widen(len(line) * 2 + 8 * line.count("\t"))
        self.stream.feed(line.replace(":", ";") if "\x1b" in line else line)

    def on_screen(self, line: str) -> None:
        """Draw one line; leave emulation when none for a screen's height has needed it."""
        assert self.screen is not None
        self.draw(line)
        self.draw("\r\n")
        self.plain_lines += 1
        if self.plain_lines > ROWS and self.screen.at_rest():
            self.held = self.screen.rows()
            self.screen = self.stream = None

    def leave_screen(self, *, newline: bool = True) -> None:
        """Show everything on the screen and go on without one."""
        if self.screen is not None:
            rows: list[str] = []
            self.screen.give = rows.append
            self.screen.finish()
            self.screen = self.stream = None
            self.show("\n".join(rows) + ("\n" if newline and rows else ""))
