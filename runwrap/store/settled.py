"""Settled output: how each line stood in the end, of text that redraws itself on a terminal."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

from runwrap.store.line import (
    CUT_OFF,
    ENTER_OTHER,
    LEAVE_OTHER,
    SEQUENCE,
    STYLE,
    STYLE_RESET,
    UNUSUAL,
    cleaned,
    flattened,
    shortened,
)
from runwrap.store.screen import ROWS, Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyte import Stream

LONG_CHARACTERS = 1 << 16
LONGEST_CHARACTERS = 1 << 18
MOST_STYLES = 20
# Bytes that are text whatever stands beside them: neither controls nor the first byte of those beyond ASCII.
PLAIN_BYTES = bytes({9, 10, *range(32, 127), *range(128, 256)} - {0xC2})
NO_STYLE = "\x1b[0m"


class Settler:
    """Takes raw output and prints every line in its last state, in order and in bounded memory.

    Lines that cannot change others go past the terminal's emulation, which is a hundred times as slow.
    """

    def __init__(self, show: Callable[[str], object], *, colour: bool) -> None:
        self.show = show
        self.colour = colour
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.half_newline = b""
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
        data = self.half_newline + data
        self.half_newline = b"\r" if data.endswith(b"\r") else b""
        data = data.removesuffix(b"\r").replace(b"\r\n", b"\n")
        text = self.decoder.decode(data)
        if self.at_rest() and not data.translate(None, delete=PLAIN_BYTES):
            self.take_plain(self.rest + text)
        else:
            self.take(text)
        if len(self.rest) > LONG_CHARACTERS:
            self.shorten()

    def at_rest(self) -> bool:
        """Tell whether plain text that comes now is shown as it is."""
        return self.is_calm() and not UNUSUAL.search(self.rest)

    def is_calm(self) -> bool:
        """Tell whether nothing that came before bears on a line that begins now."""
        return self.screen is None and not self.styles and not self.on_other_screen

    def take_plain(self, text: str) -> None:
        """Take text without control characters."""
        lines, _, self.rest = text.rpartition("\n")
        before, *last = lines.rsplit("\n", ROWS)
        if len(last) == ROWS:
            self.show_held(0)
            self.show(before + "\n")
            self.held = last
        elif lines or text != self.rest:
            self.hold([before, *last])

    def take(self, text: str) -> None:
        """Take the next text: whole lines at once, the line begun is kept short."""
        lines, newline, rest = text.rpartition("\n")
        if newline:
            self.take_lines(self.rest + lines)
            self.rest = ""
        self.rest += rest

    def pause(self) -> None:
        """Show what is held back, as nothing comes at the moment that could still change it."""
        if self.screen is None:
            self.show_held(0)

    def close(self) -> None:
        """Show all that is left."""
        self.take(self.decoder.decode(self.half_newline, final=True))
        if self.on_other_screen:
            self.on_other_screen, self.rest = False, ""
        if cleaned(self.rest, colour=False).strip("\r") or self.before_other_screen:
            self.take_line(self.rest)
        self.leave_screen()
        self.show_held(0)

    def take_lines(self, block: str) -> None:
        """Take whole lines, without the last newline."""
        for line in block.split("\n"):
            if self.is_calm() and not UNUSUAL.search(line):
                self.held.append(line)
            else:
                self.take_line(line)
        self.show_held(ROWS)

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
        self.on_screen(line if len(line) < LONGEST_CHARACTERS else SEQUENCE.sub("", line))

    def inside(self, line: str) -> str | None:
        """Leave out what was drawn on the other screen, as editors do; None if that goes on."""
        kept = self.before_other_screen
        if not kept and not self.on_other_screen and "\x1b[?" not in line:
            return line
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
        if len(line) > LONG_CHARACTERS:
            self.show_begun(line)
            line = ""
        self.rest = line + tail

    def show_begun(self, line: str) -> None:
        """Show the beginning of a line that is too long to be waited for."""
        flat = flattened(line) if self.screen is None else None
        if flat is None:
            self.enter_screen()
            self.draw(line)
            self.leave_screen(newline=False)
        else:
            self.show_held(0)
            self.show(self.styled(flat))

    def styled(self, line: str) -> str:
        """Give a line the style that the one before has left, and end it in none."""
        if not self.colour:
            return line
        before = "".join(self.styles)
        for style in STYLE.findall(line):
            self.styles = [] if STYLE_RESET.fullmatch(style) else [*self.styles, style][-MOST_STYLES:]
        return before + line + (NO_STYLE if self.styles else "")

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

    def pending(self) -> list[str]:
        """Return the lines that may still change, as they look now; the last is the one begun."""
        begun = shortened(cleaned(self.rest, colour=False))
        flat = flattened(begun)
        if flat is None:
            flat = SEQUENCE.sub("", begun).rpartition("\r")[2].replace("\b", "")
        rows = self.screen.all_rows() if self.screen else self.held
        return [*rows, *([flat] if flat and not self.on_other_screen else [])]

    def enter_screen(self) -> None:
        """Go on with emulation, on top of the lines that are still held."""
        if self.screen is not None:
            return
        from pyte import Stream

        self.screen = Screen(lambda row: self.show(row + "\n"), colour=self.colour)
        self.stream = Stream(self.screen)
        self.show_held(ROWS - 1)
        for line in self.held:
            self.draw(line + "\r\n")
        self.draw("".join(self.styles))
        self.held, self.styles, self.plain_lines = [], [], 0

    def draw(self, line: str) -> None:
        """Draw text on the screen."""
        assert self.screen is not None
        assert self.stream is not None
        # A character is two columns wide at most, a tab eight.
        self.screen.widen(len(line) * 2 + 8 * line.count("\t"))
        self.stream.feed(STYLE.sub(lambda style: style[0].replace(":", ";"), line))

    def on_screen(self, line: str) -> None:
        """Draw one line; leave emulation when none for a screen's height has needed it."""
        assert self.screen is not None
        self.draw(line + "\r\n")
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
