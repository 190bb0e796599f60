"""Arrays, pictures, tables and figures of other libraries; they are skipped where those are not."""

import io
import json
import subprocess
import sys
import wave

import pytest

from runwrap.inject import media
from runwrap.inject.media import storing


@pytest.fixture(autouse=True)
def read(tmp_path, monkeypatch):
    """Return what reads the file of a media object."""
    monkeypatch.setenv("RUNWRAP_FILES", str(tmp_path))
    monkeypatch.setattr(storing, "say", lambda *_, **__: None)
    return lambda thing: (tmp_path / thing._runwrap_value()["path"]).read_bytes()


@pytest.fixture
def np():
    return pytest.importorskip("numpy")


@pytest.fixture
def opened(read):
    image_of = pytest.importorskip("PIL.Image")
    return lambda thing: image_of.open(io.BytesIO(read(thing)))


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool", "float16", "float32", "float64", "uint16"])
def test_numpy_and_lists_make_the_same_picture(np, read, kind):
    source = np.random.default_rng(1)
    array = (source.random((7, 5, 3)) * (1 if kind.startswith("float") else 255)).astype(kind)
    assert read(media.Image(array)) == read(media.Image(array.tolist()))
    if kind != "bool":
        stretched = array.astype("float64") * 3 - 1
        assert read(media.Image(stretched)) == read(media.Image(stretched.tolist()))
    assert read(media.Image(array.transpose(2, 0, 1))) == read(media.Image(array))
    assert read(media.Image(array[::-1, :, 0])) == read(media.Image(array[::-1, :, 0].tolist()))


def test_picture_of_numpy_is_read_by_pillow(np, opened):
    array = np.arange(256, dtype="uint8").reshape(16, 16)
    assert (np.asarray(opened(media.Image(array))) == array).all()
    colours = np.random.default_rng(0).integers(0, 256, (9, 8, 4), dtype="uint8")
    assert (np.asarray(opened(media.Image(colours))) == colours).all()
    assert opened(media.Image(colours, mode="RGB")).mode == "RGB"
    assert opened(media.Image(colours, mode="L")).mode == "L"


def test_arrays_of_no_numbers(np):
    for array in (np.array([["a"]]), np.array([[1j]]), np.array([[None]])):
        with pytest.raises(TypeError, match="data_or_path holds"):
            media.Image(array)
    with pytest.raises(ValueError, match="do not fit together"):
        media.Image([np.zeros(2), np.zeros(3)])
    assert media.media_of(np.array(["a", "b"])) is None


def test_odd_numbers_of_numpy(np, read):
    array = np.array([[np.nan, np.inf, -np.inf, 0.0, 1.0]])
    assert read(media.Image(array)) == read(media.Image(array.tolist()))
    assert read(media.Image(np.full((2, 2), 7.5))) == read(media.Image([[7.5] * 2] * 2))
    assert read(media.Image([[np.float32(0.5), np.int8(1)]])) == read(media.Image([[0.5, 1.0]]))
    assert read(media.Image(np.ones((2, 2), "longdouble"))) == read(media.Image([[1.0] * 2] * 2))
    mixed = media.Histogram([np.float32(1), 2.0, np.array(3)], num_bins=2)._runwrap_value()
    assert mixed["counts"] == [1, 2]
    masked = media.Image(array, masks={"m": {"mask_data": np.array([[1, 2]], "int8")}})
    assert masked._runwrap_value()["masks"]["m"]["size_bytes"] > 50


@pytest.mark.parametrize("kind", ["int16", "int32", "float32", "float64", "uint8"])
def test_sound_of_numpy(np, read, kind):
    times = np.sin(np.linspace(0, 9, 400)).reshape(200, 2)
    array = {
        "int16": (times * 30000).astype("int16"), "int32": (times * 2e9).astype("int32"),
        "uint8": (times * 100 + 128).astype("uint8"),
    }.get(kind, times.astype(kind))  # fmt: skip
    content = read(media.Audio(array, sample_rate=200))
    assert read(media.Audio(array.T, sample_rate=200)) == content
    if kind != "uint8":  # plain numbers have no such kind
        assert read(media.Audio(array.tolist(), sample_rate=200)) == content
    with wave.open(io.BytesIO(content)) as file:
        found = np.frombuffer(file.readframes(400), "<i2").reshape(200, 2)
    assert abs(np.corrcoef(found.ravel(), times.ravel())[0, 1] - 1) < 1e-3
    if kind == "int16":
        assert (found == array).all()


