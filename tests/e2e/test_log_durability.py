"""What log() has taken is in the run: whatever ends the script, whoever calls it, and whoever has stopped.

RUNWRAP_TEST_TURNS and RUNWRAP_TEST_ROWS make the two tests of the bars as large as the bars are.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from terminal import wait_until

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(240)

# The Python below the environment of the tests: runwrap is not installed there.
PYTHON = str(getattr(sys, "_base_executable", sys.executable))
TURNS = int(os.environ.get("RUNWRAP_TEST_TURNS", "20"))
ROWS = int(os.environ.get("RUNWRAP_TEST_ROWS", "1000"))
PROCESSES, THREADS = 8, 4
START = "import os, signal, sys, threading, runwrap\n"


def rows_of(bench: Bench, text: str, *, status: int = 0, **environ: str) -> list[dict[str, Any]]:
    """Run a script under runwrap, which must say nothing itself; return the rows of its run."""
    bench.desk.script("s.py", START + text)
    environ = bench.environ | environ  # which has runwrap on its PATH
    command = ["runwrap", PYTHON, "s.py"]
    done = subprocess.run(
        command, cwd=bench.folder, env=environ, capture_output=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")
    bench.settle()
    return bench.recorded().records("history")


def named(rows: list[dict[str, Any]], name: str = "n") -> list[Any]:
    return [row["values"][name] for row in rows if name in row["values"]]


@pytest.mark.parametrize("turn", range(TURNS))
def test_a_killed_script_has_every_row_that_was_logged(bench: Bench, turn: int) -> None:
    count = 1 + turn**2 * 11
    text = (
        f"for n in range({count}): runwrap.log({{'n': n, 'loss': 0.5}})\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    assert named(rows_of(bench, text, status=-signal.SIGKILL)) == list(range(count))


CROWD = f"""
import multiprocessing, random
def talk(rank, thread):
    chance = random.Random(thread)
    for n in range({ROWS}):
        runwrap.log({{"who": [rank * 10 + thread][0], "n": n, "text": "x" * chance.randrange(200), "f": 0.5}})
def work(rank):
    os.environ["RANK"] = str(rank)
    threads = [threading.Thread(target=talk, args=(rank, thread)) for thread in range({THREADS})]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    children = [context.Process(target=work, args=(rank,)) for rank in range({PROCESSES})]
    [child.start() for child in children]
    [child.join() for child in children]
    assert [child.exitcode for child in children] == [0] * {PROCESSES}
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_rows_of_processes_and_threads_are_whole_and_know_their_rank(bench: Bench, method: str) -> None:
    bench.desk.script("s.py", START + CROWD)
    with bench.start(PYTHON, "s.py", method) as process:
        assert process.wait(200) == 0
    bench.settle()
    rows = bench.recorded().records("history")
    assert len(rows) == PROCESSES * THREADS * ROWS
    for rank in range(PROCESSES):
        mine = [row for row in rows if row.get("rank", 0) == rank]
        assert [row["step"] for row in mine] == list(range(THREADS * ROWS))
        for thread in range(THREADS):
            said = [row["values"] for row in mine if row["values"]["who"] == rank * 10 + thread]
            assert [values["n"] for values in said] == list(range(ROWS))
            assert all(set(values["text"]) <= {"x"} and values["f"] == 0.5 for values in said)
    assert bench.recorded().records("notice") == []


