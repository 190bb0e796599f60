"""Time commands against each other, in turns, so that what else the machine does falls on all alike."""

import os
import pty
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNWRAP = str(Path(sys.executable).with_name("runwrap"))
PYTHON = sys.executable
# For processes of runwrap that finish the facts after it has returned: they are not to meet the next turn.
PAUSE_S = 0.15


class Taken:
    """What one command took."""

    def __init__(self, wall_s, cpu_s, walls_s=()):
        self.wall_s = wall_s
        self.cpu_s = cpu_s
        self.walls_s = walls_s  # of all rounds, where this is their median


def in_turns(variants, rounds):
    """Run each variant once a round, and return the median of what each took."""
    taken: dict[str, list[Taken]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        names = list(variants)
        start = number % len(names)
        for name in names[start:] + names[:start]:  # nobody always comes after the same one
            result = variants[name]()
            if number:  # the first round only warms up
                taken[name].append(result)
            time.sleep(PAUSE_S)
    return {name: median(results) for name, results in taken.items()}


def median(results):
    """Return the median of walls and of CPU times."""
    walls_s = sorted(result.wall_s for result in results)
    return Taken(statistics.median(walls_s), statistics.median(result.cpu_s for result in results), walls_s)


def redirected(command, folder, environ):
    """Return a variant that runs a command with all streams redirected, to its end."""

    def variant():
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return wait(process.pid, started)

    return variant


def to_first_instruction(prefix, folder, environ):
    """Return a variant that runs a shell under a prefix and stops the clock at the shell's first command."""

    def variant():
        heard, told = os.pipe()
        command = [*prefix, "sh", "-c", f"echo >&{told}"]
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            pass_fds=(told,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(told)
        os.read(heard, 1)
        wall_s = time.perf_counter() - started
        os.close(heard)
        return Taken(wall_s, wait(process.pid, started).cpu_s)

    return variant


def on_terminal(command, folder, environ):
    """Return a variant that runs a command on a terminal of its own, whose output is thrown away."""

    def variant():
        started = time.perf_counter()
        pid, master = pty.fork()
        if not pid:
            os.chdir(folder)
            os.execve(command[0], command, environ)
        drain(master)
        os.close(master)
        return wait(pid, started)

    return variant


def drain(master):
    """Read a terminal until nobody holds it."""
    try:
        while os.read(master, 1 << 16):
            pass
    except OSError:
        pass  # EIO is how a terminal says so


def wait(pid, started):
    """Wait for a process; return what it and those that it waited for took."""
    _, status, usage = os.wait4(pid, 0)
    wall_s = time.perf_counter() - started
    if status:  # a command that fails is quick, and would be counted as such
        sys.exit(f"pid {pid} ended with {os.waitstatus_to_exitcode(status)}: nothing can be measured")
    return Taken(wall_s, usage.ru_utime + usage.ru_stime)


def row(what, value, bar=""):
    """Print one line of the report."""
    print(f"  {what:<62} {value:>22}  {bar}".rstrip(), flush=True)
