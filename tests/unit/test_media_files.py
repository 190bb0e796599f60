"""Files of media in a run: stored once, whole, told of once, and never at the cost of the script."""

import errno
import glob
import io
import os
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

from runwrap.inject import media
from runwrap.inject.media import storing

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Return the folder of a run's files."""
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setenv("RUNWRAP_FILES", str(folder))
    return folder


@pytest.fixture
def said(monkeypatch):
    """Collect what the run is told."""
    lines = []
    monkeypatch.setattr(storing, "say", lambda kind, **data: lines.append((kind, data)))
    return lines


def stored(files):
    """List everything in the folder, hidden files as well."""
    return sorted(str(path.relative_to(files)) for path in files.rglob("*") if path.is_file())


def test_a_file_is_told_of_when_it_is_complete(files, monkeypatch):
    seen = []
    monkeypatch.setattr(storing, "say", lambda kind, **data: seen.append((kind, data, stored(files))))
    value = media.Text("hello")._runwrap_value()
    keys = ("path", "sha256", "size_bytes")
    assert seen == [("file", {key: value[key] for key in keys}, [value["path"]])]


@pytest.mark.usefixtures("files")
def test_the_line_goes_over_the_channel(monkeypatch):
    lines = []
    channel = types.ModuleType("runwrap.inject.channel")
    channel.say = lambda kind, **data: lines.append((kind, sorted(data)))
    monkeypatch.setitem(sys.modules, "runwrap.inject.channel", channel)
    import runwrap.inject

    monkeypatch.setattr(runwrap.inject, "channel", channel, raising=False)
    media.Text("over the channel")._runwrap_value()
    assert lines == [("file", ["path", "sha256", "size_bytes"])]


def test_equal_content_is_stored_and_told_of_once(files, said):
    first = media.Image([[1, 2]])._runwrap_value()
    path = files / first["path"]
    before = path.stat()
    second = media.Image([[1, 2]], caption="again")._runwrap_value()
    copy = files.parent / "copy.png"
    copy.write_bytes(path.read_bytes())
    third = media.Image(copy)._runwrap_value()
    assert first["path"] == second["path"] == third["path"]
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert stored(files) == [first["path"]]
    assert len(said) == 1


def test_another_run_gets_the_file_too(files, said, monkeypatch):
    image = media.Image([[1, 2]])
    image._runwrap_value()
    other = files.parent / "other"
    other.mkdir()
    monkeypatch.setenv("RUNWRAP_FILES", str(other))
    assert [image._runwrap_value()["path"]] == stored(other) == stored(files)
    assert len(said) == 2


@pytest.mark.usefixtures("said")
def test_a_file_that_is_damaged_or_a_link_is_replaced(files):
    value = media.Text("whole")._runwrap_value()
    path = files / value["path"]
    path.write_bytes(b"wh")
    media.Text("whole")._runwrap_value()
    assert path.read_bytes() == b"whole"
    target = files.parent / "target"
    target.write_bytes(b"other")
    path.unlink()
    path.symlink_to(target)
    media.Text("whole")._runwrap_value()
    assert not path.is_symlink()
    assert (path.read_bytes(), target.read_bytes()) == (b"whole", b"other")


@pytest.mark.usefixtures("said")
def test_a_file_of_the_users_is_a_copy_that_stays(files, tmp_path):
    source = tmp_path / "Photo.JPEG"
    content = os.urandom(3 << 20)
    source.write_bytes(content)
    value = media.Image(str(source))._runwrap_value()
    assert value["path"].endswith(".jpeg")
    assert (files / value["path"]).read_bytes() == content
    assert source.stat().st_nlink == 1
    with source.open("r+b") as file:
        file.write(b"changed")
    assert (files / value["path"]).read_bytes() == content
    assert stored(files) == [value["path"]]


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.wav", ".wav"),
        ("a.MP3", ".mp3"),
        ("a.b c\n/../d.fl;ac", ".flac"),
        ("a.averyverylongextension", ".averyvery"),
        ("none", ""),
        (".hidden", ""),
        ("a.päck", ".pck"),
        ("scene.pts.json", ".pts.json"),
    ],
)
def test_an_extension_is_kept_and_harmless(name, extension):
    assert storing.extension_of(name) == extension
    assert len(extension) <= 10


@pytest.mark.usefixtures("said")
def test_a_file_that_vanished_is_the_scripts_error(files, tmp_path):
    source = tmp_path / "a.png"
    source.write_bytes(b"x")
    image = media.Image(source)
    source.unlink()
    with pytest.raises(ValueError, match="No such file"):
        image._runwrap_value()
    assert stored(files) == []


@pytest.mark.usefixtures("files")
def test_a_pipe_and_a_folder_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("pipe.png", "folder.png"):
        with pytest.raises(ValueError, match="regular file"):
            media.Image(tmp_path / name)


