"""What other libraries make can be logged from a Python where runwrap is not installed, and is read back as it was."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Bench

pytestmark = pytest.mark.timeout(240)

# What is logged and what is looked for afterwards are made by one module, so that both are the same.
INPUTS = """
import io
import numpy as np, pandas as pd
from PIL import Image as Pillow

chance = np.random.default_rng(7)
grey = chance.integers(0, 256, (12, 10), dtype="uint8")
rgb = chance.integers(0, 256, (12, 10, 3), dtype="uint8")
rgba = chance.integers(0, 256, (12, 10, 4), dtype="uint8")
Pillow.fromarray(rgb).save("picture.png")
Pillow.fromarray(rgb).save("picture.jpg")
pictures = {
    "HxW": (grey, grey), "HxWx1": (grey[..., None], grey), "HxWx3": (rgb, rgb), "HxWx4": (rgba, rgba),
    "CxHxW": (rgb.transpose(2, 0, 1), rgb), "fractions": (rgb / 255.0, rgb), "float32": (grey.astype("f4") / 255, grey),
    "bool": (grey > 99, (grey > 99).astype("uint8") * 255), "int64": (rgb.astype("int64"), rgb),
    "upside down": (rgb[::-1], rgb[::-1]), "lists": (rgb.tolist(), rgb), "pillow": (Pillow.fromarray(rgb), rgb),
    "pillow, grey": (Pillow.fromarray(grey), grey), "path": ("picture.png", rgb),
}
masks = {"truth": {"mask_data": grey % 3, "class_labels": {0: "sky", 1: "car", 2: "road"}}}
boxes = {"found": {"box_data": [
    {"position": {"minX": 1, "maxX": 5, "minY": 2, "maxY": 6}, "domain": "pixel", "class_id": 1, "scores": {"iou": np.float32(0.5)}},
    {"position": {"middle": [0.5, 0.5], "width": 0.5, "height": 0.25}, "class_id": 0, "box_caption": "half"},
], "class_labels": {0: "sky", 1: "car"}}}
sound = (np.sin(np.linspace(0, 60, 4000)) * 30000).astype("int16")
stereo = np.stack([sound, sound[::-1]], axis=1)
film = np.repeat((np.arange(5 * 8 * 6).reshape(5, 8, 6, 1) % 16 * 16).astype("uint8"), 3, axis=3)
frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, float("nan"), 2.0], "word": ["a", None, "ü"]})
cloud = chance.random((20, 3))
colours = np.concatenate([cloud, chance.integers(0, 256, (20, 3))], axis=1)
values = chance.normal(size=100_000)
"""
LOGS = """
import io, sys
import matplotlib; matplotlib.use("agg")
import matplotlib.pyplot as plt
import plotly.graph_objects as go
import runwrap
from inputs import *

assert "site-packages" not in runwrap.__file__
log = runwrap.log
log({
    "f2": np.float16(0.5), "f4": np.float32(0.1), "f8": np.float64(0.1), "long": np.longdouble(0.5), "i": np.int64(-3),
    "u": np.uint64(2**63), "b": np.bool_(True), "one": np.array([[7]]), "none": np.float32("nan"), "text": np.str_("x"),
    "mean": frame["n"].mean(), "sum": frame["n"].sum(), "missing": pd.NA, "when": pd.Timestamp("2024-01-02"),
    "deep": {"a": np.array(2.5)}, np.str_("named"): 1,
})
for name, (source, _) in pictures.items():
    log({"picture " + name: runwrap.Image(source, caption=name)})
log({"covered": runwrap.Image(rgb, masks=masks, boxes=boxes), "jpeg": runwrap.Image("picture.jpg")})
log({"raw picture": Pillow.fromarray(rgb), "several": [runwrap.Image(grey), runwrap.Image(rgb)]})
figure, axes = plt.subplots(figsize=(3, 2))
axes.plot([1, 2, 3])
log({"figure": figure, "figure in image": runwrap.Image(figure), "pyplot": runwrap.Image(plt)})
runwrap.log({"sound": runwrap.Audio(sound, sample_rate=8000, caption="c"), "stereo": runwrap.Audio(stereo, 44100)})
import wave
with wave.open("sound.wav", "wb") as file:
    file.setnchannels(1), file.setsampwidth(2), file.setframerate(8000), file.writeframes(sound.tobytes())