def test_a_stopped_wrapper_is_waited_for_once_and_losses_are_told(bench: Bench) -> None:
    text = """
import desk, time
slow = n = 0
def say():
    global slow, n
    before = time.monotonic()
    runwrap.log({"n": n, "fill": "x" * 8000})
    slow += time.monotonic() - before > 1
    n += 1
say()
desk.tell("pid")
desk.wait_for("stopped")
while not slow:
    say()
for _ in range(1000):
    say()
desk.tell("lost", slow)
desk.wait_for("again")
for _ in range(10):
    say()
desk.tell("count", n)
"""
    bench.desk.script("s.py", START + text)
    with bench.start(PYTHON, "s.py") as process:
        bench.desk.told("pid")
        process.send_signal(signal.SIGSTOP)
        bench.desk.tell("stopped")
        slow = bench.desk.told("lost")
        process.send_signal(signal.SIGCONT)
        journal = next(bench.data.glob("*/*/journal.jsonl"))
        wait_until(lambda: journal.read_bytes().count(b"xxx") > 10, "what was sent is read")
        bench.desk.tell("again")
        assert process.wait(60) == 0
    numbers = named(bench.recorded().records("history"))
    (notice,) = bench.recorded().records("notice")
    lost = int(notice["text"].rpartition(" ")[2].rstrip("."))
    assert (slow, numbers) == ("1", sorted(set(numbers)))
    assert lost == int(bench.desk.told("count")) - len(numbers) > 1000


@pytest.mark.parametrize("pipe", ["SIG_DFL", "SIG_IGN"])
def test_a_reader_that_goes_leaves_the_script_alone(bench: Bench, pipe: str) -> None:
    text = f"""
import socket
signal.signal(signal.SIGPIPE, signal.{pipe})
os.environ["RUNWRAP_SOCKET"] = "stand-in"
listener = socket.socket(socket.AF_UNIX)
listener.bind("stand-in")
listener.listen()
runwrap.log({{"n": -1}})
peer, _ = listener.accept()
listener.close()
peer.close()
for n in range(1000):
    runwrap.log({{"n": n, "fill": "x" * (20000 if n < 3 else 1)}})
runwrap.config.lr = 0.1
runwrap.summary["best"] = runwrap.config.lr
assert not [name for name in os.listdir(os.environ["RUNWRAP_FILES"]) if name.startswith(".spill")]
"""
    assert rows_of(bench, text) == []


def test_what_is_left_in_the_background_is_unharmed_when_the_run_ends(bench: Bench) -> None:
    text = """
import desk
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
runwrap.log({"n": 0})
read, write = os.pipe()
if os.fork():
    os.close(write)
    os.read(read, 1)
    os._exit(0)
os.setsid()
for fd in (0, 1, 2):
    os.dup2(os.open(os.devnull, os.O_RDWR), fd)
runwrap.log({"n": 1})
os.close(write)
desk.wait_for("ended")
for n in range(100):
    runwrap.log({"n": 2})
desk.tell("done")
"""
    bench.desk.script("s.py", START + text)
    assert bench.call("runwrap", PYTHON, "s.py") == b""
    bench.desk.tell("ended")
    bench.desk.told("done")
    bench.settle()
    assert named(bench.recorded().records("history")) == [0, 1]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("os._exit(3)", 3),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
        ("os.abort()", -signal.SIGABRT),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("raise ZeroDivisionError", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("sys.exit('words')", 1),
        ("os.execv('/bin/sh', ['sh', '-c', 'exit 7'])", 7),
        ("threading.Thread(target=os._exit, args=(5,)).start(); signal.pause()", 5),
    ],
)
def test_rows_before_any_end_are_kept(bench: Bench, end: str, status: int) -> None:
    bench.desk.script("s.py", START + "for n in range(2000): runwrap.log({'n': n})\n" + end)
    with bench.start(PYTHON, "s.py", stderr=subprocess.DEVNULL) as process:
        assert process.wait(60) == status
    assert named(bench.recorded().records("history")) == list(range(2000))


