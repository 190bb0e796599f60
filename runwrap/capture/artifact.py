"""Write a file into the run's folder, whole or not at all."""

from __future__ import annotations

import os


def write_artifact(folder: str, name: str, content: bytes) -> dict[str, object]:
    """Write `content` to the disk, and return the data of its `file` record.

    Raises: OSError when the folder cannot be written.
    """
    import hashlib

    partial = os.path.join(folder, f".{name}.{os.getpid()}")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(partial, os.path.join(folder, name))
    except OSError:
        discard(partial)
        raise
    digest = hashlib.sha256(content).hexdigest()
    return {"path": name, "sha256": digest, "size_bytes": len(content), "policy": "now"}


def discard(path: str) -> None:
    """Delete a file that may not exist."""
    try:
        os.unlink(path)
    except OSError:
        pass
