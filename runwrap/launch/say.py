"""Say a line to the run around us, as shell scripts do in loops: without what other verbs have to load."""

from __future__ import annotations

import _socket
import os

from runwrap.errors import RunwrapError, StoreError, UsageError, complain
from runwrap.launch.options import pair
from runwrap.record import clean, decode_json, encode_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ANSWER_WAIT_S = 10.0
LONGEST_ANSWER_BYTES = 1 << 20
OUTSIDE = "say it inside of `runwrap COMMAND`, or name a run: --run latest"
EXAMPLE = "for example: loss=0.3"


def is_plain(argv: list[str], environ: Mapping[str, str]) -> bool:
    """Tell whether a command line says values to the run around us, and nothing else."""
    is_said = bool(argv[1:]) and argv[0] in ("log", "config", "summary") and "RUNWRAP_SOCKET" in environ
    return is_said and all("=" in word and word[0] != "-" for word in argv[1:])


def line_of(verb: str, words: list[str]) -> dict[str, Any]:
    """Return the line that a verb says with KEY=VALUE words. Raises: UsageError."""
    values: dict[str, Any] = {}
    for word in words:
        try:
            values |= pair(word)
        except ValueError:
            raise UsageError(f"{word!r} is no KEY=VALUE", EXAMPLE) from None
    if verb == "log":
        step = {"step": values.pop("step")} if "step" in values else {}
        return {"kind": "history", "values": values, **step}
    source = {"source": "command"} if verb == "config" else {}
    return {"kind": verb, "values": values, **source}


def say(line: dict[str, Any]) -> dict[str, Any]:
    """Say a line, and return the answer when it is kept. Raises: StoreError, UsageError."""
    path = os.environ.get("RUNWRAP_SOCKET")
    if not path:
        raise UsageError("there is no run around this", OUTSIDE)
    try:
        answer = ask(path, line)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"the run around this does not answer: {reason}", OUTSIDE) from None
    if not answer.get("ok"):
        hint = "" if line["kind"] == "save" else EXAMPLE
        raise UsageError(str(answer.get("error", "the run around this does not understand it")), hint)
    return answer


def ask(path: str, line: dict[str, Any]) -> dict[str, Any]:
    """Send a line and return its answer. Blocks: until it is kept, or ten seconds. Raises: OSError."""
    peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    peer.settimeout(ANSWER_WAIT_S)
    peer.connect(path)
    peer.sendall(encode_json(clean({**line, "id": 1})).encode() + b"\n")
    answer = b""
    while not answer.endswith(b"\n") and len(answer) < LONGEST_ANSWER_BYTES:
        chunk = peer.recv(1 << 16)
        if not chunk:
            raise OSError("it has hung up")
        answer = (answer + chunk).lstrip(b"\n")  # an empty line: it takes longer
    try:
        found = decode_json(answer.decode(), 0)[0]
    except (ValueError, StopIteration, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def main(argv: list[str]) -> int:
    """Say what a command line says and return the status to exit with."""
    try:
        say(line_of(argv[0], argv[1:]))
    except RunwrapError as error:
        return complain(error)
    return 0
