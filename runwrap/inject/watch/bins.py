"""Count the values of tensors in bins where the tensors are, and bring all of it over at once."""

import math
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BINS = 64
MIDDLE = BINS // 2


def is_countable(tensor: "Any") -> bool:
    """Tell whether a tensor has numbers that can be counted."""
    torch = sys.modules["torch"]
    if tensor.is_quantized or tensor.device.type == "meta" or tensor.numel() == 0:
        return False
    return bool(tensor.is_floating_point() or tensor.is_complex()) and tensor.layout in (
        torch.strided,
        torch.sparse_coo,
    )


def counted(tensor: "Any") -> "Any":
    """Return least, greatest, how many are no finite numbers, and the counts, as one small tensor."""
    torch = sys.modules["torch"]
    values = tensor.detach()
    if hasattr(values, "to_local"):
        values = values.to_local()  # this process's part of a tensor that lies in several
    if values.is_sparse:
        values = values.coalesce().values()
    if values.is_complex():
        values = values.abs()
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    values = values.reshape(-1)
    if values.device.type == "cpu":
        return counted_here(torch, values)
    return counted_there(torch, values)


def counted_here(torch: "Any", values: "Any") -> "Any":
    """Count on a CPU, the fastest way."""
    size = values.numel()
    least, most = torch.aminmax(values)
    if not math.isfinite(least) or not math.isfinite(most):
        values = values[torch.isfinite(values)]
        if values.numel() == 0:
            return torch.tensor([0.0, 0.0, size] + [0.0] * BINS, dtype=torch.float64)
        least, most = torch.aminmax(values)
    width = float(most) - float(least)
    if not 0 < width < math.inf or not math.isfinite(BINS / width):
        counts = torch.zeros(BINS + 1)
        counts[0] = values.numel()
    else:
        places = ((values - least) * (BINS / width)).to(torch.uint8)
        counts = torch.bincount(places, minlength=BINS + 1)
    return joined(torch, least, most, torch.tensor(size - values.numel()), counts)


def counted_there(torch: "Any", values: "Any") -> "Any":
    """Count on another device, without waiting for it."""
    finite = torch.isfinite(values)
    least = torch.where(finite, values, math.inf).min()
    most = torch.where(finite, values, -math.inf).max()
    width = torch.where(most > least, most - least, torch.ones_like(most))
    counts = torch.histc((values - least) / width, BINS, 0, 1)
    return joined(torch, least, most, values.numel() - finite.sum(), counts)


def joined(torch: "Any", least: "Any", most: "Any", passed_over: "Any", counts: "Any") -> "Any":
    """Put the parts into one tensor; what lies on the last edge is in the last bin."""
    counts = counts.to(torch.float32 if counts.device.type == "mps" else torch.float64)
    if len(counts) > BINS:
        counts[BINS - 1] += counts[BINS]
    facts = torch.stack([least.to(counts.dtype), most.to(counts.dtype), passed_over.to(counts.dtype)])
    return torch.cat([facts, counts[:BINS]])


def brought(parts: "dict[str, Any]") -> "dict[str, Any]":
    """Bring what was counted from each device over at once; return media objects by their names."""
    torch = sys.modules["torch"]
    by_device: "dict[Any, list[str]]" = {}
    for name, part in parts.items():
        by_device.setdefault(part.device, []).append(name)
    found: "dict[str, Any]" = {}
    for names in by_device.values():
        rows = torch.stack([parts[name] for name in names]).tolist()
        found.update(zip(names, rows))
    return {name: histogram(found[name][:3], found[name][3:]) for name in parts}


def histogram(facts: "list[float]", counts: "list[float]") -> "dict[str, Any]":
    """Return what stands for a histogram in the journal."""
    least, most, passed_over = facts
    whole = [int(count) for count in counts]
    if not least < most:  # all are the same, or there is none
        whole = [0] * MIDDLE + [sum(whole)] + [0] * (BINS - MIDDLE - 1)
        least = least if math.isfinite(least) else 0.0
        least, most = least - 0.5, least + 0.5
    width = (most - least) / BINS
    edges = [float("%.7g" % (least + number * width)) for number in range(BINS)] + [float("%.7g" % most)]
    value: "dict[str, Any]" = {"_type": "histogram", "counts": whole, "edges": edges}
    if passed_over:
        value["passed_over"] = int(passed_over)
    return value
