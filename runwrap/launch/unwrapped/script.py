"""A script that is no child of ours: when it ends, how, and what it has used."""

from __future__ import annotations

import json
import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Behind the name in /proc/PID/stat: its own times, and those of the children that it has waited for.
USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM = 11, 12, 13, 14
LONGEST_LINE_BYTES = 4096


class Script:
    """Watches a process, which says on `words_fd` how it ends: a line {"status": N}."""

    def __init__(self, pid: int, words_fd: int) -> None:
        self.pid = pid
        self.words_fd = words_fd
        self.status: int | None = None
        self.poller = select.poll()
        self.poller.register(words_fd, select.POLLIN)
        self.pid_fd = -1
        try:
            self.pid_fd = os.pidfd_open(pid)
            self.poller.register(self.pid_fd, select.POLLIN)
        except OSError:
            pass  # it has ended already, or lives in another container: then its end of the pipe must do

    def wait(self, interval_s: float, meanwhile: Callable[[], object]) -> None:
        """Wait for the end of the script, and do something now and then. Blocks."""
        words = b""
        while b"\n" not in words:
            ready = {fd for fd, _ in self.poller.poll(interval_s * 1000)}
            chunk = os.read(self.words_fd, LONGEST_LINE_BYTES) if self.words_fd in ready else b""
            words = (words + chunk)[:LONGEST_LINE_BYTES]
            if self.words_fd in ready and not chunk:
                if self.pid_fd < 0:
                    return
                self.poller.unregister(self.words_fd)  # it has closed what it did not know
            elif self.pid_fd in ready and not chunk:
                return
            meanwhile()
        self.status = status_of(words)

    def usage(self) -> dict[str, object]:
        """Return what the process has used, while it waits for us; nothing where it has gone."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            with open(f"/proc/{self.pid}/status", "rb") as file:
                peak = next(line.split()[1] for line in file if line.startswith(b"VmHWM:"))
        except (OSError, StopIteration):
            return {}
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        return {
            "cpu_user_s": (int(fields[USER]) + int(fields[CHILDREN_USER])) * tick_s,
            "cpu_system_s": (int(fields[SYSTEM]) + int(fields[CHILDREN_SYSTEM])) * tick_s,
            "memory_peak_bytes": int(peak) * 1024,
        }

    def exit_facts(self, started_clock_s: float) -> dict[str, object]:
        """Describe the end."""
        known = self.status is not None
        return {
            "status": self.status,
            "signal": None,
            "cause": f"exited {self.status}" if known else "killed, or left by os._exit",
            "duration_s": time.monotonic() - started_clock_s,
            **(self.usage() if known else {}),
        }


def status_of(words: bytes) -> int | None:
    """Read the status that a script has said; None for what is none."""
    try:
        status = json.loads(words)["status"]
    except (ValueError, KeyError, TypeError):
        return None
    return status & 0xFF if type(status) is int else None
