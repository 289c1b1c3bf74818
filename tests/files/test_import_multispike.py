"""`max_spikes` of imports: neurons of Sinabs and of NIR send as many spikes in a step as Sinabs' MultiSpike does.

The loop is Sinabs 3.1.3's own (MultiSpike inside MaxSpike, MembraneSubtract): z = trunc(v / θ) for v > 0, clamped to
max_spikes, then v -= z θ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from commands import answer, called, refusal

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.importing import import_file

INPUTS, HIDDEN, OUTPUTS, STEPS, SAMPLES, DT = 5, 8, 3, 60, 4, 1e-3
Array = Any


def multispike(v: Array, theta: Array, most: int) -> Array:
    return np.minimum(np.where(v > 0, np.trunc(v / theta), 0.0), most)


def inputs(seed: int) -> Array:
    return (np.random.default_rng(seed).random((SAMPLES, STEPS, INPUTS)) < 0.4).astype(float)


def hidden_spikes(net: hn.Network, x: Array) -> tuple[Array, Array]:
    """Return the spikes of the first population (sample, T, n) and the outputs."""
    trace = hn.float_trace(net, x, record=("spikes",), dtype=np.float64)
    return trace.spikes[net.populations[0].name].transpose(1, 0, 2), trace.readout


# ---------------------------------------------------------------- Sinabs


def sinabs_arrays(kind: str) -> dict[str, Array]:
    rng = np.random.default_rng(6)
    arrays = {
        "0.weight": rng.uniform(-4, 8, (HIDDEN, INPUTS)),
        "0.bias": rng.uniform(-1, 1, HIDDEN),
        "1.spike_threshold": rng.uniform(0.4, 1.5, HIDDEN),
        "1.v_mem": np.zeros((SAMPLES, HIDDEN)),
        "2.weight": rng.uniform(-1, 1, (OUTPUTS, HIDDEN)),
        "2.bias": rng.uniform(-1, 1, OUTPUTS),
        "3.tau_mem": np.float64(15.0),
    }
    if kind != "iaf":
        arrays["1.tau_mem"] = rng.uniform(3, 20, HIDDEN)
    if kind == "synaptic":
        arrays["1.tau_syn"] = np.float64(4.0)
    if kind == "recurrent":
        arrays["1.rec_connect.weight"] = rng.uniform(-0.6, 0.4, (HIDDEN, HIDDEN))
        arrays["1.rec_connect.bias"] = rng.uniform(-0.5, 0.5, HIDDEN)
    return arrays


def sinabs_run(arrays: dict[str, Array], x: Array, norm: bool, most: int) -> tuple[Array, Array]:
    alpha = np.exp(-1 / arrays["1.tau_mem"]) if "1.tau_mem" in arrays else 1.0
    norm = norm and "1.tau_mem" in arrays
    syn = np.exp(-1 / arrays["1.tau_syn"]) if "1.tau_syn" in arrays else None
    v = i = back = np.zeros((len(x), HIDDEN))
    leak, spikes, values = np.zeros((len(x), OUTPUTS)), [], []
    for arriving in x.swapaxes(0, 1):
        total = arriving @ arrays["0.weight"].T + arrays["0.bias"] + back
        i = total if syn is None else syn * (i + total)
        v = alpha * v + ((1 - alpha) * i if norm else i)
        z = multispike(v, arrays["1.spike_threshold"], most)
        v = v - z * arrays["1.spike_threshold"]
        if "1.rec_connect.weight" in arrays:
            back = z @ arrays["1.rec_connect.weight"].T + arrays["1.rec_connect.bias"]
        leak = np.exp(-1 / 15.0) * leak + z @ arrays["2.weight"].T + arrays["2.bias"]
        spikes.append(z)
        values.append(leak)
    return np.stack(spikes, axis=1), np.stack(values, axis=1)


def saved(folder: Path, arrays: dict[str, Array]) -> Path:
    np.savez(folder / "net.npz", **arrays)
    return folder / "net.npz"


@pytest.mark.parametrize("most", [1, 3, 127])
@pytest.mark.parametrize(
    ("kind", "norm"),
    [("lif", True), ("lif", False), ("iaf", True), ("synaptic", True), ("synaptic", False), ("recurrent", True)],
)
def test_a_state_dict_sends_sinabs_spikes(kind: str, norm: bool, most: int, tmp_path: Path) -> None:
    arrays, x = sinabs_arrays(kind), inputs(7)
    net, summary = hn.import_checkpoint(saved(tmp_path, arrays), norm_input=None if norm else False, max_spikes=most)
    wanted, shown = sinabs_run(arrays, x, norm, most)
    spikes, values = hidden_spikes(net, x)
    assert np.array_equal(spikes, wanted)
    assert wanted.max() > 1 or most == 1
    np.testing.assert_allclose(values, shown, rtol=0, atol=1e-9 * np.abs(shown).max())
    assert net.populations[0].model.name == "lif_multispike"
    assert f"a neuron sends up to {most} (max_spikes)" in summary.caution
    assert any(f"trunc(v_t / spike_threshold), {most})" in line for line in summary.equations)


def test_without_it_a_state_dict_sends_one_spike_and_says_how_to_choose(tmp_path: Path) -> None:
    net, summary = hn.import_checkpoint(saved(tmp_path, sinabs_arrays("lif")))
    assert net.populations[0].model.name == "lif"
    assert hidden_spikes(net, inputs(7))[0].max() == 1
    assert "a neuron sends one; max_spikes=N (--max-spikes N) lets it send up to N" in summary.caution


@pytest.mark.parametrize("most", [0, 128, 2.5, -1, True, "3", float("nan"), float("inf")])
def test_numbers_of_spikes_out_of_range(most: Any, tmp_path: Path) -> None:
    for path in (saved(tmp_path, sinabs_arrays("lif")), written(tmp_path, nir_graph("LIF"))):
        with pytest.raises(InputError, match=r"max_spikes = .*, rule: a whole number of 1 to 127"):
            import_file(path, max_spikes=most)


def test_what_sinabs_neurons_of_several_spikes_do_not_have(tmp_path: Path) -> None:
    path = saved(tmp_path, sinabs_arrays("lif"))
    with pytest.raises(InputError, match="max_spikes = 3 with reset = 'zero', rule: 'subtract'"):
        hn.import_checkpoint(path, reset="zero", max_spikes=3)
    path = saved(tmp_path, sinabs_arrays("lif") | {"1.min_v_mem": np.float64(-1.0)})
    with pytest.raises(
        InputError, match=r"module '1': 'min_v_mem' with max_spikes = 3, rule: .*; leave max_spikes out"
    ):
        hn.import_checkpoint(path, max_spikes=3)
    assert hn.import_checkpoint(path)[0].populations[0].model.name == "lif_reset"


# ---------------------------------------------------------------- NIR


def nir_graph(kind: str, recurrent: bool = False) -> nir.NIRGraph:
    rng = np.random.default_rng(11)

    def draw(low: float, high: float) -> Array:
        return rng.uniform(low, high, HIDDEN)

    reset, gain = {"v_threshold": draw(0.4, 1.0), "v_reset": draw(-0.3, 0.2)}, {"r": draw(1.0, 3.0)}
    leak = gain | {"v_leak": draw(-0.2, 0.3)}
    neurons = {
        "LIF": lambda: nir.LIF(tau=DT * draw(1.5, 8), **leak, **reset),
        "CubaLIF": lambda: nir.CubaLIF(
            tau_syn=DT * draw(1.5, 8), tau_mem=DT * draw(1.5, 8), w_in=draw(1, 2), **leak, **reset
        ),
        "IF": lambda: nir.IF(r=gain["r"] / DT, **reset),
    }
    nodes = {
        "in": nir.Input(np.array([INPUTS])),
        "w": nir.Affine(rng.uniform(-2, 4, (HIDDEN, INPUTS)), rng.uniform(-0.5, 0.5, HIDDEN)),
        "n": neurons[kind](),
        "w2": nir.Linear(rng.uniform(-1, 1, (OUTPUTS, HIDDEN))),
        "li": nir.LI(tau=np.full(OUTPUTS, 5 * DT), r=np.ones(OUTPUTS), v_leak=np.zeros(OUTPUTS)),
        "out": nir.Output(np.array([OUTPUTS])),
    }
    edges = [("in", "w"), ("w", "n"), ("n", "w2"), ("w2", "li"), ("li", "out")]
    if recurrent:
        nodes["back"] = nir.Linear(rng.uniform(-0.5, 0.3, (HIDDEN, HIDDEN)))
        edges += [("n", "back"), ("back", "n")]
    return nir.NIRGraph(nodes, edges)


def nir_run(graph: nir.NIRGraph, x: Array, exact: bool, most: int) -> tuple[Array, Array]:
    n, w, w2, back = (graph.nodes.get(name) for name in ("n", "w", "w2", "back"))

    def share(tau: Array) -> Array:
        return 1 - np.exp(-DT / tau) if exact else DT / tau

    theta, kind = n.v_threshold - n.v_reset, type(n).__name__
    v, current, returned = np.tile(n.v_reset, (len(x), 1)), 0.0, 0.0
    leak, spikes, values = np.zeros((len(x), OUTPUTS)), [], []
    for arriving in x.swapaxes(0, 1):
        total = arriving @ w.weight.T + w.bias + returned
        if kind == "IF":
            v = v + DT * n.r * total
        else:
            if kind == "CubaLIF":
                current = current + share(n.tau_syn) * (n.w_in * total - current)
            driven = n.r * (current if kind == "CubaLIF" else total)
            v = v + share(getattr(n, "tau_mem" if kind == "CubaLIF" else "tau")) * (n.v_leak - v + driven)
        z = multispike(v - n.v_reset, theta, most)
        v = v - z * theta
        returned = 0.0 if back is None else z @ back.weight.T
        leak = leak + share(5 * DT) * (z @ w2.weight.T - leak)
        spikes.append(z)
        values.append(leak)
    return np.stack(spikes, axis=1), np.stack(values, axis=1)


def written(folder: Path, graph: nir.NIRGraph) -> Path:
    nir.write(folder / "net.nir", graph)
    return folder / "net.nir"


@pytest.mark.parametrize("most", [1, 4, 127])
@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("integrator", ["euler", "exact"])
@pytest.mark.parametrize("kind", ["LIF", "CubaLIF", "IF"])
def test_a_nir_graph_sends_the_spikes_of_the_loop(kind: str, integrator: str, recurrent: bool, most: int) -> None:
    graph, x = nir_graph(kind, recurrent), inputs(13)
    found = hn.import_nir(graph, dt=DT, reset="subtract", integrator=integrator, max_spikes=most)
    wanted, shown = nir_run(graph, x, integrator == "exact", most)
    spikes, values = hidden_spikes(found.graph, x)
    assert np.array_equal(spikes, wanted)
    assert wanted.max() > 1 or most == 1
    np.testing.assert_allclose(values, shown, rtol=0, atol=1e-9 * np.abs(shown).max())
    assert f"chosen: max_spikes = {most} (argument)" in found.summary.lines()
    assert (found.network() is None) == (kind == "CubaLIF")  # a layer of it has no constant current behind a filter


def test_without_it_a_nir_graph_sends_one_spike_and_says_how_to_choose() -> None:
    found = hn.import_nir(nir_graph("LIF"), dt=DT, reset="subtract")
    assert found.graph.population("n").model.name == "lif"
    assert any("MultiSpike sends several, max_spikes=N (--max-spikes N)" in line for line in found.summary.lines())
    assert "max_spikes" not in "".join(hn.import_nir(nir_graph("LIF"), dt=DT, reset="zero").summary.lines())


@pytest.mark.parametrize("reset", ["zero", "zero_delayed", "subtract_delayed"])
def test_other_resets_are_refused_by_node(reset: str) -> None:
    match = rf"node 'n' \(LIF\): max_spikes = 3 with reset = '{reset}', rule: 'subtract'.*; leave max_spikes out"
    with pytest.raises(InputError, match=match):
        hn.import_nir(nir_graph("LIF"), dt=DT, reset=reset, max_spikes=3)


def test_a_floor_is_refused_by_node() -> None:
    match = r"node 'n' \(IF\): max_spikes = 3 with floor = -1.5, rule: .* no floor; leave one of the two out"
    with pytest.raises(InputError, match=match):
        hn.import_nir(nir_graph("IF"), dt=DT, reset="subtract", floor=-1.5, max_spikes=3)


def test_metadata_say_it() -> None:
    graph = nir_graph("LIF")
    graph.nodes["n"].metadata = {"max_spikes": np.int64(4), "reset": "subtract", "dt": DT}
    found = hn.import_nir(graph)
    assert "chosen: max_spikes = 4 (metadata of node 'n' (LIF))" in found.summary.lines()
    assert np.array_equal(hidden_spikes(found.graph, inputs(13))[0], nir_run(graph, inputs(13), False, 4)[0])
    with pytest.raises(InputError, match=r"max_spikes = 5 was passed, metadata of node 'n' \(LIF\) says 4"):
        hn.import_nir(graph, max_spikes=5)
    graph.nodes["n"].metadata["max_spikes"] = 200
    with pytest.raises(InputError, match=r"metadata of node 'n' \(LIF\): max_spikes = 200, rule: a whole number of 1"):
        hn.import_nir(graph)


def test_a_threshold_sends_one_spike_and_says_so() -> None:
    graph = nir_graph("LIF")
    graph.nodes["n"] = nir.Threshold(np.full(HIDDEN, 0.5))
    found = hn.import_nir(graph, dt=DT, max_spikes=3)
    assert found.graph.population("n").model.name == "lif"
    assert any("'n' (Threshold): sends one spike in a step at most" in line for line in found.summary.lines())
    assert "chosen: max_spikes = 3 (argument, nothing depends on it)" in found.summary.lines()


def test_a_file_of_hypr_neuro_carries_its_own(tmp_path: Path) -> None:
    net = hn.import_nir(nir_graph("CubaLIF", True), dt=DT, reset="subtract", max_spikes=6).graph
    hn.write_nir(net, tmp_path / "own.nir")
    found = hn.import_nir(tmp_path / "own.nir").graph.population("n")
    assert found.model.name == "lif_multispike"
    assert np.array_equal(found.params["max_spikes"], np.full(HIDDEN, 6.0))
    with pytest.raises(InputError, match="max_spikes = 3 was passed, a file of hypr-neuro carries its own"):
        hn.import_nir(tmp_path / "own.nir", max_spikes=3)


# ---------------------------------------------------------------- the command


def test_the_command_takes_it(tmp_path: Path) -> None:
    graph, dicts = written(tmp_path, nir_graph("LIF")), saved(tmp_path, sinabs_arrays("lif"))
    for path, choices in ((graph, ("--dt", DT, "--reset", "subtract")), (dicts, ())):
        made = answer("import", path, *choices, "--max-spikes", "3", "--out", tmp_path / "out", run=called)
        hidden = hn.Network.load(made["file"]).populations[0]
        assert hidden.model.name == "lif_multispike"
        assert made["holds"].startswith("several spikes in a step: trains in float")
        assert set(hidden.params["max_spikes"]) == {3.0}
        assert "3" in "".join(line for line in made["summary"] if "max_spikes" in line)
    line = refusal("import", dicts, "--reset", "zero", "--max-spikes", "3", "--out", tmp_path / "no", run=called)
    assert "max_spikes = 3 with reset = 'zero'" in line
    assert "rule: a whole number of 1 to 127" in refusal("import", dicts, "--max-spikes", "0", run=called)
    assert not (tmp_path / "no").exists()


def test_a_file_without_such_neurons_refuses_it(tmp_path: Path) -> None:
    brf = tmp_path / "brf.npz"
    np.savez(brf, weight=np.ones(2))
    with pytest.raises(InputError, match="max_spikes = 3, rule for one hidden layer and out: neuron; leave it out"):
        import_file(brf, max_spikes=3)
    (tmp_path / "a.net").write_bytes(b"")
    with pytest.raises(InputError, match=r"max_spikes = 3: no choice of a \.net file"):
        import_file(tmp_path / "a.net", max_spikes=3)


def test_an_import_runs_in_integers_as_in_float(tmp_path: Path) -> None:
    """Spikes go on as messages of their number: the integers send several, and as many as float does, near enough."""
    net, _ = hn.import_checkpoint(saved(tmp_path, sinabs_arrays("lif")), max_spikes=5)
    x = inputs(3)
    fixed = hn.simulate(hn.quantize(net, "loihi2", calibration=x), x, record=("spikes",))
    found = fixed.spikes[net.populations[0].name]
    spikes = hidden_spikes(net, x)[0]
    assert found.max() == spikes.max() > 1
    assert np.isclose(found.sum(), spikes.sum(), rtol=0.02)
