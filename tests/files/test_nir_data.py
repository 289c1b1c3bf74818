"""Traces in NIR's data format: the same back, files of other programs, damage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from hypr_neuro.comparing.diff import diff
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.nir.data_grid import events_of
from hypr_neuro.exchange.nir.data_read import read_input, read_trace
from hypr_neuro.exchange.nir.data_write import write_trace
from hypr_neuro.exchange.nir.write import to_graph
from hypr_neuro.files.store import SEAL_LENGTH
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.traces.float_trace import float_trace
from hypr_neuro.traces.trace import Trace, with_origin


def pair(neuron: str = "brf", samples: int = 4) -> tuple[Any, Any, np.ndarray]:
    net, x = random_network(neuron, 3, hidden=(6, 5), bias=False), random_spikes(3, samples, 30, 4)
    return net, quantize(net, "loihi2", calibration=x), x


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Of integers, with spikes, states and input."""
    _, qnet, x = pair("lif")
    return with_origin(simulate(qnet, x, ("spikes", "u", "v")), qnet, x)


def assert_same(one: Trace, other: Trace) -> None:
    """All that a trace holds, types of arrays too."""
    arrays = [[*t.recorded(), ("", "readout", t.readout), ("", "input", t.input)] for t in (one, other)]
    for (layer, what, a), (its_layer, its_what, b) in zip(*arrays, strict=True):
        assert (layer, what) == (its_layer, its_what)
        if a is None or b is None:
            assert a is b
            continue
        assert (a.dtype, a.shape) == (b.dtype, b.shape), what
        assert np.array_equal(a, b), what
    for field in ("origin", "events", "rates", "synaptic_operations"):
        assert getattr(one, field) == getattr(other, field)


@pytest.mark.parametrize("spikes", ["events", "grid"])
@pytest.mark.parametrize("neuron", ["lif", "brf", "lif_multispike"])
def test_a_trace_comes_back_equal(neuron: str, spikes: str, tmp_path: Path) -> None:
    net, qnet, x = pair(neuron)
    states = tuple(qnet.populations[0].model.state_names)
    integers = with_origin(simulate(qnet, x, ("spikes", *states)), qnet, x, samples=range(7, 7 + len(x)))
    real = with_origin(float_trace(net, x, ("spikes", *states)), net, x)
    for i, made in enumerate((integers, real, replace(integers, origin=None), replace(integers, input=None))):
        assert any(z.any() for z in made.spikes.values())
        write_trace(made, tmp_path / f"{i}.nir", spikes=spikes)
        assert_same(read_trace(tmp_path / f"{i}.nir"), made)


def test_the_package_nir_reads_it_and_finds_the_nodes_of_the_graph(trace: Trace, tmp_path: Path) -> None:
    net, _, x = pair("lif")
    write_trace(trace, tmp_path / "a.nir")
    data = nir.read_data(str(tmp_path / "a.nir"))
    assert set(data.nodes) == {"input", "layers_0", "layers_1", "readout", "output"}
    data.check_nodes(to_graph(net)[0])
    spikes = data.nodes["layers_0"].observables["spikes"]
    assert isinstance(spikes, nir.EventData)
    assert spikes.t_max == pytest.approx(33 * net.dt)
    recorded = trace.spikes["layers.0"].transpose(1, 0, 2)
    first = np.argwhere(recorded[0])[0]
    assert (spikes.idx[0, 0], spikes.time[0, 0]) == (first[1], (first[0] + 0.5) * net.dt)
    assert np.array_equal(data.nodes["input"].observables["spikes"].to_time_gridded(net.dt).data, x != 0)
    states = data.nodes["layers_1"].observables["v"]
    assert states.dt == net.dt
    assert np.array_equal(states.data, trace.states["layers.1"]["v"].transpose(1, 0, 2))


