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


def steps_s(model: torch.nn.Module, batch: torch.Tensor) -> list[float]:
    """Train for some steps; return the time of each."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    took = []
    for _ in range(STEPS):
        began = time.perf_counter()
        optimizer.zero_grad()
        model(batch).pow(2).mean().backward()
        optimizer.step()
        took.append(time.perf_counter() - began)
    return took


def main() -> None:
    """Print what a step takes, what a look takes, and the share of that."""
    for make in (perceptron, transformer):
        model, batch = make()
        size = sum(parameter.numel() for parameter in model.parameters())
        turns: dict[bool, list[list[float]]] = {False: [], True: []}
        steps_s(model, batch)
        for _ in range(TURNS):
            for is_watched in (False, True):
                if is_watched:
                    runwrap.watch(model, log="all", log_freq=STEPS)
                turns[is_watched].append(steps_s(model, batch))
                runwrap.unwatch(model)
        print_figures(f"{make.__name__}, {size / 1e6:.1f} M parameters", turns[False], turns[True])


def print_figures(title: str, bare: list[list[float]], watched: list[list[float]]) -> None:
    """Print them for one model; the first step of a watched turn has the look, and is slower in any turn."""
    step_s = statistics.median(took for turn in bare for took in turn)
    other_s = statistics.median(took for turn in watched for took in turn[2:])
    look_s = statistics.median(ours[0] - theirs[0] for theirs, ours in zip(bare, watched, strict=True))
    ratios = sorted(sum(ours) / sum(theirs) for theirs, ours in zip(bare, watched, strict=True))
    print(f"{title}: a step takes {1e3 * step_s:.1f} ms (median)")
    print(f"  watched, one without a look takes {other_s / step_s:.4f} times as long (of medians)")
    print(
        f"  a look takes {1e3 * look_s:.1f} ms more: {100 * look_s / STEPS / step_s:.2f} % of {STEPS} steps"
    )
    print(f"  turns: {statistics.median(ratios):.4f} times as long (median), {[round(r, 3) for r in ratios]}")


if __name__ == "__main__":
    main()
