"""watch() looks at models while they are trained, and leaves them and their training as they were.

The scripts run in an interpreter with torch and Keras and without runwrap.
"""

import json
import subprocess

import pytest

from tests.unit.test_client import Listener, environ_of

pytestmark = pytest.mark.timeout(400)

BEGIN = """
import copy, io, os, pickle, sys
import torch
import runwrap
torch.manual_seed(0)
torch.set_num_threads(1)
def net():
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
def train(model, steps, log=True, data=torch.randn(8, 4)):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    loss = 0
    for step in range(steps):
        optimizer.zero_grad()
        loss = model(data).pow(2).mean()
        loss.backward()
        optimizer.step()
        if log:
            runwrap.log({"loss": float(loss)})
    return float(loss)
"""


FAIL = "fail = m[0].weight.register_hook(lambda _: 1 / 0)"


@pytest.fixture
def listener(tmp_path):
    listener = Listener(tmp_path)
    yield listener
    listener.close()


def run(python, listener, text, **more):
    """Run a script; return what it printed and the rows that it said, those of one step as one."""
    environ = environ_of(listener, KERAS_BACKEND="torch", PYTHONWARNINGS="ignore", **more)
    done = subprocess.run(
        [python, "-c", BEGIN + text], env=environ, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    rows, row = [], {}
    for line in listener.heard("history"):
        row.update(line["values"])
        if line.get("commit") is not False:
            rows.append(row)
            row = {}
    assert not row or "unwatched" in text, row
    return done.stdout, rows


def notices(listener):
    return [line["text"] for line in listener.heard("notice")]


def test_each_log_freqth_row_has_histograms(torch_python, listener):
    _, rows = run(torch_python, listener, "m = net(); runwrap.watch(m, log='all', log_freq=2); train(m, 5)")
    watched = {
        f"{kind}/{name}"
        for kind in ("gradients", "parameters")
        for name in ("0.weight", "0.bias", "2.weight", "2.bias")
    }
    assert [set(row) - {"graph"} for row in rows] == [
        {"loss", *watched} if step % 2 == 0 else {"loss"} for step in range(5)
    ]
    for name in watched:
        histogram = rows[2][name]
        assert (
            sum(histogram["counts"])
            == {"0.weight": 32, "0.bias": 8, "2.weight": 8, "2.bias": 1}[name.split("/")[1]]
        )
        assert len(histogram["edges"]) == 65
        assert histogram["edges"] == sorted(histogram["edges"])
    assert notices(listener) == []


def test_histograms_are_those_of_numpy(torch_python, listener):
    text = """
import json, numpy
from runwrap.inject.watch import bins
bins.PIECE_LENGTH = bins.PIECE_LENGTH_THERE = 300
cases = {
    "normal": torch.randn(10000), "large": torch.randn(100) * 1e30, "small": torch.randn(100) * 1e-30,
    "ints": torch.arange(64.), "double": torch.randn(1000, dtype=torch.float64), "half": torch.randn(1000).half(),
    "bfloat": torch.randn(1000).bfloat16(), "complex": torch.randn(100, dtype=torch.complex64), "one": torch.tensor([3.0]),
    "same": torch.full((10,), 2.0), "zeros": torch.zeros(7), "odd": torch.tensor([float("nan"), float("inf"), 1.0, 2.0]),
    "nothing": torch.tensor([float("nan")] * 3), "sparse": torch.eye(4).to_sparse(), "wide": torch.tensor([-3e38, 3e38]),
    "turned": torch.randn(30, 20).t(),
}
def there(tensor):
    values = bins.plain(tensor)
    return bins.counted_there(torch, values.split(300))
for count in (bins.counted, there):
    found = bins.brought({name: count(tensor) for name, tensor in cases.items()})
    for name, tensor in cases.items():
        tensor = tensor.coalesce().values() if tensor.is_sparse else tensor.abs() if tensor.is_complex() else tensor
        values = tensor.double().numpy().reshape(-1)
        finite = values[numpy.isfinite(values)]
        mine = found[name]
        assert mine.get("passed_over", 0) == len(values) - len(finite), name
        assert sum(mine["counts"]) == len(finite), (name, mine)
        if len(set(finite)) > 1:
            counts, edges = numpy.histogram(finite, 64)
            assert abs(counts - mine["counts"]).sum() <= 2 + len(finite) // 500, name  # of values on an edge
            assert numpy.allclose(edges, mine["edges"], rtol=1e-5, atol=(finite.max() - finite.min()) * 1e-6), name
    json.dumps(found, allow_nan=False)
print("well")
"""
    assert run(torch_python, listener, text)[0] == "well\n"


def test_training_is_the_same_to_the_last_bit(torch_python, listener):
    text = """
def trained(watched):
    torch.manual_seed(1)
    m = torch.nn.Sequential(net(), torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(1))
    if watched:
        runwrap.watch(m, log="all", log_freq=3)
    loss = train(m, 20, log=False)
    state = torch.get_rng_state()
    runwrap.unwatch(m)
    return loss, [p.tolist() for p in m.state_dict().values()], state.tolist(), [p.grad.tolist() for p in m.parameters()]
assert trained(False) == trained(True)
runwrap.log({"unwatched": 1})
print("same")
"""
    assert run(torch_python, listener, text)[0] == "same\n"


def test_the_layers_are_a_table(torch_python, listener):
    run(
        torch_python,
        listener,
        "m = net(); m[2].weight.requires_grad = False; runwrap.watch(m, log=None); train(m, 2)",
    )
    (value,) = [line["values"]["graph"] for line in listener.heard("history") if "graph" in line["values"]]
    table = json.loads((listener.files / value["path"]).read_text())
    assert table["columns"] == ["layer", "type", "parameters", "trainable", "output shape"]
    assert table["data"] == [
        ["0", "Linear", 40, 40, "8 x 8"], ["1", "ReLU", 0, 0, "8 x 8"], ["2", "Linear", 9, 1, "8 x 1"],
    ]  # fmt: skip


def test_a_watched_model_is_copied_and_stored_as_before(torch_python, listener, tmp_path):
    text = f"""
m = net(); runwrap.watch(m, log="all", log_freq=1)
train(m, 1)
assert m[0]._forward_hooks  # until the shapes are known
copies = [copy.deepcopy(m), pickle.loads(pickle.dumps(m))]
assert m.state_dict().keys() == net().state_dict().keys()
torch.save(m, {str(tmp_path / "m.pt")!r})
for one in copies:
    train(one, 2, log=False)
runwrap.log({{"loss": 1}})
train(m, 1)
copies.append(pickle.loads(pickle.dumps(m)))
"""
    _, rows = run(torch_python, listener, text)
    assert [len(row) for row in rows] == [9, 1, 10]
    code = f"import torch; print(torch.load({str(tmp_path / 'm.pt')!r}, weights_only=False)(torch.ones(1, 4)).shape)"
    alone = subprocess.run([torch_python, "-c", code], capture_output=True, text=True, check=True)
    assert alone.stdout == "torch.Size([1, 1])\n"  # where there is no runwrap


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("m.eval(); train(m, 2)", [1, 1]),
        ("train(m, 1)\nwith torch.no_grad(): m(torch.ones(1, 4))\nrunwrap.log({'x': 1})", [5, 1]),
        ("train(m, 1); runwrap.unwatch(m); train(m, 1)", [5, 1]),
        ("train(m, 1); runwrap.unwatch(); train(m, 1)", [5, 1]),
        ("m[0].weight.requires_grad = False; train(m, 1)", [4]),
        ("m.requires_grad_(False); m[2].bias.requires_grad = True; train(m, 1)", [2]),
        ("runwrap.watch(m, log_graph=False, log_freq=1); train(m, 1)", [5]),
        ("m[1].without_gradient = torch.nn.Linear(2, 2); train(m, 2)", [5, 5]),
        ("m[0].requires_grad_(False); train(m, 1); m[0].requires_grad_(True); train(m, 1)", [3, 5]),
        (f"{FAIL}\ntry: train(m, 1)\nexcept ZeroDivisionError: fail.remove()\ntrain(m, 2)", [5, 5]),
    ],
    ids=range(10),
)
def test_what_is_watched_follows_the_model(torch_python, listener, text, counts):
    begin = "m = net(); runwrap.watch(m, log='gradients', log_freq=1, log_graph=False)\n"
    _, rows = run(torch_python, listener, begin + text + "\n# unwatched\n")
    assert [len(row) for row in rows] == counts
    assert notices(listener) == []


