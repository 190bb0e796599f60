"""Whatever scripts log or set becomes JSON that says what it was."""

import argparse
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import json
import math
import os
import pathlib
import types

import pytest

from runwrap.inject import values
from runwrap.inject.channel.line import encoded


class Colour(enum.Enum):
    """Of two kinds."""

    RED = 1
    NAMED = "blue"


class Level(enum.IntEnum):
    """A number with a name."""

    LOW = 3


class Odd:
    """Fails at everything."""

    def __str__(self):
        raise RuntimeError

    def __getattr__(self, name):
        raise RuntimeError(name)


class Circle(dict):
    """Holds itself."""


@dataclasses.dataclass
class Options:
    """Settings."""

    lr: float = 0.1
    path: pathlib.Path = pathlib.Path("/x")


class Array:
    """An array as torch, jax and tensorflow have them, so far as it is looked at."""

    def __init__(self, items, shape):
        self.items_ = items
        self.shape = shape

    def item(self):
        """Return the one item."""
        assert math.prod(self.shape) == 1
        return self.items_

    def tolist(self):
        """Return all items."""
        return self.items_


class Eager:
    """A number of tensorflow's."""

    shape = ()

    def numpy(self):
        """Return an array of numpy's."""
        return Array(2.5, ())


Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024 - as scripts have them


def row_of(value):
    """Return what is logged for a value, after a look that it is JSON."""
    complaints = []
    row = values.row({"v": value}, complaints.append)
    assert json.loads(encoded(row)) is not None
    return row.get("v", row), complaints


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        (True, True),
        (None, None),
        (1 << 2000, 1 << 2000),
        (1 << 2048, hex(1 << 2048)),
        (-(1 << 2048), hex(-(1 << 2048))),
        (decimal.Decimal("1.5"), 1.5),
        (decimal.Decimal("1e400"), math.inf),
        (fractions.Fraction(1, 4), 0.25),
        (Colour.RED, 1),
        (Colour.NAMED, "blue"),
        (Level.LOW, 3),
        (pathlib.Path("/a/b"), "/a/b"),
        (dt.datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"),  # noqa: DTZ001 - as scripts have them
        (dt.timedelta(minutes=1), 60.0),
        (b"caf\xc3\xa9 \xff", "café \\xff"),
        ([1, 2.5, "x"], "[1, 2.5, 'x']"),
        ((1, 2), "(1, 2)"),
        ({2, 1}, "[1, 2]"),
        (1 + 2j, "(1+2j)"),
        (math.sqrt, "math.sqrt"),
        (argparse.Namespace, "argparse.Namespace"),
        (Array(0.5, (1, 1)), 0.5),
        (Array(7, ()), 7),
        (Eager(), 2.5),
        ("x" * 5000, "x" * 5000),
        ("half \ud800", "half \ud800"),
    ],
)
def test_logged(value, logged):
    found, complaints = row_of(value)
    assert found == logged
    assert type(found) is type(logged)
    assert complaints == []


@pytest.mark.parametrize(
    ("value", "flat"),
    [
        ({"a": {"b": 1}, 2: 3}, {"v/a/b": 1, "v/2": 3}),
        (Pair(1, (2,)), {"v/a": 1, "v/b": "(2,)"}),
        (Options(), {"v/lr": 0.1, "v/path": "/x"}),
        (argparse.Namespace(x=types.SimpleNamespace(y=1)), {"v/x/y": 1}),
        (collections.OrderedDict(a=1), {"v/a": 1}),
        ({}, {}),
        ({"_type": "image", "path": "p"}, {"_type": "image", "path": "p"}),
    ],
)
def test_names_within_names(value, flat):
    row = values.row({"v": value}, print)
    assert row == (flat if "_type" not in flat else {"v": flat})


def test_nothing_of_the_scripts_can_fail_here():
    row, _ = row_of(Odd())
    assert row == "<Odd>"
    circle = Circle()
    circle["again"] = circle
    assert len(values.row({"c": circle}, print)) == 1
    assert values.plain(Odd()) == "<Odd>"
    assert json.dumps(values.plain(circle)).count("again") == values.DEEPEST
    assert len(row_of("not cut" * 1000)[0]) == 7000
    assert len(row_of(types.MappingProxyType)[0]) < 100
    assert list(values.row({"n" * 5000: 1}, print)) == ["n" * values.LONGEST_NAME]
    with pytest.raises(TypeError, match=r"log\(\) takes a dict of names and values, not a int: 3"):
        values.row(3, print)


class Medium:
    """A media object, or one that could not be stored."""

    def __init__(self, value):
        self.value = value

    def _runwrap_value(self):
        return self.value


def test_media_objects():
    assert row_of(Medium({"_type": "image"})) == ({"_type": "image"}, [])
    assert row_of(Medium(None)) == ({}, [])


@pytest.mark.parametrize(
    ("step", "found", "complaints"),
    [
        (3.0, 3, 0),
        (True, 1, 0),
        (Array(5, ()), 5, 0),
        ("7", 7, 0),
        (2.5, 2, 1),
        ("x", None, 1),
        (math.nan, None, 1),
    ],
)
def test_step(step, found, complaints):
    said = []
    assert values.whole(step, said.append) == found
    assert len(said) == complaints


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ((0.9, 0.999), [0.9, 0.999]),
        ({"b", "a"}, ["a", "b"]),
        ({1: {"x": (1, {2})}}, {"1": {"x": [1, [2]]}}),
        (Options(), {"lr": 0.1, "path": "/x"}),
        (Pair(1, 2), {"a": 1, "b": 2}),
        (Array([1, 2], (2,)), [1, 2]),
        (Array([[1]], (1, 1)), [[1]]),
        (range(3), [0, 1, 2]),
        (Colour.RED, 1),
        (dt.date(2024, 1, 2), "2024-01-02"),
        (os.path.join, "posixpath.join"),
        (float("nan"), pytest.approx(math.nan, nan_ok=True)),
    ],
)
def test_settings(value, stored):
    assert values.plain(value) == stored


def test_numpy():
    numpy = pytest.importorskip("numpy")
    row = values.row(
        {
            "f4": numpy.float32(0.5),
            "f8": numpy.float64(0.25),
            "i": numpy.int64(3),
            "b": numpy.bool_(True),
            "long": numpy.longdouble(1.5),
            "one": numpy.array([[2.5]]),
            "s": numpy.str_("text"),
            "none": numpy.array([]),
            "day": numpy.datetime64("2024-01-02"),
            "nan": numpy.float32("nan"),
        },
        print,
    )
    assert encoded(row) == (
        '{"f4":0.5,"f8":0.25,"i":3,"b":true,"long":1.5,"one":2.5,"s":"text","none":"[]",'
        '"day":"2024-01-02","nan":"NaN"}'
    )
    assert {type(value) for value in row.values()} <= {float, int, bool, str}


def test_numpy_arrays_become_histograms(tmp_path, monkeypatch):
    numpy = pytest.importorskip("numpy")
    monkeypatch.setenv("RUNWRAP_FILES", str(tmp_path))
    found, complaints = row_of(numpy.arange(1000.0))
    assert (found["_type"], sum(found["counts"]), len(found["counts"])) == ("histogram", 1000, 64)
    assert complaints == []
    assert values.plain(numpy.array([1, 2])) == [1, 2]
    assert len(values.plain(numpy.zeros(100000))) <= values.LONGEST_TEXT
