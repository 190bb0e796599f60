"""The shape of a metric keeps what there was in bounded memory, in whatever order it comes."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from runwrap.record import Record
from runwrap.store.shape import add, columns, means, new_shape
from runwrap.store.view import MOST_SHAPES, RunView

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.none()
steps = st.integers(-50, 50) | st.integers() | st.sampled_from([2**2000, -(2**2000), 2**63])
points = st.lists(st.tuples(steps, numbers), min_size=1, max_size=60)


def shape_of(found, most=16):
    shape = new_shape()
    for step, number in found:
        add(shape, step, number, most)
    return shape


@given(points)
def test_no_least_and_no_greatest_value_is_lost_and_memory_is_bounded(found):
    shape = shape_of(found)
    known = [number for _, number in found if number is not None]
    buckets = [bucket for bucket in shape["buckets"].values() if bucket[3]]
    assert len(shape["buckets"]) <= 16
    assert sum(bucket[3] for bucket in buckets) == len(known)
    if known:
        assert min(bucket[0] for bucket in buckets) == min(known)
        assert max(bucket[1] for bucket in buckets) == max(known)
        assert all(math.isfinite(bucket[2]) for bucket in buckets)


@given(points, st.randoms())
def test_the_order_in_which_points_come_changes_no_bounds(found, random):
    mixed = list(found)
    random.shuffle(mixed)

    def bounds(shape):
        return shape["shift"], {place: [*bucket[:2], bucket[3]] for place, bucket in shape["buckets"].items()}

    assert bounds(shape_of(found)) == bounds(shape_of(mixed))


@given(points, st.integers(0, 60))
def test_a_shape_can_be_kept_as_json_and_gone_on_with(found, cut):
    shape = json.loads(json.dumps(shape_of(found[:cut])))
    for step, number in found[cut:]:
        add(shape, step, number, 16)
    assert shape == shape_of(found)


@given(points, st.integers(1, 80))
def test_any_shape_is_drawn_in_as_many_columns_as_there_are(found, width):
    drawn = columns(shape_of(found), width)
    assert len(drawn) == width
    known = [number for _, number in found if number is not None]
    for column in drawn:
        if column is not None:
            assert min(known) <= column[0] <= column[1] <= max(known)
    assert len(means(shape_of(found), width)) <= width


def test_a_line_goes_straight_from_point_to_point_and_stops_at_no_number():
    assert [column and column[2] for column in columns(shape_of([(0, 0.0), (4, 4.0)]), 5)] == [0, 1, 2, 3, 4]
    gap = columns(shape_of([(0, 0.0), (2, None), (4, 4.0)]), 5)
    assert [column and column[2] for column in gap] == [0, None, None, None, 4]


def test_a_spike_is_seen_at_any_width():
    found = [(step, 1.0) for step in range(10_000)]
    found[7000] = (7000, 99.0)
    drawn = columns(shape_of(found, most=512), 20)
    assert max(column[1] for column in drawn if column) == 99.0


def test_a_run_keeps_the_shapes_of_its_first_metrics_only():
    view = RunView("/root/p/run")
    for step in range(3):
        values = {f"m{number}": step for number in range(2 * MOST_SHAPES)} | {"text": "x", "huge": 10**400}
        view.apply(Record(1, 1.0, "history", {"step": step, "values": values}))
    assert len(view.shapes) == MOST_SHAPES
    assert means(view.shapes["m0"], 24) == [0, 1, 2]
    assert "shapes" not in view.to_json()
    assert view.to_json()["history"]["huge"]["count"] == 3


def test_samples_of_the_system_are_summed_up():
    view = RunView("/root/p/run")
    for number in (1, 3, "NaN", "text", None):
        view.apply(Record(1, 1.0, "system", {"values": {"host_cpu_percent": number}}))
    view.apply(Record(1, 1.0, "system", {"values": 5}))
    wanted = {"count": 3, "last": "NaN", "min": 1, "max": 3, "mean": 2.0, "numbers": 2}
    assert view.to_json()["system"] == {"host_cpu_percent": wanted}
    assert view.bad_lines == 1