def test_several_models_and_names(torch_python, listener):
    text = """
a, b, c = net(), net(), net()
runwrap.watch([a, b], log_freq=1, log_graph=False)
runwrap.watch(c, log_freq=1, name="critic", log_graph=False)
for m in (a, b, c):
    train(m, 1, log=False)
runwrap.log({"x": 1})
"""
    _, (row,) = run(torch_python, listener, text)
    assert {name.rpartition("gradients/")[0] for name in row} == {"", "graph_1/", "critic/"}
    assert len(row) == 13


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("runwrap.watch(5)", "TypeError watch() takes models of PyTorch and Keras, not a int"),
        ("runwrap.watch(net(), log='everything')", "ValueError watch(log='everything'): choose one of"),
        ("runwrap.watch(net(), log_freq=0)", "ValueError watch(log_freq=0): give the number of steps"),
    ],
)
def test_what_cannot_be_watched_is_a_clear_error(torch_python, listener, call, said):
    text = f"try: {call}\nexcept Exception as error: print(type(error).__name__, error)"
    assert run(torch_python, listener, text)[0].startswith(said)


def test_what_fails_in_us_ends_the_watching_and_not_the_training(torch_python, listener):
    text = """
m = net(); runwrap.watch(m, log="all", log_freq=1)
import runwrap.inject.watch.torchmodel as ours
def broken(_): raise RuntimeError("broken")
ours.counted = broken
train(m, 3)
"""
    _, rows = run(torch_python, listener, text)
    assert [set(row) - {"graph"} for row in rows] == [{"loss"}] * 3
    assert notices(listener) == ["The watching has ended: watch: RuntimeError: broken"]


