"""The parts of the capture are independent of each other, bounded, and tell nothing that is secret."""

from __future__ import annotations

import fnmatch
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.capture import cgroup, environment, facts, git_patch, gpu_name, host
from runwrap.capture.git_snapshot import Snapshot, start_diff

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    Records = list[tuple[str, dict[str, Any]]]


def collect(tmp_path: Path, argv: Sequence[str] = ("true",), snapshot: Snapshot | None = None) -> Records:
    """Collect the facts of a command; return the records."""
    records: Records = []
    request = facts.Request(list(argv), str(tmp_path), dict(os.environ), str(tmp_path), time.time(), snapshot)
    facts.collect(lambda kind, data: records.append((kind, data)), request)
    json.dumps(records)
    return records


def names(records: Records) -> list[str]:
    """Name the facts among some records."""
    return [data["name"] for kind, data in records if kind == "fact"]


def test_command_that_is_no_python_outside_a_repository_has_two_facts(tmp_path: Path) -> None:
    records = collect(tmp_path)
    assert names(records) == ["host", "environment"]
    assert [kind for kind, _ in records] == ["fact", "fact"]


def test_python_has_its_packages_in_a_file(tmp_path: Path) -> None:
    records = collect(tmp_path, [sys.executable, "x.py"])
    assert [kind for kind, _ in records] == ["fact", "fact", "file", "fact"]
    value = records[3][1]["value"]
    text = (tmp_path / value["path"]).read_text()
    assert "pytest==" in text
    assert value["interpreter"] == sys.executable
    assert value["count"] == sum(not line.startswith("#") for line in text.splitlines())


def test_repository_is_described_when_git_is_ready_and_when_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "--quiet", "."], cwd=tmp_path, check=True)
    for wait_s in (60, 0):
        monkeypatch.setattr(facts, "GIT_FIRST_S", wait_s)
        snapshot = start_diff(str(tmp_path), dict(os.environ))
        assert names(collect(tmp_path, snapshot=snapshot)) == ["host", "environment", "git"]


def test_part_that_fails_is_a_notice_and_the_others_go_on(tmp_path: Path) -> None:
    records: Records = []
    request = facts.Request([sys.executable], "/", {}, str(tmp_path / "not there"), time.time(), None)
    facts.collect(lambda kind, data: records.append((kind, data)), request)
    assert names(records) == ["host", "environment"]
    notice = records[-1][1]
    assert (notice["level"], notice["part"]) == ("warning", "packages")
    assert notice["text"].startswith("The packages facts are incomplete: ")


def test_part_that_takes_too_long_is_ended_even_if_it_hides_the_first_ring(tmp_path: Path) -> None:
    reader, writer = os.pipe()

    def stubborn(_request: facts.Request) -> Iterator[tuple[str, dict[str, object]]]:
        yield "fact", {"name": "first", "value": 1}
        try:
            os.read(reader, 1)
        except RuntimeError:
            os.read(reader, 1)

    records: Records = []
    request = facts.Request([], "/", {}, str(tmp_path), 0, None)
    facts.guarded("slow", stubborn, request, lambda kind, data: records.append((kind, data)), 0.05)
    os.close(reader)
    os.close(writer)
    assert records[0] == ("fact", {"name": "first", "value": 1})
    assert "longer than 0.05 s" in records[1][1]["text"]


def test_clock_stands_while_a_record_is_written_and_gives_the_timer_back(tmp_path: Path) -> None:
    intervals = []
    timers = []

    def part(_request: facts.Request) -> Iterator[tuple[str, dict[str, object]]]:
        intervals.append(signal.getitimer(signal.ITIMER_REAL)[1])
        yield "fact", {}

    def emit(_kind: str, _data: dict[str, object]) -> None:
        timers.append(signal.getitimer(signal.ITIMER_REAL))

    handler, timer = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    facts.guarded("x", part, facts.Request([], "/", {}, str(tmp_path), 0, None), emit, 10)
    assert intervals == [facts.RING_INTERVAL_S]
    assert abs(timers[0][0] - timer[0]) < 5
    assert timers[0][1] == timer[1]
    assert signal.getsignal(signal.SIGALRM) == handler


