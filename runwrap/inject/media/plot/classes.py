"""What classes a truth and its predictions speak of."""

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def listed(value: "Any", name: str) -> "list[Any]":
    """Return a sequence, or an array of any library, as a plain list. Raises: TypeError, ValueError."""
    if value is None:
        raise ValueError(f"{name}: it is missing; give one for each example")
    if hasattr(value, "detach"):  # torch
        value = value.detach().cpu()
    if hasattr(value, "numpy") and not hasattr(value, "tolist"):  # tensorflow
        value = value.numpy()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
        raise TypeError(f"{name}: it is a {type(value).__name__}; give a sequence")
    return [item.item() if hasattr(item, "item") else item for item in value]


def same_length(one: "Any", other: "Any", names: str) -> None:
    """Check that two sequences belong together. Raises: ValueError."""
    if len(one) != len(other) or not len(one):
        raise ValueError(
            f"{names} have the lengths {len(one)} and {len(other)}; give one of each for each example"
        )


def numbered(truth: "list[Any]", count: int, labels: "list[Any] | None", name: str) -> "list[int]":
    """Return the number of each example's class among `count`. Raises: ValueError.

    Classes are numbers from 0, or what `labels` names, or, sorted, as many values as there are classes.
    """
    if labels is not None and len(labels) != count:
        raise ValueError(
            f"labels: {len(labels)} names for {count} classes; give one for each, in their order"
        )
    if all(isinstance(item, (int, float)) and item == int(item) and 0 <= item < count for item in truth):
        return [int(item) for item in truth]
    known = list(labels) if labels is not None and set(truth) <= set(labels) else sorted(set(truth), key=str)
    if len(known) != count:
        few = ", ".join(map(repr, known[:5]))
        raise ValueError(
            f"{name}: it has {len(known)} classes ({few}) where {count} are scored; give numbers from 0"
        )
    place = {label: number for number, label in enumerate(known)}
    return [place[item] for item in truth]


def names_of(truth: "list[Any]", count: int, labels: "list[Any] | None") -> "list[str]":
    """Return names of classes: as given, as found in the truth, or their numbers."""
    if labels is not None:
        return [str(label) for label in labels]
    found = sorted(set(truth), key=str)
    is_named = len(found) == count and not all(isinstance(item, (int, float)) for item in found)
    return [str(label) for label in found] if is_named else [str(number) for number in range(count)]


def checked_scores(values: "Any", is_array: bool) -> None:
    """Check that scores are numbers. Raises: ValueError."""
    if any(math.isnan(value) for value in (values.tolist() if is_array else values)):
        raise ValueError("y_probas: a score is NaN; leave out such examples")
