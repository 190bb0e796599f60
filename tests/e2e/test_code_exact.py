"""What a run keeps of a repository is enough to build the same tree again, byte for byte."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from terminal import need

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(120)

Tree = dict[bytes, tuple[int, bytes]]
BINARY = bytes(range(256)) * 40
ODD = [
    b"with space",
    b"line\nbreak",
    b'tab\t"quoted" back\\slash',
    b"latin \xe9\xff",
    b"-dash",
    "\u00fc".encode(),
]


@pytest.fixture(autouse=True)
def _git() -> None:
    need("git")
    need("tar")


def tree_of(top: Path) -> Tree:
    """Read the files of a tree but for git's: kind and mode as git knows it, and content."""
    found = {}
    for folder, folders, names in os.walk(os.fsencode(top)):
        linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = [name for name in folders if name != b".git"]
        for name in [name for name in [*names, *linked] if name != b".git"]:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            content = os.readlink(path) if stat.S_ISLNK(mode) else Path(os.fsdecode(path)).read_bytes()
            is_executable = 0 if stat.S_ISLNK(mode) else mode & stat.S_IXUSR
            found[os.path.relpath(path, os.fsencode(top))] = (stat.S_IFMT(mode) | is_executable, content)
    return found


def write(top: Path, name: str | bytes, content: bytes = b"text\n", mode: int = 0o644) -> None:
    """Write a file of any name."""
    path = os.path.join(os.fsencode(top), os.fsencode(name))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def rebuild(bench, shown: dict[str, Any], origin: Path, target: Path) -> Tree:
    """Do what docs/record-format.md says, with git and tar alone."""
    git, files = shown["facts"]["git"], Path(shown["path"], "files")
    settings = [word for key, value in git["settings"].items() for word in ("-c", f"{key}={value}")]
    bench.git("clone", "--quiet", "--no-checkout", *settings, origin, target)
    bench.git("checkout", "--quiet", "--detach", git["commit"], cwd=target)
    for each in git["submodules"]:
        folder, _, name = each["path"].rpartition("/")
        while folder and not (target / folder / ".git").exists():
            folder, _, more = folder.rpartition("/")
            name = f"{more}/{name}"
        bench.git("submodule", "--quiet", "update", "--init", "--", name, cwd=target / folder)
        bench.git("checkout", "--quiet", each["commit"], cwd=target / each["path"])
    if git["patch"]:
        bench.git("apply", "--binary", "--whitespace=nowarn", files / git["patch"], cwd=target)
    if git["sparse"]:
        patterns = (files / git["sparse"]).read_bytes()
        words = ["git", "sparse-checkout", "set", "--no-cone", "--stdin"]
        subprocess.run(words, input=patterns, cwd=target, check=True, env=bench.environ)
    if git["archive"]:
        subprocess.run(["tar", "-xzf", files / git["archive"], "-C", target], check=True)
    return tree_of(target)


def proved(bench, tmp_path: Path, top: Path | None = None) -> dict[str, Any]:
    """Run a script in the repository as it is; prove that it can be rebuilt; return the fact."""
    top = top or bench.folder
    before = tree_of(top)
    bench.age()
    shown = bench.run("true", cwd=top)
    assert tree_of(top) == before
    again = rebuild(bench, shown, bench.folder, tmp_path / "again")
    assert {name: again.get(name) for name in before} == before
    assert set(again) == set(before)
    fact: dict[str, Any] = shown["facts"]["git"]
    assert (shown["notices"], fact["left_out"], fact["not_compared"]) == ([], [], [])
    return fact


def binary(bench) -> None:
    write(bench.folder, "changed", BINARY)
    write(bench.folder, "gone", BINARY)
    bench.repository()
    write(bench.folder, "changed", BINARY[::-1])
    (bench.folder / "gone").unlink()
    write(bench.folder, "staged", os.urandom(5000))
    bench.git("add", "staged")
    write(bench.folder, "loose", b"\0" + os.urandom(5000))


def renames(bench) -> None:
    for name in ("old", "case", "into/deep/er", "file", "folder/x"):
        write(bench.folder, name, name.encode() * 100)
    bench.repository()
    bench.git("mv", "old", "new")
    (bench.folder / "case").rename(bench.folder / "CASE")
    bench.git("mv", "into/deep", "elsewhere")
    shutil.rmtree(bench.folder / "folder")
    write(bench.folder, "folder", b"now a file\n")
    (bench.folder / "file").unlink()
    write(bench.folder, "file/now", b"a folder\n")


