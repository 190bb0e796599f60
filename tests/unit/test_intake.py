"""Whatever is said on the socket: what can be understood is kept, and nothing else does harm."""

import itertools
import json
import math
import os
import socket
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwrap.capture.intake.line import BadLineError
from runwrap.capture.intake.reader import CHUNK_BYTES, LONGEST_LINE_BYTES, Connection, Intake
from runwrap.capture.intake.speech import Speech
from runwrap.record import decode
from runwrap.store.journal import Journal

DEADLINE_S = 20


class Heard:
    """An intake on a real socket, with a real journal behind it."""

    def __init__(self, folder, given=(), config=None):
        self.folder = folder
        self.path = str(folder / "s")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.journal = Journal(str(folder / "journal.jsonl"))
        self.notes = []
        run = {"id": "1", "name": "calm-fox-1", "project": "p", "config": dict(config or {})}
        self.speech = Speech(run, frozenset(given), str(folder), self.notes.append)
        self.stop_read, self.stop_write = os.pipe()
        self.errands = []
        intake = Intake(self.listener.fileno(), self.stop_read, self.speech, self.keep, self.take_errand)
        self.thread = threading.Thread(target=intake.run)
        self.thread.start()

    def take_errand(self, said, answer):
        """Do an errand, which takes long."""
        self.errands.append(said)
        answer(None)
        answer({"ok": True, "done": said["kind"]})

    def keep(self, items):
        """Keep records."""
        self.journal.append_many(items)
        return True

    def connect(self):
        """Connect as a script does."""
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(DEADLINE_S)
        peer.connect(self.path)
        return peer

    def say(self, *lines):
        """Say lines, on a connection of their own."""
        with self.connect() as peer:
            peer.sendall(
                b"".join(
                    text if isinstance(text, bytes) else json.dumps(text).encode() + b"\n" for text in lines
                )
            )

    def ask(self, line):
        """Say a line and wait for its answer."""
        with self.connect() as peer, peer.makefile() as answers:
            peer.sendall(json.dumps(line).encode() + b"\n")
            return json.loads(answers.readline())

    def stop(self):
        """Have everything read to the end."""
        os.write(self.stop_write, b".")
        self.thread.join(DEADLINE_S)
        assert not self.thread.is_alive()
        self.listener.close()
        self.journal.close()
        os.close(self.stop_read)
        os.close(self.stop_write)

    def records(self, *kinds):
        """Stop, and return the data of the records of some kinds, or of all."""
        self.stop()
        lines = (self.folder / "journal.jsonl").read_bytes().splitlines()
        found = [decode(line) for line in lines]
        return [record.data for record in found if not kinds or record.kind in kinds]


@pytest.fixture
def heard(tmp_path):
    heard = Heard(tmp_path)
    yield heard
    if heard.thread.is_alive():
        heard.stop()


def history(values, **more):
    return {"kind": "history", "values": values, **more}


def test_a_row_is_a_record_with_the_next_step(heard):
    heard.say(history({"loss": 0.5}), history({"loss": 0.25, "lr": 1}), history({"acc": "NaN"}))
    assert heard.records() == [
        {"step": 0, "values": {"loss": 0.5}, "source": "api"},
        {"step": 1, "values": {"loss": 0.25, "lr": 1}, "source": "api"},
        {"step": 2, "values": {"acc": "NaN"}, "source": "api"},
    ]


def test_steps_are_kept_as_they_come_and_counted_on(heard):
    steps = [{"step": 10}, {}, {"step": 3}, {"step": -1}, {}, {"commit": False}, {}, {"rank": 2}, {}]
    heard.say(*(history({"x": 1.0}, **step) for step in steps))
    assert [(data["step"], data.get("rank", 0)) for data in heard.records()] == [
        (10, 0), (11, 0), (3, 0), (-1, 0), (0, 0), (1, 0), (1, 0), (0, 2), (2, 0),
    ]  # fmt: skip


