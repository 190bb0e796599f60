"""Of a run that failed the line that names the error is shown, whatever else stands in its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwrap.store.catalog import Catalog, find_run
from runwrap.store.cause import LONGEST_CHARACTERS, TAIL_BYTES, last_words, named
from runwrap.store.journal import Journal
from runwrap.store.stretch import MOST_STRETCHES, remember

FRAMES = 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    f()\n    ^^^\n'
SAID = {
    "plain": (FRAMES + "ValueError: bad lr\n", "ValueError: bad lr"),
    "dotted": (FRAMES + "torch.OutOfMemoryError: CUDA out of memory\n", "torch.OutOfMemoryError: CUDA out of memory"),
    "no_message": (FRAMES + "KeyError\n", "KeyError"),
    "behind_a_bar": (" 50%|##   | 5/10" + FRAMES + "ValueError: x\n", "ValueError: x"),
    "terminal": ((FRAMES + "\x1b[1;35mValueError\x1b[0m: x\n").replace("\n", "\r\n"), "ValueError: x"),
    "rank": ("".join(f"[rank3]: {line}\n" for line in (FRAMES + "ValueError: x").split("\n")), "ValueError: x"),
    "launcher": (
        FRAMES + "ValueError: x\n" + FRAMES + "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n",
        "ValueError: x",
    ),
    "then_make": (FRAMES + "ValueError: x\nmake: *** [Makefile:2: all] Error 1\n", "ValueError: x"),
    "make": ("cc -c x.c\nmake[1]: *** [Makefile:2: all] Error 1\n", "make[1]: *** [Makefile:2: all] Error 1"),
    "cut_off": ("IndexError: early\n" + FRAMES, "IndexError: early"),
    "box": ("╭─── Traceback (most recent call last) ───╮\n│ x.py:1 │\n╰───╯\nValueError: x\n", "ValueError: x"),
    "rust": ("thread 'main' panicked at src/m.rs:2:5:\nout of bounds\nnote: x\n", "thread 'main' panicked at src/m.rs:2:5: out of bounds"),
    "rust_before_1.73": ("thread 'main' panicked at 'boom', src/m.rs:2:5\n", "thread 'main' panicked at 'boom', src/m.rs:2:5"),
    "cpp": ("terminate called after throwing an instance of 'E'\n  what():  bad\nAborted\n", "terminate called after throwing an instance of 'E' what(): bad"),
    "segfault": ("sh: line 1: 42 Segmentation fault (core dumped) ./x\n", "sh: line 1: 42 Segmentation fault (core dumped) ./x"),
    "r": ("Error in f(1) : \n  bad thing\nExecution halted\n", "Error in f(1) : bad thing"),
    "julia": ("ERROR: LoadError: boom\nStacktrace:\n [1] f\n", "ERROR: LoadError: boom"),
    "node": ("throw new Error('bad');\n^\n\nError: bad\n    at f (x.js:1:7)\n\nNode.js v20\n", "Error: bad"),
    "node_code": ("TypeError [ERR_X]: wrong\n    at f\n", "TypeError [ERR_X]: wrong"),
    "go": ("panic: runtime error: index\n\ngoroutine 1 [running]:\n", "panic: runtime error: index"),
    "java": ('Exception in thread "main" java.lang.X: m\n\tat x\n', 'Exception in thread "main" java.lang.X: m'),
    "options": ("usage: x\nx.py: error: argument --lr: invalid\n", "x.py: error: argument --lr: invalid"),
    "shell": ("sh: 1: foo: not found\n", "sh: 1: foo: not found"),
    "nothing": ("Warning: careful\nall done, 0 errors\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_the_line_that_names_the_error_is_found(name: str) -> None:
    output, wanted = SAID[name]
    assert named(output.encode()) == wanted


REAL = {
    "raise ValueError('bad lr')": "ValueError: bad lr",
    "try:\n  {}['k']\nexcept KeyError as e:\n  raise RuntimeError('later') from e": "RuntimeError: later",
    "raise KeyError": "KeyError",
    "def f(:": "SyntaxError",
    "raise ValueError('one\\ntwo')": "ValueError: one",
    "import nothing_of_that_name": "ModuleNotFoundError: No module named 'nothing_of_that_name'",
}
if sys.version_info >= (3, 11):
    GROUP = "ExceptionGroup('g', [ExceptionGroup('inner', [OSError('disk')]), TypeError('t')])"
    REAL[f"raise {GROUP}"] = "ExceptionGroup: g (2 sub-exceptions): OSError: disk"


@pytest.mark.parametrize("code", REAL)
def test_what_this_python_says_is_understood(code: str, tmp_path: Path) -> None:
    script = tmp_path / "x.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, check=False)
    assert named(b"before\n" + done.stderr).startswith(REAL[code])


PARTS = [
    "Traceback (most recent call last):",
    "  + Exception Group Traceback (most recent call last):",
    "\n",
    "\r",
]
PARTS += [
    "  File x",
    "  | ",
    "    | ",
    "  +-+---------------- 1 ----------------",
    "Error in f : ",
    "thread '",
    "' panicked at :",
]
PARTS += [
    "\x1b[31m",
    "\x1b]0;",
    "\x90",
    "\u202e",
    "ValueError: ",
    "terminate called after ",
    "[rank0]: ",
    "x" * 300,
]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(PARTS) | st.text(max_size=5), max_size=40).map("".join) | st.binary(max_size=400)
)
def test_any_bytes_give_a_line_that_is_short_and_harmless(output: str | bytes) -> None:
    found = named(output if isinstance(output, bytes) else output.encode("utf-8", "surrogatepass"))
    assert len(found) <= LONGEST_CHARACTERS
    assert not {unicodedata.category(c) for c in found} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("part", [*PARTS, "a" * 1000 + ":", "\x1b", "Segmentation", " ", "ValueErrorx"])
def test_no_output_takes_long_to_look_at(part: str) -> None:
    named((part * TAIL_BYTES).encode()[:TAIL_BYTES])
    named(((part + "\n") * TAIL_BYTES).encode()[:TAIL_BYTES])


@given(
    st.lists(
        st.tuples(st.sampled_from(["stdout", "stderr", "both", 5]), st.integers() | st.none(), st.integers()),
        max_size=20,
    )
)
def test_records_that_lie_about_the_output_do_no_harm(tmp_path_factory, found) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / "output.log").write_bytes(b"x\nValueError: y\n")
    stretches: list = []
    for stretch in found:
        remember(stretches, *stretch)
    assert last_words(str(folder), stretches) in ("", "ValueError: y")


def test_only_so_many_stretches_are_remembered() -> None:
    stretches: list = []
    for number in range(3 * MOST_STRETCHES):
        remember(stretches, ("stdout", "stderr")[number % 2], number, 1)
    assert len(stretches) == MOST_STRETCHES
    remember(stretches, stretches[-1][0], 3 * MOST_STRETCHES, 5)
    assert len(stretches) == MOST_STRETCHES


def make_run(root: Path, *outputs: tuple[str, str], status: int = 1, begin: bool = True) -> Path:
    """Write a run, or go on with it, that puts something out and ends."""
    folder = root / "p" / "run"
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(str(folder / "journal.jsonl"))
    if begin:
        journal.append("run", {"id": "run", "name": "n", "project": "p", "started": 1.0, "argv": ["x"]})
    with (folder / "output.log").open("ab") as log:
        for stream, text in outputs:
            data = text.encode()
            journal.append("output", {"stream": stream, "offset": log.tell(), "size_bytes": len(data)})
            log.write(data)
    journal.append("exit", {"status": status, "signal": None, "cause": f"exited {status}", "duration_s": 1.0})
    return folder


def detail_of(root: Path) -> str:
    """Return what the catalog and the run itself say, which is the same."""
    (view,) = Catalog(str(root)).runs()
    assert find_run(str(root), "run").cause_detail == view.cause_detail
    return view.cause_detail


def test_stderr_is_looked_at_first_where_it_is_apart(tmp_path: Path) -> None:
    make_run(tmp_path, ("stderr", "ValueError: the reason\n"), ("stdout", "TypeError: a log line\n"))
    assert detail_of(tmp_path) == "ValueError: the reason"


def test_stdout_is_looked_at_where_stderr_says_nothing(tmp_path: Path) -> None:
    make_run(tmp_path, ("stderr", "warning\n"), ("stdout", "ValueError: x\n"))
    assert detail_of(tmp_path) == "ValueError: x"


def test_a_run_that_did_not_fail_has_no_cause_of_failure(tmp_path: Path) -> None:
    make_run(tmp_path, ("both", "ValueError: caught\n"), status=0)
    assert detail_of(tmp_path) == ""


def test_a_resumed_run_is_not_blamed_for_what_came_before(tmp_path: Path) -> None:
    make_run(tmp_path, ("both", "ValueError: first time\n"))
    assert detail_of(tmp_path) == "ValueError: first time"
    make_run(tmp_path, ("both", "quiet\n"), status=3)
    assert detail_of(tmp_path) == ""


def test_an_output_that_is_no_file_or_gone_says_nothing(tmp_path: Path) -> None:
    folder = make_run(tmp_path, ("both", "ValueError: x\n"))
    (folder / "output.log").unlink()
    assert find_run(str(tmp_path), "run").cause_detail == ""
    os.mkfifo(folder / "output.log")
    assert find_run(str(tmp_path), "run").cause_detail == ""


def test_runs_and_show_say_why_a_script_failed(tmp_path: Path) -> None:
    environ = {**os.environ, "RUNWRAP_DIR": str(tmp_path), "COLUMNS": "200"}
    command = str(Path(sys.executable).with_name("runwrap"))

    def call(*words: str) -> str:
        return subprocess.run(
            [command, *words], env=environ, capture_output=True, text=True, check=False
        ).stdout

    call("--quiet", sys.executable, "-c", "raise ValueError('bad lr')")
    assert json.loads(call("show", "latest", "--json"))["cause_detail"] == "ValueError: bad lr"
    assert json.loads(call("runs", "--json"))["cause_detail"] == "ValueError: bad lr"
    assert "cause     ValueError: bad lr\n" in call("show", "latest")
    head, row = (line.split("\t") for line in call("runs").splitlines())
    assert row[head.index("cause")] == "ValueError: bad lr"
    assert row[head.index("state")] == "failed (exited 1)"
