"""Tables: columns with names, and rows whose cells may be media."""

from importlib import import_module

from runwrap.inject.media.plainly import json_bytes, plain
from runwrap.inject.media.storing import Media, media_object, store_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

DEFAULT_COLUMNS = ("Input", "Output", "Expected")


class Table(Media):
    """A table: `columns` and rows as `data`, or a `dataframe` of pandas. Raises: TypeError, ValueError."""

    # What makes media of a figure or an image in a cell; the folder's conductor puts it here.
    media_of: "Callable[[Any], Any]" = staticmethod(lambda _: None)

    def __init__(
        self,
        columns: "Any" = None,
        data: "Any" = None,
        rows: "Any" = None,
        dataframe: "Any" = None,
        dtype: "Any" = None,
        optional: "Any" = True,
        allow_mixed_types: bool = False,
        log_mode: "str | None" = None,
    ) -> None:
        self.data: list[list[Any]] = []
        frame = dataframe if dataframe is not None else data if is_frame(data) else None
        if frame is not None:
            columns, data = columns_and_rows(frame)
        elif data is None:
            data = rows if rows is not None else ()
        data = data.tolist() if hasattr(data, "tolist") else data
        if not hasattr(data, "__iter__") or isinstance(data, (str, bytes, dict)):
            raise TypeError("data: give a list of rows, each a list of cells")
        data = list(data)
        if columns is None:
            columns = (
                DEFAULT_COLUMNS
                if not data or row_length(data[0]) == len(DEFAULT_COLUMNS)
                else range(len(data[0]))
            )
        self.columns = checked_columns(columns)
        for row in data:
            self.add_data(*as_row(row, self.columns, len(self.data)))

    def add_data(self, *row: "Any") -> None:
        """Add a row, cell by cell. Raises: ValueError."""
        if len(row) != len(self.columns):
            raise ValueError(
                f"data: row {len(self.data)} has {len(row)} cells for {len(self.columns)} columns"
                f" ({', '.join(map(str, self.columns))}); give one cell for each"
            )
        self.data.append(list(row))

    def add_row(self, *row: "Any") -> None:
        """Add a row, as `add_data` does."""
        self.add_data(*row)

    def add_column(self, name: "Any", data: "Any", optional: bool = False) -> None:
        """Add a column at the end. Raises: ValueError."""
        cells = list(data)
        if name in self.columns:
            raise ValueError(f"name: there is a column {name!r} already; give another name")
        if len(cells) != len(self.data) and self.columns:
            raise ValueError(f"data: {len(cells)} cells for {len(self.data)} rows; give one for each")
        self.columns = checked_columns([*self.columns, name])
        self.data = self.data if len(self.columns) > 1 else [[] for _ in cells]
        for row, cell in zip(self.data, cells):
            row.append(cell)

    def get_column(self, name: "Any", convert_to: "str | None" = None) -> "Any":
        """Return the cells of a column, with `convert_to="numpy"` as an array. Raises: ValueError."""
        place = self.index_of(name)
        cells = [row[place] for row in self.data]
        if convert_to not in (None, "numpy"):
            raise ValueError(f"convert_to: {convert_to!r} is unknown; give 'numpy', or leave it out")
        if convert_to:
            return import_module("numpy").array(cells)
        return cells

    def index_of(self, name: "Any") -> int:
        """Return where a column stands. Raises: ValueError."""
        if name not in self.columns:
            raise ValueError(
                f"there is no column {name!r}; the table has {', '.join(map(str, self.columns))}"
            )
        return self.columns.index(name)

    def iterrows(self) -> "Iterator[tuple[int, list[Any]]]":
        """Walk over the rows with their numbers."""
        return iter(enumerate(self.data))

    def get_dataframe(self) -> "Any":
        """Return the table as one of pandas."""
        return import_module("pandas").DataFrame(self.data, columns=self.columns)

    def to_csv(self, path: "Any") -> None:
        """Write the table as CSV, media as the paths of their files in the run."""
        import csv

        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            for row in self.data:
                writer.writerow([as_csv(self.cell(value)) for value in row])

    def cell(self, value: "Any") -> "Any":
        """Return a cell as JSON has it; media are stored on the way."""
        if value is None or type(value) in (int, float, str, bool):
            return plain(value)
        media = value if hasattr(type(value), "_runwrap_value") else self.media_of(value)
        return plain(value if media is None else media._runwrap_value())

    def _runwrap_value(self) -> "dict[str, Any] | None":
        self._kept = ("", None)  # a table grows from one time to the next
        return super()._runwrap_value()

    def _store(self) -> "dict[str, Any] | None":
        data = [[self.cell(value) for value in row] for row in self.data]
        content = json_bytes({"columns": self.columns, "data": data})
        stored = store_bytes("tables", ".json", content)
        return media_object("table", stored, columns=len(self.columns), rows=len(data))


def is_frame(value: "Any") -> bool:
    """Tell whether a value is a table of pandas (or of a library that is like it)."""
    names = [kind.__name__ for kind in type(value).__mro__]
    return "DataFrame" in names and (hasattr(value, "itertuples") or hasattr(value, "iter_rows"))


def columns_and_rows(frame: "Any") -> "tuple[list[Any], list[Any]]":
    """Return what a table of pandas, or of polars, holds. Raises: TypeError."""
    if not is_frame(frame):
        raise TypeError(f"dataframe: it is a {type(frame).__name__}; give a table of pandas")
    if hasattr(frame, "itertuples"):
        columns = [name if isinstance(name, (str, int)) else str(name) for name in frame.columns]
        return columns, [list(row) for row in frame.itertuples(index=False, name=None)]
    return list(frame.columns), [list(row) for row in frame.rows()]


def checked_columns(columns: "Any") -> "list[Any]":
    """Return names of columns. Raises: TypeError, ValueError."""
    if isinstance(columns, (str, bytes)) or not hasattr(columns, "__iter__"):
        raise TypeError("columns: give a list of names")
    names = [name.item() if hasattr(name, "item") else name for name in columns]
    for name in names:
        if not isinstance(name, (str, int)):
            raise TypeError(f"columns: {name!r} is no name; give texts")
    if len(set(names)) < len(names):
        double = sorted({str(name) for name in names if names.count(name) > 1})
        raise ValueError(
            f"columns: {', '.join(double)} comes more than once; give each column a name of its own"
        )
    return names


def row_length(row: "Any") -> int:
    """Return the number of cells in a row; of what is none, -1."""
    return len(row) if hasattr(row, "__len__") and not isinstance(row, (str, bytes, dict)) else -1


def as_row(row: "Any", columns: "list[Any]", number: int) -> "list[Any]":
    """Return a row as a list; a dict is read by the names of the columns. Raises: TypeError, ValueError."""
    if isinstance(row, dict) and set(row) == set(columns):
        return [row[name] for name in columns]
    if row_length(row) < 0:
        raise TypeError(
            f"data: row {number} is a {type(row).__name__}; give a list of cells, one for each column"
        )
    return list(row)


def as_csv(value: "Any") -> "Any":
    """Return a cell for CSV."""
    if isinstance(value, dict) and "_type" in value:
        return value.get("path", "")
    if isinstance(value, (dict, list)):
        return json_bytes(value).decode()
    return value
