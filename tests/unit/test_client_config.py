"""Settings and summary as a script reads and sets them, and what of it is sent."""

import argparse
import collections
import copy
import dataclasses
import pickle

import pytest

from runwrap.inject import values
from runwrap.inject.config import Config, ConfigChangeError, Section
from runwrap.inject.summary import Points, Summary


@dataclasses.dataclass
class Options:
    """Settings."""

    lr: float = 0.1


class Flags:
    """As absl has them."""

    def flag_values_dict(self):
        """Return all flags."""
        return {"lr": 0.1}


class Conf:
    """As omegaconf has them."""

    def items(self):
        """Return all settings."""
        return [("lr", 0.1)]


@pytest.fixture
def sent():
    return []


@pytest.fixture
def config(sent):
    return Config(None, sent.append, values.plain, values.mapping_of)


@pytest.mark.parametrize(
    "source",
    [{"lr": 0.1}, argparse.Namespace(lr=0.1), Options(), Flags(), Conf(), collections.OrderedDict(lr=0.1)],
)
def test_sources(config, sent, source):
    config.update(source)
    config.update(source)
    config.update(lr=0.1)
    assert (config.lr, config["lr"], config.get("lr"), dict(config), {**config}) == (
        0.1,
        0.1,
        0.1,
        {"lr": 0.1},
        {"lr": 0.1},
    )
    assert sent == [{"lr": 0.1}]


def test_a_source_that_is_none(config):
    with pytest.raises(TypeError, match=r"config takes a dict, an argparse.Namespace, .* not a int"):
        config.update(3)


def test_a_value_changes_only_on_purpose(config, sent):
    config.lr = 0.1
    config["lr"] = 0.1
    with pytest.raises(
        ConfigChangeError, match=r"config\['lr'\] is 0.1 and was to become 0.2; .*allow_val_change=True"
    ) as caught:
        config.lr = 0.2
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(ConfigChangeError):
        config.update({"new": 1, "lr": 0.2})
    assert dict(config) == {"lr": 0.1}
    config.update({"lr": 0.2}, allow_val_change=True)
    assert config.lr == 0.2
    config._allow_changes(may_change=True)
    config.lr = 0.3
    assert sent == [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]


def test_what_was_given_to_runwrap_stays(config, sent):
    config._begin(lambda: ({"lr": 0.5, "seen": 1}, ["lr"]), may_change=False)
    config.update({"lr": 0.1, "seen": 1})
    config.lr = 0.2
    config.update({"lr": 0.3, "seen": 2}, allow_val_change=True)
    assert (config.lr, config.seen) == (0.5, 2)
    # What differs is said, so that the run can note it.
    assert sent == [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}, {"seen": 2}]
    config._begin(lambda: ({"seen": 1, "deep": {"x": 1}}, []), may_change=False)
    config.deep.x = 2
    config.seen = 3
    with pytest.raises(ConfigChangeError):  # from here on it is its own
        config.seen = 4
    assert sent[-2:] == [{"deep": {"x": 2}}, {"seen": 3}]
    config._begin(lambda: ({"lr": 0.5, "other": 1}, None), may_change=False)
    config.update({"lr": 0.1, "other": 2, "x": {"y": 1}})
    assert config.as_dict() == {"lr": 0.5, "other": 1, "x": {"y": 1}}


def test_settings_within_settings(config, sent):
    config.model = {"layers": 2, "deep": {"x": 1}}
    assert (config.model.layers, config["model"]["deep"].x, config.model.get("no", 3)) == (2, 1, 3)
    config.model.width = 5
    config.model["deep"]["y"] = 2
    assert config.as_dict() == {"model": {"layers": 2, "deep": {"x": 1, "y": 2}, "width": 5}}
    assert sent[-1] == config.as_dict()
    with pytest.raises(ConfigChangeError, match=r"config\['model.deep.x'\] is 1"):
        config.model.deep.x = 7
    with pytest.raises(AttributeError, match="it has: layers, deep, width"):
        config.model.none  # noqa: B018
    assert isinstance(config.model, Section)
    assert isinstance(config.model, dict)


