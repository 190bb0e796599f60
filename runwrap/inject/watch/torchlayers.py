"""The layers of a model of PyTorch, and the shapes of what they return in the second step of training."""

import contextlib
import functools
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def is_lazy(parameter: "Any") -> bool:
    """Tell whether a parameter has no shape as yet."""
    return hasattr(parameter, "materialize")


def is_traced(torch: "Any") -> bool:
    """Tell whether the model is compiled or traced now, and what we do would become a part of it."""
    is_compiling = getattr(getattr(torch, "compiler", None), "is_compiling", None)
    return bool(torch.jit.is_tracing() or (is_compiling is not None and is_compiling()))


def is_compiled() -> bool:
    """Tell whether anything was compiled in this process; hooks could have it compiled once more."""
    counters = getattr(sys.modules.get("torch._dynamo.utils"), "counters", {})
    return bool(counters.get("stats"))


class LayerHook:
    """Takes the shape of what a layer returns, once; in a copy of the model it does nothing."""

    def __init__(self, layers: "TorchLayers", name: str) -> None:
        self.layers = layers
        self.name = name

    def __call__(self, _layer: "Any", _inputs: "Any", output: "Any") -> None:
        """Take the shape."""
        if not is_traced(self.layers.watched.torch):
            self.layers.watched.guarded(lambda: self.layers.take(self.name, output))

    def __reduce__(self) -> "tuple[Any, ...]":
        # A function of Python's own that takes what a hook does, and returns None: the file may be read
        # where there is no runwrap.
        return functools.partial, (contextlib.AbstractContextManager.__exit__, None)


class TorchLayers:
    """Has hooks in a model for one step, the second: by then it is compiled or scripted, if it ever is."""

    def __init__(self, watched: "Any") -> None:
        self.watched = watched
        self.is_hooked = False
        self.hooks: "list[Any]" = []
        self.shapes: "dict[str, str | None]" = {}

    def hook(self, model: "Any") -> None:
        """Have the layers tell what they return; what is scripted or compiled does not."""
        self.is_hooked = True
        for name, layer in () if is_compiled() else model.named_modules():
            if not isinstance(layer, self.watched.torch.jit.ScriptModule):
                self.hooks.append(layer.register_forward_hook(LayerHook(self, name)))

    def rows(self, model: "Any") -> "list[list[Any]]":
        """Describe the layers; a model without any is one itself."""
        return [self.row(name, layer) for name, layer in model.named_modules() if name] or [
            self.row("", model)
        ]

    def forget(self) -> None:
        """Take the hooks away."""
        hooks, self.hooks = self.hooks, []
        for hook in hooks:
            hook.remove()

    def take(self, name: str, output: "Any") -> None:
        """Take the shape of what a layer has returned."""
        self.shapes.setdefault(name, shape_of(output))

    def row(self, name: str, layer: "Any") -> "list[Any]":
        """Describe one layer."""
        own = [parameter for parameter in layer.parameters(recurse=False) if not is_lazy(parameter)]
        trainable = sum(parameter.numel() for parameter in own if parameter.requires_grad)
        is_scripted = isinstance(layer, self.watched.torch.jit.ScriptModule)
        kind = layer.original_name if is_scripted else type(layer).__name__
        return [name, kind, sum(parameter.numel() for parameter in own), trainable, self.shapes.get(name)]


def shape_of(output: "Any") -> "str | None":
    """Write the shape of what a layer returns; of several tensors the first one's."""
    while isinstance(output, (list, tuple)) and output:
        output = output[0]
    if isinstance(output, dict) and output:
        output = next(iter(output.values()))
    shape = getattr(output, "shape", None)
    return None if shape is None else " x ".join(str(length) for length in shape)