def modes(bench) -> None:
    write(bench.folder, "to run")
    write(bench.folder, "not to run", mode=0o755)
    bench.repository()
    (bench.folder / "to run").chmod(0o755)
    (bench.folder / "not to run").chmod(0o644)
    write(bench.folder, "loose", mode=0o755)
    write(bench.folder, "staged", mode=0o755)
    bench.git("add", "staged")


def links(bench) -> None:
    write(bench.folder, "file")
    (bench.folder / "link").symlink_to("file")
    (bench.folder / "becomes a file").symlink_to("file")
    (bench.folder / "gone").symlink_to("file")
    bench.repository()
    (bench.folder / "link").unlink()
    (bench.folder / "link").symlink_to("nowhere\nat all")
    (bench.folder / "becomes a file").unlink()
    write(bench.folder, "becomes a file")
    (bench.folder / "gone").unlink()
    (bench.folder / "file").unlink()
    (bench.folder / "file").symlink_to("/etc/passwd")
    (bench.folder / "loose").symlink_to("../outside")
    (bench.folder / "to a folder").symlink_to("/")


def staged_and_not(bench) -> None:
    for name in ("both", "staged", "plain", "gone", "gone from index", "back"):
        write(bench.folder, name, b"1\n2\n3\n")
    bench.repository()
    write(bench.folder, "both", b"staged\n2\n3\n")
    write(bench.folder, "staged", b"staged\n2\n3\n")
    write(bench.folder, "back", b"staged\n")
    write(bench.folder, "staged, then gone", b"x\n")
    write(bench.folder, "new", b"staged\n")
    bench.git("add", ".")
    write(bench.folder, "both", b"staged\n2\nnot staged, no newline")
    write(bench.folder, "plain", b"")
    write(bench.folder, "back", b"1\n2\n3\n")
    write(bench.folder, "new", b"staged\nand more\n")
    (bench.folder / "staged, then gone").unlink()
    (bench.folder / "gone").unlink()
    bench.git("rm", "--quiet", "--cached", "gone from index")
    write(bench.folder, "intended")
    bench.git("add", "--intent-to-add", "intended")


def names(bench) -> None:
    for name in ODD:
        write(bench.folder, name)
        write(bench.folder, b"gone " + name)
    bench.repository()
    for name in ODD:
        write(bench.folder, name, b"changed\ndiff --git a/x b/x\n")
        write(bench.folder, b"loose/" + name + b"/" + name)
        os.unlink(os.path.join(os.fsencode(bench.folder), b"gone " + name))


def line_ends(bench) -> None:
    write(bench.folder, "windows", b"1\r\n2\r\n3\r\n")
    write(bench.folder, "unix", b"1\n2\n3\n")
    bench.repository()
    write(bench.folder, "windows", b"1\r\nchanged\r\n3\r\n")
    write(bench.folder, "unix", b"1\r\n2\n3\r\n")
    write(bench.folder, "loose", b"1\r\n2\n\r")


def automatic(bench) -> None:
    """Leave git to translate, and files that it would not write as they are."""
    for name in ("as git does", "changed", "mixed", "unix", "untouched"):
        write(bench.folder, name, b"1\r\n2\r\n3\r\n")
    write(bench.folder, "binary", BINARY)
    bench.git("init", "--quiet", ".")
    bench.git("config", "core.autocrlf", "true")
    bench.repository()
    write(bench.folder, "changed", b"1\r\nchanged\r\n3\r\n")
    write(bench.folder, "mixed", b"1\r\n2\n3\r\n")
    write(bench.folder, "unix", b"1\n2\n3\n")
    write(bench.folder, "staged", b"new\r\n")
    write(bench.folder, "staged, unix", b"new\n")
    bench.git("add", "staged", "staged, unix")
    write(bench.folder, "loose", b"1\r\n2\n")


def attributes(bench) -> None:
    """Let a file of the repository decide on line endings."""
    write(
        bench.folder, ".gitattributes", b"* text=auto\n*.bat eol=crlf\n*.sh eol=lf\n*.raw -text\n*.txt text\n"
    )
    for end in ("bat", "sh", "raw", "txt", "any"):
        write(bench.folder, f"kept.{end}", b"1\n2\n")
        write(bench.folder, f"windows.{end}", b"1\n2\n")
        write(bench.folder, f"always.{end}", b"1\r\n2\r\n")
    bench.repository()
    for end in ("bat", "sh", "raw", "txt", "any"):
        write(bench.folder, f"windows.{end}", b"1\r\n2\r\n")
        write(bench.folder, f"always.{end}", b"1\r\nchanged\r\n")
        write(bench.folder, f"loose.{end}", b"1\r\n2\n")


