"""docs/record-format.md says what the files hold: its examples are real, and so are its ways to read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runwrap.record import CHECK_LENGTH, KINDS, decode, encode
from runwrap.store.output import Output
from runwrap.store.reading import LONGEST_LINE_BYTES, JournalReader
from runwrap.store.view import RunView

PAGE = (Path(__file__).parents[2] / "docs" / "record-format.md").read_text(encoding="utf-8")
KINDS_PART = PAGE.partition("\n## Kinds\n")[2].partition("\n## ")[0]


def blocks(language: str, text: str = PAGE) -> list[str]:
    """Return the blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def sections() -> dict[str, str]:
    """Return what the page says of each kind."""
    parts = re.split(r"^### `(\w+)`(?: \*)?\n", KINDS_PART, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def lines(text: str = KINDS_PART) -> list[bytes]:
    """Return the lines of examples."""
    return "".join(blocks("json", text)).encode().splitlines(keepends=True)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Make the run that the page tells of."""
    (tmp_path / "journal.jsonl").write_bytes(b"".join(lines()))
    (tmp_path / "output.log").write_text(blocks("text")[0])
    return tmp_path


@pytest.mark.parametrize("line", lines(PAGE))
def test_every_example_is_a_line_that_runwrap_writes_and_reads(line: bytes) -> None:
    assert encode(decode(line)) == line


def test_every_line_of_json_on_the_page_is_an_example() -> None:
    assert set(re.findall(r"^\{.*\n", PAGE, re.MULTILINE)) == {line.decode() for line in lines(PAGE)}


def test_every_kind_is_described_with_an_example_of_it() -> None:
    assert sorted(sections()) == sorted(KINDS)
    for kind, text in sections().items():
        assert {decode(line).kind for line in lines(text)} == {kind}


def test_every_key_of_the_longest_kinds_is_described() -> None:
    for kind in ("run", "exit"):
        rows = re.findall(r"^\| (`.*?) \|", sections()[kind], re.MULTILINE)
        described = set(re.findall(r"`(\w+)`", " ".join(rows)))
        assert set(decode(lines(sections()[kind])[0]).data) <= described


def test_the_examples_are_one_journal(run: Path) -> None:
    reader = JournalReader(str(run / "journal.jsonl"))
    view = RunView(str(run))
    records = list(reader.records())
    for record in records:
        view.apply(record)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert (reader.bad_lines, view.bad_lines) == (0, 0)
    assert view.decide() == ("finished", "exited 0")
    assert view.tags == ["baseline", "night"]


def test_the_output_is_told_apart_as_the_page_says(run: Path) -> None:
    log = (run / "output.log").read_bytes()
    first, second, third = log.splitlines(keepends=True)
    assert b"".join(Output(str(run), {"stderr"}).pieces(ended=True)) == second
    assert b"".join(Output(str(run), {"stdout"}).pieces(ended=True)) == first + third


def test_a_run_begins_and_ends_with_the_keys_that_the_page_names(tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("runwrap"))
    words = [command, "--dir", str(tmp_path), "--no-git", "--config", "lr=0.1", "--tags", "a", "--notes", "b"]
    subprocess.run([*words, "sh", "-c", "echo; echo >&2"], check=True, capture_output=True, cwd=tmp_path)
    (journal,) = tmp_path.glob("*/*/journal.jsonl")
    examples: dict[str, set[str]] = {}
    for line in lines():
        examples.setdefault(decode(line).kind, set()).update(decode(line).data)
    written = list(JournalReader(str(journal)).records())
    assert {"run", "config", "tag", "note", "output", "exit"} <= {record.kind for record in written}
    for record in written:
        assert set(record.data) == examples[record.kind]


def test_the_sizes_are_as_the_page_says() -> None:
    assert f"not longer than {LONGEST_LINE_BYTES >> 20} MiB" in PAGE
    assert f"the last {CHECK_LENGTH} bytes before the newline" in PAGE


def test_the_reader_in_python_reads_what_is_whole(run: Path) -> None:
    whole = (run / "journal.jsonl").read_bytes()
    config = lines(sections()["config"])[0]
    damaged, half = config.replace(b"0.1", b"0.2"), config[:-1]
    (run / "journal.jsonl").write_bytes(b"not JSON\n" + damaged + whole + half)
    words = [sys.executable, "-c", blocks("python")[0], str(run / "journal.jsonl")]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert told == f"{decode(config).data['values']}\n"


def test_the_readers_in_jq_do_what_the_page_says(run: Path) -> None:
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    values, errors = (
        subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True, cwd=run).stdout
        for script in blocks("sh")
    )
    assert json.loads(values) == decode(lines(sections()["config"])[0]).data["values"]
    assert errors == (run / "output.log").read_text().splitlines(keepends=True)[1]
