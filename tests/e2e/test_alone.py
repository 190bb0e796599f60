"""A script that calls init() and was not started by runwrap is a run all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from terminal import wait_until

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)

BEGIN = """
import os, signal, sys, threading, time
import runwrap
run = runwrap.init(project="p", name="alone", tags=["t"], notes="n", config={"lr": 0.1})
runwrap.log({"loss": 0.5})
"""


def script(bench: Bench, text: str, status: int = 0, *, begin: str = BEGIN, **environ: str) -> bytes:
    """Run a script with no runwrap around it; return what it writes to stdout, or to stderr if it fails."""
    bench.desk.script("s.py", begin + text)
    if status >= 0:
        return bench.call(sys.executable, "s.py", status=status, **environ)
    environ = bench.environ | environ
    done = subprocess.run([sys.executable, "s.py"], cwd=bench.folder, env=environ, check=False, timeout=60)
    assert done.returncode == status
    return b""


def left_running(bench: Bench, **options: Any) -> subprocess.Popen[bytes]:
    """Start the script with no runwrap around it."""
    return subprocess.Popen([sys.executable, "s.py"], cwd=bench.folder, env=bench.environ, **options)


def the_run(bench: Bench) -> dict[str, Any]:
    bench.settle()
    return bench.shown("latest")


def test_a_plain_script_is_recorded(bench: Bench) -> None:
    commit = bench.repository(**{"s.py": ""})
    printed = script(bench, "print(run.name, run.id, os.path.isdir(run.dir))\nrunwrap.save('s.py')")
    view = the_run(bench)
    assert printed.decode() == f"alone {view['id']} True\n"
    assert (view["state"], view["cause"], view["project"], view["name"]) == (
        "finished",
        "exited 0",
        "p",
        "alone",
    )
    assert (view["config"], view["summary"], view["tags"], view["notes"]) == (
        {"lr": 0.1}, {"loss": 0.5}, ["t"], "n",
    )  # fmt: skip
    assert view["argv"][-1] == "s.py"
    assert view["facts"]["git"]["commit"] == commit
    assert view["facts"]["packages"]["interpreter"].rpartition("/")[2].startswith("python")
    assert {"requirements.txt", "s.py"} <= {file["path"] for file in view["files"]}
    assert view["exit"]["cpu_user_s"] > 0
    assert view["exit"]["memory_peak_bytes"] > 1_000_000
    assert view["notices"] == []
    assert bench.verb("logs", "latest") == ""


@pytest.mark.parametrize(
    ("end", "status", "state", "cause"),
    [
        ("run.finish()\nassert 'RUNWRAP_SOCKET' not in os.environ", 0, "finished", "exited 0"),
        ("runwrap.finish(exit_code=3)", 0, "failed", "exited 3"),
        ("raise ValueError('no')", 1, "failed", "exited 1"),
        ("sys.exit(3)", 3, "failed", "exited 3"),
        ("sys.exit('no')", 1, "failed", "exited 1"),
        ("sys.exit()", 0, "finished", "exited 0"),
        ("os._exit(4)", 4, "killed", "killed, or left by os._exit"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "killed", "killed, or left by os._exit"),
        ("os.closerange(3, 4096)", 0, "finished", "exited 0"),
        ("if not os.fork(): sys.exit(5)\nos.wait()", 0, "finished", "exited 0"),
        ("with run: run.log({'loss': 0.5})", 0, "finished", "exited 0"),
        ("threading.Thread(target=lambda: runwrap.log({'loss': 0.5})).start()", 0, "finished", "exited 0"),
        ("threading.Thread(target=lambda: sys.exit(3)).start()", 0, "finished", "exited 0"),
        ("signal.signal(signal.SIGCHLD, signal.SIG_IGN)", 0, "finished", "exited 0"),
        ("os.execv('/bin/true', ['true'])", 0, "killed", "killed, or left by os._exit"),
    ],
)
def test_the_end_is_recorded_as_it_was(bench: Bench, end: str, status: int, state: str, cause: str) -> None:
    bench.desk.script("s.py", BEGIN + end)
    done = subprocess.run(
        [sys.executable, "s.py"], cwd=bench.folder, env=bench.environ, check=False, timeout=60
    )
    assert done.returncode == status
    view = the_run(bench)
    if "closerange" in end:  # nobody can say more then, but that it has ended
        assert view["state"] in ("finished", "killed")
    else:
        assert (view["state"], view["cause"]) == (state, cause)
    assert view["summary"] == {"loss": 0.5}


def test_an_error_looks_as_it_would_without_us(bench: Bench) -> None:
    bench.desk.script("s.py", BEGIN + "raise ValueError('no')")
    looks = [
        subprocess.run(
            [sys.executable, "s.py"],
            cwd=bench.folder,
            env=bench.environ | more,
            capture_output=True,
            check=False,
        )
        for more in ({}, {"RUNWRAP_MODE": "disabled"})
    ]
    assert looks[0].stderr == looks[1].stderr
    assert looks[0].returncode == 1


def test_a_killed_collector_leaves_the_script_alone(bench: Bench) -> None:
    text = """
