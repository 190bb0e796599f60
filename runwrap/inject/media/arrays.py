"""Arrays of any library, and nested lists, as flat numbers with a shape; and those as bytes.

No library is imported here: one that a value comes from is there already.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ARRAY_LIBRARIES = ("numpy", "torch", "jax", "jaxlib", "tensorflow", "cupy", "pandas", "mlx")
CHANNELS = (1, 3, 4)
BYTE = 255


class Array:
    """Numbers with a shape: `values` is a list, or a flat array of numpy; `kind` is bool, int or float."""

    def __init__(
        self, shape: "tuple[int, ...]", kind: str, values: "Any", *, from_torch: bool = False
    ) -> None:
        self.shape = shape
        self.kind = kind
        self.values = values
        self.is_numpy = not isinstance(values, list)
        self.channels_first = from_torch

    def range(self) -> "tuple[float, float]":
        """Return the least and the greatest number that is finite; 0 and 0 where there is none."""
        if self.is_numpy:
            values = self.values
            if self.kind == "float":
                values = values[sys.modules["numpy"].isfinite(values)]
            return (values.min().item(), values.max().item()) if values.size else (0, 0)
        least, most = float("inf"), float("-inf")
        values = self.values
        if self.kind == "float":
            values = [value for value in values if least > value > most]
        return (min(values), max(values)) if values else (0, 0)

    def to_bytes(self, scale: float, offset: float) -> bytes:
        """Return each number times `scale` plus `offset`, rounded, from 0 to 255; NaN becomes 0."""
        if not self.is_numpy:
            return bytes([int(min(255.0, max(0.0, value * scale + offset)) + 0.5) for value in self.values])
        numpy = sys.modules["numpy"]
        if self.values.dtype == numpy.uint8 and (scale, offset) == (1, 0):
            return self.values.tobytes()  # type: ignore[no-any-return]
        is_narrow = self.values.dtype.itemsize <= 2 or self.values.dtype == numpy.float32
        with numpy.errstate(all="ignore"):
            scaled = self.values.astype(numpy.float32 if is_narrow else numpy.float64) * scale + offset
        scaled[numpy.isnan(scaled)] = 0
        return (scaled.clip(0, BYTE) + 0.5).astype(numpy.uint8).tobytes()  # type: ignore[no-any-return]


def library(value: "Any") -> str:
    """Name the library that a value comes from, also where its class is derived from one of there."""
    for kind in type(value).__mro__:
        name = (getattr(kind, "__module__", None) or "").split(".")[0]
        if name in ARRAY_LIBRARIES:
            return name
    return ""


def array_of(value: "Any", name: str) -> Array:
    """Read an array or nested lists. Raises: TypeError, ValueError, both with the argument's name."""
    found = numpy_of(value, name)
    if found is None:
        return array_of_lists(value, name)
    kind = {"b": "bool", "u": "int", "i": "int", "f": "float"}.get(found.dtype.kind)
    if kind is None:
        raise TypeError(f"{name} holds {found.dtype}, and not numbers; convert it, as with .astype(float)")
    if found.dtype.itemsize > 8:
        found = found.astype("float64")
    first = library(value) == "torch" or (is_list(value) and len(value) > 0 and library(value[0]) == "torch")
    return Array(tuple(found.shape), kind, found.reshape(-1), from_torch=first)


def numpy_of(value: "Any", name: str) -> "Any":
    """Return what an array of any library is to numpy, or None for what is none."""
    source = library(value)
    if source == "torch":
        value = value.detach().cpu()
        if str(value.dtype) in ("torch.bfloat16", "torch.float8_e4m3fn", "torch.float8_e5m2"):
            value = value.float()
        return value.numpy()
    if source in ("tensorflow", "cupy"):
        return value.numpy() if source == "tensorflow" else value.get()
    numpy = sys.modules.get("numpy")
    if source and numpy:
        return numpy.asarray(value)
    if numpy and is_list(value) and len(value) > 0 and all(map(library, value)):
        try:
            return numpy.stack([numpy_of(item, name) for item in value])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{name} holds arrays that do not fit together: {error}") from None
    return None


def is_list(value: "Any") -> bool:
    """Tell whether a value is a sequence of things, and neither a text nor an array of one number."""
    if isinstance(value, (str, bytes, dict)) or getattr(value, "shape", None) == ():
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__")