def hidden(bench) -> None:
    """Tell git to take changed files for unchanged."""
    for name in ("assumed", "skipped", "same", "link"):
        write(bench.folder, name)
    bench.repository()
    bench.git("update-index", "--assume-unchanged", "assumed", "same", "link")
    bench.git("update-index", "--skip-worktree", "skipped")
    write(bench.folder, "assumed", b"changed\n", mode=0o755)
    write(bench.folder, "skipped", b"changed\r\n")
    (bench.folder / "link").unlink()
    (bench.folder / "link").symlink_to("same")


def conflict(bench) -> None:
    write(bench.folder, "code", b"1\n")
    bench.repository()
    bench.git("checkout", "--quiet", "-b", "other")
    write(bench.folder, "code", b"2\n")
    write(bench.folder, "theirs")
    bench.commit()
    bench.git("checkout", "--quiet", "main")
    write(bench.folder, "code", b"3\n")
    bench.commit()
    bench.call("git", "-c", "user.name=A", "-c", "user.email=a@b", "merge", "other", status=1)


def ignored_once_tracked(bench) -> None:
    write(bench.folder, "model.bin", b"1")
    bench.repository()
    write(bench.folder, ".gitignore", b"*.bin\n")
    write(bench.folder, "model.bin", b"2")


SCENES = [
    *(binary, renames, modes, links, staged_and_not, names, line_ends, automatic, attributes, hidden),
    *(conflict, ignored_once_tracked),
]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_tree_can_be_built_again_from_what_the_run_keeps(
    bench, tmp_path: Path, scene: Callable[[Any], None]
) -> None:
    scene(bench)
    assert proved(bench, tmp_path)["dirty"] is True


@pytest.mark.parametrize("cone", ["--cone", "--no-cone"])
def test_sparse_checkout_is_built_again_as_sparse(bench, tmp_path: Path, cone: str) -> None:
    for name in ("top", "in/code", "in/gone", "out/code", "out/deep/er"):
        write(bench.folder, name)
    bench.repository()
    bench.git("sparse-checkout", "set", cone, "in")
    write(bench.folder, "in/code", b"changed\n")
    (bench.folder / "in/gone").unlink()
    write(bench.folder, "out/loose")
    write(bench.folder, "out/code", b"here all the same\n")
    fact = proved(bench, tmp_path)
    assert fact["sparse"] == "sparse-checkout"
    assert not (tmp_path / "again/out/deep").exists()


def test_worktree_is_built_again_and_not_the_main_tree(bench, tmp_path: Path) -> None:
    bench.repository(code="main\n")
    write(bench.folder, "code", b"changed in the main tree\n")
    side = tmp_path / "side"
    bench.git("worktree", "add", "--quiet", "-b", "side", side)
    write(side, "more")
    bench.commit(cwd=side)
    write(side, "code", b"changed in the worktree\n")
    write(side, "loose", BINARY)
    assert proved(bench, tmp_path, side)["branch"] == "side"


def test_submodules_are_built_again_with_their_own_changes(bench, tmp_path: Path) -> None:
    for name in ("innermost", "inner", "other"):
        (tmp_path / name).mkdir()
        bench.git("init", "--quiet", tmp_path / name)
        write(tmp_path / name, "code", b"1\n2\n")
        write(tmp_path / name, "gone")
        bench.commit(cwd=tmp_path / name)
    bench.git("submodule", "--quiet", "add", tmp_path / "innermost", "deep/est", cwd=tmp_path / "inner")
    bench.commit(cwd=tmp_path / "inner")
    bench.repository(code="1\n")
    for name in ("inner", "other"):
        bench.git("submodule", "--quiet", "add", tmp_path / name, f"sub/{name} of it")
    bench.git("submodule", "--quiet", "update", "--init", "--recursive")
    bench.commit()
    inner = bench.folder / "sub/inner of it"
    for top in (bench.folder, inner, inner / "deep/est"):
        write(top, "code", b"1\nchanged\n")
        write(top, "lo\nose", BINARY)
    (inner / "deep/est/gone").unlink()
    write(tmp_path / "other", "code", b"newer\n")
    moved = bench.commit(cwd=tmp_path / "other")
    bench.git("fetch", "--quiet", cwd=bench.folder / "sub/other of it")
    bench.git("checkout", "--quiet", moved, cwd=bench.folder / "sub/other of it")
    fact = proved(bench, tmp_path)
    assert {each["path"] for each in fact["submodules"]} == {
        *("sub/inner of it", "sub/inner of it/deep/est", "sub/other of it")
    }
    assert {"path": "sub/other of it", "commit": moved} in fact["submodules"]


