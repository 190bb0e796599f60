"""How well scores tell classes apart: ROC and precision-recall curves, equal scores taken as one."""

import math
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Curve = tuple[list[float], list[float], float]

MOST_POINTS = 1000


def counts_at_thresholds(scores: "Any", is_class: "Any") -> "tuple[list[int], list[int]]":
    """Return false and true positives for each threshold from the highest score down."""
    numpy = sys.modules.get("numpy")
    if numpy and isinstance(scores, numpy.ndarray):
        order = numpy.argsort(-scores, kind="mergesort")
        ranked, hits = scores[order], numpy.asarray(is_class)[order]
        ends = numpy.append(numpy.flatnonzero(numpy.diff(ranked)), len(ranked) - 1)
        true = numpy.cumsum(hits)[ends]
        return (ends + 1 - true).tolist(), true.tolist()
    false_counts, true_counts = [], []
    pairs = sorted(zip(scores, is_class), key=first, reverse=True)
    true = 0
    for number, (score, hit) in enumerate(pairs, 1):
        true += bool(hit)
        if number == len(pairs) or pairs[number][0] != score:
            true_counts.append(true)
            false_counts.append(number - true)
    return false_counts, true_counts


def first(pair: "tuple[Any, Any]") -> "Any":
    """Return the first of two."""
    return pair[0]


def roc(scores: "Any", is_class: "Any") -> "Curve":
    """Return false and true positive rates, and the area below them; NaN where they are undefined."""
    false, true = counts_at_thresholds(scores, is_class)
    false, true = [0, *false], [0, *true]
    doubled = sum((x1 - x0) * (y0 + y1) for x0, x1, y0, y1 in zip(false, false[1:], true, true[1:]))
    kept = corners(false, true)
    rates = [[ratio(values[number], values[-1]) for number in kept] for values in (false, true)]
    return rates[0], rates[1], ratio(doubled, 2 * false[-1] * true[-1])


def precision_recall(scores: "Any", is_class: "Any") -> "Curve":
    """Return recall, precision, and the average precision; NaN where they are undefined."""
    false, true = counts_at_thresholds(scores, is_class)
    recall = [ratio(hits, true[-1]) for hits in true]
    precision = [ratio(hits, hits + misses) for misses, hits in zip(false, true)]
    steps = zip([0.0, *recall], recall, precision)
    average = math.fsum((now - before) * height for before, now, height in steps)
    kept = thinned(list(range(len(recall))))
    return [0.0, *(recall[n] for n in kept)], [1.0, *(precision[n] for n in kept)], average


def ratio(part: float, whole: float) -> float:
    """Return a fraction, NaN where there is nothing to be a part of."""
    return part / whole if whole else math.nan


def corners(xs: "list[int]", ys: "list[int]") -> "list[int]":
    """Return which points a line through all of them turns at, thinned out where they are many."""
    kept = [0]
    for number in range(1, len(xs) - 1):
        left, down = xs[number] - xs[number - 1], ys[number] - ys[number - 1]
        right, up = xs[number + 1] - xs[number], ys[number + 1] - ys[number]
        if left * up != down * right:
            kept.append(number)
    return thinned([*kept, len(xs) - 1])


def thinned(numbers: "list[int]") -> "list[int]":
    """Return evenly spread ones of many, the first and the last among them."""
    if len(numbers) <= MOST_POINTS:
        return numbers
    last = len(numbers) - 1
    return [numbers[last * place // (MOST_POINTS - 1)] for place in range(MOST_POINTS)]
