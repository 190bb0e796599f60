"""Films: a file, or frames that are written as GIF, or as another kind where imageio is there."""

from runwrap.inject.media.arrays import CHANNELS, array_of, converted, grid, interleaved, pixels_of
from runwrap.inject.media.gif import LONGEST_SIDE, encode
from runwrap.inject.media.header import size_of
from runwrap.inject.media.storing import (
    Media,
    Source,
    is_path,
    media_object,
    store_bytes,
    store_copy,
    store_made,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from runwrap.inject.media.arrays import Array

KINDS = (".gif", ".mp4", ".webm", ".ogg", ".ogv", ".mov", ".mkv", ".avi", ".m4v")
DEFAULT_FPS = 4
FASTEST_FPS = 1000
RGB = 3


class Video(Media):
    """A film: a path, an open file, or an array of frames. Raises: TypeError, ValueError.

    Frames are time x channels x height x width, or with the channels last; with one dimension more
    before them they are several films, which are shown side by side.
    """

    def __init__(
        self,
        data_or_path: "Any",
        caption: "str | None" = None,
        fps: "float | None" = None,
        format: "str | None" = None,
        loop: int = 0,
    ) -> None:
        self.caption = None if caption is None else str(caption)
        self.kind = (format or "gif").lower().lstrip(".")
        self.source: Source | None = None
        self.content = b""
        self.frames: list[bytes] = []
        self.width: int | None = None
        self.height: int | None = None
        self.fps = checked_fps(fps)
        self.loop = checked_loop(loop)
        if "." + self.kind not in KINDS:
            raise ValueError(f"format: {format!r} is unknown; give one of {', '.join(KINDS)} without the dot")
        if is_path(data_or_path):
            self.source = Source(data_or_path, "data_or_path", KINDS)
            self.kind = self.source.extension.lstrip(".")
            self.width, self.height = size_of(self.source.head())
        elif hasattr(data_or_path, "read"):
            self.content = read_bytes(data_or_path)
            self.width, self.height = size_of(self.content)
        else:
            self.read_array(data_or_path)

    def read_array(self, value: "Any") -> None:
        """Take the frames as they are now."""
        array = array_of(value, "data_or_path")
        films, count, height, width, channels, is_first = film_layout(array)
        if self.kind != "gif":
            writer_of_films()
        elif max(height, width * films) > LONGEST_SIDE:
            raise ValueError(
                f"data_or_path has the shape {array.shape}; a GIF is up to {LONGEST_SIDE} wide and high"
            )
        pixels, _ = pixels_of(array)
        size = height * width * channels
        frames = [pixels[start : start + size] for start in range(0, len(pixels), size)]
        if is_first:
            frames = [interleaved(frame, channels) for frame in frames]
        frames = [converted(frame, channels, RGB) for frame in frames]
        self.frames = [grid(frames[time::count], width * RGB, films) for time in range(count)]
        self.width, self.height = width * films, height

    def _store(self) -> "dict[str, Any] | None":
        extension = "." + self.kind
        is_ours = bool(self.frames)
        if self.source:
            stored = store_copy("videos", self.source)
        elif self.content:
            stored = store_bytes("videos", extension, self.content)
        elif self.kind == "gif":
            assert self.width
            assert self.height
            content = encode(self.width, self.height, self.frames, self.fps, self.loop)
            stored = store_bytes("videos", extension, content)
        else:
            stored = store_made("videos", extension, self.write_film)
        return media_object(
            "video",
            stored,
            format=self.kind,
            width=self.width,
            height=self.height,
            frames=len(self.frames) if is_ours else None,
            fps=self.fps if is_ours else None,
            caption=self.caption,
        )

    def write_film(self, path: str) -> None:
        """Write the frames through imageio."""
        from importlib import import_module

        numpy = import_module("numpy")
        frames = [
            numpy.frombuffer(frame, "uint8").reshape(self.height, self.width, RGB) for frame in self.frames
        ]
        writer_of_films().mimwrite(path, frames, fps=self.fps, macro_block_size=2)


def writer_of_films() -> "Any":
    """Return imageio with its ffmpeg. Raises: ValueError."""
    from importlib import import_module

    try:
        import_module("imageio_ffmpeg")
        return import_module("imageio.v2")
    except ImportError:
        raise ValueError(
            "format: only gif can be written without imageio; install imageio[ffmpeg], or leave it out"
        ) from None


def checked_fps(fps: "Any") -> float:
    """Return frames a second. Raises: TypeError, ValueError."""
    if fps is None:
        return DEFAULT_FPS
    try:
        found = float(fps)
    except (TypeError, ValueError):
        raise TypeError(f"fps: {fps!r} is no number; give frames a second") from None
    if not 0 < found <= FASTEST_FPS:
        raise ValueError(f"fps: {fps!r} is not possible; give frames a second, up to {FASTEST_FPS}")
    return int(found) if found == int(found) else found


def checked_loop(loop: "Any") -> int:
    """Return how often a film begins anew. Raises: ValueError."""
    if not isinstance(loop, int) or not 0 <= loop <= LONGEST_SIDE:
        raise ValueError(f"loop: {loop!r} is no number of times; give 0 for ever")
    return int(loop)


def read_bytes(file: "Any") -> bytes:
    """Read an open file to its end. Raises: TypeError, ValueError."""
    if hasattr(file, "seek"):
        file.seek(0)
    content = file.read()
    if not isinstance(content, bytes):
        raise TypeError("data_or_path: the file is open for text; open it with 'rb'")
    if not content:
        raise ValueError("data_or_path: the file is empty; write to it first")
    return content


def film_layout(array: "Array") -> "tuple[int, int, int, int, int, bool]":
    """Return films, frames, height, width, channels, and whether those come first. Raises: ValueError."""
    shape = array.shape
    if all(shape) and len(shape) in (4, 5):
        films, (count, one, two, three) = (shape[0] if len(shape) == 5 else 1), shape[-4:]
        if one in CHANNELS:
            return films, count, two, three, one, True
        if three in CHANNELS:
            return films, count, one, two, three, False
    raise ValueError(
        f"data_or_path has the shape {shape}; give time x channels x height x width, or them last: 1, 3 or 4"
    )
