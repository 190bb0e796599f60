"""Put a file into the run: whole or not at all, named by its content, and told to the run once."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, BinaryIO

FICLONE = 0x40049409  # linux/fs.h
CHUNK_BYTES = 1 << 20
DIGEST_CHARACTERS = 20
LONGEST_EXTENSION = 10
HARMLESS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
TWO_PARTS = (".pts.json",)

told: "set[str]" = set()


class Media:
    """What can be logged: `_store` writes its file and says what stands for it in the journal."""

    _kept: "tuple[str, dict[str, Any] | None]" = ("", None)

    def _store(self) -> "dict[str, Any] | None":
        raise NotImplementedError

    def _runwrap_value(self) -> "dict[str, Any] | None":
        """Store the file, and return the media object; None outside a run, or where it cannot be stored."""
        folder = files_folder()
        if not folder:
            return None
        if self._kept[0] != folder or self._kept[1] is None:
            self._kept = (folder, self._store())
        return self._kept[1]


def files_folder() -> str:
    """Return the folder of the run's files, or nothing outside a run."""
    return os.environ.get("RUNWRAP_FILES", "")


def media_object(kind: str, stored: "dict[str, Any] | None", **more: "Any") -> "dict[str, Any] | None":
    """Return what stands for a stored file in the journal, without what is not known."""
    if stored is None:
        return None
    value: dict[str, Any] = {"_type": kind}
    value.update(stored)
    value.update((key, item) for key, item in more.items() if item is not None)
    return value


def store_bytes(group: str, extension: str, content: bytes) -> "dict[str, Any] | None":
    """Store content; return its path, digest and size, or None where the disk does not take it."""
    import hashlib

    digest = hashlib.sha256(content).hexdigest()

    def write(partial: str) -> "tuple[str, int]":
        with open(partial, "wb") as file:
            file.write(content)
        return digest, len(content)

    return keep(group, extension, write, (digest, len(content)))


def store_copy(group: str, source: "Source") -> "dict[str, Any] | None":
    """Store what a file of the user's holds now. Raises: ValueError, where that cannot be read any more."""
    with source.opened() as original:
        return keep(group, source.extension, lambda partial: copy_to(partial, original))


def store_made(group: str, extension: str, make: "Callable[[str], None]") -> "dict[str, Any] | None":
    """Store what `make` writes at the path that it gets."""

    def write(partial: str) -> "tuple[str, int]":
        make(partial)
        with open(partial, "rb") as file:
            return digest_of(chunks_of(file))

    return keep(group, extension, write)


def keep(
    group: str,
    extension: str,
    write: "Callable[[str], tuple[str, int]]",
    known: "tuple[str, int] | None" = None,
) -> "dict[str, Any] | None":
    """Have a file written under a hidden name, and give it the name of its content."""
    folder = os.path.join(files_folder(), "media", group)
    partial = os.path.join(folder, f".{os.getpid()}-{os.urandom(6).hex()}{extension}")
    try:
        make_folder(folder)
        if known is None or not is_there(os.path.join(folder, name_of(known, extension)), known[1]):
            known = settle(folder, extension, partial, write)
    except OSError as error:
        tell_failure(f"A file of the media in {group} could not be stored: {error.strerror or error}.")
        return None
    path = f"media/{group}/{name_of(known, extension)}"
    tell_once(path, known)
    return {"path": path, "sha256": known[0], "size_bytes": known[1]}


def settle(
    folder: str, extension: str, partial: str, write: "Callable[[str], tuple[str, int]]"
) -> "tuple[str, int]":
    """Write a file and rename it; whatever happens, nothing half written is left. Raises: OSError."""
    try:
        known = write(partial)
        final = os.path.join(folder, name_of(known, extension))
        if not is_there(final, known[1]):
            os.rename(partial, final)
    finally:
        try:
            os.unlink(partial)
        except OSError:
            pass  # it has its name
    return known


def name_of(known: "tuple[str, int]", extension: str) -> str:
    """Name a file by its content."""
    return known[0][:DIGEST_CHARACTERS] + extension


