"""Networks as a chip can have them: decays that are shifts of bits, and one sign for all weights of a source."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import hypr_neuro as hn
from hypr_neuro.errors import DoesNotFitError, HyprWarning
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.neurons import get_model
from hypr_neuro.profiles.profile import Profile, load_profile, parse_profile
from hypr_neuro.quantizing.quantize import dequantize
from hypr_neuro.quantizing.suited import shifts_of, suited
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.networks import random_network, random_spikes


def chip(base: str = "ideal", **precision: Any) -> Profile:
    data = load_profile(base).dump()
    for key, value in precision.items():
        data["precision"][key] = {"value": value, "unit": "-", "source": "test"}
    return parse_profile(data, "test")


def network(dv: Any, tau: float = 20.0, neuron: str = "lif") -> Any:
    params = {"du": 1.0, "dv": dv, "subtract": 1.0} if neuron == "lif" else {}
    layer = {"neuron": neuron, "size": 9, "recurrent": True, "bias": False, "params": params}
    return hn.Network.build({"inputs": 3, "outputs": 2, "layers": [layer], "readout": {"tau": tau}}, seed=2)


RANGES = {"layers.0": 4.0, "readout": 4.0}

# ---------------------------------------------------------------- decays


@settings(deadline=None, derandomize=True, max_examples=200, database=None)
@given(decay=st.floats(2.0**-12, 1.0), top=st.integers(1, 12))
def test_the_nearest_power_of_two_by_ratio_is_taken(decay: float, top: int) -> None:
    (k,) = shifts_of(np.array([decay]), top)
    off = [abs(np.log2(decay) + other) for other in range(top + 1)]
    assert off[k] == pytest.approx(min(off))
    if decay >= 2.0**-top:
        assert off[k] <= 0.5 + 1e-12


def test_decays_of_integers_are_shifts_and_the_record_says_by_how_much_they_are_off() -> None:
    qnet = hn.quantize(network([0.03, 0.4], tau=20.0), "xylo", calibration=RANGES)
    dv = qnet.populations[0].per_neuron[1]
    assert set(dv) <= {1 << k for k in range(13)}
    assert len(set(dv)) > 2
    kappa, gain = qnet.populations[1].per_neuron
    k = qnet.populations[1].constant("k")
    assert set(gain) == {1 << (k - 4)}  # 1 - e^{-1/20} = 0.049 is nearest to 2^-4
    assert np.array_equal(kappa, (1 << k) - gain)
    shifted = {r["name"]: r for r in qnet.record if r["name"].endswith("as a shift")}
    assert set(shifted) == {"du as a shift", "dv as a shift", "tau as a shift"}
    assert shifted["tau as a shift"]["rule"] == "decays by shifts of 4..4 bits (the chip has 0..12), off by up to 28.2%"
    given = network([0.03, 0.4]).populations[0].params["dv"]
    off = np.max(np.abs(dv / 4096 / given - 1.0))
    assert f"off by up to {off:.1%}" in shifted["dv as a shift"]["rule"]
    assert any("dv as a shift" in line and "SQNR" in line for line in qnet.explain())


def test_powers_of_two_stay_as_they_are() -> None:
    """Then the shift rule changes nothing: the same integers as without it, and the same network."""
    net = network(0.125)
    net.populations[1].params["tau"][...] = -1.0 / np.log(1.0 - 0.0625)
    with_rule = hn.quantize(net, chip(decay_shift_bits=4), calibration=RANGES)
    without = hn.quantize(net, chip(), calibration=RANGES)
    for a, b in zip(with_rule.populations, without.populations, strict=True):
        assert np.array_equal(a.per_neuron, b.per_neuron)
    x = random_spikes(3, 4, 30, 3)
    assert np.array_equal(simulate(with_rule, x).readout, simulate(without, x).readout)


def test_the_width_of_a_shift_bounds_it() -> None:
    qnet = hn.quantize(network(0.001), chip(decay_shift_bits=2), calibration=RANGES)
    assert set(qnet.populations[0].per_neuron[1]) == {4096 >> 3}
    (dv,) = (r for r in qnet.record if r["name"] == "dv as a shift")
    assert dv["clipped"] == 9
    assert "shifts of 3..3 bits (the chip has 0..3)" in dv["rule"]


def test_neurons_without_such_decays_are_refused_by_name() -> None:
    with pytest.raises(
        DoesNotFitError, match=r"neuron 'brf' has no decay .* \(profile 'ideal', precision.decay_shift_b"
    ):
        hn.quantize(network(0.1, neuron="brf"), chip(decay_shift_bits=4), calibration=RANGES)


def test_without_a_rule_the_network_is_what_it_was() -> None:
    net, record = network(0.1), []
    assert suited(net, load_profile("loihi2"), record) is net
    assert record == []


def test_what_the_integers_stand_for_has_the_shifted_decays() -> None:
    net = network([0.03, 0.4])
    qnet = hn.quantize(net, "xylo", calibration=RANGES)
    there = dequantize(net, qnet)
    decays = there.populations[0].params["dv"]
    assert np.allclose(np.log2(decays), np.rint(np.log2(decays)))
    assert not np.allclose(decays, net.populations[0].params["dv"])


# ---------------------------------------------------------------- whole exponents


@pytest.mark.parametrize("state_range", [4.0, 4000.0])
@pytest.mark.parametrize("profile", ["xylo", "reckon"])
def test_weights_keep_their_width_where_sums_cannot_be_divided(profile: str, state_range: float) -> None:
    """Wide states saturate: at a scale that holds them every weight would be 0."""
    net = network(0.125)
    qnet = hn.quantize(net, profile, calibration={"layers.0": state_range, "readout": 4.0})
    weights = [r for r in qnet.record if r["name"] in ("input", "recurrent") and r["layer"] == "layers.0"]
    assert len(weights) == 2
    largest = max(max(-r["integer_low"], r["integer_high"]) for r in weights)
    assert 64 <= largest <= 127
    assert all(c.exponent >= 0 for c in qnet.connections)
    free = hn.quantize(net, chip(state_bits=16), calibration={"layers.0": state_range, "readout": 4.0})
    scales = qnet.populations[0].state_scale, free.populations[0].state_scale
    assert scales[0] == scales[1] if state_range < 10 else scales[0] >= 64 * scales[1]


# ---------------------------------------------------------------- signs


def by_source(qnet: Any, source: str) -> np.ndarray:
    """Mantissas of all that a source sends, one row for each of its neurons."""
    parts = [c.mantissa for c in qnet.connections if c.source == source and not c.bias_alone]
    return np.concatenate([p if isinstance(p, np.ndarray) else p.toarray() for p in parts]).T


def sent(net: Any, source: str) -> np.ndarray:
    """The same of a float network."""
    parts = [c.weights for c in net.connections if c.source == source]
    return np.concatenate([p if isinstance(p, np.ndarray) else p.toarray() for p in parts]).T


def signed(seed: int, sparse: bool = False) -> Any:
    rng = np.random.default_rng(seed)
    params = {"du": np.ones(6), "dv": np.full(6, 0.1), "vth": np.ones(6)}
    p = hn.FloatPopulation("p", get_model("lif"), params)
    matrices = {INPUT: rng.normal(size=(6, 4)), "p": rng.normal(size=(6, 6))}
    if sparse:
        matrices = {k: scipy.sparse.csr_array(np.where(rng.random(m.shape) < 0.6, m, 0)) for k, m in matrices.items()}
    links = tuple(hn.FloatSynapses(source, "p", matrix) for source, matrix in matrices.items())
    return hn.Network(4, (p,), links, 1e-3, ("p",))


@pytest.mark.filterwarnings("ignore:connection .* one sign a source")
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_all_that_a_source_sends_has_one_sign(seed: int, sparse: bool) -> None:
    """That of more of the weights' squares, over all connections from the source; the others keep their values."""
    net, record = signed(seed, sparse), []
    kept = suited(net, chip(weight_sign="source"), record)
    mixed = 0
    for source in (INPUT, "p"):
        for row, full in zip(sent(kept, source), sent(net, source), strict=True):
            negative = np.sum(full[full < 0] ** 2) > np.sum(full[full > 0] ** 2)
            assert np.array_equal(row, np.where((full < 0) == negative, full, 0.0))
            mixed += (full > 0).any() and (full < 0).any()
    assert mixed > 4
    assert [r["name"] for r in record] == ["input -> p, signs", "p -> p, signs"]
    assert all("one sign a source:" in r["rule"] and r["sqnr"] < 30 for r in record)
    qnet = hn.quantize(net, chip(weight_sign="source"), calibration={"p": 4.0})
    assert not any((row > 0).any() and (row < 0).any() for s in (INPUT, "p") for row in by_source(qnet, s))


