"""Have every Python that the script starts run runwrap/inject/boot/sitecustomize.py.

Where the package's folder is not ours to write into, Python could not keep the bytecode of it, and would
compile it at each start. There the script gets a copy, in the user's cache folder.
"""

from __future__ import annotations

import os
import stat

from runwrap import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BOOT = os.path.join("inject", "boot")


def injected(environ: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the variable that brings us into a script; nothing, where no PYTHONPATH can name the folder."""
    boot = os.fsencode(boot_folder(environ))
    if b":" in boot:
        return {}
    old = environ.get(b"PYTHONPATH", b"")
    rest = b":".join(entry for entry in old.split(b":") if entry != boot)  # we may be in a script of ours
    return {b"PYTHONPATH": boot + b":" + rest if rest else boot}


def boot_folder(environ: Mapping[bytes, bytes]) -> str:
    """Return the folder for PYTHONPATH: the package's own, or else that of a copy, if one can be made."""
    own = os.path.join(PACKAGE, BOOT)
    cache = os.path.join(own, "__pycache__")
    is_kept = os.access(cache if os.path.isdir(cache) else own, os.W_OK | os.X_OK)
    if is_kept and ":" not in own:
        return own
    try:
        return os.path.join(copied(cache_folder(environ)), BOOT)
    except OSError:
        return own


def cache_folder(environ: Mapping[bytes, bytes]) -> str:
    """Return the user's cache folder. Raises: OSError."""
    given = os.fsdecode(environ.get(b"XDG_CACHE_HOME", b""))
    home = os.fsdecode(environ.get(b"HOME", b""))
    folder = given if os.path.isabs(given) else os.path.join(home, ".cache")
    if not os.path.isabs(folder) or ":" in folder:
        raise NotADirectoryError(folder)
    return folder


def copied(cache: str) -> str:
    """Return a copy of what a script imports of this package, made once for each version. Raises: OSError."""
    files = sorted(parts())
    ours = os.path.join(cache, "runwrap")
    place = os.path.join(ours, f"inject-{__version__}-{digest(files)}")
    make_folder(cache, (os.geteuid(), 0))
    make_folder(ours, (os.geteuid(),))
    make_folder(place, (os.geteuid(),))
    for file in files:
        copy_if_needed(os.path.join(PACKAGE, file), os.path.join(place, "runwrap", file))
    return os.path.join(place, "runwrap")


def parts() -> Iterator[str]:
    """List the files that a script may import, relative to the package."""
    yield "__init__.py"
    for folder, _, names in os.walk(os.path.join(PACKAGE, "inject")):
        yield from (os.path.relpath(os.path.join(folder, name), PACKAGE) for name in names if is_part(name))


def is_part(name: str) -> bool:
    """Tell source from what Python makes of it."""
    return not name.endswith((".pyc", ".pyo"))


def digest(files: list[str]) -> str:
    """Return a word that is another one when a file has changed, or the package has moved."""
    from binascii import crc32

    facts = [os.stat(os.path.join(PACKAGE, file)) for file in files]
    told = [(file, fact.st_size, fact.st_mtime_ns) for file, fact in zip(files, facts, strict=True)]
    return f"{crc32(repr((PACKAGE, told)).encode()):08x}"


def make_folder(folder: str, owners: tuple[int, ...]) -> None:
    """Make a folder where there is none. Raises: OSError, if others could write there, or have made it."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        link, found = os.lstat(folder), os.stat(folder)
        is_open = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        if not stat.S_ISDIR(found.st_mode) or is_open or not {link.st_uid, found.st_uid} <= set(owners):
            raise PermissionError(folder) from None


def copy_if_needed(source: str, target: str) -> None:
    """Copy a file, unless that was done; others may do the same at this moment. Raises: OSError."""
    try:
        if os.stat(target).st_size == os.stat(source).st_size:
            return
    except FileNotFoundError:
        os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
    import shutil
    import time

    unfinished = f"{target}.{os.getpid()}.{time.time_ns()}"
    try:
        shutil.copyfile(source, unfinished)
        os.replace(unfinished, target)
    except OSError:
        os.unlink(unfinished)
        raise
