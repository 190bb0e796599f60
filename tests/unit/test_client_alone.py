"""A script that calls init() without runwrap starts a collector of its own, and tells it how it ended."""

import json
import os
import sys

import pytest

from tests.unit.test_client import environ_of, script

# Stands for `runwrap collect --`: reads the socket, and writes down what it was told.
COLLECTOR = """#!{python}
import json, os, socket, sys, threading
assert sys.argv[1:] == ["collect", "--"]
folder = {folder!r}
heard = open(folder + "/heard", "a")
def tell(**what):
    heard.write(json.dumps(what) + "\\n")
    heard.flush()
tell(settings=json.loads(sys.stdin.readline()))
path = folder + "/s"
if os.path.exists(path):
    os.unlink(path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(8)
run = {{"id": "1", "name": "calm-fox-1", "files": folder, "config": {{}}}}
threads = []
def read(peer):
    for line in peer.makefile("rb"):
        said = json.loads(line)
        if "id" in said:
            peer.sendall(json.dumps({{"id": said["id"], "ok": True, "run": run}}).encode() + b"\\n")
        tell(said=said)
def accept():
    while True:
        peer, _ = listener.accept()
        if peer.recv(1, socket.MSG_PEEK) == b"":
            return
        thread = threading.Thread(target=read, args=(peer,))
        thread.start()
        threads.append((thread, peer))
accepting = threading.Thread(target=accept)
accepting.start()
print(json.dumps({{"socket": path, "run": run}}), flush=True)
end = sys.stdin.readline()
last = socket.socket(socket.AF_UNIX)  # those that wait come before it
last.connect(path)
last.shutdown(socket.SHUT_WR)
accepting.join()
for thread, peer in threads:
    peer.shutdown(socket.SHUT_RD)  # and what is in it is read
    thread.join()
tell(end=end)
"""


@pytest.fixture
def command(tmp_path):
    """Return a command that stands for runwrap."""
    path = tmp_path / "runwrap"
    path.write_text(COLLECTOR.format(python=sys.executable, folder=str(tmp_path)))
    path.chmod(0o700)
    return path


def heard(command, key):
    lines = map(json.loads, (command.parent / "heard").read_text().splitlines())
    return [line[key] for line in lines if key in line]


TEXT = """
import os
run = runwrap.init(project="p", name="n", dir="/d", tags=["t"], config={"lr": 0.1})
runwrap.log({"a": 1})
assert run.name == "calm-fox-1" and os.environ["RUNWRAP_FILES"] == run.dir
"""


@pytest.mark.parametrize(
    ("end", "status", "told"),
    [
        ("", 0, '{"status":0}\n'),
        ("runwrap.finish()\nassert 'RUNWRAP_SOCKET' not in os.environ", 0, '{"status":0}\n'),
        ("runwrap.finish(exit_code=3)", 0, '{"status":3}\n'),
        ("if not os.fork(): raise SystemExit\nos.wait()", 0, '{"status":0}\n'),
        ("os._exit(0)", 0, ""),
    ],
)
def test_how_a_script_ends(command, end, status, told):
    script(TEXT + end, RUNWRAP_COMMAND=str(command), status=status, PYTHONWARNINGS="ignore")
    (settings,) = heard(command, "settings")
    assert {key: settings[key] for key in ("project", "name", "dir", "tags", "id")} == {
        "project": "p", "name": "n", "dir": "/d", "tags": ["t"], "id": None,
    }  # fmt: skip
    if told:
        assert heard(command, "end") == [told]
        said = [line for line in heard(command, "said") if line["kind"] in ("config", "history")]
        assert [line["values"] for line in said] == [{"lr": 0.1}, {"a": 1}]


def test_an_error_ends_it_with_1(command):
    text = TEXT + "import sys\nsys.excepthook.__self__.excepthook = lambda *_: print('shown')\n1 / 0"
    assert script(text, RUNWRAP_COMMAND=str(command), status=1, PYTHONWARNINGS="ignore") == "shown\n"
    assert heard(command, "end") == ['{"status":1}\n']


def test_one_after_the_other(command):
    text = (
        TEXT
        + "run.finish()\nassert run.summary['a'] == 1\n"
        + TEXT.replace("0.1", "0.2")
        + "assert len(run.summary) == 1"
    )
    script(text, RUNWRAP_COMMAND=str(command), PYTHONWARNINGS="ignore")
    assert heard(command, "end") == ['{"status":0}\n'] * 2
    assert [line["values"] for line in heard(command, "said") if line["kind"] == "config"] == [
        {"lr": 0.1},
        {"lr": 0.2},
    ]


@pytest.mark.parametrize(
    ("command", "reason"),
    [("/nowhere/runwrap", "/nowhere/runwrap cannot be started: No such file or directory"),
     ("/bin/true", "`/bin/true collect` did not say where its socket is")],
)  # fmt: skip
def test_without_a_collector_the_script_runs_on(command, reason):
    text = "run = runwrap.init(config=dict(a=1))\nrunwrap.log({'a': 1})\nprint(run.config.a, run.summary.get('a'))"
    printed = f"runwrap: nothing is recorded: {reason}\n"
    assert script(text, RUNWRAP_COMMAND=command, printed=printed) == "1 None\n"


def test_where_runwrap_is_looked_for():
    text = "from runwrap.inject.collector import collect_command\nprint(collect_command())"
    beside = os.path.join(sys.prefix, "bin/runwrap")
    assert script(text, PATH="/nowhere") == f"{[beside]}\n"
    text = "import sys; sys.prefix = '/nowhere'\n" + text
    assert script(text, PATH="/nowhere") == f"{[sys.executable, '-m', 'runwrap']}\n"
    assert environ_of()["PATH"]