def test_a_loss_that_matters_is_said() -> None:
    with pytest.warns(HyprWarning, match=r"one sign a source makes 0 of \d+% of the weights' squares; train with"):
        hn.quantize(signed(0), chip(weight_sign="source"), calibration={"p": 4.0})


def test_sources_of_one_sign_lose_nothing(recwarn: pytest.WarningsRecorder) -> None:
    net = signed(0)
    for c in net.connections:
        c.weights[...] = np.abs(c.weights) * np.where(np.arange(c.weights.shape[1]) % 2, 1.0, -1.0)
    qnet = hn.quantize(net, chip(weight_sign="source"), calibration={"p": 4.0})
    free = hn.quantize(net, chip(), calibration={"p": 4.0})
    assert all(np.array_equal(by_source(qnet, s), by_source(free, s)) for s in (INPUT, "p"))
    assert not [w for w in recwarn if "one sign" in str(w.message)]


def test_the_network_itself_keeps_its_weights() -> None:
    net = random_network("lif", 3, hidden=(4,), inputs=3, outputs=2)
    before = [c.weights.copy() for c in net.connections]
    with pytest.warns(HyprWarning, match="one sign a source"):
        hn.quantize(net, chip(weight_sign="source"), calibration={"layers.0": 4.0, "readout": 4.0})
    assert all(np.array_equal(c.weights, kept) for c, kept in zip(net.connections, before, strict=True))
