"""Signals as facts to be read, with who sent them; never as interruptions."""

from __future__ import annotations

# `signal` wraps this module in enums, which costs 4 ms on the launch path.
import _signal
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ALL: frozenset[int] = frozenset(_signal.valid_signals())
SI_KERNEL = 0x80
# Wakes the main thread on behalf of another thread of ours.
POKE = _signal.SIGRTMAX - 1
STOPS = frozenset({_signal.SIGTSTP, _signal.SIGTTIN, _signal.SIGTTOU})
ENDS = frozenset({_signal.SIGINT, _signal.SIGQUIT, _signal.SIGHUP, _signal.SIGTERM})
# What a terminal sends: with SI_KERNEL the whole job has been told already.
FROM_TERMINAL = frozenset(
    {_signal.SIGINT, _signal.SIGQUIT, _signal.SIGHUP, _signal.SIGWINCH, _signal.SIGCONT, *STOPS}
)


def block_all() -> set[int]:
    """Block every signal and return the mask that was in force."""
    return set(_signal.pthread_sigmask(_signal.SIG_BLOCK, ALL))


def mind_children() -> bool:
    """Learn of the ends of our children, also where we were started to ignore them; tell whether we were."""
    was_ignored = bool(_signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN)
    if was_ignored:
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    return was_ignored


def wait(timeout_s: float | None) -> Any:
    """Wait for the next signal and return its siginfo, or None when the time is up."""
    if timeout_s is None:
        return _signal.sigwaitinfo(ALL)
    return _signal.sigtimedwait(ALL, max(0.0, timeout_s))


def poke() -> None:
    """Wake the main thread out of `wait`, after every other signal that is there.

    Sent to the process: what is sent to a thread would be taken before all that is sent to the process.
    """
    os.kill(os.getpid(), POKE)


def is_poke(info: Any) -> bool:
    """Tell a poke from the same signal sent by somebody else."""
    return bool(info.si_signo == POKE and info.si_pid == os.getpid())


def is_from_terminal(info: Any) -> bool:
    """Tell whether the terminal sent a signal, and so sent it to the whole job."""
    return info.si_code == SI_KERNEL and info.si_signo in FROM_TERMINAL


def take(signal_number: int, timeout_s: float) -> bool:
    """Take a pending signal, waiting a moment for it, and tell whether there was one."""
    return _signal.sigtimedwait({signal_number}, timeout_s) is not None


def is_stop_pending() -> bool:
    """Tell whether a stop has been sent to us that we have not looked at yet."""
    return not STOPS.isdisjoint(_signal.sigpending())


def stop_self(signal_number: int, whole_group: bool) -> None:
    """Stop as the script stopped; return once continued.

    An orphaned group is not stopped by these signals, and then this returns at once. SIGSTOP
    would stop it for good. Where our group has stopped and gone on before us, the stop is over.
    """
    number = signal_number if signal_number in STOPS else _signal.SIGTSTP
    for pending in STOPS:
        take(pending, 0)  # our copy of the signal that stopped the script: once is enough
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {number})
    if not (whole_group and _signal.SIGCONT in _signal.sigpending()):
        os.kill(0 if whole_group else os.getpid(), number)
    _signal.pthread_sigmask(_signal.SIG_BLOCK, {number})


def die_by(signal_number: int) -> None:
    """End this process by a signal, without a core, as the script ended."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if signal_number not in (_signal.SIGKILL, _signal.SIGSTOP):
        _signal.signal(signal_number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {signal_number})
    os.kill(os.getpid(), signal_number)