def test_without_dt_times_count_steps(trace: Trace, tmp_path: Path) -> None:
    write_trace(replace(trace, origin=replace(trace.origin, dt=None)), tmp_path / "a.nir")
    assert nir.read_data(str(tmp_path / "a.nir")).nodes["layers_0"].observables["v"].dt == 1.0
    with h5py.File(tmp_path / "a.nir") as file:
        assert json.loads(file["hypr_neuro"][()])["time"] == "steps"


@pytest.mark.parametrize("dt", [1.0, 1e-3, 0.1, 1 / 3, 7e-5])
@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_no_step_is_lost_to_rounding(dt: float, shift: float, tmp_path: Path) -> None:
    """Times at the start of a step, as the package `nir` writes them, and in the middle."""
    grid = np.zeros((2, 3000, 2), bool)
    grid[0, :, 0] = grid[1, ::3, 1] = True
    events = nir.TimeGriddedData(grid, dt).to_event(3000, shift * dt)
    nir.write_data(tmp_path / "a.nir", nir.NIRGraphData({"a": nir.NIRNodeData({"spikes": events})}))
    assert np.array_equal(read_trace(tmp_path / "a.nir", dt=dt).spikes["a"], grid.transpose(1, 0, 2))


def recording(trace: Trace, path: Path, change: Callable[[dict[str, Any]], None] = lambda nodes: None) -> Path:
    """Spikes of both layers as the package `nir` alone writes them, in float time."""
    dt, steps = trace.origin.dt, trace.readout.shape[1]
    nodes: dict[str, Any] = {}
    for layer, late in (("layers.0", trace.origin.latency["layers.0"]), ("layers.1", trace.origin.latency["layers.1"])):
        grid = trace.spikes[layer][late : late + steps].transpose(1, 0, 2)
        nodes[layer.replace(".", "_")] = nir.NIRNodeData({"spikes": events_of(grid, dt)})
    change(nodes)
    nir.write_data(path, nir.NIRGraphData(nodes))
    return path


def test_a_recording_of_another_program_is_compared_with_a_trace(trace: Trace, tmp_path: Path) -> None:
    got = read_trace(recording(trace, tmp_path / "a.nir"), like=trace.origin)
    found = diff(trace, got)
    assert found.equal
    assert set(found.equal_arrays) == {("layers.0", "spikes"), ("layers.1", "spikes")}

    def late(nodes: dict[str, Any]) -> None:
        events = nodes["layers_1"].observables["spikes"]
        events.time[0, 2] += 2 * trace.origin.dt

    first = diff(trace, read_trace(recording(trace, tmp_path / "b.nir", late), like=trace.origin)).first
    spikes = trace.spikes["layers.1"][trace.origin.latency["layers.1"] :, 0]
    step, neuron = np.argwhere(spikes)[2]
    assert (first.layer, first.what, first.sample, first.step, first.neuron) == ("layers.1", "spikes", 0, step, neuron)


def test_events_of_another_program_need_dt(trace: Trace, tmp_path: Path) -> None:
    path = recording(trace, tmp_path / "a.nir")
    with pytest.raises(InputError, match=r"a.nir.*holds events only.*--dt"):
        read_trace(path)
    assert set(read_trace(path, dt=trace.origin.dt).spikes) == {"layers_0", "layers_1"}
    slow = replace(trace, origin=replace(trace.origin, dt=1.0))
    with pytest.raises(InputError, match=r"a step is 1 s in the expected trace, 0\.001 s in the other"):
        diff(slow, read_trace(path, dt=1e-3))


def test_input_outputs_and_states_of_another_program(tmp_path: Path) -> None:
    x, y, v = np.zeros((2, 5, 3), bool), np.arange(20.0).reshape(2, 5, 2), np.ones((2, 5, 4), np.float32)
    x[1, 2, 0] = True
    given = {"input": {"spikes": x}, "output": {"y": y}, "hidden": {"v": v, "z": v > 2}}
    nodes = {
        node: nir.NIRNodeData({name: nir.TimeGriddedData(a, 0.5) for name, a in arrays.items()})
        for node, arrays in given.items()
    }
    nir.write_data(tmp_path / "a.nir", nir.NIRGraphData(nodes))
    trace = read_trace(tmp_path / "a.nir")
    assert np.array_equal(trace.readout, y)
    assert np.array_equal(trace.input, x)
    assert trace.states["hidden"]["v"].dtype == np.float32
    assert trace.spikes["hidden"].sum() == 0
    assert trace.origin.dt == 0.5
    assert np.array_equal(read_input(tmp_path / "a.nir"), x)


