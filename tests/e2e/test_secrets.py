"""No secret of a run reaches the disk: not by the command line, git, config, or what the script says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from runwrap.store.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

TOKEN = "xghp_aB3dE5fG7hI9jK1lM2nO4pQ6rS8tU0vW2xY4"[1:]  # so that nobody who scans this file finds it
PASSWORD = "correct-horse-77"
INTERNAL = "acme-4711"
SCRIPT = f"""
import runwrap
runwrap.init(config={{"api_key": "abcd1234efgh", "lr": 0.1}}, notes="with {TOKEN}")
runwrap.log({{"loss": 0.5, "text": "{PASSWORD}"}})
runwrap.summary["where"] = "https://bob:hunter2@example.org/x"
runwrap.alert("see {INTERNAL}", "{TOKEN}")
"""


def on_disk(folder: Path, *, without: str = "output.log") -> bytes:
    """Return all that lies in a data folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != without]
    return b"\n".join(path.read_bytes() for path in files)


def test_no_secret_reaches_the_disk(bench: Bench) -> None:
    bench.repository(**{"settings.py": "x = 1\n"})
    bench.git("remote", "add", "origin", f"https://{TOKEN}@github.com/a/b.git")
    (bench.folder / "settings.py").write_text(f'x = 1\nTOKEN = "{TOKEN}"\nDB = "{PASSWORD}"\n')
    (bench.folder / "script.py").write_text(SCRIPT)
    (bench.folder / "conf.yaml").write_text(f"db: {{password: {PASSWORD}}}\n")
    bench.age()
    options = ["--mask", "acme-[0-9]+", "--config-file", "conf.yaml", "--config", "token=abcd1234efgh"]
    words = [sys.executable, "script.py", f"--github={TOKEN}", "--password", "hunter2hunter2"]
    shown = bench.run(*options, "--notes", f"for {INTERNAL}", *words, DB_PASSWORD=PASSWORD)
    disk = on_disk(bench.data)
    for secret in (TOKEN, PASSWORD, INTERNAL, "abcd1234efgh", "hunter2"):
        assert secret.encode() not in disk
    assert shown["argv"][2:] == ["--github=[masked: GitHub token]", "--password", "[masked: password]"]
    assert shown["config"]["db"] == {"password": "[masked: password]"}
    assert shown["config"]["api_key"] == "[masked: api_key]"
    assert shown["config"]["lr"] == 0.1
    assert shown["summary"]["text"] == "[masked: value of DB_PASSWORD]"
    assert shown["facts"]["git"]["masked"] is True
    kinds = shown["facts"]["masked"]["kinds"]
    assert kinds["GitHub token"] == 3  # command line, alert, patch
    assert kinds["value of DB_PASSWORD"] == 2  # row, patch
    assert shown["facts"]["masked"]["count"] == sum(kinds.values())
    assert "GitHub token" in bench.verb("show", "latest").partition("\nmasked\n")[2]


def test_the_script_and_the_terminal_see_what_they_would_have_seen(bench: Bench) -> None:
    code = f"import sys, runwrap; runwrap.init(); print(sys.argv[1], runwrap.config['token'], '{TOKEN}')"
    (bench.folder / "script.py").write_text(code)
    words = ["runwrap", "--config", "token=abcd1234efgh", sys.executable, "script.py", TOKEN]
    assert bench.call(*words).decode() == f"{TOKEN} abcd1234efgh {TOKEN}\n"


def test_a_run_without_secrets_says_nothing_of_them_and_its_patch_is_untouched(bench: Bench) -> None:
    bench.repository(**{"a.txt": "one\n"})
    (bench.folder / "a.txt").write_text("two\r\n\xff\n", encoding="latin-1")
    bench.age()
    shown = bench.run("true")
    assert "masked" not in shown["facts"]
    assert "masked" not in shown["facts"]["git"]
    bench.git("checkout", "--quiet", "a.txt")
    bench.git("apply", "--binary", str(next(bench.data.rglob("diff.patch"))))
    assert (bench.folder / "a.txt").read_bytes() == b"two\r\n\xff\n"


