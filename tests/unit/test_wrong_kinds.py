"""Every public function, given every kind of thing that it does not take, names what it takes and the way there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import called, refusal

import hypr_neuro as hn
from hypr_neuro.data.augment import augment
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.exchange.importing import ImportedFile
from hypr_neuro.exchange.nir import read_nir, read_quantized_nir, to_graph
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.quantize import dequantize, weight_ranges
from hypr_neuro.report import write_report
from hypr_neuro.train.online import online_gradients
from hypr_neuro.train.stream import stream_gradients

STEPS, CHANNELS, CLASSES = 6, 5, 3


def things() -> dict[str, Any]:
    """One of every kind that a call could be given, by name."""
    rng = np.random.default_rng(0)
    x = (rng.random((8, STEPS, CHANNELS)) < 0.5).astype(np.int8)
    split = np.array(["train"] * 4 + ["validation"] * 2 + ["test"] * 2)
    data = hn.SequenceData("small", x, rng.integers(0, CLASSES, 8), split, CLASSES)
    net = hn.Network.build({"inputs": CHANNELS, "outputs": CLASSES, "layers": [{"neuron": "lif", "size": 4}]})
    skip = hn.FloatSynapses("input", "readout", np.ones((CLASSES, CHANNELS)))
    graph = hn.Network(CHANNELS, net.populations, (*net.connections, skip), 1e-3, ("readout",))
    qnet = hn.quantize(net, "loihi2", calibration=data)
    qgraph = quantize_graph(net, "loihi2", calibration=data, target="netx")
    return {
        "network": net,
        "graph": graph,
        "quantized network": qnet,
        "quantized graph": qgraph,
        "integer network": qnet.integer(),
        "imported": hn.import_nir(to_graph(net)[0]),
        "imported file": ImportedFile(net, "network.h5", "layers"),
        "pair": (net, "summary"),
        "class": hn.QuantizedNetwork,
        "data": data,
        "trace": hn.float_trace(net, x, ("spikes",)),
        "run": hn.run_float(graph, x),
        "array": x,
        "text": "network.h5",
        "path": Path("network.h5"),
        "none": None,
        "number": 3,
        "dict": {"inputs": CHANNELS},
        "list": [net],
    }


THINGS = things()
NET, QNET, DATA, X = THINGS["network"], THINGS["quantized network"], THINGS["data"], THINGS["array"]
Y = DATA.y
LAYERS, FLOATS = {"network"}, {"network", "graph"}
QUANTIZED = {"quantized network", "quantized graph"}
INTEGERS = QUANTIZED | {"integer network"}
PATHS = {"text", "path"}


def load_on_device(qnet: Any) -> None:
    with hn.open_device("sim") as device:
        device.load(qnet)


CALLS: dict[str, tuple[Callable[[Any, Path], Any], set[str]]] = {
    "augment": (lambda v, out: augment(v, 1), {"data"}),
    "compare": (lambda v, out: hn.compare(v, QNET, DATA), LAYERS),
    "compare, qnet": (lambda v, out: hn.compare(NET, v, DATA), QUANTIZED),
    "compare, data": (lambda v, out: hn.compare(NET, QNET, v), {"data"}),
    "check": (lambda v, out: hn.check(v, steps=4), INTEGERS),
    "compile": (lambda v, out: hn.compile(v, target="c", out=out), INTEGERS),
    "complexity": (lambda v, out: hn.complexity(v, X), INTEGERS),
    "complexity, data": (lambda v, out: hn.complexity(QNET, v), {"data", "array"}),
    "largest_networks": (lambda v, out: hn.largest_networks("4K", v, inputs=3, outputs=2), set()),
    "largest_on_chip": (lambda v, out: hn.largest_on_chip(v, inputs=3, outputs=2), set()),
    "largest_networks, memory": (lambda v, out: hn.largest_networks(v, "loihi2", inputs=3, outputs=2), {"number"}),
    "learnable_within": (lambda v, out: hn.learnable_within(v, "4K"), QUANTIZED),
    "learnable_within, memory": (lambda v, out: hn.learnable_within(QNET, v), {"number"}),
    "compile_network": (lambda v, out: hn.compile(v, target="c", out=out), INTEGERS),
    "compile, learn": (lambda v, out: hn.compile(QNET, target="c", out=out, learn=v), {"none"}),
    "learn, options": (lambda v, out: hn.learn(QNET, DATA, options=v), {"none"}),
    "place, learning": (lambda v, out: hn.place(QNET, learning=v), set()),
    "dequantize": (lambda v, out: dequantize(v, QNET), LAYERS),
    "dequantize, qnet": (lambda v, out: dequantize(NET, v), QUANTIZED),
    "diff": (lambda v, out: hn.diff(v, THINGS["trace"]), {"trace"}),
    "diff, got": (lambda v, out: hn.diff(THINGS["trace"], v), {"trace"}),
    "estimate": (lambda v, out: hn.estimate(v), QUANTIZED),
    "estimate, data": (lambda v, out: hn.estimate(QNET, v), {"data", "array", "none"}),
    "evaluate": (lambda v, out: hn.evaluate(v, DATA), FLOATS | QUANTIZED),
    "evaluate, data": (lambda v, out: hn.evaluate(QNET, v), {"data"}),
    "float_trace": (lambda v, out: hn.float_trace(v, X), FLOATS),
    "gradients": (lambda v, out: hn.gradients(v, X, Y), FLOATS),
    "import_checkpoint": (lambda v, out: hn.import_checkpoint(v), set()),
    "import_file": (lambda v, out: hn.import_file(v), set()),
    "import_nir": (lambda v, out: hn.import_nir(v), set()),
    "learn": (lambda v, out: hn.learn(v, DATA), QUANTIZED),
    "learn, data": (lambda v, out: hn.learn(QNET, v), {"data"}),
    "find_widths": (lambda v, out: hn.find_widths(v, DATA, "loihi2", tensors=(), part="train"), FLOATS),
    "find_widths, data": (lambda v, out: hn.find_widths(NET, v, "loihi2", tensors=(), part="train"), {"data"}),
    "quantize, plan": (lambda v, out: hn.quantize(NET, "loihi2", calibration=DATA, plan=v), {"none"}),
    "load_data": (lambda v, out: hn.load_data(v), set()),
    "load_profile": (lambda v, out: hn.load_profile(v), set()),
    "online_gradients": (lambda v, out: next(online_gradients(v, X, Y, update_every=2)), FLOATS),
    "open_device": (lambda v, out: hn.open_device(v), set()),
    "place": (lambda v, out: hn.place(v), QUANTIZED),
    "compare_devices": (lambda v, out: hn.compare_devices(v, QNET, DATA), LAYERS),
    "compare_devices, qnet": (lambda v, out: hn.compare_devices(NET, v, DATA), QUANTIZED),
    "quantize": (lambda v, out: hn.quantize(v, "loihi2", calibration=DATA), FLOATS),
    "quantize, profile": (lambda v, out: hn.quantize(NET, v, calibration=DATA), set()),
    "quantize, calibration": (lambda v, out: hn.quantize(NET, "loihi2", calibration=v), {"data", "array"}),
    "quantize_graph": (lambda v, out: quantize_graph(v, "loihi2", calibration=DATA), FLOATS),
    "quantize_graph, calibration": (
        lambda v, out: quantize_graph(THINGS["graph"], "loihi2", calibration=v),
        {"data", "array"},
    ),
    "read_netx": (lambda v, out: hn.read_netx(v), set()),
    "read_nir": (lambda v, out: read_nir(v), set()),
    "read_quantized_nir": (lambda v, out: read_quantized_nir(v), set()),
    "run_float": (lambda v, out: hn.run_float(v, X), FLOATS),
    "run_float, x": (lambda v, out: hn.run_float(THINGS["graph"], v), {"array"}),
    "scale_to_rate": (lambda v, out: hn.scale_to_rate(v.copy() if isinstance(v, hn.Network) else v, X, 0.1), FLOATS),
    "simulate": (lambda v, out: hn.simulate(v, X), INTEGERS),
    "simulate, x": (lambda v, out: hn.simulate(QNET, v), {"array"}),
    "split_gap": (lambda v, out: hn.split_gap(NET, v, DATA), QUANTIZED),
    "split_gap, net": (lambda v, out: hn.split_gap(v, QNET, DATA), LAYERS),
    "stream_gradients": (lambda v, out: stream_gradients(v, [(X, Y, None)]), FLOATS),
    "study": (lambda v, out: hn.study(v, out / "study"), set()),
    "train": (lambda v, out: hn.train(v.copy() if v is NET else v, DATA, epochs=1), FLOATS),
    "train, data": (lambda v, out: hn.train(NET.copy(), v, epochs=1), {"data"}),
    "weight_ranges": (lambda v, out: weight_ranges(v), LAYERS),
    "write_netx": (lambda v, out: hn.write_netx(v, out / "a.net", readout="outside"), {"quantized graph"}),
    "write_nir": (lambda v, out: hn.write_nir(v, out / "a.nir"), FLOATS | QUANTIZED),
    "write_report": (write_report, {"dict"}),
    "load": (lambda v, out: hn.load(v), set()),
    "Simulator": (lambda v, out: hn.Simulator(v), INTEGERS),
    "LearnOptions.check": (lambda v, out: hn.LearnOptions().check(v), QUANTIZED),
    "a device": (lambda v, out: load_on_device(v), INTEGERS),
}
"""By name, the call with one argument open, and the things that it takes there."""

UNTRIED = {
    "encode": "takes any array of numbers",
    "from_lava": "takes what has ports of Lava; tested where Lava is installed",
}


def test_every_public_function_is_tried() -> None:
    functions = {name for name in hn.__all__ if name != "__version__" and not isinstance(getattr(hn, name), type)}
    assert functions == {name for name in CALLS if name in functions} | UNTRIED.keys()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", CALLS)
def test_what_a_call_takes_is_taken_and_all_else_is_refused(call: str, tmp_path: Path) -> None:
    function, takes = CALLS[call]
    for name, thing in THINGS.items():
        if name in takes:
            function(thing, tmp_path)
            continue
        with pytest.raises(HyprError) as refused:
            function(thing, tmp_path)
        assert len(str(refused.value)) > 20, (call, name)


@pytest.mark.parametrize(
    ("call", "thing", "message"),
    [
        ("quantize_graph", "imported", r"graph is of type Imported, rule: Network; pass its .*, or its \.graph$"),
        ("train", "imported", r"net is of type Imported, rule: Network; pass its \.\w+"),
        (
            "train",
            "none",
            r"net = None, rule: Network; .*hn\.load.*\.network\(\) of an import is None",
        ),
        ("train", "pair", "net is of type tuple, rule: Network; pass its first part, the Network"),
        ("learn", "network", r"qnet is of type Network, .*; pass hn\.quantize\(net"),
        ("learn", "imported", r"qnet is of type Imported, .*\.graph, then hn\.quantize\("),
        ("simulate", "imported", r"network is of type Imported, .*, or its \.graph, then hn\.quantize"),
        ("simulate", "class", "network is the class QuantizedNetwork itself"),
        ("evaluate, data", "array", r"data is of type ndarray, rule: SequenceData; hn\.load_data"),
        (
            "evaluate",
            "text",
            r"net = 'network\.h5', rule: Network or QuantizedNetwork; .*hn\.load\(path\)",
        ),
        ("diff", "run", r"expected is of type FloatRun, rule: Trace; pass hn\.float_trace"),
        ("import_file", "none", "path = None, rule: the path of a file of another program"),
    ],
)
def test_the_way_to_what_is_wanted_is_named(call: str, thing: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        CALLS[call][0](THINGS[thing], tmp_path)


def test_a_graph_is_calibrated_on_training_samples() -> None:
    graph = THINGS["graph"]
    data = DATA.take(np.concatenate([np.arange(8)[::-1], np.tile(np.arange(8), 20)]))
    ours = quantize_graph(graph, "loihi2", calibration=data)
    assert (
        ours.integer().digest()
        == quantize_graph(graph, "loihi2", calibration=data.part("train").x[:64]).integer().digest()
    )


@pytest.mark.parametrize("dt", [None, "x", 0, -1.0, float("nan"), float("inf"), X])
def test_a_time_step_that_is_none_is_named(dt: Any) -> None:
    with pytest.raises(InputError, match=r"^dt (=|is) .*, rule: seconds a step, positive and finite"):
        hn.Network.from_layers(NET.layers, dt)


@pytest.mark.parametrize("read", [hn.import_nir, hn.import_file, hn.read_netx, hn.Network.load])
def test_a_folder_is_called_a_folder(read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is a folder; give"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("command", "thing", "message"),
    [
        ("learn", "graph", "holds a float network, rule: a quantized network; `hypr-neuro quantize "),
        ("place", "network", "holds a float network, rule: a quantized network; `hypr-neuro quantize "),
        ("compare", "graph", "holds a float network, rule: a quantized network; `hypr-neuro quantize "),
        ("compare", "quantized network", "rule: a float network; give the network.h5 that it was made from"),
        ("export", "integer network", "holds integers without a profile, rule: floats, or integers for a profile"),
    ],
)
def test_a_command_names_what_takes_the_file(command: str, thing: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "it.h5"
    THINGS[thing].save(path)
    assert message in refusal(command, path, *([path] if command == "compare" else []), run=called)