def array_of_lists(value: "Any", name: str) -> Array:
    """Read nested lists. Raises: TypeError, ValueError."""
    if not is_list(value):
        raise TypeError(
            f"{name} is of the type {type(value).__name__}; give an array or nested lists of numbers"
        )
    shape: list[int] = []
    items = [value]
    while items and is_list(items[0]):
        length = len(items[0])
        for item in items:
            if not is_list(item) or len(item) != length:
                raise ValueError(
                    f"{name} has rows of different lengths at depth {len(shape)}; make them equal"
                )
        shape.append(length)
        items = [part for item in items for part in item]
    kind, values = numbers(items, name)
    return Array(tuple(shape), kind, values)


def numbers(items: "list[Any]", name: str) -> "tuple[str, list[Any]]":
    """Return the kind of numbers, and plain ones. Raises: TypeError, ValueError."""
    kinds = set(map(type, items))
    if not kinds <= {bool, int, float}:
        items = [plain_number(item, name) for item in items]
        kinds = set(map(type, items))
    if int in kinds:
        for item in items:
            if type(item) is int and item.bit_length() > 64:
                raise ValueError(f"{name} holds a number of more than 64 bits; scale it")
    if kinds == {bool}:
        return "bool", items
    return ("float" if float in kinds else "int"), items


def plain_number(item: "Any", name: str) -> "Any":
    """Return a number of some library as one of Python's. Raises: TypeError."""
    if library(item) and hasattr(item, "item"):
        item = item.item()
    for kind in (bool, int, float):
        if isinstance(item, kind):
            return kind(item)
    if hasattr(type(item), "__float__"):
        return float(item)
    raise TypeError(f"{name} holds a {type(item).__name__}, and not numbers; give numbers only")


def pixels_of(array: Array, *, normalize: bool = True) -> "tuple[bytes, list[float] | None]":
    """Return an array as bytes, and the range of numbers that was stretched to them, if one was.

    Whole numbers from 0 to 255 stay, true is 255, fractions from 0 to 1 are times 255. Others are
    stretched from their least to their greatest, or without `normalize` cut off at 0 and 255.
    """
    if array.kind == "bool":
        return array.to_bytes(BYTE, 0), None
    least, most = array.range()
    fits = least >= 0 and most <= (BYTE if array.kind == "int" else 1)
    if fits or not normalize:
        return array.to_bytes(BYTE if fits and array.kind == "float" else 1, 0), None
    if least == most:
        return array.to_bytes(float("inf") if most else 1, 0), [least, most]
    scale = BYTE / (most - least)
    return array.to_bytes(scale, -least * scale), [least, most]


def picture_layout(array: Array, name: str) -> "tuple[int, int, int, bool]":
    """Return height, width, channels, and whether those come first. Raises: ValueError."""
    shape = array.shape
    is_wanted = len(shape) in (2, 3) and all(shape)
    if is_wanted and len(shape) == 2:
        return shape[0], shape[1], 1, False
    if is_wanted and shape[0] in CHANNELS and (array.channels_first or shape[2] not in CHANNELS):
        return shape[1], shape[2], shape[0], True
    if is_wanted and shape[2] in CHANNELS:
        return shape[0], shape[1], shape[2], False
    raise ValueError(
        f"{name} has the shape {shape}; give height x width, or with 1, 3 or 4 channels behind or before them"
    )


def interleaved(planes: bytes, channels: int) -> bytes:
    """Return pixel by pixel what lies channel by channel."""
    if channels == 1:
        return planes
    area = len(planes) // channels
    pixels = bytearray(len(planes))
    for channel in range(channels):
        pixels[channel::channels] = planes[channel * area : (channel + 1) * area]
    return bytes(pixels)


def converted(pixels: bytes, old: int, new: int) -> bytes:
    """Return pixels with another number of channels: 1 is grey, 3 RGB, 4 RGB and alpha."""
    if old == new:
        return pixels
    planes = [pixels[channel::old] for channel in range(min(old, 3))]
    if new == 1:
        return bytes(
            [(red * 299 + green * 587 + blue * 114 + 500) // 1000 for red, green, blue in zip(*planes)]
        )
    planes = (planes * 3)[:3]
    if new == 4:
        planes.append(b"\xff" * len(planes[0]))
    return interleaved(b"".join(planes), new)


def grid(pictures: "list[bytes]", stride: int, in_row: int) -> bytes:
    """Put pictures of one size into rows, and black ones where the last row has a gap."""
    pictures = pictures + [bytes(len(pictures[0]))] * (-len(pictures) % in_row)
    starts = range(0, len(pictures[0]), stride)
    rows = [pictures[first : first + in_row] for first in range(0, len(pictures), in_row)]
    return b"".join(picture[start : start + stride] for row in rows for start in starts for picture in row)
