"""Pictures, with masks and boxes over them."""

from runwrap.inject.media.arrays import (
    Array,
    array_of,
    converted,
    grid,
    interleaved,
    picture_layout,
    pixels_of,
)
from runwrap.inject.media.boxes import checked_boxes, checked_labels
from runwrap.inject.media.drawn import (
    FORMATS,
    figure_of,
    figure_to_png,
    is_pillow,
    pillow_to_bytes,
    raw_to_pillow,
)
from runwrap.inject.media.header import size_of
from runwrap.inject.media.plainly import json_bytes
from runwrap.inject.media.png import class_colours, encode
from runwrap.inject.media.storing import Media, Source, is_path, media_object, store_bytes, store_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODES = {"L": 1, "RGB": 3, "RGBA": 4}
NAMES = {1: "L", 3: "RGB", 4: "RGBA"}
MOST_CLASSES = 256
BATCH_DIMENSIONS = 4
PICTURES_IN_ROW = 8
KINDS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".svg")


class Classes(list):  # type: ignore[type-arg]
    """Names of classes: a list of dicts with `id` and `name`."""


class Image(Media):
    """A picture: a path, an array, a tensor, nested lists, an image of Pillow's or a figure of matplotlib.

    Raises: TypeError, ValueError, before anything is written.
    """

    def __init__(
        self,
        data_or_path: "Any",
        mode: "str | None" = None,
        caption: "str | None" = None,
        grouping: "int | None" = None,
        classes: "Any" = None,
        boxes: "Any" = None,
        masks: "Any" = None,
        file_type: "str | None" = None,
        normalize: bool = True,
    ) -> None:
        self.mode = mode
        self.caption = None if caption is None else str(caption)
        self.grouping = grouping
        self.kind = checked_kind(file_type)
        self.value_range: list[float] | None = None
        self.source: Source | None = None
        self.content = b""
        self.width: int | None = None
        self.height: int | None = None
        self.raw: tuple[int, int, int, bytes] | None = None
        self.read(data_or_path, normalize)
        names = class_names(classes)
        self.masks = checked_masks(masks, names)
        self.boxes = checked_boxes(boxes, (self.width, self.height), names)

    def read(self, value: "Any", normalize: bool) -> None:
        """Take the picture as it is now, whatever it is."""
        if isinstance(value, Image):
            self.take_over(value)
            return
        figure = figure_of(value)
        if is_path(value):
            self.source = Source(value, "data_or_path", KINDS)
            self.width, self.height = size_of(self.source.head())
        elif figure is not None:
            self.content = figure_to_png(figure)
            self.width, self.height = size_of(self.content)
        elif is_pillow(value):
            self.content = pillow_to_bytes(value, self.kind, self.mode)
            self.width, self.height = value.size
        else:
            self.raw = self.read_array(value, normalize)
            self.width, self.height = self.raw[:2]

    def take_over(self, other: "Image") -> None:
        """Be the same picture as another."""
        self.source, self.content, self.raw = other.source, other.content, other.raw
        self.width, self.height = other.width, other.height
        self.value_range = other.value_range
        self.kind = other.kind if self.content else self.kind
        self.caption = self.caption if self.caption is not None else other.caption

    def read_array(self, value: "Any", normalize: bool) -> "tuple[int, int, int, bytes]":
        """Return width, height, channels and bytes of an array; of several pictures, those of a grid."""
        array = array_of(value, "data_or_path")
        is_batch = len(array.shape) == BATCH_DIMENSIONS and array.shape[0] > 0
        shape = array.shape[1:] if is_batch else array.shape
        one = Array(shape, array.kind, [], from_torch=array.channels_first)
        height, width, channels, is_first = picture_layout(one, "data_or_path")
        wanted = MODES.get(self.mode or NAMES[channels])
        if wanted is None:
            raise ValueError(f"mode: {self.mode!r} is unknown for an array; give one of {', '.join(MODES)}")
        pixels, self.value_range = pixels_of(array, normalize=normalize)
        size = width * height * channels
        pictures = [pixels[start : start + size] for start in range(0, len(pixels), size)]
        if is_first:
            pictures = [interleaved(picture, channels) for picture in pictures]
        pictures = [converted(picture, channels, wanted) for picture in pictures]
        in_row = min(len(pictures), PICTURES_IN_ROW)
        pixels = grid(pictures, width * wanted, in_row) if is_batch else pictures[0]
        return width * in_row, height * -(-len(pictures) // in_row), wanted, pixels

    def encoded(self) -> bytes:
        """Return the file of a picture that came without one."""
        if self.raw is None:
            return self.content
        width, height, channels, pixels = self.raw
        if self.kind == "png":
            return encode(width, height, channels, pixels)
        return pillow_to_bytes(raw_to_pillow(width, height, NAMES[channels], pixels), self.kind)

    def _store(self) -> "dict[str, Any] | None":
        if self.source:
            stored = store_copy("images", self.source)
            kind = self.source.extension.lstrip(".")
        else:
            stored = store_bytes("images", "." + self.kind, self.encoded())
            kind = self.kind
        return media_object(
            "image",
            stored,
            format=kind,
            width=self.width,
            height=self.height,
            caption=self.caption,
            grouping=self.grouping,
            value_range=self.value_range,
            masks=self.store_masks(),
            boxes=self.store_boxes(),
        )

    def store_masks(self) -> "dict[str, Any] | None":
        """Store each mask as a PNG of its own, whose pixels are the numbers of the classes."""
        found = {}
        for name, (source, raw, labels) in self.masks.items():
            if source:
                stored = store_copy("masks", source)
            else:
                width, height, pixels = raw
                stored = store_bytes(
                    "masks", ".png", encode(width, height, 1, pixels, class_colours(max(pixels) + 1))
                )
            if stored:
                found[name] = dict(stored, class_labels=labels)
        return found or None

    def store_boxes(self) -> "dict[str, Any] | None":
        """Store each group of boxes as a JSON file."""
        found = {}
        for name, group in self.boxes.items():
            stored = store_bytes("boxes", ".json", json_bytes(group))
            if stored:
                found[name] = dict(stored, count=len(group["box_data"]))
        return found or None


def checked_kind(file_type: "str | None") -> str:
    """Return the kind of file that is to be written. Raises: ValueError."""
    kind = (file_type or "png").lower().lstrip(".")
    if kind not in FORMATS:
        raise ValueError(f"file_type: {file_type!r} is unknown; give one of {', '.join(FORMATS)}")
    return kind


def class_names(classes: "Any") -> "dict[str, str] | None":
    """Return names of classes by their numbers, from dicts with `id` and `name`. Raises: ValueError."""
    if not classes:
        return None
    try:
        return checked_labels({item["id"]: item["name"] for item in classes}, "classes")
    except (KeyError, TypeError):
        raise ValueError("classes: give a list of dicts with `id` and `name`") from None


def checked_masks(masks: "Any", names: "dict[str, str] | None") -> "dict[str, Any]":
    """Return masks by their names: a file or pixels, and names of classes. Raises: TypeError, ValueError."""
    if masks is None:
        return {}
    if not isinstance(masks, dict):
        raise TypeError("masks: give a dict, from the name of a mask to its mask_data")
    checked: dict[str, Any] = {}
    for name, mask in masks.items():
        where = f"masks[{name!r}]"
        if not isinstance(mask, dict) or not ("mask_data" in mask or "path" in mask):
            raise ValueError(f"{where}: give a dict with `mask_data` or `path`")
        labels = checked_labels(mask.get("class_labels"), where) or names or {}
        if "path" in mask:
            checked[str(name)] = (Source(mask["path"], where, (".png",)), None, labels)
        else:
            checked[str(name)] = (None, mask_pixels(mask["mask_data"], where), labels)
    return checked


def mask_pixels(data: "Any", where: str) -> "tuple[int, int, bytes]":
    """Return width, height and pixels of a mask. Raises: TypeError, ValueError."""
    array = array_of(data, where)
    if len(array.shape) != 2 or not all(array.shape):
        raise ValueError(f"{where}: mask_data has the shape {array.shape}; give height x width")
    if array.kind == "float":
        raise TypeError(f"{where}: mask_data holds fractions; give whole numbers, one for each class")
    least, most = array.range()
    if least < 0 or most >= MOST_CLASSES:
        raise ValueError(
            f"{where}: mask_data goes from {least} to {most}; classes have numbers from 0 to 255"
        )
    return array.shape[1], array.shape[0], array.to_bytes(1, 0)
