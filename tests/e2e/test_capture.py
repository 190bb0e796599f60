"""The code that a run was made with, as the script found it, from the `runwrap` that people call."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest
from terminal import need

pytestmark = pytest.mark.timeout(120)

ODD = "with space, \u00fcml\u00e4ut\nand newline"


@pytest.fixture(autouse=True)
def _git() -> None:
    need("git")


def tree_of(top: Path) -> dict[str, tuple[int, bytes]]:
    """Read the files of a tree but for git's: modes as git knows them, and contents."""
    found = {}
    for path in top.rglob("*"):
        if ".git" not in path.relative_to(top).parts and not path.is_dir():
            mode = path.lstat().st_mode
            content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(top))] = (stat.S_IFMT(mode) | mode & stat.S_IXUSR, content)
    return found


def test_commit_branch_and_clean_tree_are_told(bench) -> None:
    commit = bench.repository(code="1\n")
    bench.age()
    shown = bench.run("cat", "code")
    git = shown["facts"]["git"]
    assert (git["commit"], git["branch"], git["remote"]) == (commit, "main", None)
    assert (git["dirty"], git["patch"], git["untracked"]) == (False, None, [])
    assert shown["notices"] == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://user:s3cr3t@host.example/a/b.git", "https://host.example/a/b.git"),
        ("https://s3cr3t@host.example/b.git", "https://host.example/b.git"),
        ("https://host.example/b.git?private_token=s3cr3t", "https://host.example/b.git"),
        ("ssh://git:s3cr3t@host.example/b.git", "ssh://host.example/b.git"),
        ("git@host.example:a/b.git", "git@host.example:a/b.git"),
    ],
)
def test_remote_is_kept_without_its_credentials(bench, given: str, kept: str) -> None:
    bench.repository()
    bench.git("remote", "add", "origin", given)
    shown = bench.run("true")
    assert shown["facts"]["git"]["remote"] == kept
    bench.verb("runs")
    for path in bench.data.rglob("*"):
        assert path.is_dir() or b"s3cr3t" not in path.read_bytes(), path


def test_patch_restores_the_tree_onto_a_clean_clone(bench, tmp_path: Path) -> None:
    top = bench.folder
    for name in ("text", "windows", "binary", "deleted", "mode", "folder/deep", ODD, "kept"):
        (top / name).parent.mkdir(exist_ok=True)
        (top / name).write_text(f"{name}\nsecond\nthird\n")
    (top / "windows").write_bytes(b"one\r\ntwo\r\n")
    (top / "binary").write_bytes(bytes(range(256)) * 40)
    (top / "link").symlink_to("text")
    commit = bench.repository()
    (top / "text").write_text("text\nchanged\nno newline at the end")
    (top / "windows").write_bytes(b"one\r\nchanged\r\n\r\n")
    (top / "binary").write_bytes(bytes(reversed(range(256))) * 41)
    (top / "deleted").unlink()
    (top / "mode").chmod(0o755)
    (top / ODD).write_bytes(b"\xff\xfe not text \x00\n")
    (top / "link").unlink()
    (top / "link").symlink_to("elsewhere")
    shutil.rmtree(top / "folder")
    (top / "staged only").write_bytes(b"new\r\n")
    bench.git("add", "staged only")
    bench.age()
    shown = bench.run("cat", "kept")
    git = shown["facts"]["git"]
    assert (git["dirty"], git["patch"], git["untracked"]) == (True, "diff.patch", [])
    assert shown["notices"] == []
    clone = tmp_path / "clone"
    bench.git("clone", "--quiet", top, clone)
    bench.git("checkout", "--quiet", "--detach", commit, cwd=clone)
    bench.git("apply", "--binary", Path(shown["path"], "files", "diff.patch"), cwd=clone)
    assert tree_of(clone) == tree_of(top)


