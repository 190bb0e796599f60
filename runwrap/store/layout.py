"""Where a run lies: ROOT/PROJECT/RUN, with any project name made a safe folder name."""

from __future__ import annotations

SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
LONGEST_BYTES = 200


def project_folder(project: str) -> str:
    """Return the folder name of a project: percent-encoded, never hidden, never too long."""
    raw = project.encode("utf-8", "surrogateescape")
    quoted = "".join(chr(byte) if byte in SAFE else f"%{byte:02X}" for byte in raw)
    if quoted.startswith("."):
        quoted = "%2E" + quoted[1:]
    if len(quoted) > LONGEST_BYTES:
        import hashlib

        quoted = quoted[:LONGEST_BYTES] + "~" + hashlib.sha256(raw).hexdigest()[:16]
    return quoted or "%"
