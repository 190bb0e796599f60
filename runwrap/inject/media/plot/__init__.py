"""Plots: a table, and which of its columns are drawn in which way."""

from runwrap.inject.media.arrays import array_of
from runwrap.inject.media.plainly import plain
from runwrap.inject.media.plot.classes import checked_scores, listed, names_of, numbered, same_length
from runwrap.inject.media.plot.curves import precision_recall, roc
from runwrap.inject.media.storing import Media
from runwrap.inject.media.table import Table, is_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Plot(Media):
    """A table and how it is drawn. Raises: TypeError, ValueError."""

    def __init__(self, kind: str, table: "Any", title: "str | None", **columns: "Any") -> None:
        if is_frame(table):
            table = Table(dataframe=table)
        if not isinstance(table, Table):
            raise TypeError(
                f"table: it is a {type(table).__name__}; give a Table, as Table(columns=[...], data=[...])"
            )
        for name in columns.values():
            if name is not None:
                table.index_of(name)
        self.kind = kind
        self.table = table
        self.title = None if title is None else str(title)
        self.columns = columns
        self.facts: dict[str, Any] = {}

    def _runwrap_value(self) -> "dict[str, Any] | None":
        stored = self.table._runwrap_value()
        if stored is None:
            return None
        value = dict(stored, _type="plot", plot=self.kind)
        value.update((key, name) for key, name in self.columns.items() if name is not None)
        if self.title is not None:
            value["title"] = self.title
        value.update(plain(self.facts))
        return value


def line(
    table: "Any",
    x: "Any",
    y: "Any",
    stroke: "Any" = None,
    title: "str | None" = None,
    split_table: bool = False,
) -> Plot:
    """Draw a line through the points of two columns, or one for each value of a third, `stroke`."""
    return Plot("line", table, title, x=x, y=y, series=stroke)


def scatter(table: "Any", x: "Any", y: "Any", title: "str | None" = None, split_table: bool = False) -> Plot:
    """Draw the points of two columns."""
    return Plot("scatter", table, title, x=x, y=y)


def bar(
    table: "Any", label: "Any", value: "Any", title: "str | None" = None, split_table: bool = False
) -> Plot:
    """Draw a bar for each row."""
    return Plot("bar", table, title, x=label, y=value)


def histogram(table: "Any", value: "Any", title: "str | None" = None, split_table: bool = False) -> Plot:
    """Draw how often the values of a column come."""
    return Plot("histogram", table, title, x=value)


def line_series(
    xs: "Any",
    ys: "Any",
    keys: "Any" = None,
    title: "str | None" = None,
    xname: "str | None" = None,
    split_table: bool = False,
) -> Plot:
    """Draw lines; `xs` is one list for all of them, or one for each. Raises: TypeError, ValueError."""
    lines = [listed(values, f"ys[{number}]") for number, values in enumerate(listed(ys, "ys"))]
    places = [listed(values, "xs") for values in per_line(listed(xs, "xs"), len(lines))]
    names = [f"line {number}" for number in range(len(lines))] if keys is None else listed(keys, "keys")
    if len(names) != len(lines):
        raise ValueError(f"keys: {len(names)} names for {len(lines)} lines; give one for each")
    column = xname or "x"
    table = Table(
        columns=[column, "key" if column != "key" else "line", "value" if column != "value" else "y"]
    )
    for name, across, up in zip(names, places, lines):
        if len(across) != len(up):
            raise ValueError(
                f"xs and ys of {name!r} have the lengths {len(across)} and {len(up)}; make them equal"
            )
        for x, y in zip(across, up):
            table.add_data(x, str(name), y)
    return Plot("line", table, title, x=table.columns[0], y=table.columns[2], series=table.columns[1])


def per_line(xs: "list[Any]", count: int) -> "list[Any]":
    """Return where the points of each line lie. Raises: ValueError."""
    is_one = not xs or not hasattr(xs[0], "__iter__")
    if not is_one and len(xs) != count:
        raise ValueError(f"xs: {len(xs)} lists for {count} lines; give one for all, or one for each")
    return [xs] * count if is_one else xs