# What a script does, and what `n` it then has in its run.
PLACES = {
    "in a signal handler": (
        """
signal.signal(signal.SIGALRM, lambda *_: runwrap.log({"handler": 1}))
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for n in range(20000): runwrap.log({"n": n, "nan": float("nan")})
signal.setitimer(signal.ITIMER_REAL, 0)
""",
        list(range(20000)),
    ),
    "in atexit": (
        """
import atexit
atexit.register(lambda: runwrap.log({"n": 0, "late": [1, "two"]}))
""",
        [0],
    ),
    "in a finalizer at shutdown": (
        """
class Late:
    def __init__(self): self.log = runwrap.log
    def __del__(self): self.log({"n": 1, "deep": {"x": 1}}); self.log({"n": 2.5})
late = Late()
""",
        [1, 2.5],
    ),
    "when even modules are gone": (
        """
class Late:
    def __init__(self): self.log = runwrap.log
    def __del__(self): self.log({"late": 1, "deep": {"x": 1}})
threading.keep = Late()
runwrap.log({"n": 1})
""",
        [1],
    ),
    "in a thread that goes on when main has ended": (
        """
def talk():
    threading.main_thread().join()
    for n in range(1000): runwrap.log({"n": n})
threading.Thread(target=talk).start()
""",
        list(range(1000)),
    ),
    "in asyncio tasks": (
        """
import asyncio
async def talk(start):
    for n in range(start, 1000, 10):  # each in its turn
        runwrap.log({"n": n}, step=n)
        await asyncio.sleep(0)
async def main(): await asyncio.gather(*map(talk, range(10)))
asyncio.run(main())
""",
        list(range(1000)),
    ),
    "after all descriptors were closed": (
        """
runwrap.log({"n": 0})
os.closerange(3, 4096)
mine = [os.open(os.devnull, os.O_RDWR) for _ in range(300)]
for n in range(1, 100): runwrap.log({"n": n})
for fd in mine: os.fstat(fd), os.close(fd)
""",
        list(range(100)),
    ),
    "before all descriptors are closed": (
        """
runwrap.config.lr = 0.1
os.closerange(3, 4096)
runwrap.log({"n": 0})
assert runwrap.run.name
""",
        [0],
    ),
    "as a daemon": (
        """
runwrap.log({"n": 0})
read, write = os.pipe()
if os.fork():
    os.close(write); os.read(read, 1); os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/"); os.umask(0)
os.closerange(0, write); os.closerange(write + 1, 4096)
for _ in range(3): os.open(os.devnull, os.O_RDWR)
for n in range(1, 100): runwrap.log({"n": n})
os.close(write)
""",
        list(range(100)),
    ),
    "where the folder is gone": (
        """
os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
runwrap.log({"n": 0, "long": "x" * 20000})
runwrap.init(config={"lr": 1})
runwrap.log({"n": 1})
""",
        [0, 1],
    ),
    "with few descriptors": (
        """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
runwrap.log({"n": 0, "long": "x" * 20000})
assert runwrap.run.name
""",
        [0],
    ),
    "with no descriptor left": (
        """
import resource
runwrap.log({"n": 0})
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
runwrap.log({"n": 1}); runwrap.config.lr = 1; runwrap.run.name
runwrap.log({"long": "x" * 20000})
""",
        [0, 1],
    ),
    "where no file may grow": (
        """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
runwrap.log({"n": 0})
runwrap.log({"long": "x" * 20000})
""",
        [0],
    ),
    "with a timeout for all sockets": (
        """
import socket
socket.setdefaulttimeout(0.00001)
for n in range(5000): runwrap.log({"n": n})
assert runwrap.run.name
""",
        list(range(5000)),
    ),
    "after a fork in a loop": (
        """
for n in range(50):
    pid = os.fork()
    if not pid:
        runwrap.log({"n": n})
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
""",
        list(range(50)),
    ),
    "in children of children": (
        """
for n in range(20):
    runwrap.log({"n": n})
    if os.fork():
        os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
""",
        list(range(20)),
    ),
    "where a thread forks while others log": (
        """
is_over = threading.Event()
def talk():
    while not is_over.is_set(): runwrap.log({"noise": 1.0})
threads = [threading.Thread(target=talk) for _ in range(3)]
[thread.start() for thread in threads]
for n in range(30):
    pid = os.fork()
    if not pid:
        runwrap.log({"n": n}); runwrap.log({"long": "x" * 20000})
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
is_over.set()
""",
        list(range(30)),
    ),
    "where the environment is emptied": (
        """
runwrap.log({"n": 0})
os.environ.clear()
runwrap.log({"n": 1})
""",
        [0, 1],
    ),
    "without any stream": (
        """
sys.stdin = sys.stdout = sys.stderr = None
os.closerange(0, 3)
runwrap.log({"n": 0})
runwrap.log({"n": 1, "deep": {"x": [1]}})
""",
        [0, 1],
    ),
    "in an interpreter within": (
        """
import subprocess
runwrap.log({"n": 0})
text = "import runwrap; runwrap.log({'n': 1})"
subprocess.run([sys.executable, "-c", text], check=True)
subprocess.run([sys.executable, "-S", "-c", text.replace("import", "import sys; sys.path.insert(0, sys.argv[1]); import", 1),
    os.path.dirname(os.path.dirname(runwrap.__file__))], check=True)
""",
        [0, 1, 1],
    ),
}

