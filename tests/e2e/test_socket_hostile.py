"""Whatever a client does on the socket: the rows of a good one are kept, and nothing of ours breaks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.timeout(120)

STATUS = 7  # that of every script, so that it is not taken for one of ours
MOST_MEMORY_KB = 150_000
# A good client, which is there before the bad one and still there afterwards.
BEGIN = """
import json, os, pathlib, random, socket, sys
FILES = pathlib.Path(os.environ["RUNWRAP_FILES"])
def connect():
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(os.environ["RUNWRAP_SOCKET"])
    peer.settimeout(60)
    return peer
def line(**said): return json.dumps(said).encode() + b"\\n"
def ask(peer, **said):
    peer.sendall(line(**said, id=1))
    return json.loads(peer.makefile("rb").readline())
def pour(*lines):
    with connect() as peer:
        peer.sendall(b"".join(lines))
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)  # it has been read to its end
def good(number): assert ask(friend, kind="history", values={"good": number})["ok"]
friend = connect()
good(1)
"""
# The highest that the memory of a process of ours has been while it was above the script.
END = f"""
good(2)
def status(pid):
    return dict(row.split(":", 1) for row in pathlib.Path("/proc", str(pid), "status").read_text().splitlines())
pid, peaks = os.getppid(), []
while b"RUNWRAP_TEST_TERMINAL=" in pathlib.Path("/proc", str(pid), "environ").read_bytes():
    peaks.append(int(status(pid)["VmHWM"].split()[0]))
    pid = int(status(pid)["PPid"])
assert peaks and max(peaks) < {MOST_MEMORY_KB}, peaks
sys.exit({STATUS})
"""


def run(bench: Bench, text: str) -> dict[str, Any]:
    """Run a bad client beside a good one; check what is to hold always, and return the run."""
    bench.desk.script("script.py", BEGIN + text + END)
    view = bench.run(bench.environ["P"], "script.py", status=STATUS)
    assert (view["state"], view["exit"]["status"], view["bad_lines"]) == ("failed", STATUS, 0)
    recorded = bench.recorded()
    rows = recorded.records("history")
    assert [row["values"]["good"] for row in rows if "good" in row["values"]] == [1, 2]
    assert len(recorded.records("run")) == len(recorded.records("exit")) == 1
    assert recorded.log == b""
    return view


def told(view: dict[str, Any]) -> str:
    """Return what the run says of lines that were passed over."""
    return " ".join(notice["text"] for notice in view["notices"] if notice["part"] == "socket")


FLOODS = {
    "a crowd": (
        """
crowd = [connect() for _ in range(600)]
ask(friend, kind="hello")
for peer in crowd: peer.close()
""",
        "more than 500 connections",
    ),
    "no newline in a GiB": (
        """
with connect() as peer:
    for _ in range(1024): peer.sendall(bytes(1 << 20))
    peer.sendall(b"\\n" + line(kind="history", values={"after": 1}))
""",
        "a line of more than 1048576 bytes",
    ),
    "long lines begun by many": (
        """
crowd = [connect() for _ in range(400)]
for peer in crowd: peer.sendall(b"x" * 1_000_000)
ask(friend, kind="hello")
for peer in crowd: peer.close()
""",
        "begun at once",
    ),
    "garbage": ("pour(random.Random(0).randbytes(4 << 20))", "it is no JSON"),
    "nothing": ("pour(b'\\n' * 1_000_000)", "it is no JSON"),
    "questions and no ear for answers": (
        """
pour(line(kind="config", values={"long": "x" * 300_000}))
deaf = connect()
deaf.sendall(line(kind="hello", id=1) * 300)
deaf.sendall(line(kind="dance", id=2) * 100_000)
""",
        "nobody knows the kind 'dance'",
    ),
    "names that grow within each other": (
        """
values = {"k%d" % number: 1 for number in range(9000)}
for _ in range(9): values = {"n" * 1000: values}
pour(line(kind="history", values=values))
""",
        "names of more than",
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_borne_in_little_memory(bench: Bench, name: str) -> None:
    text, notice = FLOODS[name]
    assert notice in told(run(bench, text))


def test_who_comes_when_a_crowd_has_gone_is_heard(bench: Bench) -> None:
    view = run(
        bench,
        """
for peer in [connect() for _ in range(600)]: peer.close()
while True:
    with connect() as late:
        if ask(late, kind="history", values={"late": 1}).get("ok"): break
""",
    )
    assert view["summary"]["late"] == 1


def test_a_line_that_comes_byte_by_byte_holds_up_nobody(bench: Bench) -> None:
    view = run(
        bench,
        """
slow = connect()
for byte in line(kind="history", values={"slow": 1}):
    slow.sendall(bytes([byte]))
    assert ask(friend, kind="hello")["ok"]
slow.close()
""",
    )
    assert (view["summary"]["slow"], view["notices"]) == (1, [])


def test_a_long_answer_comes_whole_however_late_it_is_read(bench: Bench) -> None:
    run(
        bench,
        """
pour(*[line(kind="config", values={"key%d" % number: "x" * 900_000}) for number in range(3)])
late = connect()
late.sendall(line(kind="hello", id=1) + line(kind="hello", id=2))
ask(friend, kind="hello")
with late.makefile("rb") as answers:
    first = json.loads(answers.readline())
assert first["id"] == 1 and len(first["run"]["config"]) == 3
""",
    )


def records_of(bench: Bench, *lines: bytes) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Say lines that no program of ours would say; return the run, and the records that came of them."""
    bench.desk.script("lines", "").write_bytes(b"".join(line + b"\n" for line in lines))
    view = run(bench, "pour(open('lines', 'rb').read())")
    written = (bench.recorded().folder / "journal.jsonl").read_text().splitlines()
    records = [json.loads(record) for record in written]
    ours = ("run", "fact", "config", "system", "output", "notice", "exit", "file")
    return view, [
        (record["kind"], record["data"])
        for record in records
        if record["kind"] not in ours and "good" not in record["data"].get("values", {})
    ]


