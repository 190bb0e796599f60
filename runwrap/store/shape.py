"""The shape of a metric over its steps, or over time, in bounded memory: the longer, the coarser."""

from __future__ import annotations

from typing import Any

# JSON can say it: {"shift", "first", "last", "buckets": {PLACE: [least, greatest, mean, count]}}. A bucket
# holds the points whose position, without its last `shift` bits, is its place; where none was a number the
# count is 0.
Shape = dict[str, Any]
# The least and the greatest value in a column, and their mean; None where there is a gap.
Column = tuple[float, float, float] | None


def new_shape() -> Shape:
    """Return the shape of nothing yet."""
    return {"shift": 0, "first": 0, "last": 0, "buckets": {}}


def add(shape: Shape, position: int, number: float | None, most: int) -> None:
    """Take one more point in, in any order, into so many buckets at most; None is one without a number."""
    buckets = shape["buckets"]
    place = position >> shape["shift"]
    bucket = buckets.get(str(place))
    if bucket is not None:
        if number is not None:
            put(bucket, number)
        return
    first, last = (min(shape["first"], place), max(shape["last"], place)) if buckets else (place, place)
    if last - first >= most:
        coarsen(shape, first, last, most)
        add(shape, position, number, most)
        return
    shape["first"], shape["last"] = first, last
    buckets[str(place)] = [None, None, None, 0] if number is None else [number, number, number, 1]


def put(bucket: list[Any], number: float) -> None:
    """Take one number into a bucket; this is what most points come to."""
    least, greatest, mean, count = bucket
    if not count:
        bucket[:] = [number, number, number, 1]
        return
    if number < least:
        bucket[0] = number
    elif number > greatest:
        bucket[1] = number
    count += 1
    # Halves, as the difference of two numbers may be larger than any number.
    bucket[2] = mean + (number / 2 - mean / 2) / count * 2
    bucket[3] = count


def coarsen(shape: Shape, first: int, last: int, most: int) -> None:
    """Double the width of the buckets until these places are no more than so many."""
    steps = 0
    while (last >> steps) - (first >> steps) >= most:
        steps += 1
    joined: dict[str, list[Any]] = {}
    for place, bucket in shape["buckets"].items():
        join(joined.setdefault(str(int(place) >> steps), [None, None, None, 0]), bucket)
    shape["shift"] += steps
    shape["first"], shape["last"] = shape["first"] >> steps, shape["last"] >> steps
    shape["buckets"] = joined


def join(bucket: list[Any], other: list[Any]) -> None:
    """Take what one bucket holds into another."""
    if not other[3]:
        return
    if not bucket[3]:
        bucket[:] = other
        return
    count = bucket[3] + other[3]
    mean = bucket[2] + (other[2] / 2 - bucket[2] / 2) * (other[3] / count) * 2
    bucket[:] = [min(bucket[0], other[0]), max(bucket[1], other[1]), mean, count]


def columns(shape: Shape, width: int) -> list[Column]:
    """Return a shape as so many columns: straight between its points, and a gap where it was no number."""
    found: dict[int, list[Any]] = {}
    span = max(1, shape["last"] - shape["first"])
    for place, bucket in shape["buckets"].items():
        column = ((int(place) - shape["first"]) * (width - 1) * 2 + span) // (2 * span)
        join(found.setdefault(column, [None, None, None, 0]), bucket)
    drawn: list[Column] = [None] * width
    before = -1
    for column in sorted(found):
        least, greatest, mean, count = found[column]
        if count:
            drawn[column] = (least, greatest, mean)
        bridge(drawn, before, column)
        before = column
    return drawn


def bridge(drawn: list[Column], start: int, end: int) -> None:
    """Fill the columns between two points with the line from one to the other."""
    left, right = drawn[start] if start >= 0 else None, drawn[end]
    if left is None or right is None:
        return
    low, high = sorted((left[2], right[2]))
    for column in range(start + 1, end):
        share = (column - start) / (end - start)
        level = min(high, max(low, left[2] * (1 - share) + right[2] * share))
        drawn[column] = (level, level, level)


def means(shape: Shape, most_columns: int) -> list[float | None]:
    """Return the means of a shape in as many columns as it has buckets, up to so many."""
    width = min(most_columns, len(shape["buckets"]))
    return [column[2] if column else None for column in columns(shape, width)] if width else []