log({"wav": runwrap.Audio("sound.wav"), "loud": runwrap.Audio(sound / 10000.0, 8000)})
log({"film": runwrap.Video(film, fps=8), "first": runwrap.Video(film.transpose(0, 3, 1, 2))})
Pillow.fromarray(rgb).save("film.gif")
log({"gif": runwrap.Video("film.gif")})
table = runwrap.Table(columns=["n", "picture", "figure"])
table.add_data(np.int64(1), runwrap.Image(grey), figure)
table.add_data(2.5, Pillow.fromarray(rgb), None)
log({"table": table, "frame": frame, "of frame": runwrap.Table(dataframe=frame), "of array": runwrap.Table(data=cloud, columns=list("xyz"))})
log({"values": values, "histogram": runwrap.Histogram(values), "counted": runwrap.Histogram(np_histogram=np.histogram(values, 20)), "series": frame["n"]})
with open("page.html", "w") as file: file.write("<p>from a file</p>")
log({"html": runwrap.Html("<b>bold ü</b>"), "page": runwrap.Html("page.html"), "words": runwrap.Text("ü\\n"), "md": runwrap.Markdown("# T")})
chart = go.Figure(go.Scatter(x=np.arange(3), y=[2, 1, 3]), layout={"title": "t"})
with open("chart.json", "w") as file: file.write(chart.to_json())
log({"chart": chart, "plotly": runwrap.Plotly(chart)})
log({"cloud": runwrap.Object3D(cloud), "colours": runwrap.Object3D(colours)})
xy = runwrap.Table(columns=["x", "y"], data=[[1, 2], [3, 4]])
truth, scores = [0, 1, 1, 0], np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]])
plot = runwrap.plot
log({
    "line": plot.line(xy, "x", "y", title="t"), "scatter": plot.scatter(xy, "x", "y"), "bar": plot.bar(xy, "x", "y"),
    "confusion": plot.confusion_matrix(y_true=truth, preds=[0, 1, 0, 0], class_names=["no", "yes"]),
    "roc": plot.roc_curve(truth, scores, labels=["no", "yes"]), "pr": plot.pr_curve(truth, scores, labels=["no", "yes"]),
})
"""
# Reads the files of the run without runwrap, and looks whether they are what was logged.
CHECKS = """
import json, os, sys, wave
from inputs import *
assert "runwrap" not in sys.modules
logged, folder = json.load(open("logged.json")), sys.argv[1]
def path(of): return os.path.join(folder, of["path"])
def text(name): return open(path(logged[name]), encoding="utf-8").read()
def pixels(of): return np.asarray(Pillow.open(path(of)))
def same(a, b): assert a.shape == b.shape and (a == b).all(), (a.shape, b.shape)
for name, (_, expected) in pictures.items():
    found = logged["picture " + name]
    same(pixels(found), expected)
    assert (found["width"], found["height"], found["caption"]) == (10, 12, name)
same(pixels(logged["raw picture"]), rgb)
assert [pixels(item).tolist() for item in logged["several"]["items"]] == [grey.tolist(), rgb.tolist()]
assert open(path(logged["jpeg"]), "rb").read() == open("picture.jpg", "rb").read()
covered = logged["covered"]
same(np.asarray(Pillow.open(path(covered["masks"]["truth"]))), grey % 3)
assert covered["masks"]["truth"]["class_labels"] == {"0": "sky", "1": "car", "2": "road"}
found = json.load(open(path(covered["boxes"]["found"])))["box_data"]
assert found[0] == {"position": {"minX": 1, "maxX": 5, "minY": 2, "maxY": 6}, "domain": "pixel", "class_id": 1, "scores": {"iou": 0.5}}
assert found[1]["position"] == {"minX": 0.25, "maxX": 0.75, "minY": 0.375, "maxY": 0.625} and found[1]["box_caption"] == "half"
for name in ("figure", "figure in image", "pyplot"):
    picture = Pillow.open(path(logged[name]))
    assert picture.size == (logged[name]["width"], logged[name]["height"]) and len(set(picture.convert("L").tobytes())) > 10