def test_a_full_disk_costs_the_script_nothing(files, said, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    source = tmp_path / "a.png"
    source.write_bytes(b"x")
    assert media.Text("lost")._runwrap_value() is None
    assert media.Image(source)._runwrap_value() is None
    table = media.Table(columns=["a"], data=[[media.Text("in a cell")]])
    assert table._runwrap_value() is None
    assert media.plot.line(table, "a", "a")._runwrap_value() is None
    assert media.Gallery([media.Text("lost")])._runwrap_value() is None
    assert stored(files) == []
    assert {kind for kind, _ in said} == {"notice"}
    assert "No space left on device" in said[0][1]["text"]


@pytest.mark.usefixtures("said")
def test_nothing_half_written_is_left_when_the_script_is_interrupted(files, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        media.Text("half")._runwrap_value()
    assert stored(files) == []


def test_a_run_that_is_gone_is_not_made_anew(tmp_path, said, monkeypatch):
    monkeypatch.setenv("RUNWRAP_FILES", str(tmp_path / "gone"))
    assert media.Text("late")._runwrap_value() is None
    assert not (tmp_path / "gone").exists()
    assert said[0][0] == "notice"


@pytest.mark.usefixtures("said")
def test_what_could_not_be_stored_is_tried_again(files, monkeypatch):
    text = media.Text("twice")
    monkeypatch.setenv("RUNWRAP_FILES", str(files / "gone"))
    assert text._runwrap_value() is None
    (files / "gone").mkdir()
    assert text._runwrap_value()["size_bytes"] == 5


@pytest.mark.usefixtures("said")
def test_many_threads_store_the_same(files):
    values = []
    threads = [
        threading.Thread(target=lambda: values.append(media.Text("shared" * 1000)._runwrap_value()))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored(files)) == 1
    assert all(value == values[0] for value in values)
    assert len(values) == 16


@pytest.mark.usefixtures("said")
def test_a_file_is_written_by_another_program(files):
    def make(path):
        assert os.path.basename(path).startswith(".")
        Path(path).write_bytes(b"made")

    value = storing.store_made("videos", ".mp4", make)
    assert (files / value["path"]).read_bytes() == b"made"
    assert stored(files) == [value["path"]]


@pytest.mark.usefixtures("said")
def test_wav_tells_of_itself(files, tmp_path):
    source = tmp_path / "a.wav"
    made = media.Audio([0] * 4000, sample_rate=8000)._runwrap_value()
    source.write_bytes((files / made["path"]).read_bytes())
    value = media.Audio(source)._runwrap_value()
    assert (value["duration_s"], value["sample_rate"], value["path"]) == (0.5, 8000, made["path"])
    source.write_bytes(b"RIFF?")
    assert "duration_s" not in media.Audio(source)._runwrap_value()


@pytest.mark.parametrize(
    ("head", "size"),
    [
        (b"GIF89a\x05\x00\x06\x00", (5, 6)),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc2\x00\x0b\x08\x00\x06\x00\x05", (5, 6)),
        (b"BM" + bytes(16) + b"\x05\0\0\0\xfa\xff\xff\xff", (5, 6)),
        (b"\x89PNG\r\n\x1a\n", (None, None)),
        (b"\xff\xd8\xff\xe0\x00", (None, None)),
        (b"\xff\xd8" + b"\xff\xe0\x00\x00" * 3, (None, None)),
        (b"", (None, None)),
    ],
)
def test_size_of_a_picture(head, size):
    from runwrap.inject.media.header import size_of

    assert size_of(head) == size


def pythons():
    """List one Python of each of the oldest and the newest versions that are here."""
    wanted = ["3.6", "3.7", "3.13", "3.14"]
    folder = os.path.expanduser("~/.pyenv/versions")
    found = [glob.glob(f"{folder}/{version}.*/bin/python") for version in wanted]
    return [paths[0] for paths in found if paths]


SCRIPT = """
import os, sys
from runwrap.inject import media
assert not {"numpy", "PIL", "json", "wave", "asyncio", "logging"} & set(sys.modules)
table = media.Table(columns=["a", "b"], data=[[1, media.Image([[0, 1.0], [0.5, 0.25]])]])
things = [media.Image([[0, 1.0], [0.5, 0.25]], masks={"m": {"mask_data": [[1]]}}), table]
things += [media.Audio([0.5, -0.5], sample_rate=8000), media.Video([[[[0, 1]], [[2, 3]], [[4, 5]]]] * 2)]
things += [media.Histogram(range(10)), media.Html("<b>"), media.Object3D([[1, 2, 3]])]
things += [media.plot.roc_curve([0, 1], [[0.2, 0.8], [0.4, 0.6]]), media.plot.line(table, "a", "a")]
for thing in things:
    print(sorted(thing._runwrap_value().items()))
"""


@pytest.mark.parametrize("python", [sys.executable, *pythons()])
def test_old_and_new_pythons_store_the_same(python, files):
    # The folder alone, so that what else is in the package does not matter.
    tree = files.parent / "site" / "runwrap"
    (tree / "inject").mkdir(parents=True)
    (tree / "inject" / "media").symlink_to(ROOT / "runwrap/inject/media")
    environ = {"PYTHONPATH": str(tree.parent), "PYTHONDONTWRITEBYTECODE": "1", "RUNWRAP_FILES": str(files)}
    done = subprocess.run([python, "-c", SCRIPT], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 9
    assert "('path', 'media/images/" in lines[0]
    assert lines[0].count("'sha256'") == 2
    image = media.Image([[0, 1.0], [0.5, 0.25]])
    assert (files / image._runwrap_value()["path"]).read_bytes() == image.encoded()


@pytest.mark.usefixtures("files")
def test_an_empty_open_file_is_refused():
    with pytest.raises(ValueError, match="empty"):
        media.Video(io.BytesIO(b""), format="mp4")
