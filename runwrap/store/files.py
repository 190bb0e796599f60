"""The files of a run: copied in whole or not at all, under names that stay inside its folder."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO

from runwrap.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Told = Callable[[int], None]

FICLONE = 0x40049409  # linux/fs.h
CHUNK_BYTES = 1 << 20
MOST_TURNS = 3
PARTIAL = ".partial-"
# What runwrap itself writes into the folder: files of the script that are called so lie beside it.
OURS = ("requirements.txt", "diff.patch", "untracked.tar.gz", "sparse-checkout", "conda-explicit.txt")
OUR_FOLDER = "media"
CAPTURED = "captured"
BESIDE = "saved"


def name_in_run(path: str, base: str) -> str:
    """Return what a file is called in the run, from the folder that names begin at. Raises: UsageError."""
    name = os.path.relpath(path, base)
    parts = name.split("/")
    if parts[0] in ("..", ".") or "\0" in name:
        raise UsageError(f"{path!r} does not lie in {base!r}", "choose another base folder")
    is_ours = (
        name in OURS
        or parts[0] in (OUR_FOLDER, CAPTURED, BESIDE)
        or parts[-1].startswith((PARTIAL, ".spill-"))
    )
    return f"{BESIDE}/{name}" if is_ours else name


class FileFolder:
    """The folder of one run's files; `told` gets the number of bytes that have passed, now and then."""

    def __init__(self, path: str, told: Told = lambda _: None) -> None:
        self.path = path
        self.told = told
        self.names: dict[str, str] = {}

    def keep(self, source: str, name: str) -> dict[str, Any]:
        """Copy a file into the run; return the data of its record.

        `is_torn` among them says that the file was being written to all the while. Raises: OSError.
        """
        with open(os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as original:
            if not stat.S_ISREG(os.fstat(original.fileno()).st_mode):
                raise OSError(None, "is no regular file")
            *folders, last = name.split("/")
            with self.opened(folders) as folder_fd:
                return {"path": name, **self.keep_in(folder_fd, last, original, name)}

    @contextlib.contextmanager
    def opened(self, folders: list[str]) -> Iterator[int]:
        """Open a folder within, make it if it is missing, and follow no links. Raises: OSError."""
        flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self.path, os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o700, dir_fd=fd)
                inner = os.open(folder, flags, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)

    def keep_in(self, folder_fd: int, last: str, original: BinaryIO, name: str) -> dict[str, Any]:
        """Copy what is open into a folder that is open, under a hidden name first. Raises: OSError."""
        partial = f"{PARTIAL}{os.getpid()}-{os.urandom(6).hex()}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(partial, flags, 0o600, dir_fd=folder_fd), "r+b") as copy:
                digest, size_bytes, is_torn = self.copy_quiet(original, copy)
                os.fchmod(copy.fileno(), mode_of(original))
            self.link_twin(digest, size_bytes, folder_fd, partial)
            os.rename(partial, last, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(partial, dir_fd=folder_fd)
            raise
        self.names[digest] = name
        return {"sha256": digest, "size_bytes": size_bytes} | ({"is_torn": True} if is_torn else {})

    def copy_quiet(self, original: BinaryIO, copy: BinaryIO) -> tuple[str, int, bool]:
        """Copy a file that nobody writes to meanwhile; say of the last try whether somebody did."""
        for _ in range(MOST_TURNS):
            before = os.fstat(original.fileno())
            digest, size_bytes = self.copy(original, copy, before.st_size)
            after = os.fstat(original.fileno())
            if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
                return digest, size_bytes, False
        return digest, size_bytes, True

    def copy(self, original: BinaryIO, copy: BinaryIO, most_bytes: int) -> tuple[str, int]:
        """Clone a file where the disk can, else copy it; return the digest and the size of the copy.

        One that grows all the while is copied up to `most_bytes`.
        """
        for file in (original, copy):
            file.seek(0)
        copy.truncate()
        try:
            fcntl.ioctl(copy.fileno(), FICLONE, original.fileno())
        except OSError:
            return self.digest(self.written(chunks_of(original, most_bytes), copy))
        return self.digest(chunks_of(copy))

    def written(self, chunks: Iterator[bytes], copy: BinaryIO) -> Iterator[bytes]:
        """Write what passes by."""
        for chunk in chunks:
            copy.write(chunk)
            yield chunk
        copy.flush()

    def digest(self, chunks: Iterator[bytes]) -> tuple[str, int]:
        """Return the SHA-256 and the size of what comes in chunks."""
        digest = hashlib.sha256()
        size_bytes = 0
        for chunk in chunks:
            digest.update(chunk)
            size_bytes += len(chunk)
            self.told(len(chunk))
        return digest.hexdigest(), size_bytes

    def link_twin(self, digest: str, size_bytes: int, folder_fd: int, partial: str) -> None:
        """Have a copy share the disk with a file of the run that has the same content."""
        twin = os.path.join(self.path, self.names.get(digest, ""))
        linked = partial + "-twin"
        try:
            found = os.lstat(twin)
            if stat.S_ISREG(found.st_mode) and found.st_size == size_bytes and not found.st_mode & 0o222:
                os.link(twin, linked, dst_dir_fd=folder_fd, follow_symlinks=False)
                os.rename(linked, partial, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        except OSError:
            pass  # then there are two of it

    def describe(self, name: str) -> dict[str, Any]:
        """Return the data of the record of a file that lies in the run already. Raises: OSError."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(os.path.join(self.path, name), flags), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(None, "is no regular file")
            digest, size_bytes = self.digest(chunks_of(file))
        return {"path": name, "sha256": digest, "size_bytes": size_bytes}

    def find(self, name: str) -> str | None:
        """Return where a file of the run lies; None where there is none of that name."""
        root = os.path.realpath(self.path)
        places = [os.path.join(root, name), os.path.join(root, BESIDE, name)] if "\0" not in name else []
        inside = (path for path in places if os.path.realpath(path).startswith(root + "/"))
        return next(filter(os.path.isfile, inside), None)


def mode_of(original: BinaryIO) -> int:
    """Return the rights on a copy: nobody changes it, and a program may be run."""
    return 0o500 if os.fstat(original.fileno()).st_mode & 0o100 else 0o400


def chunks_of(file: BinaryIO, most_bytes: int | None = None) -> Iterator[bytes]:
    """Read a file to its end, or as much of it."""
    left_bytes = os.fstat(file.fileno()).st_size if most_bytes is None else most_bytes
    while left_bytes > 0 and (chunk := file.read(min(CHUNK_BYTES, left_bytes))):
        left_bytes -= len(chunk)
        yield chunk


def matches(pattern: str) -> Iterator[str]:
    """Return the files that a path or a pattern means, and in folders all that lies in them."""
    found = [pattern] if os.path.lexists(pattern) else glob.iglob(pattern, recursive=True)
    seen: set[str] = set()
    for file in (file for path in found for file in files_in(path)):
        if file not in seen:
            seen.add(file)
            yield file


def files_in(path: str) -> Iterator[str]:
    """Return a file, or all those below a folder; links to folders are not followed."""
    if not os.path.isdir(path):
        yield path
    for folder, _, names in os.walk(path):
        yield from (os.path.join(folder, name) for name in sorted(names))


def start_of(pattern: str) -> str:
    """Return the folder that the names of files begin at: above the first word with a sign of a pattern."""
    if os.path.lexists(pattern) or not glob.has_magic(pattern):
        return os.path.dirname(pattern)
    words = pattern.split("/")
    return "/".join(words[: next(i for i, word in enumerate(words) if glob.has_magic(word))]) or "/"
