"""Files go into a run whole or not at all, and never out of its folder."""

import errno
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.errors import UsageError
from runwrap.store.files import FileFolder, matches, name_in_run, start_of


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files").mkdir()
    return FileFolder(str(tmp_path / "files"))


def inside(folder):
    """List what lies in the run, hidden names too."""
    return sorted(os.path.relpath(path, folder.path) for path in matches(folder.path))


def test_a_copy_does_not_change_with_its_original(folder, tmp_path):
    source = tmp_path / "m.pt"
    source.write_bytes(b"one")
    data = folder.keep(str(source), "a/m.pt")
    with source.open("r+b") as file:
        file.write(b"two")
    assert (tmp_path / "files/a/m.pt").read_bytes() == b"one"
    assert data == {
        "path": "a/m.pt",
        "sha256": "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
        "size_bytes": 3,
    }


def test_a_copy_is_read_only_and_a_program_stays_one(folder, tmp_path):
    source = tmp_path / "tool"
    source.write_bytes(b"#!/bin/sh\n")
    source.chmod(0o755)
    folder.keep(str(source), "tool")
    folder.keep(str(source), "tool")  # and once more over the first
    assert stat.S_IMODE((tmp_path / "files/tool").stat().st_mode) == 0o500


def test_the_same_content_is_stored_once(folder, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"same" * 1000)
        folder.keep(str(tmp_path / name), f"sub/{name}")
    one, other = (tmp_path / "files/sub" / name for name in ("a", "b"))
    assert one.samefile(other)
    (tmp_path / "a").write_bytes(b"new")
    folder.keep(str(tmp_path / "a"), "sub/a")
    assert (one.read_bytes(), other.read_bytes()) == (b"new", b"same" * 1000)


@pytest.mark.parametrize("kind", ["fifo", "folder", "missing", "loop", "device"])
def test_what_is_no_file_is_refused_and_leaves_nothing(folder, tmp_path, kind):
    source = tmp_path / "source"
    if kind == "fifo":
        os.mkfifo(source)
    elif kind == "folder":
        source.mkdir()
    elif kind == "loop":
        source.symlink_to(source)
    path = "/dev/zero" if kind == "device" else str(source)
    with pytest.raises(OSError, match=r"no regular file|No such file|Too many levels|Is a directory"):
        folder.keep(path, "x")
    assert inside(folder) == []


def test_a_full_disk_leaves_nothing_half_copied(folder, tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_bytes(b"x" * (3 << 20))
    passed = []

    def fill(size_bytes):
        passed.append(size_bytes)
        if len(passed) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder, "told", fill)
    with pytest.raises(OSError, match="No space left"):
        folder.keep(str(source), "sub/x")
    assert inside(folder) == []


def test_a_link_in_the_run_leads_nowhere(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "source").write_bytes(b"x")
    os.symlink(tmp_path / "outside", tmp_path / "files/sub")
    with pytest.raises(OSError, match="Not a directory"):
        folder.keep(str(tmp_path / "source"), "sub/x")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_file_that_is_written_to_while_it_is_copied_is_said_to_be_torn(folder, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100)

    def write_on(_):
        with source.open("ab") as file:
            file.write(b"more")

    folder.told = write_on
    assert folder.keep(str(source), "x")["is_torn"]


@pytest.mark.parametrize(
    ("path", "base", "name"),
    [
        ("/w/a/b.pt", "/w", "a/b.pt"),
        ("/w/b.pt", "/w/", "b.pt"),
        ("/b.pt", "/", "b.pt"),
        ("/w/requirements.txt", "/w", "saved/requirements.txt"),
        ("/w/sub/requirements.txt", "/w", "sub/requirements.txt"),
        ("/w/diff.patch", "/w", "saved/diff.patch"),
        ("/w/media/x.png", "/w", "saved/media/x.png"),
        ("/w/saved/x", "/w", "saved/saved/x"),
        ("/w/..x", "/w", "..x"),
        ("/w/.spill-1", "/w", "saved/.spill-1"),
    ],
)
def test_files_of_the_script_never_take_the_names_of_ours(path, base, name):
    assert name_in_run(path, base) == name


@pytest.mark.parametrize(("path", "base"), [("/w/x", "/w/sub"), ("/x", "/w"), ("/w", "/w")])
def test_a_file_beside_its_base_has_no_name(path, base):
    with pytest.raises(UsageError, match="does not lie in"):
        name_in_run(path, base)


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "sub", "x\0y", "\udcff"]), max_size=6))
def test_whatever_is_asked_for_lies_in_the_run(words):
    folder = FileFolder("/nonexistent/files")
    name = "/".join(words)
    assert folder.find(name) is None
    try:
        inner = name_in_run(os.path.normpath("/w/" + name), "/w")
    except (UsageError, ValueError):
        return
    assert os.path.normpath(os.path.join("/r", inner)).startswith("/r/")


def test_find_does_not_follow_links_out_of_the_run(folder, tmp_path):
    (tmp_path / "secret").write_text("x")
    os.symlink(tmp_path / "secret", tmp_path / "files/link")
    (tmp_path / "files/saved").mkdir()
    (tmp_path / "files/saved/requirements.txt").write_text("mine")
    assert folder.find("link") is None
    assert folder.find("../secret") is None
    assert folder.find("\0") is None
    assert folder.find("requirements.txt") == str(tmp_path / "files/saved/requirements.txt")


def test_patterns_and_folders_mean_files(tmp_path):
    for name in ("a.pt", "sub/b.pt", "sub/deep/c.pt", "[odd].pt", "sub/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    def meant(pattern):
        return {os.path.relpath(path, tmp_path) for path in matches(str(tmp_path / pattern))}

    assert meant("*.pt") == {"a.pt", "[odd].pt"}
    assert meant("**/*.pt") == {"a.pt", "[odd].pt", "sub/b.pt", "sub/deep/c.pt"}
    assert meant("[odd].pt") == {"[odd].pt"}
    assert meant("sub") == meant("sub/**") == {"sub/b.pt", "sub/deep/c.pt", "sub/d.txt"}
    assert meant("nothing*") == set()


@pytest.mark.parametrize(
    ("pattern", "start"),
    [("/w/a.pt", "/w"), ("/w/*/a.pt", "/w"), ("/w/**", "/w"), ("/*", "/"), ("/w/a?/b/c", "/w")],
)
def test_names_begin_above_the_first_sign_of_a_pattern(pattern, start):
    assert start_of(pattern) == start
