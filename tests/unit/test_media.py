"""What a script can log beside numbers: every type as it lies in the run, without any library."""

import csv
import io
import json
import math
import os
import wave
import zlib

import pytest

from runwrap.inject import media
from runwrap.inject.media import storing


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """Return the folder of a run's files."""
    folder = tmp_path / "files"
    folder.mkdir()
    monkeypatch.setenv("RUNWRAP_FILES", str(folder))
    monkeypatch.setattr(storing, "say", lambda *_, **__: None)
    return folder


def content_of(files, value):
    """Return what is stored for a media object, after a look at what it says of it."""
    import hashlib

    content = (files / value["path"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == value["sha256"]
    assert len(content) == value["size_bytes"]
    assert os.path.basename(value["path"]).startswith(value["sha256"][:20] + ".")
    return content


def json_of(files, value):
    return json.loads(content_of(files, value))


def png_pixels(content):
    """Read a PNG of ours: width, height, colour type, pixels."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    offset, chunks = 8, {}
    while offset < len(content):
        length = int.from_bytes(content[offset : offset + 4], "big")
        kind, body = content[offset + 4 : offset + 8], content[offset + 8 : offset + 8 + length]
        assert zlib.crc32(kind + body) == int.from_bytes(
            content[offset + 8 + length : offset + 12 + length], "big"
        )
        chunks[kind] = body
        offset += 12 + length
    header = chunks[b"IHDR"]
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    rows = zlib.decompress(chunks[b"IDAT"])
    stride = len(rows) // height
    assert set(rows[::stride]) == {0}
    return width, height, header[9], b"".join(rows[n + 1 : n + stride] for n in range(0, len(rows), stride))


def test_outside_a_run_nothing_happens(monkeypatch, files):
    monkeypatch.delenv("RUNWRAP_FILES")
    things = [
        media.Image([[1]]),
        media.Histogram([1]),
        media.Text("x"),
        media.Table(columns=["a"], data=[[1]]),
    ]
    assert [thing._runwrap_value() for thing in [*things, media.Gallery(things[:1])]] == [None] * 5
    assert list(files.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "colour_type", "pixels"),
    [
        ([[0, 255], [7, 8]], 0, b"\x00\xff\x07\x08"),
        ([[0.0, 1.0], [0.5, math.nan]], 0, b"\x00\xff\x80\x00"),
        ([[True, False]], 0, b"\xff\x00"),
        ([[-1.0, 0.0, 1.0, math.inf, -math.inf]], 0, b"\x00\x80\xff\xff\x00"),
        ([[0, 1000, 500]], 0, b"\x00\xff\x80"),
        ([[3.5, 3.5]], 0, b"\xff\xff"),
        ([[[9], [8]]], 0, b"\x09\x08"),
        ([[[1, 2, 3], [4, 5, 6]]], 2, b"\x01\x02\x03\x04\x05\x06"),
        ([[[1, 2, 3, 4]]], 6, b"\x01\x02\x03\x04"),
        ([[[1, 2]], [[3, 4]], [[5, 6]]], 2, b"\x01\x03\x05\x02\x04\x06"),  # channels first
        (((1, 2), range(2)), 0, b"\x01\x02\x00\x01"),
    ],
)
def test_image_of_numbers(files, data, colour_type, pixels):
    value = media.Image(data, caption="hands")._runwrap_value()
    width, height, found, stored = png_pixels(content_of(files, value))
    assert (found, stored) == (colour_type, pixels)
    assert (value["width"], value["height"], value["caption"]) == (width, height, "hands")
    assert value["_type"] == "image"
    assert value["path"].startswith("media/images/")


def test_several_pictures_are_a_grid(files):
    value = media.Image([[[[n]]] for n in range(10)])._runwrap_value()
    assert png_pixels(content_of(files, value)) == (8, 2, 0, bytes(range(10)) + bytes(6))
    two = media.Image([[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]])
    assert png_pixels(content_of(files, two._runwrap_value())) == (4, 2, 0, b"\1\2\5\6\3\4\7\10")


def test_image_tells_the_range_that_was_stretched():
    assert media.Image([[-2.0, 2.0]])._runwrap_value()["value_range"] == [-2.0, 2.0]
    assert "value_range" not in media.Image([[0.0, 1.0]])._runwrap_value()
    assert "value_range" not in media.Image([[-2.0, 2.0]], normalize=False)._runwrap_value()


@pytest.mark.parametrize(
    ("mode", "pixels"), [("L", b"\x4c"), ("RGB", b"\xff\x00\x00"), ("RGBA", b"\xff\x00\x00\xff")]
)
def test_image_in_another_mode(files, mode, pixels):
    image = media.Image([[[255, 0, 0]]], mode=mode)
    assert png_pixels(content_of(files, image._runwrap_value()))[3] == pixels


def test_an_image_is_taken_as_it_is_when_it_is_made(files):
    data = [[1, 2]]
    image = media.Image(data)
    data[0][0] = 99
    assert png_pixels(content_of(files, image._runwrap_value()))[3] == b"\x01\x02"
    again = media.Image(image, caption="again")._runwrap_value()
    assert again == {**image._runwrap_value(), "caption": "again"}


def test_masks_and_boxes(files):
    pixels = {"position": {"minX": 1, "maxX": 3, "minY": 0, "maxY": 2}, "domain": "pixel", "class_id": 1}
    middle = {"position": {"middle": [0.5, 0.5], "width": 0.5, "height": 1}, "class_id": 2}
    middle.update(box_caption="a cat", scores={"sure": 0.9})
    image = media.Image(
        [[0] * 4] * 3,
        masks={"truth": {"mask_data": [[0, 1], [2, 255]], "class_labels": {1: "cat"}}},
        boxes={"found": {"box_data": [pixels, middle], "class_labels": {1: "cat", 2: "dog"}}},
    )
    value = image._runwrap_value()
    mask = value["masks"]["truth"]
    assert png_pixels(content_of(files, mask)) == (2, 2, 3, b"\x00\x01\x02\xff")
    assert mask["class_labels"] == {"1": "cat"}
    assert value["boxes"]["found"]["count"] == 2
    boxes = json_of(files, value["boxes"]["found"])
    assert boxes["class_labels"] == {"1": "cat", "2": "dog"}
    assert boxes["box_data"][0]["position"] == {"minX": 1.0, "maxX": 3.0, "minY": 0.0, "maxY": 2.0}
    assert boxes["box_data"][1] == {
        "position": {"minX": 0.25, "maxX": 0.75, "minY": 0.0, "maxY": 1.0},
        "class_id": 2, "box_caption": "a cat", "scores": {"sure": 0.9},
    }  # fmt: skip


def test_names_of_classes_for_all_masks():
    classes = media.Classes([{"id": 0, "name": "sky"}])
    value = media.Image([[1]], classes=classes, masks={"m": {"mask_data": [[0]]}})._runwrap_value()
    assert value["masks"]["m"]["class_labels"] == {"0": "sky"}


@pytest.mark.parametrize(
    ("samples", "channels", "stored", "peak"),
    [
        ([0, 1, -32768], 1, [0, 1, -32768], None),
        ([0.0, 1.0, -1.0, math.nan], 1, [0, 32767, -32767, 0], None),
        ([0.0, 2.0, -4.0], 1, [0, 16384, -32767], 4.0),
        ([[1, 2], [3, 4], [5, 6]], 2, [1, 2, 3, 4, 5, 6], None),
        ([list(range(20)), list(range(20, 40))], 2, [n for t in range(20) for n in (t, t + 20)], None),
        ([1 << 30, 0], 1, [16384, 0], None),
    ],
)
def test_audio_of_samples(files, samples, channels, stored, peak):
    value = media.Audio(samples, sample_rate=8000, caption="tone")._runwrap_value()
    with wave.open(io.BytesIO(content_of(files, value))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (channels, 8000, 2)
        frames = file.readframes(file.getnframes())
    assert [
        int.from_bytes(frames[n : n + 2], "little", signed=True) for n in range(0, len(frames), 2)
    ] == stored
    assert value["duration_s"] == len(stored) / channels / 8000
    assert value.get("peak") == peak
    assert value["path"].endswith(".wav")


def test_table(files):
    table = media.Table(columns=["n", "what"], data=[[1, "a"]])
    first = table._runwrap_value()
    table.add_data(math.nan, media.Image([[5]], caption="five"))
    table.add_column("more", [None, {"a": (1, math.inf)}])
    value = table._runwrap_value()
    found = json_of(files, value)
    assert json_of(files, first) == {"columns": ["n", "what"], "data": [[1, "a"]]}
    assert found["columns"] == ["n", "what", "more"]
    assert found["data"][0] == [1, "a", None]
    assert found["data"][1][0] == "NaN"
    assert found["data"][1][1]["_type"] == "image"
    assert png_pixels(content_of(files, found["data"][1][1]))[3] == b"\x05"
    assert found["data"][1][2] == {"a": [1, "Infinity"]}
    assert (value["_type"], value["rows"], value["columns"]) == ("table", 2, 3)
    assert table.get_column("n")[0] == 1
    assert [row for _, row in table.iterrows()] == table.data


def test_table_of_odd_things(files):
    import datetime as dt

    day = dt.date(2024, 1, 2)
    data = {"columns": [0, 1], "data": [[day, "half \ud800"], [b"\xff", 1 << 3000]]}
    found = json_of(files, media.Table(**data)._runwrap_value())
    assert found["data"] == [["2024-01-02", "half \ufffd"], ["\ufffd", hex(1 << 3000)]]
    endless = []
    endless.append(endless)
    assert media.Table(columns=["a"], data=[[endless]])._runwrap_value()["rows"] == 1


def test_table_takes_dicts_grows_from_nothing_and_has_default_names():
    assert media.Table(columns=["a", "b"], data=[{"b": 1, "a": 2}]).data == [[2, 1]]
    assert media.Table().columns == ["Input", "Output", "Expected"]
    assert media.Table(data=[[1, 2]]).columns == [0, 1]
    empty = media.Table(columns=[])
    empty.add_column("a", [1, 2])
    assert (empty.columns, empty.data) == (["a"], [[1], [2]])


def test_table_as_csv(tmp_path):
    image = media.Image([[5]])
    media.Table(columns=["a", "b"], data=[["x,\n", image], [[1], math.nan]]).to_csv(tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["a", "b"], ["x,\n", image._runwrap_value()["path"]], ["[1]", "NaN"]]


def test_histogram():
    value = media.Histogram([0, 0.5, 1, 2, 2, math.nan, math.inf], num_bins=4)._runwrap_value()
    expected = {"counts": [1, 1, 1, 2], "edges": [0.0, 0.5, 1.0, 1.5, 2.0], "passed_over": 2}
    assert value == {"_type": "histogram", **expected}
    given = media.Histogram(np_histogram=([3, 4], [0, 1, 2]))._runwrap_value()
    assert given == {"_type": "histogram", "counts": [3, 4], "edges": [0, 1, 2]}
    assert media.Histogram([5, 5], num_bins=1)._runwrap_value()["edges"] == [4.5, 5.5]
    assert sum(media.Histogram(n for n in range(1000))._runwrap_value()["counts"]) == 1000
    assert media.Histogram([])._runwrap_value()["counts"] == [0] * 64


def test_texts(files, tmp_path):
    assert content_of(files, media.Text("größer\n")._runwrap_value()) == "größer\n".encode()
    value = media.Markdown("# x")._runwrap_value()
    assert (value["_type"], os.path.splitext(value["path"])[1]) == ("markdown", ".md")
    page = tmp_path / "a.html"
    page.write_text("<p>from a file")
    assert content_of(files, media.Html(page)._runwrap_value()) == b"<p>from a file"
    assert content_of(files, media.Html(str(page))._runwrap_value()) == b"<p>from a file"
    assert (
        content_of(files, media.Html(str(page), data_is_not_path=True)._runwrap_value()) == str(page).encode()
    )
    assert content_of(files, media.Html(io.StringIO("<i>"))._runwrap_value()) == b"<i>"
    assert content_of(files, media.Html("<b>" * 5000)._runwrap_value()) == b"<b>" * 5000


def test_points_in_space(files):
    value = media.Object3D([[1, 2, 3.5, 2]])._runwrap_value()
    assert json_of(files, value) == {"points": [[1, 2, 3.5, 2]]}
    assert (value["points"], value["path"][-9:]) == (1, ".pts.json")
    scene = {"type": "lidar/beta", "points": [[0, 0, math.nan]], "boxes": [{"label": "car"}]}
    found = json_of(files, media.Object3D(scene)._runwrap_value())
    assert found == {"type": "lidar/beta", "boxes": [{"label": "car"}], "points": [[0, 0, "NaN"]]}


def test_open_files(files):
    value = media.Molecule(io.StringIO("ATOM"), file_type="pdb")._runwrap_value()
    assert content_of(files, value) == b"ATOM"
    assert (value["_type"], value["format"]) == ("molecule", "pdb")
    value = media.Video(io.BytesIO(b"\0film"), format="mp4")._runwrap_value()
    assert (content_of(files, value), value["path"][-4:]) == (b"\0film", ".mp4")


def test_a_list_of_media_is_a_gallery():
    images = [media.Image([[1]]), media.Image([[2]], caption="two")]
    value = media.media_of(images)._runwrap_value()
    assert (value["_type"], value["count"], value["items"][1]["caption"]) == ("gallery", 2, "two")
    assert [media.media_of(other) for other in ([1, 2], [], "a", 1.5, None, {"a": 1})] == [None] * 6
    assert media.media_of(images[0]) is images[0]


IMAGE = [[0] * 10] * 10


def boxed(**box):
    return lambda: media.Image(IMAGE, boxes={"b": {"box_data": [box]}})


def at(min_x, max_x, min_y, max_y):
    return {"minX": min_x, "maxX": max_x, "minY": min_y, "maxY": max_y}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: media.Image([[1], [2, 3]]), ["data_or_path", "different lengths", "make them equal"]),
        (lambda: media.Image([1, 2]), ["data_or_path", "(2,)", "height x width"]),
        (lambda: media.Image([]), ["data_or_path", "(0,)"]),
        (lambda: media.Image([[["a"]]]), ["data_or_path", "str", "numbers only"]),
        (lambda: media.Image([[1, [2]]]), ["data_or_path", "list"]),
        (lambda: media.Image(5), ["data_or_path", "int", "nested lists"]),
        (lambda: media.Image([[1j]]), ["data_or_path", "complex"]),
        (lambda: media.Image([[1 << 2000]]), ["data_or_path", "64 bits", "scale"]),
        (lambda: media.Image("/nowhere/a.png"), ["data_or_path", "/nowhere/a.png", "No such file"]),
        (lambda: media.Image("/etc/passwd"), ["data_or_path", "kind", ".png"]),
        (lambda: media.Image("a\0.png"), ["data_or_path", "null"]),
        (lambda: media.Image(IMAGE, mode="HSV"), ["mode", "HSV", "RGBA"]),
        (lambda: media.Image(IMAGE, file_type="doc"), ["file_type", "doc", "png"]),
        (lambda: media.Image(IMAGE, masks=[1]), ["masks", "dict"]),
        (lambda: media.Image(IMAGE, masks={"m": {}}), ["masks['m']", "mask_data"]),
        (lambda: media.Image(IMAGE, masks={"m": {"mask_data": [1]}}), ["masks['m']", "height x width"]),
        (lambda: media.Image(IMAGE, masks={"m": {"mask_data": [[0.5]]}}), ["masks['m']", "whole numbers"]),
        (lambda: media.Image(IMAGE, masks={"m": {"mask_data": [[-1]]}}), ["masks['m']", "-1", "0 to 255"]),
        (lambda: media.Image(IMAGE, classes=[1]), ["classes", "id"]),
        (boxed(), ["boxes['b']['box_data'][0]", "position"]),
        (boxed(position=at(0, 200, 0, 1)), ["200", "outside", "'domain': 'pixel'"]),
        (boxed(position=at(0, 20, 0, 1), domain="pixel"), ["outside", "this picture"]),
        (boxed(position=at(1, 0, 0, 1)), ["smaller"]),
        (boxed(position=at(0, math.nan, 0, 1)), ["smaller"]),
        (boxed(position={"minX": 1}), ["minX, maxX"]),
        (boxed(position=at(0, 1, 0, 1), domain="inch"), ["domain", "inch"]),
        (boxed(position=at(0, 1, 0, 1), class_id="cat"), ["class_id"]),
        (boxed(position=at(0, 1, 0, 1), scores=0.5), ["scores"]),
        (lambda: media.Image(IMAGE, boxes={"b": {"box_data": 5}}), ["boxes['b']", "box_data"]),
        (lambda: media.Audio([0]), ["sample_rate", "an array needs one"]),
        (lambda: media.Audio([0], sample_rate=-1), ["sample_rate", "-1", "44100"]),
        (lambda: media.Audio([0], sample_rate="fast"), ["sample_rate", "fast"]),
        (lambda: media.Audio([[[0]]], sample_rate=1), ["data_or_path", "(1, 1, 1)"]),
        (lambda: media.Audio([1 << 40], sample_rate=1), ["data_or_path", "16 bits"]),
        (lambda: media.Audio("/nowhere.wav"), ["data_or_path", "No such file"]),
        (lambda: media.Video([[1]]), ["data_or_path", "(1, 1)", "time x channels"]),
        (lambda: media.Video([[IMAGE]], fps=0), ["fps", "0"]),
        (lambda: media.Video([[IMAGE]], fps="x"), ["fps", "no number"]),
        (lambda: media.Video([[IMAGE]], format="exe"), ["format", "exe", "gif"]),
        (lambda: media.Video([[[[0] * 70000]]]), ["65535"]),
        (lambda: media.Video(io.StringIO("a")), ["data_or_path", "'rb'"]),
        (lambda: media.Table(columns=["a"], data=[[1, 2]]), ["row 0", "2 cells", "1 columns"]),
        (lambda: media.Table(columns=["a"], data=[5]), ["row 0", "int"]),
        (lambda: media.Table(columns=["a", "a"]), ["columns", "a", "more than once"]),
        (lambda: media.Table(columns="ab"), ["columns", "list"]),
        (lambda: media.Table(columns=[None]), ["columns", "None"]),
        (lambda: media.Table(data="ab"), ["data", "rows"]),
        (lambda: media.Table(dataframe=5), ["dataframe", "int", "pandas"]),
        (lambda: media.Table().get_column("z"), ["'z'", "Input"]),
        (lambda: media.Table(columns=["a"]).add_column("a", []), ["'a'", "already"]),
        (lambda: media.Table(columns=["a"]).add_column("b", [1]), ["1 cells for 0 rows"]),
        (media.Histogram, ["sequence"]),
        (lambda: media.Histogram([1], num_bins=513), ["num_bins", "513", "512"]),
        (lambda: media.Histogram(["a"]), ["sequence", "str"]),
        (lambda: media.Histogram(np_histogram=([1], [0])), ["np_histogram", "one edge more"]),
        (lambda: media.Histogram(np_histogram=([-1], [0, 1])), ["np_histogram", "negative"]),
        (lambda: media.Histogram(np_histogram=([1], [1, 0])), ["np_histogram", "ascend"]),
        (lambda: media.Histogram(np_histogram=([0] * 600, list(range(601)))), ["np_histogram", "512"]),
        (lambda: media.Html(5), ["data", "int"]),
        (lambda: media.Text(5), ["data", "int"]),
        (lambda: media.Plotly(5), ["val", "int", "plotly"]),
        (lambda: media.Object3D([[1, 2]]), ["(1, 2)", "N x 3", "x, y, z"]),
        (lambda: media.Object3D({}), ["points"]),
        (lambda: media.Object3D("/etc/passwd"), [".obj"]),
        (lambda: media.Object3D(io.BytesIO(b"")), ["file_type"]),
        (lambda: media.Molecule([1]), ["data_or_path", "list"]),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(files, make, words):
    with pytest.raises((TypeError, ValueError)) as error:
        make()
    assert [word for word in words if word not in str(error.value)] == []
    assert list(files.iterdir()) == []
