"""What a sample says of the GPUs is what their driver says, and a bad driver is in nobody's way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.capture.sampler.gpu import Account, GpuWatch
from runwrap.capture.sampler.visible import visible_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A sampler's use of the GPUs, a step for each line that it is sent.
WATCH = """
import json, os, sys
from runwrap.capture.sampler import gpu, nvidia
nvidia.LOST_PAUSE_S = 0.0
nvidia.RARE_INTERVAL_S = 0.0
emitted = []
signs = tuple(sys.argv[1:])
watch = gpu.GpuWatch(os.environ, lambda kind, data: emitted.append([kind, data]), signs)
watch.start()
for line in sys.stdin:
    said = json.loads(line)
    watch.ask(set(said.get("pids", [])))
    if said.get("wait", True):
        watch.answered.wait(20)
    values = watch.take()
    print(json.dumps({"values": values, "emitted": emitted, "totals": watch.totals(),
                      "started": watch.began_s is not None}), flush=True)
os._exit(0)
"""


class Driver:
    """The stand-in for the driver's library, and a process that asks it through pynvml."""

    def __init__(self, folder: Path, library: Path) -> None:
        self.folder = folder
        self.library = library
        self.answers: dict[str, Any] = {"count": 2}
        self.environ: dict[str, str] = {}
        self.process: subprocess.Popen[str] | None = None
        self.signs = [str(folder)]  # something that is there

    def set(self, **answers: Any) -> None:
        """Let the driver answer this from now on; `_0_power` is that of the first GPU, `power__error` its error."""
        for key, value in answers.items():
            name = key.replace("__", ".")
            name = f"{name[1:].replace('_', '.', 1)}" if name.startswith("_") else name
            self.answers[name] = value
        path = self.folder / "answers"
        (self.folder / "new").write_text("".join(f"{key} {value}\n" for key, value in self.answers.items()))
        (self.folder / "new").replace(path)

    def ask(self, **said: Any) -> dict[str, Any]:
        """Take a sample."""
        if self.process is None:
            self.set()
            environ = os.environ | {
                "LD_LIBRARY_PATH": str(self.library),
                "STANDIN_NVML": str(self.folder / "answers"),
            }
            self.process = subprocess.Popen(
                [sys.executable, "-c", WATCH, *self.signs],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environ | self.environ,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(said) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def end(self) -> None:
        """End the process."""
        if self.process:
            self.process.communicate(timeout=20)


@pytest.fixture
def driver(tmp_path: Path, nvml: Path) -> Iterator[Driver]:
    """Return a driver with two GPUs."""
    made = Driver(tmp_path, nvml)
    yield made
    made.end()


def facts(answer: dict[str, Any], name: str) -> list[Any]:
    """List the values of a fact."""
    return [data["value"] for kind, data in answer["emitted"] if kind == "fact" and data["name"] == name]


def notices(answer: dict[str, Any]) -> list[str]:
    return [data["text"] for kind, data in answer["emitted"] if kind == "notice"]


def test_every_value_is_the_drivers(driver: Driver) -> None:
    driver.set(
        utilisation=37, bandwidth=12, memory=5_000_000_000, total=80_000_000_000, reserved=999, temperature=61,
        power=250_500, limit=700_000, sm=1410, clock=1593, throttle=4, sent=10, received=20, corrected=3,
        uncorrected=1, fan=44, count=1,
    )  # fmt: skip
    assert driver.ask()["values"] == {
        "gpu_percent/0": 37, "gpu_memory_bandwidth_percent/0": 12, "gpu_memory_used_bytes/0": 5_000_000_000,
        "gpu_memory_total_bytes/0": 80_000_000_000, "gpu_temperature_celsius/0": 61, "gpu_power_w/0": 250.5,
        "gpu_power_limit_w/0": 700, "gpu_sm_clock_mhz/0": 1410, "gpu_memory_clock_mhz/0": 1593,
        "gpu_throttle_reasons/0": 4, "gpu_pcie_sent_bytes_per_s/0": 10 * 1024, "gpu_fan_percent/0": 44,
        "gpu_pcie_received_bytes_per_s/0": 20 * 1024, "gpu_ecc_corrected_count/0": 3,
        "gpu_ecc_uncorrected_count/0": 1, "gpu_energy_j/0": 0,
    }  # fmt: skip


def test_what_stays_as_it_is_is_told_once(driver: Driver) -> None:
    driver.set(utilisation=37, limit=700_000)
    first = driver.ask()["values"]
    second = driver.ask()["values"]
    assert first.keys() - second.keys() == {
        f"{name}/{gpu}"
        for gpu in (0, 1)
        for name in (
            "gpu_memory_total_bytes", "gpu_power_limit_w", "gpu_ecc_corrected_count", "gpu_ecc_uncorrected_count",
        )
    }  # fmt: skip
    driver.set(limit=400_000)
    assert driver.ask()["values"]["gpu_power_limit_w/0"] == 400


def test_energy_is_that_of_the_run(driver: Driver) -> None:
    driver.set(energy=5_000_000)
    driver.ask()
    driver.set(energy=5_003_000, _1_energy=6_000_000)
    answer = driver.ask()
    assert answer["values"]["gpu_energy_j/0"] == 3
    assert answer["totals"]["0"]["energy_j"] == 3
    assert answer["totals"]["1"]["energy_j"] == 1000


def test_instances_have_their_own_memory(driver: Driver) -> None:
    driver.set(**{"1.mig": 2, "1:0.memory": 111, "1:1.memory": 222, "1.utilisation__error": 3})
    answer = driver.ask()
    assert answer["values"]["gpu_memory_used_bytes/1.0"] == 111
    assert answer["values"]["gpu_memory_used_bytes/1.1"] == 222
    assert "gpu_percent/1" not in answer["values"]
    assert "gpu_percent/0" in answer["values"]
    [fact] = facts(answer, "gpu")
    assert [device["index"] for device in fact["devices"]] == ["0", "1", "1.0", "1.1"]
    assert (fact["driver"], fact["cuda"]) == ("999.1", "12.4")


@pytest.mark.parametrize(
    ("variable", "seen"),
    [
        (None, ["0", "1", "1.0"]),
        ("1", ["1"]),
        ("", []),
        ("MIG-0000020", ["1.0"]),
        ("GPU-00000000-0000", ["0"]),
    ],
)
def test_the_gpus_that_the_script_may_see_are_told(
    driver: Driver, variable: str | None, seen: list[str]
) -> None:
    driver.set(**{"1.mig": 1})
    if variable is not None:
        driver.environ["CUDA_VISIBLE_DEVICES"] = variable
    [fact] = facts(driver.ask(), "gpu")
    assert [device["index"] for device in fact["devices"] if device["visible"]] == seen


def test_the_gpus_that_the_script_uses_are_told(driver: Driver) -> None:
    driver.set(**{"0.processes": "4000:77"})
    answer = driver.ask(pids=[4242])
    assert facts(answer, "gpus_used") == []
    driver.set(**{"1.processes": "4000:50,4242:700,4243:30"})
    answer = driver.ask(pids=[4242, 4243])
    assert answer["values"]["process_gpu_memory_bytes/1"] == 730
    assert "process_gpu_memory_bytes/0" not in answer["values"]
    assert facts(answer, "gpus_used") == [{"devices": ["1"]}]
    assert answer["totals"].keys() == {"1"}  # what others do is not the run's
    assert len(facts(driver.ask(pids=[4242]), "gpus_used")) == 1


def test_a_question_that_fails_is_a_gap_and_nothing_else(driver: Driver) -> None:
    driver.set(power=100_000, temperature=50, temperature__error=3, power__error=18)
    answer = driver.ask()
    assert {"gpu_percent/0", "gpu_sm_clock_mhz/0"} <= answer["values"].keys()
    assert not {"gpu_power_w/0", "gpu_temperature_celsius/0"} & answer["values"].keys()
    driver.set(temperature__error=0, power__error=0)
    values = driver.ask()["values"]
    assert values["gpu_power_w/0"] == 100
    assert "gpu_temperature_celsius/0" not in values  # it is not supported: nobody asks again
    assert notices(answer) == []


def test_a_gpu_that_falls_off_the_bus_is_a_gap(driver: Driver) -> None:
    driver.set(energy=1000, utilisation=50)
    driver.ask()
    driver.set(_1_lost=1)
    answer = driver.ask()
    assert "gpu_percent/0" in answer["values"]
    assert not [name for name in answer["values"] if name.endswith("/1")]
    driver.set(_1_lost=0, energy=4000)
    answer = driver.ask()
    assert answer["values"]["gpu_energy_j/1"] == 3


def test_a_driver_that_never_answers_delays_nobody(driver: Driver) -> None:
    driver.set(init__hang=1)
    for _ in range(3):
        assert driver.ask(wait=False)["values"] == {}
    driver.end()  # the process ends at once, whatever the driver does
    assert driver.process is not None
    assert driver.process.returncode == 0


def test_a_question_that_never_comes_back_delays_nobody(driver: Driver) -> None:
    driver.ask()
    driver.set(power__hang=1)
    assert driver.ask(wait=False)["values"] == {}
    assert driver.ask(wait=False)["values"] == {}
    driver.set(power__hang=0)


def test_a_missing_library_is_told_where_a_gpu_was_expected(driver: Driver, tmp_path: Path) -> None:
    driver.library = tmp_path / "empty"
    said = driver.ask(wait=False)
    while not notices(said):
        said = driver.ask(wait=False)
    assert notices(said) == ["The GPUs cannot be sampled: NVML Shared Library Not Found."]


def test_without_a_sign_of_a_gpu_nothing_is_tried(driver: Driver, tmp_path: Path) -> None:
    driver.library = tmp_path / "empty"
    driver.signs = [str(tmp_path / "no driver")]
    answer = driver.ask(wait=False)
    assert (answer["values"], answer["emitted"]) == ({}, [])
    assert not answer["started"]


def test_an_init_that_fails_without_a_driver_is_quiet(driver: Driver, tmp_path: Path) -> None:
    driver.signs = [str(tmp_path / "no driver")]  # a library with nothing behind it
    driver.set(init__error=9)
    for _ in range(3):
        answer = driver.ask(wait=False)
    assert (answer["values"], notices(answer)) == ({}, [])


def test_an_old_driver_says_what_it_can(driver: Driver, old_nvml: Path) -> None:
    driver.library = old_nvml
    driver.set(memory=500, reserved=20, power=100_000)
    answer = driver.ask()
    assert answer["values"]["gpu_memory_used_bytes/0"] == 520
    assert answer["values"]["gpu_power_w/0"] == 100
    assert "gpu_throttle_reasons/0" not in answer["values"]
    assert notices(answer) == []
    assert driver.ask()["values"]["gpu_energy_j/0"] > 0  # from the power


UUIDS = {"0": "GPU-aa00", "1": "GPU-aa11", "2": "GPU-bb22", "2.0": "MIG-c0", "2.1": "MIG-c1"}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (None, ["0", "1", "2", "2.0", "2.1"]),
        ("", []),
        ("2,0", ["2", "0"]),
        (" 1 , 0 ", ["1", "0"]),
        ("0,-1,1", ["0"]),
        ("0,7,1", ["0"]),
        ("-1", []),
        ("NoDevFiles", []),
        ("GPU-bb", ["2"]),
        ("GPU-aa", []),  # two of them
        ("GPU-aa1,MIG-c1", ["1", "2.1"]),
        ("01", ["1"]),
        ("1,1", ["1"]),
        ("2.0", []),
        ("\u0661", []),  # a digit, but none of those
    ],
)
def test_the_variable_means_what_cuda_takes_it_for(text: str | None, labels: list[str]) -> None:
    assert visible_labels(text, UUIDS) == labels


@given(st.text() | st.from_regex(r"[0-9,\-GPUMIabc ]{0,40}"))
def test_any_variable_names_gpus_that_exist_each_once(text: str) -> None:
    seen = visible_labels(text, UUIDS)
    assert len(seen) == len(set(seen))
    assert set(seen) <= UUIDS.keys()


def test_idle_time_and_means_are_over_time() -> None:
    account = Account()
    for now_s, percent in ((0.0, 90), (2.0, 0), (10.0, 100)):
        account.take(now_s, {"gpu_percent": percent, "gpu_memory_used_bytes": percent * 10})
    assert account.describe() == {
        "energy_j": 0.0, "memory_max_bytes": 1000, "percent_mean": 80.0, "idle_share": 0.2,
    }  # fmt: skip


def test_numbers_of_another_namespace_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    link: Callable[[str], str] = lambda _: "pid:[4026532000]"  # noqa: E731
    monkeypatch.setattr(os, "readlink", link)
    assert not GpuWatch({}, print).knows_pids
