"""NIR: exact round trip of our files, standard nodes that reproduce our dynamics, how a file is written."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from inspect import signature
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from contract_neurons import quadratic
from hypothesis import given, settings
from hypothesis import strategies as st
from nir_networks import assert_equal, euler, forward, lif_net, random_net, small_net

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir import read_nir, to_graph, write_nir
from hypr_neuro.exchange.nir.neurons_out import EULER, MIN_RATE, NEVER
from hypr_neuro.exchange.nir.onset import HORIZON
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS
from hypr_neuro.testing.networks import spiking_models

HIDDEN = sorted(spiking_models())
READOUTS = sorted(name for name, model in MODELS.items() if model.has_float and model.readout)
layer_specs = st.tuples(st.sampled_from(HIDDEN), st.integers(1, 6), st.booleans(), st.booleans())


@settings(max_examples=25, deadline=None)
@given(st.lists(layer_specs, min_size=1, max_size=3), st.sampled_from(READOUTS), st.integers(0, 2**32))
def test_round_trip_is_exact(hidden: list[tuple[str, int, bool, bool]], readout: str, seed: int) -> None:
    net = random_net(hidden, readout, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.nir"
        write_nir(net, path)
        assert_equal(net, read_nir(path))
        assert_equal(net, read_nir(nir.read(path)))


@pytest.mark.parametrize("name", HIDDEN)
def test_round_trip_of_each_model(name: str, tmp_path: Path) -> None:
    net = random_net([(name, 5, True, True), (name, 3, False, False)], "li", 11)
    summary = hn.write_nir(net, tmp_path / "net.nir")
    assert_equal(net, read_nir(str(tmp_path / "net.nir")))
    assert (summary.nodes, summary.edges) == (2 + 3 * 2 + 1, 1 + 2 * 3 + 2)
    assert [path.name for path in tmp_path.iterdir()] == ["net.nir"]
    nir.write(tmp_path / "net.nir", nir.read(tmp_path / "net.nir"))  # a tool that reads and writes drops the last line
    assert_equal(net, read_nir(tmp_path / "net.nir"))


@pytest.mark.parametrize("name", HIDDEN)
def test_round_trip_at_the_edges_of_parameters(name: str, tmp_path: Path) -> None:
    net = small_net(name)
    extremes = [1e-300, 5e-324, np.pi, np.nextafter(1.0, 0.0)]
    for p in net.layers[0].model.params:
        allowed = [x for x in (p.low, p.default, *extremes) if x > p.low or (x == p.low and not p.open_low)]
        net.layers[0].params[p.name][...] = np.resize([x for x in allowed if x <= min(p.high, max(p.low, 10.0))], 4)
        if p.low < -10:
            net.layers[0].params[p.name][...] = np.resize([x for x in (-0.0, -np.pi, 5e-324, 0.1) if x <= p.high], 4)
    write_nir(net, tmp_path / "net.nir")
    assert_equal(net, read_nir(tmp_path / "net.nir"))


def test_loads_with_plain_nir_and_passes_its_type_check(tmp_path: Path) -> None:
    net = random_net([(name, 4, True, True) for name in HIDDEN], "li", 5)
    write_nir(net, tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")
    assert graph.check_types()
    assert {type(node).__name__ for node in graph.nodes.values()} <= {
        "Input",
        "Output",
        "Linear",
        "Affine",
        "CubaLIF",
        "LIF",
        "LI",
    }
    for source, name in (("input", "layers_0"), (f"layers_{len(HIDDEN) - 1}", "readout")):
        assert {(source, f"{name}_from_{source}"), (f"{name}_from_{source}", name)} <= set(graph.edges)
    assert ("layers_0", "layers_0_from_layers_0") in graph.edges


def test_every_field_of_network_and_layer_is_written() -> None:
    """A new field must be added to the file format (and to this list)."""
    graph = ["inputs", "populations", "connections", "dt", "outputs", "input_shape", "notes", "encoder"]
    assert [f.name for f in dataclasses.fields(Network)] == graph
    population = ["name", "model", "params", "biases", "shape", "trainable"]
    assert [f.name for f in dataclasses.fields(FloatPopulation)] == population
    connection = ["source", "target", "weights", "delay", "current", "trainable"]
    assert [f.name for f in dataclasses.fields(FloatSynapses)] == connection
    layer = ["model", "weight", "recurrent", "bias", "params", "trainable"]
    assert list(signature(Layer).parameters) == layer


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_nir(small_net(), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_graph_shares_no_memory_with_the_network() -> None:
    net = small_net()
    graph, _ = to_graph(net)
    for array in net.arrays().values():
        array[...] = 0.5
    assert not np.array_equal(graph.nodes["layers_0_from_input"].weight, net.layers[0].weight)
    assert not np.array_equal(graph.nodes["layers_0"].v_threshold, net.layers[0].params["vth"])
    read_nir(graph)  # its sha256 still holds


@pytest.mark.parametrize("seed", range(6))
def test_lif_and_li_nodes_under_forward_euler_are_our_dynamics(seed: int, tmp_path: Path) -> None:
    net = lif_net(seed)
    summary = write_nir(net, tmp_path / "net.nir")
    assert summary.approximations == ()
    x = (np.random.default_rng([seed, 1]).random((120, net.inputs)) < 0.4).astype(float)
    other = euler(nir.read(tmp_path / "net.nir"), x, net.dt)
    ours = forward(net, x)
    for name, (states, output) in zip(("layers_0", "layers_1", "readout"), ours, strict=True):
        v, z = other[name]
        np.testing.assert_allclose(v, states[:, :, -1], rtol=0, atol=1e-9, err_msg=f"{name}, seed {seed}")
        if name != "readout":
            assert np.array_equal(z, output), f"{name}, seed {seed}"
    assert 0.01 < ours[0][1].mean() < 0.99


def bounded_step(s: Any, z_prev: Any, I: Any, p: Any) -> Any:
    v = 0.5 * s[0] * (1.0 - z_prev) + I[0] / (1.0 + abs(I[0]))
    return (v,), 1.0 if v > p[2] else 0.0


def bounded_jacobian(s_prev: Any, s: Any, z_prev: Any, I: Any, p: Any, psi: Any) -> Any:
    by_current = 1.0 / (1.0 + abs(I[0])) ** 2
    return ((0.5 * (1.0 - z_prev),),), (by_current,), (psi,), (0.0,), ((0.0,), (0.0,), (0.0,)), (0.0, 0.0, -psi)


BOUNDED = dataclasses.replace(
    quadratic.MODEL, name="bounded", float_step=bounded_step, float_jacobian=bounded_jacobian, operating_point=None
)
"""Of any current it takes less than 1: with thresholds of 0.5 to 1.5 some neurons never fire from rest."""
OWN = {model.name: model for model in (quadratic.MODEL, BOUNDED)}
"""Models that are not linear in their current."""


@pytest.mark.parametrize("name", [n for n in (*HIDDEN, *OWN) if n not in EULER])
def test_other_models_are_written_as_a_lif_with_equal_onset(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The written threshold is the smallest impulse that fires the real neuron from rest."""
    for own, model in OWN.items():
        monkeypatch.setitem(MODELS, own, model)
    net = random_net([(name, 5, False, False)], "li", 2)
    layer = net.layers[0]
    graph, approximations = to_graph(net)
    node = graph.nodes["layers_0"]
    assert isinstance(node, nir.LIF)
    assert bool(node.metadata["hypr_neuro"]["approximate"])
    assert approximations[0].startswith(f"layers.0 ({name})")
    np.testing.assert_allclose(node.r * net.dt / node.tau, 1.0, rtol=1e-12)
    assert np.all(node.tau >= net.dt)
    p = layer.float_matrix()
    never = [j for j in range(layer.size) if node.v_threshold[j] >= NEVER]
    assert never or name != "bounded"
    assert any("fires from rest on no impulse up to 2^20" in line for line in approximations) == bool(never)
    assert name not in OWN or any("not linear in its current" in line for line in approximations)
    for j in range(layer.size):
        for factor, fires in ((0.99, False), (1.01, j not in never)):
            s, z, fired = (0.0,) * layer.model.d, 0.0, False
            for t in range(HORIZON):
                impulse = factor * node.v_threshold[j] if t == 0 else 0.0
                s, z = layer.model.float_step(s, z, (impulse,) * layer.model.currents, p[:, j])
                fired = fired or z > 0
            assert fired == fires, f"neuron {j}, impulse {factor} times the threshold"


