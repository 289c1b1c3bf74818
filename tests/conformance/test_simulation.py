"""Integer simulation: the engine equals the reference, bit for bit, however the run is cut up."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_records import record_of

from hypr_neuro.errors import InputError, WidthError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.sim.simulator import Simulator
from hypr_neuro.testing.networks import (
    assert_equal_traces,
    integer_models,
    random_network,
    random_quantized,
    random_spikes,
    varied,
)

STEPS, SAMPLES = 50, 3

# hidden layers, recurrent, bias, profile, profile fields that differ
CASES = {
    "loihi1": ((6,), True, True, "loihi1", {}),
    "loihi2, two layers": ((5, 4), True, True, "loihi2", {}),
    "ideal": ((6,), True, True, "ideal", {}),
    "ideal, two layers, no bias": ((5, 4), False, False, "ideal", {}),
    "hardware overflow": ((6,), True, False, "loihi2", {"precision__overflow": "hardware"}),
    "no delay": ((4, 3, 3), True, True, "loihi1", {"time__connection_delay": 0}),
    "floor": ((5, 4), True, True, "ideal", {"precision__state_rounding": "floor", "precision__weight_bits": 4}),
    "zero": ((5,), True, True, "ideal", {"precision__state_rounding": "zero", "precision__coefficient_bits": 12}),
}


def state_names(qnet: QuantizedNetwork) -> list[str]:
    return sorted({name for layer in qnet.layers for name in layer.model.state_names})


def assert_equals_reference(qnet: QuantizedNetwork, x: np.ndarray, seed: int) -> dict[str, dict[str, int]]:
    """Spikes, readout and states of every step, and events; returns the events."""
    trace = simulate(qnet, x, record=("spikes", *state_names(qnet)))
    tail = qnet.latency(len(qnet.layers) - 1)
    for i, (layer, expected) in enumerate(zip(qnet.layers, simulate_reference(qnet, x), strict=True)):
        name = qnet.name(i)
        if layer.model.readout:
            wanted, got = expected["spikes"][tail:].transpose(1, 0, 2), trace.readout
            assert_equal_traces(
                wanted, got, seed=seed, layer=name, what="readout", case=(qnet, x), axes=("sample", "step", "neuron")
            )
        else:
            assert_equal_traces(
                expected["spikes"], trace.spikes[name], seed=seed, layer=name, what="spikes", case=(qnet, x)
            )
        for j, state in enumerate(layer.model.state_names):
            assert_equal_traces(
                expected["states"][:, j],
                trace.states[name][state],
                seed=seed,
                layer=name,
                what=f"state {state}",
                case=(qnet, x),
            )
        wanted_events = dict(zip(layer.model.events, expected["events"].sum(axis=0).tolist(), strict=True))
        assert trace.events[name] == wanted_events, f"seed {seed}, {name}: events"
    return trace.events


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", integer_models())
def test_engine_equals_reference(model: str, case: str, seed: int) -> None:
    hidden, recurrent, bias, profile, changed = CASES[case]
    qnet = random_quantized(model, seed, varied(profile, **changed), hidden=hidden, recurrent=recurrent, bias=bias)
    x = random_spikes(seed, SAMPLES, STEPS, qnet.inputs)
    assert_equals_reference(qnet, x, seed)
    rates = simulate(qnet, x).rates
    assert min(rates.values()) > 0, f"seed {seed}: silent layers {rates}"


@pytest.mark.parametrize("model", integer_models())
def test_graded_and_negative_inputs_equal_the_reference(model: str) -> None:
    qnet = random_quantized(model, 3, "loihi2")
    x = np.random.default_rng(3).integers(-5, 6, (SAMPLES, STEPS, qnet.inputs))
    assert_equals_reference(qnet, x, 3)


@pytest.mark.parametrize("overflow", ["lava", "hardware"])
@pytest.mark.parametrize("model", integer_models())
def test_overflows_equal_the_reference_and_are_counted(model: str, overflow: str) -> None:
    """Weights far above the calibrated range: states saturate and wrap in every way the model has."""
    seed = 4
    net = random_network(model, seed, params=dict(record_of(model).overflowing))
    qnet = quantize(
        net,
        varied("loihi2", precision__overflow=overflow, precision__weight_exponent_max=32),
        calibration={"layers.0": 0.05, "readout": 1e-4},
    )
    for i, layer in enumerate(qnet.layers):
        # as far as 32 bits allow for LIF as in Lava, so that 64 times a sum leaves them
        up = 20 - layer.input.exponent if (model, overflow, i) == ("lif", "lava", 0) else 6
        shifted = Connection(layer.input.mantissa, layer.input.exponent + up)
        qnet = qnet.with_layers({i: replace(layer, input=shifted)})
    if model in ("alif", "alif_reset"):
        # its a stays below 1 << f, so that one has to leave the width
        qnet.layers[0].constants[qnet.layers[0].model.fixed_constants.index("f")] = 32
    events = assert_equals_reference(qnet, random_spikes(seed, SAMPLES, STEPS, qnet.inputs), seed)
    for name, counts in events.items():
        silent = [what for what, count in counts.items() if count == 0]
        assert not silent, f"{name}: {silent} never happened, so nothing was compared"


def test_a_subtractive_reset_equals_the_reference() -> None:
    qnet = random_quantized("lif", 5, "loihi2", params={"subtract": 1.0})
    assert_equals_reference(qnet, random_spikes(5, SAMPLES, STEPS, qnet.inputs), 5)


@pytest.mark.parametrize("exponent", [-5, -1, 0, 3])
def test_weight_exponents_of_either_sign_equal_the_reference(exponent: int) -> None:
    qnet = random_quantized("lif", 6, "loihi2")
    layer = qnet.layers[0]
    assert layer.recurrent is not None
    connections = {
        "input": Connection(layer.input.mantissa, exponent),
        "recurrent": Connection(layer.recurrent.mantissa, -exponent),
    }
    qnet = qnet.with_layers({0: replace(layer, **connections)})
    assert_equals_reference(qnet, random_spikes(6, SAMPLES, STEPS, qnet.inputs), 6)


def test_the_reference_refuses_a_state_that_leaves_its_width() -> None:
    qnet = random_quantized("brf", 7, "loihi2")
    layer = qnet.layers[0]
    wide = replace(layer.model, fixed_step=lambda s, z, current, p: ((1 << 23, 0, 0), 0, 0))
    qnet = qnet.with_layers({0: replace(layer, model=wide)})
    with pytest.raises(WidthError, match=r"layers.0, neuron 0: u .*= 8388608 leaves its 24 bits"):
        simulate_reference(qnet, random_spikes(7, 1, 3, qnet.inputs))


@pytest.mark.parametrize("bits", [8, 12, 16, 24, 28, 32])
@pytest.mark.parametrize("model", integer_models())
def test_states_keep_to_the_width_that_the_profile_states(model: str, bits: int) -> None:
    net = random_network(model, 16)
    profile, ranges = varied("ideal", precision__state_bits=bits), {"layers.0": 0.5, "readout": 0.5}
    qnet = quantize(net, profile, calibration=ranges)
    assert_equals_reference(qnet, random_spikes(16, SAMPLES, STEPS, qnet.inputs), 16)


@pytest.mark.parametrize("threads", [1, 3, 64])
@pytest.mark.parametrize("model", integer_models())
def test_threads_change_nothing(model: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    qnet = random_quantized(model, 8, "loihi2", hidden=(5, 4))
    x = random_spikes(8, 7, STEPS, qnet.inputs)
    expected = simulate(qnet, x, record=("spikes",))
    monkeypatch.setattr("hypr_neuro.run.forward.threads", lambda: threads)
    got = simulate(qnet, x, record=("spikes",))
    assert np.array_equal(got.readout, expected.readout)
    assert got.events == expected.events
    for name, spikes in expected.spikes.items():
        assert_equal_traces(spikes, got.spikes[name], seed=8, layer=name, what="spikes")


@pytest.mark.parametrize("model", integer_models())
def test_samples_of_a_batch_do_not_touch_each_other(model: str) -> None:
    qnet = random_quantized(model, 9, "loihi2", hidden=(5, 4))
    x = random_spikes(9, 5, STEPS, qnet.inputs)
    together = simulate(qnet, x).readout
    alone = np.concatenate([simulate(qnet, x[b : b + 1]).readout for b in range(len(x))])
    assert_equal_traces(alone, together, seed=9, layer="readout", what="readout", axes=("sample", "step", "neuron"))


@pytest.mark.parametrize("profile", ["ideal", "loihi2"])
@pytest.mark.parametrize("model", integer_models())
def test_a_stream_in_pieces_equals_one_run(model: str, profile: str) -> None:
    qnet = random_quantized(model, 10, profile, hidden=(5, 4))
    x = random_spikes(10, 2, 61, qnet.inputs).transpose(1, 0, 2)
    expected = Simulator(qnet, 2).run(x)
    for sizes in ([1] * 61, [7] * 8 + [5], [60, 1], [1, 30, 30]):
        simulator = Simulator(qnet, 2)
        edges = np.concatenate([[0], np.cumsum(sizes)])
        got = np.concatenate([simulator.run(x[a:b]) for a, b in itertools.pairwise(edges)])
        assert_equal_traces(expected, got, seed=10, layer="readout", what=f"pieces of {sizes[:3]} steps")
        assert simulator.time == 61


@pytest.mark.parametrize("model", integer_models())
def test_the_block_size_changes_nothing(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    qnet = random_quantized(model, 11, "loihi2", hidden=(5, 4))
    x = random_spikes(11, 2, STEPS, qnet.inputs)
    expected = simulate(qnet, x, record=("spikes", *state_names(qnet)))
    monkeypatch.setattr("hypr_neuro.sim.simulator.BLOCK", 7)
    got = simulate(qnet, x, record=("spikes", *state_names(qnet)))
    assert np.array_equal(got.readout, expected.readout)
    assert (got.events, got.rates, got.synaptic_operations) == (
        expected.events,
        expected.rates,
        expected.synaptic_operations,
    )
    for name, states in expected.states.items():
        for state, values in states.items():
            assert_equal_traces(values, got.states[name][state], seed=11, layer=name, what=f"state {state}")


@pytest.mark.parametrize("profile", ["ideal", "loihi2"])
@pytest.mark.parametrize("model", integer_models())
def test_a_restored_state_goes_on_bit_for_bit(model: str, profile: str, tmp_path: Path) -> None:
    qnet = random_quantized(model, 17, profile, hidden=(5, 4))
    x = random_spikes(17, 2, 61, qnet.inputs).transpose(1, 0, 2)
    undisturbed = Simulator(qnet, 2)
    expected = undisturbed.run(x)
    first = Simulator(qnet, 2)
    first.run(x[:23])
    first.save(tmp_path / "state.h5")
    second = Simulator(qnet, 2)
    second.run(x[:5])  # what it did before is forgotten
    second.restore(tmp_path / "state.h5")
    got = second.run(x[23:])
    assert_equal_traces(expected[23:], got, seed=17, layer="readout", what="steps after restoring")
    assert second.time == 61
    for mine, theirs in zip(second.populations, undisturbed.populations, strict=True):
        assert np.array_equal(mine.state, theirs.state)
        assert np.array_equal(mine.events, theirs.events)


def test_a_state_of_another_network_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    x = random_spikes(18, 2, 30, 4).transpose(1, 0, 2)
    first, other = (Simulator(random_quantized("lif", seed, "loihi2"), 2) for seed in (18, 19))
    first.run(x)
    first.save(tmp_path / "state.h5")
    other.run(x)
    before = other.populations[0].state.copy()
    with pytest.raises(InputError, match="rule: a state fits the network and batch"):
        other.restore(tmp_path / "state.h5")
    with pytest.raises(InputError, match="batch 2, this simulator has 1"):
        Simulator(random_quantized("lif", 18, "loihi2"), 1).restore(tmp_path / "state.h5")
    assert (other.time, np.array_equal(other.populations[0].state, before)) == (30, True)


def test_single_steps_and_recording_by_choice() -> None:
    qnet = random_quantized("lif", 20, "loihi2", hidden=(5, 4))
    x = random_spikes(20, 2, 30, 4)
    everything = simulate(qnet, x, record=("spikes", "u", "v", "current"))
    chosen = simulate(qnet, x, record=("layers.1/v", "layers.0/spikes", "layers.1/current"))
    assert {k: list(v) for k, v in chosen.states.items()} == {"layers.1": ["v", "current"]}
    assert list(chosen.spikes) == ["layers.0"]
    assert np.array_equal(chosen.states["layers.1"]["v"], everything.states["layers.1"]["v"])
    assert np.array_equal(chosen.states["layers.1"]["current"], everything.states["layers.1"]["current"])
    single = Simulator(qnet, 2)
    tail = np.zeros((qnet.tail, 2, 4), int)
    steps = [single.step(row) for row in np.concatenate([x.transpose(1, 0, 2), tail])]
    assert np.array_equal(np.stack(steps)[qnet.tail :].transpose(1, 0, 2), everything.readout)


def test_a_reset_simulator_starts_anew() -> None:
    qnet = random_quantized("brf", 12, "loihi2")
    x = random_spikes(12, 1, STEPS, qnet.inputs).transpose(1, 0, 2)
    simulator = Simulator(qnet)
    first = simulator.run(x)
    simulator.reset()
    assert np.array_equal(simulator.run(x), first)


def test_synaptic_operations_count_every_weight_read_for_a_spike() -> None:
    qnet = random_quantized("lif", 13, "ideal", hidden=(5, 4))
    x = random_spikes(13, 2, STEPS, qnet.inputs)
    trace = simulate(qnet, x, record=("spikes",))
    expected = np.count_nonzero(x) * 5
    expected += np.count_nonzero(trace.spikes["layers.0"]) * (5 + 4)
    expected += np.count_nonzero(trace.spikes["layers.1"]) * (4 + 3)
    assert trace.synaptic_operations == expected


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5, 9), int), r"x of shape \(2, 5, 9\), rule: \(sample, T, 4\)"),
        (np.zeros((2, 0, 4), int), r"x of shape \(2, 0, 4\)"),
        (np.full((2, 5, 4), 0.5), "x holds fractions"),
        (np.full((2, 5, 4), np.nan), r"x\[0, 0, 0\] = nan, rule: finite numbers"),
        (np.full((2, 5, 4), np.inf), r"x\[0, 0, 0\] = inf, rule: finite numbers"),
        (np.full((2, 5, 4), "1"), "x of type <U1, rule: integers"),
        (np.full((2, 5, 4), (1 << 31) - 1), "can sum to"),
        (np.full((2, 5, 4), 1 << 40), "rule: at most 31 bits"),
    ],
)
def test_bad_input_of_the_simulator_is_named(x: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simulate(random_quantized("lif", 14, "loihi2"), x)


def test_an_unknown_state_to_record_is_named() -> None:
    qnet = random_quantized("lif", 14, "loihi2")
    with pytest.raises(
        InputError, match=r"record: unknown 'w'.*, known: current, spikes, u, v, of one .*layers.0/current"
    ):
        simulate(qnet, random_spikes(14, 1, 5, qnet.inputs), record=("w",))
    with pytest.raises(InputError, match="batch = 0"):
        Simulator(qnet, 0)


def test_a_difference_is_reported_ready_to_debug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    qnet, x = random_quantized("lif", 15, "loihi2"), random_spikes(15, 1, 5, 4)
    expected = np.zeros((5, 2, 3), int)
    got = expected.copy()
    got[3, 1, 2] = 7
    with pytest.raises(AssertionError) as raised:
        assert_equal_traces(expected, got, seed=15, layer="layers.0", what="spikes", case=(qnet, x))
    text, folder = str(raised.value).rsplit(" ", 1)
    assert text.startswith("seed 15, layers.0, spikes: first difference at step 3, sample 1, neuron 2: expected 0")
    assert ", got 7 (1 of 30 entries differ)" in text
    assert np.array_equal(np.load(f"{folder}/x.npy"), x)
    assert np.array_equal(
        QuantizedNetwork.load(f"{folder}/network.h5").layers[0].input.mantissa, qnet.layers[0].input.mantissa
    )
