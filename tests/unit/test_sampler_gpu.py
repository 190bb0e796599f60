"""What a sample says of NVIDIA's GPUs is what their driver says; a bad driver is in nobody's way.

The real pynvml loads a stand-in for the driver's library, tests/standin/nvml.c.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# The watch in a process of its own, because that looks for the library in $LD_LIBRARY_PATH when it starts. It does
# what it is told, one line at a time, and its clock is ours.
PROCESS = """
import json, os, sys, time, types
from runwrap.capture.sampler import gpu

now_s = 1000.0
said = []
options = json.loads(sys.argv[1])
for name in options["without"]:
    import pynvml
    delattr(pynvml, name)
gpu.time = types.SimpleNamespace(monotonic=lambda: now_s)
gpu.AMD_SIGN = "/no such file"
gpu.OUTERMOST_PIDS = os.readlink("/proc/self/ns/pid") if options["is_outermost"] else "another one"
signs = options["signs"]
watch = gpu.GpuWatch(os.environ, lambda kind, data: said.append([kind, data]), signs, options["expected"])
for line in sys.stdin:
    name, argument = json.loads(line)
    began_s = time.perf_counter()
    result = None
    if name == "pass":
        now_s += argument
    elif name == "wait":
        result = watch.idle.wait(30)
    elif name == "is_idle":
        result = watch.idle.is_set()
    elif name == "modules":
        result = "pynvml" in sys.modules
    elif name == "ask":
        result = watch.ask(set(argument))
    else:
        result = getattr(watch, name)()
    took_s = time.perf_counter() - began_s
    print(json.dumps({"result": result, "said": said, "took_s": took_s}), flush=True)
    said.clear()
