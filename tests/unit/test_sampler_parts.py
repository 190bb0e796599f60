"""What a sample says of the machine, its control groups and its energy is what the kernel says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.capture.sampler import energy
from runwrap.capture.sampler.group import Group
from runwrap.capture.sampler.host import Host
from runwrap.capture.sampler.rate import Rates
from runwrap.capture.sampler.sampler import next_due_s
from runwrap.capture.sampler.usage import Usage

HUNDRED_MB = 100_000_000


def burn(cpu_s):
    """Keep a processor busy."""
    began_s = time.process_time()
    while time.process_time() - began_s < cpu_s:
        pass


def busy_share():
    """Return busy and whole ticks of all processors, from the kernel's own table."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    user, nice, system, idle, iowait, irq, softirq, steal = map(int, words)
    busy = user + nice + system + irq + softirq
    return busy, busy + idle + iowait + steal


def test_the_processors_are_as_busy_as_the_kernel_says():
    host = Host({})
    host.sample(time.monotonic())
    before = busy_share()
    burn(1.0)
    after = busy_share()
    values = host.sample(time.monotonic())
    wanted = 100 * (after[0] - before[0]) / (after[1] - before[1])
    assert values["host_cpu_percent"] == pytest.approx(wanted, abs=2)
    cores = [value for name, value in values.items() if name.startswith("host_cpu_percent/")]
    assert len(cores) == len(psutil.cpu_percent(percpu=True))
    assert sum(cores) / len(cores) == pytest.approx(values["host_cpu_percent"])


def test_the_memory_in_use_is_what_free_calls_used():
    values = Host({}).sample(time.monotonic())
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, available = (int(fields[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    assert values["host_memory_used_bytes"] == pytest.approx(total - available, rel=0.02)
    assert values["host_memory_percent"] == pytest.approx(100 * (total - available) / total, abs=2)


def test_what_goes_over_a_network_is_counted():
    host = Host({})
    began_s = time.monotonic()
    host.sample(began_s)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
    thread = threading.Thread(target=sender.sendall, args=(bytes(HUNDRED_MB),))
    thread.start()
    left = HUNDRED_MB
    while left:
        left -= len(receiver.recv(1 << 20))
    thread.join()
    ended_s = time.monotonic()
    values = host.sample(ended_s)
    for name in ("net_received_bytes_per_s/lo", "net_sent_bytes_per_s/lo"):
        assert values[name] * (ended_s - began_s) == pytest.approx(HUNDRED_MB, rel=0.02)
    sender.close()
    receiver.close()


def test_a_disk_is_told_of_once(tmp_path):
    values = Host({"work": str(tmp_path), "runs": str(tmp_path), "gone": "/no/such"}).sample(time.monotonic())
    disk = os.statvfs(tmp_path)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    assert values["disk_used_bytes/work"] == pytest.approx(used, rel=0.02)
    assert "disk_used_bytes/runs" not in values
    assert "disk_used_bytes/gone" not in values


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e15)), max_size=20))
def test_a_rate_is_never_negative_and_never_from_a_clock_that_stands(looks):
    rates = Rates()
    before = None
    for now_s, count in looks:
        rate = rates.per_second("x", count, now_s)
        if before is None or now_s <= before[0] or count < before[1]:
            assert rate is None
        else:
            assert rate == (count - before[1]) / (now_s - before[0])
        before = now_s, count


@given(st.integers(0, 1000), st.floats(0, 500), st.sampled_from([0.1, 0.5, 2.0, 30.0]))
def test_samples_stay_on_their_grid_whatever_one_takes(number, late_s, interval_s):
    due_s = 7.0 + number * interval_s
    after_s = next_due_s(7.0, due_s, due_s + late_s, interval_s)
    steps = (after_s - 7.0) / interval_s
    assert steps == pytest.approx(round(steps), abs=1e-6)
    assert due_s + late_s - 1e-6 <= after_s <= due_s + late_s + interval_s * (1 + 1e-9)


def test_samples_are_frequent_for_a_minute_and_then_rare():
    due_s, dues = 0.0, [0.0]
    while due_s < 100:
        due_s = next_due_s(0.0, due_s, due_s, None)
        dues.append(due_s)
    assert dues == [*range(0, 62, 2), 70.0, 80.0, 90.0, 100.0]