def test_names_within_names_become_paths(heard):
    heard.say(history({"val": {"loss": 1.0, "by": {"cls": 2}}, "img": {"_type": "image", "path": "a.png"}}))
    assert heard.records()[0]["values"] == {
        "val/loss": 1.0, "val/by/cls": 2, "img": {"_type": "image", "path": "a.png"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello\n", "it is no JSON"),
        (b"[1]\n", "it is no JSON object"),
        (b"\xff\n", "it is no JSON"),
        (b'{"kind":"history","values":{"x":NaN}}\n', "it is no JSON"),
        (b'{"kind":"dance"}\n', "nobody knows the kind 'dance'"),
        (b'{"kind":["history"]}\n', "nobody knows the kind"),
        (b"{}\n", "nobody knows the kind None"),
        (history([1]), "history without an object"),
        (history({"x": [1, 2]}), "'x' is a list"),
        (history({"x": 1.0}, step="two"), "step is no whole number"),
        (history({"x" * 1001: 1}), "a name of more than 1000 characters"),
        ({"kind": "metric"}, "metric without a name"),
        ({"kind": "metric", "name": "x", "summary": "most"}, "nobody knows the summary"),
        ({"kind": "alert", "level": "panic"}, "nobody knows the level"),
        ({"kind": "tag", "add": "a"}, "add is no list of texts"),
        ({"kind": "note", "text": 5}, "text is no text"),
        ({"kind": "file", "path": "../secret"}, "is no path inside the run"),
        ({"kind": "file", "path": "missing"}, "No such file"),
        ({"kind": "save", "path": "passwd"}, "path is no whole path"),
        ({"kind": "save"}, "path is no whole path"),
        ({"kind": "save", "path": "/x", "base": "y"}, "base is no whole path"),
        ({"kind": "save", "path": "/x", "policy": "never"}, "nobody knows the policy"),
        ({"kind": "restore", "name": "../x"}, "is no path inside the run"),
        ({"kind": "exit", "status": 0}, "nobody knows the kind 'exit'"),
        ({"kind": "spill", "path": "s"}, "spill wants a file that was spilt"),
        (b"[" * 100_000 + b"\n", "it is no JSON"),
        (b"x" * (LONGEST_LINE_BYTES + CHUNK_BYTES) + b"\n", "a line of more than"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_line_is_noted_and_the_next_one_is_taken(heard, line, reason):
    heard.say(line, line, history({"after": 1}))
    assert [data["values"] for data in heard.records()] == [{"after": 1}]
    assert len(heard.notes) == 2
    assert reason in heard.notes[0]
    assert heard.notes[1] == "2 lines from the script were passed over in all."


def test_who_asks_is_answered_when_it_is_kept(heard):
    assert heard.ask(history({"x": 1}, id=7)) == {"id": 7, "ok": True}
    assert heard.ask({"kind": "dance", "id": "a"}) == {
        "id": "a", "ok": False, "error": "nobody knows the kind 'dance'",
    }  # fmt: skip
    answer = heard.ask({"kind": "hello", "id": 1})
    assert answer["run"]["name"] == "calm-fox-1"
    assert len(heard.records("history")) == 1


def test_flags_win_and_the_difference_is_noted(tmp_path):
    heard = Heard(tmp_path, given=("name",), config={"lr": 0.1})
    answer = heard.ask({"kind": "init", "id": 1, "name": "other", "group": "g", "tags": ["a"], "notes": "n"})
    heard.say({"kind": "config", "values": {"lr": 0.2, "epochs": 3}})
    assert answer["run"]["name"] == "calm-fox-1"
    assert answer["run"]["group"] == "g"
    assert heard.records("init", "config", "tag", "note") == [
        {"group": "g"}, {"text": "n"}, {"add": ["a"], "remove": []},
        {"values": {"epochs": 3}, "source": "api"},
    ]  # fmt: skip
    assert heard.notes == [
        "init(name='other') was passed over: --name was given.",
        "The script's config was passed over where --config was given: lr.",
    ]


def test_what_takes_longer_is_answered_when_it_is_done(heard):
    with heard.connect() as peer:
        for said in (
            {"kind": "save", "path": "/x", "id": 7},
            {"kind": "restore", "name": "x"},
            history({"a": 1}, id=8),
        ):
            peer.sendall(json.dumps(said).encode() + b"\n")
        with peer.makefile("rb") as lines:
            assert sorted(next(lines) for _ in range(3)) == [
                b"\n", b'{"id":7,"ok":true,"done":"save"}\n', b'{"id":8,"ok":true}\n',
            ]  # fmt: skip
    assert [said["kind"] for said in heard.errands] == ["save", "restore"]


def test_a_spilt_line_is_taken_and_its_file_is_gone(heard):
    path = heard.folder / ".spill-1-1"
    path.write_text(json.dumps({"kind": "config", "values": {"long": "x" * 100_000}}))
    heard.say({"kind": "spill", "path": ".spill-1-1"})
    assert len(heard.records("config")[0]["values"]["long"]) == 100_000
    assert not path.exists()


def test_a_spill_that_spills_again_ends(heard):
    (heard.folder / ".spill-1").write_text('{"kind":"spill","path":".spill-1"}')
    heard.say({"kind": "spill", "path": ".spill-1"}, history({"after": 1}))
    assert len(heard.records("history")) == 1


def test_a_link_is_not_followed(heard):
    (heard.folder / "secret").write_text('{"kind":"note","text":"secret"}')
    (heard.folder / ".spill-1").symlink_to("secret")
    heard.say({"kind": "spill", "path": ".spill-1"})
    assert heard.records("note") == []


def test_what_a_killed_script_has_said_is_read_to_the_end(heard):
    script = (
        "import os, signal, socket, sys\n"
        "peer = socket.socket(socket.AF_UNIX); peer.connect(sys.argv[1])\n"
        "for number in range(200):\n"
        '    peer.send(b\'{"kind":"history","values":{"n":%d}}\\n\' % number)\n'
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, heard.path], check=False, timeout=DEADLINE_S)
    assert [data["values"]["n"] for data in heard.records()] == list(range(200))


def test_many_speak_at_once_and_no_line_is_lost(heard):
    def speak(rank):
        with heard.connect() as peer:
            for number in range(500):
                peer.sendall(json.dumps(history({"n": number}, rank=rank)).encode() + b"\n")

    speakers = [threading.Thread(target=speak, args=(rank,)) for rank in range(20)]
    for speaker in speakers:
        speaker.start()
    for speaker in speakers:
        speaker.join()
    rows = heard.records()
    assert sorted((row.get("rank", 0), row["step"], row["values"]["n"]) for row in rows) == [
        (rank, number, number) for rank in range(20) for number in range(500)
    ]


def test_one_who_takes_no_answers_holds_up_nobody(heard):
    silent = heard.connect()
    question = json.dumps({"kind": "hello", "id": 1}).encode() + b"\n"
    silent.sendall(question * 20_000)
    assert heard.ask({"kind": "hello", "id": 2})["id"] == 2
    silent.close()


@given(st.binary(max_size=300), st.lists(st.integers(1, 300), max_size=6))
def test_lines_are_the_same_however_they_come(data, cuts):
    connection = Connection(None)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    lines = [
        line for start, end in itertools.pairwise(places) for line in connection.take(data[start:end])[0]
    ]
    assert lines == data.split(b"\n")[:-1]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
KINDS = ["history", "config", "summary", "metric", "note", "tag", "alert", "save", "file", "init", "notice", "spill",
         "hello", "finish"]  # fmt: skip
KEYS = [
    "values",
    "step",
    "commit",
    "rank",
    "time",
    "name",
    "text",
    "add",
    "path",
    "title",
    "level",
    "status",
    "id",
]


@settings(deadline=None)  # it writes files
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(KEYS), values, max_size=6))
def test_no_line_is_worse_than_bad(tmp_path_factory, kind, said):
    speech = Speech({"config": {}}, frozenset(), "/nonexistent", lambda _: None)
    items = []
    try:
        line = json.dumps({**said, "kind": kind}).encode()
        speech.take(line, 5.0, items)
    except BadLineError:
        assert not items
        return
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(str(folder / "journal.jsonl"))
    journal.append_many(items)
    journal.close()
    found = [decode(line) for line in (folder / "journal.jsonl").read_bytes().splitlines()]
    assert [record.kind for record in found] == [item[0] for item in items]
    assert all(math.isfinite(record.time) for record in found)


@pytest.mark.parametrize("kind", ["history", "config", "summary", "tag", "init", "save", "file", "hello"])
def test_however_deep_a_value_is_nested_the_next_line_is_taken(heard, kind):
    for depth in (50, 99, 101, 500, 990, 5000):
        value = b"[" * depth + b"]" * depth
        for key in (b"values", b"path", b"add", b"name", b"step", b"id"):
            heard.say(b'{"kind":"%s","%s":{"a":%s}}\n' % (kind.encode(), key, value))
    heard.say(history({"after": 1}))
    assert [data["values"] for data in heard.records("history")][-1] == {"after": 1}
