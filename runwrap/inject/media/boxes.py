"""Boxes that are drawn over a picture: what is given is checked, and written the same way."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EDGES = ("minX", "maxX", "minY", "maxY")
# A detector's box may lie a little outside; one that is further out was given in other units.
TOLERANCE = 0.1


def checked_boxes(
    boxes: "Any", size: "tuple[Any, Any]", classes: "dict[str, str] | None"
) -> "dict[str, dict[str, Any]]":
    """Return groups of boxes by their names. Raises: TypeError, ValueError."""
    if boxes is None:
        return {}
    if not isinstance(boxes, dict):
        raise TypeError("boxes: give a dict, from the name of a group to its box_data")
    groups = {}
    for name, group in boxes.items():
        where = f"boxes[{name!r}]"
        if not isinstance(group, dict) or not isinstance(group.get("box_data"), (list, tuple)):
            raise TypeError(f"{where}: give a dict with a list `box_data`")
        labels = checked_labels(group.get("class_labels"), where) or classes
        checked = [
            checked_box(box, f"{where}['box_data'][{n}]", size) for n, box in enumerate(group["box_data"])
        ]
        groups[str(name)] = {"box_data": checked, "class_labels": labels or {}}
    return groups


def checked_labels(labels: "Any", where: str) -> "dict[str, str] | None":
    """Return names of classes by the texts of their numbers. Raises: TypeError, ValueError."""
    if labels is None:
        return None
    if not isinstance(labels, dict):
        raise TypeError(f"{where}: class_labels is a dict, from the number of a class to its name")
    try:
        return {str(int(key)): str(label) for key, label in labels.items()}
    except (TypeError, ValueError):
        raise ValueError(
            f"{where}: class_labels has a key that is no whole number: {list(labels)[:5]}"
        ) from None


def checked_box(box: "Any", where: str, size: "tuple[Any, Any]") -> "dict[str, Any]":
    """Return a box with its edges. Raises: TypeError, ValueError."""
    if not isinstance(box, dict) or not isinstance(box.get("position"), dict):
        raise TypeError(f"{where}: give a dict with a dict `position`")
    domain = box.get("domain")
    if domain not in (None, "pixel"):
        raise ValueError(
            f"{where}: the domain {domain!r} is unknown; give 'pixel', or leave it out for fractions"
        )
    edges = edges_of(box["position"], where)
    within(edges, size if domain else (1, 1), where, domain)
    checked = {"position": edges, "class_id": class_of(box, where)}  # type: dict[str, Any]
    if domain:
        checked["domain"] = domain
    if box.get("box_caption") is not None:
        checked["box_caption"] = str(box["box_caption"])
    if box.get("scores") is not None:
        checked["scores"] = scores_of(box["scores"], where)
    return checked


def class_of(box: "dict[str, Any]", where: str) -> "int | None":
    """Return the number of a box's class. Raises: ValueError."""
    found = box.get("class_id")
    try:
        return None if found is None else int(found)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: class_id is no whole number: {found!r}") from None


def scores_of(scores: "Any", where: str) -> "dict[str, float]":
    """Return scores by their names. Raises: ValueError."""
    try:
        return {str(key): float(score) for key, score in scores.items()}
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"{where}: scores is a dict, from a name to a number") from None


def edges_of(position: "dict[str, Any]", where: str) -> "dict[str, float]":
    """Return the four edges of a box, however its position was given. Raises: ValueError."""
    try:
        if "middle" in position:
            (x, y), width, height = position["middle"], position["width"], position["height"]
            found = [x - width / 2, x + width / 2, y - height / 2, y + height / 2]
        else:
            found = [position[key] for key in EDGES]
        edges = {key: float(value) for key, value in zip(EDGES, found)}
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"{where}: position has numbers {', '.join(EDGES)}, or middle, width and height"
        ) from None
    if not (edges["minX"] <= edges["maxX"] and edges["minY"] <= edges["maxY"]):
        raise ValueError(f"{where}: {edges} does not go from the smaller to the larger")
    return edges


def within(edges: "dict[str, float]", size: "tuple[Any, Any]", where: str, domain: "str | None") -> None:
    """Check that a box lies in its picture. Raises: ValueError."""
    for low, high, most in (("minX", "maxX", size[0]), ("minY", "maxY", size[1])):
        room = most * TOLERANCE if most else float("inf")
        if edges[low] < -room or edges[high] > (most or 0) + room:
            advice = (
                "give pixels of this picture" if domain else "add 'domain': 'pixel' where these are pixels"
            )
            raise ValueError(f"{where}: {edges} lies outside of 0 to {most}; {advice}")
