"""Find the environments that poetry and pipenv keep outside of the project."""

from __future__ import annotations

import os

from runwrap.capture.small_file import read_bytes

SCRIPT_MARK = b"# /// script"
SCRIPT_SIZE_BYTES = 1 << 20


def cached_environment(manager: str, folder: str, environ: dict[str, str]) -> str | None:
    """Return the folder of a project's environment, the newest of several."""
    home = environ.get("HOME", "")
    if manager == "poetry":
        cache = environ.get("XDG_CACHE_HOME") or f"{home}/.cache"
        cache = environ.get("POETRY_CACHE_DIR") or f"{cache}/pypoetry"
        store, mark = environ.get("POETRY_VIRTUALENVS_PATH") or f"{cache}/virtualenvs", poetry_mark(folder)
    elif manager == "pipenv":
        data = environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
        store, mark = environ.get("WORKON_HOME") or f"{data}/virtualenvs", pipenv_mark(folder)
    else:
        return None
    try:
        found = [f"{store}/{name}" for name in os.listdir(store) if is_named(name, mark)]
    except OSError:
        return None
    return max(found, key=changed_ns, default=None)


def has_own_packages(path: str) -> bool:
    """Tell whether a script says itself which packages it needs, so that uv makes an environment for it.

    Source: PEP 723.
    """
    return SCRIPT_MARK in (line.rstrip() for line in read_bytes(path, SCRIPT_SIZE_BYTES).splitlines())


def script_environment(path: str, environ: dict[str, str]) -> str | None:
    """Return the environment that uv made for a script; None where it could be another script's."""
    cache = environ.get("XDG_CACHE_HOME") or environ.get("HOME", "") + "/.cache"
    store = (environ.get("UV_CACHE_DIR") or f"{cache}/uv") + "/environments-v2"
    stem = os.path.basename(path).removesuffix(".py")
    try:
        found = [name for name in os.listdir(store) if name.rpartition("-")[0] == stem]
    except OSError:
        return None
    return f"{store}/{found[0]}" if len(found) == 1 else None


def poetry_mark(folder: str) -> str:
    """Return what poetry puts behind the project's name.

    Source: poetry, utils/env, EnvManager.generate_env_name.
    """
    import base64
    import hashlib

    digest = hashlib.sha256(os.fsencode(os.path.realpath(folder))).digest()
    return base64.urlsafe_b64encode(digest).decode()[:8]


def pipenv_mark(folder: str) -> str:
    """Return what pipenv puts behind the project's name.

    Source: pipenv, project.py, Project._get_virtualenv_hash.
    """
    import base64
    import hashlib

    digest = hashlib.sha256(os.fsencode(f"{folder}/Pipfile")).digest()
    return base64.urlsafe_b64encode(digest[:6]).decode()


def is_named(name: str, mark: str) -> bool:
    """Tell whether an environment's name has the mark of the project: `name-MARK`, `name-MARK-py3.12`."""
    return name.endswith(f"-{mark}") or f"-{mark}-py" in name


def changed_ns(folder: str) -> int:
    """Return when a folder was changed; 0 when it is gone."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0
