"""What of the records is masked before it is written, and how the run says so."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from runwrap.launch.console import Marks
    from runwrap.secrets.firewall import Firewall

# `run` and `history` are masked where they are made; in the others no part is text that people wrote.
MASKED = frozenset({"init", "config", "summary", "fact", "note", "tag", "alert", "notice"})


def masked(firewall: Firewall, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a record without its secrets."""
    if kind not in MASKED:
        return data
    without: dict[str, Any] = firewall.value(data)
    return without


def masked_records(firewall: Firewall, records: Iterable[tuple[str, dict[str, object], float]]) -> Marks:
    """Return records without their secrets, and one more that says how many were masked, if any were."""
    kept: Marks = [(kind, masked(firewall, kind, data), time_s) for kind, data, time_s in records]
    fact = firewall.take_fact()
    if fact:
        kept.append(("fact", fact, kept[-1][2] if kept else time.time()))
    return kept


def command_facts(firewall: Firewall, words: list[str]) -> dict[str, object]:
    """Describe a command line as the `run` record has it, without its secrets."""
    kept = firewall.words(words)
    raw = [os.fsencode(word) for word in kept]
    if all(map(is_text, raw)):
        return {"argv": kept}
    import base64

    return {"argv": kept, "argv_base64": [base64.b64encode(word).decode() for word in raw]}


def is_text(raw: bytes) -> bool:
    """Tell whether bytes are UTF-8."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
