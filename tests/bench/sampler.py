"""What sampling costs: `python -m tests.bench.sampler [SECONDS]`.

A tree of 50 processes is sampled every 2 seconds, as a run does in its first minute, and the time on a processor
that the sampler takes is told as a share of one core. The bar is 0.3 %. With gcc at hand there are 8 GPUs, too.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from runwrap.capture.sampler.kin import Kin
from runwrap.capture.sampler.sampler import Sampler, Sampling

PROCESSES = 50
INTERVAL_S = 2.0
WAIT = [sys.executable, "-Sc", "import sys; sys.stdin.read()"]


def with_gpus() -> None:
    """Begin anew with a stand-in for the driver of 8 GPUs, where one can be built."""
    if "STANDIN_NVML" in os.environ or not shutil.which("gcc"):
        return
    folder = tempfile.mkdtemp()
    source = Path(__file__).parents[1] / "standin/nvml.c"
    subprocess.run(
        ["gcc", "-O2", "-shared", "-fPIC", "-o", f"{folder}/libnvidia-ml.so.1", source], check=True
    )
    Path(folder, "answers").write_text("count 8\nutilisation 40\npower 100000\nenergy 1\n")
    environ = os.environ | {"LD_LIBRARY_PATH": folder, "STANDIN_NVML": f"{folder}/answers"}
    os.execve(sys.executable, [sys.executable, "-m", "tests.bench.sampler", *sys.argv[1:]], environ)


def main() -> None:
    """Measure for a while and print."""
    with_gpus()
    duration_s = float(sys.argv[1]) if len(sys.argv) > 1 else 40.0
    others = len([name for name in os.listdir("/proc") if name.isdigit()])
    tree = [subprocess.Popen(WAIT, stdin=subprocess.PIPE) for _ in range(PROCESSES)]
    counts: dict[str, int] = {}

    def emit(kind: str, data: dict[str, object]) -> None:
        counts[kind] = counts.get(kind, 0) + 1
        if kind == "system":
            counts["values"] = len(data["values"])  # type: ignore[arg-type]  # a table

    kin = Kin("RUNWRAP_RUN=bench", {os.getpid()}, {os.getpid()}, frozenset())
    sampling = Sampling(kin, {"work": ".", "runs": "/"}, dict(os.environ))
    sampling.interval_s = INTERVAL_S
    sampler = Sampler(emit, sampling)
    end_read, end_write = os.pipe()
    start_s = time.process_time()
    sampler.gpus.start()
    while "STANDIN_NVML" in os.environ and not sampler.gpus.take():
        sampler.gpus.ask(set())
        time.sleep(0.01)
    sampler.sample()  # the first look, which finds everything
    start_s = time.process_time() - start_s
    before = resource.getrusage(resource.RUSAGE_SELF)
    threading.Timer(duration_s, os.close, (end_write,)).start()
    began_s = time.monotonic()
    sampler.run(end_read)
    passed_s = time.monotonic() - began_s
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    for process in tree:
        process.kill()
        process.wait()
    print(f"{PROCESSES} processes of the script, {others} others, {counts['values']} values a sample")
    print(f"{1000 * start_s:.0f} ms of CPU to start, once")
    print(f"{counts['system']} samples, {1000 * cpu_s / counts['system']:.2f} ms of CPU each")
    print(
        f"{100 * cpu_s / passed_s:.3f} % of a core at {INTERVAL_S:g} s; {after.ru_maxrss / 1024:.0f} MB at most"
    )


if __name__ == "__main__":
    main()