# What they say comes in the order in which it is read.
SEVERAL_PROCESSES = (
    "after a fork in a loop",
    "in children of children",
    "where a thread forks while others log",
)


@pytest.mark.parametrize("place", PLACES)
def test_a_row_arrives_from_wherever_it_is_logged(bench: Bench, place: str) -> None:
    text, numbers = PLACES[place]
    rows = rows_of(bench, text, PYTHONWARNINGS="ignore")
    found = named(rows)
    assert (sorted(found) if place in SEVERAL_PROCESSES else found) == numbers


def test_a_daemon_thread_at_the_end_harms_nothing(bench: Bench) -> None:
    text = """
def talk():
    n = 0
    while True:
        runwrap.log({"n": n, "deep": {"x": n}})
        n += 1
[threading.Thread(target=talk, daemon=True).start() for _ in range(1)]
for n in range(2000): runwrap.log({"m": n})
"""
    rows = rows_of(bench, text)
    assert named(rows) == list(range(len(named(rows))))
    assert named(rows, "m") == list(range(2000))


POOLS = {
    "fork": "pool = multiprocessing.get_context('fork').Pool(3)",
    "spawn": "pool = multiprocessing.get_context('spawn').Pool(3)",
    "forkserver": "pool = multiprocessing.get_context('forkserver').Pool(3)",
    "threads": "pool = multiprocessing.dummy.Pool(3)",
    "futures": "pool = futures.ProcessPoolExecutor(3)",
    "futures of threads": "pool = futures.ThreadPoolExecutor(3)",
}


@pytest.mark.parametrize("kind", POOLS)
def test_pools_lose_nothing(bench: Bench, kind: str) -> None:
    text = f"""
import multiprocessing.dummy
from concurrent import futures
def work(n):
    runwrap.log({{"n": n, "who": "a worker"}})
    return n
if __name__ == "__main__":
    runwrap.log({{"main": 1}})
    {POOLS[kind]}
    with pool:
        assert sum(pool.map(work, range(200))) == 19900
"""
    rows = rows_of(bench, text)
    assert sorted(named(rows)) == list(range(200))
    assert sorted(row["step"] for row in rows) == list(range(201))


@pytest.mark.parametrize("variable", ["RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"])
def test_each_rank_counts_its_own_steps(bench: Bench, variable: str) -> None:
    text = f"""
import subprocess
if len(sys.argv) == 1:
    ranks = [subprocess.Popen([sys.executable, __file__, str(rank)], env=dict(os.environ, {variable}=str(rank)))
        for rank in range(3)]
    assert [rank.wait() for rank in ranks] == [0, 0, 0]
else:
    for n in range(100): runwrap.log({{"n": n, "mine": sys.argv[1]}})
"""
    rows = rows_of(bench, text)
    for rank in range(3):
        mine = [row for row in rows if row.get("rank", 0) == rank]
        assert [row["step"] for row in mine] == named(mine) == list(range(100))
        assert set(named(mine, "mine")) == {str(rank)}
