"""What a script says on the socket is in its run, from any language, however the script or runwrap ends."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from recorded import Recorded
from terminal import Desk, Terminal, is_bare, need, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.timeout(120)

SAYS = """
import json, os, socket
peer = socket.socket(socket.AF_UNIX)
peer.connect(os.environ["RUNWRAP_SOCKET"])
def say(**line):
    peer.send(json.dumps(line).encode() + b"\\n")
"""
# Says rows until it is killed, and counts them where a reader sees it.
COUNTS = (
    SAYS
    + """
import desk, mmap
with open("count", "wb+") as file:
    file.truncate(8)
    count = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
desk.tell("pid", os.getpid())
while True:
    say(kind="history", values={"n": count[0]})
    count[0] += 1
"""
)
PERL = """
use IO::Socket::UNIX;
my $peer = IO::Socket::UNIX->new(Peer => $ENV{RUNWRAP_SOCKET}) or die;
print $peer qq({"kind":"history","values":{"loss":0.25},"step":$_}\\n) for 1..3;
"""
NODE = """
const peer = require('net').connect(process.env.RUNWRAP_SOCKET);
for (const step of [1, 2, 3])
  peer.write(JSON.stringify({kind: 'history', values: {loss: 0.25}, step}) + '\\n');
peer.end();
"""


@pytest.fixture
def desk(wrapper: Sequence[str], tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(wrapper, tmp_path)
    if is_bare(desk.wrapper):
        pytest.skip("the bare control has no socket")
    yield desk
    desk.sweep()


def run(desk: Desk, *command: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command under the wrapper."""
    return subprocess.run(
        [*desk.wrapper, *command],
        cwd=desk.folder,
        env=desk.environ,
        capture_output=True,
        check=False,
        timeout=60,
    )


def python(desk: Desk, text: str) -> subprocess.CompletedProcess[bytes]:
    """Run a Python script under the wrapper."""
    desk.script("script.py", text)
    return run(desk, desk.environ["P"], "script.py")


def test_rows_are_in_the_journal_and_in_what_show_says(desk: Desk) -> None:
    done = python(
        desk,
        SAYS + 'for loss in (3.0, 1.0, 2.0): say(kind="history", values={"loss": loss})\n'
        'say(kind="metric", name="loss", summary="min"); say(kind="config", values={"lr": 0.1})\n'
        'say(kind="init", name="called-so"); say(kind="alert", title="look", text="here")\n',
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [row["values"]["loss"] for row in Recorded.of(desk).records("history")] == [3.0, 1.0, 2.0]
    shown = subprocess.run(
        [*desk.wrapper, "show", "called-so", "--json"], env=desk.environ, capture_output=True, check=True
    )
    view = json.loads(shown.stdout)
    assert (view["summary"], view["config"]) == ({"loss": 1.0}, {"lr": 0.1})
    assert view["history"]["loss"]["count"] == 3
    assert view["alerts"] == [{"title": "look", "text": "here", "level": "info"}]


@pytest.mark.parametrize(("program", "flag", "text"), [("perl", "-e", PERL), ("node", "-e", NODE)])
def test_any_language_can_speak(desk: Desk, program: str, flag: str, text: str) -> None:
    need(program)
    assert run(desk, program, flag, text).returncode == 0
    assert [(row["step"], row["values"]) for row in Recorded.of(desk).records("history")] == [
        (step, {"loss": 0.25}) for step in (1, 2, 3)
    ]


def test_socket_is_for_the_user_alone_and_gone_with_the_run(desk: Desk) -> None:
    text = "import os, stat; print(os.environ['RUNWRAP_SOCKET'], os.stat(os.path.dirname(os.environ['RUNWRAP_SOCKET'])).st_mode)"
    path, mode = python(desk, text).stdout.decode().split()
    assert stat.S_IMODE(int(mode)) == 0o700
    assert not Path(path).parent.exists()


@pytest.mark.parametrize("turn", range(20))
def test_a_killed_script_loses_no_row_that_was_taken(desk: Desk, turn: int) -> None:
    desk.script("counts.py", COUNTS)
    process = subprocess.Popen(
        [*desk.wrapper, desk.environ["P"], "counts.py"], cwd=desk.folder, env=desk.environ
    )
    pid = int(desk.told("pid"))
    count = desk.folder / "count"
    wait_until(lambda: int.from_bytes(count.read_bytes(), "little") > turn * turn * 20, "rows are said")
    os.kill(pid, signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    said = int.from_bytes(count.read_bytes(), "little")
    rows = [row["values"]["n"] for row in Recorded.of(desk).records("history")]
    # One more may have been said and not yet been counted.
    assert rows in (list(range(said)), list(range(said + 1)))


def test_killed_wrapper_leaves_no_socket(desk: Desk) -> None:
    desk.script(
        "waits.py",
        "import desk, os\ndesk.tell('path', os.environ['RUNWRAP_SOCKET'])\ndesk.wait_for('never')\n",
    )
    process = subprocess.Popen(
        [*desk.wrapper, desk.environ["P"], "waits.py"], cwd=desk.folder, env=desk.environ
    )
    path = Path(desk.told("path"))
    assert path.exists()
    process.kill()
    process.wait()
    wait_until(lambda: not path.parent.exists(), "the socket's folder is gone")


def test_what_cannot_be_read_is_told_once_at_the_end(desk: Desk) -> None:
    desk.environ.pop("RUNWRAP_QUIET", None)
    desk.script(
        "script.py",
        SAYS + 'for _ in range(5): peer.send(b"what?\\n")\nsay(kind="history", values={"x": 1})\n',
    )
    with Terminal(desk, [*desk.wrapper, desk.environ["P"], "script.py"]) as terminal:
        assert terminal.finish() == 0
        told = re.findall(rb"runwrap: warning: socket: [^\r]*", bytes(terminal.output))
    assert len(told) == 2
    assert b"what?" in told[0]
    assert b"5 lines" in told[1]
    assert len(Recorded.of(desk).records("history")) == 1


def test_a_script_that_never_speaks_finds_the_variable_and_pays_nothing(desk: Desk) -> None:
    done = run(desk, "sh", "-c", 'test -S "$RUNWRAP_SOCKET" && echo there')
    assert done.stdout == b"there\n"
    assert Recorded.of(desk).records("history") == []