def test_summary_names_what_other_readers_lose(tmp_path: Path) -> None:
    text = " ".join(write_nir(small_net(subtract=1.0), tmp_path / "a.nir").approximations)
    assert "NIR cannot say that the reset is 'subtract'" in text
    text = " ".join(write_nir(small_net(du=0.0), tmp_path / "a.nir").approximations)
    assert f"du below {MIN_RATE}" in text
    assert write_nir(small_net(subtract=0.0), tmp_path / "a.nir").approximations == ()


def test_write_refuses_what_it_cannot_store(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    net = small_net()
    net.layers[0].weight[1, 1] = np.nan
    with pytest.raises(InputError, match=r"layers\.0\.weight\[1, 1\] = nan, rule: finite"):
        write_nir(net, path)
    net = small_net()
    net.encoder = {"table": np.ones(3)}
    with pytest.raises(InputError, match="encoder cannot be stored"):
        write_nir(net, path)
    for dt in (float("inf"), 1e-300, float("nan")):
        net = small_net()
        net.dt = dt
        with pytest.raises(InputError, match="dt = "):
            write_nir(net, path)
    net = small_net("brf")
    net.layers[0].params["delta"][...] = 1.0
    with pytest.raises(InputError, match=r"'layers\.0': neuron 'brf': δ.* rule: below 1"):
        write_nir(net, path)
    assert list(tmp_path.iterdir()) == []


def test_write_to_a_bad_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write .*choose a folder that exists"):
        write_nir(small_net(), tmp_path / "none" / "net.nir")
    with pytest.raises(InputError, match="cannot write"):
        write_nir(small_net(), tmp_path)


def test_failed_write_keeps_the_old_file(own_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(own_file, tmp_path / "net.nir")

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_nir(small_net("brf"), tmp_path / "net.nir")
    assert_equal(small_net(), read_nir(tmp_path / "net.nir"))
    assert [p.name for p in tmp_path.iterdir()] == ["net.nir"]


def test_the_examples_of_the_documentation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "nir.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in text.split("```python\n")[1:]]
    assert len(blocks) == 6
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert_equal(read_nir("m.nir"), names["same"])
    assert [line.split(":")[0] for line in names["summary"].approximations] == ["layers.1 (brf)"]
    assert (names["net"].inputs, names["net"].output_size) == (4, 3)
