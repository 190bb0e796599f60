"""What a script can log beside numbers and texts: each stores its file and says what stands for it."""

import sys

from runwrap.inject.media import plot
from runwrap.inject.media.arrays import library
from runwrap.inject.media.audio import Audio
from runwrap.inject.media.document import Html, Markdown, Plotly, Text
from runwrap.inject.media.drawn import figure_of, has_module, is_pillow
from runwrap.inject.media.histogram import Histogram
from runwrap.inject.media.image import Classes, Image
from runwrap.inject.media.model import Molecule, Object3D
from runwrap.inject.media.storing import Media
from runwrap.inject.media.table import Table, is_frame
from runwrap.inject.media.video import Video

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "Audio",
    "Classes",
    "Gallery",
    "Histogram",
    "Html",
    "Image",
    "Markdown",
    "Media",
    "Molecule",
    "Object3D",
    "Plotly",
    "Table",
    "Text",
    "Video",
    "media_of",
    "plot",
]
LONGEST_GALLERY = 10000


class Gallery(Media):
    """Several media that were logged as a list."""

    def __init__(self, items: "Any") -> None:
        self.items = list(items)

    def _runwrap_value(self) -> "dict[str, Any] | None":
        items = [item._runwrap_value() for item in self.items]
        found = [item for item in items if item is not None]
        return {"_type": "gallery", "count": len(found), "items": found} if found else None


def media_of(value: "Any") -> "Any":
    """Return the media object for what a script logs as it is, or None for what is none.

    Figures and images become pictures, tables of pandas tables, arrays of more than one number
    histograms, lists of media galleries. Raises: TypeError, ValueError.
    """
    if value is None or isinstance(value, (str, int, float, dict)):
        return None
    if hasattr(type(value), "_runwrap_value"):
        return value
    if isinstance(value, (list, tuple)):
        return gallery_of(value)
    if has_module(value, "plotly") and hasattr(value, "to_plotly_json"):
        return Plotly(value)
    if figure_of(value) is not None or is_pillow(value):
        return Image(value)
    return Table(dataframe=value) if is_frame(value) else histogram_of(value)


def gallery_of(values: "Any") -> "Gallery | None":
    """Return a list of media as one, or None where something else is in it."""
    if not values or len(values) > LONGEST_GALLERY:
        return None
    if not all(hasattr(type(value), "_runwrap_value") or is_picture(value) for value in values):
        return None
    return Gallery([media_of(value) for value in values])


def is_picture(value: "Any") -> bool:
    """Tell whether a value of another library is shown as a picture."""
    return is_pillow(value) or figure_of(value) is not None or has_module(value, "plotly")


def histogram_of(value: "Any") -> "Histogram | None":
    """Return a histogram of an array with more than one number."""
    if not library(value) or not hasattr(value, "shape"):
        return None
    count = 1
    for length in value.shape:
        count *= int(length)
    try:
        return Histogram(value) if count > 1 else None
    except (TypeError, ValueError):
        return None  # it holds texts


def picture_of(value: "Any") -> "Any":
    """Return the picture for a figure or an image in a cell of a table; arrays in cells stay numbers."""
    is_plain = sys.modules.keys().isdisjoint(("matplotlib", "PIL", "plotly"))
    return media_of(value) if not is_plain and is_picture(value) else None


Table.media_of = staticmethod(picture_of)