def is_there(path: str, size_bytes: int) -> bool:
    """Tell whether a file of that name is stored, and whole."""
    import stat

    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == size_bytes


def make_folder(folder: str) -> None:
    """Make the folders of the media, not the one of the run's files. Raises: OSError."""
    for path in (os.path.dirname(folder), folder):
        try:
            os.mkdir(path, 0o700)
        except OSError:
            if not os.path.isdir(path):
                raise


def copy_to(partial: str, original: "BinaryIO") -> "tuple[str, int]":
    """Clone a file where the disk can, else copy it; the digest is of the copy. Raises: OSError."""
    import fcntl

    with open(partial, "w+b") as file:
        try:
            fcntl.ioctl(file.fileno(), FICLONE, original.fileno())
        except OSError:
            return digest_of(written_to(file, chunks_of(original)))
        return digest_of(chunks_of(file))


def chunks_of(file: "BinaryIO") -> "Iterator[bytes]":
    """Read a file to its end."""
    return iter(lambda: file.read(CHUNK_BYTES), b"")


def written_to(file: "BinaryIO", chunks: "Iterator[bytes]") -> "Iterator[bytes]":
    """Write what passes by."""
    for chunk in chunks:
        file.write(chunk)
        yield chunk


def digest_of(chunks: "Iterator[bytes]") -> "tuple[str, int]":
    """Return the SHA-256 and the size of what comes in chunks."""
    import hashlib

    digest = hashlib.sha256()
    size_bytes = 0
    for chunk in chunks:
        digest.update(chunk)
        size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


class Source:
    """A file of the user's, given by its path. Raises: ValueError, where there is none or of another kind."""

    def __init__(self, path: "Any", name: str, extensions: "tuple[str, ...]" = ()) -> None:
        self.path = os.path.abspath(os.fsdecode(os.fspath(path)))
        self.name = name
        self.extension = extension_of(self.path)
        if extensions and self.extension not in extensions:
            known = ", ".join(extensions)
            raise ValueError(f"{name}: {path!r} is no file of a kind that is known here; give one of {known}")
        self.opened().close()

    def opened(self) -> "BinaryIO":
        """Open the file for reading. Raises: ValueError."""
        import stat

        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ValueError(
                f"{self.name}: cannot read {self.path!r}: {reason}; give the path of a file"
            ) from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise ValueError(f"{self.name}: {self.path!r} is no regular file; give the path of one")
        return open(fd, "rb")

    def head(self, count: int = 1 << 16) -> bytes:
        """Read how the file begins. Raises: ValueError."""
        with self.opened() as file:
            return file.read(count)


def extension_of(path: str) -> str:
    """Return the ending of a file's name with its dot, harmless and short; nothing where there is none."""
    name = os.path.basename(path).lower()
    for ending in TWO_PARTS:
        if name.endswith(ending):
            return ending
    ending = "".join(letter for letter in os.path.splitext(name)[1] if letter in HARMLESS)
    return "." + ending[: LONGEST_EXTENSION - 1] if ending else ""


def is_path(value: "Any") -> bool:
    """Tell whether a value is the path of something."""
    return isinstance(value, (str, os.PathLike))


def tell_once(path: str, known: "tuple[str, int]") -> None:
    """Tell the run of a file, unless this process has told of it before."""
    mark = os.path.join(files_folder(), path)
    if mark not in told:
        tell_file(path, known[0], known[1])
        told.add(mark)


def tell_file(path: str, sha256: str, size_bytes: int) -> None:
    """Tell the run that a file is complete."""
    say("file", path=path, sha256=sha256, size_bytes=size_bytes)


def tell_failure(text: str) -> None:
    """Tell the run what could not be done; the script goes on."""
    say("notice", level="warning", part="media", text=text)


def say(kind: str, **data: "Any") -> None:
    """Send a line to the run, where there is a way to."""
    from importlib import import_module

    try:
        channel = import_module("runwrap.inject.channel")
    except ImportError:
        return
    channel.say(kind, **data)
