"""What is read or looked at as it is: HTML, text, Markdown, figures of plotly."""

import os

from runwrap.inject.media.plainly import text as whole_text
from runwrap.inject.media.storing import Media, Source, media_object, store_bytes, store_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LONGEST_PATH = 4096


class Html(Media):
    """A page: a text of HTML, the path of a file, or an open file. Raises: TypeError, ValueError."""

    def __init__(
        self, data: "Any", inject: bool = True, data_is_not_path: bool = False, caption: "str | None" = None
    ) -> None:
        self.caption = None if caption is None else str(caption)
        self.source: Source | None = None
        self.content = b""
        is_text = isinstance(data, str) and (data_is_not_path or not is_file(data))
        if not is_text and isinstance(data, (str, os.PathLike)):
            self.source = Source(data, "data", (".html", ".htm"))
        elif hasattr(data, "read"):
            if hasattr(data, "seek"):
                data.seek(0)
            self.content = encoded(data.read(), "data")
        else:
            self.content = encoded(data, "data")

    def _store(self) -> "dict[str, Any] | None":
        stored = (
            store_copy("html", self.source) if self.source else store_bytes("html", ".html", self.content)
        )
        return media_object("html", stored, caption=self.caption)


class Text(Media):
    """A text that is shown letter by letter. Raises: TypeError."""

    kind = "text"
    extension = ".txt"

    def __init__(self, data: str, caption: "str | None" = None) -> None:
        self.caption = None if caption is None else str(caption)
        self.content = encoded(data, "data")

    def _store(self) -> "dict[str, Any] | None":
        return media_object(
            self.kind, store_bytes(self.kind, self.extension, self.content), caption=self.caption
        )


class Markdown(Text):
    """A text in Markdown. Raises: TypeError."""

    kind = "markdown"
    extension = ".md"


class Plotly(Media):
    """A figure of plotly. Raises: TypeError."""

    def __init__(self, val: "Any", caption: "str | None" = None) -> None:
        self.caption = None if caption is None else str(caption)
        if not callable(getattr(val, "to_json", None)) or not hasattr(val, "to_plotly_json"):
            raise TypeError(
                f"val: it is a {type(val).__name__}; give a figure of plotly, or Image() one of matplotlib"
            )
        self.content = encoded(val.to_json(), "val")

    def _store(self) -> "dict[str, Any] | None":
        return media_object("plotly", store_bytes("plotly", ".json", self.content), caption=self.caption)


def is_file(data: str) -> bool:
    """Tell whether a short text is the path of a file."""
    try:
        return len(data) < LONGEST_PATH and os.path.isfile(data)
    except ValueError:  # a zero in it
        return False


def encoded(data: "Any", name: str) -> bytes:
    """Return a text as bytes. Raises: TypeError."""
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        raise TypeError(f"{name}: it is a {type(data).__name__}; give a text")
    return whole_text(data).encode()
