"""The repository is described as the script found it, and trouble has a clear outcome."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from runwrap.capture.code.look import Limits
from runwrap.capture.git import describe
from runwrap.capture.git_snapshot import start_diff

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
BINARY = bytes(range(256)) * 40


class Repository:
    """A repository in a folder of its own, under a user without settings."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.top = folder / "work"
        self.files = folder / "files"
        for each in (self.home, self.top, self.files):
            each.mkdir()
        self.environ = {"HOME": str(self.home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
        self.git("init", "--quiet", "--initial-branch=main", ".")

    def git(self, *words: str, cwd: Path | None = None, check: bool = True) -> str:
        """Run git as its owner would."""
        settings = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]
        done = subprocess.run(
            ["git", *settings, *words],
            cwd=cwd or self.top,
            env=self.environ,
            check=check,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    def write(self, name: str | bytes, content: bytes = b"text\n") -> str:
        """Write a file in the work tree."""
        path = os.path.join(os.fsencode(self.top), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        return os.fsdecode(path)

    def commit(self) -> str:
        """Commit all that there is."""
        self.git("add", "--all", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message=x")
        return self.git("rev-parse", "HEAD")

    def age(self) -> None:
        """Wait until what was written is older than the kernel's clock can blur."""
        probe = self.files / "clock"
        begun = time.time()
        while True:
            probe.write_bytes(b"")
            if probe.stat().st_ctime > begun + 0.05:
                probe.unlink()
                return

    def describe(
        self, cwd: Path | None = None, script: str = "", limits: Limits | None = None, **environ: str
    ) -> tuple[dict[str, Any], list[str]]:
        """Describe the repository, which `script` changes; return the fact and the notices."""
        records = list(self.records(str(cwd or self.top), script, limits, {**self.environ, **environ}))
        facts = [data["value"] for kind, data in records if kind == "fact"]
        notices = [str(data["text"]) for kind, data in records if kind == "notice"]
        return cast("dict[str, Any]", facts[0] if facts else {}), notices

    def records(
        self, cwd: str, script: str, limits: Limits | None, environ: dict[str, str]
    ) -> Iterator[tuple[str, dict[str, object]]]:
        """Do what the launcher and the collector do."""
        self.age()
        snapshot = start_diff(cwd, environ)
        assert snapshot is not None
        started_s = time.time()
        subprocess.run(["/bin/sh", "-c", script], cwd=cwd, check=True)
        return describe(snapshot, cwd, environ, started_s, str(self.files), limits)

    @property
    def patch(self) -> bytes:
        """What was recorded as the patch."""
        return (self.files / "diff.patch").read_bytes()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """Make a repository; GitPython reads the settings of this process's own user."""
    made = Repository(tmp_path)
    monkeypatch.setenv("HOME", str(made.home))
    return made


def tree_of(top: Path) -> dict[bytes, tuple[int, int, bytes]]:
    """Read a whole tree: names, kinds, modes, contents."""
    found = {}
    for folder, folders, names in os.walk(os.fsencode(top)):
        folders[:] = [name for name in folders if name != b".git"]
        for name in names:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            content = os.readlink(path) if stat.S_ISLNK(mode) else Path(os.fsdecode(path)).read_bytes()
            found[os.path.relpath(path, os.fsencode(top))] = (stat.S_IFMT(mode), mode & 0o111, content)
    return found


def reproduce(repository: Repository, folder: Path) -> dict[bytes, tuple[int, int, bytes]]:
    """Apply the recorded patch to a fresh copy of the commit."""
    repository.git("clone", "--quiet", str(repository.top), str(folder), cwd=repository.home)
    repository.git(
        "apply", "--binary", "--whitespace=nowarn", str(repository.files / "diff.patch"), cwd=folder
    )
    return tree_of(folder)


def test_patch_reproduces_the_tree_byte_for_byte(repository: Repository, tmp_path: Path) -> None:
    for name in ("text", "windows", "bare", "binary", "old name", "mode", "gone", "link", "dir/deep", "kind"):
        repository.write(name, f"{name}\nsecond\nthird\n".encode())
    repository.write(b"caf\xe9", b"latin\n")
    repository.write('tab\tnew\nline "quoted" back\\slash', b"odd\n")
    repository.write("binary", BINARY)
    repository.commit()
    repository.write("text", b"text\nchanged\nthird\n")
    repository.write("windows", b"windows\r\nsecond\r\nthird\n\x0c\r")
    repository.write("bare", b"no newline at the end")
    repository.write("binary", BINARY[::-1])
    repository.git("mv", "old name", "new name")
    (repository.top / "mode").chmod(0o755)
    (repository.top / "gone").unlink()
    (repository.top / "link").unlink()
    (repository.top / "link").symlink_to("nowhere\nat all")
    shutil.rmtree(repository.top / "dir")
    repository.write("dir", b"was a folder\n")
    (repository.top / "kind").unlink()
    repository.write("kind/now", b"a folder\n")
    repository.write("staged empty", b"")
    repository.write(b"caf\xe9", b"\xff\xfe\n")
    repository.write('tab\tnew\nline "quoted" back\\slash', b"diff --git a/x b/x\n")
    repository.git("add", "staged empty", "dir", "kind/now")
    fact, notices = repository.describe()
    assert notices == []
    assert fact["dirty"] is True
    assert fact["untracked"] == []
    assert reproduce(repository, tmp_path / "again") == tree_of(repository.top)


def test_patch_is_in_the_files_with_its_digest(repository: Repository) -> None:
    repository.write("a")
    repository.commit()
    repository.write("a", b"b\n")
    records = list(repository.records(str(repository.top), "", None, repository.environ))
    digest = hashlib.sha256(repository.patch).hexdigest()
    assert [kind for kind, _ in records] == ["file", "fact"]
    assert records[0][1] == {
        "path": "diff.patch",
        "sha256": digest,
        "size_bytes": len(repository.patch),
        "policy": "now",
    }


@pytest.mark.parametrize("_again", range(50))
def test_what_the_script_writes_first_is_never_in_the_patch(repository: Repository, _again: int) -> None:
    repository.write("tracked", b"as committed\n")
    repository.write("dirty before")
    repository.commit()
    repository.write("dirty before", b"my change\n")
    fact, _ = repository.describe(script="echo from the script >> tracked; echo new > untracked")
    assert b"+my change" in repository.patch
    assert b"from the script" not in repository.patch
    assert fact["untracked"] == []
    assert fact["changed_during_capture"] in ([], ["tracked"])


def test_file_changed_while_git_read_is_listed_and_its_section_cut(repository: Repository) -> None:
    repository.write("log")
    repository.write("code")
    repository.write("gone")
    repository.commit()
    repository.write("log", b"before\n")
    repository.write("code", b"before\n")
    fact, notices = repository.describe(script="echo after >> log; rm gone")
    assert set(fact["changed_during_capture"]) - {"gone"} == {"log"}
    assert b"a/code" in repository.patch
    assert b"a/log" not in repository.patch
    assert "log" in notices[0]
    assert fact["dirty"] is True


def test_commit_is_the_one_before_the_script(repository: Repository) -> None:
    repository.write("a")
    commit = repository.commit()
    message = "git -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m x"
    fact, _ = repository.describe(script=f"{message}; git checkout -q -b elsewhere")
    assert (fact["commit"], fact["branch"]) == (commit, "main")


def test_packed_branch_and_detached_head_are_read(repository: Repository) -> None:
    repository.write("a")
    commit = repository.commit()
    repository.git("pack-refs", "--all")
    assert repository.describe()[0]["commit"] == commit
    repository.git("checkout", "--quiet", "--detach")
    fact, notices = repository.describe()
    assert (fact["commit"], fact["branch"], notices) == (commit, None, [])


def test_clean_tree_has_no_patch(repository: Repository) -> None:
    path = repository.write("a")
    repository.commit()
    os.utime(path, (1, 1))
    fact, notices = repository.describe()
    assert (fact["dirty"], fact["patch"], fact["untracked"], notices) == (False, None, [], [])
    assert list(repository.files.iterdir()) == []


def test_untracked_files_are_listed_by_any_name_without_the_ignored(repository: Repository) -> None:
    repository.write(".gitignore", b"*.ignored\n")
    repository.commit()
    repository.write("x.ignored")
    names = [b"a\nb", b"c\td", b"\xff", b"folder/e", b"zz"]
    for name in names:
        repository.write(name)
    repository.write("sub/here")
    fact, _ = repository.describe(cwd=repository.top / "sub")
    assert {os.fsencode(name) for name in fact["untracked"]} == {*names, b"sub/here"}


def test_untracked_files_are_capped_with_a_notice(repository: Repository) -> None:
    repository.commit()
    for number in range(25):
        repository.write(f"f{number:02}")
    fact, notices = repository.describe(limits=Limits(untracked_count=10))
    assert fact["untracked"] == [f"f{number:02}" for number in range(10)]
    assert notices == ["Of 25 untracked files the first 10 are listed."]


@pytest.mark.slow
def test_a_hundred_thousand_untracked_files_are_bounded(repository: Repository) -> None:
    repository.commit()
    for number in range(100_000):
        os.mknod(f"{repository.top}/untracked-{number:06}")
    fact, notices = repository.describe()
    assert len(fact["untracked"]) == 1000
    assert notices == ["Of 100000 untracked files the first 1000 are listed."]
    shutil.rmtree(repository.top)


def test_large_patch_is_dropped_with_a_notice(repository: Repository) -> None:
    repository.write("weights")
    repository.commit()
    repository.write("weights", os.urandom(300_000))
    fact, notices = repository.describe(limits=Limits(patch_size_bytes=100_000))
    assert (fact["dirty"], fact["patch"]) == (True, None)
    assert "larger than" in notices[0]
    assert "weights" in notices[0]


def test_git_that_takes_too_long_is_ended_with_a_notice(repository: Repository, tmp_path: Path) -> None:
    repository.write("a")
    commit = repository.commit()
    slow = tmp_path / "bin/git"
    slow.parent.mkdir()
    waiting = f"*diff-index*) echo $$ > {tmp_path}/pid; exec sleep 300;;"
    slow.write_text(f'#!/bin/sh\ncase "$*" in {waiting} esac\nexec {shutil.which("git")} "$@"\n')
    slow.chmod(0o755)
    path = f"{slow.parent}:{os.environ['PATH']}"
    fact, notices = repository.describe(PATH=path, limits=Limits(timeout_s=0.3))
    assert fact["commit"] == commit
    assert fact["dirty"] is None
    assert "after 0.3 s" in notices[0]
    number = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 20
    while is_running(number) and time.monotonic() < deadline:
        os.sched_yield()
    assert not is_running(number)


def is_running(number: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_nothing_in_the_repository_is_written_and_nothing_of_the_users_is_run(
    repository: Repository, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/sprung\ncat\n')
    trap.chmod(0o755)
    for name in ("a", "b.lfs", "c.conv", "d"):
        repository.write(name)
    repository.write(".gitattributes", b"*.lfs filter=trap\n*.conv diff=trap\n")
    repository.commit()
    programs = """core.fsmonitor core.pager core.sshCommand credential.helper diff.external diff.trap.command
        diff.trap.textconv filter.trap.clean filter.trap.smudge filter.trap.process"""
    for key in programs.split():
        repository.git("config", key, str(trap))
    for hook in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction"):
        shutil.copy(trap, repository.top / ".git/hooks" / hook)
    for name in ("a", "b.lfs", "c.conv"):
        repository.write(name, b"other\n")
    os.utime(repository.top / "d", (1, 1))
    before = stamps_of(repository.top)
    fact, notices = repository.describe(GIT_EXTERNAL_DIFF=str(trap), GIT_PAGER=str(trap), GIT_DIFF_OPTS="-u0")
    assert not (tmp_path / "sprung").exists()
    assert stamps_of(repository.top) == before
    assert fact["not_compared"] == ["b.lfs"]
    assert b"a/c.conv" in repository.patch
    assert len(notices) == 1


def stamps_of(top: Path) -> dict[Path, tuple[int, int, int, int]]:
    """Read everything that a write would change, inside .git too."""
    found = {}
    for path in sorted(top.rglob("*")):
        status = path.lstat()
        found[path] = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
    return found


def test_users_diff_settings_do_not_change_the_patch(repository: Repository, tmp_path: Path) -> None:
    repository.write("dir/a", b"1\n\n3\n")
    repository.commit()
    repository.write("dir/a", b"1\n\n4\n")
    settings = """diff.noprefix=true color.ui=always diff.context=0 diff.relative=true
        diff.renames=copies core.quotePath=false diff.mnemonicPrefix=true
        diff.suppressBlankEmpty=true diff.ignoreSubmodules=all"""
    for setting in settings.split():
        repository.git("config", *setting.split("="))
    repository.describe(cwd=repository.top / "dir")
    assert reproduce(repository, tmp_path / "again") == tree_of(repository.top)


def test_before_the_first_commit_the_patch_holds_all_that_is_staged(
    repository: Repository, tmp_path: Path
) -> None:
    repository.write("staged", b"content\n")
    repository.write("loose")
    repository.git("add", "staged")
    fact, notices = repository.describe()
    assert (fact["commit"], fact["branch"]) == (None, "main")
    assert (fact["dirty"], notices) == (True, [])
    assert fact["untracked"] == ["loose"]
    target = tmp_path / "again"
    target.mkdir()
    repository.git("apply", str(repository.files / "diff.patch"), cwd=target)
    assert tree_of(target) == {b"staged": (stat.S_IFREG, 0, b"content\n")}


def test_worktree_submodule_subfolder_and_git_dir_are_found(repository: Repository, tmp_path: Path) -> None:
    repository.write("a")
    (tmp_path / "inner").mkdir()
    inner = Repository(tmp_path / "inner")
    inner.write("b")
    inner_commit = inner.commit()
    repository.git("submodule", "--quiet", "add", str(inner.top), "sub")
    commit = repository.commit()
    repository.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "tree"))
    (tmp_path / "tree/a").write_bytes(b"in the worktree\n")
    fact, notices = repository.describe(cwd=tmp_path / "tree")
    assert (fact["commit"], fact["branch"], notices) == (commit, "other", [])
    assert b"in the worktree" in repository.patch
    fact, notices = repository.describe(cwd=repository.top / "sub")
    assert (fact["commit"], fact["remote"], notices) == (inner_commit, str(inner.top), [])
    fact, notices = repository.describe(
        cwd=tmp_path, GIT_DIR=str(repository.top / ".git"), GIT_WORK_TREE="work"
    )
    assert (fact["commit"], fact["dirty"], notices) == (commit, False, [])


def test_bare_repository_has_a_commit_and_no_files(repository: Repository, tmp_path: Path) -> None:
    repository.write("a")
    commit = repository.commit()
    repository.git("clone", "--quiet", "--bare", str(repository.top), str(tmp_path / "bare.git"))
    fact, notices = repository.describe(cwd=tmp_path / "bare.git")
    assert (fact["commit"], fact["branch"], fact["dirty"], notices) == (commit, "main", None, [])
    assert fact["remote"] == str(repository.top)


def test_no_repository_is_a_quiet_no(tmp_path: Path) -> None:
    assert start_diff(str(tmp_path), {}) is None
    assert start_diff(str(tmp_path / "not there"), {}) is None
    assert start_diff("", {}) is None


def test_gits_own_boundaries_are_a_quiet_no(repository: Repository) -> None:
    (repository.top / "sub").mkdir()
    nothing: tuple[dict[str, Any], list[str]] = ({}, [])
    assert repository.describe(repository.top / "sub", GIT_CEILING_DIRECTORIES=str(repository.top)) == nothing


def test_index_lock_and_conflict_do_not_matter(repository: Repository) -> None:
    repository.write("a", b"1\n")
    repository.commit()
    repository.git("checkout", "--quiet", "-b", "other")
    repository.write("a", b"2\n")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.write("a", b"3\n")
    repository.commit()
    repository.git("merge", "--quiet", "other", check=False)
    repository.write(".git/index.lock", b"")
    fact, notices = repository.describe()
    assert (fact["dirty"], notices) == (True, [])
    assert b"<<<<<<<" in repository.patch


@pytest.mark.skipif(os.getuid() != 0, reason="needs to give a folder away")
def test_git_refusing_another_users_repository_says_how_to_permit_it(repository: Repository) -> None:
    repository.write("a")
    commit = repository.commit()
    for path in (repository.top, repository.top / ".git"):
        os.chown(path, NOBODY, NOBODY)
    fact, notices = repository.describe()
    assert fact["commit"] == commit
    assert fact["dirty"] is None
    assert f"safe.directory {repository.top}" in notices[0]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("rm .git/HEAD", "cannot read the repository"),
        ("echo junk > .git/HEAD", "cannot read the repository"),
        ("rm -r .git; mkdir .git", "cannot read the repository"),
        ("rm -r .git; echo junk > .git", "cannot read the repository"),
        ("echo junk > .git/refs/heads/main", "broken ref"),
        ("rm -r .git/objects/*", "bad object"),
        ("echo junk > .git/index", "index file"),
        ("echo '[broken' > .git/config", "bad config"),
        ("ln -sf HEAD .git/HEAD", "cannot read the repository"),
        ("rm .git/HEAD; mkfifo .git/HEAD", "had not finished after 1 s"),
    ],
)
def test_broken_repository_is_a_notice(repository: Repository, damage: str, words: str) -> None:
    repository.write("a")
    repository.commit()
    subprocess.run(["sh", "-c", damage], cwd=repository.top, check=True)
    _, notices = repository.describe(limits=Limits(timeout_s=1))
    assert any(words in text for text in notices), notices
    assert not (repository.files / "diff.patch").exists()


def test_without_git_the_commit_is_read_all_the_same(repository: Repository, tmp_path: Path) -> None:
    repository.write("a")
    commit = repository.commit()
    repository.git("remote", "add", "origin", "https://me:secret@example.org/x.git?token=secret")
    fact, notices = repository.describe(PATH=str(tmp_path / "empty"))
    assert (fact["commit"], fact["branch"]) == (commit, "main")
    assert fact["remote"] == "https://example.org/x.git"
    assert notices[0].startswith("There is no git on the PATH")


def test_remote_is_the_one_that_the_branch_follows(repository: Repository) -> None:
    repository.commit()
    repository.git("remote", "add", "origin", "https://example.org/origin")
    repository.git("remote", "add", "mine", "git@example.org:mine.git")
    assert repository.describe()[0]["remote"] == "https://example.org/origin"
    repository.git("config", "branch.main.remote", "mine")
    assert repository.describe()[0]["remote"] == "git@example.org:mine.git"


def test_python_built_for_an_old_c_library_does_all_the_same(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = os.posix_spawn

    def old_spawn(*words: Any, **options: Any) -> int:
        if "setsid" in options:
            raise NotImplementedError
        return spawn(*words, **options)

    repository.write("a")
    repository.commit()
    repository.write("a", b"b\n")
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(os, "posix_spawn", old_spawn)
    fact, notices = repository.describe()
    assert (fact["patch"], notices) == ("diff.patch", [])
    assert b"+b" in repository.patch
