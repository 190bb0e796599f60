"""Which GPUs a program is let to see, by the variables of its environment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# What more digits mean is no GPU of any machine.
MOST_DIGITS = 6
IN_BUS_ORDER = "PCI_BUS_ID"


def visible_labels(
    variable: str | None, names: Mapping[str, Sequence[str]], order: str | None, *, is_mixed: bool = False
) -> set[str] | None:
    """Return the labels of the GPUs that CUDA_VISIBLE_DEVICES leaves to see; None where it cannot be told.

    `names` has what each GPU ("0") and each of its instances ("0.1") can be called by. An index counts in
    CUDA's order, the fastest GPU first unless `order` (CUDA_DEVICE_ORDER) says otherwise: where the GPUs are
    of several kinds (`is_mixed`) nobody but CUDA knows which it means. A GPU is left to see with all its
    instances, of which CUDA itself takes the first.
    Source: CUDA programming guide, "CUDA environment variables"; MIG user guide, "CUDA_VISIBLE_DEVICES".
    """
    if variable is None:
        return set(names)
    words = variable.split(",")
    prefix = words[0].strip()[:4]
    if prefix in ("GPU-", "MIG-"):
        chosen = choose(words, lambda word: named(word, prefix, names))
    else:
        chosen = choose(words, lambda word: numbered(word, names))
        count = sum("." not in label for label in names)
        if is_mixed and order != IN_BUS_ORDER and 0 < len(chosen) < count:
            return None
    return {label for label in names if label in chosen or label.partition(".")[0] in chosen}


def choose(words: Sequence[str], find: Callable[[str], str | None]) -> list[str]:
    """Return what the words mean, up to the first that means no GPU; nothing if two mean the same one."""
    chosen: list[str] = []
    for word in words:
        label = find(word.strip())
        if label is None:
            break
        if label in chosen:
            return []
        chosen.append(label)
    return chosen


def numbered(word: str, names: Mapping[str, Sequence[str]]) -> str | None:
    """Return the GPU of an index, which CUDA reads as strtoul(3) does: what follows it is ignored."""
    word = word.removeprefix("+")
    digits = word[: len(word) - len(word.lstrip("0123456789"))].lstrip("0")
    if not word[:1].isascii() or not word[:1].isdigit() or len(digits) > MOST_DIGITS:
        return None
    label = digits or "0"
    return label if label in names else None


def named(word: str, prefix: str, names: Mapping[str, Sequence[str]]) -> str | None:
    """Return the one GPU or instance that has this name, or one that begins like this."""
    if not word.startswith(prefix):
        return None
    exact = [label for label, own in names.items() if word in own]
    begun = [label for label, own in names.items() if any(name.startswith(word) for name in own)]
    found = exact or begun
    return found[0] if len(found) == 1 else None