def confusion_matrix(
    probs: "Any" = None,
    y_true: "Any" = None,
    preds: "Any" = None,
    class_names: "Any" = None,
    title: "str | None" = None,
    split_table: bool = False,
) -> Plot:
    """Count what was predicted for each class: `preds`, or the highest of `probs`.

    Raises: TypeError, ValueError.
    """
    if (probs is None) == (preds is None):
        raise ValueError("preds: give either preds or probs")
    truth = listed(y_true, "y_true")
    names = None if class_names is None else listed(class_names, "class_names")
    guesses = listed(preds, "preds") if probs is None else highest(probs)
    same_length(truth, guesses, "y_true and " + ("preds" if probs is None else "probs"))
    together = [*truth, *guesses]
    count = len(names) if names is not None else count_of(together, probs)
    numbers = numbered(together, count, names, "y_true")
    shown = names_of(together, count, names)
    counts = {}  # type: dict[tuple[int, int], int]
    for pair in zip(numbers, numbers[len(truth) :]):
        counts[pair] = counts.get(pair, 0) + 1
    table = Table(columns=["Actual", "Predicted", "nPredictions"])
    for actual in range(count):
        for predicted in range(count):
            table.add_data(shown[actual], shown[predicted], counts.get((actual, predicted), 0))
    title = "Confusion Matrix" if title is None else title
    return Plot("confusion_matrix", table, title, x="Predicted", y="Actual", value="nPredictions")


def count_of(values: "list[Any]", probs: "Any") -> int:
    """Return how many classes there are, where nobody names them."""
    if probs is not None:
        return len(probs[0])
    if all(isinstance(value, int) and value >= 0 for value in values):
        return int(max(values)) + 1
    return len(set(values))


def highest(probs: "Any") -> "list[int]":
    """Return the class that is most likely for each example. Raises: TypeError, ValueError."""
    columns, is_array = score_columns(probs, "probs")
    rows = zip(*(column.tolist() if is_array else column for column in columns))
    return [row.index(max(row)) for row in rows]


def score_columns(probas: "Any", name: str) -> "tuple[list[Any], bool]":
    """Return the scores of each class. Raises: TypeError, ValueError."""
    array = array_of(probas, name)
    if len(array.shape) == 1 and array.shape[0]:
        return [None, array.values], array.is_numpy
    if len(array.shape) != 2 or not all(array.shape):
        raise ValueError(
            f"{name} has the shape {array.shape}; give a row for each example, a score for each class"
        )
    return [array.values[number :: array.shape[1]] for number in range(array.shape[1])], array.is_numpy


def roc_curve(
    y_true: "Any" = None,
    y_probas: "Any" = None,
    labels: "Any" = None,
    classes_to_plot: "Any" = None,
    title: "str | None" = None,
    split_table: bool = False,
) -> Plot:
    """Draw the true over the false positive rate, a curve for each class. Raises: TypeError, ValueError."""
    table, areas = each_against_all(roc, ("fpr", "tpr"), y_true, y_probas, labels, classes_to_plot)
    plot = Plot("roc_curve", table, "ROC Curve" if title is None else title, x="fpr", y="tpr", series="class")
    plot.facts = {"auc": areas}
    return plot


def pr_curve(
    y_true: "Any" = None,
    y_probas: "Any" = None,
    labels: "Any" = None,
    classes_to_plot: "Any" = None,
    interp_size: int = 21,
    title: "str | None" = None,
    split_table: bool = False,
) -> Plot:
    """Draw precision over recall, a curve for each class. Raises: TypeError, ValueError."""
    table, areas = each_against_all(
        precision_recall, ("recall", "precision"), y_true, y_probas, labels, classes_to_plot
    )
    title = "Precision-Recall Curve" if title is None else title
    plot = Plot("pr_curve", table, title, x="recall", y="precision", series="class")
    plot.facts = {"average_precision": areas}
    return plot


def each_against_all(
    curve: "Callable[[Any, Any], tuple[list[float], list[float], float]]",
    names: "tuple[str, str]",
    y_true: "Any",
    y_probas: "Any",
    labels: "Any",
    wanted: "Any",
) -> "tuple[Table, dict[str, float]]":
    """Compute a curve for each class against all others, and its area. Raises: TypeError, ValueError."""
    truth = listed(y_true, "y_true")
    if y_probas is None:
        raise ValueError("y_probas: it is missing; give a row for each example, a score for each class")
    columns, is_array = score_columns(y_probas, "y_probas")
    same_length(truth, columns[-1], "y_true and y_probas")
    given = None if labels is None else listed(labels, "labels")
    numbers = numbered(truth, len(columns), given, "y_true")
    shown = names_of(truth, len(columns), given)
    chosen = None if wanted is None else [str(item) for item in listed(wanted, "classes_to_plot")]
    table, areas = Table(columns=["class", *names]), {}
    for number, scores in enumerate(columns):
        if scores is None or (chosen is not None and not {shown[number], str(number)} & set(chosen)):
            continue
        checked_scores(scores, is_array)
        xs, ys, areas[shown[number]] = curve(scores, [item == number for item in numbers])
        for x, y in zip(xs, ys):
            table.add_data(shown[number], x, y)
    return table, areas
