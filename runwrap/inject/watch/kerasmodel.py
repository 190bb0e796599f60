"""A model of Keras that is watched while its fit() trains it."""

import os
import sys

from runwrap.inject import channel
from runwrap.inject.watch.guard import Guarded
from runwrap.inject.watch.layers import log_layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VARIABLES_A_LINE = 10


def is_keras(model: "Any") -> bool:
    """Tell whether a model is one of Keras's."""
    names = {base.__module__.split(".")[0] for base in type(model).__mro__}
    return bool(names & {"keras", "tf_keras"}) and hasattr(model, "fit") and hasattr(model, "weights")


class WatchedKeras(Guarded):
    """Gives fit() one more callback, which looks at the model after each `log_freq`-th batch."""

    def __init__(self, model: "Any", log: "str | None", log_freq: int, prefix: str, log_graph: bool) -> None:
        self.model = model
        self.wants_gradients = log in ("gradients", "all")
        self.wants_parameters = log in ("parameters", "all")
        self.log_freq = log_freq
        self.prefix = prefix
        self.pid = os.getpid()
        self.wants_graph = log_graph
        self.count = -1
        self.fit = model.fit
        model.fit = self.fit_watched
        if self.wants_gradients and not tells_gradients():
            self.tell("Keras tells of gradients with PyTorch only: parameters are watched instead.")
            self.wants_parameters = True

    def fit_watched(self, *args: "Any", **named: "Any") -> "Any":
        """Train the model as it would, with a callback of ours behind those that were given."""
        given = named.get("callbacks")
        if type(given) not in (list, tuple, type(None)) or len(args) > FIT_ARGUMENTS_BEFORE_CALLBACKS:
            self.tell_once("This fit() is not watched: callbacks=[...] is the way to give it callbacks.")
            return self.fit(*args, **named)
        return self.fit(*args, **dict(named, callbacks=[*(given or ()), self.callback()]))

    def callback(self) -> "Any":
        """Make a callback of the Keras that the model is of."""
        return keras_of(self.model).callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: self.step())

    def step(self) -> None:
        """Take note of a batch."""
        self.count += 1
        if os.getpid() != self.pid:
            return
        if self.wants_graph:
            self.wants_graph = False
            self.guarded(lambda: log_layers(self.prefix, [layer_row(layer) for layer in self.model.layers]))
        if self.count % self.log_freq == 0:
            self.guarded(self.look)

    def look(self) -> None:
        """Log histograms of the model's variables, into the row that is logged next."""
        from runwrap.inject.media import Histogram

        row = {}
        for variable in self.model.trainable_weights:
            name = getattr(variable, "path", variable.name)
            if self.wants_parameters:
                row[f"{self.prefix}parameters/{name}"] = Histogram(array_of(variable))._store()
            gradient = (
                getattr(getattr(variable, "value", None), "grad", None) if self.wants_gradients else None
            )
            if gradient is not None:
                row[f"{self.prefix}gradients/{name}"] = Histogram(gradient)._store()
        items = list(row.items())
        for start in range(0, len(items), VARIABLES_A_LINE):
            channel.history(dict(items[start : start + VARIABLES_A_LINE]), commit=False)

    def end(self) -> None:
        """Leave the model as it was."""
        if self.model.__dict__.get("fit") == self.fit_watched:
            del self.model.fit


FIT_ARGUMENTS_BEFORE_CALLBACKS = 5


def keras_of(model: "Any") -> "Any":
    """Return the Keras that a model is of."""
    names = [base.__module__.split(".")[0] for base in type(model).__mro__]
    return sys.modules["tf_keras" if "tf_keras" in names else "keras"]


def tells_gradients() -> bool:
    """Tell whether Keras works with PyTorch, which keeps gradients beside parameters."""
    keras = sys.modules.get("keras")
    return bool(keras and hasattr(keras, "backend") and keras.backend.backend() == "torch")


def array_of(variable: "Any") -> "Any":
    """Return a variable's numbers."""
    value = getattr(variable, "value", variable)
    return value.detach() if hasattr(value, "detach") else variable.numpy()


def layer_row(layer: "Any") -> "list[Any]":
    """Describe one layer."""
    sizes = sum(size_of(weight) for weight in layer.weights)
    trainable = sum(size_of(weight) for weight in layer.trainable_weights)
    shape = getattr(getattr(layer, "output", None), "shape", None) if layer.built else None
    text = None if shape is None else " x ".join("?" if length is None else str(length) for length in shape)
    return [layer.name, type(layer).__name__, sizes, trainable, text]


def size_of(weight: "Any") -> int:
    """Return how many numbers a variable has."""
    size = 1
    for length in weight.shape:
        size *= int(length)
    return size
