"""The surroundings of a run and its end, from the `runwrap` that people call."""

from __future__ import annotations

import base64
import os
import platform
import pwd
import signal
import sys
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terminal import need, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(120)

MB = 1_000_000
V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")


@pytest.fixture
def env(bench) -> Path:
    """Make a virtual environment with two packages, and nothing in common with runwrap's own."""
    folder = bench.folder.parent / "env"
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    for name, version in (("Only_Here", "1.2.3"), ("other", "0.1")):
        info = site / f"{name.lower()}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    bench.desk.script("script.py", "print('hello')\n")
    bench.desk.script("tool", f"#!{folder}/bin/python\nprint('hello')\n").chmod(0o755)
    bench.desk.script("portable", "#!/usr/bin/env python\nprint('hello')\n").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    "line",
    [
        "$W $ENV/bin/python script.py",
        "$W $ENV/bin/python3 -u -X dev -c pass",
        "$W ./tool",
        "PATH=$ENV/bin:$PATH; $W python script.py",
        "PATH=$ENV/bin:$PATH; $W ./portable",
        "PATH=$ENV/bin:$PATH; $W env A=b python script.py",
        "$W env -u A PATH=$ENV/bin:$PATH python script.py",
        "$W bash -c '$ENV/bin/python script.py'",
        "$W bash -c 'cd / && . $ENV/bin/activate && python -c pass'",
        '$W bash -c "cd / && . $ENV/bin/activate && python -c pass"',
        "$W bash -c '. ~/../env/bin/activate; exec python script.py'",
        "$W bash -c 'BIN=${ENV}/bin; $BIN/python script.py'",
        "$W nice -n 1 timeout 60 $ENV/bin/python script.py",
    ],
)
def test_packages_are_those_of_the_interpreter_that_the_command_uses(bench, env: Path, line: str) -> None:
    bench.call("bash", "-c", line, ENV=str(env))
    bench.settle()
    shown = bench.shown("latest")
    packages = shown["facts"]["packages"]
    assert packages["interpreter"].startswith(f"{env}/bin/python")
    assert packages["python"] == platform.python_version()
    assert (packages["count"], packages["path"]) == (2, "requirements.txt")
    text = Path(shown["path"], "files", "requirements.txt").read_text()
    assert text == "Only_Here==1.2.3\nother==0.1\n"
    assert shown["notices"] == []


def test_command_without_python_has_no_packages(bench) -> None:
    shown = bench.run("sh", "-c", "echo hello")
    assert "packages" not in shown["facts"]
    assert shown["files"] == []


def test_run_tells_command_folder_user_and_machine(bench, tmp_path: Path) -> None:
    folder = tmp_path / "where it r\u00e4n"
    folder.mkdir()
    words = ["printf", "%s", "", "a b", "--lr=0.1", "\u00fc\n"]
    shown = bench.run(*words, cwd=folder)
    (run,) = bench.recorded().records("run")
    assert (run["argv"], run["cwd"]) == (words, str(folder))
    assert "argv_base64" not in run
    assert (run["host"], run["user"]) == (os.uname().nodename, pwd.getpwuid(os.getuid()).pw_name)
    host = shown["facts"]["host"]
    assert (host["kernel"], host["machine"]) == (os.uname().release, os.uname().machine)
    assert host["python"] == platform.python_version()
    assert host["os"] == platform.freedesktop_os_release()["PRETTY_NAME"]
    assert host["cpu_count"] == os.cpu_count()
    assert 1 <= host["cpu_count_physical"] <= host["cpu_count"]
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    assert host["memory_total_bytes"] == int(fields["MemTotal"].split()[0]) * 1024
    assert host["cpu_model"] in Path("/proc/cpuinfo").read_text()


def test_words_that_are_no_text_are_kept_exactly(bench) -> None:
    word = os.fsdecode(b"caf\xe9")
    bench.run("printf", "%s", word)
    (run,) = bench.recorded().records("run")
    assert run["argv"] == ["printf", "%s", "caf\ufffd"]
    assert [base64.b64decode(each) for each in run["argv_base64"]] == [b"printf", b"%s", b"caf\xe9"]
    assert bench.recorded().log == b"caf\xe9"


def test_scheduler_container_and_ci_are_told_and_no_other_variable(bench) -> None:
    named = {"SLURM_JOB_ID": "8812", "SLURM_ARRAY_TASK_ID": "3", "SLURM_JOB_NAME": "night", "WORLD_SIZE": "2"}
    secret = "s3cr3t-4711"
    others = {
        "AWS_SECRET_ACCESS_KEY": secret,
        "WANDB_API_KEY": secret,
        "SLURM_JWT": secret,
        "DATABASE_URL": f"postgres://u:{secret}@h/d",
        "KUBERNETES_SERVICE_HOST": secret,
        "GITHUB_ACTIONS": "true",
        "RUNWRAP_ENV_KEEP": "WANDB_*,DATABASE",
    }
    bench.environ.pop("PYTHONPATH", None)
    shown = bench.run("--env-keep", "MINE,YOUR_*", "true", **named, **others, MINE="1", YOUR_LUCK="2")
    kept = shown["facts"]["environment"]["variables"]
    assert (kept["MINE"], kept["YOUR_LUCK"]) == ("1", "2")
    shown = bench.run("true", **named, **others)
    told = shown["facts"]["environment"]
    variables = told.pop("variables")
    assert named.items() <= variables.items()
    assert "PYTHONPATH" not in variables  # there was none, before runwrap
    assert told == {"container": "kubernetes", "scheduler": named, "ci": "GitHub Actions"}
    bench.verb("runs")
    for path in [path for path in bench.data.rglob("*") if path.is_file()]:
        assert secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_exit_status_is_told(bench, status: int) -> None:
    shown = bench.run("sh", "-c", f"exit {status}", status=status)
    end = shown["exit"]
    assert (end["status"], end["signal"], end["cause"]) == (status, None, f"exited {status}")
    assert "lost" not in end
    assert shown["state"] == ("failed" if status else "finished")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT", "SIGSEGV", "SIGRTMIN+3"])