# --- damage


def test_damaged_files(trace: Trace, tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "a.nir"
    write_trace(trace, path)
    content = path.read_bytes()
    for position in rng.integers(0, len(content) - SEAL_LENGTH, 50):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError, match="it was altered"):
            read_trace(path)
    for share in (0.01, 0.5, 0.95):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(FileFormatError, match=r"^file '.*a.nir': damaged"):
            read_trace(path)


FAULTS: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "no type": (lambda f: f.attrs.pop("__type__"), "the file is 'nothing', rule: NIRGraphData"),
    "a link": (lambda f: f["nodes"].__setitem__("x", h5py.ExternalLink("b", "/")), "is a link to elsewhere"),
    "type of a node": (lambda f: f["nodes/layers_0"].attrs.__setitem__("__type__", "LIF"), "layers_0.*'LIF', rule"),
    "idx": (lambda f: put(f, "nodes/layers_0/observables/spikes/idx", 6), "idx 6, rule: -1, or a neuron from 0 to 5"),
    "time": (lambda f: put(f, "nodes/layers_0/observables/spikes/time", np.nan), "time nan, rule: from 0"),
    "dt": (lambda f: f["nodes/layers_0/observables/v"].attrs.__setitem__("dt", 0.0), "dt = 0, rule: above 0 s"),
    "dt is text": (lambda f: f["nodes/layers_0/observables/v"].attrs.__setitem__("dt", "x"), "'dt' is no finite"),
    "another dt": (lambda f: f["nodes/layers_0/observables/v"].attrs.__setitem__("dt", 0.5), "rule: one dt"),
    "t_max": (
        lambda f: f["nodes/layers_0/observables/spikes"].attrs.__setitem__("t_max", 1e300),
        "rule: at most 1073741824 entries",
    ),
    "neurons": (
        lambda f: f["nodes/layers_0/observables/spikes"].attrs.__setitem__("n_neurons", 2**40),
        "rule: from 1 to 1073741824 neurons",
    ),
    "an array is gone": (lambda f: f.__delitem__("nodes/layers_0/observables/v"), "node 'layers_0' has no 'v'"),
    "no observables": (lambda f: f.__delitem__("nodes/layers_0/observables"), "no group 'observables'"),
    "a line break": (lambda f: f["nodes"].create_group("a\nb"), r"node 'a\\nb' is 'nothing'"),
    "what stands beside": (lambda f: text(f, "{"), "'hypr_neuro' is altered"),
    "a list": (lambda f: text(f, "[]"), "'hypr_neuro' is altered"),
    "version": (lambda f: text(f, '{"version": 9}'), "format version 9"),
    "dtype": (lambda f: text(f, beside(f).replace("|i1", "|O")), "rule|altered|written"),
}


def put(file: h5py.File, name: str, value: float) -> None:
    file[name][0, 0] = value


def text(file: h5py.File, value: str) -> None:
    del file["hypr_neuro"]
    file["hypr_neuro"] = value


def beside(file: h5py.File) -> str:
    return str(file["hypr_neuro"][()].decode())


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_in_one_line(fault: str, trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    write_trace(trace, path)
    path.write_bytes(path.read_bytes()[:-SEAL_LENGTH])
    change, match = FAULTS[fault]
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(InputError, match=match) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"file '{path}'")
    assert "\n" not in str(caught.value)


def test_a_network_is_no_recording(tmp_path: Path) -> None:
    net, _, _ = pair("lif")
    nir.write(tmp_path / "net.nir", to_graph(net)[0])
    with pytest.raises(FileFormatError, match="rule: NIRGraphData"):
        read_trace(tmp_path / "net.nir")
