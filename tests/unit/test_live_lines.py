"""Every line of the live view is as wide as it should be and harmless, whatever is drawn."""

from __future__ import annotations

import math
import unicodedata
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwrap.live.charts import Drawn, beside, draw_chart, found, grid, in_order
from runwrap.live.choice import Choice
from runwrap.live.head import draw_head
from runwrap.live.lanes import draw_lanes, lanes_of
from runwrap.live.spark import plot, spark
from runwrap.live.tail import MOST_LINES, TAIL_BYTES, Tail
from runwrap.live.words import (
    amount_in_words,
    count_in_words,
    duration_in_words,
    energy_in_words,
    number_in_words,
    quantity_of,
    usage_in_words,
)
from runwrap.record import Record
from runwrap.store.shape import add, new_shape
from runwrap.store.view import RunView

HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
NAMES = ["loss", "\x1b]0;owned\x07", "\u202egnp", "[red]x[/red]", "a\nb\tc", "漢字" * 30, "x" * 500, ""]
numbers = st.floats() | st.integers() | st.sampled_from([10**300, -1e308, 1e308])


def harmless(line) -> bool:
    """Tell whether a line may be printed on a terminal."""
    return not {unicodedata.category(c) for c in line.plain} & HARMFUL


def shape_of(values):
    shape = new_shape()
    for step, value in enumerate(values):
        add(shape, step, float(value) if abs(value) < math.inf else None, 512)
    return shape


@given(st.lists(numbers | st.none(), max_size=40))
def test_a_sparkline_has_a_block_for_each_number_and_a_blank_for_each_gap(values):
    drawn = spark(values)
    assert len(drawn) == len(values)
    for value, block in zip(values, drawn, strict=True):
        assert (block == " ") == (value is None or not math.isfinite(value))


def test_a_sparkline_goes_from_the_least_to_the_greatest():
    assert spark([1, 2, 3, 4, 5, 6, 7, 8]) == "▁▂▃▄▅▆▇█"
    assert spark([5, 5]) == "▄▄"
    assert spark([-1e308, 0, 1e308]) == "▁▅█"
    assert spark([50], 0, 100) == "▅"


columns = st.lists(st.none() | st.tuples(numbers, numbers).map(sorted), max_size=60)


@given(columns.filter(lambda found: all(math.isfinite(n) for c in found if c for n in c)), st.integers(1, 9))
def test_a_plot_has_its_size_and_every_column_that_has_a_value_has_a_dot(found, height):
    ends = [number for column in found if column for number in column]
    low, high = min(ends, default=0), max(ends, default=0)
    rows = plot(found, height, low, high)
    assert [len(row) for row in rows] == [(len(found) + 1) // 2] * height
    for x, column in enumerate(found):
        mask = (0x47, 0xB8)[x % 2]
        dots = [row for row in rows if row[x // 2] != " " and ord(row[x // 2]) & mask]
        assert bool(dots) == (column is not None)


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.1234567, "0.1235"), (1234.56, "1235"), (12.0, "12"), (0, "0"), (1e-9, "1e-9"), (123456789, "1.23e8"),
     (float("nan"), "NaN"), (float("-inf"), "-∞"), (10**400, "∞"), (0.5, "0.5"), (-3.14159, "-3.142"), (5e6, "5000000")],
)  # fmt: skip
def test_numbers_are_written_short(value, words):
    assert number_in_words(value) == words


@given(numbers, st.sampled_from(["bytes", "bytes/s", "%", "W", "", "J"]))
def test_any_amount_is_short_but_of_percent_and_watts_beyond_reason(value, unit):
    if unit in ("", "J"):
        assert len(amount_in_words(value, unit)) <= 12
    assert amount_in_words(value, unit).isprintable()


def test_units_are_in_the_names():
    assert quantity_of("gpu_power_w/0") == ("gpu_power", "W", "0")
    assert quantity_of("disk_read_bytes_per_s/sda") == ("disk_read", "bytes/s", "sda")
    assert quantity_of("host_load_1min") == ("host_load_1min", "", "")
    assert amount_in_words(1.25e9, "bytes") == "1.2 GB"
    assert amount_in_words(250e6, "bytes/s") == "250 MB/s"
    assert duration_in_words(3725) == "1 h 02 min"
    assert count_in_words(1, "point") == "1 point"


def test_what_was_used_is_said_in_a_line():
    fact = {
        "cpu_percent_mean": 87.2,
        "cpu_percent_max": 120,
        "memory_rss_max_bytes": 1.2e9,
        "gpu_idle_share": 0.3,
    }
    assert usage_in_words(fact) == "cpu 87 % mean, cpu 120 % max, memory rss max 1.2 GB, gpu idle 30 %"
    assert (
        energy_in_words({"total_kwh": 0.123, "co2_g": 45.1, "estimate": True})
        == "0.123 kWh, 45.1 g CO2 (estimate)"
    )
    for nothing in (None, 5, [], {"cpu_percent_mean": "x", "gpu_idle_share": float("nan")}):
        assert usage_in_words(nothing) == ""
        assert energy_in_words(nothing) == ""


@settings(deadline=None)
@given(
    st.lists(numbers, min_size=1, max_size=30),
    st.sampled_from(NAMES),
    st.integers(10, 200),
    st.integers(4, 20),
    st.booleans(),
)
def test_a_chart_of_anything_has_its_size_and_does_no_harm(values, name, width, height, is_time):
    drawn = Drawn(name, shape_of(values), values[-1], len(values), is_time, True, False)
    lines = draw_chart(drawn, width, height)
    assert len(lines) == height
    assert all(harmless(line) for line in lines)
    if not is_time:
        assert all(line.cell_len <= width + 12 for line in lines)
    assert len(beside([lines, lines], width)) == height
    assert all(line.cell_len == 2 * (width + 2) for line in beside([lines, lines], width))


