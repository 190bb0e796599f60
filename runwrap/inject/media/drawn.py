"""Pictures that Pillow or matplotlib hold, as the bytes of a PNG file. Neither is imported here."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_pillow(value: "Any") -> bool:
    """Tell whether a value is an image of Pillow's."""
    return has_module(value, "PIL") and hasattr(value, "convert") and hasattr(value, "save")


def has_module(value: "Any", name: str) -> bool:
    """Tell whether a value's class, or one that it is derived from, is of a library."""
    modules = [getattr(kind, "__module__", None) or "" for kind in type(value).__mro__]
    return any(module == name or module.startswith(name + ".") for module in modules)


def figure_of(value: "Any") -> "Any":
    """Return the figure of matplotlib that a value is, belongs to, or (pyplot itself) has open; else None."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and value is pyplot:
        return pyplot.gcf()
    if not has_module(value, "matplotlib"):
        return None
    figure = value if hasattr(value, "savefig") else getattr(value, "figure", None)
    return figure if hasattr(figure, "savefig") else None


def figure_to_png(figure: "Any") -> bytes:
    """Draw a figure."""
    import io

    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


def pillow_to_bytes(image: "Any", kind: str = "png", mode: "str | None" = None) -> bytes:
    """Write an image of Pillow's as a file. Raises: ValueError, where Pillow cannot."""
    import io

    if mode and image.mode != mode:
        image = image.convert(mode)
    if image.mode not in WRITTEN.get(kind, (image.mode,)):
        image = image.convert("RGBA" if kind == "png" and image.mode in WITH_ALPHA else "RGB")
    content = io.BytesIO()
    try:
        image.save(content, format=FORMATS[kind])
    except (OSError, KeyError) as error:
        raise ValueError(
            f"file_type: Pillow cannot write this image as {kind}: {error}; leave it out"
        ) from None
    return content.getvalue()


FORMATS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "gif": "GIF", "bmp": "BMP", "webp": "WEBP"}
WITH_ALPHA = ("PA", "La", "RGBa")
WRITTEN = {
    "png": ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"),
    "jpg": ("1", "L", "RGB", "CMYK"),
    "jpeg": ("1", "L", "RGB", "CMYK"),
    "bmp": ("1", "L", "P", "RGB"),
}


def raw_to_pillow(width: int, height: int, mode: str, pixels: bytes) -> "Any":
    """Make an image of Pillow's of pixels, for a kind of file that only Pillow writes. Raises: ValueError."""
    from importlib import import_module

    try:
        pillow = import_module("PIL.Image")
    except ImportError:
        raise ValueError(
            "file_type: only png can be written without Pillow; install pillow, or leave it out"
        ) from None
    return pillow.frombytes(mode, (width, height), pixels)