def test_film_of_numpy(np, opened):
    film = np.zeros((4, 3, 6, 8), "uint8")
    for time in range(4):
        film[time, time % 3, time] = 200
    thing = media.Video(film, fps=8, caption="dots")
    value = thing._runwrap_value()
    assert (value["width"], value["height"], value["frames"], value["fps"]) == (8, 6, 4, 8)
    with opened(thing) as image:
        for time in range(4):
            image.seek(time)
            assert (np.asarray(image.convert("RGB")) == film[time].transpose(1, 2, 0)).all()
    last = media.Video(film.transpose(0, 2, 3, 1), fps=8)
    assert last._runwrap_value()["path"] == value["path"]
    assert media.Video(list(film), fps=8)._runwrap_value()["path"] == value["path"]
    two = media.Video(np.stack([film, film]), fps=8)
    assert two._runwrap_value()["width"] == 16
    with opened(two) as image:
        assert (np.asarray(image.convert("RGB"))[:, 8:] == film[0].transpose(1, 2, 0)).all()


def test_film_of_another_kind(np, read):
    pytest.importorskip("imageio_ffmpeg")
    content = read(media.Video(np.zeros((4, 3, 64, 64), "uint8"), fps=8, format="mp4"))
    assert content[4:8] == b"ftyp"


def test_film_of_another_kind_without_what_writes_it(np, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ValueError, match=r"imageio\[ffmpeg\]"):
        media.Video(np.zeros((4, 3, 64, 64), "uint8"), format="mp4")


@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "int8", "bool", "uint64"])
def test_histogram_of_numpy(np, kind):
    array = (np.random.default_rng(2).normal(size=5000) * 20).astype(kind)
    value = media.Histogram(array)._runwrap_value()
    counts, edges = np.histogram(array.astype("float64"), 64)
    assert value["edges"] == pytest.approx(edges.tolist())
    differing = sum(abs(a - b) for a, b in zip(value["counts"], counts.tolist(), strict=True))
    assert (sum(value["counts"]), differing <= 10) == (5000, True)
    assert media.Histogram(array.tolist())._runwrap_value() == value
    given = media.Histogram(np_histogram=np.histogram(array.astype(float)))._runwrap_value()
    assert sum(given["counts"]) == 5000


def test_an_array_that_is_logged_is_a_histogram(np):
    assert media.media_of(np.arange(10))._runwrap_value()["_type"] == "histogram"
    assert [media.media_of(value) for value in (np.array(5.0), np.array([5.0]), np.int64(3))] == [None] * 3


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK", "I;16", "F", "HSV", "LA"])
def test_picture_of_pillow(opened, mode):
    image_of = pytest.importorskip("PIL.Image")
    image = image_of.new(mode, (4, 3))
    value = media.Image(image, caption="c")._runwrap_value()
    assert (value["width"], value["height"], value["format"]) == (4, 3, "png")
    with opened(media.Image(image)) as found:
        assert found.size == (4, 3)
        if mode in ("L", "RGB", "RGBA", "P", "1", "LA"):
            assert found.convert(mode).tobytes() == image.tobytes()
    assert opened(media.Image(image, file_type="jpg")).format == "JPEG"


def test_jpeg_of_an_array(np, opened):
    array = np.full((8, 8, 4), 100, "uint8")
    thing = media.Image(array, file_type="jpg")
    assert thing._runwrap_value()["path"].endswith(".jpg")
    assert opened(thing).format == "JPEG"


def test_picture_of_pillow_is_taken_as_it_is(opened):
    image_of = pytest.importorskip("PIL.Image")
    image = image_of.new("L", (1, 1), 5)
    thing = media.Image(image)
    image.putpixel((0, 0), 9)
    assert opened(thing).getpixel((0, 0)) == 5
    assert media.media_of(image)._runwrap_value()["_type"] == "image"
    assert media.media_of([image, image])._runwrap_value()["count"] == 2


