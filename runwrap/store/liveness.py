"""Whether the process that writes a run still lives, from what the run says of it."""

from __future__ import annotations

import os

# The 22nd field of /proc/PID/stat, counted from the one behind the name.
STARTED = 19
# Has ended, and its parent has not asked yet.
DEAD = ("Z", "X")


def boot_id() -> str | None:
    """Return what tells one boot of this machine from another."""
    return read_text("/proc/sys/kernel/random/boot_id")


def pid_namespace() -> str | None:
    """Name the namespace in which our pids mean something."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def pid_started(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None where there is none, or a dead one."""
    stat = read_text(f"/proc/{pid}/stat")
    # The name of the command stands in parentheses and may hold some itself.
    fields = stat.rpartition(")")[2].split() if stat else []
    return int(fields[STARTED]) if len(fields) > STARTED and fields[0] not in DEAD else None


def is_alive(pid: int, started: int | None) -> bool:
    """Tell whether a process that started then is still there."""
    found = pid_started(pid)
    if found is not None:
        return found == started
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True  # somebody else's, and /proc is mounted so that it is hidden
    except (OSError, OverflowError):
        return False
    return not os.path.exists(f"/proc/{pid}/stat")


def read_text(path: str) -> str | None:
    """Read a small file of /proc."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 4096).decode(errors="replace").strip()
    except OSError:
        return None
    finally:
        os.close(fd)


def user_name() -> str:
    """Name the user, as the system knows them."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
