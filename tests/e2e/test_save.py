"""Files that a script wants kept are in the run: as they were, as they became, and as they were at the end."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from terminal import wait_until

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)


def kept(bench: Bench) -> dict[str, bytes]:
    """Return the files of the one run, checked against what the run says of them."""
    view = bench.shown("latest")
    files = {}
    for file in view["files"]:
        path = Path(view["path"], "files", file["path"])
        content = path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert len(content) == file["size_bytes"]
        files[file["path"]] = content
    for ours in ("requirements.txt", "captured/s.py"):
        files.pop(ours, None)
    hidden = [
        name for _, _, names in os.walk(Path(view["path"], "files")) for name in names if name[0] == "."
    ]
    assert hidden == []
    return files


def run_script(bench: Bench, text: str, *words: str, **environ: str) -> dict[str, Any]:
    bench.desk.script("s.py", "import os, runwrap\n" + text)
    return bench.run(*words, sys.executable, "s.py", **environ)


def test_a_file_is_kept_as_it_was_when_save_was_called(bench: Bench) -> None:
    text = """
open("m.pt", "w").write("one")
print(runwrap.save("m.pt", policy="now"))
open("m.pt", "r+").write("two")
os.unlink("m.pt")
"""
    run_script(bench, text)
    assert kept(bench) == {"m.pt": b"one"}


def test_live_files_are_kept_as_they_are_at_the_end_and_new_ones_too(bench: Bench) -> None:
    text = """
open("m.pt", "w").write("one")
assert runwrap.save("*.pt") == ["m.pt"]
assert runwrap.save("end*.txt", policy="end") == []
open("m.pt", "w").write("second")
open("n.pt", "w").write("new")
open("end1.txt", "w").write("last")
"""
    view = run_script(bench, text)
    assert kept(bench) == {"m.pt": b"second", "n.pt": b"new", "end1.txt": b"last"}
    assert view["notices"] == []


def test_a_live_file_is_kept_again_while_the_script_runs(bench: Bench) -> None:
    text = """
import desk
open("m.pt", "w").write("one")
runwrap.save("m.pt")
open("m.pt", "w").write("second")
desk.tell("written")
desk.wait_for("end")
"""
    bench.desk.script("s.py", "import runwrap\n" + text)
    wrapper = bench.start(sys.executable, "s.py")
    bench.desk.told("written")
    journal = next(bench.data.glob("*/*/journal.jsonl"))
    wait_until(lambda: journal.read_bytes().count(b'"policy":"live"') == 2, "it is kept again")
    assert (journal.parent / "files/m.pt").read_bytes() == b"second"
    bench.desk.tell("end")
    assert wrapper.wait() == 0
    bench.settle()


def test_what_was_saved_survives_the_death_of_everything(bench: Bench) -> None:
    text = """
import signal
open("m.pt", "wb").write(b"x" * 5_000_000)
assert runwrap.save("m.pt")
os.kill(os.getppid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""
    bench.desk.script("s.py", "import os, runwrap\n" + text)
    bench.start(sys.executable, "s.py").wait()
    bench.settle()
    assert kept(bench) == {"m.pt": b"x" * 5_000_000}


def test_what_lies_in_the_runs_folder_belongs_to_the_run(bench: Bench) -> None:
    line = 'mkdir $RUNWRAP_FILES/sub; echo hi > "$RUNWRAP_FILES/sub/a b.txt"; ln -s /etc $RUNWRAP_FILES/etc'
    bench.run("sh", "-c", line)
    assert kept(bench) == {"sub/a b.txt": b"hi\n"}


def test_a_file_saved_in_the_runs_own_folder_stays_where_it_is(bench: Bench) -> None:
    text = """
path = os.path.join(runwrap.run.dir, "model.h5")
open(path, "w").write("one")
assert runwrap.save(path) == ["model.h5"]
open(path, "w").write("second")
"""
    run_script(bench, text)
    assert kept(bench) == {"model.h5": b"second"}


def test_files_come_back(bench: Bench) -> None:
    text = """
os.makedirs("out")
open("out/m.pt", "w").write("one")
runwrap.save("out/m.pt")
open("out/m.pt", "w").write("changed")
assert runwrap.restore("out/m.pt").read() == "changed"
assert runwrap.restore("out/m.pt", replace=True).read() == "one"
assert runwrap.restore("out/m.pt", root="back").name.endswith("/back/out/m.pt")
"""
    first = run_script(bench, text, RUNWRAP_PROJECT="w")
    text = f"""
for word in ({first["id"]!r}, "w/" + {first["id"]!r}, {first["name"]!r}, "somebody/w/" + {first["id"]!r}):
    assert runwrap.restore("out/m.pt", word, replace=True, root="other").read() == "one", word
"""
    run_script(bench, text)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("restore('nothing')", "FileNotFoundError", "this run has no file 'nothing'"),
        ("restore('x', 'nobody')", "FileNotFoundError", "no run is called 'nobody'"),
        ("restore('../x')", "ValueError", "leads out of"),
        ("restore('/etc/passwd')", "ValueError", "leads out of"),
        ("save(5)", "TypeError", "expected str, bytes or os.PathLike"),
        ("save('x', policy='sometimes')", "ValueError", "live, now, end"),
        ("save('x', base_path='/nowhere')", "ValueError", "does not lie in that folder"),
    ],
)
def test_what_cannot_be_done_is_a_clear_error(bench: Bench, call: str, error: str, said: str) -> None:
    text = f"""
try:
    runwrap.{call}
except Exception as error:
    print(type(error).__name__, error)
"""
    run_script(bench, text)
    (line,) = bench.recorded().log.decode().splitlines()
    assert line.startswith(error)
    assert said in line


