"""A script finds us also where the installation cannot be written to, and nobody else can put himself there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from interpreters import since

from runwrap.launch import injection

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN = str(Path(injection.PACKAGE, injection.BOOT))
NOBODY = 65534
ASK = "import runwrap, runwrap.inject.api as api; print(runwrap.__file__, api.__file__)"


def boot_of(folder: Path) -> str:
    """Return our folder for a PYTHONPATH, with a cache folder."""
    return injection.boot_folder({b"XDG_CACHE_HOME": os.fsencode(folder)})


def tree(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder, without bytecode."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an installation of our own that says to be read-only, also to root."""
    folder = tmp_path / "site-packages/runwrap"
    shutil.copytree(injection.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(injection, "PACKAGE", str(folder))
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: not str(path).startswith(str(folder)) and access(path, mode)
    )
    return folder


@pytest.mark.parametrize(
    ("old", "rest"),
    [
        (None, b""),
        (b"", b""),
        (b"/a", b":/a"),
        (b"/a:", b":/a:"),
        (b":/a", b"::/a"),
        (b":", b"::"),
        (os.fsencode(OWN), b""),
        (os.fsencode(OWN) + b":/a", b":/a"),
        (b"\xff:" + os.fsencode(OWN), b":\xff"),
    ],
)
def test_pythonpath_gets_one_folder_and_keeps_what_it_has(old: bytes | None, rest: bytes) -> None:
    environ = {} if old is None else {b"PYTHONPATH": old}
    assert injection.injected(environ) == {b"PYTHONPATH": os.fsencode(OWN) + rest}


def test_an_installation_that_can_be_written_to_is_used_itself(tmp_path: Path) -> None:
    assert boot_of(tmp_path / "cache") == OWN
    assert not (tmp_path / "cache").exists()


def test_one_that_cannot_is_copied_once_and_whole(package: Path, tmp_path: Path) -> None:
    boot = boot_of(tmp_path / "cache")
    copy = Path(boot).parents[1]
    assert copy.is_relative_to(tmp_path / "cache/runwrap")
    assert tree(copy / "inject") == tree(package / "inject")
    assert set(tree(copy)) == {"__init__.py", *(f"inject/{name}" for name in tree(package / "inject"))}
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}
    assert boot_of(tmp_path / "cache") == boot
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before
    assert all(path.stat().st_mode & 0o077 == 0 for path in (copy.parent, *copy.parents[1:2]))


@pytest.mark.parametrize("python", since((3, 6))[:1] + since((3, 7))[-1:], ids=lambda python: python.name)
def test_the_copy_is_all_that_a_script_needs(package: Path, tmp_path: Path, python: object) -> None:
    boot = boot_of(tmp_path / "cache")
    shutil.rmtree(package)
    path = python.path  # type: ignore[attr-defined]  # an Interpreter
    # In another folder than ours: a runwrap beside the script would win.
    done = subprocess.run(
        [path, "-c", ASK], env={"PYTHONPATH": boot}, cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert all(word.startswith(os.fsencode(Path(boot).parents[1])) for word in done.stdout.split())


def test_another_version_makes_another_copy(package: Path, tmp_path: Path) -> None:
    old = boot_of(tmp_path / "cache")
    (package / "inject/finder.py").write_text((package / "inject/finder.py").read_text() + "\n# newer\n")
    new = boot_of(tmp_path / "cache")
    assert new != old
    assert Path(old, "sitecustomize.py").exists()
    assert Path(new).parent.joinpath("finder.py").read_text().endswith("# newer\n")


@pytest.mark.usefixtures("package")
def test_a_damaged_copy_is_made_whole(tmp_path: Path) -> None:
    boot = boot_of(tmp_path / "cache")
    copy = Path(boot).parents[1]
    whole = tree(copy)
    (copy / "inject/finder.py").write_text("half")
    (copy / "__init__.py").unlink()
    shutil.rmtree(copy / "inject/channel")
    assert boot_of(tmp_path / "cache") == boot
    assert tree(copy) == whole


@pytest.mark.usefixtures("package")
def test_many_starts_at_once_make_one_whole_copy(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: boot_of(tmp_path / "cache"), range(16)))
    assert len(found) == 1
    copy = Path(found.pop()).parents[1]
    assert tree(copy / "inject") == tree(Path(injection.PACKAGE, "inject"))
    assert len(list(copy.parents[1].iterdir())) == 1


