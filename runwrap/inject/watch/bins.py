"""Count the values of tensors in bins where the tensors are, and bring all of it over at once."""

import math
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BINS = 64
MIDDLE = BINS // 2
# Tensors are counted by pieces, so that little memory is needed beside them.
PIECE_LENGTH = 1 << 20
PIECE_LENGTH_THERE = 1 << 24
# Within these a range and its bins are far from the ends of what 32 bits hold.
LEAST_WIDTH, MOST_WIDTH = 1e-30, 1e30


def is_countable(tensor: "Any") -> bool:
    """Tell whether a tensor has numbers that can be counted."""
    torch = sys.modules["torch"]
    if hasattr(tensor, "materialize"):  # it has no shape as yet
        return False
    if tensor.is_quantized or tensor.device.type == "meta" or tensor.numel() == 0:
        return False
    return bool(tensor.is_floating_point() or tensor.is_complex()) and tensor.layout in (
        torch.strided,
        torch.sparse_coo,
    )


def counted(tensor: "Any") -> "Any":
    """Return least, greatest, how many are no finite numbers, and the counts, as one small tensor."""
    torch = sys.modules["torch"]
    values = plain(tensor)
    if values.device.type == "cpu":
        return counted_here(torch, values.split(PIECE_LENGTH))
    return counted_there(torch, values.split(PIECE_LENGTH_THERE))


def plain(tensor: "Any") -> "Any":
    """Return the values of a tensor in a row."""
    values = tensor.detach()
    if hasattr(values, "to_local"):
        values = values.to_local()  # this process's part of a tensor that lies in several
    if values.is_sparse:
        values = values.coalesce().values()
    return values.reshape(-1)


def real(torch: "Any", values: "Any") -> "Any":
    """Return values of a kind that can be counted everywhere."""
    if values.is_complex():
        values = values.abs()
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def counted_here(torch: "Any", pieces: "Any") -> "Any":
    """Count on a CPU, the fastest way."""
    ranges = [range_of(torch, real(torch, piece)) for piece in pieces]
    least, most = min(low for low, _, _ in ranges), max(high for _, high, _ in ranges)
    are_finite = all(is_finite for _, _, is_finite in ranges)
    counts = torch.zeros(BINS + 1, dtype=torch.int64)
    size = 0
    for piece in pieces:
        size += piece.numel()
        values = real(torch, piece)
        values = values if are_finite else values[torch.isfinite(values)]
        counts += torch.bincount(places(torch, values, least, most - least), minlength=BINS + 1)
    counts[BINS - 1] += counts[BINS]  # what lies on the last edge
    facts = torch.tensor([least, most, size - int(counts[:BINS].sum())], dtype=torch.float64)
    return torch.cat([facts, counts[:BINS].double()])


def range_of(torch: "Any", values: "Any") -> "tuple[float, float, bool]":
    """Return the least and the greatest finite number, and whether all are finite."""
    least, most = torch.aminmax(values)
    if math.isfinite(least) and math.isfinite(most):
        return float(least), float(most), True
    values = values[torch.isfinite(values)]
    if values.numel() == 0:
        return math.inf, -math.inf, False
    return float(values.min()), float(values.max()), False


def places(torch: "Any", values: "Any", least: float, width: float) -> "Any":
    """Return the bin of each value, all 0 where there is no width that can be divided."""
    if not LEAST_WIDTH < width < MOST_WIDTH:
        values = values.double()
        if not 0 < width < math.inf or BINS / width == math.inf:
            return torch.zeros_like(values, dtype=torch.uint8)
    return (values - least).mul_(BINS / width).to(torch.uint8)


def counted_there(torch: "Any", pieces: "Any") -> "Any":
    """Count on another device, without waiting for it."""
    lows, highs, odd = [], [], []
    for piece in pieces:
        values = real(torch, piece)
        finite = torch.isfinite(values)
        lows.append(torch.where(finite, values, math.inf).min())
        highs.append(torch.where(finite, values, -math.inf).max())
        odd.append((~finite).sum())
    least, most = torch.stack(lows).min(), torch.stack(highs).max()
    width = most / 2 - least / 2  # the whole one may be more than a number can be
    width = torch.where(width > 0, width, torch.ones_like(width))
    kind = torch.float32 if least.device.type == "mps" else torch.float64
    counts = torch.zeros(BINS, dtype=kind, device=least.device)
    for piece in pieces:
        values = real(torch, piece)
        shares = torch.where(torch.isfinite(values), (values / 2 - least / 2) / width, -1.0)
        counts += torch.histc(shares, BINS, 0, 1)
    facts = torch.stack([least.to(kind), most.to(kind), torch.stack(odd).sum().to(kind)])
    return torch.cat([facts, counts])


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
