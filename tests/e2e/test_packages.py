"""The packages are those of the environment that uv, poetry, pipenv, pyenv and conda choose; locks and scripts are kept."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from terminal import need

pytestmark = pytest.mark.timeout(180)

PROJECT = '[project]\nname = "proj"\nversion = "0.1"\nrequires-python = ">=3.10"\n'
SAY = "import sys; print(sys.prefix, file=open('said', 'w'))"
PYENV = Path(os.environ.get("PYENV_ROOT") or "/root/.pyenv")


def proved(bench, *words: str) -> dict[str, Any]:
    """Run a command that writes down where its Python lives; prove that it is the one that is recorded."""
    shown = bench.run(*words)
    said = (bench.folder / "said").read_text().strip()
    fact: dict[str, Any] = shown["facts"]["packages"]
    assert Path(fact["interpreter"]).parent.parent == Path(said)
    return shown


@pytest.fixture
def uv(bench):
    """Give a home and a cache of its own to uv, which finds no network."""
    need("uv")
    home = bench.folder.parent / "home"
    bench.environ |= {
        "HOME": str(home),
        "UV_OFFLINE": "1",
        "UV_PYTHON": os.path.realpath(sys.executable),
        "UV_CACHE_DIR": str(home / "cache"),
    }
    return bench


def test_uv_run_uses_the_environment_of_the_project(uv) -> None:
    (uv.folder / "pyproject.toml").write_text(PROJECT)
    uv.call("uv", "sync", "-q")
    uv.desk.script("say.py", SAY)
    for words in (["python", "-c", SAY], ["say.py"], ["-q", "--", "python", "say.py"]):
        shown = proved(uv, "uv", "run", *words)
        assert shown["facts"]["locks"] == {"captured/uv.lock": str(uv.folder / "uv.lock")}
        kept = Path(shown["path"], "files/captured/uv.lock")
        assert kept.read_bytes() == (uv.folder / "uv.lock").read_bytes()


def test_uv_run_uses_an_environment_around_where_there_is_no_project(uv) -> None:
    uv.call("uv", "venv", "-q", ".venv")
    del uv.environ["UV_PYTHON"]
    proved(uv, "uv", "run", "python", "-c", SAY)


def test_uv_run_uses_the_environment_that_the_script_asks_for(uv) -> None:
    (uv.folder / "pyproject.toml").write_text(PROJECT)
    uv.call("uv", "sync", "-q")
    uv.desk.script("say.py", f"# /// script\n# dependencies = []\n# ///\n{SAY}\n")
    uv.call("uv", "run", "-q", "say.py")
    shown = proved(uv, "uv", "run", "say.py")
    assert "/.venv/" not in shown["facts"]["packages"]["interpreter"]


@pytest.mark.parametrize(
    ("manager", "words"), [("poetry", ["install", "-q"]), ("pipenv", ["--site-packages"])]
)
def test_managers_that_keep_environments_elsewhere_are_followed(
    bench, manager: str, words: list[str]
) -> None:
    need(manager)
    bench.environ["HOME"] = str(bench.folder.parent / "home")
    (bench.folder / "pyproject.toml").write_text(
        '[tool.poetry]\nname = "My Proj"\nversion = "0"\npackage-mode = false\n'
        '[tool.poetry.dependencies]\npython = ">=3.10"\n'
    )
    if manager == "pipenv":
        (bench.folder / "Pipfile").write_text("[packages]\n")
    bench.call(manager, *words)
    proved(bench, manager, "run", "python", "-c", SAY)


def test_pyenv_shim_stands_for_what_pyenv_starts(bench) -> None:
    if not (PYENV / "shims/python").exists():
        pytest.skip("pyenv is not installed here")
    bench.environ["PATH"] = f"{PYENV}/shims:{PYENV}/bin:/usr/bin:/bin"
    bench.environ["PYENV_ROOT"] = str(PYENV)
    for version in sorted(path.name for path in (PYENV / "versions").glob("3.*"))[:3]:
        (bench.folder / ".python-version").write_text(version + "\n")
        proved(bench, "python", "-c", SAY)


def test_conda_environment_is_kept_as_an_explicit_list(bench) -> None:
    """A folder stands in for conda, which is not installed here."""
    prefix = bench.folder.parent / "conda/envs/deep"
    bench.call(sys.executable, "-m", "venv", "--without-pip", prefix)
    (prefix / "conda-meta").mkdir()
    packages = {
        "zlib-1.3-0": {
            "url": "https://user:s3cr3t@host.example/t/s3cr3t/linux-64/zlib-1.3-0.conda",
            "md5": "ab12",
        },
        "numpy-2.0-0": {"url": "https://host.example/linux-64/numpy-2.0-0.conda"},
        "odd": ["no", "object"],
    }
    for name, value in packages.items():
        (prefix / f"conda-meta/{name}.json").write_text(json.dumps(value))
    (prefix / "conda-meta/broken.json").write_text("{")
    shown = bench.run(prefix / "bin/python", "-c", "pass")
    assert shown["facts"]["packages"]["conda"] == "conda-explicit.txt"
    assert Path(shown["path"], "files/conda-explicit.txt").read_text() == (
        "@EXPLICIT\nhttps://host.example/linux-64/numpy-2.0-0.conda\n"
        "https://host.example/linux-64/zlib-1.3-0.conda#ab12\n"
    )


def test_lock_files_of_the_folder_and_of_the_script_are_kept(bench) -> None:
    script = bench.folder.parent / "elsewhere/deep/x.py"
    script.parent.mkdir(parents=True)
    script.write_text("pass\n")
    (bench.folder.parent / "elsewhere/renv.lock").write_text("{}\n")
    (bench.folder / "package-lock.json").write_text("{}\n")
    (bench.folder / "Manifest.toml").symlink_to("/dev/zero")
    (bench.folder.parent / "uv.lock").write_text("not of this project\n")
    shown = bench.run(sys.executable, script)
    assert shown["facts"]["locks"] == {
        "captured/package-lock.json": str(bench.folder / "package-lock.json"),
        "captured/renv.lock": str(bench.folder.parent / "elsewhere/renv.lock"),
    }
    paths = {each["path"] for each in shown["files"]}
    assert {"captured/package-lock.json", "captured/renv.lock"} < paths


@pytest.mark.parametrize(
    "line",
    [
        "python train.py --lr 0.1",
        "python -u -X dev -W ignore train.py",
        "python -m train",
        "./train.py",
        "nice -n 1 env A=b python train.py",
        "bash -c 'cd . && python ./train.py'",
        "sh train.py",
    ],
)
def test_main_script_is_kept_where_no_repository_has_it(bench, line: str) -> None:
    bench.desk.script("train.py", "#!/usr/bin/env python\nNone\n").chmod(0o755)
    bench.age()
    bench.call("sh", "-c", f"runwrap {line}; exit 0")
    bench.settle()
    shown = bench.shown("latest")
    assert shown["facts"]["code"] == {"script": str(bench.folder / "train.py"), "path": "captured/train.py"}
    assert Path(shown["path"], "files/captured/train.py").read_text() == "#!/usr/bin/env python\nNone\n"


def test_main_script_is_not_copied_where_a_repository_has_it(bench) -> None:
    bench.repository(**{"train.py": "pass\n"})
    bench.age()
    assert "code" not in bench.run("python", "train.py")["facts"]


@pytest.mark.parametrize("content", [b"\0binary", b"#" * (1 << 20) + b"\n", b""])
def test_script_that_is_large_or_no_text_is_named_and_not_copied(bench, content: bytes) -> None:
    (bench.folder / "x").write_bytes(content)
    bench.age()
    shown = bench.run("sh", "-c", "exec sh x", status=0 if b"\0" not in content else 127)
    assert shown["facts"]["code"]["path"] is None


def test_copy_does_not_leave_the_run_by_a_link_of_the_scripts(bench) -> None:
    outside = bench.folder.parent / "outside"
    outside.mkdir()
    bench.desk.script("x.sh", f'ln -s {outside} "$RUNWRAP_FILES/captured"\n')
    bench.age()
    bench.run("sh", "x.sh")
    assert list(outside.iterdir()) == []


def test_programs_of_the_system_are_nobodys_code(bench) -> None:
    assert "code" not in bench.run("/bin/sh", "-c", "true")["facts"]
    assert "code" not in bench.run(shutil.which("true"))["facts"]
