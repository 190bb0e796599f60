"""Name the NVIDIA GPUs of this machine, from the driver's own list or else through NVML."""

from __future__ import annotations

import os

DRIVER = "/proc/driver/nvidia"
# WSL has the library without the driver's files.
SIGNS = (DRIVER, "/dev/nvidia0", "/dev/dxg")
LIST_SIZE_BYTES = 1 << 16
TIMEOUT_S = 5.0
SIGKILL = 9


def gpu_names(driver: str = DRIVER, signs: tuple[str, ...] = SIGNS) -> list[str]:
    """List the GPUs by name; an empty list where there is no sign of any.

    Blocks: at most 5 s, and only where the driver has no list of its own.
    """
    if not any(os.path.exists(path) for path in signs):
        return []
    found = [model(f"{driver}/gpus/{bus}/information") for bus in folders(f"{driver}/gpus")]
    if found and all(found):
        return found
    return ask_nvml()


def folders(path: str) -> list[str]:
    """List a folder in the order of the bus; nothing when it cannot be read."""
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def model(path: str) -> str:
    """Read one GPU's name from the driver; "" when the driver does not know it yet."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(4096).splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "Model":
            return "" if value.strip() == "Unknown" else value.strip()
    return ""


def ask_nvml() -> list[str]:
    """Ask the driver's library in a process of its own: where a GPU is sick it may never answer."""
    import select

    reading, writing = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, "\n".join(nvml_names()).encode()[:4096])
        finally:
            os._exit(0)
    os.close(writing)
    try:
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        answer = os.read(reading, 4096) if poll.poll(TIMEOUT_S * 1000) else b""
    finally:
        os.close(reading)
        os.kill(child, SIGKILL)
        os.waitpid(child, os.WNOHANG)
    return answer.decode("utf-8", "replace").splitlines()


def nvml_names() -> list[str]:
    """List the GPUs as NVML names them; nothing without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [as_text(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    except pynvml.NVMLError:
        return []


def as_text(name: str | bytes) -> str:
    """Turn into text what old versions of the library give as bytes."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