"""
AT_ONCE_S = 1.0  # on a busy machine


class Watch:
    """A watch in a process of its own, and the driver that it asks."""

    def __init__(self, folder: Path, driver: Path) -> None:
        self.answers = folder / "answers"
        self.calls = folder / "calls"
        self.table: dict[str, object] = {}
        self.driver = driver
        self.environ: dict[str, str] = {}
        self.options = {
            "signs": [str(folder)],
            "expected": [str(folder)],
            "is_outermost": True,
            "without": [],
        }
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.longest_s = 0.0
        self.process: subprocess.Popen[str] | None = None

    def answer(self, **table: object) -> None:
        """Let the driver answer this from now on; `power_error` is the key "power.error", None takes a key away."""
        for key, value in table.items():
            self.table[key.replace("_error", ".error").replace("_hang", ".hang")] = value
        lines = [f"{key} {value}\n" for key, value in self.table.items() if value is not None]
        self.answers.with_name("new").write_text("".join(lines))
        self.answers.with_name("new").replace(self.answers)

    def of(self, gpu: str, **table: object) -> None:
        """Let one GPU, or an instance of it, answer this from now on."""
        self.answer(**{f"{gpu}.{key}": value for key, value in table.items()})

    def do(self, name: str, argument: object = None) -> Any:
        """Let the process do something and return what came of it."""
        if self.process is None:
            self.answer()
            environ = {"STANDIN_NVML": str(self.answers), "STANDIN_NVML_CALLS": str(self.calls)}
            names = {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"}
            clean = {key: value for key, value in os.environ.items() if key not in names}
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROCESS, json.dumps(self.options)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=clean | {"LD_LIBRARY_PATH": str(self.driver)} | environ | self.environ,
            )
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([name, argument]) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        self.said += [(kind, data) for kind, data in reply["said"]]
        if name != "wait":
            self.longest_s = max(self.longest_s, reply["took_s"])
        return reply["result"]

    def start(self) -> dict[str, float]:
        """Start it, and return its first sample."""
        self.do("start")
        assert self.do("wait")
        return self.do("take")

    def sample(self, *pids: int, after_s: float = 2.0) -> dict[str, float]:
        """Return a sample that is taken so much later."""
        self.do("pass", after_s)
        self.do("ask", pids)
        assert self.do("wait")
        return self.do("take")

    def end(self) -> tuple[int, str]:
        """End it; return its status, and what it wrote to stderr."""
        assert self.process
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors

    def facts(self, name: str) -> list[Any]:
        """List the values of a fact."""
        return [data["value"] for kind, data in self.said if kind == "fact" and data["name"] == name]

    def notices(self) -> list[str]:
        """List what it complained of."""
        assert {data["part"] for kind, data in self.said if kind == "notice"} <= {"gpu"}
        return [data["text"] for kind, data in self.said if kind == "notice"]

    def count(self, name: str) -> int:
        """Count the questions of one kind so far."""
        return sum(line.split()[-1] == name for line in self.calls.read_text().splitlines())


@pytest.fixture
def watch(tmp_path, nvml):
    """Return a watch of two GPUs; nothing that it does may write to the terminal, or hold up its process."""
    made = Watch(tmp_path, nvml)
    yield made
    if made.process and made.process.returncode is None:
        assert made.end() == (0, "")


def of_gpu(values: dict[str, float], label: str) -> dict[str, float]:
    """Return what a sample says of one GPU."""
    return {name.split("/")[0]: value for name, value in values.items() if name.endswith(f"/{label}")}


def test_every_value_is_the_drivers(watch):
    watch.of(
        "1", utilisation=37, bandwidth=12, memory=5_000_000_000, reserved=999, total=80_000_000_000,
        temperature=61, power=250_500, limit=700_000, sm_clock=1410, memory_clock=1593, reasons=0x84, sent=1500,
        received=20, corrected=3, uncorrected=1, fan=44, energy=12_345_678,
    )  # fmt: skip
    values = watch.start()
    assert of_gpu(values, "1") == {
        "gpu_percent": 37, "gpu_memory_bandwidth_percent": 12, "gpu_memory_used_bytes": 5_000_000_000,
        "gpu_memory_total_bytes": 80_000_000_000, "gpu_temperature_celsius": 61, "gpu_power_w": 250.5,
        "gpu_power_limit_w": 700, "gpu_sm_clock_mhz": 1410, "gpu_memory_clock_mhz": 1593,
        "gpu_throttle_reasons": 0x84, "gpu_pcie_sent_bytes_per_s": 1_500_000,
        "gpu_pcie_received_bytes_per_s": 20_000, "gpu_ecc_corrected_count": 3, "gpu_ecc_uncorrected_count": 1,
        "gpu_fan_percent": 44, "gpu_energy_j": 0,
    }  # fmt: skip
    assert of_gpu(values, "0")["gpu_percent"] == 0
    watch.of("1", utilisation=99, temperature=-3)
    assert of_gpu(watch.sample(), "1").items() >= {"gpu_percent": 99, "gpu_temperature_celsius": -3}.items()


def test_the_gpus_of_the_machine_are_told_once(watch):
    watch.of("1", mig=2, total=999)
    watch.environ = {"CUDA_VISIBLE_DEVICES": "MIG-1111111b-0000-4000-8000-000000000002"}
    assert watch.start().keys() > watch.sample().keys()
    [fact] = watch.facts("gpu")
    zeros = "0000-4000-8000-000000000"
    whole = {"vendor": "nvidia", "name": "Stand-in 9000"}
    assert fact == {
        "driver": "575.51.03",
        "cuda": "12.9",
        "cuda_device_order": None,
        "devices": [
            whole | {"index": "0", "uuid": f"GPU-0000000a-{zeros}000", "memory_total_bytes": 1 << 34,
                     "visible": False, "mig": []},
            whole | {"index": "1", "uuid": f"GPU-1111111b-{zeros}000", "memory_total_bytes": 999,
                     "visible": False, "mig": [
                whole | {"index": "1.0", "uuid": f"MIG-1111111b-{zeros}001", "memory_total_bytes": 999,
                         "visible": False},
                whole | {"index": "1.1", "uuid": f"MIG-1111111b-{zeros}002", "memory_total_bytes": 999,
                         "visible": True},
            ]},
        ],
    }  # fmt: skip


def test_a_name_that_is_no_text_is_left_out(watch):
    watch.do("is_idle")  # it is there
    watch.answers.write_bytes(b"0.name A\xff\xfe\nutilisation 5\n")
    assert watch.start()["gpu_percent/0"] == 5
    assert [device["name"] for device in watch.facts("gpu")[0]["devices"]] == [None, "Stand-in 9000"]


def test_what_stays_as_it_is_is_told_once(watch):
    watch.answer(limit=700_000)
    steady = {f"{name}/{gpu}" for gpu in (0, 1) for name in ("gpu_memory_total_bytes", "gpu_power_limit_w")}
    assert steady <= watch.start().keys()
    assert not steady & watch.sample(after_s=20).keys()
    watch.of("1", limit=400_000)
    later = watch.sample(after_s=20)
    assert steady & later.keys() == {"gpu_power_limit_w/1"}
    assert later["gpu_power_limit_w/1"] == 400


def test_what_is_slow_to_ask_is_asked_seldom(watch):
    watch.answer(count=1)
    watch.start()
    for _ in range(10):
        watch.sample(after_s=2)
    assert watch.count("utilisation") == 11
    assert watch.count("sent") == watch.count("fan") == 3


def test_an_instance_has_its_own_memory_and_processes(watch):
    watch.of(
        "0", **{"utilisation.error": 3, "mig": 2, "processes": "100:1,200:2"}
    )  # once more, for all of it
    watch.of("0.0", memory=111, total=1000, processes="100:50")
    watch.of("0.1", memory=222, total=1000, processes="200:60,300:70")
    values = watch.start()
    assert "gpu_percent/0" not in values
    assert of_gpu(values, "0.1") == {"gpu_memory_used_bytes": 222, "gpu_memory_total_bytes": 1000}
    values = watch.sample(200, 300)
    assert of_gpu(values, "0.1") == {"gpu_memory_used_bytes": 222, "process_gpu_memory_bytes": 130}
    assert "process_gpu_memory_bytes/0" not in values
    assert watch.do("totals").keys() == {"0", "0.1"}  # the power is the whole GPU's
    assert watch.facts("gpus_used") == [{"devices": ["0.1"]}]


def test_energy_is_that_of_the_run(watch):
    watch.answer(energy=5_000_000, power=100_000)
    watch.start()
    watch.of("1", energy=5_030_000)
    assert watch.sample()["gpu_energy_j/1"] == 30
    watch.of("1", energy=5_000)  # the driver was loaded anew
    assert watch.sample()["gpu_energy_j/1"] == 30
    watch.of("1", energy=7_000)
    values = watch.sample(100)
    assert (values["gpu_energy_j/0"], values["gpu_energy_j/1"]) == (0, 32)
    watch.of("1", energy=1 << 60)  # no GPU takes that
    assert watch.sample()["gpu_energy_j/1"] == 32


def test_energy_comes_from_the_power_where_there_is_no_counter(watch):
    watch.answer(energy_error=3, power=100_000)
    assert watch.start()["gpu_energy_j/0"] == 0
    watch.answer(power=300_000)
    assert watch.sample(after_s=10)["gpu_energy_j/0"] == 2000
    assert watch.sample(after_s=2)["gpu_energy_j/0"] == 2600
    assert watch.count("energy") == 2  # one GPU, one question


def test_a_counter_that_fails_for_a_while_is_not_made_up_for(watch):
    watch.answer(count=1, energy=1000, power=100_000)
    watch.start()
    watch.answer(energy_error=10)
    assert "gpu_energy_j/0" not in watch.sample(after_s=60)
    watch.answer(energy_error=None, energy=5_000_000)
    assert watch.sample(after_s=60)["gpu_energy_j/0"] == 4999


def test_nothing_is_added_up_over_a_gap(watch):
    watch.answer(count=1, energy_error=3, power=100_000, utilisation=100, processes="7:1")
    watch.start()
    watch.sample(7, after_s=2)
    watch.answer(error=15)
    watch.sample(7, after_s=2)
    watch.answer(error=None, utilisation=0)
    assert watch.sample(7, after_s=1000)["gpu_energy_j/0"] == 200
    watch.sample(7, after_s=2)
    assert watch.do("totals")["0"] == {
        "energy_j": 400, "memory_max_bytes": 0, "percent_mean": 50, "idle_share": 0.5,
    }  # fmt: skip


def test_the_gpus_that_the_script_uses_are_told(watch):
    watch.of("0", processes="4000:77")
    watch.start()
    watch.sample(4242)
    assert watch.facts("gpus_used") == []
    watch.of("1", processes="4000:50,4242:700,4243:30")
    values = watch.sample(4242, 4243)
    assert values["process_gpu_memory_bytes/1"] == 730
    assert "process_gpu_memory_bytes/0" not in values
    assert watch.do("totals").keys() == {"1"}  # what others do is not the run's
    watch.of("0", draws="4243:8")  # in no list of those that compute
    watch.sample(4242, 4243, after_s=10)
    assert watch.facts("gpus_used") == [{"devices": ["1"]}, {"devices": ["0", "1"]}]
    watch.of("1", processes="4000:50")
    assert watch.sample(4242)["process_gpu_memory_bytes/1"] == 0
    watch.of("1", processes="4242:-")  # it does not say how much
    assert "process_gpu_memory_bytes/1" not in watch.sample(4242)
    assert len(watch.facts("gpus_used")) == 2


def test_in_another_namespace_nothing_is_said_of_processes(watch):
    watch.options["is_outermost"] = False
    watch.environ = {"CUDA_VISIBLE_DEVICES": "1"}
    watch.answer(processes="4242:700")
    watch.start()
    assert not [name for name in watch.sample(4242) if name.startswith("process")]
    assert watch.facts("gpus_used") == []
    assert watch.do("totals").keys() == {"1"}


def test_totals_are_over_time(watch):
    watch.answer(processes="7:1", utilisation=90, memory=10, energy=0)
    watch.start()
    watch.answer(utilisation=0, memory=500, energy=1000)
    watch.sample(7, after_s=2)
    watch.answer(utilisation=100, memory=3, energy=9000)
    watch.sample(7, after_s=8)
    expected = {"energy_j": 9, "memory_max_bytes": 500, "percent_mean": 80, "idle_share": 0.2}
    assert watch.do("totals") == {"0": expected, "1": expected}


def test_totals_have_the_last_sample(watch):
    watch.answer(count=1, processes="7:1", energy=0)
    watch.start()
    watch.sample(7)
    watch.answer(energy=7000)
    watch.do("pass", 2)
    watch.do("ask", [7])
    assert watch.do("totals")["0"]["energy_j"] == 7


def test_a_question_that_fails_is_a_gap_and_nothing_else(watch):
    watch.answer(count=1, power=100_000, temperature=50, temperature_error=3, power_error=18)
    values = watch.start()
    assert {"gpu_percent/0", "gpu_sm_clock_mhz/0"} <= values.keys()
    assert not {"gpu_power_w/0", "gpu_temperature_celsius/0"} & values.keys()
    watch.answer(temperature_error=None, power_error=None)
    assert "gpu_power_w/0" not in watch.sample(after_s=2)  # it rests
    values = watch.sample(after_s=60)
    assert values["gpu_power_w/0"] == 100
    assert "gpu_temperature_celsius/0" not in values  # it is not supported: nobody asks again
    assert watch.count("temperature") == 2  # the new way, and the old one
    assert watch.notices() == []


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        ({"power": 0xFFFFFFFF}, "gpu_power_w"),
        ({"utilisation": 4_000_000}, "gpu_percent"),
        ({"temperature": 5000}, "gpu_temperature_celsius"),
        ({"memory": 9, "total": 8}, "gpu_memory_used_bytes"),
        ({"corrected": 0xFFFFFFFFFFFFFFFF}, "gpu_ecc_corrected_count"),
    ],
)
def test_what_no_gpu_can_say_is_left_out(watch, answers, name):
    watch.answer(**answers)
    values = watch.start()
    assert f"{name}/0" not in values
    assert "gpu_sm_clock_mhz/0" in values


@pytest.mark.parametrize("code", [15, 16, 999])  # lost, to be reset, unknown
def test_a_gpu_that_falls_off_the_bus_is_a_gap(watch, code):
    watch.answer(energy=1000, utilisation=50, power=100_000)
    watch.start()
    watch.of("1", error=code)
    values = watch.sample()
    assert "gpu_percent/0" in values
    assert of_gpu(values, "1") == {}
    asked = watch.count("power"), watch.count("handle")
    values = watch.sample(after_s=30)
    assert of_gpu(values, "1") == {}
    assert (watch.count("power"), watch.count("handle")) == (asked[0] + 1, asked[1])  # of the other GPU
    watch.sample(after_s=30)  # still lost
    watch.of("1", error=None, energy=4000)
    values = watch.sample(after_s=60)
    assert of_gpu(values, "1").items() >= {"gpu_percent": 50, "gpu_energy_j": 3}.items()
    assert "gpu_memory_total_bytes/1" not in values  # it is what it was
    text = "GPU 1 (Stand-in 9000) has stopped answering; samples of it are missing."
    assert watch.notices() == [text]


def test_one_unknown_error_is_not_a_lost_gpu(watch):
    watch.answer(fan_error=999, utilisation=50)
    assert watch.start()["gpu_percent/0"] == 50
    assert watch.sample()["gpu_percent/0"] == 50
    assert watch.notices() == []


def test_a_driver_that_hangs_at_the_start_delays_nobody(watch):
    watch.answer(init_hang=1)
    watch.do("start")
    for _ in range(3):
        watch.do("ask", [1])
        assert watch.do("take") == {}
    assert watch.notices() == []
    for _ in range(3):
        watch.do("pass", 20)
        watch.do("ask", [1])
        watch.do("take")
    assert watch.do("totals") == {}
    assert watch.notices() == ["The GPU driver has not answered for 30 s; samples of it are missing."]  # once
    assert watch.longest_s < AT_ONCE_S
    assert watch.end() == (0, "")  # at once, though the driver hangs


def test_a_question_that_never_comes_back_delays_nobody(watch):
    watch.answer(count=1, utilisation=50)
    watch.start()
    watch.answer(power_hang=1)
    watch.do("ask", [1])
    for _ in range(3):
        assert watch.do("take") == {}
        watch.do("ask", [1])
    assert not watch.do("is_idle")
    assert watch.do("totals").keys() == set()
    assert watch.longest_s < AT_ONCE_S
    watch.answer(power_hang=None)  # it comes back after all
    assert watch.do("wait")
    assert watch.do("take")["gpu_percent/0"] == 50
    assert watch.count("utilisation") == 2  # what was asked meanwhile was not asked


def test_a_missing_library_is_told_where_a_gpu_is_expected(watch, tmp_path):
    watch.driver = tmp_path / "empty"
    assert watch.start() == {}
    assert watch.sample() == {}
    assert watch.notices() == [
        "The GPU driver cannot be asked: NVML Shared Library Not Found; samples of it are missing."
    ]
    assert len(watch.said) == 1


@pytest.mark.parametrize(
    "answers", [{"init_error": 9}, {"init_error": 18}, {"count_error": 999}, {"count": 0}]
)
def test_where_no_gpu_is_expected_none_is_missed(watch, answers):
    watch.options["expected"] = ["/no such file"]
    watch.answer(**answers)
    assert watch.start() == {}
    assert watch.sample() == {}
    assert watch.said == []


def test_without_a_sign_of_a_gpu_nothing_is_tried(watch, tmp_path):
    watch.driver = tmp_path / "empty"
    watch.options["signs"] = ["/no such file"]
    assert watch.start() == {}
    assert watch.sample() == {}
    assert watch.do("totals") == {}
    assert not watch.do("modules")
    assert watch.said == []


def test_an_old_driver_says_what_it_can(watch, old_nvml):
    watch.driver = old_nvml
    watch.answer(memory=500, reserved=20, power=100_000, temperature=40, reasons=4, processes="7:1")
    values = watch.start()
    assert of_gpu(values, "0").items() >= {
        "gpu_memory_used_bytes": 520, "gpu_power_w": 100, "gpu_temperature_celsius": 40, "gpu_throttle_reasons": 4,
    }.items()  # fmt: skip
    assert watch.sample(7)["gpu_energy_j/0"] == 200  # from the power
    assert watch.facts("gpus_used") == []
    assert watch.do("totals")["0"]["energy_j"] == 200  # processes are not known: those that can be seen
    assert watch.facts("gpu")[0]["cuda"] == "12.9"
    assert watch.notices() == []


def test_an_old_module_says_what_it_can(watch):
    watch.options["without"] = [
        "nvmlDeviceGetTemperatureV", "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "NVML_ERROR_GPU_NOT_FOUND", "NVML_ERROR_DEPRECATED", "NVMLLibraryMismatchError",
    ]  # fmt: skip
    watch.answer(temperature=40, reasons=4)
    values = watch.start()
    assert values.items() >= {"gpu_temperature_celsius/0": 40, "gpu_throttle_reasons/0": 4}.items()
    assert watch.notices() == []


def test_a_gpu_that_cannot_be_opened_does_not_take_the_others_along(watch):
    watch.of("0", **{"handle.error": 4})
    values = watch.start()
    assert {name.split("/")[1] for name in values} == {"1"}
