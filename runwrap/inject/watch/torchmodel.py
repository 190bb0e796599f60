"""A model of PyTorch that is watched while it is trained.

The model itself gets no hook: one would be compiled, scripted, traced, exported, copied and stored with it.
"""

import functools
import os
import sys
import weakref

from runwrap.inject import channel
from runwrap.inject.watch.bins import brought, counted, is_countable
from runwrap.inject.watch.guard import Guarded
from runwrap.inject.watch.layers import log_layers
from runwrap.inject.watch.torchlayers import TorchLayers, is_lazy, is_traced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MOST_TENSORS = 1000
# So many histograms are sent as one line without being spilled to a file.
TENSORS_A_LINE = 10
# So many parameters tell of a backward pass: some may be frozen later, or have no part in it.
BEATING_PARAMETERS = 8


def is_torch(model: "Any") -> bool:
    """Tell whether a model is one of PyTorch's."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


class WatchedTorch(Guarded):
    """Counts the backward passes through a model, and looks at it at the end of each `log_freq`-th."""

    def __init__(self, model: "Any", log: "str | None", log_freq: int, prefix: str, log_graph: bool) -> None:
        self.torch = sys.modules["torch"]
        self.model_of = weakref.ref(model)  # the hooks keep us, and we must not keep the model
        self.wants_gradients = log in ("gradients", "all")
        self.wants_parameters = log in ("parameters", "all")
        self.log_freq = log_freq
        self.prefix = prefix
        self.pid = os.getpid()
        self.count = -1
        self.have_come: "set[str]" = set()
        self.layers = TorchLayers(self) if log_graph else None
        self.hooks = self.beating(model)
        if not self.hooks:
            self.tell("No parameter of the model can be trained as yet: call watch() when there is one.")
            self.guarded(lambda: self.look_at_layers(model))

    @property
    def model(self) -> "Any":
        """The model, as long as somebody has it."""
        return self.model_of()

    def beating(self, model: "Any") -> "list[Any]":
        """Give hooks to some parameters from all over the model."""
        named = [pair for pair in model.named_parameters() if pair[1].requires_grad and not is_lazy(pair[1])]
        every = -(-len(named) // BEATING_PARAMETERS) or 1
        return [self.hooked(name, parameter) for name, parameter in named[::-every]]

    def hooked(self, name: str, parameter: "Any") -> "Any":
        """Give a hook to a parameter."""
        hook = functools.partial(self.beat, name)
        if hasattr(parameter, "register_post_accumulate_grad_hook"):
            return parameter.register_post_accumulate_grad_hook(hook)
        return parameter.register_hook(hook)

    def beat(self, name: str, _gradient: "Any") -> None:
        """Take note of a gradient: it begins another backward pass, if it has come in this one already."""
        if self.have_come and name not in self.have_come:
            self.have_come.add(name)
            return
        if is_traced(self.torch) or self.model is None or not self.model.training:
            return
        self.have_come = {name}
        self.count += 1
        if self.count % self.log_freq == 0 or self.layers is not None:
            self.guarded(self.wait)

    def wait(self) -> None:
        """Have the end of the backward pass call us, behind those who wait for it to reduce gradients."""
        queue = self.torch.autograd.Variable._execution_engine.queue_callback
        queue(lambda: self.guarded(lambda: queue(lambda: self.guarded(self.look))))

    def look(self) -> None:
        """Log what is to be seen after a backward pass, into the row that is logged next."""
        model = self.model
        if model is None or os.getpid() != self.pid or is_captured(self.torch):
            return
        if self.count % self.log_freq == 0:
            with self.torch.no_grad():
                row = list(brought(self.parts(model)).items())
            for start in range(0, len(row), TENSORS_A_LINE):
                channel.history(dict(row[start : start + TENSORS_A_LINE]), commit=False)
        self.look_at_layers(model)

    def look_at_layers(self, model: "Any") -> None:
        """Log the table of the layers, one step after they were hooked."""
        layers = self.layers
        if layers is not None and self.hooks and not layers.is_hooked:
            layers.hook(model)
        elif layers is not None:
            self.layers = None
            layers.forget()
            log_layers(self.prefix, layers.rows(model))

    def parts(self, model: "Any") -> "dict[str, Any]":
        """Count the parameters and their gradients where they are."""
        parts = {}
        for name, parameter in self.countable(model):
            if self.wants_parameters:
                parts[f"{self.prefix}parameters/{name}"] = counted(parameter)
            gradient = parameter.grad if self.wants_gradients and parameter.requires_grad else None
            if gradient is not None and is_countable(gradient):
                parts[f"{self.prefix}gradients/{name}"] = counted(gradient)
        return parts

    def countable(self, model: "Any") -> "list[Any]":
        """Return the parameters that can be counted, by their names; say once which are passed over."""
        named = list(model.named_parameters())
        found = [pair for pair in named if is_countable(pair[1])]
        if len(found) < len(named):
            self.tell_once(f"{len(named) - len(found)} of {len(named)} parameters have no numbers to count.")
        if len(found) > MOST_TENSORS:
            self.tell_once(f"Of {len(found)} parameters the first {MOST_TENSORS} are watched.")
        return found[:MOST_TENSORS]

    def end(self) -> None:
        """Take all hooks away."""
        hooks, self.hooks = self.hooks, []
        for hook in hooks:
            hook.remove()
        if self.layers is not None:
            self.layers.forget()


def is_captured(torch: "Any") -> bool:
    """Tell whether a GPU records what it is told instead of doing it; then nothing can be brought over."""
    return bool(torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing())
