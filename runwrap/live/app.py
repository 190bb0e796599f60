"""Conducts the live view: what is followed, what is drawn where, and what the keys do."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import Binding
from textual.widgets import Input

from runwrap.live.charts import Drawn, beside, draw_chart, found, grid, in_order
from runwrap.live.choice import Choice
from runwrap.live.following import Following
from runwrap.live.head import draw_head
from runwrap.live.lanes import draw_lanes, lanes_of
from runwrap.live.panel import SHEET, Panel, rule
from runwrap.live.tail import Tail
from runwrap.live.words import count_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.widget import Widget

    from runwrap.live.following import Line

POLL_S, HURRY_S, BUDGET_S = 1.0, 0.01, 0.05
LEAST_BETWEEN_S = 0.3  # between one picture and the next, while there is much to read
GAP = 2
MOST_CHART_ROWS = 14
LANES_SHARE = 4
KEYS = "q quit   ↑↓←→ choose   ⏎ zoom   space pin   / search   s system   l output"


class Live(App[None]):
    """Draws one run until a key ends it."""

    CSS = SHEET
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = ""  # the keys are ours until a search is asked for
    BINDINGS: ClassVar[list[Any]] = [
        Binding("q,ctrl+q", "quit"),
        Binding("ctrl+c", "quit", priority=True),
        Binding("ctrl+z", "suspend_process"),
        Binding("up,k", "choose(0, -1)"),
        Binding("down,j", "choose(0, 1)"),
        Binding("left,h", "choose(-1, 0)"),
        Binding("right", "choose(1, 0)"),
        Binding("pageup", "page(-1)"),
        Binding("pagedown", "page(1)"),
        Binding("home,g", "end(-1)"),
        Binding("end,G", "end(1)"),
        Binding("enter", "enlarge"),
        Binding("space", "pin"),
        Binding("slash", "search"),
        Binding("escape", "back"),
        Binding("s", "system"),
        Binding("l", "output"),
    ]

    def __init__(self, run_path: str) -> None:
        super().__init__()
        self.theme = "ansi-dark"
        self.following = Following(run_path)
        self.tail = Tail(run_path)
        self.journal = os.path.join(run_path, "journal.jsonl")
        self.shows_system = self.is_large = self.shows_output = False
        self.choice = Choice()
        self.scrolled_lines = 0
        self.drawn_s = 0.0

    def compose(self) -> Iterator[Widget]:
        """Make the parts of the screen, from the top."""
        yield Panel(self.draw_head, "head")
        yield Panel(self.draw_charts, "charts")
        yield Panel(self.draw_lanes, "lanes")
        yield Panel(self.draw_tail, "tail")
        yield Input(placeholder="words in a metric's name", id="search")
        yield Panel(self.draw_keys, "keys")

    def on_mount(self) -> None:
        """Begin to follow; a signal that would end us ends us with the terminal as it was."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit)
        self.app_resume_signal.subscribe(self, self.repaint)
        self.set_focus(None)
        self.advance()

    def repaint(self, _: object) -> None:
        """Draw all of the screen, which others have written on while we were stopped."""
        self.screen.refresh(layout=True)
        for panel in self.query(Panel):
            panel.refresh()

    def on_unmount(self) -> None:
        """Let the files go."""
        self.following.close()

    def advance(self) -> None:
        """Read on, draw, and come back soon, or at once where there is more to read."""
        came = self.following.advance(BUDGET_S)
        before = self.tail.total
        printed = self.tail.advance()
        if self.scrolled_lines:
            self.scrolled_lines += self.tail.total - before  # what is being read stays where it is
        passed_s = time.monotonic() - self.drawn_s
        is_behind = self.following.is_behind()
        if ((came or printed) and not is_behind) or passed_s > (LEAST_BETWEEN_S if is_behind else 1):
            self.drawn_s = time.monotonic()
            self.arrange()
        self.set_timer(HURRY_S if is_behind else POLL_S, self.advance)

    def arrange(self) -> None:
        """Give room to what there is, and draw it."""
        lanes = lanes_of(self.following.system.lines)
        most = max(1, self.size.height // LANES_SHARE)
        rows = 1 + len(draw_lanes(lanes, self.size.width, most)) if lanes else 0
        self.panel("lanes").styles.height = rows
        self.panel("lanes").display = bool(rows) and not (
            self.shows_output or self.is_large or self.shows_system
        )
        has_charts = bool(self.lines()) and not self.shows_output
        self.panel("charts").display = has_charts
        self.panel("tail").display = not self.is_large and (self.tail.offset > 0 or not has_charts)
        self.panel("head").styles.height = len(self.draw_head(self.size.width, 0))
        self.redraw()

    def redraw(self) -> None:
        """Draw every part anew."""
        for panel in self.query(Panel):
            panel.redraw()

    def panel(self, name: str) -> Panel:
        """Return a part of the screen."""
        return self.query_one(f"#{name}", Panel)

    def lines(self) -> dict[str, Line]:
        """Return what there are charts of."""
        return (self.following.system if self.shows_system else self.following.metrics).lines

    def offer(self) -> None:
        """Bring what can be chosen up to date, in order."""
        rules = {} if self.shows_system else self.following.view.metrics
        names = found(self.lines(), self.choice.searched)
        self.choice.offer(in_order(names, rules, self.choice.pinned))

    def draw_head(self, width: int, _: int) -> list[Text]:
        """Draw what run it is and how it stands."""
        try:
            share = self.following.reader.offset / max(1, os.stat(self.journal).st_size)
        except OSError:
            share = 1.0
        return draw_head(self.following.view, width, share if self.following.is_behind() else 1.0)

    def draw_charts(self, width: int, height: int) -> list[Text]:
        """Draw the charts that find room, among them the chosen one."""
        self.offer()
        choice = self.choice
        size = (1, 1) if self.is_large else grid(width, height - 1, len(choice.names))
        choice.across, choice.down = size
        chart_width = (width + GAP) // choice.across - GAP
        chart_height = (height - 1) // choice.down
        if not self.is_large:
            chart_height = min(chart_height, MOST_CHART_ROWS)
        _, shown = choice.window()
        lines = [rule("system" if self.shows_system else "metrics", choice.about(), width)]
        for row in range(0, len(shown), choice.across):
            names = shown[row : row + choice.across]
            lines += beside([self.draw_one(name, chart_width, chart_height) for name in names], chart_width)
        return lines

    def draw_one(self, name: str, width: int, height: int) -> list[Text]:
        """Draw one chart."""
        line = self.lines()[name]
        marks = name == self.choice.chosen, name in self.choice.pinned
        chart = Drawn(name, line.shape, line.last, line.position, self.shows_system, *marks)
        return draw_chart(chart, width, height)

    def draw_lanes(self, width: int, height: int) -> list[Text]:
        """Draw what the run uses."""
        return [
            rule("system", "", width),
            *draw_lanes(lanes_of(self.following.system.lines), width, height - 1),
        ]

    def draw_tail(self, width: int, height: int) -> list[Text]:
        """Draw the end of the output, or what was scrolled back to."""
        lines = self.tail.lines()
        self.scrolled_lines = max(0, min(self.scrolled_lines, len(lines) - height + 1))
        end = len(lines) - self.scrolled_lines
        shown = lines[max(0, end - height + 1) : end]
        about = f"{count_in_words(self.scrolled_lines, 'line')} below" if self.scrolled_lines else ""
        return [rule("output", about, width), *(Text(line) for line in shown)]

    def draw_keys(self, width: int, _: int) -> list[Text]:
        """Say what the keys do, as far as there is room."""
        text = Text(" ")
        for words in KEYS.split("   "):
            key, what = words.split(" ", 1)
            if text.cell_len + len(words) <= width:
                text.append(key, "bold").append(f" {what}   ", "bright_black")
        return [text]

    def action_choose(self, across: int, down: int) -> None:
        """Choose another chart, or scroll the output where that is all there is."""
        if self.shows_output:
            self.scroll_output(-down)
            return
        self.choice.move(across, down)
        self.redraw()

    def action_page(self, direction: int) -> None:
        """Go on by a screen."""
        if self.shows_output:
            self.scroll_output(-direction * max(1, self.size.height - 6))
            return
        self.choice.page(direction)
        self.redraw()

    def action_end(self, direction: int) -> None:
        """Go to the first or to the last."""
        if self.shows_output:
            self.scroll_output(-direction * len(self.tail.lines()))
            return
        self.choice.end(direction)
        self.redraw()

    def scroll_output(self, lines: int) -> None:
        """Scroll the output up by so many lines."""
        self.scrolled_lines = max(0, self.scrolled_lines + lines)
        self.redraw()

    def action_enlarge(self) -> None:
        """Give the chosen chart all the room, or take it back."""
        self.is_large = bool(self.choice.names) and not self.is_large and not self.shows_output
        self.arrange()

    def action_pin(self) -> None:
        """Keep the chosen chart in front, or let it go."""
        self.choice.pin()
        self.redraw()

    def action_system(self) -> None:
        """Change between charts of metrics and charts of all that was sampled."""
        self.shows_system, self.shows_output = not self.shows_system, False
        self.arrange()

    def action_output(self) -> None:
        """Give the output all the room, or take it back."""
        self.shows_output, self.is_large = not self.shows_output, False
        self.scrolled_lines = 0
        self.arrange()

    def action_search(self) -> None:
        """Ask for words in the names of metrics."""
        field = self.query_one(Input)
        field.display = True
        field.focus()

    async def action_back(self) -> None:
        """Take back what was done last: a search, a large chart, the output."""
        if self.query_one(Input).display or self.choice.searched:
            self.query_one(Input).value = self.choice.searched = ""
            self.close_search()
        self.is_large = self.shows_output = False
        self.scrolled_lines = 0
        self.arrange()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while it is typed."""
        self.choice.searched = event.value
        self.arrange()

    def on_input_submitted(self) -> None:
        """Keep what was searched for."""
        self.close_search()

    def close_search(self) -> None:
        """Put the field away."""
        self.query_one(Input).display = False
        self.set_focus(None)


def show(run_path: str) -> None:
    """Draw a run in this terminal. Blocks: until a key ends it."""
    Live(run_path).run(mouse=False)