def test_dict_like(config, sent):
    config.setdefaults({"a": 1, "b": 2})
    config.setdefaults({"a": 5, "c": 3})
    assert config.setdefault("a", 9) == 1
    assert (list(config), len(config), "a" in config, "z" in config) == (["a", "b", "c"], 3, True, False)
    assert (next(iter(config.items())), list(config.keys())[1], list(config.values())[2]) == (
        ("a", 1),
        "b",
        3,
    )
    assert (config.get("z"), config.get("z", 4), str(config)) == (None, 4, "{'a': 1, 'b': 2, 'c': 3}")
    for missing in (KeyError, "z"), (AttributeError, "z"):
        with pytest.raises(missing[0]):
            config["z"] if missing[0] is KeyError else config.z
    assert not hasattr(config, "_ipython_display_")
    assert sent == [{"a": 1, "b": 2}, {"c": 3}]


def test_what_is_set_is_read_as_it_was(config, sent):
    config.betas = (0.9, 0.999)
    config.kind = Options
    assert config.betas == (0.9, 0.999)
    assert config.kind is Options
    assert sent[0] == {"betas": [0.9, 0.999]}


def test_copies(config):
    config.update({"a": {"b": 1}})
    for other in (pickle.loads(pickle.dumps(config)), copy.deepcopy(config)):
        assert (type(other), other.as_dict(), other.a.b) == (Config, {"a": {"b": 1}}, 1)


class Told:
    """A summary, and what it has sent."""

    def __init__(self):
        self.sent = []
        self.points = Points()
        self.summary = Summary(self.sent.append, lambda row: values.row(row, print), self.points)


def test_summary_follows_what_is_logged():
    told = Told()
    told.points.take({"loss": 0.5, "val/acc": 0.1})
    told.points.take({"loss": 0.4})
    assert (told.summary["loss"], told.summary.loss, told.summary["val"]["acc"]) == (0.4, 0.4, 0.1)
    assert told.summary.get("no", 1) == 1
    assert dict(told.summary) == {"loss": 0.4, "val/acc": 0.1}
    assert told.sent == []


def test_what_is_set_by_hand_stays():
    told = Told()
    told.points.take({"loss": 0.5})
    told.summary["loss"] = 0.1
    told.summary.best = {"acc": 1, "deep": {"x": 2}}
    told.summary["best"]["acc"] = 3
    told.summary.update({"n": 1}, m=2)
    told.points.take({"loss": 0.9, "other": 1})
    assert told.summary.as_dict() == {
        "loss": 0.1,
        "best/acc": 3,
        "best/deep/x": 2,
        "n": 1,
        "m": 2,
        "other": 1,
    }
    assert told.summary.best.deep.x == 2
    assert told.sent == [{"loss": 0.1}, {"best/acc": 1, "best/deep/x": 2}, {"best/acc": 3}, {"n": 1, "m": 2}]
    with pytest.raises(KeyError):
        told.summary["nothing"]
    with pytest.raises(AttributeError):
        told.summary.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("rule", "goal", "stands"),
    [("min", None, 1.0), ("max", None, 4.0), ("mean", None, 2.5), ("last", None, 2.0), (None, None, 2.0),
     ("best", "maximize", 4.0), ("best", None, 1.0), ("none", None, None)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["m/x", "m/*"])
def test_rules(rule, goal, stands, name):
    told = Told()
    told.points.define(name, rule, goal)
    for value in (3.0, float("nan"), 1.0, 4.0, 2.0):
        if value == value or rule not in ("last", None):  # noqa: PLR0124 - NaN
            told.points.take({"m/x": value, "other": value})
    assert told.summary.get("m/x") == stands
    assert told.summary["other"] == 2.0
