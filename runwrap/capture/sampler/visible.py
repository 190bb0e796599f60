"""Which GPUs a program is let to see, by the variable of its environment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def visible_labels(text: str | None, uuids: Mapping[str, str]) -> list[str]:
    """Return the labels of the GPUs that CUDA_VISIBLE_DEVICES names, in its order; all where it is not set.

    `uuids` has the UUID of each label, those of MIG instances ("0.1") too. The first word that means no
    GPU ends the list. Source: CUDA programming guide, section on environment variables.
    """
    if text is None:
        return list(uuids)
    seen: list[str] = []
    for word in text.split(","):
        label = meant(word.strip(), uuids)
        if label is None:
            break
        if label not in seen:
            seen.append(label)
    return seen


def meant(word: str, uuids: Mapping[str, str]) -> str | None:
    """Return the label of the GPU that a word means: an index, or the beginning of one UUID only."""
    if word.isascii() and word.isdigit():
        label = word.lstrip("0") or "0"
        return label if label in uuids else None
    if not word.startswith(("GPU-", "MIG-")):
        return None
    return only([label for label, uuid in uuids.items() if uuid.startswith(word)])


def only(labels: Sequence[str]) -> str | None:
    """Return the one label, or None where there is another number of them."""
    return labels[0] if len(labels) == 1 else None
