"""Find the lock files of the project around a folder: what its packages were to be, exactly."""

from __future__ import annotations

import os

LOCKS = (
    *("uv.lock", "poetry.lock", "pixi.lock", "Pipfile.lock", "pdm.lock", "pylock.toml", "conda-lock.yml"),
    *("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock"),
    *("Manifest.toml", "renv.lock", "Cargo.lock"),
)
ROOT_SIGNS = (".git", ".hg", ".svn")
DEPTH_LIMIT = 40
CONDA_SIZE_BYTES = 8 << 20
CONDA_COUNT = 5000


def lock_files(folder: str, home: str) -> list[str]:
    """List the lock files of the nearest folder upwards that has one, up to the root of the project.

    The home folder and those around it are no project.
    """
    for _ in range(DEPTH_LIMIT):
        found = [path for path in (os.path.join(folder, name) for name in LOCKS) if os.path.isfile(path)]
        above = os.path.dirname(folder)
        is_root = any(os.path.lexists(os.path.join(folder, sign)) for sign in ROOT_SIGNS)
        if found or is_root or above == folder or above == home.rstrip("/"):
            return found
        folder = above
    return []


def conda_packages(interpreter: str) -> list[tuple[str, str]]:
    """List the address and the MD5 of each package of the conda environment around an interpreter.

    Source: conda, "Building identical conda environments".
    """
    folder = os.path.join(os.path.dirname(os.path.dirname(interpreter)), "conda-meta")
    try:
        names = sorted(os.listdir(folder))[:CONDA_COUNT]
    except OSError:
        return []
    found = (conda_package(os.path.join(folder, name)) for name in names if name.endswith(".json"))
    return [each for each in found if each]


def conda_package(path: str) -> tuple[str, str] | None:
    """Read what conda noted of one package."""
    import json

    from runwrap.capture.small_file import read_bytes

    try:
        value = json.loads(read_bytes(path, CONDA_SIZE_BYTES))
    except (ValueError, RecursionError):
        return None
    address = value.get("url") if isinstance(value, dict) else None
    if not isinstance(address, str) or not address.isprintable() or " " in address:
        return None
    digest = value.get("md5")
    is_digest = isinstance(digest, str) and digest.isalnum() and digest.isascii()
    return address, str(digest) if is_digest else ""


def explicit_list(packages: list[tuple[str, str]]) -> bytes:
    """Write packages as `conda create --file` reads them."""
    lines = ["@EXPLICIT", *(f"{address}#{digest}" if digest else address for address, digest in packages)]
    return "".join(line + "\n" for line in lines).encode("utf-8", "replace")


def without_token(address: str) -> str:
    """Take the token out of an address of a private channel, `/t/TOKEN/`."""
    head, mark, rest = address.partition("/t/")
    return head + "/" + rest.partition("/")[2] if mark and "/" in rest else address
