"""Files that go into the run as they are, and come back out of it."""

import os

from runwrap.inject import channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

POLICIES = ("live", "now", "end")
CHUNK_BYTES = 1 << 20


def save(
    glob_str: "Any" = None, base_path: "Any" = None, policy: str = "live", path: "Any" = None, **_: "Any"
) -> "list[str]":
    """Put files into the run: a path, a pattern with `*`, `?`, `[..]` and `**`, or a folder with all in it.

    They are there, as they are now, when this returns; with `live` again each time that they change, with
    `end` only as they are at the end. Their names begin at `base_path`; without one they are as given, and
    for a path from the root the last word. Returns those names. Raises: TypeError, ValueError.
    """
    given = glob_str if path is None else path
    if given is None:
        return []  # once it meant: save the run
    if policy not in POLICIES:
        raise ValueError(f"save(policy={policy!r}): choose one of {', '.join(POLICIES)}")
    word = os.fsdecode(os.fspath(given))
    whole = os.path.abspath(word)
    said: "dict[str, Any]" = {"path": whole, "policy": policy}
    base = base_of(word, base_path)
    if base is not None:
        if not (whole + "/").startswith(base.rstrip("/") + "/"):
            raise ValueError(f"save({word!r}, base_path={base!r}): the file does not lie in that folder")
        said["base"] = base
    answer = channel.ask("save", **said) or {}
    return [str(file["path"]) for file in answer.get("files", ())]


def base_of(word: str, base_path: "Any") -> "str | None":
    """Return the folder that names begin at, where that is not the one that the file lies in."""
    if base_path is not None:
        return os.path.abspath(os.fsdecode(os.fspath(base_path)))
    cwd = os.getcwd()
    is_below = not os.path.isabs(word) and not os.path.relpath(word, cwd).startswith("..")
    return cwd if is_below else None


def restore(
    name: "Any", run_path: "Any" = None, replace: bool = False, root: "Any" = None, run: "Any" = None
) -> "IO[str]":
    """Bring a file of this run, or of another one, to `root` (here), and return it opened for reading.

    What is there already stays, and is what is opened, unless it is to be replaced. `run` is an id, a name or
    PROJECT/ID. Raises: FileNotFoundError, ValueError, OSError.
    """
    word = os.fspath(name)
    folder = os.path.realpath(os.getcwd() if root is None else os.fspath(root))
    target = os.path.realpath(os.path.join(folder, word))
    if not target.startswith(folder.rstrip("/") + "/"):
        raise ValueError(f"restore({word!r}): that name leads out of {folder!r}")
    if replace or not os.path.exists(target):
        copy(stored(word, run_path if run is None else run), target)
    return open(target, encoding="utf-8", errors="surrogateescape")


def stored(name: str, run: "Any") -> str:
    """Return where a file of a run lies. Raises: FileNotFoundError, ValueError."""
    word = None if run is None else "/".join(str(getattr(run, "id", run)).split("/")[-2:])
    answer = channel.ask("restore", name=name, run=word)
    if answer is None:
        raise FileNotFoundError(f"restore({name!r}): nobody answers who knows the files of runs")
    if not answer.get("ok"):
        raise FileNotFoundError(f"restore({name!r}): {answer.get('error')}")
    return str(answer["file"])


def copy(source: str, target: str) -> None:
    """Copy a file, whole or not at all. Raises: OSError."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    partial = f"{target}.{os.getpid()}-{os.urandom(4).hex()}"
    try:
        with open(source, "rb") as original, open(partial, "xb") as file:
            file.writelines(iter(lambda: original.read(CHUNK_BYTES), b""))
        os.rename(partial, target)
    except OSError:
        try:
            os.unlink(partial)
        except OSError:
            pass  # it was never there
        raise