def test_a_patch_with_a_mask_in_a_new_line_can_be_applied(bench: Bench) -> None:
    bench.repository(**{"a.txt": "one\n"})
    (bench.folder / "a.txt").write_text(f"one\nkey {TOKEN}\n")
    bench.age()
    bench.run("true")
    bench.git("checkout", "--quiet", "a.txt")
    bench.git("apply", "--binary", str(next(bench.data.rglob("diff.patch"))))
    assert (bench.folder / "a.txt").read_text() == "one\nkey [masked: GitHub token]\n"


def test_a_word_that_is_not_text_is_masked_in_both_forms(bench: Bench) -> None:
    bench.run("true", b"\xff " + TOKEN.encode())  # type: ignore[arg-type]
    assert TOKEN.encode() not in on_disk(bench.data)
    assert b"argv_base64" in on_disk(bench.data)


def test_what_is_said_of_a_run_later_is_masked_and_counted(bench: Bench) -> None:
    bench.run("true")
    bench.verb("note", "latest", f"uses {TOKEN}")
    bench.verb("config", "--run", "latest", f"url=https://a:{PASSWORD}@h/x")
    bench.verb("tag", "latest", f"+{TOKEN}")
    shown = bench.shown("latest")
    assert shown["notes"] == "uses [masked: GitHub token]"
    assert shown["facts"]["masked"]["kinds"] == {"GitHub token": 2, "password in URL": 1}


def test_a_script_that_nobody_has_wrapped_is_guarded_too(bench: Bench) -> None:
    (bench.folder / "script.py").write_text(SCRIPT)
    bench.call(
        sys.executable,
        "script.py",
        "--api-key",
        "abcd1234efgh",
        DB_PASSWORD=PASSWORD,
        RUNWRAP_MASK="acme-[0-9]+",
    )
    bench.settle()
    disk = on_disk(bench.data)
    assert bench.shown("latest")["facts"]["masked"]["count"] >= 6
    for secret in (TOKEN, PASSWORD, INTERNAL, "abcd1234efgh", "hunter2"):
        assert secret.encode() not in disk


@pytest.mark.parametrize(
    ("options", "variables"), [(["--mask", "("], {}), ([], {"RUNWRAP_MASK": "x\n(a+)+"})]
)
def test_a_bad_pattern_ends_runwrap_before_the_start(
    bench: Bench, options: list[str], variables: dict[str, str]
) -> None:
    said = bench.call("runwrap", *options, "touch", "started", status=2, **variables).decode()
    assert "--mask" in said
    assert "hint: " in said
    assert not (bench.folder / "started").exists()
    assert not list(bench.data.rglob("journal.jsonl"))


def test_scan_says_where_secrets_are_and_not_what_they_are(bench: Bench) -> None:
    shown = bench.run("printf", f"one\n\377two\n{TOKEN}\n")
    journal = Journal(f"{shown['path']}/journal.jsonl")
    seq = journal.append("config", {"values": {"password": "hunter2", "lr": 0.1}})
    lines = scanned(bench)
    about = {"run": shown["id"], "project": shown["project"], "name": shown["name"]}
    assert {**about, "file": "output.log", "line": 3, "kind": "GitHub token"} in lines
    assert {**about, "file": "journal.jsonl", "record": seq, "kind": "password"} in lines
    assert TOKEN not in json.dumps(lines)


def scanned(bench: Bench, *words: str) -> list[dict[str, object]]:
    """Return what `runwrap scan --json` finds, where it finds something."""
    done = subprocess.run(
        ["runwrap", "scan", *words, "--json"], env=bench.environ, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 1, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_scan_is_content_where_there_is_nothing(bench: Bench) -> None:
    bench.run("echo", "hello")
    assert bench.verb("scan") == "no secret was found in 1 run\n"
    assert json.loads(bench.verb("scan", "latest", "--json")) == []
