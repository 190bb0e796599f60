"""The script finds the terminal's size, at the start and after every change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from terminal import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

SIZE = "import os; s = os.get_terminal_size({fd}); print(s.lines, 'by', s.columns, flush=True)"

# Counts SIGWINCH until a moment has passed without one, then says how many and the size.
WATCHER = """
import os, signal, sys
from desk import tell
fd = int(sys.argv[1])
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
tell("armed", os.getpid())
while True:
    signal.sigwaitinfo({signal.SIGWINCH})
    count = 1
    while signal.sigtimedwait({signal.SIGWINCH}, 0.5):
        count += 1
    size = os.get_terminal_size(fd)
    os.write(fd, f"count {count} size {size.lines} by {size.columns} end\\r\\n".encode())
"""


@pytest.fixture
def shell(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Shell]:
    with Shell(wrapper, tmp_path) as shell:
        shell.desk.script("watcher.py", WATCHER)
        yield shell


@pytest.mark.parametrize("size", [(24, 80), (7, 13), (1, 1), (999, 3000), (0, 0)])
def test_script_starts_with_the_size_of_the_terminal(
    wrapper: Sequence[str], tmp_path: Path, size: tuple[int, int]
) -> None:
    with Shell(wrapper, tmp_path) as shell:
        shell.desk.script("size.py", SIZE.format(fd=0))
        shell.desk.script("go", "$W $P size.py > size.txt 2>&1\n$W stty size\n")
        shell.resize(*size)
        shell.send(". ./go; touch done\r")
        shell.desk.told("done")
        rows, columns = size
        assert shell.desk.told("size.txt") == f"{rows} by {columns}\n"
        shell.expect(rf"\n{rows} {columns}\r")


@pytest.mark.parametrize("fd", [0, 1, 2])
def test_every_standard_stream_knows_the_size(shell: Shell, fd: int) -> None:
    shell.resize(31, 97)
    shell.desk.script("size.py", SIZE.format(fd=fd))
    assert shell.command("$W $P size.py") == "31 by 97\n"


def test_pixel_sizes_are_kept(shell: Shell) -> None:
    import fcntl
    import struct
    import termios

    fcntl.ioctl(shell.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 900, 600))
    shell.desk.script(
        "pixels.py",
        "import fcntl, struct, termios\n"
        "print(*struct.unpack('HHHH', fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))))",
    )
    assert shell.command("$W $P pixels.py") == "30 90 900 600\n"


def test_each_resize_is_told_once(shell: Shell) -> None:
    shell.start("$W $P watcher.py 1")
    shell.desk.told("armed")
    shell.resize(40, 120)
    shell.expect(r"count 1 size 40 by 120 end")
    shell.resize(12, 50)
    shell.expect(r"count 1 size 12 by 50 end")
    shell.press("C")
    assert shell.prompt() == 130


def test_resize_reaches_a_script_whose_stdout_is_piped(shell: Shell) -> None:
    shell.start("$W $P watcher.py 2 | cat")
    shell.desk.told("armed")
    shell.resize(40, 120)
    # Where stderr has a terminal of the wrapper's own, a second signal may say that its size is right now.
    shell.expect(r"count [12] size 40 by 120 end")
    shell.press("C")
    shell.prompt()


def test_resize_reaches_a_script_whose_stderr_is_redirected(shell: Shell) -> None:
    shell.start("$W $P watcher.py 1 2>err.txt")
    shell.desk.told("armed")
    shell.resize(41, 121)
    shell.expect(r"count [12] size 41 by 121 end")
    shell.press("C")
    shell.prompt()


def test_the_shell_of_the_script_learns_the_size(shell: Shell) -> None:
    shell.desk.script("trap.sh", 'trap "stty size" WINCH\n: >armed\nread line\nread line\n')
    shell.start("$W bash trap.sh")
    shell.desk.told("armed")
    shell.resize(33, 77)
    shell.send("\r")
    shell.expect(r"33 77")
    shell.send("\r\r")
    shell.prompt()


def test_size_that_changed_in_the_background_is_right_after_fg(shell: Shell) -> None:
    shell.desk.script(
        "size.py",
        "import os, sys\nfrom desk import tell\ntell('pid', os.getpid())\nprint('waiting', flush=True)\nfor _ in sys.stdin:\n  "
        + SIZE.format(fd=1),
    )
    shell.start("$W $P size.py", shows="waiting")
    shell.send("\r")
    shell.expect(r"24 by 100")
    shell.stop()
    shell.resize(20, 66)
    shell.bring_back("size.py")
    shell.send("\r")
    shell.expect(r"20 by 66")
    shell.press("D")
    assert shell.prompt() == 0


def test_size_that_changed_while_running_in_the_background_is_right_after_fg(shell: Shell) -> None:
    shell.desk.script(
        "size.py",
        "from desk import tell, wait_for\ntell('armed')\nwait_for('resized')\ninput()\n" + SIZE.format(fd=1),
    )
    shell.start("$W $P size.py &")
    shell.prompt()
    shell.desk.told("armed")
    shell.resize(21, 67)
    shell.bring_back("size.py")
    shell.desk.tell("resized")
    shell.send("\r")
    shell.expect(r"21 by 67")
    assert shell.prompt() == 0


def test_a_size_set_by_the_script_is_seen_by_the_shell_afterwards(shell: Shell) -> None:
    shell.command("$W stty rows 17 columns 71")
    assert shell.command("stty size") == "17 71\n"
