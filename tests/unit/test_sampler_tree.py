"""What a sample says of the script's processes is what they have used, and nobody else's."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from runwrap.capture.sampler.kin import Kin
from runwrap.capture.sampler.tree import Tree

MARK = "RUNWRAP_RUN=" + uuid.uuid4().hex
BURN = "import time\ndef burn(s):\n    t = time.process_time()\n    while time.process_time() - t < s: pass\n"


class Script:
    """A process that does what it is told, a line at a time."""

    def __init__(self, text: str, *, mark: str = MARK) -> None:
        name, _, value = mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-uc", f"import os, sys\ndef said(*words): print(*words); input()\n{text}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {name: value},
            text=True,
        )
        self.pid = self.process.pid

    def said(self) -> list[int]:
        """Wait for a line of it."""
        return [int(word) for word in self.process.stdout.readline().split()]

    def go_on(self) -> None:
        """Let it do what comes next."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> None:
        """Let it end."""
        self.go_on()
        self.process.stdout.read()


@pytest.fixture
def start():
    """Start scripts, and end what is left of them."""
    scripts = []

    def started(text, **more):
        scripts.append(Script(text, **more))
        return scripts[-1]

    yield started
    for pid in {script.pid for script in scripts} | set(marked()):
        os.kill(pid, signal.SIGKILL)
    for script in scripts:
        script.process.communicate()


def marked():
    """List the processes that carry our mark."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if MARK.encode() in read(f"/proc/{pid}/environ").split(b"\0")]


def read(path):
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def tree_of(*roots, parents=(), strangers=()):
    return Tree(Kin(MARK, set(parents), set(strangers) | {os.getpid()}, frozenset(roots)), 0.0)


def test_the_processor_time_is_what_the_script_has_used(start):
    script = start(BURN + "said(0)\nburn(2)\nsaid(0)")
    tree = tree_of(script.pid)
    script.said()
    began_s = time.monotonic()
    tree.sample(began_s)
    script.go_on()
    middle_s, _ = time.monotonic(), tree.sample(time.monotonic())
    script.said()
    ended_s = time.monotonic()
    cpu_s = tree.sample(ended_s)["process_cpu_percent"] / 100 * (ended_s - middle_s)
    assert cpu_s == pytest.approx(2.0, rel=0.02, abs=0.03)  # a tick is 10 ms, and there are two ends


def test_the_time_of_children_that_have_ended_is_not_lost_nor_counted_twice(start):
    child = BURN + "burn(0.5)"
    script = start(
        f"import subprocess\nsaid(0)\nfor _ in range(4): subprocess.run([sys.executable, '-c', {child!r}])\nsaid(0)"
    )
    tree = tree_of(script.pid)
    script.said()
    used_s, before_s = 0.0, time.monotonic()
    tree.sample(before_s)
    script.go_on()
    poll = select.poll()
    poll.register(script.process.stdout)
    ready = False
    while not ready:
        ready = bool(poll.poll(100))  # samples come in the middle of a child, at its end, between two
        now_s = time.monotonic()
        used_s += tree.sample(now_s)["process_cpu_percent"] / 100 * (now_s - before_s)
        before_s = now_s
    fields = read(f"/proc/{script.pid}/stat").rpartition(b")")[2].split()
    wanted_s = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    assert used_s == pytest.approx(wanted_s, rel=0.02, abs=0.1)
    assert used_s > 1.9


def test_the_memory_is_what_the_script_holds(start):
    script = start("x = bytearray(500_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1\nsaid(0)")
    tree = tree_of(script.pid)
    script.said()
    values = tree.sample(time.monotonic())
    assert 500_000_000 <= values["process_memory_rss_bytes"] <= 1.05 * 500_000_000
    status = dict(line.split(":", 1) for line in read(f"/proc/{script.pid}/status").decode().splitlines())
    rss_bytes = int(status["VmRSS"].split()[0]) * 1024
    assert values["process_memory_rss_bytes"] == pytest.approx(rss_bytes, rel=0.02)
    assert 500_000_000 <= values["process_memory_pss_bytes"] <= values["process_memory_rss_bytes"]


def test_memory_that_processes_share_is_counted_once_in_pss(start):
    text = "x = bytearray(100_000_000)\nfor i in range(0, len(x), 4096): x[i] = 1\n"
    text += "r, w = os.pipe()\nfor _ in range(3):\n    if not os.fork(): os.close(w); os.read(r, 1); os._exit(0)\nsaid(0)"
    script = start(text)
    script.said()
    values = tree_of(script.pid).sample(time.monotonic())
    assert values["process_count"] == 4
    assert values["process_memory_rss_bytes"] > 400_000_000
    assert values["process_memory_pss_bytes"] < 160_000_000


def test_what_is_written_is_counted(start, tmp_path):
    file = f"f = open({str(tmp_path / 'big')!r}, 'wb')\n"
    io = "print(dict(l.split(': ') for l in open('/proc/self/io').read().splitlines())['write_bytes']); input()\n"
    text = (
        file
        + "said(0)\nfor _ in range(200): f.write(bytes(1_000_000))\nf.flush(); os.fsync(f.fileno())\n"
        + io
    )
    script = start(text)
    tree = tree_of(script.pid)
    script.said()
    began_s = time.monotonic()
    tree.sample(began_s)
    script.go_on()
    [wanted] = script.said()
    ended_s = time.monotonic()
    written = tree.sample(ended_s)["process_write_bytes_per_s"] * (ended_s - began_s)
    assert written == pytest.approx(wanted, rel=0.02, abs=100_000)
    if wanted:  # a file system in memory writes nothing
        assert written == pytest.approx(200_000_000, rel=0.02)


AWAY = """
import subprocess
wait = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
def spawn(**more):
    p = subprocess.Popen(wait, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more)
    p.stdout.readline()
    return p