def test_signal_that_ended_the_script_is_told(bench, name: str) -> None:
    number = signal.SIGRTMIN + 3 if name == "SIGRTMIN+3" else signal.Signals[name]
    shown = bench.run("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$", status=-number)
    end = shown["exit"]
    assert (end["status"], end["signal"], end["cause"]) == (None, name, f"killed by {name}")
    assert shown["state"] == "killed"


def test_signal_from_outside_is_told_as_the_cause(bench) -> None:
    with bench.start("sh", "-c", "echo $$ >pid.part; mv pid.part pid; exec sleep 100") as process:
        os.kill(int(bench.desk.told("pid")), signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
    bench.settle()
    assert bench.shown("latest")["exit"]["cause"] == "killed by SIGKILL"
    assert "killed by SIGKILL" in bench.verb("runs")


BUSY = """
import os, sys, time
begun = time.monotonic()
while os.times().user < 0.3: sum(range(10_000))
while os.times().system < 0.2: os.stat("/"), os.listdir("/proc")
print(time.monotonic() - begun, os.times().user, os.times().system)
"""


@pytest.mark.parametrize("before", [[], ["bash", "-c", '"$@"; exit 0', "bash"]])
def test_duration_and_cpu_time_are_those_of_the_script_and_its_children(bench, before: list[str]) -> None:
    end = bench.run(*before, sys.executable, "-c", BUSY)["exit"]
    duration_s, user_s, system_s = map(float, bench.recorded().log.split())
    assert end["duration_s"] >= duration_s
    # What the script saw of itself was rounded to ticks of 10 ms, and it went on a little.
    assert user_s - 0.02 <= end["cpu_user_s"] <= user_s + 1
    assert system_s - 0.02 <= end["cpu_system_s"] <= system_s + 1


@pytest.mark.parametrize("before", [[], ["bash", "-c", '"$@"; exit 0', "bash"]])
def test_peak_memory_is_that_of_the_script(bench, before: list[str]) -> None:
    end = bench.run(*before, sys.executable, "-c", "x = b'x' * 200_000_000; del x")["exit"]
    assert 200 * MB < end["memory_peak_bytes"] < 300 * MB
    assert "MB at most" in bench.verb("show", "latest")


def test_memory_of_runwrap_itself_does_not_count(bench) -> None:
    assert bench.run("true")["exit"]["memory_peak_bytes"] < 30 * MB


@pytest.fixture
def small_group() -> Iterator[Path]:
    """Make a control group with little memory; skip where none can be made."""
    name = f"runwrap-test-{os.getpid()}"
    folder, limits = V1 / name, ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
    if not (V1 / "memory.limit_in_bytes").exists() and not (V1 / "tasks").exists():
        folder, limits = V2 / name, ("memory.max", "memory.swap.max")
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        try:
            (folder / limits[0]).write_text("100000000")
        except OSError as error:
            pytest.skip(f"no control group can be given a limit here: {error}")
        if (folder / limits[1]).exists():
            (folder / limits[1]).write_text("100000000" if "memsw" in limits[1] else "0")
        yield folder
        wait_until(lambda: not (folder / "cgroup.procs").read_text(), "the group is empty")
    finally:
        folder.rmdir()


def test_script_that_the_kernel_killed_for_want_of_memory_is_told_so(bench, small_group: Path) -> None:
    need("sh")
    hungry = "x = []\nwhile True: x.append(b'x' * 10_000_000)"
    enter = f'echo $$ >{small_group}/cgroup.procs && exec runwrap "$@"'
    bench.call("sh", "-c", enter, "sh", sys.executable, "-c", hungry, status=-signal.SIGKILL)
    bench.settle()
    shown = bench.shown("latest")
    assert shown["exit"]["cause"] == "killed by SIGKILL (out of memory)"
    assert (shown["state"], shown["exit"]["signal"]) == ("killed", "SIGKILL")
    assert "killed (killed by SIGKILL (out of memory))" in bench.verb("show", "latest")


def test_killed_script_is_not_told_to_have_lacked_memory_that_it_had(bench, small_group: Path) -> None:
    enter = f'echo $$ >{small_group}/cgroup.procs && exec runwrap "$@"'
    bench.call("sh", "-c", enter, "sh", "sh", "-c", "kill -9 $$", status=-signal.SIGKILL)
    bench.settle()
    assert bench.shown("latest")["exit"]["cause"] == "killed by SIGKILL"
