"""Plots are a table and how it is drawn; curves are right, also where scores are equal."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwrap.inject.media import Table, plot, storing
from runwrap.inject.media.plot import curves


@pytest.fixture
def table_of(tmp_path, monkeypatch):
    """Return what reads the table of a plot."""
    monkeypatch.setenv("RUNWRAP_FILES", str(tmp_path))
    monkeypatch.setattr(storing, "say", lambda *_, **__: None)

    def read(drawn):
        value = drawn._runwrap_value()
        assert value["_type"] == "plot"
        return value, json.loads((tmp_path / value["path"]).read_text())

    return read


TABLE = Table(columns=["a", "b", "c"], data=[[1, 2, "x"], [3, 4, "y"]])


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (plot.line(TABLE, "a", "b", title="T"), {"plot": "line", "x": "a", "y": "b", "title": "T"}),
        (plot.line(TABLE, "a", "b", stroke="c"), {"plot": "line", "x": "a", "y": "b", "series": "c"}),
        (plot.scatter(TABLE, "b", "a"), {"plot": "scatter", "x": "b", "y": "a"}),
        (plot.bar(TABLE, "c", "a"), {"plot": "bar", "x": "c", "y": "a"}),
        (plot.histogram(TABLE, "b"), {"plot": "histogram", "x": "b"}),
    ],
)
def test_plot_of_a_table(table_of, drawn, expected):
    value, table = table_of(drawn)
    about = ("_type", "path", "sha256", "size_bytes", "columns", "rows")
    assert {key: item for key, item in value.items() if key not in about} == expected
    assert table == {"columns": TABLE.columns, "data": TABLE.data}


def test_lines(table_of):
    value, table = table_of(plot.line_series([0, 1], [[5, 6], [7, 8]], keys=["p", "q"], xname="step"))
    assert (value["plot"], value["x"], value["y"], value["series"]) == ("line", "step", "value", "key")
    assert table["columns"] == ["step", "key", "value"]
    assert table["data"] == [[0, "p", 5], [1, "p", 6], [0, "q", 7], [1, "q", 8]]
    _, table = table_of(plot.line_series([[0], [1, 2]], [[5], [7, 8]], xname="value"))
    assert table["columns"] == ["value", "key", "y"]
    assert table["data"] == [[0, "line 0", 5], [1, "line 1", 7], [2, "line 1", 8]]


def test_confusion_matrix(table_of):
    _, table = table_of(plot.confusion_matrix(y_true=[0, 1, 1], preds=[0, 0, 1], class_names=["a", "b"]))
    assert table["columns"] == ["Actual", "Predicted", "nPredictions"]
    assert table["data"] == [["a", "a", 1], ["a", "b", 0], ["b", "a", 1], ["b", "b", 1]]
    _, same = table_of(
        plot.confusion_matrix(
            probs=[[0.9, 0.1], [0.5, 0.5], [0, 1]], y_true=[0, 1, 1], class_names=["a", "b"]
        )
    )
    assert same == table
    _, named = table_of(plot.confusion_matrix(y_true=["b", "a"], preds=["b", "b"]))
    assert named["data"] == [["a", "a", 0], ["a", "b", 1], ["b", "a", 0], ["b", "b", 1]]
    assert len(table_of(plot.confusion_matrix(y_true=[0, 2], preds=[0, 0]))[1]["data"]) == 9


def test_roc_with_equal_scores(table_of):
    value, table = table_of(plot.roc_curve([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5]))
    assert table["data"] == [["1", 0.0, 0.0], ["1", 1.0, 1.0]]
    assert value["auc"] == {"1": 0.5}


def test_roc_of_named_classes(table_of):
    scores = [[0.8, 0.2, 0], [0.1, 0.9, 0], [0.3, 0.3, 0.4]]
    value, table = table_of(plot.roc_curve([0, 1, 2], scores, labels=["cat", "dog", "cow"]))
    assert value["auc"] == {"cat": 1.0, "dog": 1.0, "cow": 1.0}
    by_name = table_of(plot.roc_curve(["cat", "dog", "cow"], scores, labels=["cat", "dog", "cow"]))
    assert by_name[1] == table
    value, _ = table_of(plot.roc_curve([0, 1, 2], scores, classes_to_plot=[1]))
    assert list(value["auc"]) == ["1"]


def test_a_class_that_never_comes_has_no_curve(table_of):
    value, _ = table_of(plot.pr_curve([0, 0], [[0.5, 0.5], [0.6, 0.4]]))
    assert value["average_precision"] == {"0": 1.0, "1": "NaN"}


def test_long_curves_are_thinned_out():
    scores = [math.sin(n) for n in range(9000)]
    xs, ys, area = curves.roc(scores, [n % 3 == 0 for n in range(9000)])
    assert len(xs) == len(ys) == 1000
    assert (xs[0], ys[0], xs[-1], ys[-1]) == (0, 0, 1, 1)
    assert 0.4 < area < 0.6


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: plot.line(TABLE, "a", "z"), ["'z'", "a, b, c"]),
        (lambda: plot.line([[1]], "a", "b"), ["table", "list", "Table("]),
        (lambda: plot.line_series([1], [[1, 2]]), ["lengths 1 and 2"]),
        (lambda: plot.line_series([[1], [2]], [[1]]), ["xs", "2 lists for 1"]),
        (lambda: plot.line_series([1], [[1]], keys=[]), ["keys", "0 names"]),
        (lambda: plot.line_series([1], 5), ["ys", "int"]),
        (lambda: plot.confusion_matrix(y_true=[1]), ["preds"]),
        (lambda: plot.confusion_matrix(preds=[1]), ["y_true", "missing"]),
        (lambda: plot.confusion_matrix(y_true=[1, 0], preds=[1]), ["lengths 2 and 1"]),
        (lambda: plot.confusion_matrix(y_true=[], preds=[]), ["lengths 0 and 0"]),
        (lambda: plot.roc_curve([0], [[0.1, 0.9], [1, 0]]), ["lengths 1 and 2"]),
        (lambda: plot.roc_curve([0, 5], [[0.1, 0.9], [1, 0]], labels=["a"]), ["labels", "1 names for 2"]),
        (lambda: plot.roc_curve([0, 5, 7], [[0.1, 0.9]] * 3), ["y_true", "3 classes"]),
        (lambda: plot.roc_curve([0, 1], [[math.nan, 0], [0, 1]]), ["y_probas", "NaN"]),
        (lambda: plot.pr_curve([0, 1]), ["y_probas", "missing"]),
        (lambda: plot.pr_curve([0, 1], [[[1]]]), ["y_probas", "(1, 1, 1)"]),
    ],
)
def test_what_is_wrong_is_said(make, words):
    with pytest.raises((TypeError, ValueError)) as error:
        make()
    assert [word for word in words if word not in str(error.value)] == []


examples = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1), st.booleans()),
    min_size=2,
    max_size=60,
).filter(lambda pairs: {hit for _, hit in pairs} == {True, False})


@pytest.mark.parametrize("library", ["plain", "numpy"])
@settings(max_examples=150, deadline=None)
@given(pairs=examples)
def test_curves_are_those_of_scikit_learn(library, pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    numpy = pytest.importorskip("numpy")
    scores, hits = [score for score, _ in pairs], [hit for _, hit in pairs]
    given_scores = numpy.array(scores) if library == "numpy" else scores
    fpr, tpr, area = curves.roc(given_scores, hits)
    expected = metrics.roc_curve(hits, scores, drop_intermediate=False)
    assert set(zip(fpr, tpr, strict=True)) <= set(zip(*map(list, expected[:2]), strict=True))
    assert metrics.auc(fpr, tpr) == pytest.approx(metrics.auc(*expected[:2]))
    assert area == pytest.approx(metrics.roc_auc_score(hits, scores))
    recall, precision, average = curves.precision_recall(given_scores, hits)
    expected = metrics.precision_recall_curve(hits, scores)
    assert precision == pytest.approx(list(expected[0][::-1]))
    assert recall == pytest.approx(list(expected[1][::-1]))
    assert average == pytest.approx(metrics.average_precision_score(hits, scores))


def test_confusion_matrix_is_that_of_scikit_learn(table_of):
    metrics = pytest.importorskip("sklearn.metrics")
    numpy = pytest.importorskip("numpy")
    source = numpy.random.default_rng(0)
    truth, guesses = source.integers(0, 4, 300), source.integers(0, 4, 300)
    _, table = table_of(plot.confusion_matrix(y_true=truth, preds=guesses))
    expected = metrics.confusion_matrix(truth, guesses).ravel().tolist()
    assert [row[2] for row in table["data"]] == expected
