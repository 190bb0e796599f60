"""How many rows a second the wrapper takes from the socket into the journal, on one core."""

import os
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from runwrap.capture.intake.reader import Intake
from runwrap.capture.intake.speech import Speech
from runwrap.secrets.firewall import Firewall
from runwrap.store.journal import Journal
from tests.bench.measure import row

ROWS = 300_000
# The rows in one process, so that encoding them costs the intake nothing.
WRITER = """
import json, random, socket, sys
rows = [json.dumps({"kind": "history", "values": {name: random.random() for name in "abcde"}}).encode() + b"\\n"
        for _ in range(1000)]
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
for _ in range(int(sys.argv[2]) // 1000):
    for line in rows:
        peer.sendall(line)
"""


def take_all(folder):
    """Serve one writer to its end; return the wall and CPU seconds of the intake."""
    path = str(folder / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    journal = Journal(str(folder / "journal.jsonl"))
    stop_read, stop_write = os.pipe()
    mask = Firewall({"DB_PASSWORD": "correct-horse"}).value
    speech = Speech({"config": {}}, frozenset(), str(folder), print, mask)
    intake = Intake(
        listener.fileno(), stop_read, speech, lambda items: bool(journal.append_many(items)), print
    )
    took = []

    def serve():
        wall_s, cpu_s = time.perf_counter(), time.thread_time()
        intake.run()
        took.extend((time.perf_counter() - wall_s, time.thread_time() - cpu_s))

    thread = threading.Thread(target=serve)
    thread.start()
    os.waitpid(os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", WRITER, path, str(ROWS)]), 0)
    os.write(stop_write, b".")
    thread.join()
    listener.close()
    assert journal.seq == ROWS
    return took


def bench():
    """Measure, three times."""
    print(f"intake to journal, {ROWS} rows of 5 numbers")
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            wall_s, cpu_s = take_all(Path(folder))
        row("rows a second, of CPU time", f"{ROWS / cpu_s:,.0f}", "bar: 100,000 or more")
        row("rows a second, by the clock", f"{ROWS / wall_s:,.0f}", "")


if __name__ == "__main__":
    bench()