runwrap.save("s.py")  # answered when all that was said before has been taken
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
pid = next(int(pid) for pid in os.listdir("/proc") if pid.isdigit()
           and b"collect\\0--" in open(f"/proc/{pid}/cmdline", "rb").read() and os.getpid() == parent_of(pid))
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
for number in range(1000):
    runwrap.log({"late": number})
print("unharmed")
"""
    parent = (
        "def parent_of(pid): return int(open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[1])\n"
    )
    assert script(bench, parent + text) == b"unharmed\n"
    view = the_run(bench)
    assert (view["state"], view["cause"]) == ("crashed", "runwrap was killed")
    assert view["summary"] == {"loss": 0.5}


def test_ctrl_c_reaches_the_script_and_not_the_record(bench: Bench) -> None:
    bench.desk.script("s.py", BEGIN + "import desk\ndesk.tell('here')\ntime.sleep(60)")
    process = left_running(bench, stderr=subprocess.DEVNULL, process_group=0)
    bench.desk.told("here")
    os.killpg(process.pid, signal.SIGINT)
    process.wait(timeout=60)
    view = the_run(bench)
    assert (view["state"], view["cause"]) == ("failed", "exited 130")


def test_two_runs_in_one_script(bench: Bench) -> None:
    text = """
run.finish()
second = runwrap.init(project="p", name="second", config={"lr": 5})
second.log({"loss": 0.1})
assert second.name == "second" and second.config.lr == 5
"""
    script(bench, text)
    bench.settle()
    runs = list(map(json.loads, bench.verb("runs", "--json").splitlines()))
    assert {(run["name"], run["state"], run["summary"]["loss"]) for run in runs} == {
        ("alone", "finished", 0.5), ("second", "finished", 0.1),
    }  # fmt: skip


def test_init_twice_is_one_run(bench: Bench) -> None:
    script(bench, "again = runwrap.init(group='g')\nassert again.id == run.id\nagain.log({'loss': 0.1})")
    view = the_run(bench)
    assert (view["group"], view["history"]["loss"]["count"]) == ("g", 2)
    assert len(bench.verb("runs", "--json").splitlines()) == 1


def test_a_run_goes_on(bench: Bench) -> None:
    begin = "import runwrap, sys\nrun = runwrap.init(project='p', id='one', resume=RESUME)\nrun.log({'loss': 1.0})\n"
    assert b"there is no run one" in script(bench, "", 0, begin=said(begin, "'must'"))
    for resume in ("'allow'", "True", "'must'"):
        script(bench, "", begin=begin.replace("RESUME", resume))
        bench.settle()
    assert bench.shown("one")["history"]["loss"]["count"] == 3
    for resume in ("None", "'never'", "False"):
        assert b"there is a run one already" in script(bench, "", 0, begin=said(begin, resume))
    assert bench.shown("one")["history"]["loss"]["count"] == 3


def said(begin: str, resume: str) -> str:
    """Have a script show its stderr on stdout."""
    return "import os; os.dup2(1, 2)\n" + begin.replace("RESUME", resume)


@pytest.mark.parametrize(
    ("arguments", "environ", "text"),
    [
        ("id='../x'", {}, "init(id='../x') wants 1 to 64"),
        ("dir='/proc/none'", {}, "cannot make the run's folder"),
        ("project='p'", {"RUNWRAP_OFF": "1"}, "runwrap is turned off"),
        ("project='p'", {"RUNWRAP_PTY": "perhaps"}, "RUNWRAP_PTY"),
        ("project='p'", {"RUNWRAP_COMMAND": "/nowhere/runwrap"}, "/nowhere/runwrap cannot be started"),
        ("project='p'", {"RUNWRAP_COMMAND": "/bin/true"}, "did not say where its socket is"),
    ],
)
def test_where_nothing_can_be_recorded_one_line_says_why_and_the_script_goes_on(
    bench: Bench, arguments: str, environ: dict[str, str], text: str
) -> None:
    begin = f"import os; os.dup2(1, 2)\nimport runwrap\nrun = runwrap.init({arguments})\n"
    lines = script(bench, "run.log({'a': 1})\nprint('on')", begin=begin, **environ).decode().splitlines()
    assert "on" in lines
    assert [line for line in lines if line.startswith("runwrap: nothing is recorded: ") and text in line]
    assert len(lines) == 2


def test_processes_that_the_script_starts_log_into_its_run(bench: Bench) -> None:
    text = """
