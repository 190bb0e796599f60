"""What a model is made of, as a table of its layers."""

from runwrap.inject import channel
from runwrap.inject.media import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COLUMNS = ["layer", "type", "parameters", "trainable", "output shape"]
MOST_LAYERS = 5000


def log_layers(prefix: str, rows: "list[list[Any]]") -> None:
    """Log the table of a model's layers, into the row that is logged next."""
    value = Table(columns=COLUMNS, data=rows[:MOST_LAYERS])._runwrap_value()
    if value is not None:
        channel.history({prefix + "graph": value}, commit=False)