def test_what_people_look_at_first_comes_first():
    names = ["lr", "epoch", "grad_norm", "foo", "train/loss", "val/loss", "wer", "loss (rank 1)", "z"]
    rules = {"wer": {"goal": "minimize"}}
    assert in_order(names, rules, ["z"]) == [
        "z", "wer", "val/loss", "train/loss", "foo", "lr", "epoch", "grad_norm", "loss (rank 1)",
    ]  # fmt: skip
    assert found(names, "LOSS val") == ["val/loss"]


def test_one_goes_through_charts_as_they_stand():
    choice = Choice()
    choice.offer([str(number) for number in range(10)])
    choice.across, choice.down = 3, 2
    assert choice.chosen == "0"
    choice.move(0, 1)
    choice.move(1, 0)
    assert choice.chosen == "4"
    choice.move(0, -1)
    choice.move(0, -1)
    assert choice.chosen == "1", "there is no row above the first"
    choice.page(1)
    assert choice.window() == (6, ["6", "7", "8", "9"]) or choice.chosen in choice.window()[1]
    choice.end(1)
    assert choice.chosen == "9"
    assert choice.about() == "7-10 of 10"
    choice.pin()
    choice.offer(["5", "9"])
    assert (choice.chosen, choice.pinned) == ("9", ["9"])
    choice.offer([])
    choice.page(1)
    choice.pin()
    assert (choice.chosen, choice.window()) == ("", (0, []))


@given(st.integers(1, 300), st.integers(1, 100), st.integers(0, 50))
def test_charts_find_room(width, height, count):
    across, down = grid(width, height, count)
    assert across >= 1
    assert down >= 1
    assert down == 1 or down * 4 <= height


def sampled(*values):
    return SimpleNamespace(shape=shape_of(values), last=values[-1])


def test_lanes_are_of_the_script_before_the_machine_and_of_each_gpu_in_order():
    names = [
        "host_cpu_percent",
        "process_cpu_percent",
        "gpu_percent/10",
        "gpu_percent/2",
        "gpu_memory_used_bytes/2",
        "net_sent_bytes_per_s",
    ]
    lanes = lanes_of({name: sampled(10.0, 20.0) for name in names})
    assert [lane.title for lane in lanes] == ["cpu script", "cpu", "gpu 2", "gpu 2 mem", "gpu 10", "net out"]
    assert lanes[1].value == "20 %"


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=9), st.integers(20, 250), st.integers(1, 9))
def test_lanes_of_anything_have_their_size_and_do_no_harm(values, width, most_rows):
    names = [
        "host_cpu_percent",
        "process_memory_rss_bytes",
        "gpu_percent/\x1b[2J",
        "gpu_memory_used_bytes/\x1b[2J",
    ]
    lines = draw_lanes(lanes_of({name: sampled(*values) for name in names}), width, most_rows)
    assert 1 <= len(lines) <= most_rows
    assert all(harmless(line) for line in lines)
    assert all(line.cell_len <= max(width, 25) for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_the_head_names_a_run_of_any_name(name):
    view = RunView("/root/p/run")
    view.apply(Record(1, 1.0, "run", {"started": 1.0, "name": name, "project": name, "argv": [name] * 50}))
    view.apply(Record(2, 1.0, "exit", {"status": 1, "cause": name, "duration_s": 3.0}))
    lines = draw_head(view, 80, 0.5)
    assert all(line.cell_len <= 80 and harmless(line) for line in lines)
    assert lines[0].plain.endswith("reading 50 %  ● failed  3 s")


def test_the_tail_shows_lines_as_they_look_and_bars_as_they_stand(tmp_path):
    tail = Tail(str(tmp_path))
    assert not tail.advance()
    with (tmp_path / "output.log").open("ab", buffering=0) as log:
        log.write(b"\x1b[31mred\x1b[0m\x1b]0;owned\x07\nsecond\ttab\r\n 10%\r 20%")
        assert tail.advance()
        assert tail.lines() == ["red", "second  tab", " 20%"]
        log.write(b"\r 30%")
        tail.advance()
        assert tail.lines()[-1] == " 30%"
        log.write(b"\nbar 1\nbar 2\x1b[A\rnew 1\n\n")
        tail.advance()
        assert tail.lines()[-2:] == ["new 1", "bar 2"]
        log.write(b"\x90\xff\xe2\x80\xae end")
        tail.advance()
        assert all(line.isprintable() for line in tail.lines())


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.binary(max_size=40)
        | st.sampled_from([b"\x1b[2J", b"\x1b[5;5H", b"\r", b"\n", b"\x1b[?1049h", b"x" * 300]),
        max_size=30,
    )
)
def test_no_output_brings_harm_into_the_tail(tmp_path_factory, pieces):
    folder = tmp_path_factory.mktemp("run")
    tail = Tail(str(folder))
    with (folder / "output.log").open("ab", buffering=0) as log:
        for piece in pieces:
            log.write(piece)
            tail.advance()
            assert not {unicodedata.category(c) for line in tail.lines() for c in line} & HARMFUL


def test_of_much_output_the_end_is_shown(tmp_path):
    tail = Tail(str(tmp_path))
    (tmp_path / "output.log").write_bytes(b"".join(b"line %d\n" % number for number in range(200_000)))
    tail.advance()
    assert tail.offset == (tmp_path / "output.log").stat().st_size
    lines = tail.lines()
    assert lines[-1] == "line 199999"
    assert len(lines) <= MOST_LINES
    assert len(tail.settled) * 12 < 2 * TAIL_BYTES
