"""How a script ended."""

from __future__ import annotations

import _signal
import os

NAMES = {
    getattr(_signal, name): name
    for name in dir(_signal)
    if name.startswith("SIG") and not name.startswith(("SIG_", "SIGRT", "SIGCLD", "SIGPOLL", "SIGIOT"))
}


def signal_name(number: int) -> str:
    """Name a signal as kill(1) does: SIGTERM, SIGRTMIN+3."""
    if number in NAMES:
        return NAMES[number]
    return f"SIGRTMIN+{number - _signal.SIGRTMIN}"


class Outcome:
    """The wait status of a script and what it used; `broken_by` is a signal that ended our relay after it."""

    __slots__ = ("broken_by", "cpu_system_s", "cpu_user_s", "memory_peak_bytes", "status")

    def __init__(self, status: int, cpu_user_s: float, cpu_system_s: float, memory_peak_kb: int) -> None:
        self.status = status
        self.cpu_user_s = cpu_user_s
        self.cpu_system_s = cpu_system_s
        self.memory_peak_bytes = memory_peak_kb * 1024
        self.broken_by = 0

    def signal_number(self) -> int:
        """Return the signal that ended the script, or 0."""
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0

    def exit_status(self) -> int | None:
        """Return the status that the script exited with, or None."""
        return os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status) else None

    def cause(self, out_of_memory: bool) -> str:
        """Say in words how the script ended."""
        number = self.signal_number()
        if not number:
            return f"exited {self.exit_status()}"
        return f"killed by {signal_name(number)}" + (" (out of memory)" if out_of_memory else "")


def in_words(duration_s: float) -> str:
    """Write a duration as people say it: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
