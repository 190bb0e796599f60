"""What was appended stays, whoever else writes and whatever is killed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runwrap.record import Record, decode, encode
from runwrap.store.journal import Journal, JournalError
from runwrap.store.reading import JournalReader, read_records

WRITER = """
import sys
from runwrap.store.journal import Journal
journal = Journal(sys.argv[1])
print("up", flush=True)
for number in range(int(sys.argv[2])):
    journal.append("history", {"writer": sys.argv[3], "number": number, "fill": "x" * (number % 50)})
"""


def start_writer(path: Path, count: int, name: str) -> subprocess.Popen[bytes]:
    """Start a process that appends, and wait until it does."""
    words = [sys.executable, "-c", WRITER, str(path), str(count), name]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    process.stdout.close()
    return process


def test_records_come_back_in_order_with_consecutive_seqs(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal.jsonl"))
    assert journal.append("note", {"text": "a"}) == 1
    assert journal.append_many([("note", {"text": "b"}, 1.0), ("note", {"text": "c"}, 2.0)]) == 3
    assert [(r.seq, r.data["text"]) for r in read_records(journal.path)] == [(1, "a"), (2, "b"), (3, "c")]


def test_several_writers_share_one_sequence(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    writers = [start_writer(path, 400, name) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    records = list(read_records(str(path)))
    assert [record.seq for record in records] == list(range(1, 1201))
    for name in "abc":
        assert [r.data["number"] for r in records if r.data["writer"] == name] == list(range(400))


def test_a_killed_writer_costs_at_most_the_line_it_was_at(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for attempt in range(5):
        victim = start_writer(path, 10**9, "victim")
        other = start_writer(path, 200, f"other{attempt}")
        deadline = time.monotonic() + 20
        while path.stat().st_size < 20_000 * (attempt + 1) and time.monotonic() < deadline:
            pass
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        assert other.wait() == 0
    reader = JournalReader(str(path))
    records = list(reader.records())
    assert reader.bad_lines == 0
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert sum(record.data["writer"] == "other4" for record in records) == 200


def test_a_torn_tail_is_ended_before_the_next_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    whole = encode(Record(1, 1.0, "note", {"text": "a"}))
    path.write_bytes(whole + encode(Record(2, 1.0, "note", {"text": "b"}))[:-9])
    assert Journal(str(path)).append("note", {"text": "c"}) == 2
    reader = JournalReader(str(path))
    assert [record.data["text"] for record in reader.records()] == ["a", "c"]
    assert reader.bad_lines == 1


@settings(max_examples=40, deadline=None)
@given(damage=st.data())
def test_damage_costs_only_the_lines_that_it_hits(
    tmp_path_factory: pytest.TempPathFactory, damage: st.DataObject
) -> None:
    lines = [encode(Record(seq, 1.0, "note", {"text": "x" * seq})) for seq in range(1, 20)]
    content = bytearray(b"".join(lines))
    start = damage.draw(st.integers(0, len(content) - 1))
    piece = damage.draw(st.binary(min_size=1, max_size=60))
    content[start : start + len(piece)] = piece
    path = tmp_path_factory.mktemp("damage") / "journal.jsonl"
    path.write_bytes(bytes(content) + b"\n")
    at, untouched = 0, set()
    for seq, line in enumerate(lines, 1):
        if at + len(line) <= start or at > start + len(piece):
            untouched.add(seq)
        at += len(line)
    assert untouched <= {record.seq for record in read_records(str(path))}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2000))
def test_cut_anywhere_every_whole_line_is_read(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    content = b"".join(encode(Record(seq, 1.0, "note", {"text": "é" * seq})) for seq in range(1, 12))[:size]
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    path.write_bytes(content)
    assert len(list(read_records(str(path)))) == content.count(b"\n")


def test_the_seq_is_found_behind_a_long_damaged_tail(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(
        encode(Record(7, 1.0, "note", {"text": "a"})) + b"\0" * 300_000 + b"\n" + b"junk\n" * 1000
    )
    assert Journal(str(path)).append("note", {"text": "b"}) == 8


def test_a_reader_goes_on_where_it_left_off(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(str(path))
    journal.append("note", {"text": "a"})
    line = encode(Record(2, 1.0, "note", {"text": "b"}))
    path.write_bytes(path.read_bytes() + line[:20])
    reader = JournalReader(str(path))
    assert [record.data["text"] for record in reader.records()] == ["a"]
    path.write_bytes(path.read_bytes() + line[20:])
    assert [record.data["text"] for record in reader.records()] == ["b"]
    assert reader.offset == path.stat().st_size


def test_a_reader_ends_though_the_writer_is_faster(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.jsonl")
    journal = Journal(path)
    journal.append("note", {"text": "0"})
    read = 0
    reader = JournalReader(path)
    for _ in reader.records():
        read += 1
        journal.append_many([("note", {"text": "more"}, 1.0)] * 2)
    assert read == 1
    assert len(list(reader.records())) == 2


def test_a_line_without_end_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with path.open("wb") as file:
        file.write(encode(Record(1, 1.0, "note", {"text": "a"})))
        for _ in range(40):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + encode(Record(2, 1.0, "note", {"text": "b"})))
    reader = JournalReader(str(path))
    assert [record.seq for record in reader.records()] == [1, 2]
    assert reader.bad_lines == 1


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_file_has_no_records(tmp_path: Path, make) -> None:
    path = tmp_path / "journal.jsonl"
    make(path)
    assert list(read_records(str(path))) == []


def test_a_folder_in_its_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=str(tmp_path)):
        Journal(str(tmp_path))


def test_a_full_disk_leaves_whole_lines_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(str(tmp_path / "journal.jsonl"))
    journal.append("note", {"text": "a"})
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
    with pytest.raises(JournalError, match=os.strerror(errno.ENOSPC)):
        journal.append("note", {"text": "b"})
    monkeypatch.undo()
    journal.append("note", {"text": "c"})
    lines = Path(journal.path).read_bytes().splitlines()
    assert [decode(line).seq for line in lines] == [1, 2]


def test_threads_share_a_journal(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal.jsonl"))

    def write() -> None:
        for _ in range(200):
            journal.append("note", {"text": "x"})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [record.seq for record in read_records(journal.path)] == list(range(1, 801))


def test_a_record_that_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal.jsonl"))
    with pytest.raises(JournalError, match="too large"):
        journal.append_many([("note", {"text": "a"}, 1.0), ("note", {"text": "x" * (17 << 20)}, 1.0)])
    assert journal.append("note", {"text": "b"}) == 1
    assert [record.data["text"] for record in read_records(journal.path)] == ["b"]


def test_the_seq_is_found_behind_a_line_without_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(encode(Record(7, 1.0, "note", {"text": "a"})))
    with path.open("ab") as file:
        file.truncate(1 << 30)  # a gigabyte of NUL bytes that takes no room
    code = "import re, sys; from runwrap.store.journal import Journal; "
    code += "print(Journal(sys.argv[1]).append('note', {})); "
    code += "print(*re.findall(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read()))"
    words = [sys.executable, "-c", code, str(path)]
    seq, memory_kb = subprocess.run(words, capture_output=True, check=True, text=True).stdout.split()
    assert int(seq) == 8
    assert int(memory_kb) < 100_000
    reader = JournalReader(str(path))
    assert [record.seq for record in reader.records()] == [7, 8]
    assert reader.bad_lines == 1


def test_a_journal_that_was_cut_to_nothing_goes_on(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal.jsonl"))
    journal.append("note", {"text": "a"})
    os.truncate(journal.path, 0)
    assert journal.append("note", {"text": "b"}) == 2
    assert [record.data["text"] for record in read_records(journal.path)] == ["b"]


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/etc/passwd")])
def test_what_is_no_file_is_not_appended_to(tmp_path: Path, make) -> None:
    path = tmp_path / "journal.jsonl"
    make(path)
    with pytest.raises(JournalError):
        Journal(str(path))


def test_only_the_wanted_kinds_are_read(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal.jsonl"))
    for kind in ("run", "output", "history", "output"):
        journal.append(kind, {"nested": {"kind": "exit"}})
    assert [r.kind for r in JournalReader(journal.path, kinds=("output",)).records()] == ["output", "output"]
    assert list(JournalReader(journal.path, kinds=("exit",)).records()) == []
