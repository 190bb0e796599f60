"""Shapes in space: files of models and molecules, and clouds of points."""

from runwrap.inject.media.arrays import array_of
from runwrap.inject.media.plainly import json_bytes, plain
from runwrap.inject.media.storing import Media, Source, is_path, media_object, store_bytes, store_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODELS = (".obj", ".glb", ".gltf", ".stl", ".ply", ".babylon", ".pts.json")
MOLECULES = (".pdb", ".pqr", ".mmcif", ".mcif", ".cif", ".sdf", ".sd", ".gro", ".mol2", ".mmtf")
COLUMNS = {3: "x, y, z", 4: "x, y, z, class", 6: "x, y, z, red, green, blue"}


class Shape(Media):
    """A file of a kind that is known, or an open file with `file_type`. Raises: TypeError, ValueError."""

    kind = ""
    group = ""
    extensions: "tuple[str, ...]" = ()

    def __init__(self, data_or_path: "Any", caption: "str | None" = None, **kwargs: "Any") -> None:
        self.caption = None if caption is None else str(caption)
        self.source: Source | None = None
        self.content = b""
        self.facts: dict[str, Any] = {}
        if is_path(data_or_path):
            self.source = Source(data_or_path, "data_or_path", self.extensions)
            self.extension = self.source.extension
        elif hasattr(data_or_path, "read"):
            self.extension = self.named_kind(kwargs.get("file_type"))
            content = data_or_path.read()
            self.content = content if isinstance(content, bytes) else content.encode()
        else:
            self.read(data_or_path)

    def named_kind(self, file_type: "Any") -> str:
        """Return the ending for what comes without a name. Raises: ValueError."""
        extension = "." + str(file_type).lower().lstrip(".")
        if extension not in self.extensions:
            raise ValueError(
                f"file_type: an open file needs one of {', '.join(self.extensions)}, not {file_type!r}"
            )
        return extension

    def read(self, value: "Any") -> None:
        """Take what is neither a path nor a file. Raises: TypeError."""
        raise TypeError(f"data_or_path: it is a {type(value).__name__}; give the path of a file")

    def _store(self) -> "dict[str, Any] | None":
        if self.source:
            stored = store_copy(self.group, self.source)
        else:
            stored = store_bytes(self.group, self.extension, self.content)
        return media_object(self.kind, stored, format=self.extension[1:], caption=self.caption, **self.facts)


class Object3D(Shape):
    """A model: a path, an open file, points (N x 3, 4 or 6), or a dict with `points`."""

    kind = "object3d"
    group = "models"
    extensions = MODELS

    def read(self, value: "Any") -> None:
        """Take points, and what a dict has beside them. Raises: TypeError, ValueError."""
        scene = value if isinstance(value, dict) else {"points": value}
        if "points" not in scene:
            raise ValueError("data_or_path: the dict has no `points`; give them as N x 3, 4 or 6")
        array = array_of(scene["points"], "data_or_path")
        if len(array.shape) != 2 or array.shape[1] not in COLUMNS:
            raise ValueError(
                f"data_or_path has the shape {array.shape}; give N x 3 ({COLUMNS[3]}), N x 4 ({COLUMNS[4]})"
                f" or N x 6 ({COLUMNS[6]})"
            )
        flat = array.values.tolist() if array.is_numpy else array.values
        width = array.shape[1]
        points = [flat[start : start + width] for start in range(0, len(flat), width)]
        more = {key: plain(listed(scene[key])) for key in ("type", "boxes", "vectors") if key in scene}
        self.content = json_bytes(dict(more, points=points))
        self.extension = ".pts.json"
        self.facts = {"points": len(points)}


class Molecule(Shape):
    """A molecule: a path, or an open file with `file_type`. Raises: TypeError, ValueError."""

    kind = "molecule"
    group = "molecules"
    extensions = MOLECULES


def listed(value: "Any") -> "Any":
    """Return arrays as lists."""
    return value.tolist() if hasattr(value, "tolist") else value