def made(folder, files):
    """Write files as the kernel shows them."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        (
            b"0::/job/step\n",
            {
                "job/memory.max": 1000, "job/memory.current": 700, "job/memory.stat": "anon 600\ninactive_file 200",
                "job/memory.events": "low 0\noom 1\noom_kill 3", "job/step/memory.max": "max",
                "job/step/memory.events": "oom_kill 3", "job/step/memory.current": 5,
                "job/cpu.max": "150000 100000", "job/cpu.stat": "usage_usec 3000000\nuser_usec 1",
                "job/step/cpu.max": "max 100000", "job/step/cpu.stat": "usage_usec 1000000",
            },
        ),
        (
            b"4:memory:/job\n2:cpu,cpuacct:/job\n1:name=systemd:/\n",
            {
                "memory/job/memory.limit_in_bytes": 1000, "memory/job/memory.usage_in_bytes": 700,
                "memory/job/memory.stat": "inactive_file 7\ntotal_inactive_file 200",
                "memory/job/memory.oom_control": "oom_kill_disable 0\noom_kill 3",
                "memory/memory.limit_in_bytes": 9223372036854771712, "memory/memory.usage_in_bytes": 10**12,
                "cpu,cpuacct/job/cpu.cfs_quota_us": 150000, "cpu,cpuacct/job/cpu.cfs_period_us": 100000,
                "cpu,cpuacct/cpu.cfs_quota_us": -1, "cpu,cpuacct/cpu.cfs_period_us": 100000,
                "cpu,cpuacct/job/cpuacct.usage": 3_000_000_000,
            },
        ),
        (  # in a container the group is the root, whatever its name is outside
            b"0::/../../docker/abc\n",
            {
                "memory.max": 1000, "memory.current": 700, "memory.stat": "inactive_file 200",
                "memory.events": "oom_kill 3", "cpu.max": "150000 100000", "cpu.stat": "usage_usec 3000000",
            },
        ),
    ],
    ids=["v2", "v1", "container"],
)  # fmt: skip
def test_the_limits_of_a_group_are_what_percent_means(tmp_path, lines, files):
    made(tmp_path, files)
    group = Group(lines, str(tmp_path))
    group.sample(10.0)
    for path in tmp_path.rglob("*"):
        if path.name in ("cpu.stat", "cpuacct.usage", "memory.events", "memory.oom_control"):
            path.write_text(
                path.read_text().replace("3000000", "4500000").replace("oom_kill 3", "oom_kill 5")
            )
    assert group.sample(12.0) == {
        "group_memory_used_bytes": 500,
        "group_memory_limit_bytes": 1000,
        "group_memory_percent": 50,
        "group_cpu_limit_count": 1.5,
        "group_cpu_percent": pytest.approx(50),
        "group_oom_kill_count": 2,
    }


def test_without_limits_a_group_says_nothing_of_percent(tmp_path):
    assert Group(b"0::/\n", str(tmp_path)).sample(1.0) == {}
    assert Group(b"garbage\n::\n\xff:\xff:\xff\n", str(tmp_path)).sample(1.0) == {}


def test_a_real_group_that_runs_out_of_memory_is_counted():
    parent = Path("/sys/fs/cgroup/memory")
    limit = "memory.limit_in_bytes"
    if not parent.is_dir():
        parent, limit = Path("/sys/fs/cgroup"), "memory.max"
    folder = parent / f"runwrap-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        (folder / limit).write_text(str(64 << 20))
    except OSError:
        pytest.skip("no control group can be made here")
    try:
        line = f"1:memory:/{folder.name}\n" if limit != "memory.max" else f"0::/{folder.name}\n"
        group = Group(line.encode())
        text = f"open('{folder}/cgroup.procs', 'w').write('0')\nprint(flush=True)\ninput()\nx = b'1' * (256 << 20)"
        child = subprocess.Popen(
            [sys.executable, "-c", text],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        values = group.sample(1.0)
        assert values["group_memory_limit_bytes"] == 64 << 20
        assert values["group_oom_kill_count"] == 0
        child.communicate(b"\n")
        assert child.returncode == -9
        assert group.sample(2.0)["group_oom_kill_count"] == 1
    finally:
        folder.rmdir()


def test_energy_is_counted_across_the_end_of_a_counter(tmp_path):
    for name, label in {
        "intel-rapl:0": "package-0",
        "intel-rapl:0:0": "dram",
        "intel-rapl:0:1": "core",
    }.items():
        made(tmp_path / name, {"name": label, "energy_uj": 9_000_000, "max_energy_range_uj": 10_000_000})
    made(tmp_path / "intel-rapl:1", {"name": "psys", "energy_uj": 1, "max_energy_range_uj": 10})
    power = energy.Energy(str(tmp_path))
    assert power.sample(5.0) == {"cpu_energy_j/package-0": 0, "cpu_energy_j/dram-0": 0}
    made(tmp_path, {"intel-rapl:0/energy_uj": 1_000_000, "intel-rapl:0:0/energy_uj": 9_500_000})
    assert power.sample(7.0) == {
        "cpu_energy_j/package-0": pytest.approx(2), "cpu_energy_j/dram-0": pytest.approx(0.5),
        "cpu_power_w/package-0": pytest.approx(1), "cpu_power_w/dram-0": pytest.approx(0.25),
    }  # fmt: skip
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    power.sample(9.0)
    assert power.used_j() == pytest.approx(2.5)


def test_energy_that_cannot_be_read_is_not_told_of(tmp_path):
    made(tmp_path / "intel-rapl:0", {"name": "package-0", "max_energy_range_uj": 10})
    power = energy.Energy(str(tmp_path))
    assert power.sample(1.0) == {}
    assert power.used_j() is None
    assert energy.estimate(None, None, 473.0) is None


def test_energy_becomes_carbon_by_the_grid():
    told = energy.estimate(1.8e6, 1.8e6, 400.0)
    assert told == {
        "cpu_j": 1.8e6, "gpu_j": 1.8e6, "total_kwh": 1.0, "co2_g": 400.0, "co2_g_per_kwh": 400.0, "estimate": True,
    }  # fmt: skip


def test_means_are_over_time_and_not_over_samples():
    usage = Usage()
    usage.take({"process_memory_rss_bytes": 5}, 0.0)
    usage.take(
        {"process_cpu_percent": 100.0, "process_memory_rss_bytes": 9, "process_write_bytes_per_s": 8.0}, 2.0
    )
    usage.take(
        {"process_cpu_percent": 0.0, "process_memory_rss_bytes": 7, "process_write_bytes_per_s": 0.0}, 8.0
    )
    assert usage.describe() == {
        "sample_count": 3, "cpu_percent_mean": 20.0, "cpu_percent_max": 100.0,
        "memory_rss_max_bytes": 9, "write_bytes": 16,
    }  # fmt: skip
