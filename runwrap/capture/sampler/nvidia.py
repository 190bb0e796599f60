"""What the driver of NVIDIA GPUs says of them. Source: NVIDIA's NVML API reference."""

from __future__ import annotations

import ctypes
from functools import partial

import pynvml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Values = dict[str, float]
    Held = dict[int, int | None]
    Handle = Any
    Way = Callable[[Handle], dict[Any, Any]]


def codes(*names: str) -> set[int]:
    """Return the numbers of errors, as far as this version of the module knows them."""
    return {code for name in names if (code := getattr(pynvml, f"NVML_ERROR_{name}", None)) is not None}


# The question has no answer here, or not in this way.
NEVER = codes(
    "INVALID_ARGUMENT",
    "NOT_SUPPORTED",
    "NO_PERMISSION",
    "FUNCTION_NOT_FOUND",
    "VGPU_ECC_NOT_SUPPORTED",
    "ARGUMENT_VERSION_MISMATCH",
    "DEPRECATED",
)
LOST = codes("GPU_IS_LOST", "RESET_REQUIRED", "GPU_NOT_FOUND")
# What else the module raises: a function that it or the driver is too old for, text that is no text.
MISMATCH: type[Exception] = getattr(pynvml, "NVMLLibraryMismatchError", AttributeError)
ODD = (AttributeError, UnicodeDecodeError, ctypes.ArgumentError, MISMATCH)
ERRORS: tuple[type[Exception], ...] = (pynvml.NVMLError, *ODD)

RETRY_S = 60.0
# Slow in the driver (what goes over the bus is measured for 20 ms), or slow to change.
RARE_S = 10.0
# A sample that comes a little early is not to wait for the next one.
SLACK_S = 0.5
MOST_GPUS = 128
MOST_INSTANCES = 16
KB = 1000
PCIE = "nvmlDeviceGetPcieThroughput"
# All bits set: the driver's way to say that it does not know.
NO_VALUE = {0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}
MOST = {
    "gpu_percent": 100,
    "gpu_memory_bandwidth_percent": 100,
    "gpu_fan_percent": 200,
    "gpu_temperature_celsius": 300,  # below zero it is a very large number with older drivers
}


def utilisation(gpu: Handle) -> Values:
    """Return how much of the time a kernel ran, and the memory was read or written."""
    rates = pynvml.nvmlDeviceGetUtilizationRates(gpu)
    return {"gpu_percent": rates.gpu, "gpu_memory_bandwidth_percent": rates.memory}


def memory(gpu: Handle) -> Values:
    """Return the memory in use without what the driver keeps for itself, as nvidia-smi shows it."""
    return of_memory(pynvml.nvmlDeviceGetMemoryInfo(gpu, version=pynvml.nvmlMemory_v2))


def memory_with_reserve(gpu: Handle) -> Values:
    """Return the memory in use as drivers of before 2021 know it."""
    return of_memory(pynvml.nvmlDeviceGetMemoryInfo(gpu))


def of_memory(info: Any) -> Values:
    """Name what a question about memory has brought; more than all of it is no answer."""
    if not 0 <= info.used <= info.total:
        return {}
    return {"gpu_memory_used_bytes": info.used, "gpu_memory_total_bytes": info.total}


def number(name: str, function: str, *arguments: int, times: int = 1, per: int = 1) -> Way:
    """Make a way to ask for one number, which the driver knows in another unit."""

    def ask(gpu: Handle) -> Values:
        value = getattr(pynvml, function)(gpu, *arguments)
        return {name: value * times / per} if value not in NO_VALUE else {}

    return ask


def holding(function: str) -> Way:
    """Make a way to ask which processes have how much memory; None where that is not said."""

    def ask(gpu: Handle) -> Held:
        return {process.pid: process.usedGpuMemory for process in getattr(pynvml, function)(gpu)}

    return ask


HEAT = ("gpu_temperature_celsius", pynvml.NVML_TEMPERATURE_GPU)
REASONS = "gpu_throttle_reasons"
CORRECTED, UNCORRECTED = pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
ECC = ("nvmlDeviceGetTotalEccErrors", pynvml.NVML_VOLATILE_ECC)

