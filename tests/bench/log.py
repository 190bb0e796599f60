"""What one log() of five numbers takes in the script, back to back and paced: `python -m tests.bench.log`."""

import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

from tests.bench.measure import row

ROWS = 200_000
PACED_ROWS = 3000
# Reads what comes, in a process of its own, and does nothing with it.
READER = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
print("ready", flush=True)
peer, _ = listener.accept()
while peer.recv(1 << 18):
    pass
"""


def taken_us(log, rows, pause_s):
    """Return what each row took, in ascending order."""
    taken_s = []
    clock = time.perf_counter
    for values in rows:
        if pause_s:
            time.sleep(pause_s)
        before = clock()
        log(values)
        taken_s.append(clock() - before)
    return sorted(seconds * 1e6 for seconds in taken_s)


def bench(folder):
    """Measure log() against a reader that drains."""
    path = os.path.join(folder, "s")
    reader = subprocess.Popen([sys.executable, "-c", READER, path], stdout=subprocess.PIPE)
    reader.stdout.readline()
    os.environ["RUNWRAP_SOCKET"] = path
    before = time.perf_counter()
    from runwrap.inject import api

    api.log({"first": 1.0})
    row("import and first row", f"{(time.perf_counter() - before) * 1000:.1f} ms", "bar: a few ms")
    rows = [{name: random.random() for name in "abcde"} for _ in range(1000)]
    for name, count, pause_s in (("back to back", ROWS, 0), ("one a millisecond", PACED_ROWS, 0.001)):
        taken = taken_us(api.log, [rows[n % 1000] for n in range(count)], pause_s)
        value = (
            f"p50 {statistics.median(taken):.1f}  p99 {taken[int(count * 0.99)]:.1f}  most {taken[-1]:.0f} µs"
        )
        row(f"log() of 5 floats, {name}", value, "" if pause_s else "bar: p50 8, p99 100 µs")
    api.channel.reset()
    reader.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        bench(place)