def test_a_child_process_says_nothing_of_the_model(torch_python, listener):
    text = """
m = net(); runwrap.watch(m, log="all", log_freq=1)
if not os.fork():
    train(m, 3, log=False)
    os._exit(0)
os.wait()
train(m, 1)
"""
    _, (row,) = run(torch_python, listener, text)
    assert len(row) == 9
    assert notices(listener) == []


@pytest.mark.parametrize("order", ["before", "after", "itself"])
def test_a_compiled_model_is_watched_and_compiled_as_before(torch_python, listener, order):
    text = f"""
import torch._dynamo
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = net()
    def forward(self, x):
        return self.net(x)
def compiled(is_watched):
    torch._dynamo.reset(); torch._dynamo.utils.counters.clear()
    m = Net()
    if {order!r} == "itself":
        m.compile(backend="eager", fullgraph=True)
    c = torch.compile(m, backend="eager", fullgraph=True) if {order!r} == "before" else m
    if is_watched:
        runwrap.watch(c, log="gradients", log_freq=2)
    c = torch.compile(c, backend="eager", fullgraph=True) if {order!r} == "after" else c
    train(c, 1, log=is_watched)
    train(c, 3, log=is_watched, data=torch.randn(5, 4))  # compiled once more, while layers are hooked
    return dict(torch._dynamo.utils.counters["stats"]), dict(torch._dynamo.utils.counters["graph_break"])
assert compiled(False) == compiled(True)
"""
    _, rows = run(torch_python, listener, text)
    assert [len(row) for row in rows] == [5, 2, 5, 1]
    assert notices(listener) == []


@pytest.mark.parametrize(
    "way",
    [
        "torch.jit.script(m)",
        "torch.jit.trace(m, torch.ones(1, 4)).graph",
        "torch.export.export(m, (torch.ones(1, 4),)).graph",
        "torch.fx.symbolic_trace(m).graph",
    ],
)
@pytest.mark.parametrize("steps", [0, 2])
def test_a_watched_model_is_made_into_others_as_before(torch_python, listener, way, steps):
    text = f"""
import re, torch.fx
def made(is_watched):
    torch.manual_seed(0)
    m = net()
    if is_watched:
        runwrap.watch(m, log_freq=1)
    train(m, {steps}, log=is_watched)
    return re.sub(r"(___torch_mangle_[0-9]+[.])|0x[0-9a-f]+", "", str({way}))
bare, watched = made(False), made(True)
assert bare == watched, bare + watched
runwrap.log({{"loss": 1}})
"""
    _, rows = run(torch_python, listener, text)
    assert [len(row) for row in rows] == [5, 6, 1][2 - steps :]


def test_a_scripted_model_is_watched(torch_python, listener):
    run(torch_python, listener, "m = torch.jit.script(net()); runwrap.watch(m, log_freq=1); train(m, 2)")
    (value,) = [line["values"]["graph"] for line in listener.heard("history") if "graph" in line["values"]]
    table = json.loads((listener.files / value["path"]).read_text())
    assert [row[1:] for row in table["data"]] == [
        ["Linear", 40, 40, None], ["ReLU", 0, 0, None], ["Linear", 9, 9, None],
    ]  # fmt: skip
    assert notices(listener) == []


