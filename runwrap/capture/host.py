"""Describe the machine that a run takes place on."""

from __future__ import annotations

import os
import sys

from runwrap.capture import gpu_name
from runwrap.capture.small_file import read_text

MODEL_NAMES = ("model name", "Model Name", "cpu model", "cpu", "Hardware", "Processor")


def describe() -> dict[str, object]:
    """Return the value of the `host` fact; what cannot be found out is None."""
    kernel = os.uname()
    return {
        "os": os_name() or kernel.sysname,
        "kernel": kernel.release,
        "machine": kernel.machine,
        "python": ".".join(map(str, sys.version_info[:3])),
        "cpu_model": cpu_model(),
        "cpu_count": os.cpu_count(),
        "cpu_count_physical": cpu_count_physical(),
        "memory_total_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "gpus": gpu_name.gpu_names(),
    }


def os_name() -> str | None:
    """Read the name that the distribution gives itself."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        for line in read_text(path).splitlines():
            key, _, value = line.partition("=")
            if key == "PRETTY_NAME":
                return value.strip().strip("\"'")
    return None


def cpu_model() -> str | None:
    """Read the processor's name, which stands near the start of a file that is slow to read whole."""
    fields: dict[str, str] = {}
    for line in read_text("/proc/cpuinfo", 4096).splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return next((fields[name] for name in MODEL_NAMES if fields.get(name)), None)


def cpu_count_physical() -> int | None:
    """Count the cores, each of which can be several logical processors."""
    folder = "/sys/devices/system/cpu"
    cores = set()
    for name in names(folder):
        if name.startswith("cpu") and name[3:].isdigit():
            topology = f"{folder}/{name}/topology"
            # The second is what kernels before 5.3 call it.
            siblings = read_text(topology + "/core_cpus_list")
            cores.add(siblings or read_text(topology + "/thread_siblings_list"))
    cores.discard("")
    return len(cores) or None


def names(folder: str) -> list[str]:
    """List a folder; nothing when it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []
