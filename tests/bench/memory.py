"""What runwrap holds and uses while the script sleeps."""

import os
import pty
import subprocess
import threading
import time
from pathlib import Path

from tests.bench.measure import RUNWRAP, drain, row

SETTLE_S = 4  # by then the facts are gathered and what gathered them has gone
WATCH_S = 20
SLEEP = "sleep"


def children_of(pid):
    """Return the processes below a process, itself first."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += children_of(int(child))
    return found


def is_ours(pid):
    """Tell a living process of ours from the script, and from one that only waits to be reaped."""
    status = Path(f"/proc/{pid}/status").read_text()
    return f"Name:\t{SLEEP}\n" not in status and "State:\tZ" not in status


def size_kb(path, field):
    """Read a size from a file of /proc."""
    for line in path.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def cpu_s(pids):
    """Return the CPU time of processes so far, to the nanosecond."""
    files = [task / "schedstat" for pid in pids for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def watch(title, pid):
    """Print what a wrapper and its helpers hold, and what they use in a while."""
    time.sleep(SETTLE_S)
    ours = [one for one in children_of(pid) if is_ours(one)]
    before_s, started = cpu_s(ours), time.perf_counter()
    time.sleep(WATCH_S)
    share = (cpu_s(ours) - before_s) / (time.perf_counter() - started)
    pss_kb = sum(size_kb(Path(f"/proc/{one}/smaps_rollup"), "Pss") for one in ours)
    print(f"memory, {title}: {len(ours)} processes while the script sleeps")
    row("wrapper, RSS", f"{size_kb(Path(f'/proc/{pid}/status'), 'VmRSS') / 1024:.1f} MB", "bar: 45 MB")
    row("all processes, PSS", f"{pss_kb / 1024:.1f} MB")
    row("all processes, share of one core", f"{share * 100:.3f} %", "bar: 0.3 %")


def bench(folder, rounds):
    """Measure with redirected streams, then on a terminal."""
    del rounds  # sleeping is not done in rounds
    environ = os.environ | {"RUNWRAP_DIR": str(folder / "data")}
    command = [RUNWRAP, SLEEP, str(SETTLE_S + WATCH_S + 5)]
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(
        command, cwd=folder, env=environ, stdin=nothing, stdout=nothing, stderr=nothing
    )
    watch("redirected streams", process.pid)
    process.wait()
    pid, master = pty.fork()
    if not pid:
        os.chdir(folder)
        os.execve(command[0], command, environ)
    threading.Thread(target=drain, args=(master,), daemon=True).start()
    watch("on a terminal", pid)
    os.waitpid(pid, 0)