def test_a_step_with_two_passes_through_the_model_is_one(torch_python, listener):
    text = """
m = net(); runwrap.watch(m, log_freq=2, log_graph=False)
for _ in range(3):
    m.zero_grad()
    (m(torch.ones(2, 4)) - m(torch.zeros(2, 4))).pow(2).mean().backward()
    runwrap.log({"loss": 1})
"""
    _, rows = run(torch_python, listener, text)
    assert [len(row) for row in rows] == [5, 1, 5]


def test_a_watched_model_is_freed_as_before(torch_python, listener):
    text = """
import gc, weakref
gc.disable()
m = net(); runwrap.watch(m, log_freq=1)
for _ in range(3):
    m(torch.ones(2, 4)).sum().backward()
runwrap.log({"loss": 1})
gone = weakref.ref(m)
del m
print(gone() is None)
"""
    assert run(torch_python, listener, text)[0] == "True\n"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("net().requires_grad_(False)", "No parameter of the model can be trained as yet"),
        ("torch.nn.Sequential(torch.nn.LazyLinear(3))", "No parameter of the model can be trained as yet"),
        (
            "torch.nn.Sequential(net(), *[torch.nn.Linear(1, 1) for _ in range(600)])",
            "Of 1204 parameters the first",
        ),
    ],
    ids=["frozen", "lazy", "large"],
)
def test_what_is_not_watched_is_told_once(torch_python, listener, model, told):
    text = f"""
m = {model}; runwrap.watch(m, log="all", log_freq=1)
if {told!r}[0] == "O":
    train(m, 3)
runwrap.log({{"loss": 1}})
"""
    _, rows = run(torch_python, listener, text)
    (notice,) = notices(listener)
    assert notice.startswith(told)
    assert any("graph" in row for row in rows)


def test_processes_that_train_together_see_the_gradients_that_all_have(torch_python, listener, tmp_path):
    script = tmp_path / "together.py"
    script.write_text(f"""
import os, torch, torch.distributed, torch.multiprocessing, runwrap
def main(rank):
    torch.distributed.init_process_group(
        "gloo", rank=rank, world_size=2, init_method="file://{tmp_path}/meeting")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    m = torch.nn.parallel.DistributedDataParallel(
        torch.nn.Sequential(*[torch.nn.Linear(300, 300) for _ in range(8)]),
        gradient_as_bucket_view=True, bucket_cap_mb=0.3)
    if rank == 0:
        runwrap.watch(m, log_freq=1, log_graph=False)
    m(torch.randn(4, 300) + rank).sum().backward()
    if rank == 0:
        from runwrap.inject.watch import bins
        gradients = {{"gradients/" + name: p.grad for name, p in m.named_parameters()}}
        runwrap.log({{"own/" + k: v for k, v in bins.brought(
            {{name: bins.counted(gradient) for name, gradient in gradients.items()}}).items()}})
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
if __name__ == "__main__":
    torch.multiprocessing.spawn(main, nprocs=2)
""")
    text = f"os.execv(sys.executable, [sys.executable, {str(script)!r}])"
    _, rows = run(torch_python, listener, text)
    row = {name: value for one in rows for name, value in one.items()}
    own = {name[4:]: value for name, value in row.items() if name.startswith("own/")}
    assert len(own) == 16
    assert own == {name: row[name] for name in own}


def test_a_model_of_keras_is_watched(torch_python, listener):
    text = """
import numpy, keras
m = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(1)])
m.compile("sgd", "mse")
fit = m.fit
runwrap.watch(m, log="all", log_freq=2)
seen = []
m.fit(numpy.ones((40, 4)), numpy.ones((40, 1)), batch_size=8, epochs=1, verbose=0,
      callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(1))])
runwrap.log({"done": len(seen)})
runwrap.unwatch(m)
assert m.fit == fit
m.fit(numpy.ones((8, 4)), numpy.ones((8, 1)), verbose=0)
runwrap.log({"done": 2})
"""
    _, rows = run(torch_python, listener, text)
    names = {name.split("/", 1)[0] for name in rows[0]}
    assert names == {"done", "graph", "gradients", "parameters"}
    assert len(rows[0]) == 10
    assert (rows[0]["done"], rows[1]) == (1, {"done": 2})
    table = json.loads((listener.files / rows[0]["graph"]["path"]).read_text())
    assert [row[1:] for row in table["data"]] == [["Dense", 40, 40, "? x 8"], ["Dense", 9, 9, "? x 1"]]
    assert notices(listener) == []
