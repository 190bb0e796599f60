"""What a script says arrives whole, whatever becomes of the script, of the reader, or of their connection."""

import glob
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_S = 60
RUN = {"id": "r1", "name": "calm-fox-1", "project": "p", "dir": "/d", "files": "/d/files", "config": {}}


class Listener:
    """A reader on a real socket, that keeps every line of every connection."""

    def __init__(self, folder, config=None, **more):
        self.path = str(folder / "s")
        self.files = folder / "files"
        self.files.mkdir()
        self.run = {**RUN, "files": str(self.files), "config": config or {}, **more}
        self.lines = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.are_all_in = threading.Event()
        self.threads = []
        self.peers = []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(64)
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    def accept(self):
        """Take connections, each in a thread."""
        while True:
            try:
                peer, name = self.socket.accept()
            except OSError:
                return
            if name:  # our own, after all others
                self.are_all_in.set()
                peer.close()
                continue
            thread = threading.Thread(target=self.read, args=(peer,), daemon=True)
            self.peers.append(peer)
            self.threads.append(thread)
            thread.start()

    def read(self, peer):
        """Read a connection to its end, and answer who asks."""
        rest = b""
        with peer:
            while self.may_read.wait(DEADLINE_S):
                try:
                    chunk = peer.recv(1 << 18)
                except OSError:
                    return
                if not chunk:
                    break
                *lines, rest = (rest + chunk).split(b"\n")
                for line in map(json.loads, lines):
                    self.lines.append(line)
                    if "id" in line:
                        peer.sendall(
                            json.dumps({"id": line["id"], "ok": True, "run": self.run}).encode() + b"\n"
                        )
        assert rest == b""

    def close(self):
        """Close everything, as a reader that was killed."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for peer in self.peers:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            peer.close()

    def wait_for(self, count, kind):
        """Wait until lines of a kind have come."""
        deadline_s = time.monotonic() + DEADLINE_S
        while [line["kind"] for line in list(self.lines)].count(kind) < count:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)

    def heard(self, *kinds):
        """Return what was said, when all who spoke have ended."""
        self.are_all_in.clear()
        with socket.socket(socket.AF_UNIX) as last:
            last.bind(f"{self.path}-{len(os.listdir(os.path.dirname(self.path)))}")
            last.connect(self.path)
            assert self.are_all_in.wait(DEADLINE_S)
        for thread in self.threads:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        return [line for line in self.lines if line["kind"] in (kinds or {*KINDS})]


KINDS = ("history", "config", "summary", "metric", "note", "tag", "alert", "file", "init", "notice", "spill")


@pytest.fixture
def listener(tmp_path):
    listener = Listener(tmp_path)
    yield listener
    listener.close()


def environ_of(listener=None, **more):
    """Return the environment of a script."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RUNWRAP", "WANDB"))}
    here = {"RUNWRAP_SOCKET": listener.path, "RUNWRAP_FILES": str(listener.files)} if listener else {}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", **here, **more}