def test_submodule_that_is_not_there_is_left_alone(bench, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    bench.git("init", "--quiet", tmp_path / "inner")
    bench.commit(cwd=tmp_path / "inner")
    bench.repository()
    bench.git("submodule", "--quiet", "add", tmp_path / "inner", "sub")
    bench.commit()
    bench.git("submodule", "--quiet", "deinit", "--force", "sub")
    assert proved(bench, tmp_path)["submodules"] == []


def test_file_with_a_filter_is_kept_as_it_is(bench, tmp_path: Path) -> None:
    write(bench.folder, ".gitattributes", b"*.big filter=none\n")
    write(bench.folder, "a.big", b"1\n")
    bench.repository()
    write(bench.folder, "a.big", b"2\n")
    bench.age()
    shown = bench.run("true")
    assert shown["facts"]["git"]["not_compared"] == ["a.big"]
    assert rebuild(bench, shown, bench.folder, tmp_path / "again") == tree_of(bench.folder)


def test_what_is_left_out_is_told_with_the_reason(bench) -> None:
    bench.repository(**{".gitignore": "*.tmp\n"})
    write(bench.folder, "a.tmp")
    write(bench.folder, "large", bytes((1 << 20) + 1))
    write(bench.folder, "just fits", os.urandom(1 << 20))
    write(bench.folder, ".env", b"PASSWORD=s3cr3t\n")
    write(bench.folder, "keys/server.pem", b"s3cr3t\n")
    for number in range(12):
        write(bench.folder, f"data/{number:02}", bytes(1_000_000))
    bench.git("init", "--quiet", bench.folder / "nested")
    bench.commit(cwd=bench.folder / "nested")
    os.mkfifo(bench.folder / "pipe")
    bench.age()
    shown = bench.run("true")
    why = {each["name"]: each["why"] for each in shown["facts"]["git"]["left_out"]}
    assert why.pop("large") == "larger than 1 MiB"
    assert why.pop(".env") == why.pop("keys/server.pem") == "named like a secret"
    assert why.pop("nested/") == "a repository of its own"
    assert set(why.values()) == {"the archive is full"}
    assert set(why) == {"data/10", "data/11", "just fits"}
    with tarfile.open(Path(shown["path"], "files", "untracked.tar.gz")) as packed:
        assert packed.getnames() == [f"data/{number:02}" for number in range(10)]
    for path in Path(shown["path"]).rglob("*"):
        assert path.is_dir() or b"s3cr3t" not in path.read_bytes()


def test_list_of_what_is_left_out_is_bounded(bench) -> None:
    write(bench.folder, ".gitattributes", b"* text=auto\n")
    for end in (b"\n", b"\r\n"):
        for number in range(1010):
            write(bench.folder, f"{number:04}.pem", b"1" + end)
        if end == b"\n":
            bench.repository()
    bench.age()
    shown = bench.run("true")
    git = shown["facts"]["git"]
    assert [each["why"] for each in git["left_out"]] == ["named like a secret"] * 1000
    assert [notice["text"] for notice in shown["notices"]] == [
        "Of 1010 files that were left out the first 1000 are listed."
    ]


def test_what_the_script_makes_is_not_in_the_archive(bench) -> None:
    bench.repository()
    write(bench.folder, "before", b"mine\n")
    bench.age()
    shown = bench.run("sh", "-c", "echo by the script >made; echo by the script >>before")
    archive = shown["facts"]["git"]["archive"]
    assert "made" not in shown["facts"]["git"]["untracked"]
    if archive:
        with tarfile.open(Path(shown["path"], "files", archive)) as packed:
            assert [packed.extractfile(each).read() for each in packed] == [b"mine\n"]


def test_same_files_make_the_same_archive(bench) -> None:
    bench.repository()
    write(bench.folder, "loose")
    bench.age()
    digests = {
        each["sha256"] for _ in range(2) for each in bench.run("true")["files"] if "tar" in each["path"]
    }
    assert len(digests) == 1
