"""What the driver of NVIDIA GPUs says of them. Source: NVIDIA's NVML API reference."""

from __future__ import annotations

import pynvml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Values = dict[str, float]
    Query = Callable[[Any], Values]

KIB = 1024
# Of what it will never say there is no use in asking again.
NEVER = (
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_INVALID_ARGUMENT,
    pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    pynvml.NVML_ERROR_DEPRECATED,
)
# The GPU has gone, or may never answer: it is left alone for a while.
LOST = (pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED, pynvml.NVML_ERROR_UNKNOWN)
LOST_PAUSE_S = 60.0
RARE_INTERVAL_S = 10.0


def utilisation(gpu: Any) -> Values:
    """Return how much of the time a kernel ran, and the memory was read or written."""
    rates = pynvml.nvmlDeviceGetUtilizationRates(gpu)
    return {"gpu_percent": rates.gpu, "gpu_memory_bandwidth_percent": rates.memory}


def memory(gpu: Any) -> Values:
    """Return the memory in use, without what the driver keeps for itself, as nvidia-smi shows it."""
    try:
        info = pynvml.nvmlDeviceGetMemoryInfo(gpu, version=pynvml.nvmlMemory_v2)
    except pynvml.NVMLError:
        info = pynvml.nvmlDeviceGetMemoryInfo(gpu)  # a driver of before 2021
    return {"gpu_memory_used_bytes": info.used, "gpu_memory_total_bytes": info.total}


def temperature(gpu: Any) -> Values:
    """Return how hot it is."""
    celsius = pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU)
    return {"gpu_temperature_celsius": celsius}


def power(gpu: Any) -> Values:
    """Return the power that it takes."""
    return {"gpu_power_w": pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000}


def energy(gpu: Any) -> Values:
    """Return the energy since the driver was loaded."""
    return {"gpu_energy_j": pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000}


def clocks(gpu: Any) -> Values:
    """Return the clocks."""
    return {
        "gpu_sm_clock_mhz": pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
        "gpu_memory_clock_mhz": pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_MEM),
    }


def throttling(gpu: Any) -> Values:
    """Return why the clocks are not higher, as the bits of nvmlClocksEventReasons."""
    return {"gpu_throttle_reasons": pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu)}


def power_limit(gpu: Any) -> Values:
    """Return the power that it may take."""
    return {"gpu_power_limit_w": pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu) / 1000}


def fan(gpu: Any) -> Values:
    """Return how fast the fan is meant to turn."""
    return {"gpu_fan_percent": pynvml.nvmlDeviceGetFanSpeed(gpu)}


def corrected(gpu: Any) -> Values:
    """Return errors of the memory that were put right, since the driver was loaded."""
    return {"gpu_ecc_corrected_count": ecc_errors(gpu, pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED)}


def uncorrected(gpu: Any) -> Values:
    """Return errors of the memory that could not be put right, since the driver was loaded."""
    return {"gpu_ecc_uncorrected_count": ecc_errors(gpu, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED)}


def ecc_errors(gpu: Any, kind: int) -> int:
    """Count errors of one kind."""
    return int(pynvml.nvmlDeviceGetTotalEccErrors(gpu, kind, pynvml.NVML_VOLATILE_ECC))


def pcie(gpu: Any) -> Values:
    """Return what goes over the bus. Blocks: 40 ms, in which the driver measures."""
    sent = pynvml.nvmlDeviceGetPcieThroughput(gpu, pynvml.NVML_PCIE_UTIL_TX_BYTES)
    received = pynvml.nvmlDeviceGetPcieThroughput(gpu, pynvml.NVML_PCIE_UTIL_RX_BYTES)
    return {"gpu_pcie_sent_bytes_per_s": sent * KIB, "gpu_pcie_received_bytes_per_s": received * KIB}


OFTEN: tuple[Query, ...] = (utilisation, memory, temperature, power, energy, clocks, throttling)
RARELY: tuple[Query, ...] = (power_limit, fan, corrected, uncorrected, pcie)
# Of an instance (MIG) only this is known; the rest is the whole GPU's.
OF_INSTANCE: tuple[Query, ...] = (memory,)


class Card:
    """A GPU or a MIG instance of one; its label is "0" or "0.1"."""

    def __init__(self, handle: Any, label: str) -> None:
        self.handle = handle
        self.label = label
        self.queries = [*OFTEN, *RARELY] if "." not in label else [*OF_INSTANCE]
        self.says_processes = True
        self.lost_until_s = 0.0
        self.rare_s = 0.0
        self.uuid = text(pynvml.nvmlDeviceGetUUID(handle))
        self.name = text(pynvml.nvmlDeviceGetName(handle))
        self.memory_bytes = int(memory(handle)["gpu_memory_total_bytes"])

    def sample(self, now_s: float) -> Values:
        """Return what can be asked now; a GPU that is lost says nothing. Blocks: as long as the driver."""
        if now_s < self.lost_until_s:
            return {}
        is_rare = now_s >= self.rare_s
        if is_rare:
            self.rare_s = now_s + RARE_INTERVAL_S
        values: Values = {}
        for query in [query for query in self.queries if is_rare or query not in RARELY]:
            try:
                values |= query(self.handle)
            except pynvml.NVMLError as error:
                if error.value in LOST:
                    self.lost_until_s = now_s + LOST_PAUSE_S
                    return {}
                if error.value in NEVER:
                    self.queries.remove(query)
        return values

    def memory_of(self, pids: set[int]) -> dict[int, int]:
        """Return how many bytes each of these processes has on the GPU; 0 where that is not said."""
        if not self.says_processes or self.lost_until_s:
            return {}
        try:
            found = pynvml.nvmlDeviceGetComputeRunningProcesses(self.handle)
        except pynvml.NVMLError as error:
            self.says_processes = error.value not in NEVER
            return {}
        return {process.pid: process.usedGpuMemory or 0 for process in found if process.pid in pids}


def find_cards() -> list[Card]:
    """Start the driver's library and list the GPUs with their instances. Raises: NVMLError. Blocks."""
    pynvml.nvmlInit()
    cards = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            card = Card(pynvml.nvmlDeviceGetHandleByIndex(index), str(index))
        except pynvml.NVMLError:
            continue  # one that is sick, or not ours to use
        cards += [card, *instances(card)]
    return cards


def instances(card: Card) -> list[Card]:
    """List the MIG instances of a GPU."""
    try:
        if pynvml.nvmlDeviceGetMigMode(card.handle)[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
            return []
        most = pynvml.nvmlDeviceGetMaxMigDeviceCount(card.handle)
    except pynvml.NVMLError:
        return []
    found = []
    for number in range(most):
        try:
            handle = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card.handle, number)
            found.append(Card(handle, f"{card.label}.{number}"))
        except pynvml.NVMLError:
            continue  # there are fewer than there may be
    return found


def versions() -> dict[str, object]:
    """Return the versions of the driver, and of CUDA that it knows."""
    try:
        cuda = int(pynvml.nvmlSystemGetCudaDriverVersion())
        return {
            "driver": text(pynvml.nvmlSystemGetDriverVersion()),
            "cuda": f"{cuda // 1000}.{cuda % 1000 // 10}",
        }
    except pynvml.NVMLError:
        return {"driver": None, "cuda": None}


def text(name: str | bytes) -> str:
    """Turn into text what old versions of the library give as bytes."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
