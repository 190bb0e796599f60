"""Look at models while they are trained: histograms of gradients and parameters, a table of the layers."""

import weakref

from runwrap.inject.watch.kerasmodel import WatchedKeras, is_keras
from runwrap.inject.watch.torchmodel import WatchedTorch, is_torch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KINDS = ("gradients", "parameters", "all", None)
# What watches a model lives as long as that does, for the model's hooks hold it.
watched: "dict[int, weakref.ref[Any]]" = {}


def watch(
    models: "Any",
    criterion: "Any" = None,
    log: "str | None" = "gradients",
    log_freq: int = 1000,
    idx: "int | None" = None,
    log_graph: bool = True,
    name: "str | None" = None,
) -> None:
    """Log histograms at each `log_freq`-th backward pass of training, and once a table of the layers.

    They go into the row that is logged next. Only PyTorch tells of gradients, also below Keras.
    Compile, wrap and freeze a model before: parameters that are replaced later are not known.
    Raises: TypeError, ValueError.
    """
    if log not in KINDS:
        raise ValueError(f"watch(log={log!r}): choose one of 'gradients', 'parameters', 'all' and None")
    if isinstance(log_freq, bool) or not isinstance(log_freq, int) or log_freq < 1:
        raise ValueError(f"watch(log_freq={log_freq!r}): give the number of steps from one look to the next")
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    kinds = [kind_of(model) for model in listed]
    for model, kind in zip(listed, kinds):
        unwatch(model)
        place = next(number for number in range(len(watched) + 1) if number not in watched)
        number = place if idx is None else idx
        prefix = f"{name}/" if name else f"graph_{number}/" if number else ""
        watched[place] = weakref.ref(kind(model, log, log_freq, prefix, log_graph))


def kind_of(model: "Any") -> "Any":
    """Return what watches a model. Raises: TypeError."""
    if is_keras(model):
        return WatchedKeras
    if is_torch(model):
        return WatchedTorch
    raise TypeError(f"watch() takes models of PyTorch and Keras, not a {type(model).__name__}")


def unwatch(models: "Any" = None) -> None:
    """End what watch() began: for these models, or for all."""
    listed = models if isinstance(models, (list, tuple)) else [models]
    for place, found in list(watched.items()):
        one = found()
        if one is None or models is None or any(one.model is model for model in listed):
            del watched[place]
            if one is not None:
                one.end()