# Every question has its ways to be asked, the newest first.
MEMORY: tuple[Way, ...] = (memory, memory_with_reserve)
OFTEN: tuple[tuple[Way, ...], ...] = (
    MEMORY,
    (utilisation,),
    (
        number(HEAT[0], "nvmlDeviceGetTemperatureV", HEAT[1]),
        number(HEAT[0], "nvmlDeviceGetTemperature", HEAT[1]),
    ),
    (number("gpu_power_w", "nvmlDeviceGetPowerUsage", per=1000),),
    (number("gpu_energy_j", "nvmlDeviceGetTotalEnergyConsumption", per=1000),),
    (number("gpu_sm_clock_mhz", "nvmlDeviceGetClockInfo", pynvml.NVML_CLOCK_SM),),
    (number("gpu_memory_clock_mhz", "nvmlDeviceGetClockInfo", pynvml.NVML_CLOCK_MEM),),
    (
        number(REASONS, "nvmlDeviceGetCurrentClocksEventReasons"),
        number(REASONS, "nvmlDeviceGetCurrentClocksThrottleReasons"),
    ),
)
RARELY: tuple[tuple[Way, ...], ...] = (
    (number("gpu_power_limit_w", "nvmlDeviceGetEnforcedPowerLimit", per=1000),),
    (number("gpu_fan_percent", "nvmlDeviceGetFanSpeed"),),
    (number("gpu_ecc_corrected_count", ECC[0], CORRECTED, ECC[1]),),
    (number("gpu_ecc_uncorrected_count", ECC[0], UNCORRECTED, ECC[1]),),
    (number("gpu_pcie_sent_bytes_per_s", PCIE, pynvml.NVML_PCIE_UTIL_TX_BYTES, times=KB),),
    (number("gpu_pcie_received_bytes_per_s", PCIE, pynvml.NVML_PCIE_UTIL_RX_BYTES, times=KB),),
)
COMPUTING = tuple(holding(f"nvmlDeviceGetComputeRunningProcesses_v{version}") for version in (3, 2))
DRAWING = tuple(holding(f"nvmlDeviceGetGraphicsRunningProcesses_v{version}") for version in (3, 2))


class Question:
    """One question to one GPU: asked when it is due, and no more when it has no answer there."""

    __slots__ = ("due_s", "is_failing", "pause_s", "ways")

    def __init__(self, ways: tuple[Way, ...], pause_s: float = 0.0) -> None:
        self.ways = list(ways)
        self.pause_s = pause_s
        self.due_s = 0.0
        self.is_failing = False

    def ask(self, gpu: Handle, now_s: float) -> dict[Any, Any] | None:
        """Return the answer; None when there is none now. Raises: NVMLError, if the GPU is lost."""
        if now_s < self.due_s:
            return None
        self.is_failing = False
        self.due_s = now_s + self.pause_s - SLACK_S
        while self.ways:
            try:
                return self.ways[0](gpu)
            except pynvml.NVMLError as error:
                if error.value in LOST:
                    raise
                if error.value not in NEVER:
                    self.fail(error.value, now_s)
                    return None
            except ODD:
                pass
            del self.ways[0]
        return None

    def fail(self, code: int, now_s: float) -> None:
        """Let a question that has failed rest, unless a list of processes grew while it was read."""
        if code != pynvml.NVML_ERROR_INSUFFICIENT_SIZE:
            self.is_failing = True
            self.due_s = now_s + RETRY_S - SLACK_S