for name, expected in (("sound", sound), ("stereo", stereo), ("wav", sound)):
    with wave.open(path(logged[name])) as file:
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(expected.shape)
        assert (file.getframerate(), logged[name]["channels"]) == (logged[name]["sample_rate"], file.getnchannels())
        same(frames, expected)
assert abs(logged["loud"]["peak"] - 3) < 0.01 and logged["sound"]["duration_s"] == 0.5
for name in ("film", "first"):
    shown = Pillow.open(path(logged[name]))
    assert shown.n_frames == len(film) == logged[name]["frames"]
    for number in range(len(film)):
        shown.seek(number)
        same(np.asarray(shown.convert("RGB")), film[number])
assert open(path(logged["gif"]), "rb").read() == open("film.gif", "rb").read()
rows = json.loads(text("table"))
assert (rows["columns"], [row[0] for row in rows["data"]], rows["data"][1][2]) == (["n", "picture", "figure"], [1, 2.5], None)
same(pixels(rows["data"][0][1]), grey)
same(pixels(rows["data"][1][1]), rgb)
assert pixels(rows["data"][0][2]).shape[0] > 50
absent = None if frame["word"][1] is None else "NaN"  # as this pandas has it
for name in ("frame", "of frame"):
    assert json.loads(text(name)) == {"columns": ["n", "x", "word"], "data": [[1, 0.5, "a"], [2, "NaN", absent], [3, 2.0, "ü"]]}
assert json.loads(text("of array"))["data"] == cloud.tolist()
for name in ("values", "histogram"):
    counts, edges = np.histogram(values, 64)
    assert logged[name]["counts"] == counts.tolist() and np.allclose(logged[name]["edges"], edges)
assert logged["counted"]["counts"] == np.histogram(values, 20)[0].tolist() and sum(logged["series"]["counts"]) == 3
assert (text("html"), text("page"), text("words"), text("md")) == ("<b>bold ü</b>", "<p>from a file</p>", "ü\\n", "# T")
assert json.loads(text("chart")) == json.loads(text("plotly")) == json.load(open("chart.json"))
assert json.loads(text("cloud"))["points"] == cloud.tolist() and json.loads(text("colours"))["points"] == colours.tolist()
for name in ("line", "scatter", "bar"):
    assert json.loads(text(name)) == {"columns": ["x", "y"], "data": [[1, 2], [3, 4]]}
    assert (logged[name]["plot"], logged[name]["x"], logged[name]["y"]) == (name, "x", "y")
cells = {(row[0], row[1]): row[2] for row in json.loads(text("confusion"))["data"]}
assert cells == {("no", "no"): 2, ("no", "yes"): 0, ("yes", "no"): 1, ("yes", "yes"): 1}, cells
assert logged["roc"]["auc"] == logged["pr"]["average_precision"] == {"no": 1, "yes": 1}
assert json.loads(text("roc"))["columns"] == ["class", "fpr", "tpr"] and len(json.loads(text("pr"))["data"]) == logged["pr"]["rows"]
print("all is well")
"""
TORCH_LOGS = """
import torch, runwrap
torch.manual_seed(0)
model = torch.nn.Linear(3, 2)
loss = model(torch.ones(4, 3)).sum()
loss.backward()
picture = (torch.arange(3 * 4 * 5).reshape(3, 4, 5) * 4).to(torch.uint8)
runwrap.config.update({"dtype": torch.float32, "device": torch.device("cpu"), "betas": torch.tensor([0.9, 0.5])})
runwrap.log({
    "loss": loss, "detached": loss.detach(), "item": torch.tensor(3), "yes": torch.tensor(True), "half": torch.tensor(0.5, dtype=torch.bfloat16),
    "one": torch.tensor([[1.5]]), "nan": torch.tensor(float("nan")), "parameter": torch.nn.Parameter(torch.tensor(2.0)),
    "weights": model.weight, "grad": model.weight.grad, "sixteen": torch.ones(8, dtype=torch.bfloat16), "empty": torch.zeros(0),
    "picture": runwrap.Image(picture), "fraction": runwrap.Image(picture / 255), "batch": runwrap.Image(torch.stack([picture, picture])),
    "film": runwrap.Video(torch.stack([picture, 255 - picture])), "sound": runwrap.Audio(torch.zeros(2, 100), 8000),
    "table": runwrap.Table(columns=["t"], data=[[torch.tensor(1)], [loss]]), "cloud": runwrap.Object3D(torch.rand(5, 3)),
    "several": [runwrap.Image(picture)], "roc": runwrap.plot.roc_curve(torch.tensor([0, 1]), torch.tensor([[0.9, 0.1], [0.2, 0.8]])),
})
print(loss.item(), *picture[:, 0, 1].tolist())
"""


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Return all that has a file, however deep it lies."""
    if isinstance(value, dict) and "sha256" in value:
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from objects_in(item)