import multiprocessing, subprocess
def work(number):
    runwrap.log({"child": number})
if __name__ == "__main__":
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            pool.map(work, range(2))
    subprocess.run([sys.executable, "-c", "import runwrap; runwrap.log({'child': 2})"], check=True)
"""
    script(bench, text)
    assert the_run(bench)["history"]["child"]["count"] == 5
    assert len(bench.verb("runs", "--json").splitlines()) == 1


def test_a_child_that_stays_does_not_hold_up_the_end(bench: Bench) -> None:
    text = """
import desk
if not os.fork():
    for fd in (1, 2):
        os.close(fd)
    runwrap.log({"child": 1})
    desk.tell("said")
    desk.wait_for("end")
    os._exit(0)
desk.wait_for("said")
"""
    script(bench, text)
    assert bench.shown("latest")["state"] == "finished"  # and the child is still there
    assert bench.shown("latest")["summary"] == {"loss": 0.5, "child": 1}
    bench.desk.tell("end")
    bench.settle()


def test_nothing_of_the_script_is_held(bench: Bench) -> None:
    bench.desk.script("s.py", BEGIN + "import desk\nfor fd in (1, 2): os.close(fd)\ndesk.wait_for('end')")
    process = left_running(bench, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.read() == b""  # its end is seen though the script and its collector live
    assert process.poll() is None
    bench.desk.tell("end")
    assert process.wait() == 0


def test_a_command_line_of_any_length_is_recorded(bench: Bench) -> None:
    bench.desk.script("s.py", BEGIN)
    words = [f"data/{number:020}.txt" for number in range(10_000)]
    bench.call(sys.executable, "s.py", *words)
    assert the_run(bench)["argv"] == [sys.executable, "s.py", *words]


def test_a_script_in_a_deleted_folder_is_recorded(bench: Bench) -> None:
    begin = "import os\nos.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
    script(bench, "", begin=begin + BEGIN)
    assert the_run(bench)["cwd"] == "/"


def test_the_interpreter_of_the_script_is_looked_at(bench: Bench) -> None:
    for words in (["-c", BEGIN], ["-X", "utf8", "-m", "s"]):
        bench.desk.script("s.py", BEGIN)
        bench.call(sys.executable, *words, PATH="/nowhere")
        assert the_run(bench)["facts"]["packages"]["interpreter"] == sys.executable


def test_what_is_going_on_is_seen(bench: Bench) -> None:
    bench.desk.script("s.py", BEGIN + "import desk\ndesk.tell('here')\ndesk.wait_for('end')")
    process = left_running(bench)
    bench.desk.told("here")
    wait_until(lambda: bench.shown("latest")["summary"] == {"loss": 0.5}, "the row is there")
    assert bench.shown("latest")["state"] == "running"
    bench.desk.tell("end")
    assert process.wait() == 0
