"""What a terminal shows is what it would show without the wrapper, at once, and the log holds the same."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, Terminal, is_bare, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

# A progress bar that waits to be seen after each update.
PROGRESS = """
import shutil, sys
from desk import wait_for
for step in range(6):
    done = "#" * step + "." * (5 - step)
    sys.stderr.write(f"\\r{step * 20:3d}%|{done}| {step}/5")
    sys.stderr.flush()
    wait_for(f"seen{step}")
sys.stderr.write("\\n")
sys.stderr.flush()
wait_for("ended")
print("result 42")
"""
UPDATES = [
    b"\r  0%|.....| 0/5",
    b"\r 20%|#....| 1/5",
    b"\r 40%|##...| 2/5",
    b"\r 60%|###..| 3/5",
    b"\r 80%|####.| 4/5",
    b"\r100%|#####| 5/5",
]

# Writes the bytes of a file to a descriptor, so many at a time.
WRITES = """
import os, sys
fd, size, data = int(sys.argv[1]), int(sys.argv[2]), memoryview(open("sample", "rb").read())
while data:
    data = data[os.write(fd, data[:size]):]
"""

RICH = """
from rich.console import Console
from rich.table import Table
table = Table("name", "value", title="results")
table.add_row("accuracy", "[bold red]0.5[/]")
console = Console()
console.print(table)
console.rule("the end")
"""

SAMPLES = {
    "every_byte": bytes(range(256)) * 8,
    "wide": "h\u00e9 \u20ac \U0001f600 \u65e5\u672c\u8a9e e\u0301\n".encode() * 20,
    "not_utf8": b"\xff\xfe\xc3(\xe6\x97\n\xf0\x9f\x98" * 50,
    "line_ends": b"a\nb\r\nc\rd\n\re\n\n\r\rf",
    "tabs_and_backspaces": b"a\tbc\t\td\b\b\te\r\tf\n\tg\b\b\b\b\b\b\b\b\b\b\th\x1b[31m\ti\n",
}

# A stream of the command, and what has the terminal show that stream alone.
STREAMS = [(1, ""), (1, "2>err.txt"), (1, "</dev/null"), (2, ">out.txt"), (2, "| cat")]


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(wrapper, tmp_path)
    desk.script("progress.py", PROGRESS)
    desk.script("writes.py", WRITES)
    yield desk
    desk.sweep()


def on_terminal(desk: Desk, line: str, size: tuple[int, int] = (24, 100)) -> Terminal:
    """Run a shell line on a terminal."""
    return Terminal(desk, ["bash", "-c", f"{line}\nexit $?"], size=size)


def show(desk: Desk, line: str, size: tuple[int, int] = (24, 100)) -> bytes:
    """Run a shell line on a terminal and return what that shows to its end."""
    with on_terminal(desk, line, size) as terminal:
        assert terminal.finish() == 0, terminal.tail()
    return bytes(terminal.output)


def shown_by_both(desk: Desk, line: str, size: tuple[int, int] = (24, 100)) -> bytes:
    """Check that a line shows the same with and without the wrapper, and return that."""
    shown = show(desk, line, size)
    assert shown == show(desk, line.replace("$W", "env"), size)
    return shown


@pytest.mark.parametrize("redirection", ["", "| cat", ">out.txt", "</dev/null", "2>/dev/tty", "2>&1 | cat"])
def test_each_update_of_a_progress_bar_is_shown_at_once(desk: Desk, redirection: str) -> None:
    with on_terminal(desk, f"$W $P progress.py {redirection}") as terminal:
        for step, update in enumerate(UPDATES):
            terminal.expect(re.escape(update.decode()))
            desk.tell(f"seen{step}")
        terminal.expect("\r\n")
        desk.tell("ended")
        assert terminal.finish() == 0
    result = b"" if ">out" in redirection else b"result 42\r\n"
    assert bytes(terminal.output) == b"".join(UPDATES) + b"\r\n" + result


def test_each_update_of_a_progress_bar_reaches_a_file_at_once(desk: Desk) -> None:
    with on_terminal(desk, "$W $P progress.py 2>err.txt") as terminal:
        for step in range(len(UPDATES)):
            expected = b"".join(UPDATES[: step + 1])
            wait_until(
                lambda: desk.has("err.txt") and (desk.folder / "err.txt").read_bytes() == expected,  # noqa: B023  # called at once
                f"update {step} is in the file",
            )
            desk.tell(f"seen{step}")
        desk.tell("ended")
        assert terminal.finish() == 0
    assert bytes(terminal.output) == b"result 42\r\n"
    assert (desk.folder / "err.txt").read_bytes() == b"".join(UPDATES) + b"\n"


@pytest.mark.parametrize(
    ("redirection", "widths"),
    [
        ("", "97 97 97"),
        ("2>err.txt", "97 97 no"),
        ("</dev/null", "97 97 97"),
        ("| cat", "80 no 97"),
        (">out.txt", "80 no 97"),
    ],
)
def test_programs_that_fill_the_line_see_its_width(desk: Desk, redirection: str, widths: str) -> None:
    desk.script(
        "width.py",
        "import os, shutil\nfrom desk import tell\n"
        "def width(fd):\n    return os.get_terminal_size(fd).columns if os.isatty(fd) else 'no'\n"
        "tell('widths', f'{shutil.get_terminal_size().columns} {width(1)} {width(2)}')\n",
    )
    show(desk, f"$W $P width.py {redirection}", size=(24, 97))
    assert desk.told("widths") == widths


@pytest.mark.parametrize(
    "command", ["ls --color=auto", "grep --color=auto import progress.py", "$P results.py"]
)
@pytest.mark.parametrize("redirection", ["", "2>err.txt", "</dev/null"])
def test_colours_are_shown(desk: Desk, command: str, redirection: str) -> None:
    (desk.folder / "folder").mkdir()
    desk.script("err.txt", "")
    desk.script("results.py", RICH)
    assert b"\x1b[" in shown_by_both(desk, f"$W {command} {redirection}")


@pytest.mark.parametrize("command", ["ls --color=auto", "grep --color=auto import progress.py"])
def test_no_colours_are_piped(desk: Desk, command: str) -> None:
    (desk.folder / "folder").mkdir()
    assert b"\x1b[" not in shown_by_both(desk, f"$W {command} | cat")


@pytest.mark.parametrize("redirection", ["", "</dev/null", "2>&1", "3>&1 1>&2 2>&3"])
def test_order_of_stdout_and_stderr_is_kept(desk: Desk, redirection: str) -> None:
    desk.script(
        "both.py",
        "import os\nfor number in range(1500):\n    os.write(1 + number % 2, b'%d\\n' % number)\n",
    )
    shown = show(desk, f"$W $P both.py {redirection}")
    assert shown == b"".join(b"%d\r\n" % number for number in range(1500))


def test_order_of_several_programs_is_kept(desk: Desk) -> None:
    line = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; ls missing$i; printf half; done; echo; true"
    desk.script("several.sh", line)
    shown_by_both(desk, "$W sh several.sh")


@pytest.mark.parametrize(("stream", "redirection"), STREAMS)
@pytest.mark.parametrize("size", [1, 3, 100_000])
@pytest.mark.parametrize("sample", SAMPLES)
def test_bytes_are_shown_unchanged(desk: Desk, sample: str, size: int, stream: int, redirection: str) -> None:
    data = SAMPLES[sample]
    (desk.folder / "sample").write_bytes(data)
    shown = show(desk, f"$W $P writes.py {stream} {size} {redirection}")
    assert shown == data.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(("stream", "redirection"), STREAMS)
@pytest.mark.parametrize("modes", ["-onlcr", "-opost", "ocrnl", "onlret", "onocr", "tab3", "olcuc", "raw"])
def test_terminal_that_was_set_up_otherwise_shows_what_it_would(
    desk: Desk, modes: str, stream: int, redirection: str
) -> None:
    (desk.folder / "sample").write_bytes(SAMPLES["line_ends"] + b"\n" + SAMPLES["tabs_and_backspaces"])
    shown_by_both(desk, f"stty {modes}; $W $P writes.py {stream} 7 {redirection}")


@pytest.mark.parametrize(("stream", "redirection"), STREAMS)
def test_large_output_is_shown_whole(desk: Desk, stream: int, redirection: str) -> None:
    data = b"".join(b"line %d of a long story\n" % number for number in range(180_000))
    (desk.folder / "sample").write_bytes(data)
    shown = show(desk, f"$W $P writes.py {stream} 100000 {redirection}")
    assert len(shown) == len(data) + 180_000
    assert hashlib.sha256(shown).digest() == hashlib.sha256(data.replace(b"\n", b"\r\n")).digest()


def test_script_that_changes_the_modes_between_writes(desk: Desk) -> None:
    desk.script(
        "changes.sh", "echo one; stty -onlcr; echo two; stty onlcr; echo three; stty -opost; echo four"
    )
    shown = show(desk, "$W sh changes.sh; stty sane")
    assert shown == b"one\r\ntwo\nthree\r\nfour\n"


@pytest.mark.parametrize("sample", SAMPLES)
def test_log_holds_what_was_shown(desk: Desk, sample: str) -> None:
    (desk.folder / "sample").write_bytes(SAMPLES[sample])
    shown = show(desk, "$W $P writes.py 1 5")
    assert Recorded.of(desk).log == shown


@pytest.mark.parametrize(("stream", "redirection"), STREAMS[1:])
def test_log_holds_what_was_written_where_a_stream_is_redirected(
    desk: Desk, stream: int, redirection: str
) -> None:
    (desk.folder / "sample").write_bytes(SAMPLES["every_byte"])
    show(desk, f"$W $P writes.py {stream} 5 {redirection}")
    assert Recorded.of(desk).log == SAMPLES["every_byte"]


def speaking(desk: Desk) -> Desk:
    """Let runwrap say its lines."""
    if is_bare(desk.wrapper):
        pytest.skip("the bare control says nothing")
    del desk.environ["RUNWRAP_QUIET"]
    return desk


FIRST = rb"runwrap: (\S+) in desk, [^\r\n]*\r\n"
LAST = rb"runwrap: (\S+) \S[^\r\n]*\r\n"


@pytest.mark.parametrize(
    "line", ["$W printf 'a\\nb\\n'", "$W printf 'a\\nb\\n' >&2", "$W printf 'a\\nb\\n' | cat"]
)
def test_one_line_is_said_before_and_one_after(desk: Desk, line: str) -> None:
    shown = show(speaking(desk), line)
    match = re.fullmatch(FIRST + rb"a\r\nb\r\n" + LAST, shown)
    assert match, shown
    assert match[1] == match[2]
    assert Recorded.of(desk).log.replace(b"\r", b"") == b"a\nb\n"


def test_what_is_said_goes_to_stderr_and_no_further(desk: Desk) -> None:
    shown = show(speaking(desk), "$W printf 'a\\n' >out.txt")
    assert re.fullmatch(FIRST + LAST, shown), shown
    assert desk.told("out.txt") == "a\n"


@pytest.mark.parametrize(
    "line",
    [
        "$W printf 'a\\n' 2>err.txt",
        "$W printf 'a\\n' 2>/dev/null",
        "$W --quiet printf 'a\\n'",
        "$W printf 'a\\n' 2>&-",
    ],
)
def test_nothing_is_said(desk: Desk, line: str) -> None:
    assert show(speaking(desk), line) == b"a\r\n"
    assert not desk.has("err.txt") or desk.told("err.txt") == ""


def test_what_failed_is_said_in_one_line(desk: Desk) -> None:
    shown = show(speaking(desk), "$W printf 'a\\n' >/dev/full")
    said = shown.decode().splitlines()
    assert len(said) == 3, shown
    assert re.fullmatch(r"runwrap: warning: output: stdout: No space left on device", said[2])
