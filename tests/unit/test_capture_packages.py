"""The packages are those of the interpreter that the command uses, in the words of pip."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from runwrap.capture.address import without_credentials
from runwrap.capture.code.far_environment import cached_environment
from runwrap.capture.distributions import requirements
from runwrap.capture.interpreter import find_python
from runwrap.capture.site_folders import Site, find_site


def program(path: Path, text: str = "\x7fELF") -> str:
    """Write something that can be executed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Make a folder to work in, with a python on the PATH and another one in a project's environment."""
    program(tmp_path / "bin/python3")
    program(tmp_path / "bin/python")
    program(tmp_path / "project/.venv/bin/python")
    program(tmp_path / "conda/envs/deep/bin/python")
    program(tmp_path / "project/tool", f"#!{tmp_path}/bin/python3 -u\n")
    program(tmp_path / "project/env tool", "#!/usr/bin/env python3\n")
    program(tmp_path / "project/split tool", "#!/usr/bin/env -S X=1 python3 -u\n")
    program(
        tmp_path / "project/long tool",
        f"#!/bin/sh\n'''exec' \"{tmp_path}/bin/python3\" \"$0\" \"$@\"\n' '''\n",
    )
    program(tmp_path / "project/shell tool", "#!/bin/sh\npython x.py\n")
    program(tmp_path / "project/loop", "#!/usr/bin/env loop\n")
    program(tmp_path / "project/ls", "\x7fELF")
    (tmp_path / "project/pyproject.toml").touch()
    (tmp_path / "project/sub").mkdir()
    return tmp_path


def found(here: Path, *argv: str, **environ: str) -> str | None:
    """Find the interpreter of a command, relative to the folder."""
    surroundings = {"PATH": f"{here}/bin:.", "CONDA_EXE": f"{here}/conda/bin/conda", **environ}
    python = find_python(list(argv), str(here / "project"), surroundings)
    return os.path.relpath(python.path, here) if python else None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["python", "x.py"], "bin/python"),
        (["python3", "-m", "x"], "bin/python3"),
        ([".venv/bin/python", "x.py"], "project/.venv/bin/python"),
        (["./tool"], "bin/python3"),
        (["tool"], "bin/python3"),
        (["env tool"], "bin/python3"),
        (["split tool"], "bin/python3"),
        (["long tool"], "bin/python3"),
        (["env", "-u", "X", "A=1", "python", "x.py"], "bin/python"),
        (["env", "PATH=.venv/bin", "python"], "project/.venv/bin/python"),
        (["env", "-C", ".venv/bin", "./python"], "project/.venv/bin/python"),
        (["nice", "-n", "5", "timeout", "-k", "1", "10", "stdbuf", "-oL", "python3"], "bin/python3"),
        (["nohup", "time", "-f", "%e", "setsid", "-w", "python"], "bin/python"),
        (["taskset", "-c", "0", "python"], "bin/python"),
        (["srun", "-n", "4", "--gpus=1", "python3", "x.py"], "bin/python3"),
        (["mpirun", "-np", "2", "x.py"], "bin/python"),
        (["bash", "-c", "python x.py"], "bin/python"),
        (["sh", "-ec", "cd sub && A=1 python3 'x y.py' > log"], "bin/python3"),
        (["bash", "-c", "source .venv/bin/activate; python x.py"], "project/.venv/bin/python"),
        (["bash", "-lc", "cd .venv; exec bin/python x.py"], "project/.venv/bin/python"),
        (["uv", "run", "--with", "numpy", "python", "x.py"], "project/.venv/bin/python"),
        (["uv", "run", "x.py"], "project/.venv/bin/python"),
        (["poetry", "run", "python", "x.py"], "project/.venv/bin/python"),
        (["conda", "run", "-n", "deep", "--no-capture-output", "python"], "conda/envs/deep/bin/python"),
        (["conda", "run", "-p", "../conda/envs/deep", "python"], "conda/envs/deep/bin/python"),
        (["true"], None),
        (["ls"], None),
        (["./shell tool"], None),
        (["./loop"], None),
        (["not there"], None),
        (["sub"], None),
        (["bash", "-c", "echo 'not closed"], None),
        (["bash", "script.sh"], None),
        (["env"], None),
        (["env", "-S"], None),
        (["nice"], None),
        (["uv", "pip", "list"], None),
        (["a\0b"], None),
        (["sh", "-c", "sh -c 'sh -c \"python x.py\"'"], "bin/python"),
    ],
)
def test_interpreter_is_the_one_that_the_command_uses(
    here: Path, line: list[str], expected: str | None
) -> None:
    assert found(here, *line) == expected


