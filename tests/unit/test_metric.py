"""The summary follows the history, by the rule of each metric, and what was set by hand stays."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.record import Record
from runwrap.store.view import RunView


def view_of(*records):
    view = RunView("/root/p/run")
    for kind, data in records:
        view.apply(Record(1, 1.0, kind, data))
    return view


def row(**values):
    return ("history", {"step": 0, "values": values})


def metric(name, **rule):
    return ("metric", {"name": name, **rule})


POINTS = [row(x=3.0), row(x=1.0), row(x="NaN"), row(x=2.0)]


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({}, 2.0), ({"summary": "last"}, 2.0), ({"summary": "min"}, 1.0), ({"summary": "max"}, 3.0),
        ({"summary": "mean"}, 2.0), ({"summary": "best", "goal": "minimize"}, 1.0),
        ({"summary": "best", "goal": "maximize"}, 3.0), ({"summary": "none"}, None), ({"step_metric": "e"}, 2.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_first", [True, False])
def test_a_rule_holds_whenever_it_is_given(rule, value, is_first):
    records = [metric("x", **rule), *POINTS] if is_first else [*POINTS, metric("x", **rule)]
    assert view_of(*records).summary.get("x") == value


def test_a_pattern_is_for_all_that_it_means_and_a_name_goes_before_it():
    view = view_of(metric("val/*", summary="min"), metric("val/acc", summary="max"),
                   ("history", {"values": {"val/loss": 1, "val/acc": 1, "loss": 1}}),
                   ("history", {"values": {"val/loss": 2, "val/acc": 2, "loss": 2}}),
                   ("history", {"values": {"val/loss": 1.5, "val/acc": 1.5, "loss": 1.5}}))  # fmt: skip
    assert view.summary == {"val/loss": 1, "val/acc": 2, "loss": 1.5}


def test_a_value_set_by_hand_stays_until_it_is_set_again():
    by_hand = ("summary", {"values": {"x": 9}})
    assert view_of(row(x=1.0), by_hand, row(x=2.0)).summary == {"x": 9}
    assert view_of(
        by_hand, row(x=2.0), ("summary", {"values": {"x": 7}}), metric("x", summary="max")
    ).summary == {"x": 7}


def test_a_run_is_called_as_the_script_said_last():
    view = view_of(("init", {"name": "other", "group": "g"}), ("init", {"name": "last"}))
    assert (view.name, view.group) == ("last", "g")


points = st.lists(
    st.floats(allow_nan=False, width=32) | st.sampled_from(["NaN", "text", None, {"_type": "image"}])
)


@given(points, st.sampled_from(["last", "min", "max", "mean", "none"]), st.integers(0, 20))
def test_reading_on_from_what_was_kept_comes_to_the_same(values, rule, cut):
    records = [metric("x", summary=rule), *(row(x=value) for value in values)]
    whole = view_of(*records)
    first = view_of(*records[:cut])
    second = RunView("/root/p/run", json.loads(json.dumps(first.document)))
    for kind, data in records[cut:]:
        second.apply(Record(1, 1.0, kind, data))
    assert second.document == whole.document
