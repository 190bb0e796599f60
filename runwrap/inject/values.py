"""What scripts have, as JSON: numbers of any library, settings of any kind, and media.

No library is imported for it: one that a value comes from is there already.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Complain = Callable[[str], None]

LONGEST_TEXT = 1000
LONGEST_NAME = 1000
DEEPEST = 50
MOST_BITS = 2048
MOST_LISTED = 1000
DONE = (str, float, bool, type(None))
# Classes of other people raise errors of their own when they are asked for a number, a text or their items.
ODD = Exception
NOTHING = object()


def row(values: "Any", complain: "Complain") -> "dict[str, Any]":
    """Return values of a step by flat names: numbers, texts and media objects. Raises: TypeError."""
    items = mapping_of(values)
    if items is None:
        raise TypeError(
            f"log() takes a dict of names and values, not a {type(values).__name__}: {short(values)}"
        )
    flat: "dict[str, Any]" = {}
    fill(flat, "", items, complain, 0)
    return flat


def fill(
    flat: "dict[str, Any]", prefix: str, items: "dict[Any, Any]", complain: "Complain", depth: int
) -> None:
    """Put values into a row, those within others under `a/b`."""
    for key, value in list(items.items()):
        name = (prefix + name_of(key))[:LONGEST_NAME]
        if type(value) in DONE:
            flat[name] = value
            continue
        found = number_of(value)
        if found is not NOTHING:
            flat[name] = found
            continue
        inner = mapping_of(value)
        if inner is None or depth >= DEEPEST:
            stored = shown(name, value, complain)
            if stored is not NOTHING:
                flat[name] = stored
        elif "_type" in inner:  # a media object as it is stored
            flat[name] = plain(inner)
        else:
            fill(flat, name + "/", inner, complain, depth + 1)


def shown(name: str, value: "Any", complain: "Complain") -> "Any":
    """Return a media object or a text for what is no number; NOTHING where it cannot be stored."""
    try:
        found = None if is_text_like(value) else media_of(value)
        if found is not None:
            stored = found._runwrap_value()
            return NOTHING if stored is None else stored
    except ODD as error:
        complain(f"{name[:100]!r} was not stored as what it is: {short(error)}")
    return text_of(value)


def media_of(value: "Any") -> "Any":
    """Return the media object that a value is, or is made into; None for others."""
    if hasattr(value, "_runwrap_value"):
        return value
    from runwrap.inject import media

    return media.media_of(value)


def is_text_like(value: "Any") -> bool:
    """Tell whether a value is shown as a text anyway."""
    if isinstance(value, (list, tuple)):
        return all(type(item) in (str, float, int, bool) for item in value)
    return isinstance(value, (bytes, bytearray, set, frozenset, os.PathLike, type)) or callable(value)


def number_of(value: "Any") -> "Any":
    """Return the number or text that a value stands for, or NOTHING."""
    if isinstance(value, bool) or value is None:
        return value
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, int):
        return int(value) if value.bit_length() <= MOST_BITS else hex(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    try:
        return other_number(value)
    except ODD:
        return NOTHING


def other_number(value: "Any") -> "Any":
    """Return the one number of an array, or the one that a number of another kind is near; else NOTHING."""
    if isinstance(value, type):
        return NOTHING
    if hasattr(value, "shape") and size_of(value.shape) == 1:
        return item_of(value)
    if hasattr(value, "total_seconds"):
        return float(value.total_seconds())
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    is_number = hasattr(value, "as_integer_ratio") or hasattr(value, "numerator")
    if is_number and not hasattr(value, "shape") and hasattr(value, "__float__"):
        return float(value)
    return NOTHING


def size_of(shape: "Iterable[Any]") -> int:
    """Return how many items an array has."""
    size = 1
    for length in shape:
        size *= int(length)
    return size


def item_of(value: "Any") -> "Any":
    """Return the one item of an array, or NOTHING where it is no number, text or moment."""
    if not hasattr(value, "item") and not hasattr(value, "numpy"):
        return NOTHING
    item = value.item() if hasattr(value, "item") else value.numpy().item()
    if type(item) is type(value):  # a number that is longer than Python's
        return float(item)
    if isinstance(item, bytes):
        return text_of(item)
    item = item.item() if hasattr(item, "item") else item
    return NOTHING if hasattr(item, "item") else number_of(item)  # what has items without end is a mock


def mapping_of(value: "Any") -> "dict[Any, Any] | None":
    """Return the items of a dict, a dataclass, a namedtuple, a namespace or the like, or None."""
    if type(value) is dict:
        return value
    try:
        return dict(pairs_of(value))
    except ODD:
        return None


def pairs_of(value: "Any") -> "Iterable[tuple[Any, Any]]":
    """Return the items of what has named parts. Raises: TypeError, or what its class raises."""
    if hasattr(value, "_runwrap_value") or isinstance(value, type) or hasattr(value, "shape"):
        raise TypeError(value)
    if hasattr(value, "__dataclass_fields__"):
        return [(name, getattr(value, name)) for name in value.__dataclass_fields__ if hasattr(value, name)]
    if isinstance(value, tuple):
        return zip(value._fields, value)  # type: ignore[attr-defined]
    if type(value).__name__ in ("Namespace", "SimpleNamespace") or isinstance(value, namespace_classes()):
        value = vars(value)
    elif type(value).__module__.startswith("omegaconf."):
        value = sys.modules["omegaconf"].OmegaConf.to_container(value, resolve=True)
    elif hasattr(value, "flag_values_dict"):
        value = value.flag_values_dict()
    is_mapping = hasattr(value, "keys") and hasattr(value, "__getitem__")
    return [(key, value[key]) for key in value.keys()] if is_mapping else value.items()  # noqa: SIM118 - not all are dicts


def namespace_classes() -> "tuple[type, ...]":
    """Return the class of what argparse makes, where that is loaded."""
    argparse = sys.modules.get("argparse")
    return () if argparse is None else (argparse.Namespace,)


def plain(value: "Any", depth: int = 0) -> "Any":
    """Return a setting as JSON: nested as it is, and texts for what has no other form."""
    if type(value) in DONE:
        return value
    found = number_of(value) if dimensions_of(value) == 0 else NOTHING
    if found is not NOTHING:
        return found
    if depth >= DEEPEST:
        return "..."
    inner = mapping_of(value)
    if inner is not None:
        return {name_of(key): plain(item, depth + 1) for key, item in inner.items()}
    listed = items_of(value)
    if listed is not None:
        return [plain(item, depth + 1) for item in listed]
    return text_of(value)


def dimensions_of(value: "Any") -> int:
    """Return in how many dimensions a value is an array."""
    try:
        return len(value.shape)
    except ODD:
        return 0


def name_of(key: "Any") -> str:
    """Return the name of a setting."""
    return (key if type(key) is str else short(key))[:LONGEST_NAME]


def items_of(value: "Any") -> "list[Any] | None":
    """Return the items of a list, a set, or of an array that is not large; else None."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=lambda item: (type(item).__name__, text_of(item)))
    if isinstance(value, (list, tuple, range)) or type(value).__name__ == "ListConfig":
        return list(value)
    try:
        is_array = (
            hasattr(value, "tolist") and hasattr(value, "shape") and size_of(value.shape) <= MOST_LISTED
        )
        listed = value.tolist() if is_array else None
    except ODD:
        return None
    return listed if isinstance(listed, list) else None


def text_of(value: "Any") -> str:
    """Return what a value says of itself, not for too long."""
    try:
        return own_text(value)
    except ODD:
        return short(value)


def own_text(value: "Any") -> str:
    """Return the text of what has one, without addresses in memory. Raises: what its class raises."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[:LONGEST_TEXT]).decode("utf-8", "backslashreplace")[:LONGEST_TEXT]
    if isinstance(value, (set, frozenset)):
        return short(items_of(value))
    if isinstance(value, os.PathLike):
        return os.fsdecode(os.fspath(value))
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str) and callable(value):
        return short(f"{value.__module__}.{name}")
    return short(value)


def short(value: "Any") -> str:
    """Return the beginning of a text."""
    try:
        return str(value)[:LONGEST_TEXT]
    except ODD:
        return f"<{type(value).__name__}>"


def whole(value: "Any", complain: "Complain") -> "int | None":
    """Return a step as a whole number, or None for what is none."""
    number = number_of(value)
    try:
        found = int(number)
    except ODD:
        complain(f"step={short(value)[:100]} is no whole number; the row is at the next step.")
        return None
    if isinstance(number, float) and number != found:
        complain(f"step={number} is no whole number; the row is at step {found}.")
    return found