def test_blocked_alarm_still_ends_a_part(tmp_path: Path) -> None:
    """The launcher blocks all signals before it forks; the collector inherits that."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    try:
        collect(tmp_path)
        assert signal.SIGALRM not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_host_is_what_psutil_says() -> None:
    value: dict[str, Any] = host.describe()
    assert value["cpu_count"] == psutil.cpu_count()
    assert value["cpu_count_physical"] == psutil.cpu_count(logical=False)
    assert value["memory_total_bytes"] == psutil.virtual_memory().total
    assert value["kernel"] == os.uname().release
    assert value["python"].startswith("3.")
    assert value["os"]


def test_gpus_are_named_by_the_driver_or_else_by_the_library(tmp_path: Path) -> None:
    assert gpu_name.gpu_names(signs=(str(tmp_path / "none"),)) == []
    for number, text in enumerate(("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 1\n", "Model: NVIDIA L4\n")):
        folder = tmp_path / f"gpus/0000:0{number}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(text)
    known = gpu_name.gpu_names(str(tmp_path), (str(tmp_path),))
    assert known == ["NVIDIA H100 80GB HBM3", "NVIDIA L4"]
    (folder / "information").write_text("Model: Unknown\n")
    assert isinstance(gpu_name.gpu_names(str(tmp_path), (str(tmp_path),)), list)


def test_environment_names_scheduler_and_service_and_no_secret() -> None:
    value: dict[str, Any] = environment.describe(
        {
            "SLURM_JOB_ID": "17",
            "SLURM_JWT": "secret",
            "PBS_JOBID": "9.host" + "x" * 1000,
            "JOB_ID": "not of SGE",
            "RANK": "",
            "GITHUB_ACTIONS": "true",
            "GITHUB_TOKEN": "secret",
            "KUBERNETES_SERVICE_HOST": "192.0.2.1",
        }
    )
    assert value["scheduler"] == {"SLURM_JOB_ID": "17", "PBS_JOBID": ("9.host" + "x" * 1000)[:256]}
    assert value["ci"] == "GitHub Actions"
    assert value["container"] == "kubernetes"
    assert "secret" not in json.dumps(value)
    assert environment.scheduler({"SGE_TASK_ID": "1", "JOB_ID": "5"}) == {"SGE_TASK_ID": "1", "JOB_ID": "5"}
    assert environment.describe({"CI": "false"})["ci"] is None


def test_variables_that_matter_are_kept_and_those_named_like_a_secret_never() -> None:
    kept = {
        "CUDA_VISIBLE_DEVICES": "0,1",
        "OMP_NUM_THREADS": "4",
        "SLURM_NTASKS": "2",
        "PYTHONHASHSEED": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HOME": "/data/hf",
        "MY_SEED": "7",
        "PYTHONPATH": "caf\udce9",
    }
    never = {
        *(
            "HF_TOKEN",
            "HF_HUB_TOKEN",
            "SLURM_JWT",
            "CUDA_LICENSE_KEY",
            "TF_VAR_name",
            "MY_API_KEY",
            "MY_SECRETS",
        ),
        *("CONDA_TOKEN", "CI_JOB_TOKEN", "MY_PASSWORD_FILE", "MY_DB_PASS", "my_auth", "DATABASE_URL", "HOME"),
    }
    given = (
        kept
        | dict.fromkeys(never, "s3cr3t")
        | {"BUILD_URL": "https://me:s3cr/3t@host/x", "NCCL_X": "y" * 9999}
    )
    value = environment.describe(given, ["MY_*", "my_*"])["variables"]
    assert isinstance(value, dict)
    assert value.pop("BUILD_URL") == "https://host/x"
    assert value.pop("NCCL_X") == "y" * 4096 + "…"
    assert value == kept
    everything = environment.describe(given, ["*"])["variables"]
    assert isinstance(everything, dict)
    assert set(everything) & never == {"DATABASE_URL", "HOME"}


@given(st.text("AB*", max_size=6), st.text("AB", max_size=8))
def test_star_stands_for_anything_in_a_pattern(pattern: str, name: str) -> None:
    assert environment.fits(name, pattern.split("*")) is fnmatch.fnmatchcase(name, pattern)


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=10)), st.lists(st.text(max_size=6), max_size=3))
def test_no_name_value_or_pattern_is_a_defect(environ: dict[str, str], keep: list[str]) -> None:
    value = environment.variables(environ, keep)
    assert set(value) <= set(environ)


def test_oom_kills_are_counted_where_the_kernel_counts_them() -> None:
    count = cgroup.oom_kills()
    assert count is None or count >= 0
    assert cgroup.oom_kill_line(b"low 0\noom 3\noom_kill 2\noom_group_kill 0\n") == 2
    assert cgroup.oom_kill_line(b"oom_kill_disable 0\nunder_oom 0\noom_kill 1\n") == 1
    assert cgroup.oom_kill_line(b"oom_kill x\n") is None


HEADERS = [
    (b"diff --git a/x b/x\n", b"x"),
    (b"diff --git a/a b/a b/a b/a\n", b"a b/a"),
    (b'diff --git "a/t\\tn\\nq\\"b\\\\\\303\\251" "b/t\\tn\\nq\\"b\\\\\\303\\251"\n', b't\tn\nq"b\\\xc3\xa9'),
    (b'diff --git "a/\\\\\\\\n" "b/\\\\\\\\n"\n', b"\\\\n"),
]


@pytest.mark.parametrize(("header", "name"), HEADERS)
def test_names_in_a_patch_are_read_back(header: bytes, name: bytes) -> None:
    assert git_patch.section_name(header + b"rest\n") == name


def test_sections_are_split_at_headers_only() -> None:
    patch = b"* Unmerged path x\n" + b"".join(
        header + b"@@ -0,0 +1 @@\n+diff --git a/y b/y\n" for header, _ in HEADERS
    )
    kept, cut = git_patch.cut_changed(patch, lambda name: name == b"x")
    assert cut == [b"x"]
    assert kept == patch[patch.index(HEADERS[1][0]) :]
    assert git_patch.cut_changed(b"", lambda _: True) == (b"", [])


def test_stamps_tell_what_may_have_been_changed(tmp_path: Path) -> None:
    top = os.fsencode(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a").touch()
    changed_s = (tmp_path / "folder/a").stat().st_ctime
    os.utime(tmp_path / "folder/a", (time.time() + 1e6, time.time() + 1e6))
    assert git_patch.is_changed_since(top, b"folder/a", changed_s)
    assert git_patch.is_changed_since(top, b"folder/gone/deep", changed_s)
    assert not git_patch.is_changed_since(top, b"folder/a", changed_s + 100)
    assert not git_patch.is_changed_since(top, b"folder/gone/deep", changed_s + 100)
    assert git_patch.is_changed_since(top + b"/none", b"a", changed_s + 100)


def test_collecting_imports_nothing_heavy_outside_python_and_git() -> None:
    code = (
        "import sys; before = set(sys.modules); from runwrap.capture import facts;"
        "request = facts.Request(['true'], '/', {'PATH': '/bin'}, '/', 0, None);"
        "facts.collect(lambda *_: None, request);"
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    ours = {name for name in done.stdout.split() if not name.startswith("runwrap")}
    assert ours <= {"__future__", "_signal", "select", "time"}