def test_pyenv_shim_stands_for_the_version_that_pyenv_would_choose(here: Path) -> None:
    shim = program(here / "pyenv/shims/python", "#!/usr/bin/env bash\n")
    for version in ("3.9.1", "3.12.2", "3.12.10"):
        program(here / f"pyenv/versions/{version}/bin/python")
    path = f"{here}/pyenv/shims:{here}/bin"
    (here / "pyenv/version").write_text("3.9.1\n")
    assert found(here, "python", PATH=path) == "pyenv/versions/3.9.1/bin/python"
    (here / "project/.python-version").write_text("# comment\n3.12\n")
    assert found(here, "python", PATH=path) == "pyenv/versions/3.12.10/bin/python"
    assert (
        found(here, "python", PATH=path, PYENV_VERSION="3.12.2:3.9.1") == "pyenv/versions/3.12.2/bin/python"
    )
    assert found(here, "python", PATH=path, PYENV_VERSION="system") == "bin/python"
    assert found(here, "python", PATH=path, PYENV_VERSION="none") == os.path.relpath(shim, here)


@pytest.mark.parametrize(
    ("manager", "folder", "store", "name"),
    [
        # Both names were given by the managers themselves, to projects in these folders.
        ("poetry", "/tmp/ph/po", ".cache/pypoetry/virtualenvs", "my_proj-x-GyZh3UU_-py3.11"),
        ("pipenv", "/tmp/ph/pi", ".local/share/virtualenvs", "pi-7hypgMKF"),
    ],
)
def test_environment_outside_of_the_project_is_found(
    tmp_path: Path, manager: str, folder: str, store: str, name: str
) -> None:
    expected = tmp_path / store / name
    expected.mkdir(parents=True)
    (tmp_path / store / "other-AAAAAAAA-py3.11").mkdir()
    assert cached_environment(manager, folder, {"HOME": str(tmp_path)}) == str(expected)
    assert cached_environment(manager, "/tmp/ph/other", {"HOME": str(tmp_path)}) is None
    assert cached_environment(manager, folder, {"HOME": "/nowhere"}) is None


def test_conda_environment_is_found_in_each_of_its_stores(here: Path) -> None:
    program(here / "home/.conda/envs/mine/bin/python")
    program(here / "envs/theirs/bin/python")
    given = {"HOME": f"{here}/home", "CONDA_ENVS_PATH": f"{here}/none:{here}/envs"}
    assert found(here, "conda", "run", "-n", "mine", "python", **given) == "home/.conda/envs/mine/bin/python"
    assert found(here, "mamba", "run", "-n", "theirs", "python", **given) == "envs/theirs/bin/python"
    assert found(here, "conda", "run", "-n", "gone", "python", **given) is None


# The least that pip accepts as a package that can be installed as editable.
BACKEND = """
import zipfile
def build_editable(folder, *_):
    info = "mine-1.0.dist-info/"
    with zipfile.ZipFile(folder + "/mine-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: Mine\\nVersion: 1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return "mine-1.0-py3-none-any.whl"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a real virtual environment with pip, an editable install, and packages from elsewhere."""
    folder = tmp_path_factory.mktemp("real")
    venv.create(folder / "env", with_pip=True, symlinks=True)
    site = next((folder / "env/lib").glob("python*")) / "site-packages"
    source = folder / "source of mine"
    source.mkdir()
    (source / "backend.py").write_text(BACKEND)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    options = ["--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check"]
    python = str(folder / "env/bin/python")
    subprocess.run([python, "-m", "pip", "install", *options, "--editable", str(source)], check=True)
    origins: dict[str, dict[str, object] | None] = {
        "Some_Thing": {
            "url": "https://example.org/some.git",
            "vcs_info": {"vcs": "git", "commit_id": "a" * 40},
            "subdirectory": "sub",
        },
        "archive.d": {
            "url": "https://example.org/a.zip",
            "archive_info": {"hash": "sha256=" + "b" * 64, "hashes": {"sha256": "b" * 64}},
        },
        "local": {"url": source.as_uri(), "dir_info": {}},
        "plain": None,
    }
    for name, origin in origins.items():
        info = site / f"{name.lower()}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\nName: wrong\n")
        (info / "INSTALLER").write_text("pip\n")
        if origin:
            (info / "direct_url.json").write_text(json.dumps(origin))
    (site / "~ip-1.0.dist-info").mkdir()
    old = folder / "old"
    (old / "old.egg-info").mkdir(parents=True)
    (old / "old.egg-info/PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 0.1\n")
    (site / "old.egg-link").write_text(f"{old}\n.")
    return folder / "env"


def site_of(python: str, cwd: str, environ: dict[str, str], *, is_shim: bool = False) -> Site:
    """Find the packages of an interpreter that has some."""
    site = find_site(python, cwd, environ, is_shim)
    assert site is not None
    return site


