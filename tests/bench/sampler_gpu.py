"""What sampling 8 GPUs costs every 2 seconds: `python -m tests.bench.sampler_gpu [ROUNDS]`. The bar is 0.3 % of a core.

The driver is the stand-in of the tests, which answers at once: a real one adds what it needs itself.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runwrap.capture.sampler import gpu

INTERVAL_S = 2.0
GPUS = 8
PROCESSES = 50


def build(folder: str) -> None:
    """Build the stand-in."""
    source = Path(__file__).parents[1] / "standin/nvml.c"
    library = f"{folder}/{gpu.LIBRARY}"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)


def measure(rounds: int) -> None:
    """Print what a sample takes; the clock is turned on by hand, so that nothing is waited for."""
    now_s = time.monotonic()
    gpu.time.monotonic = lambda: now_s  # the watch's only clock
    gpu.OUTERMOST_PIDS = os.readlink("/proc/self/ns/pid")
    watch = gpu.GpuWatch({"LD_LIBRARY_PATH": os.environ["LD_LIBRARY_PATH"]}, lambda *_: None)
    began_s = time.process_time()
    watch.start()
    watch.idle.wait()
    count = len(watch.take())
    start_s = time.process_time() - began_s
    took_s = []
    for _ in range(rounds):
        now_s += INTERVAL_S
        began_s = time.process_time()
        watch.ask(set(range(PROCESSES)))
        watch.idle.wait()
        watch.take()
        took_s.append(time.process_time() - began_s)
    mean_s = statistics.mean(took_s)
    print(f"{GPUS} GPUs, {count} values, {rounds} samples; the start takes {1000 * start_s:.0f} ms of CPU")
    print(f"a sample: {1000 * mean_s:.2f} ms of CPU (mean), {1000 * max(took_s):.2f} ms at most")
    print(f"{100 * mean_s / INTERVAL_S:.3f} % of a core at {INTERVAL_S:g} s")


def main() -> None:
    """Measure with the stand-in; its library has to be named before Python starts."""
    rounds = sys.argv[1:] or ["500"]
    if "STANDIN_NVML" in os.environ:
        return measure(int(rounds[0]))
    with tempfile.TemporaryDirectory() as folder:
        build(folder)
        answers = Path(folder, "answers")
        answers.write_text(f"count {GPUS}\nutilisation 40\npower 100000\nenergy 5\nprocesses 7:5,8:9\n")
        environ = os.environ | {"LD_LIBRARY_PATH": folder, "STANDIN_NVML": str(answers)}
        command = [sys.executable, "-m", "tests.bench.sampler_gpu", *rounds]
        subprocess.run(command, env=environ, check=True)
    return None


if __name__ == "__main__":
    main()
