"""What watch() costs a step of training: a model of 10 million parameters, with and without, in turns.

Run under runwrap, with a Python that has torch: runwrap python -m tests.bench.watch
"""

from __future__ import annotations

import statistics
import time

import torch

import runwrap

STEPS = 100
TURNS = 6


def perceptron() -> tuple[torch.nn.Module, torch.Tensor]:
    """Make a deep one of 10 million parameters, and a batch for it."""
    layers = [layer for _ in range(10) for layer in (torch.nn.Linear(1000, 1000), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers), torch.randn(64, 1000)


def transformer() -> tuple[torch.nn.Module, torch.Tensor]:
    """Make a small one of 10 million parameters, and a batch for it."""
    layer = torch.nn.TransformerEncoderLayer(384, 6, 1536, batch_first=True)
    return torch.nn.TransformerEncoder(layer, 6, enable_nested_tensor=False), torch.randn(4, 64, 384)


def median_step_s(model: torch.nn.Module, batch: torch.Tensor) -> tuple[float, float]:
    """Train for some steps; return the median and the mean time of one."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    took = []
    for _ in range(STEPS):
        began = time.perf_counter()
        optimizer.zero_grad()
        model(batch).pow(2).mean().backward()
        optimizer.step()
        took.append(time.perf_counter() - began)
    return statistics.median(took), statistics.mean(took)


def main() -> None:
    """Print the ratios."""
    for make in (perceptron, transformer):
        model, batch = make()
        size = sum(parameter.numel() for parameter in model.parameters())
        means: dict[bool, list[float]] = {False: [], True: []}
        median_step_s(model, batch)
        for _ in range(TURNS):
            for is_watched in (False, True):
                if is_watched:
                    runwrap.watch(model, log="all", log_freq=STEPS)
                means[is_watched].append(median_step_s(model, batch)[1])
                runwrap.unwatch(model)
        ratios = [watched / bare for bare, watched in zip(means[False], means[True], strict=True)]
        ratio = statistics.median(ratios)
        print(
            f"{make.__name__}, {size / 1e6:.1f} M parameters: a step takes {1e3 * min(means[False]):.1f} ms"
        )
        print(f"  watched it takes {ratio:.4f} times as long (median of {TURNS}; {sorted(ratios)})")


if __name__ == "__main__":
    main()