def logged_by(bench: Bench, python: str, text: str) -> tuple[dict[str, Any], Path]:
    """Run a script, and check every file that its rows speak of; return what it logged and where the files lie."""
    bench.desk.script("s.py", text)
    bench.run(python, "s.py", MPLCONFIGDIR=str(bench.folder))
    run = bench.recorded()
    logged: dict[str, Any] = {}
    for row in run.records("history"):
        logged |= row["values"]
    files = {file["path"]: file for file in run.records("file")}
    for found in objects_in(logged):
        content = (run.folder / "files" / found["path"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (found["sha256"], found["size_bytes"])
        assert files[found["path"]]["sha256"] == found["sha256"]
    assert run.records("notice") == []
    return logged, run.folder / "files"


def test_what_libraries_make_is_read_back_as_it_was(bench: Bench, media_python: str) -> None:
    bench.desk.script("inputs.py", INPUTS)
    logged, folder = logged_by(bench, media_python, LOGS)
    numbers = {name: value for name, value in logged.items() if not isinstance(value, dict)}
    assert numbers == {
        "f2": 0.5, "f4": 0.10000000149011612, "f8": 0.1, "long": 0.5, "i": -3, "u": 2**63, "b": True, "one": 7,
        "none": "NaN", "text": "x", "mean": 2.0, "sum": 6, "missing": "<NA>", "when": "2024-01-02T00:00:00",
        "deep/a": 2.5, "named": 1,
    }  # fmt: skip
    (bench.folder / "logged.json").write_text(json.dumps(logged))
    bench.desk.script("checks.py", CHECKS)
    assert bench.call(media_python, "checks.py", folder) == b"all is well\n"


def test_what_torch_makes_can_be_logged(bench: Bench, torch_python: str) -> None:
    logged, _ = logged_by(bench, torch_python, TORCH_LOGS)
    kinds = {name: value["_type"] for name, value in logged.items() if isinstance(value, dict)}
    assert kinds == {
        "weights": "histogram", "grad": "histogram", "sixteen": "histogram", "picture": "image",
        "fraction": "image", "batch": "image", "film": "video", "sound": "audio", "table": "table",
        "cloud": "object3d", "several": "gallery", "roc": "plot",
    }  # fmt: skip
    assert logged["loss"] == logged["detached"] == float(bench.recorded().log.split()[0])
    names = ("item", "yes", "half", "one", "nan", "parameter", "empty")
    assert [logged[name] for name in names] == [3, True, 0.5, 1.5, "NaN", 2.0, "tensor([])"]
    size = [logged[name][side] for name in ("picture", "batch") for side in ("width", "height")]
    assert size == [5, 4, 10, 4]
    assert logged["picture"]["sha256"] == logged["fraction"]["sha256"]
    config = bench.shown("latest")["config"]
    assert config["dtype"], config["betas"] == ("torch.float32", [pytest.approx(0.9), 0.5])
