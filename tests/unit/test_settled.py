"""Settled output is what a terminal would show in the end, with no line lost or out of place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyte import Stream

from runwrap.store.line import cleaned
from runwrap.store.screen import ROWS, Screen
from runwrap.store.settled import LONG_CHARACTERS, Settler

BAR = "\r{0:3d}%|{1}| {0}/100 [00:01<00:09, 99.1it/s]"
ONE_LINE = ["a", "bc", "hello", " ", "\r", "\r", "\n", "\r\n", "\x1b[K", "\x1b[2K", "x" * 12, "█", "漢", "é"]
STYLES = ["\x1b[32m", "\x1b[1m", "\x1b[0m", "\x1b[38;5;200m", "\x1b[48:2:1:2:3m"]
MOVES = ["\b", "\t", "\x1b[A", "\x1b[2A", "\x1b[B", "\x1b[3C", "\x1b[D", "\x1b[5G", "\x1b[1K", "\x1b[J"]
MOVES += ["e\u0301", "\u200d", "\x1b[L", "\x1b[M", "\x1b[2P", "\x1b[2@", "\x1b[2X", "\x1b[?25l", "\x1b]0;t\a"]
PLACES = ["\x1b[H", "\x1b[5;5H", "\x1b[2J", "\x1b7", "\x1b8", "\x1b[3d", "\x1bM"]


def settle(text: str | bytes, *cuts: int, colour: bool = False) -> str:
    """Settle a text that comes in pieces."""
    data = text if isinstance(text, bytes) else text.encode()
    shown: list[str] = []
    settler = Settler(shown.append, colour=colour)
    start = 0
    for end in [*sorted(cuts), len(data)]:
        settler.feed(data[start:end])
        start = max(start, end)
    settler.close()
    return "".join(shown)


def emulate(text: str, *, colour: bool) -> list[str]:
    """Settle a text by emulation alone; what shows nothing is left out."""
    rows: list[str] = []
    screen = Screen(rows.append, colour=colour)
    stream = Stream(screen)
    for line in text.removesuffix("\n").split("\n"):
        line = cleaned(line.rstrip("\r"), colour=colour).replace(":", ";")
        screen.widen(len(line) * 10)
        stream.feed(line + "\r\n")
    screen.finish()
    rows = [row.rstrip() for row in rows]
    while rows and not rows[-1]:
        rows.pop()
    return rows


def texts(*tokens: list[str]) -> st.SearchStrategy[str]:
    """Make texts of tokens."""
    return st.lists(st.sampled_from(sum(tokens, [])), max_size=60).map("".join)


cuts = st.lists(st.integers(0, 200), max_size=4)


@pytest.mark.parametrize(
    ("raw", "settled"),
    [
        ("plain\ntext", "plain\ntext\n"),
        ("10%\r20%\r100%\ndone\n", "100%\ndone\n"),
        ("longer\rab\n", "abnger\n"),
        ("longer\r\x1b[Kab\n", "ab\n"),
        ("longer\r\x1b[2Kab\n", "ab\n"),
        ("longer\x1b[2K\rab\r\n", "ab\n"),
        ("\x1b[32mgreen\x1b[0m\n", "green\n"),
        ("\x1b]0;title\x07text\x1b[?25l\x1b(B\n", "text\n"),
        ("abc\b\b\bx\n", "xbc\n"),
        ("first\nsecond\n\x1b[2A\rFIRST\n\n", "FIRST\nsecond\n"),
        ("kept\n\x1b[H\x1b[2Jalso kept\n", "kept\nalso kept\n"),
        ("before \x1b[?1049h an editor \x1b[5;5H\n draws \x1b[?1049lafter\n", "before after\n"),
        ("a\n\n\nb\n", "a\n\n\nb\n"),
        ("a\x00b\x07c\x7f\x1b[\n", "abc\n"),
        ("text\n\x1b[0m", "text\n"),
        ("text\n\x1b[?25h\r", "text\n"),
        ("tab\there\n", "tab\there\n"),
        ("", ""),
    ],
)
def test_lines_settle_as_on_a_terminal(raw: str, settled: str) -> None:
    assert settle(raw) == settled


def test_a_progress_bar_is_one_line() -> None:
    bar = "".join(BAR.format(done, "█" * (done // 5) + " " * (20 - done // 5)) for done in range(101))
    assert settle(f"start\n{bar}\nend\n") == f"start\n{BAR.format(100, '█' * 20)[1:]}\nend\n"


def test_bars_below_each_other_are_one_line_each() -> None:
    frames = "".join(f"\router {n // 10}\n\rinner {n % 10}\x1b[A" for n in range(30))
    assert settle(f"start\n{frames}\n\nend\n") == "start\nouter 2\ninner 9\nend\n"


def test_colours_stay_where_they_are_wanted_and_each_line_ends_without() -> None:
    raw = "\x1b[31mred\nstill red\x1b[0m\nplain\n"
    assert settle(raw, colour=True) == "\x1b[31mred\x1b[0m\n\x1b[31mstill red\x1b[0m\nplain\n"
    assert settle(raw) == "red\nstill red\nplain\n"


@settings(max_examples=300, deadline=None)
@given(texts(ONE_LINE, STYLES), cuts, st.booleans())
def test_the_short_way_shows_what_emulation_shows(text: str, places: list[int], colour: bool) -> None:
    shown = settle(text, *places, colour=colour)
    assert emulate(shown, colour=True) == emulate(text, colour=colour)


@settings(max_examples=300, deadline=None)
@given(texts(ONE_LINE, STYLES, MOVES, PLACES), cuts)
def test_emulation_begins_where_it_is_needed(text: str, places: list[int]) -> None:
    assert emulate(settle(text, *places), colour=False) == emulate(text, colour=False)


@settings(max_examples=100, deadline=None)
@given(texts(ONE_LINE, MOVES), st.integers(ROWS - 3, ROWS * 2), texts(ONE_LINE, MOVES))
def test_emulation_ends_where_it_is_not_needed_any_more(before: str, count: int, after: str) -> None:
    text = before + "\n" + "plain\n" * count + after
    assert emulate(settle(text), colour=False) == emulate(text, colour=False)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | texts(ONE_LINE, STYLES, MOVES, PLACES).map(str.encode), st.booleans())
def test_nothing_but_text_and_colours_comes_out(raw: bytes, colour: bool) -> None:
    shown = settle(raw, colour=colour)
    assert not set(cleaned(shown, colour=False)) & set(
        map(chr, [*range(9), *range(11, 32), *range(127, 160)])
    )
    assert colour or "\x1b" not in shown


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "long " * 30, "\x1b[32mgreen\x1b[0m", "10%\r20%", "x\b", ""]), max_size=400
    )
)
def test_every_line_comes_out_once_and_in_order(lines: list[str]) -> None:
    numbered = "".join(f"{line}\r{number:05}\x1b[K\n" for number, line in enumerate(lines))
    assert settle(numbered) == "".join(f"{number:05}\n" for number in range(len(lines)))


@pytest.mark.parametrize(
    "tail", ["\x1b", "\x1b[", "\x1b[3", "\x1b]0;never ended", "\x1bP", "\xff".encode("latin-1")]
)
def test_an_end_in_the_middle_of_something_loses_no_text(tail: str | bytes) -> None:
    end = tail if isinstance(tail, bytes) else tail.encode()
    assert settle(b"one\ntwo" + end).startswith("one\ntwo")


@pytest.mark.parametrize(
    "sequence",
    ["\x1b[1;2A", "\x1b[5K", "\x1b[99999999999999999999A", "\x1b[>4;2m", "\x1b[1;2;3H", "\x1b[?7m", "\x1b[u"]
    + ["\x1b[" + "1;" * 500 + "m", "\x1b[38;5;999m", "\x1b[38;2;9999;1m", "\x1b[s\x1b[u\x1b[u", "\x1b[0;0r"],
)
@pytest.mark.parametrize("colour", [False, True])
def test_odd_sequences_do_no_harm(sequence: str, colour: bool) -> None:
    shown = settle(f"one\nx\b{sequence}two\n", colour=colour)
    assert cleaned(shown, colour=False).replace("x", "").split()[-1:] != []
    assert "one" in shown


@pytest.mark.parametrize("piece", ["x" * 1000, "\r" + "x" * 60, "\x1b[32mx", "x\b", "\x1b[5;5Hx", "漢\r"])
def test_a_line_that_never_ends_is_not_kept_in_memory(piece: str) -> None:
    shown: list[str] = []
    settler = Settler(shown.append, colour=True)
    data = (piece * (400_000 // len(piece))).encode()
    for _ in range(3):
        settler.feed(data)
        held = len(settler.rest) + sum(map(len, settler.held))
        assert held <= LONG_CHARACTERS
    settler.close()


def test_lines_of_a_live_run_come_out_at_a_pause() -> None:
    shown: list[str] = []
    settler = Settler(shown.append, colour=False)
    settler.feed(b"one\ntwo\nth")
    settler.pause()
    assert "".join(shown) == "one\ntwo\n"
    settler.feed(b"ree\n")
    settler.close()
    assert "".join(shown) == "one\ntwo\nthree\n"