class Card:
    """A GPU, or a MIG instance of one."""

    vendor = "nvidia"

    def __init__(self, label: str, find: Callable[[], Handle], *, is_instance: bool = False) -> None:
        self.label = label
        self.find = find
        self.handle = find()
        self.is_instance = is_instance
        self.has_instances = False
        self.uuid = said(pynvml.nvmlDeviceGetUUID, self.handle)
        self.name = said(pynvml.nvmlDeviceGetName, self.handle)
        self.names = tuple(filter(None, [self.uuid]))
        self.lost_until_s = 0.0
        self.reset()

    def reset(self) -> None:
        """Begin with all questions anew."""
        often, rarely = ((MEMORY,), ()) if self.is_instance else (OFTEN, RARELY)
        self.questions = [Question(ways) for ways in often] + [Question(ways, RARE_S) for ways in rarely]
        self.computing = Question(COMPUTING)
        self.drawing = Question(DRAWING, RARE_S)
        self.drawn: Held = {}

    @property
    def is_lost(self) -> bool:
        """Tell whether it is left alone."""
        return bool(self.lost_until_s)

    def sample(self, now_s: float) -> Values:
        """Return what is known; nothing while the GPU is lost. Blocks: as long as the driver likes."""
        values: Values = {}
        if now_s < self.lost_until_s:
            return values
        try:
            if self.lost_until_s:
                self.handle = self.find()
                self.lost_until_s = 0.0
                self.reset()
            for question in self.questions:
                values |= question.ask(self.handle, now_s) or {}
        except ERRORS:
            return self.lose(now_s)
        if not values and any(question.is_failing for question in self.questions):
            return self.lose(now_s)
        return {name: value for name, value in values.items() if is_plausible(name, value)}

    def lose(self, now_s: float) -> Values:
        """Leave it alone for a while."""
        self.lost_until_s = now_s + RETRY_S - SLACK_S
        return {}

    def holders(self, now_s: float) -> Held | None:
        """Return who uses it, and how much of its memory; None where that is not to be known."""
        if self.lost_until_s or self.has_instances:  # whose processes are listed with them
            return None
        try:
            found = self.computing.ask(self.handle, now_s)
            drawn = self.drawing.ask(self.handle, now_s)
        except ERRORS:
            self.lose(now_s)
            return None
        self.drawn = self.drawn if drawn is None else drawn
        return None if found is None else self.drawn | found


def is_plausible(name: str, value: float) -> bool:
    """Tell whether a value can be one."""
    return value not in NO_VALUE and value <= MOST.get(name, value)


def said(ask: Callable[..., Any], *arguments: Any) -> Any:
    """Return an answer, text as text; None where there is none."""
    try:
        answer = ask(*arguments)
    except ERRORS:
        return None
    return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer


def find_cards() -> list[Card]:
    """Start the driver's library and list the GPUs with their instances. Raises: NVMLError. Blocks."""
    pynvml.nvmlInit()
    cards = []
    for index in range(min(pynvml.nvmlDeviceGetCount(), MOST_GPUS)):
        try:
            card = Card(str(index), partial(pynvml.nvmlDeviceGetHandleByIndex, index))
        except ERRORS:
            continue  # one that is sick, or that we may not use
        cards += [card, *find_instances(card)]
    return cards


def find_instances(card: Card) -> list[Card]:
    """List the MIG instances of a GPU."""
    mode = said(pynvml.nvmlDeviceGetMigMode, card.handle)
    if not mode or mode[0] != pynvml.NVML_DEVICE_MIG_ENABLE:
        return []
    card.has_instances = True
    found = []
    for number in range(min(said(pynvml.nvmlDeviceGetMaxMigDeviceCount, card.handle) or 0, MOST_INSTANCES)):
        try:
            found.append(Card(f"{card.label}.{number}", partial(handle_of, card, number), is_instance=True))
        except ERRORS:
            continue  # there are fewer than there may be
        ids = [
            said(ask, found[-1].handle)
            for ask in (pynvml.nvmlDeviceGetGpuInstanceId, pynvml.nvmlDeviceGetComputeInstanceId)
        ]
        found[-1].names += (f"MIG-{card.uuid}/{ids[0]}/{ids[1]}",)  # as drivers of before 2021 say it
    return found


def handle_of(card: Card, number: int) -> Handle:
    """Return an instance of a GPU. Raises: NVMLError."""
    return pynvml.nvmlDeviceGetMigDeviceHandleByIndex(card.handle, number)


def versions() -> dict[str, object]:
    """Return the version of the driver, and of the CUDA that it knows."""
    cuda = said(pynvml.nvmlSystemGetCudaDriverVersion_v2) or said(pynvml.nvmlSystemGetCudaDriverVersion)
    shown = f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None
    return {"driver": said(pynvml.nvmlSystemGetDriverVersion), "cuda": shown}
