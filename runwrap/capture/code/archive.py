"""Put small files of a tree into one archive, with their modes and links, under any name that they have."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    IsChanged = Callable[[bytes], bool]

FILE_SIZE_BYTES = 1 << 20
WHOLE_SIZE_BYTES = 10 << 20
FILE_COUNT = 2000
# An archive goes where a run goes: what is called like this is a key or a password more often than code.
SECRET_NAMES = (b".env", b".netrc", b".pgpass", b".pypirc", b".npmrc", b".git-credentials", b".htpasswd")
SECRET_STARTS = (b".env.", b"id_rsa", b"id_dsa", b"id_ecdsa", b"id_ed25519", b"credentials", b"secret")
SECRET_ENDS = (b".pem", b".key", b".p12", b".pfx", b".jks", b".keystore", b".kdbx", b".env")
PRIVATE_KEY = b"PRIVATE KEY-----"
NO_SECRETS = (b".env.example", b".env.sample", b".env.template", b".py")


class Item:
    """A file that was opened: its name in the tree, its status, and the content or the target of the link."""

    __slots__ = ("content", "name", "status")

    def __init__(self, name: bytes, status: os.stat_result, content: bytes) -> None:
        self.name = name
        self.status = status
        self.content = content


class Collection:
    """Files for an archive, and those that were left out, each with the reason."""

    def __init__(self, top: str, is_changed: IsChanged) -> None:
        self.top = os.fsencode(top)
        self.is_changed = is_changed
        self.items: list[Item] = []
        self.left_out: list[dict[str, object]] = []
        self.size_bytes = 0

    def take(self, names: Iterable[bytes]) -> None:
        """Take the files of these names, the small ones first: code is smaller than data."""
        for size_bytes, name in sorted((self.size_of(name), name) for name in dict.fromkeys(names)):
            reason = self.reason_against(name, size_bytes) or self.add(name)
            if reason:
                self.leave_out(name, size_bytes, reason)

    def size_of(self, name: bytes) -> int:
        """Return a file's size; -1 when it is not there."""
        try:
            return os.lstat(os.path.join(self.top, name)).st_size
        except (OSError, ValueError):
            return -1

    def reason_against(self, name: bytes, size_bytes: int) -> str:
        """Say why a file is not even opened; "" when nothing speaks against it."""
        if name.endswith(b"/"):
            return "a repository of its own"
        if not is_inside(name):
            return "not in the tree"
        if is_secret(name):
            return "named like a secret"
        if size_bytes > FILE_SIZE_BYTES:
            return f"larger than {FILE_SIZE_BYTES >> 20} MiB"
        if self.size_bytes + size_bytes > WHOLE_SIZE_BYTES or len(self.items) >= FILE_COUNT:
            return "the archive is full"
        return ""

    def add(self, name: bytes) -> str:
        """Read a file; say why that was in vain."""
        try:
            item = read_item(self.top, name)
        except OSError as error:
            return os.strerror(error.errno or 0)
        if item is None:
            return "not a regular file"
        if len(item.content) > FILE_SIZE_BYTES or self.is_changed(name):
            return "changed while it was read"
        if PRIVATE_KEY in item.content:
            return "holds a private key"
        self.items.append(item)
        self.size_bytes += len(item.content)
        return ""

    def leave_out(self, name: bytes, size_bytes: int, reason: str) -> None:
        """Note a file that is not in the archive."""
        size = {} if size_bytes < 0 else {"size_bytes": size_bytes}
        self.left_out.append({"name": os.fsdecode(name), **size, "why": reason})

    def packed(self) -> bytes:
        """Return the archive, the same for the same files."""
        import gzip
        import io
        import tarfile

        raw = io.BytesIO()
        with (
            gzip.GzipFile("", "wb", 6, raw, mtime=0) as squeezed,
            tarfile.open(
                fileobj=squeezed,
                mode="w",
                format=tarfile.GNU_FORMAT,
                encoding="utf-8",
                errors="surrogateescape",
            ) as archive,
        ):
            for item in sorted(self.items, key=lambda item: item.name):
                entry = tarfile.TarInfo(item.name.decode("utf-8", "surrogateescape"))
                entry.mtime = int(item.status.st_mtime)
                entry.mode = stat.S_IMODE(item.status.st_mode) & 0o777
                if stat.S_ISLNK(item.status.st_mode):
                    entry.type = tarfile.SYMTYPE
                    entry.linkname = item.content.decode("utf-8", "surrogateescape")
                    archive.addfile(entry)
                else:
                    entry.size = len(item.content)
                    archive.addfile(entry, io.BytesIO(item.content))
        return raw.getvalue()


def is_inside(name: bytes) -> bool:
    """Tell whether a name stays in the tree, and out of git's own folder."""
    parts = name.split(b"/")
    return bool(name) and not {b"", b".", b".."} & set(parts) and b".git" not in map(bytes.lower, parts)


def is_secret(name: bytes) -> bool:
    """Tell whether a file is called like one that holds keys or passwords."""
    last = name.rpartition(b"/")[2].lower()
    if last.endswith(NO_SECRETS):
        return False
    return last in SECRET_NAMES or last.startswith(SECRET_STARTS) or last.endswith(SECRET_ENDS)


def read_item(top: bytes, name: bytes) -> Item | None:
    """Read a file or a link of a tree without following a link on the way; None for what is neither.

    Raises: OSError.
    """
    *folders, last = name.split(b"/")
    folder_fd = os.open(top, os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            inner_fd = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd)
            os.close(folder_fd)
            folder_fd = inner_fd
        status = os.stat(last, dir_fd=folder_fd, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            return Item(name, status, os.readlink(last, dir_fd=folder_fd))
        return read_regular(name, last, folder_fd) if stat.S_ISREG(status.st_mode) else None
    finally:
        os.close(folder_fd)


def read_regular(name: bytes, last: bytes, folder_fd: int) -> Item | None:
    """Read a file up to one byte more than is kept; None when it is no regular one any more."""
    fd = os.open(last, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd)
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        return Item(name, status, file.read(FILE_SIZE_BYTES + 1)) if stat.S_ISREG(status.st_mode) else None
