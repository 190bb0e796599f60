"""Histograms: values of any number, counted into bins; small enough for the journal itself."""

import math
import sys

from runwrap.inject.media.arrays import array_of
from runwrap.inject.media.plainly import plain
from runwrap.inject.media.storing import Media

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runwrap.inject.media.arrays import Array

MOST_BINS = 512


class Histogram(Media):
    """A histogram of a sequence, or counts and edges as `np_histogram`. Raises: TypeError, ValueError."""

    MAX_LENGTH = MOST_BINS

    def __init__(self, sequence: "Any" = None, np_histogram: "Any" = None, num_bins: int = 64) -> None:
        if np_histogram is not None:
            self.histogram, self.bins = checked_histogram(np_histogram)
            self.passed_over = 0
            return
        if sequence is None:
            raise ValueError("sequence: give values, or counts and edges as np_histogram")
        if not isinstance(num_bins, int) or not 0 < num_bins <= MOST_BINS:
            raise ValueError(f"num_bins: {num_bins!r} is not possible; give 1 to {MOST_BINS}")
        is_iterator = hasattr(sequence, "__next__") or isinstance(sequence, (set, frozenset))
        array = array_of(list(sequence) if is_iterator else sequence, "sequence")
        self.histogram, self.bins, self.passed_over = binned(array, num_bins)

    def _store(self) -> "dict[str, Any]":
        value = {"_type": "histogram", "counts": plain(self.histogram), "edges": plain(self.bins)}
        if self.passed_over:
            value["passed_over"] = self.passed_over
        return value


def checked_histogram(given: "Any") -> "tuple[list[Any], list[float]]":
    """Return counts and edges as numpy makes them. Raises: TypeError, ValueError."""
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise ValueError("np_histogram: give counts and edges, as numpy.histogram returns them")
    counts = list_of(array_of(given[0], "np_histogram[0]"))
    edges = list_of(array_of(given[1], "np_histogram[1]"))
    if len(edges) != len(counts) + 1 or not counts:
        raise ValueError(
            f"np_histogram: {len(counts)} counts have {len(edges)} edges; give one edge more than counts"
        )
    if len(counts) > MOST_BINS:
        raise ValueError(f"np_histogram: {len(counts)} counts are more than {MOST_BINS}; take fewer bins")
    if not all(0 <= count < math.inf for count in counts):
        raise ValueError(
            "np_histogram: a count is negative or no number; give how many values fell into each bin"
        )
    if not all(edges[number] < edges[number + 1] for number in range(len(counts))):
        raise ValueError("np_histogram: edges do not ascend; sort them")
    return counts, edges


def list_of(array: "Array") -> "list[Any]":
    """Return the numbers of an array as plain ones."""
    return array.values.tolist() if array.is_numpy else array.values  # type: ignore[no-any-return]


def binned(array: "Array", bins: int) -> "tuple[list[int], list[float], int]":
    """Count values into bins of one width, as numpy does; return also how many were no finite numbers."""
    least, most = array.range()
    if not array.values if isinstance(array.values, list) else not array.values.size:
        least, most = 0, 1
    least, most = float(least), float(most)
    if least == most:
        least, most = least - 0.5, most + 0.5
    if array.is_numpy:
        return binned_by_numpy(array, bins, least, most)
    values = [value for value in array.values if math.isfinite(value)]
    edges = edges_between(least, most, bins)
    return counted(values, edges), edges, len(array.values) - len(values)


def binned_by_numpy(
    array: "Array", bins: int, least: float, most: float
) -> "tuple[list[int], list[float], int]":
    """Count values into bins where numpy is there already."""
    numpy = sys.modules["numpy"]
    values = array.values
    if array.kind == "float":
        values = values[numpy.isfinite(values)]
    if array.kind == "bool" or values.dtype.itemsize < 4:
        values = values.astype("float32")
    counts, edges = numpy.histogram(values, numpy.array(edges_between(least, most, bins)))
    return counts.tolist(), edges.tolist(), int(array.values.size - values.size)


def edges_between(least: float, most: float, bins: int) -> "list[float]":
    """Return edges that are equally far from each other, the last one exactly."""
    width = most / bins - least / bins
    return [least + number * width for number in range(bins)] + [most]


def counted(values: "list[float]", edges: "list[float]") -> "list[int]":
    """Count values between edges; the last bin has its upper edge too."""
    from bisect import bisect_right

    counts = [0] * (len(edges) - 1)
    last = len(counts) - 1
    for value in values:
        counts[min(last, bisect_right(edges, value) - 1)] += 1
    return counts