def row(values: bytes, more: bytes = b"") -> bytes:
    """Write a row."""
    return b'{"kind":"history","values":%s%s}' % (values, more and b"," + more)


PASSED_OVER = (
    *(b'{"kind":"%s","values":{"x":1},"status":0}' % kind for kind in (b"run", b"exit", b"output", b"fact", b"system")),
    *(row(b'{"x":1}', b'"step":' + step) for step in (b"9223372036854775808", b"1e300", b"1.5", b'"3"', b"true", b"[]", b"9" * 4000, b"1e400")),
    *(row(b'{"x":1}', b'"rank":' + rank) for rank in (b"-1", b"1" + b"0" * 30, b"0.5", b'"0"')),
    row(b'{"%s":1}' % (b"k" * 1_000_000)),
    row(b'{"%s":1.0}' % (b"k" * 1001)),
    row(b"{%s}" % b",".join(b'"k%d":1.0' % number for number in range(10_001))),
    row(b"{%s}" % b",".join(b'"k%d":1' % number for number in range(10_001))),
    row(b'{"x":%s}' % (b"9" * 5000)),
    row(b'{"x":1}')[:-1],
    row(b'{"x":\xff}'),
    row(b'{"x":"\xff"}'),
    row(b'{"\xc3\x28":1}'),
    row(b'{"x":"a\0b"}'),
    row(b'{"x":1}') * 2,
    b"[" * 100_000 + b"]" * 100_000,
    row(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    *(b'{"kind":"%s","path":"\\ud800"}' % kind for kind in (b"file", b"spill")),
    b'{"kind":"save","path":"/\\ud800","policy":"end"}',
    b'{"kind":"restore","name":"\\ud800"}',
    b'{"kind":"init","name":"changed","tags":"one"}',
)  # fmt: skip


def test_what_is_no_line_of_the_documentation_changes_nothing(bench: Bench) -> None:
    view, records = records_of(bench, *PASSED_OVER)
    assert records == []
    assert f"{len(PASSED_OVER)} lines" in told(view)
    assert view["name"] != "changed"


def test_odd_numbers_texts_and_times_are_kept_as_records_can_say_them(bench: Bench) -> None:
    deep = b'{"x":{"_type":"image","a":' + b"[" * 900 + b"]" * 900 + b"}}"
    view, records = records_of(
        bench,
        row(b'{"x":1e400,"y":-1e400}', b'"step":0'),
        row(b'{"x":%s}' % (b"9" * 4000), b'"step":1'),
        row(b'{"x":1,"x":2}', b'"step":-1,"step":2'),
        row(b'{"\\ud800":"\\udfff\\u0000"}', b'"step":null'),
        row(b'{"x":3}', b'"step":-1,"time":-2208988800'),
        row(b'{"x":4}', b'"time":253402300799,"id":{}'),
        row(deep, b'"step":4611686018427387904'),
        row(b'{"x":5}'),
    )
    steps, values = zip(*((data["step"], data["values"]) for _, data in records), strict=True)
    assert steps == (0, 1, 2, 3, -1, 0, 2**62, 2**62 + 1)
    assert values[0] == {"x": "Infinity", "y": "-Infinity"}
    assert values[1] == {"x": hex(int("9" * 4000))}
    assert values[2:6] == ({"x": 2}, {"\ufffd": "\ufffd\0"}, {"x": 3}, {"x": 4})
    assert json.dumps(values[6]).count("[") < 100
    assert view["notices"] == []
    assert view["duration_s"] < 3600  # of the year 9999 the run's clock takes nothing


def test_files_are_taken_from_the_folder_of_the_run_alone(bench: Bench) -> None:
    names = (
        "../secret",
        "a/../../secret",
        "link",
        "behind/secret",
        "pipe",
        "folder",
        "",
        ".",
        "a\0b",
        "x" * 5000,
    )
    bench.desk.script("secret", '{"kind":"note","text":"secret"}')
    bench.desk.script(".spill-secret", '{"kind":"note","text":"secret"}')
    view = run(
        bench,
        f"""
here = os.getcwd()
(FILES / "link").symlink_to(here + "/secret")
(FILES / ".spill-link").symlink_to(here + "/secret")
(FILES / "behind").symlink_to(here)
os.mkfifo(FILES / "pipe")
os.mkfifo(FILES / ".spill-pipe")
(FILES / "folder").mkdir()
(FILES / ".spill-folder").mkdir()
(FILES / "mine.txt").write_text("mine")
spilt = (".spill-link", ".spill-pipe", ".spill-folder", "behind/.spill-secret", "mine.txt")
pour(*(line(kind="file", path=name) for name in {(*names, "/etc/passwd")!r}))
pour(line(kind="file", path=here + "/secret"))
pour(*(line(kind="spill", path=name) for name in spilt + (here + "/.spill-secret",)))
pour(*(line(kind="spill", path=".spill-folder") for _ in range(2000)))  # no descriptor is lost
pour(line(kind="file", path="mine.txt"))
""",
    )
    assert bench.recorded().records("note") == []
    assert (bench.folder / "secret").exists()
    assert (bench.folder / ".spill-secret").exists()
    assert {"mine.txt"} <= {file["path"] for file in view["files"]}
    assert not {"link", "behind/secret", "pipe"} & {file["path"] for file in view["files"]}
    assert "lines" in told(view)
