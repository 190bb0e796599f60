"""A model of PyTorch that is watched while it is trained."""

import functools
import os
import sys

from runwrap.inject import channel
from runwrap.inject.watch.bins import brought, counted, is_countable
from runwrap.inject.watch.guard import Guarded
from runwrap.inject.watch.layers import log_layers, shape_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_TENSORS = 1000
# So many histograms are sent as one line without being spilled to a file.
TENSORS_A_LINE = 10


def is_torch(model: "Any") -> bool:
    """Tell whether a model is one of PyTorch's."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


class ForwardHook:
    """Is called after each pass through the model; in a copy of that, or in a file, it does nothing."""

    def __init__(self, watched: "WatchedTorch") -> None:
        self.watched = watched

    def __call__(self, module: "Any", _inputs: "Any", _output: "Any") -> None:
        """Take note of a pass through the model itself, and not of a replica."""
        if module is self.watched.model:
            self.watched.step()

    def __reduce__(self) -> "tuple[Any, ...]":
        # A function of Python's own that takes anything: the file may be read where there is no runwrap.
        return functools.partial, (sys.audit, "runwrap.watch")


class WatchedTorch(Guarded):
    """Counts the steps of a model, and looks at each `log_freq`-th."""

    def __init__(self, model: "Any", log: "str | None", log_freq: int, prefix: str, log_graph: bool) -> None:
        self.torch = sys.modules["torch"]
        self.model = model
        self.wants_gradients = log in ("gradients", "all")
        self.wants_parameters = log in ("parameters", "all")
        self.log_freq = log_freq
        self.prefix = prefix
        self.pid = os.getpid()
        self.count = -1
        self.handles: "list[Any]" = []
        self.awaited: "set[str]" = set()
        self.parts: "dict[str, Any]" = {}
        self.shapes: "dict[str, str | None]" = {}
        self.layer_hooks: "list[Any]" = []
        if log_graph:
            self.layer_hooks = [
                layer.register_forward_hook(LayerHook(self, name))
                for name, layer in model.named_modules()
                if name
            ]
        self.wants_graph = log_graph
        hook = ForwardHook(self)
        dynamo = sys.modules.get("torch._dynamo")
        self.hook = model.register_forward_hook(dynamo.disable(hook) if dynamo is not None else hook)

    def step(self) -> None:
        """Take note of a pass through the model."""
        if self.wants_graph:
            self.guarded(self.log_graph)
        if not self.model.training or not self.torch.is_grad_enabled():
            return
        self.count += 1
        if self.parts or self.handles:
            self.guarded(self.flush)  # some parameters had no gradient
        if self.count % self.log_freq == 0 and os.getpid() == self.pid:
            self.guarded(self.look)

    def look(self) -> None:
        """Count the parameters now, and the gradients as they come."""
        named = [pair for pair in self.model.named_parameters() if is_countable(pair[1])]
        if len(named) > MOST_TENSORS:
            self.tell(f"Of {len(named)} parameters the first {MOST_TENSORS} are watched.")
            named = named[:MOST_TENSORS]
        with self.torch.no_grad():
            if self.wants_parameters:
                for name, parameter in named:
                    self.parts[f"{self.prefix}parameters/{name}"] = counted(parameter)
        if self.wants_gradients:
            for name, parameter in named:
                if parameter.requires_grad:
                    self.await_gradient(f"{self.prefix}gradients/{name}", parameter)
        if not self.awaited:
            self.flush()

    def await_gradient(self, name: str, parameter: "Any") -> None:
        """Count a gradient when it is there."""
        self.awaited.add(name)
        if hasattr(parameter, "register_post_accumulate_grad_hook"):
            hook = parameter.register_post_accumulate_grad_hook(lambda done: self.take(name, done.grad))
        else:
            hook = parameter.register_hook(lambda gradient: self.take(name, gradient))
        self.handles.append(hook)

    def take(self, name: str, gradient: "Any") -> None:
        """Take a gradient; the last one brings all of them over."""
        if name in self.awaited:
            self.guarded(lambda: self.count_gradient(name, gradient))

    def count_gradient(self, name: str, gradient: "Any") -> None:
        """Count a gradient where it is."""
        self.awaited.discard(name)
        if gradient is not None and is_countable(gradient):
            with self.torch.no_grad():
                self.parts[name] = counted(gradient)
        if not self.awaited:
            self.flush()

    def flush(self) -> None:
        """Log what was counted, into the row that is logged next."""
        handles, self.handles, self.awaited = self.handles, [], set()
        for handle in handles:
            handle.remove()
        parts, self.parts = self.parts, {}
        row = list(brought(parts).items())
        for start in range(0, len(row), TENSORS_A_LINE):
            channel.history(dict(row[start : start + TENSORS_A_LINE]), commit=False)

    def log_graph(self) -> None:
        """Log the layers, and look no longer at what they return."""
        self.wants_graph = False
        self.forget_layers()
        rows = [self.layer_row(name, layer) for name, layer in self.model.named_modules() if name]
        log_layers(self.prefix, rows or [self.layer_row("", self.model)])

    def layer_row(self, name: str, layer: "Any") -> "list[Any]":
        """Describe one layer."""
        own = list(layer.parameters(recurse=False))
        trainable = sum(parameter.numel() for parameter in own if parameter.requires_grad)
        sizes = sum(parameter.numel() for parameter in own)
        return [name, type(layer).__name__, sizes, trainable, self.shapes.get(name)]

    def forget_layers(self) -> None:
        """Take the hooks of the layers away."""
        hooks, self.layer_hooks = self.layer_hooks, []
        for hook in hooks:
            hook.remove()

    def end(self) -> None:
        """Log what was counted, and take all hooks away."""
        if self.parts or self.handles:
            self.guarded(self.flush)
        self.hook.remove()
        self.forget_layers()


class LayerHook:
    """Takes the shape of what a layer returns, once; in a copy of the model it does nothing."""

    def __init__(self, watched: WatchedTorch, name: str) -> None:
        self.watched = watched
        self.name = name

    def __call__(self, _layer: "Any", _inputs: "Any", output: "Any") -> None:
        """Take the shape."""
        self.watched.guarded(lambda: self.watched.shapes.setdefault(self.name, shape_of(output)))

    def __reduce__(self) -> "tuple[Any, ...]":
        return functools.partial, (sys.audit, "runwrap.watch")
