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


def write_inside(folder: str, inner: str, name: str, content: bytes) -> dict[str, object]:
    """Write `content` into a folder within, which is made; a link in its place is not followed.

    Raises: OSError when the folder cannot be written.
    """
    path = os.path.join(folder, inner)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    fd = os.open(path, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return {**write_artifact(f"/proc/self/fd/{fd}", name, content), "path": f"{inner}/{name}"}
    finally:
        os.close(fd)


def plain_name(name: str) -> str:
    """Return a file's name with what is no plain character replaced, and no dot at the beginning."""
    plain = "".join(each if each.isascii() and each.isprintable() else "_" for each in name[-200:])
    return "_" + plain[1:] if plain.startswith(".") else plain