def freeze(python: Path) -> list[str]:
    """Ask pip itself."""
    command = [str(python), "-I", "-m", "pip", "--disable-pip-version-check", "freeze", "--all"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    return done.stdout.splitlines()


def test_requirements_are_what_pip_freeze_says(environment: Path) -> None:
    site = site_of(str(environment / "bin/python"), "/", {})
    lines = [line for each in requirements(site.folders) for line in each.splitlines()]
    assert lines == freeze(environment / "bin/python")
    assert site.version == ".".join(map(str, sys.version_info[:3]))


def test_installed_python_gives_the_same_as_pip(tmp_path: Path) -> None:
    """The interpreter that runs the tests, found from outside of its environment too."""
    real = os.path.realpath(sys.executable)
    site = site_of(real, "/", {"HOME": str(tmp_path)})
    asked = site_of(real, "/", {"HOME": str(tmp_path)}, is_shim=True)
    assert requirements(site.folders) == requirements(asked.folders)
    assert site.version.split(".")[:2] == asked.version.split(".")[:2]


def test_system_packages_count_where_the_environment_includes_them(environment: Path, tmp_path: Path) -> None:
    copy = tmp_path / "env"
    shutil.copytree(environment, copy, symlinks=True)
    settings = (copy / "pyvenv.cfg").read_text()
    (copy / "pyvenv.cfg").write_text(settings.replace("packages = false", "packages = true"))
    alone = site_of(str(environment / "bin/python"), "/", {})
    both = site_of(str(copy / "bin/python"), "/", {})
    assert len(both.folders) > len(alone.folders)


def test_paths_of_the_environment_variable_come_first(environment: Path, tmp_path: Path) -> None:
    info = tmp_path / "extra/plain-2.0.dist-info"
    info.mkdir(parents=True)
    site = site_of(str(environment / "bin/python"), str(tmp_path), {"PYTHONPATH": "extra:"})
    assert "plain==2.0" in requirements(site.folders)
    assert "plain==1.0" not in requirements(site.folders)


def test_interpreter_that_cannot_be_read_or_asked_is_none(tmp_path: Path) -> None:
    broken = program(tmp_path / "bin/python", "#!/bin/sh\nexit 1\n")
    assert find_site(broken, "/", {}, True) is None
    silent = program(tmp_path / "bin/python9", "#!/bin/sh\n")
    assert find_site(silent, "/", {}, True) is None


def test_hostile_metadata_neither_stops_nor_enters_the_list(tmp_path: Path) -> None:
    def make(name: str, content: bytes | None = None) -> Path:
        info = tmp_path / f"{name}.dist-info"
        info.mkdir()
        if content is not None:
            (info / "METADATA").write_bytes(content)
        return info

    (make("folder-1.0") / "METADATA").mkdir()
    (make("loop-1.0") / "METADATA").symlink_to("METADATA")
    os.mkfifo(make("fifo-1.0") / "METADATA")
    make("binary-1.0", os.urandom(100_000))
    make("huge-1.0", b"Name: huge\nVersion: 2.0\n" + b"X: y\n" * 2_000_000)
    make("line-1.0", b"Name: line\r\nVersion: 1.0 ; import os\n")
    make("nothing")
    (make("url-1.0") / "direct_url.json").write_text('{"url": "https://u:p@example.org/a\\nb"}')
    (make("json-1.0") / "direct_url.json").write_text("[" * 100_000)
    (make("list-1.0") / "direct_url.json").write_text('{"url": 1, "dir_info": [], "vcs_info": 2}')
    (make("secret-1.0") / "direct_url.json").write_text(
        '{"url": "https://u:p@example.org/a.zip", "archive_info": 3, "subdirectory": 4}'
    )
    (tmp_path / "linked.egg-link").symlink_to("linked.egg-link")
    (tmp_path / "empty.egg-link").touch()
    assert requirements([str(tmp_path), str(tmp_path / "none")]) == [
        "binary==1.0",
        "fifo==1.0",
        "folder==1.0",
        "huge==2.0",
        "json==1.0",
        "line==1.0",
        "list==1.0",
        "loop==1.0",
        "secret @ https://example.org/a.zip",
        "url==1.0",
    ]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/a.git", "https://example.org/a.git"),
        ("https://token@example.org/a.git", "https://example.org/a.git"),
        ("https://me:se@cret@example.org:8443/a.git", "https://example.org:8443/a.git"),
        ("https://me:se/cret@example.org/a.git", "https://example.org/a.git"),
        ("https://me:se?cret#x@example.org/a.git", "https://example.org/a.git"),
        ("https://example.org/a.git?private_token=x#y", "https://example.org/a.git"),
        ("ssh://git@example.org:22/a.git", "ssh://git@example.org:22/a.git"),
        ("ssh://git:secret@example.org/a.git", "ssh://example.org/a.git"),
        ("https://[::1]:80/a", "https://[::1]:80/a"),
        ("git@example.org:me/a.git", "git@example.org:me/a.git"),
        ("me:secret@example.org:a.git", "example.org:a.git"),
        ("/srv/a@b.git", "/srv/a@b.git"),
        ("file:///srv/a#b", "file:///srv/a#b"),
        ("ext::ssh -i secret %S", "ext::"),
        ("hg::https://me:secret@example.org/a", "hg::https://example.org/a"),
        ("", ""),
    ],
)
def test_addresses_lose_their_credentials_and_nothing_else(address: str, expected: str) -> None:
    assert without_credentials(address) == expected


def test_real_interpreters_of_this_machine_are_found() -> None:
    """Whatever `python3` is here, its packages are found without asking it."""
    python = find_python(["python3"], "/", dict(os.environ))
    assert python is not None
    site = site_of(python.path, "/", dict(os.environ), is_shim=python.is_shim)
    assert all(Path(folder).is_dir() for folder in site.folders)