def script(text, listener=None, *, python=sys.executable, status=0, printed="", **more):
    """Run a script that imports the client; nothing but its own words is printed."""
    text = "import runwrap.inject.api as runwrap\n" + text
    done = subprocess.run(
        [python, "-c", text],
        env=environ_of(listener, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert (done.returncode, done.stderr) == (status, printed), done.stderr
    return done.stdout


def rows(lines):
    return [(line.get("step"), line["values"], line.get("commit")) for line in lines]


def test_rows(listener):
    script(
        """
runwrap.log({"loss": 0.5, "n": 1})
runwrap.log({"a": {"b": 1.5}}, step=7)
runwrap.log({"x": float("nan"), "y": -float("inf")}, commit=False)
runwrap.log({}, step=8.0, commit=True)
""",
        listener,
    )
    assert rows(listener.heard("history")) == [
        (None, {"loss": 0.5, "n": 1}, None),
        (7, {"a/b": 1.5}, None),
        (None, {"x": "NaN", "y": "-Infinity"}, False),
        (8, {}, None),
    ]
    assert listener.lines[0]["kind"] == "hello"
    assert listener.heard("notice") == []


def test_a_run_knows_its_step(listener):
    text = """
run = runwrap.run
for values, more, step in (
    ({"a": 1}, {}, 1), ({"a": 1}, {"commit": False}, 1), ({"b": 1}, {}, 2), ({"a": 1}, {"step": 7}, 8), ({}, {}, 9),
):
    runwrap.log(values, **more)
    assert run.step == step, (run.step, step)
"""
    script(text, listener)


def test_the_other_kinds(listener):
    script(
        """
class Level: value = "WARN"
run = runwrap.init("digits", name="one", tags="a", notes="n", group="g", entity="me", dir=".", monitor=True)
assert run.entity == "" and run.log_code(".") is None and run.path == run.project + "/" + run.id
run.tags += ("b",)
run.notes = "more"
runwrap.alert("title", "text", Level)
runwrap.alert(title="bad", level=runwrap.AlertLevel.ERROR)
runwrap.define_metric("val/*", step_metric="epoch", summary="best", goal="minimize")
runwrap.run.name = "two"
print(run.name, run.id, run.project, run.dir == run._facts["files"])
run.finish()
""",
        listener,
    )
    said = [{key: value for key, value in line.items() if key != "id"} for line in listener.heard()]
    assert {**said[0]} == {
        "kind": "init",
        "project": "digits",
        "name": "one",
        "tags": ["a"],
        "notes": "n",
        "group": "g",
    }
    assert said[1]["kind"] == "notice"
    assert "passed over: monitor, dir." in said[1]["text"]
    assert said[2:6] == [
        {"kind": "tag", "add": ["b"], "remove": []},
        {"kind": "note", "text": "more"},
        {"kind": "alert", "title": "title", "text": "text", "level": "warning"},
        {"kind": "alert", "title": "bad", "text": "", "level": "error"},
    ]
    metric = {
        "kind": "metric",
        "name": "val/*",
        "step_metric": "epoch",
        "summary": "best",
        "goal": "minimize",
    }
    assert metric in said
    assert {"kind": "init", "name": "two"} in said


def test_the_common_script(listener):
    text = """
wandb = runwrap
import argparse
args = argparse.Namespace(lr=0.1, layers=[1, 2])
wandb.login()
run = wandb.init(project="p", config=args, settings=wandb.Settings(start_method="fork"))
assert wandb.config.lr == 0.1 and wandb.config["layers"] == [1, 2]
wandb.define_metric("acc", summary="max")
with run:
    for step in range(3):
        wandb.log({"acc": [0.5, 0.9, 0.7][step], "cm": wandb.Histogram([1, 2, 3])}, step=step)
wandb.run.summary["best"] = 0.9
wandb.alert(title="t", text="x", level=wandb.AlertLevel.WARN)
assert wandb.summary["acc"] == 0.9 and wandb.run.name == "calm-fox-1"
wandb.finish()
try:
    wandb.Artifact("model", type="model")
except NotImplementedError as error:
    print(error)
"""
    assert "runwrap.save(path)" in script(text, listener)
    assert [line["values"]["acc"] for line in listener.heard("history")] == [0.5, 0.9, 0.7]
    assert listener.heard("history")[0]["values"]["cm"]["_type"] == "histogram"
    assert [line["values"] for line in listener.heard("config")] == [{"lr": 0.1, "layers": [1, 2]}]
    assert [line["values"] for line in listener.heard("summary")] == [{"best": 0.9}]


def test_outside_one_line_is_said_and_nothing_happens():
    printed = "runwrap: nothing is recorded: start the script with `runwrap`, or call runwrap.init() first\n"
    script(
        "for _ in range(3): runwrap.log({'a': 1})\nrunwrap.config.lr = 1\nprint(runwrap.config.lr)",
        printed=printed,
    )


@pytest.mark.parametrize("variable", ["RUNWRAP_MODE", "WANDB_MODE", ""])
def test_disabled(listener, variable):
    given = 'mode="disabled"' if not variable else ""
    text = f"""
import os
run = runwrap.init({given}, config=dict(lr=1))
runwrap.log(dict(a=1)); runwrap.config.x = 2; run.summary["s"] = 1; run.name = "n"; runwrap.watch(1)
print(run.config.lr, os.path.isdir(run.dir), run.name)
"""
    text = text.replace("(, ", "(")
    assert script(text, listener, **({variable: "disabled"} if variable else {})) == "1 True \n"
    assert listener.lines == []


@pytest.mark.parametrize("python", sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python"))))
def test_every_python_of_this_machine(listener, python):
    text = """
import collections, enum, pathlib
Pair = collections.namedtuple("Pair", "a b")
with runwrap.init(name="n", config={"path": pathlib.Path("/x"), "pair": Pair(1, 2)}) as run:
    runwrap.log({"loss": 0.5, "deep": {"a": Pair(1, 2)}, "bad": float("inf"), "huge": 1 << 5000})
    runwrap.log({"list": [1, 2], "image": "long" * 10000}, step=3)
    run.summary["x"] = 1
    run.define_metric("a*", summary="min")
print(runwrap.Image.__name__, run.name)
"""
    assert script(text, listener, python=python) == "Image calm-fox-1\n"
    (row,) = listener.heard("history")
    assert row["values"] == {
        "loss": 0.5,
        "deep/a/a": 1,
        "deep/a/b": 2,
        "bad": "Infinity",
        "huge": hex(1 << 5000),
    }
    assert listener.heard("config")[0]["values"] == {"path": "/x", "pair": {"a": 1, "b": 2}}
    assert len(listener.heard("spill")) == 1
    assert listener.heard("notice") == []


def test_processes_and_threads_garble_nothing(listener):
    text = """
import os, threading
def work(who):
    for n in range(1000):
        runwrap.log({"who": who, "n": float(n), "text": "x" * (n % 300)})
runwrap.log({"who": -1})
children = []
for process in range(8):
    pid = os.fork()
    if not pid:
        threads = [threading.Thread(target=work, args=(process * 4 + n,)) for n in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        os._exit(0)
    children.append(pid)
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
"""
    script(text, listener, PYTHONWARNINGS="ignore")
    said = [line["values"] for line in listener.heard("history")]
    for who in range(32):
        assert [values["n"] for values in said if values["who"] == who] == list(range(1000))
    assert len({line["pid"] for line in listener.lines if line["kind"] == "hello"}) == 9
    assert listener.heard("notice") == []


def test_rows_before_a_kill_arrive(listener):
    text = "import os\nfor n in range(500): runwrap.log({'n': n})\nos.kill(os.getpid(), 9)"
    script(text, listener, status=-signal.SIGKILL)
    assert [line["values"]["n"] for line in listener.heard("history")] == list(range(500))


@pytest.mark.parametrize("before", ["import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)", ""])
def test_a_reader_that_goes_harms_nobody(listener, before):
    text = f"""
{before}
runwrap.init()
runwrap.log({{"a": 1}})
print("ready", flush=True)
input()
for n in range(1000):
    runwrap.log({{"a": n, "long": "x" * (20000 if n < 5 else 1)}})
runwrap.run.name, runwrap.config.get("x"), runwrap.alert("t"), runwrap.finish()
print("done")
"""
    text = "import runwrap.inject.api as runwrap" + text
    command = [sys.executable, "-c", text]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env=environ_of(listener), text=True, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        listener.wait_for(1, "history")
        listener.close()
        listener.__dict__["close"] = lambda: None
        assert process.communicate("\n", timeout=DEADLINE_S) == ("done\n", "")
    assert process.returncode == 0
    assert list(listener.files.iterdir()) == []


def test_a_reader_that_stops_costs_little_and_losses_are_told(listener):
    listener.may_read.clear()
    text = """
import os, time
runwrap.run._wake()
from runwrap.inject import channel
n, waits = 0, []
while not waits:
    before = time.monotonic()
    runwrap.log({"n": n, "fill": "x" * 8000})
    if time.monotonic() - before > 1.5:
        waits.append(n)
    n += 1
for _ in range(100):
    runwrap.log({"n": n})
    n += 1
print(n, flush=True)
input()
for _ in range(20):
    runwrap.log({"n": n})
    n += 1
    time.sleep(0.05)
"""
    command = [sys.executable, "-c", "import runwrap.inject.api as runwrap" + text]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env=environ_of(listener), text=True, **pipes) as process:
        count = int(process.stdout.readline()) + 20
        listener.may_read.set()
        assert process.communicate("\n", timeout=DEADLINE_S) == ("", "")
    notices = listener.heard("notice")
    numbers = [line["values"]["n"] for line in listener.heard("history")]
    assert numbers == sorted(set(numbers))
    lost = sum(int(notice["text"].rpartition(" ")[2].rstrip(".")) for notice in notices)
    assert (len(notices), lost) == (1, count - len(numbers))
    assert lost >= 101


def test_losses_are_told_at_the_end(listener):
    listener.may_read.clear()
    text = """
import sys
while True:
    runwrap.log({"fill": "x" * 8000})
    from runwrap.inject import channel
    if list(channel.connections.values())[0].dropped: break
print("full", flush=True)
input()
"""
    command = [sys.executable, "-c", "import runwrap.inject.api as runwrap" + text]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, env=environ_of(listener), text=True, **pipes) as process:
        assert process.stdout.readline() == "full\n"
        listener.may_read.set()
        listener.wait_for(100, "history")
        assert process.communicate("\n", timeout=DEADLINE_S) == ("", "")
    assert [notice["text"].rpartition(" ")[2] for notice in listener.heard("notice")] == ["1."]


def test_a_long_line_goes_through_a_file(listener):
    script(
        "runwrap.log({'t': 'x' * 20000}); runwrap.log({'t': 'y'}); runwrap.log({'t': 'z' * 3000000})",
        listener,
    )
    (spill,) = listener.heard("spill")
    assert spill["path"].startswith(".spill-")
    line = (listener.files / spill["path"]).read_bytes()
    assert line.endswith(b"}\n")
    assert json.loads(line) == {"kind": "history", "values": {"t": "x" * 20000}}
    assert "A line of 3000037 bytes" in listener.heard("notice")[0]["text"]
    assert [path.name for path in listener.files.iterdir()] == [spill["path"]]


def test_descriptors_that_the_script_closes(listener):
    text = """
import os
runwrap.log({"n": 0})
first = os.open("/dev/null", os.O_RDONLY)
os.closerange(3, 1000)
mine = [os.open(os.devnull, os.O_RDWR) for _ in range(300)]
runwrap.log({"n": 1})
[os.fstat(fd) for fd in mine]
if not os.fork():
    os.closerange(3, 1000)
    mine = [os.open(os.devnull, os.O_RDWR) for _ in range(300)]
    runwrap.log({"n": 2})
    [os.fstat(fd) for fd in mine]
    os._exit(0)
assert os.wait()[1] == 0
print(first)
"""
    assert int(script(text, listener)) == 3
    assert [line["values"]["n"] for line in listener.heard("history")] == [0, 1, 2]


def test_sockets_with_a_timeout_and_threads_with_a_handler(listener):
    text = """
import signal, socket
socket.setdefaulttimeout(0.0001)
signal.signal(signal.SIGALRM, lambda *_: runwrap.log({"handler": 1}))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for n in range(20000): runwrap.log({"n": n})
signal.setitimer(signal.ITIMER_REAL, 0)
"""
    script(text, listener)
    said = [line["values"].get("n") for line in listener.heard("history")]
    assert [n for n in said if n is not None] == list(range(20000))


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, None),
        ({"RANK": "0"}, None),
        ({"RANK": "3", "LOCAL_RANK": "1"}, 3),
        ({"SLURM_PROCID": "x", "LOCAL_RANK": "2"}, 2),
    ],
)
def test_rank(listener, variables, rank):
    clean = dict.fromkeys(("RANK", "SLURM_PROCID", "LOCAL_RANK"), "")
    script("runwrap.log({'a': 1})", listener, **{**clean, **variables})
    assert [line.get("rank") for line in listener.heard("history")] == [rank]
    assert [line.get("rank") for line in listener.lines if line["kind"] == "hello"] == [rank]


def test_little_is_imported(listener):
    text = """
import sys
before = set(sys.modules)
import runwrap.inject.api as runwrap
runwrap.log({"a": 1.0})
print(sorted({"json", "re", "socket", "typing", "logging", "dataclasses", "enum", "subprocess"} & (set(sys.modules) - before)))
"""
    command = [sys.executable, "-S", "-c", text]
    done = subprocess.run(command, env=environ_of(listener), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