child = spawn()
session = spawn(start_new_session=True)
bare = spawn(env={})
r, w = os.pipe()
if not os.fork():
    os.setsid()
    if not os.fork():
        os.write(w, b"%d" % os.getpid())
        os.close(w)
        os.dup2(os.open("/dev/null", 0), 0)
        import time
        time.sleep(1000)
    os._exit(0)
os.wait()
daemon = int(os.read(r, 20))
said(child.pid, session.pid, bare.pid, daemon)
"""


def test_processes_that_went_away_are_still_the_scripts(start):
    script = start(AWAY)
    tree = tree_of(script.pid)
    pids = script.said()
    values = tree.sample(time.monotonic())
    assert set(tree.ours) == {script.pid, *pids}
    assert values["process_count"] == 5
    assert values["process_thread_count"] == 5


def test_processes_of_others_are_not_counted(start):
    stranger = start("said(0)", mark="OTHER=1")
    helper = start("said(0)")  # with the mark, but started by one of ours
    stranger.said()
    helper.said()
    script = start("said(0)")
    script.said()
    tree = tree_of(script.pid)
    tree.sample(time.monotonic())
    assert set(tree.ours) == {script.pid}


def test_a_child_of_the_wrapper_is_the_script_whatever_its_environment_is(start):
    script = start("said(0)", mark="NOTHING=1")
    script.said()
    tree = tree_of(parents=[os.getpid()])
    tree.sample(time.monotonic())
    assert script.pid in tree.ours
    assert os.getpid() not in tree.ours


def test_processes_that_vanish_leave_no_wrong_number(start):
    text = "import subprocess\nsaid(0)\n" + "for _ in range(150): subprocess.run(['true'])\nsaid(0)"
    script = start(text)
    tree = tree_of(script.pid)
    script.said()
    tree.sample(time.monotonic())
    script.go_on()
    poll = select.poll()
    poll.register(script.process.stdout)
    seen = []
    while not poll.poll(0):
        seen.append(tree.sample(time.monotonic()))
    assert seen
    for values in seen:
        assert all(value >= 0 for value in values.values())
        assert values["process_count"] in (1, 2)


def test_a_script_that_is_hidden_or_gone_is_a_gap(start):
    script = start("said(0)")
    script.said()
    tree = tree_of(script.pid)
    tree.sample(time.monotonic())
    script.end()
    assert tree.sample(time.monotonic()) == {}
    assert tree_of(2**30).sample(time.monotonic()) == {}


def test_a_new_process_with_an_old_number_is_another_one(start):
    script = start("said(0)")
    script.said()
    tree = tree_of(script.pid)
    tree.sample(time.monotonic())
    tree.ours[script.pid].started -= 1  # as if that were when the former one began
    tree.kin.roots = frozenset()
    tree.others.add(script.pid)
    assert tree.sample(time.monotonic()) == {}