def test_tree_is_the_one_that_the_script_found(bench) -> None:
    commit = bench.repository(code="as committed\n", data="as committed\n")
    (bench.folder / "data").write_text("my change\n")
    (bench.folder / "notes").write_text("untracked\n")
    bench.age()
    bench.environ |= {
        f"GIT_{who}_{what}": "b@c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    does = "echo by the script >>code; touch made; git checkout -q -b other; git add -A; git commit -q -m y"
    shown = bench.run("sh", "-c", does)
    git = shown["facts"]["git"]
    assert bench.git("log", "--format=%s", "other") == "y\nx"
    assert (git["commit"], git["branch"], git["dirty"]) == (commit, "main", True)
    assert "made" not in git["untracked"]
    assert git["changed_during_capture"] in ([], ["code"])
    patch = Path(shown["path"], "files", "diff.patch").read_bytes()
    assert b"+my change" in patch
    assert b"by the script" not in patch


def test_untracked_files_are_listed_and_ignored_ones_not(bench) -> None:
    bench.repository(**{".gitignore": "*.tmp\n"})
    for name in ("a.tmp", ODD, "b"):
        (bench.folder / name).touch()
    (bench.folder / "folder").mkdir()
    (bench.folder / "folder/c").touch()
    bench.age()
    git = bench.run("touch", "by the script")["facts"]["git"]
    assert sorted(git["untracked"]) == sorted(["b", "folder/c", ODD])
    assert git["dirty"] is False


def test_large_patch_is_left_out_with_a_notice(bench) -> None:
    commit = bench.repository(weights="small\n")
    (bench.folder / "weights").write_bytes(os.urandom(12 << 20))
    bench.age()
    shown = bench.run("true")
    git = shown["facts"]["git"]
    assert (git["commit"], git["dirty"], git["patch"]) == (commit, True, None)
    (notice,) = shown["notices"]
    assert (notice["level"], notice["part"]) == ("warning", "git")
    assert "larger than 10 MiB" in notice["text"]
    assert "weights" in notice["text"]
    assert notice["text"] in bench.verb("show", "latest")


def test_many_untracked_files_are_counted_in_a_notice(bench) -> None:
    bench.repository()
    for number in range(1100):
        (bench.folder / f"n{number:04}").touch()
    bench.age()
    shown = bench.run("true")
    assert shown["facts"]["git"]["untracked"] == [f"n{number:04}" for number in range(1000)]
    assert [notice["text"] for notice in shown["notices"]] == [
        "Of 1100 untracked files the first 1000 are listed."
    ]


def test_detached_head_has_a_commit_and_no_branch(bench) -> None:
    commit = bench.repository()
    bench.commit()
    bench.git("checkout", "--quiet", commit)
    git = bench.run("true")["facts"]["git"]
    assert (git["commit"], git["branch"], git["dirty"]) == (commit, None, False)


def test_repository_before_its_first_commit_has_a_patch_of_what_is_staged(bench, tmp_path: Path) -> None:
    bench.git("init", "--quiet", "--initial-branch=main", ".")
    (bench.folder / "staged").write_text("new\n")
    bench.git("add", "staged")
    bench.age()
    shown = bench.run("true")
    git = shown["facts"]["git"]
    assert (git["commit"], git["branch"], git["dirty"]) == (None, "main", True)
    assert shown["notices"] == []
    empty = tmp_path / "empty"
    empty.mkdir()
    bench.git("apply", Path(shown["path"], "files", "diff.patch"), cwd=empty)
    assert tree_of(empty) == {"staged": (stat.S_IFREG, b"new\n")}


def test_worktree_is_described_and_not_the_main_tree(bench, tmp_path: Path) -> None:
    bench.repository(code="main\n")
    (bench.folder / "code").write_text("changed in the main tree\n")
    tree = tmp_path / "tree"
    bench.git("worktree", "add", "--quiet", "-b", "side", tree)
    commit = bench.commit(cwd=tree)
    (tree / "code").write_text("changed in the worktree\n")
    bench.age()
    shown = bench.run("true", cwd=tree)
    git = shown["facts"]["git"]
    assert (git["commit"], git["branch"], git["dirty"]) == (commit, "side", True)
    patch = Path(shown["path"], "files", "diff.patch").read_text()
    assert "+changed in the worktree" in patch
    assert "main tree" not in patch


def test_submodule_is_described_inside_and_its_commit_outside(bench, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    bench.git("init", "--quiet", "--initial-branch=trunk", inner)
    bench.commit(cwd=inner)
    bench.repository()
    bench.git("submodule", "--quiet", "add", inner, "sub")
    outer = bench.commit()
    moved = bench.commit(cwd=bench.folder / "sub")
    bench.age()
    git = bench.run("true", cwd=bench.folder / "sub")["facts"]["git"]
    assert (git["commit"], git["branch"], git["remote"]) == (moved, "trunk", str(inner))
    shown = bench.run("true")
    assert (shown["facts"]["git"]["commit"], shown["facts"]["git"]["dirty"]) == (outer, True)
    assert f"+Subproject commit {moved}" in Path(shown["path"], "files", "diff.patch").read_text()
    assert shown["notices"] == []


def test_subfolder_of_a_repository_belongs_to_it(bench) -> None:
    commit = bench.repository(code="1\n")
    (bench.folder / "code").write_text("2\n")
    (bench.folder / "deep/er").mkdir(parents=True)
    bench.age()
    git = bench.run("true", cwd=bench.folder / "deep/er")["facts"]["git"]
    assert (git["commit"], git["dirty"], git["patch"]) == (commit, True, "diff.patch")


def test_outside_of_any_repository_nothing_is_said(bench) -> None:
    shown = bench.run("true")
    assert "git" not in shown["facts"]
    assert (shown["notices"], shown["files"]) == ([], [])


def test_no_git_is_looked_at_where_it_is_not_wanted(bench) -> None:
    bench.repository()
    shown = bench.run("--no-git", "true")
    assert "git" not in shown["facts"]
    assert shown["notices"] == []


def blocked_git(bench) -> dict[str, str]:
    """Put a git on the PATH that says so and waits until it is told to go on."""
    folder = bench.folder.parent / "bin"
    folder.mkdir()
    waits = f"cd {bench.folder}; : >asked; until [ -e go ]; do sleep 0.01; done"
    program = folder / "git"
    program.write_text(f'#!/bin/sh\n({waits})\nexec {shutil.which("git")} "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{folder}:{bench.environ['PATH']}"}


def test_script_and_its_end_do_not_wait_for_a_slow_git(bench) -> None:
    commit = bench.repository()
    environ = bench.environ | blocked_git(bench)
    with bench.start("sh", "-c", "echo done >done", env=environ) as process:
        bench.desk.told("done")
        bench.desk.told("asked")
        assert process.wait(60) == 0
        assert not bench.desk.has("go")
        assert "git" not in bench.shown("latest")["facts"]
        assert bench.shown("latest")["state"] == "finished"
        bench.desk.tell("go")
        bench.settle()
    git = bench.shown("latest")["facts"]["git"]
    assert (git["commit"], git["dirty"]) == (commit, False)


def test_programs_of_the_repository_are_not_run(bench) -> None:
    bench.repository(code="1\n")
    hook = bench.folder.parent / "hook"
    hook.write_text(f"#!/bin/sh\n: >{bench.folder.parent}/sprung\n")
    hook.chmod(0o755)
    bench.git("config", "core.fsmonitor", hook)
    bench.git("config", "diff.external", hook)
    (bench.folder / "code").write_text("2\n")
    bench.age()
    assert bench.run("true")["facts"]["git"]["dirty"] is True
    assert not (bench.folder.parent / "sprung").exists()
