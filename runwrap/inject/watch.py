"""Histograms of gradients and parameters, while a model is trained."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def watch(*_: "Any", **__: "Any") -> None:
    """Do nothing yet."""


def unwatch(*_: "Any", **__: "Any") -> None:
    """Do nothing yet."""