def test_a_file_that_is_not_there_is_a_notice_and_no_end(bench: Bench) -> None:
    view = run_script(bench, "assert runwrap.save('missing.pt', policy='now') == []")
    assert [notice["part"] for notice in view["notices"]] == ["files"]
    assert "missing.pt" in view["notices"][0]["text"]


def test_a_shell_script_saves_files(bench: Bench) -> None:
    line = """
mkdir sub; echo 1 > sub/a.txt; echo 2 > b.txt; echo 3 > "$HOME/c.txt"
runwrap save sub b.txt "$HOME/c.txt"
runwrap save --policy end 'late*'
echo late > late.txt
runwrap save missing || echo refused
"""
    bench.call("runwrap", "sh", "-c", line, HOME=str(bench.folder.parent))
    bench.settle()
    files = {"sub/a.txt": b"1\n", "b.txt": b"2\n", "c.txt": b"3\n", "late.txt": b"late\n"}
    assert kept(bench) == files
    assert b"refused" in bench.recorded().log
    (bench.folder / "after.txt").write_text("4")
    bench.verb("save", "--run", "latest", "after.txt", "sub")
    assert kept(bench) == files | {"after.txt": b"4"}


def test_any_language_saves_and_asks(bench: Bench) -> None:
    text = """
import json, os, socket
peer = socket.socket(socket.AF_UNIX)
peer.connect(os.environ["RUNWRAP_SOCKET"])
def ask(**line):
    peer.sendall(json.dumps(line).encode() + b"\\n")
    answer = b""
    while not answer.endswith(b"\\n"):
        answer = (answer + peer.recv(1 << 16)).lstrip(b"\\n")
    print(answer.decode(), end="")
open("x", "w").write("x")
ask(kind="save", path=os.path.abspath("x"), id=1)
ask(kind="restore", name="x", id=2)
ask(kind="save", path="x", id=3)
ask(kind="save", path="/x", policy="never", id=4)
ask(kind="restore", name="/etc/passwd", id=5)
"""
    bench.desk.script("s.py", text)
    bench.run(sys.executable, "s.py")
    answers = [json.loads(line) for line in bench.recorded().log.splitlines()]
    assert [(answer["id"], answer["ok"]) for answer in answers] == [
        (1, True), (2, True), (3, False), (4, False), (5, False),
    ]  # fmt: skip
    assert answers[0]["files"][0]["path"] == "x"
    assert Path(answers[1]["file"]).read_text() == "x"


def test_ctrl_c_at_the_end_leaves_the_last_files_and_keeps_the_status(bench: Bench) -> None:
    """Sent while a large file is copied at the end: the copy is left, nothing half of it stays."""
    text = """
with open("large.bin", "wb") as file:
    file.truncate(40 << 30)
runwrap.save("large.bin", policy="end")
raise SystemExit(3)
"""
    bench.desk.script("s.py", "import runwrap\n" + text)
    wrapper = bench.start(sys.executable, "s.py")

    def is_copying() -> bool:
        return any(bench.data.glob("*/*/files/.partial-*"))

    wait_until(is_copying, "the copy has begun")
    wrapper.send_signal(2)
    assert wrapper.wait() == 3
    bench.settle()
    assert kept(bench) == {}
    assert any("no time" in notice["text"] for notice in bench.shown("latest")["notices"])