def give_away(folder: Path) -> None:
    """Give a folder to another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(folder, NOBODY, NOBODY)


def link_to_other(folder: Path) -> None:
    """Put a link in the place of a folder, to one that another user owns."""
    folder.rmdir()
    (folder.parent / "other").mkdir()
    give_away(folder.parent / "other")
    folder.symlink_to(folder.parent / "other")


def put_a_file(folder: Path) -> None:
    """Put a file in the place of a folder."""
    folder.rmdir()
    folder.write_text("")


HOSTILE = {
    "open to all": lambda folder: folder.chmod(0o777),
    "open to a group": lambda folder: folder.chmod(0o770),
    "another user's": give_away,
    "a link to another user's": link_to_other,
    "a file": put_a_file,
}


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_folder_that_others_could_write_into_is_not_used(tmp_path: Path, what: str, depth: int) -> None:
    place = Path(boot_of(tmp_path / "cache")).parents[2]
    folder = [place, place.parent, place.parent.parent][depth]
    shutil.rmtree(folder)
    folder.mkdir(0o700)
    HOSTILE[what](folder)
    assert boot_of(tmp_path / "cache") == os.path.join(injection.PACKAGE, injection.BOOT)


@pytest.mark.usefixtures("package")
def test_the_cache_folder_is_where_the_user_keeps_such_things(tmp_path: Path) -> None:
    home = os.fsencode(tmp_path / "home")
    own = os.path.join(injection.PACKAGE, injection.BOOT)

    def boot(**environ: bytes) -> str:
        return injection.boot_folder({os.fsencode(name): value for name, value in environ.items()})

    assert boot(HOME=home) == own, "a home that is not there is not made"
    assert not (tmp_path / "home").exists()
    (tmp_path / "home").mkdir()
    for environ in ({}, {"HOME": b""}, {"HOME": b"home"}, {"XDG_CACHE_HOME": home + b":x"}):
        assert boot(**environ) == own, environ
    kept = str(tmp_path / "home/.cache/runwrap")
    for word in (b"", b"relative"):
        assert boot(HOME=home, XDG_CACHE_HOME=word).startswith(kept)
    assert boot(HOME=home, XDG_CACHE_HOME=home).startswith(str(tmp_path / "home/runwrap"))


def test_a_colon_in_our_own_path_makes_a_copy_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a:b/runwrap"
    shutil.copytree(injection.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(injection, "PACKAGE", str(folder))
    found = injection.injected({b"XDG_CACHE_HOME": os.fsencode(tmp_path / "cache")})
    assert found[b"PYTHONPATH"].startswith(os.fsencode(tmp_path / "cache/runwrap/inject-"))
    assert injection.injected({}) == {}


@pytest.fixture
def place_for_nobody() -> Iterator[Path]:
    """Give a folder that other users can look into."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_than_the_one_who_installed_it(place_for_nobody: Path) -> None:
    shutil.copytree(injection.PACKAGE, place_for_nobody / "runwrap")
    (place_for_nobody / "home").mkdir()
    os.chown(place_for_nobody / "home", NOBODY, NOBODY)

    def as_nobody(python: str, code: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-c", code],
            env={"HOME": str(place_for_nobody / "home"), **environ},
            cwd=place_for_nobody,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )

    usable = [python.path for python in since((3, 10)) if os.access(python.path, os.X_OK)]
    for python in usable:
        try:
            done = as_nobody(
                python,
                "import os; from runwrap.launch import injection as i; print(i.boot_folder(os.environb))",
            )
        except PermissionError:
            continue
        boot = done.stdout.strip()
        assert boot.startswith(str(place_for_nobody / "home/.cache/runwrap/")), done.stderr
        asked = as_nobody(
            python, "import os; os.chdir('/')\n" + ASK.replace("runwrap,", "runwrap,"), PYTHONPATH=boot
        )
        assert asked.returncode == 0, asked.stderr
        assert list(Path(boot).parent.glob("__pycache__/finder.*.pyc")), "bytecode is kept"
        return
    pytest.skip(f"no Python that other users can run, only {sys.executable}")
