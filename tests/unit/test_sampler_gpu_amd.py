"""AMD's GPUs are read from the kernel's files, and asked by AMD's library where that is installed."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from runwrap.capture.sampler import gpu
from runwrap.capture.sampler.amd import find_cards
from runwrap.capture.sampler.gpu import GpuWatch

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "vendor": "0x1002\n",
    "unique_id": "1f2e3d4c5b6a7980\n",
    "product_name": "Instinct MI210\n",
    "gpu_busy_percent": "37\n",
    "mem_busy_percent": "12\n",
    "mem_info_vram_used": "5000000000\n",
    "mem_info_vram_total": "68702699520\n",
    "power/runtime_status": "active\n",
    "hwmon/hwmon3/power1_average": "250500000\n",
    "hwmon/hwmon3/power1_cap": "300000000\n",
    "hwmon/hwmon3/temp1_input": "61000\n",
    "hwmon/hwmon3/freq1_input": "1410000000\n",
    "hwmon/hwmon3/freq2_input": "1600000000\n",
    "hwmon/hwmon3/pwm1": "51\n",
}
VALUES = {
    "gpu_percent": 37,
    "gpu_memory_bandwidth_percent": 12,
    "gpu_memory_used_bytes": 5_000_000_000,
    "gpu_memory_total_bytes": 68_702_699_520,
    "gpu_power_w": 250.5,
    "gpu_power_limit_w": 300,
    "gpu_temperature_celsius": 61,
    "gpu_sm_clock_mhz": 1410,
    "gpu_memory_clock_mhz": 1600,
    "gpu_fan_percent": pytest.approx(20),
}


@pytest.fixture(autouse=True)
def _without_the_library(monkeypatch):
    """Let none be found, also where one is installed."""
    monkeypatch.setitem(sys.modules, "amdsmi", None)


def make(drm: Path, number: int, bus: str, **changed: str | None) -> Path:
    """Make the files of a GPU; return their folder."""
    device = drm.parent / "devices" / bus
    for name, text in (FILES | changed).items():
        path = device / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text)
    (drm / f"card{number}").mkdir(parents=True)
    (drm / f"card{number}" / "device").symlink_to(device)
    (drm / f"card{number}-DP-1").mkdir()
    return device


def test_every_value_is_that_of_a_file(tmp_path):
    make(tmp_path / "drm", 0, "0000:03:00.0")
    [card] = find_cards(str(tmp_path / "drm"))
    assert card.sample(0.0) == VALUES
    assert (card.label, card.name, card.uuid) == ("0", "Instinct MI210", "GPU-1f2e3d4c5b6a7980")
    assert card.holders(0.0) is None


def test_gpus_stand_in_the_order_of_the_bus_and_others_are_left_out(tmp_path):
    drm = tmp_path / "drm"
    make(drm, 0, "0000:43:00.0", product_name="second\n")
    make(drm, 1, "0000:03:00.0", product_name="first\n")
    make(drm, 2, "0000:01:00.0", vendor="0x8086\n")
    assert [(card.label, card.name) for card in find_cards(str(drm))] == [("0", "first"), ("1", "second")]


@pytest.mark.parametrize("text", [None, "", "N/A\n", "-5\n", "12 %\n", "101\n", "9" * 70, "\u0663"])
def test_a_file_that_says_no_number_is_a_gap(tmp_path, text):
    make(tmp_path / "drm", 0, "0000:03:00.0", gpu_busy_percent=text)
    [card] = find_cards(str(tmp_path / "drm"))
    assert card.sample(0.0) == {name: value for name, value in VALUES.items() if name != "gpu_percent"}


def test_a_gpu_that_sleeps_is_not_woken_up_and_one_that_has_gone_is_a_gap(tmp_path):
    device = make(tmp_path / "drm", 0, "0000:03:00.0")
    [card] = find_cards(str(tmp_path / "drm"))
    (device / "power/runtime_status").write_text("suspended\n")
    assert card.sample(0.0) == {}
    (device / "power/runtime_status").write_text("active\n")
    assert card.sample(0.0) == VALUES
    device.rename(tmp_path / "gone")
    assert card.sample(0.0) == {}


def test_no_folder_is_no_gpu(tmp_path):
    assert find_cards(str(tmp_path / "drm")) == []


LIBRARY = """
class AmdSmiException(Exception): pass
def amdsmi_init(): pass
def amdsmi_get_processor_handles(): return ["first"]
def amdsmi_get_gpu_device_bdf(handle): return "0000:03:00.0"
def amdsmi_get_gpu_asic_info(handle): return {"market_name": "MI300X"}
def amdsmi_get_gpu_activity(handle): return {"gfx_activity": 44, "umc_activity": "N/A", "mm_activity": "N/A"}
def amdsmi_get_gpu_vram_usage(handle): raise AmdSmiException
def amdsmi_get_power_info(handle): return {"current_socket_power": 410, "average_socket_power": "N/A"}
def amdsmi_get_energy_count(handle): return {"energy_accumulator": 2000000, "counter_resolution": 15.5, "timestamp": 1}
"""


def test_the_library_adds_what_the_files_do_not_say(tmp_path, monkeypatch):
    library = ModuleType("amdsmi")
    exec(LIBRARY, library.__dict__)
    monkeypatch.setitem(sys.modules, "amdsmi", library)
    without = dict.fromkeys(
        ["gpu_busy_percent", "mem_busy_percent", "product_name", "hwmon/hwmon3/power1_average"]
    )
    make(tmp_path / "drm", 0, "0000:03:00.0", **without)
    [card] = find_cards(str(tmp_path / "drm"))
    values = card.sample(0.0)
    assert card.name == "MI300X"
    assert "gpu_memory_bandwidth_percent" not in values
    assert values.items() >= {"gpu_percent": 44, "gpu_power_w": 410, "gpu_energy_j": 31}.items()
    assert values["gpu_memory_used_bytes"] == 5_000_000_000  # of the file


def test_a_watch_tells_of_amds_gpus_as_of_others(tmp_path, monkeypatch):
    make(tmp_path / "drm", 0, "0000:03:00.0")
    make(tmp_path / "drm", 1, "0000:43:00.0", unique_id=None)
    monkeypatch.setattr(gpu, "AMD_SIGN", str(tmp_path))
    monkeypatch.setattr("runwrap.capture.sampler.amd.find_cards.__defaults__", (str(tmp_path / "drm"),))
    said = []
    watch = GpuWatch({"HIP_VISIBLE_DEVICES": "1"}, lambda kind, data: said.append((kind, data)), (), ())
    watch.start()
    assert watch.idle.wait(20)
    assert watch.take().items() >= {"gpu_percent/0": 37, "gpu_power_w/1": 250.5, "gpu_energy_j/1": 0}.items()
    [(kind, fact)] = said
    assert (kind, fact["name"]) == ("fact", "gpu")
    assert [device["visible"] for device in fact["value"]["devices"]] == [False, True]
    assert watch.totals().keys() == {"1"}
