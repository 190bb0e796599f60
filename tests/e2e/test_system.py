"""What a run uses of its machine is recorded while it goes on, and never in its way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from terminal import wait_until

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)

DOCS = Path(__file__).parents[2] / "docs/system-metrics.md"
BURN = "import time\nt = time.process_time()\nwhile time.process_time() - t < 1.5: pass\n"
WAIT = "import desk\ndesk.tell('here')\ndesk.wait_for('end')\n"
OFTEN = ("--system-interval", "0.2")


def records(bench: Bench, kind: str) -> list[dict[str, Any]]:
    """Return the data of a run's records of one kind."""
    [path] = bench.data.glob("*/*/journal.jsonl")
    lines = map(json.loads, path.read_text().splitlines())
    return [line["data"] for line in lines if line["kind"] == kind]


def samples(bench: Bench) -> list[dict[str, float]]:
    return [data["values"] for data in records(bench, "system")]


def sampler(bench: Bench) -> int:
    """Return the process that samples: the one of ours that has loaded what reads the counters."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid in bench.desk.pids() if b"psutil_linux" in read(f"/proc/{pid}/maps")]
        return bool(found)

    wait_until(look, "the sampler is there")
    return found[0]


def read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def test_what_the_script_used_is_recorded(bench: Bench) -> None:
    bench.desk.script("s.py", "x = bytearray(300_000_000)\nx[::4096] = b'1' * len(x[::4096])\n" + BURN)
    view = bench.run(*OFTEN, sys.executable, "s.py")
    seen = [values for values in samples(bench) if "process_cpu_percent" in values]
    assert len(seen) >= 3
    assert all(values["process_memory_rss_bytes"] > 300_000_000 for values in seen[1:])
    assert all(0 <= values["process_memory_percent"] <= 100 for values in seen)
    usage = view["facts"]["usage"]
    assert usage["cpu_percent_mean"] > 20  # of a core that others want too
    assert usage["cpu_percent_mean"] <= usage["cpu_percent_max"] <= 110
    assert usage["memory_rss_max_bytes"] == pytest.approx(view["exit"]["memory_peak_bytes"], rel=0.05)
    assert view["state"] == "finished"


def test_every_name_is_documented(bench: Bench) -> None:
    bench.desk.script("s.py", BURN)
    view = bench.run(*OFTEN, sys.executable, "s.py")
    text = DOCS.read_text()
    documented = {name.split("/")[0] for name in re.findall(r"`([a-z0-9_]+(?:/\w+)?)`", text)}
    names = {name.split("/")[0] for values in samples(bench) for name in values}
    assert names <= documented
    assert {"host_cpu_percent", "host_memory_used_bytes", "disk_used_bytes", "process_count"} <= names
    assert view["facts"]["usage"].keys() <= documented


def test_the_gpus_of_the_script_are_recorded(bench: Bench, nvml: Path) -> None:
    answers = bench.folder / "answers"
    answers.write_text("count 2\nutilisation 40\npower 100000\nmemory 7000\nenergy 1000\n")
    text = "import os\nopen('answers', 'a').write(f'1.processes {os.getpid()}:5000\\n1.utilisation 80\\n')\n"
    bench.desk.script("s.py", text + WAIT)
    environ = bench.environ | {"LD_LIBRARY_PATH": str(nvml), "STANDIN_NVML": str(answers)}
    process = bench.start(*OFTEN, sys.executable, "s.py", env=environ)
    bench.desk.told("here")
    wait_until(lambda: any("process_gpu_memory_bytes/1" in v for v in samples(bench)), "the GPU is in use")
    with answers.open("a") as file:
        file.write("energy 6000\n")
    wait_until(lambda: any(v.get("gpu_energy_j/1") == 5 for v in samples(bench)), "energy was used")
    bench.desk.tell("end")
    assert process.wait() == 0
    bench.settle()
    facts = bench.shown("latest")["facts"]
    assert [device["name"] for device in facts["gpu"]["devices"]] == ["Stand-in 9000"] * 2
    assert facts["gpus_used"] == {"devices": ["1"]}
    [told] = facts["usage"]["gpus"].values()
    assert told["memory_max_bytes"] == 7000
    assert 40 <= told["percent_mean"] <= 80
    assert facts["energy"]["gpu_j"] == told["energy_j"] == 5
    assert facts["energy"]["estimate"] is True
    documented = DOCS.read_text()
    names = {name.split("/")[0] for values in samples(bench) for name in values}
    assert not [name for name in names if f"`{name}" not in documented]


def test_energy_that_no_gpu_tells_is_unknown_and_not_none(bench: Bench, nvml: Path) -> None:
    answers = bench.folder / "answers"
    answers.write_text("count 1\nutilisation 40\npower.error 3\nenergy.error 3\n")
    hold = "import os\nopen('answers', 'a').write(f'0.processes {os.getpid()}:5000\\n')\n"
    bench.desk.script("s.py", hold + BURN)
    view = bench.run(*OFTEN, sys.executable, "s.py", LD_LIBRARY_PATH=str(nvml), STANDIN_NVML=str(answers))
    assert view["facts"]["usage"]["gpus"]["0"]["energy_j"] is None
    assert view["facts"].get("energy", {"gpu_j": None})["gpu_j"] is None


def test_a_gpu_driver_that_hangs_delays_nothing(bench: Bench, nvml: Path) -> None:
    answers = bench.folder / "answers"
    answers.write_text("init.hang 1\n")
    bench.desk.script("s.py", BURN)
    view = bench.run(*OFTEN, sys.executable, "s.py", LD_LIBRARY_PATH=str(nvml), STANDIN_NVML=str(answers))
    assert view["state"] == "finished"
    assert view["facts"]["usage"]["sample_count"] > 3


def test_samples_come_at_the_times_that_were_asked_for(bench: Bench) -> None:
    bench.desk.script("s.py", WAIT)
    process = bench.start(*OFTEN, sys.executable, "s.py")
    bench.desk.told("here")
    wait_until(lambda: len(samples(bench)) >= 4, "some samples are there")  # while the script goes on
    assert process.poll() is None
    bench.desk.tell("end")
    assert process.wait() == 0
    [path] = bench.data.glob("*/*/journal.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    times = [line["time"] for line in lines if line["kind"] == "system"][:4]
    assert all(after - before > 0.1 for before, after in pairwise(times))


def test_all_that_the_script_starts_is_counted(bench: Bench) -> None:
    text = "import subprocess, sys\nwait = [sys.executable, '-c', 'import sys; sys.stdin.read()']\n"
    text += "child = [subprocess.Popen(wait, stdin=-1, start_new_session=n > 1) for n in range(4)]\n"
    text += "bare = subprocess.Popen(wait, stdin=-1, env={})\n" + WAIT
    bench.desk.script("s.py", text)
    process = bench.start(*OFTEN, "sh", "-c", f"{sys.executable} s.py; true")
    bench.desk.told("here")
    wait_until(lambda: any(v.get("process_count") == 7 for v in samples(bench)), "all seven are counted")
    bench.desk.tell("end")
    assert process.wait() == 0
    bench.settle()
    assert max(values.get("process_count", 0) for values in samples(bench)) == 7  # and none of ours


def test_a_short_script_does_not_pay_for_it(bench: Bench) -> None:
    view = bench.run("true")
    assert samples(bench) == []
    assert "usage" not in view["facts"]


def test_no_system_means_none(bench: Bench) -> None:
    bench.desk.script("s.py", BURN)
    view = bench.run("--no-system", *OFTEN, sys.executable, "s.py")
    assert samples(bench) == []
    assert "usage" not in view["facts"]


def test_a_script_that_records_itself_is_sampled_too(bench: Bench) -> None:
    text = "import runwrap, subprocess, sys\nrunwrap.init(project='p')\n"
    bench.desk.script("s.py", text + f"subprocess.run([sys.executable, '-c', {BURN!r}])")
    bench.call(sys.executable, "s.py", RUNWRAP_SYSTEM_INTERVAL="0.2")
    bench.settle()
    assert max(values.get("process_count", 0) for values in samples(bench)) == 2
    assert bench.shown("latest")["facts"]["usage"]["cpu_percent_max"] > 20


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_the_script_does_not_notice_what_happens_to_the_sampler(bench: Bench, number: int) -> None:
    bench.desk.script("s.py", WAIT + "print('done')")
    process = bench.start(*OFTEN, sys.executable, "s.py", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    bench.desk.told("here")
    pid = sampler(bench)
    os.kill(pid, number)
    bench.desk.tell("end")
    assert process.communicate(timeout=30) == (b"done\n", b"")
    assert process.returncode == 0
    if number == signal.SIGSTOP:
        assert bench.shown("latest")["state"] == "finished"
        os.kill(pid, signal.SIGKILL)
    bench.settle()
    assert bench.shown("latest")["state"] == "finished"


def test_the_sampler_ends_with_a_wrapper_that_is_killed(bench: Bench) -> None:
    bench.desk.script("s.py", WAIT)
    process = bench.start(*OFTEN, sys.executable, "s.py")
    bench.desk.told("here")
    sampler(bench)
    process.kill()
    process.wait()
    bench.settle()  # no process of ours is left
    assert bench.shown("latest")["state"] == "crashed"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--system-interval", "0"], "wants 0.1 to 3600"),
        (["--system-interval", "nan"], "wants 0.1 to 3600"),
        (["--system-interval", "2s"], "wants a number"),
        (["--grid-co2", "-1"], "wants 0 to 10000"),
    ],
)
def test_a_bad_setting_is_refused_before_the_start(bench: Bench, words: list[str], reason: str) -> None:
    assert reason in bench.verb(*words, "touch", "started", status=2)
    assert not (bench.folder / "started").exists()
