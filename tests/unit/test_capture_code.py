"""What is read of an index, of line endings and of a tree stays within the tree, whatever it says."""

from __future__ import annotations

import os
import subprocess
import tarfile
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwrap.capture.code.archive import Collection, is_inside, is_secret, read_item
from runwrap.capture.code.index import Marked, is_blob
from runwrap.capture.code.line_endings import altered, read_settings

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name)
IDS = st.sampled_from([b"0" * 40, b"a1" * 32])


@given(st.lists(st.tuples(st.sampled_from(b"HhSsMCR"), st.sampled_from([b"100644", b"160000"]), IDS, NAMES)))
def test_listing_of_an_index_is_read_back_under_any_name(
    entries: list[tuple[int, bytes, bytes, bytes]],
) -> None:
    listing = b"".join(
        b"%c %s %s 0\t%s\0" % (tag, mode, object_id, name) for tag, mode, object_id, name in entries
    )
    marked = Marked(listing)
    files = [(chr(tag), name) for tag, mode, _, name in entries if mode == b"100644"]
    assert set(marked.skipped) == {name for tag, name in files if tag in "Ss"}
    assert set(marked.hidden) == {name for tag, name in files if tag == "h"}
    assert marked.submodules == [name for _, mode, _, name in entries if mode == b"160000"]


@given(st.binary(max_size=200))
def test_no_answer_of_git_is_a_defect(answer: bytes) -> None:
    Marked(answer)
    settings = read_settings(answer)
    list(altered(answer, settings | {"core.autocrlf": "true"}))


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_blob_is_known_by_the_id_that_git_gives_it(tmp_path: Path, algorithm: str) -> None:
    subprocess.run(["git", "init", "-q", f"--object-format={algorithm}", "."], cwd=tmp_path, check=True)
    asked = ["git", "hash-object", "--stdin"]
    told = subprocess.run(asked, cwd=tmp_path, input=b"x\r\n", check=True, capture_output=True).stdout.strip()
    assert is_blob(b"x\r\n", told)
    assert not is_blob(b"x\n", told)


@pytest.mark.parametrize(
    "name",
    [b"", b"/etc/passwd", b"../x", b"a/../../x", b"a//b", b".", b".git/config", b"a/.GIT/hooks/x", b"a/"],
)
def test_name_that_leads_out_of_the_tree_or_into_git_is_refused(name: bytes) -> None:
    assert not is_inside(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b".env", True),
        (b"a/.env.local", True),
        (b"prod.env", True),
        (b"keys/ID_RSA", True),
        (b"server.pem", True),
        (b"credentials.json", True),
        (b".env.example", False),
        (b"secrets.py", False),
        (b"environment.yml", False),
        (b"monkey", False),
        (b"keyboard.c", False),
    ],
)
def test_name_of_a_secret_is_known(name: bytes, expected: bool) -> None:
    assert is_secret(name) is expected


def test_file_behind_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"not ours\n")
    (tmp_path / "top").mkdir()
    (tmp_path / "top/link").symlink_to("../outside")
    top = os.fsencode(tmp_path / "top")
    with pytest.raises(OSError, match="Not a directory"):
        read_item(top, b"link/file")
    item = read_item(top, b"link")
    assert item is not None
    assert item.content == b"../outside"


def test_what_vanishes_or_changes_or_is_no_file_is_left_out_with_the_reason(tmp_path: Path) -> None:
    for name in ("fine", "busy"):
        (tmp_path / name).write_bytes(b"x\n")
    (tmp_path / "key").write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    os.mkfifo(tmp_path / "pipe")
    collection = Collection(str(tmp_path), lambda name: name == b"busy")
    collection.take([b"fine", b"fine", b"busy", b"key", b"pipe", b"gone", b"../up", b"sub/"])
    assert {each["name"]: each["why"] for each in collection.left_out} == {
        "busy": "changed while it was read",
        "key": "holds a private key",
        "pipe": "not a regular file",
        "gone": "No such file or directory",
        "../up": "not in the tree",
        "sub/": "a repository of its own",
    }
    with tarfile.open(fileobj=BytesIO(collection.packed())) as packed:
        assert packed.getnames() == ["fine"]