def test_figure_of_matplotlib(opened):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(2, 1), dpi=50)
    axes.plot([1, 2])
    for thing in (media.Image(figure), media.Image(plt), media.media_of(axes), media.media_of(plt)):
        value = thing._runwrap_value()
        with opened(thing) as image:
            assert image.size == (value["width"], value["height"]) == (100, 50)
    cell = media.Table(columns=["a"], data=[[figure]]).cell(figure)
    assert cell["_type"] == "image"
    plt.close(figure)


def test_table_of_pandas(read):
    pandas = pytest.importorskip("pandas")
    days = pandas.to_datetime(["2024-01-02", None])
    frame = pandas.DataFrame({"n": [1.5, float("nan")], "s": ["a", None], "i": [1, 2], "d": days})
    table = media.Table(dataframe=frame)
    found = json.loads(read(table))
    assert found["columns"] == ["n", "s", "i", "d"]
    assert found["data"][0] == [1.5, "a", 1, "2024-01-02T00:00:00"]
    assert found["data"][1][0] == "NaN"
    assert found["data"][1][2:] == [2, None]
    assert read(media.Table(data=frame)) == read(media.media_of(frame)) == read(table)
    assert list(table.get_dataframe()["i"]) == [1, 2]
    assert media.plot.line(frame, "i", "n")._runwrap_value()["rows"] == 2
    assert sum(media.Histogram(frame["i"])._runwrap_value()["counts"]) == 2


def test_table_of_numpy(np, read):
    table = media.Table(columns=["a", "b"], data=np.array([[1, 2], [3, 4]]))
    table.add_column("c", np.array([0.5, np.nan]))
    table.add_data(np.float32(0.5), np.arange(3), np.datetime64("2024-01-02"))
    found = json.loads(read(table))["data"]
    assert found == [[1, 2, 0.5], [3, 4, "NaN"], [0.5, [0, 1, 2], "2024-01-02"]]
    assert table.get_column("a", convert_to="numpy").shape == (3,)


def test_figure_of_plotly(read):
    objects = pytest.importorskip("plotly.graph_objects")
    figure = objects.Figure(objects.Scatter(x=[1, 2], y=[3, 4]))
    value = media.Plotly(figure)._runwrap_value()
    assert value["_type"] == "plotly"
    assert json.loads(read(media.Plotly(figure)))["data"][0]["type"] == "scatter"
    assert media.media_of(figure)._runwrap_value() == value


def test_points_of_numpy(np, read):
    points = np.arange(12.0).reshape(2, 6)
    assert json.loads(read(media.Object3D(points)))["points"] == points.tolist()


def test_tensors(np, read):
    """Torch need not be here: what is asked of a tensor is asked of this one."""

    class Tensor:
        def __init__(self, array, kind):
            self.array, self.dtype, self.shape = array, kind, array.shape

        def detach(self):
            return self

        def cpu(self):
            return self

        def float(self):
            return Tensor(self.array, "torch.float32")

        def numpy(self):
            assert self.dtype != "torch.bfloat16"
            return self.array

        def tolist(self):
            return self.array.tolist()

    Tensor.__module__ = "torch"
    array = np.linspace(0, 1, 3 * 4 * 3).reshape(3, 4, 3)
    tensor = Tensor(array, "torch.bfloat16")
    assert media.Image(tensor)._runwrap_value()["height"] == 4  # of a tensor the channels come first
    assert media.Image(array)._runwrap_value()["height"] == 3
    assert read(media.Image(tensor)) == read(media.Image(array.transpose(1, 2, 0)))
    assert sum(media.Histogram(tensor)._runwrap_value()["counts"]) == 36
    assert media.Image([Tensor(part, "torch.float32") for part in array])._runwrap_value()["height"] == 4
    assert json.loads(read(media.Table(columns=["a"], data=[[tensor]])))["data"] == [[array.tolist()]]
    assert (
        media.plot.confusion_matrix(
            y_true=Tensor(np.array([0, 1]), "torch.int64"), preds=Tensor(np.array([1, 1]), "torch.int64")
        )._runwrap_value()["rows"]
        == 4
    )


def test_no_library_is_imported():
    script = (
        "import sys\nfrom runwrap.inject import media\nmedia.Image([[1]]); media.Histogram([1])\n"
        "media.Table(columns=['a'], data=[[1]]); media.media_of(object())\n"
        "print({'numpy', 'PIL', 'torch', 'matplotlib', 'pandas', 'plotly'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
