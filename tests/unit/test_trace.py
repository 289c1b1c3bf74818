"""Where a trace comes from, its file, and the trace of a float network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.comparing.compare import float_spikes
from hypr_neuro.comparing.diff import diff
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.run.forward import readout
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.networks import random_network, random_quantized, random_spikes
from hypr_neuro.traces.float_trace import float_trace
from hypr_neuro.traces.trace import KIND, Link, Trace, float_origin, integer_origin, narrowed, with_origin

RECORD = ("spikes", "u", "v")


def recorded() -> Trace:
    """Two layers of LIF, 3 samples, 20 steps."""
    qnet, x = random_quantized("lif", 1, "loihi2", hidden=(4, 3)), random_spikes(1, 3, 20, 4)
    return with_origin(simulate(qnet, x, RECORD), qnet, x, device="lava", samples=[7, 2, 9])


def test_origin_of_integers_says_latency_scale_and_connections() -> None:
    qnet = random_quantized("lif", 1, "loihi2", hidden=(4, 3))
    origin = integer_origin(qnet, "lava", (4, 7))
    assert (origin.arithmetic, origin.device, origin.samples) == ("integer", "lava", (4, 7))
    assert origin.latency == {qnet.name(i): qnet.latency(i) for i in range(3)}
    assert origin.state_scale == {qnet.name(i): qnet.layers[i].state_scale for i in range(3)}
    assert origin.scale("layers.1", "current") == qnet.layers[1].current_scale
    assert set(origin.links) == {
        Link("input", "layers.0", (1,)),
        Link("layers.0", "layers.0", (1,)),
        Link("layers.0", "layers.1", (1,)),
        Link("layers.1", "layers.1", (1,)),
        Link("layers.1", "readout", (1,)),
    }
    plain = integer_origin(qnet.integer())
    assert (plain.network, plain.latency, plain.state_scale) == (origin.network, origin.latency, {})


def with_delays(delays: np.ndarray, second: str) -> IntegerNetwork:
    """Two populations that hear the input, b by connections of many delays, and one from `second` to b."""
    layer = random_quantized("lif", 1, "loihi2", hidden=(3,)).layers[0]
    a, b = (Population(name, layer.model, layer.per_neuron, layer.constants) for name in "ab")
    ones = np.ones((3, 3), np.int64)
    synapses = (
        Synapses("input", "a", ones),
        Synapses("input", "b", ones, delays=delays),
        Synapses(second, "b", ones, delays=2),
    )
    return IntegerNetwork(3, (a, b), synapses)


def test_a_delay_is_a_lag_and_no_latency_because_float_has_it_too() -> None:
    origin = integer_origin(with_delays(np.tile([0, 3, 5], (3, 1)), "input"))
    assert origin.links == (Link("input", "a", (1,)), Link("input", "b", (1, 4, 6)), Link("input", "b", (3,)))
    assert origin.latency == {"a": 1, "b": 1}


def test_the_longest_chain_of_connections_is_the_latency() -> None:
    assert integer_origin(with_delays(np.ones((3, 3), np.int64), "a")).latency == {"a": 1, "b": 2}


def test_the_digest_knows_which_weight_has_which_delay() -> None:
    delays = np.tile([0, 3, 5], (3, 1))
    one, same, other = (integer_origin(with_delays(d, "a")).network for d in (delays, delays.copy(), delays[:, ::-1]))
    assert one == same != other


def test_the_digest_changes_with_any_number() -> None:
    net = random_network("lif", 1)
    qnet = quantize(net, "loihi2", calibration=random_spikes(1, 4, 60, 4))
    fixed, real = integer_origin(qnet).network, float_origin(net).network
    assert integer_origin(qnet.copy()).network == fixed
    for change in (lambda q: q.layers[0].recurrent, lambda q: q.layers[1].input):
        other = qnet.copy()
        change(other).mantissa[0, 0] += 2
        assert integer_origin(other).network != fixed
    other = qnet.copy()
    other.layers[0].input.exponent += 1
    assert integer_origin(other).network != fixed
    changed = net.copy()
    changed.layers[0].params["dv"][1] *= 0.5
    assert float_origin(changed).network != real
    assert float_origin(net.copy()).network == real


def test_the_float_trace_is_what_the_network_does() -> None:
    net, x = random_network("lif", 6, hidden=(5, 4)), random_spikes(6, 3, 300, 4)
    trace = float_trace(net, x, ("spikes", "u", "v", "current"))
    assert np.array_equal(trace.readout, readout(net, x))
    for name, spikes in float_spikes(net, x).items():
        assert np.array_equal(trace.spikes[name], spikes)
        assert trace.rates[name] == pytest.approx(spikes.mean())
    assert np.array_equal(trace.states["readout"]["u"], trace.readout.transpose(1, 0, 2))
    second, z = net.layers[1], trace.spikes["layers.1"].astype(float)
    before = np.concatenate([z[:1] * 0, z[:-1]])
    current = trace.spikes["layers.0"] @ second.weight.T + before @ second.recurrent.T
    assert np.allclose(trace.states["layers.1"]["current"], current, atol=1e-4)
    spikes = {name: int(z.sum()) for name, z in trace.spikes.items()}
    assert trace.synaptic_operations == int(x.sum()) * 5 + spikes["layers.0"] * 9 + spikes["layers.1"] * 7


def test_the_float_trace_keeps_what_was_asked_for_however_samples_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = random_network("brf", 6, hidden=(5, 4)), random_spikes(6, 5, 40, 4)
    names = net.layers[0].model.state_names
    whole = float_trace(net, x, ("layers.1/spikes", names[0], "readout/current"))
    assert list(whole.spikes) == ["layers.1"]
    kept = {layer: list(by_name) for layer, by_name in whole.states.items()}
    assert kept == {"layers.0": [names[0]], "layers.1": [names[0]], "readout": [names[0], "current"]}
    monkeypatch.setattr("hypr_neuro.run.run_float.block_size", lambda *_: 2)
    seen: list[tuple[int, int]] = []
    split = float_trace(net, x, ("spikes", "current", *names), on_block=lambda *at: seen.append(at))
    assert diff(whole, split, tolerance=0.0).equal
    assert seen == [(2, 5), (4, 5), (5, 5)]
    with pytest.raises(InputError, match=r"record: unknown 'w'.*, known: .*, of one population: layers\.0/"):
        float_trace(net, x, ("w",))
    with pytest.raises(InputError, match="no length 0"):
        float_trace(net, x[:0])


def test_a_trace_comes_back_equal_from_its_file(tmp_path: Path) -> None:
    trace = recorded()
    trace.save(tmp_path / "t.h5")
    back = Trace.load(tmp_path / "t.h5")
    assert back.origin == trace.origin
    assert [key[:2] for key in back.recorded()] == [key[:2] for key in trace.recorded()]
    assert all(np.array_equal(a, b) for (_, _, a), (_, _, b) in zip(trace.recorded(), back.recorded(), strict=True))
    assert {a.dtype for a in back.spikes.values()} == {np.dtype(np.int8)}
    assert (back.events, back.rates, back.synaptic_operations) == (trace.events, trace.rates, trace.synaptic_operations)
    assert np.array_equal(back.readout, trace.readout)
    assert np.array_equal(back.input, trace.input)
    assert diff(trace, back).equal


def test_a_trace_of_the_readout_alone_has_a_file_too(tmp_path: Path) -> None:
    bare = Trace(recorded().readout, {}, {}, {}, {}, 0)
    bare.save(tmp_path / "bare.h5")
    back = Trace.load(tmp_path / "bare.h5")
    assert (back.origin, back.input, back.recorded()) == (None, None, [])
    assert diff(bare, back).equal


def test_graded_spikes_keep_their_values_in_the_file(tmp_path: Path) -> None:
    trace = recorded()
    trace.spikes["layers.0"] = trace.spikes["layers.0"].astype(np.int64) * (1 << 40)
    trace.save(tmp_path / "t.h5")
    assert np.array_equal(Trace.load(tmp_path / "t.h5").spikes["layers.0"], trace.spikes["layers.0"])


@pytest.mark.parametrize("name", ["readout", "input", "spikes/0", "states/0/1"])
def test_a_sealed_trace_with_wrong_shapes_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    recorded().save(path)
    meta, arrays = load_arrays(path, KIND)
    for wrong in (arrays[name][:2, :2], arrays[name][0], arrays[name].astype("S3"), arrays[name][:, :0]):
        save_arrays(path, KIND, meta, arrays | {name: wrong})
        with pytest.raises(FileFormatError, match=r"t\.h5'.*`hypr-neuro simulate NETWORK --trace FILE` writes one"):
            Trace.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"arithmetic": "complex"},
        {"layers": []},
        {"latency": {"readout": -1}},
        {"state_scale": {"readout": 0.0}},
        {"samples": [1, 1, 1]},
        {"samples": [1]},
        {"links": 3},
        {"unknown": 1},
    ],
)
def test_a_sealed_trace_of_no_sensible_origin_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    recorded().save(path)
    meta, arrays = load_arrays(path, KIND)
    save_arrays(path, KIND, meta | {"origin": meta["origin"] | change}, arrays)
    with pytest.raises(FileFormatError, match=r"t\.h5'"):
        Trace.load(path)


def test_a_file_of_another_kind_says_what_writes_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "q.h5"
    random_quantized("lif", 1, "loihi2", hidden=(2,)).save(path)
    with pytest.raises(FileFormatError, match=r"q\.h5' holds 'hypr-neuro quantized network', .*`hypr-neuro simulate"):
        Trace.load(path)


def test_integers_are_narrowed_to_the_type_that_holds_both_ends() -> None:
    for low, high, kind in (
        (-128, 127, np.int8),
        (-129, 0, np.int16),
        (0, 128, np.int16),
        (-32769, 0, np.int32),
        (0, 32768, np.int32),
        (0, 1 << 31, np.int64),
    ):
        array = np.array([low, 0, high], np.int64)
        assert narrowed(array).dtype == kind
        assert np.array_equal(narrowed(array), array)


def test_a_delay_changes_the_network_s_digest() -> None:
    lif = Population.of("p", "lif", 2, **lif_parameters(du=1, dv=1, vth=1))
    delays = np.array([[0, 1], [2, 3]])
    others: list[Any] = [0, 1, delays, delays.T]
    origins = [
        integer_origin(IntegerNetwork(2, (lif,), (Synapses("input", "p", np.ones((2, 2), int), delays=d),)))
        for d in others
    ]
    assert len({o.network for o in origins}) == len(others)
