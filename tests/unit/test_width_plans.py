"""Widths of single tensors: rule of a profile, override and plan file are the same; memory; what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mixed_widths import CHAIN, data_that_can_be_learned, mixed_chain

import hypr_neuro as hn
from hypr_neuro.errors import HyprError, InputError, ProfileError
from hypr_neuro.placement.learning_memory import learning_memory
from hypr_neuro.placement.stored import axon_bits
from hypr_neuro.quantizing.levels import least_error_exponent
from hypr_neuro.quantizing.width_plan import WidthPlan, described
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.testing.networks import random_network, random_spikes

X = random_spikes(0, 4, 60, 4)


@pytest.mark.parametrize(
    ("measured", "told"),
    [
        ({}, ""),
        ({"loss": "much"}, ""),
        ({"loss": 0.5, "standard_error": 0.25}, "plan: 0.50 ± 0.25 points lost on samples when it was made"),
        (
            {"loss": 0, "standard_error": 0, "within": 0.5, "test": {"loss": 1.39, "standard_error": 0.73}},
            "plan: 1.39 ± 0.73 points lost on test samples when it was made, 0.5 asked for",
        ),
    ],
)
def test_a_plan_tells_what_it_cost_when_it_was_made(measured: dict[str, Any], told: str) -> None:
    assert WidthPlan({"a": {"weight_bits": 4}}, measured=measured).told() == told


def network(seed: int = 0) -> hn.Network:
    return random_network("brf", seed, hidden=(5, 4))


def same_integers(a: hn.QuantizedNetwork, b: hn.QuantizedNetwork) -> None:
    for p, q in zip(a.populations, b.populations, strict=True):
        assert np.array_equal(p.per_neuron, q.per_neuron)
        assert np.array_equal(p.constants, q.constants)
    for c, d in zip(a.connections, b.connections, strict=True):
        assert (c.weight_bits, c.exponent) == (d.weight_bits, d.exponent)
        assert np.array_equal(c.mantissa, d.mantissa)
    plans = LearningPlan(a), LearningPlan(b)
    assert [layer.widths for layer in plans[0].layers] == [layer.widths for layer in plans[1].layers]


def test_rule_override_and_plan_are_the_same(tmp_path: Path) -> None:
    def quantity(value: Any) -> dict[str, Any]:
        return {"value": value, "unit": "-", "source": "a test"}

    precision = ("weight_bits", "weight_levels", "state_bits", "coefficient_bits")
    rules: dict[str, Any] = {}
    for name, numbers in CHAIN.items():
        for key, value in numbers.items():
            section = "precision" if key in precision else "learning"
            rules.setdefault(name, {}).setdefault(section, {})[key] = quantity(value)
    chip = tmp_path / "chip.yaml"
    chip.write_text(yaml.safe_dump({"extends": "loihi2", "rules": rules}))
    plan = tmp_path / "plan.yaml"
    WidthPlan(CHAIN).save(plan)
    overrides = {
        f"{'precision' if key in precision else 'learning'}.{key}@{name}": value
        for name, numbers in CHAIN.items()
        for key, value in numbers.items()
    }
    by_rule = hn.quantize(network(), chip, calibration=X)
    same_integers(by_rule, hn.quantize(network(), hn.load_profile("loihi2", overrides), calibration=X))
    same_integers(by_rule, hn.quantize(network(), "loihi2", calibration=X, plan=plan))
    same_integers(by_rule, hn.quantize(network(), "loihi2", calibration=X, plan=CHAIN))


def test_a_later_rule_wins_and_a_file_comes_after_what_it_extends(tmp_path: Path) -> None:
    def rule(bits: int) -> dict[str, Any]:
        return {"precision": {"weight_bits": {"value": bits, "unit": "bit", "source": "a test"}}}

    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(yaml.safe_dump({"extends": "loihi2", "rules": {"a": rule(3), "*": rule(6)}}, sort_keys=False))
    second.write_text(yaml.safe_dump({"extends": "first.yaml", "rules": {"a": rule(5)}}))
    bits = {
        name: hn.load_profile(file).of("a").precision.weight_bits.value
        for name, file in (("first", first), ("second", second))
    }
    assert bits == {"first": 6, "second": 5}
    taken = hn.load_profile(second, {"precision.weight_bits@a": None})
    assert taken.of("a").precision.weight_bits.value == 6


def test_eligibilities_keep_their_range() -> None:
    chip = hn.load_profile("loihi2", {"learning.eligibility_bits@a": 20})
    own, narrow = chip.learning, chip.of("a").learning
    fewer = own.eligibility_bits.value - narrow.eligibility_bits.value
    assert own.eligibility_fraction.value - narrow.eligibility_fraction.value == fewer == 4


def test_learning_has_the_widths_of_each_population() -> None:
    plan = LearningPlan(mixed_chain("brf", 0))
    widths = {layer.name: layer.widths for layer in plan.layers}
    own = widths["readout"]
    assert widths["layers.0"].eligibility_bits == 16
    assert widths["layers.0"].accumulator_bits == 16
    assert widths["layers.1"].eligibility_bits == 12
    assert widths["layers.1"].accumulator_bits == own.accumulator_bits > 16
    assert {t.name: t.weight_bits for t in plan.tensors} == {
        "layers.0.input": 5, "layers.0.recurrent": 2, "layers.1.input": 3, "layers.1.recurrent": 1, "readout.input": 8,
    }  # fmt: skip


def test_placement_counts_what_each_connection_stores() -> None:
    qnet = mixed_chain("brf", 0)
    placed = {c["connection"]: c for c in hn.place(qnet).by_connection()}
    for name, c in zip(qnet.connection_names(), qnet.connections, strict=True):
        post, axons = c.mantissa.shape
        assert placed[name]["memory_bits"] == axons * axon_bits(post, qnet.weight_bits(c), post), name
    weights = [
        (count, bits)
        for memory in learning_memory(qnet, None, LearnOptions())
        for name, (count, bits) in memory.network.items()
        if name.startswith("weights")
    ]
    stored = sum(c.entries().size * qnet.weight_bits(c) for c in qnet.connections)
    assert sum(count * bits for count, bits in weights) == stored
    first, second, _ = learning_memory(qnet, None, LearnOptions())
    assert first.per_synapse["eligibilities"][1] == 16
    assert second.per_synapse["eligibilities"][1] == 12


def test_ternary_and_binary_scales_are_those_of_least_error() -> None:
    """For a Gaussian the best scales are known: 0.798 σ for a sign, 1.22 σ for -1, 0, 1."""
    w = np.random.default_rng(0).normal(0, 1, 20000)
    assert 2.0 ** least_error_exponent(w, 1, -20, 20) == 1.0
    assert 2.0 ** least_error_exponent(w * 1.9, 1, -20, 20) == 2.0
    assert 2.0 ** least_error_exponent(w, 2, -20, 20) == 1.0
    assert 2.0 ** least_error_exponent(w * 1.5, 2, -20, 20) == 2.0
    for bits in range(1, 9):
        e = least_error_exponent(w, bits, -20, 20)
        errors = [np.sum((w - 2.0**k * nearest(w / 2.0**k, bits)) ** 2) for k in (e - 1, e, e + 1)]
        assert errors[1] == min(errors), bits


def nearest(x: Any, bits: int) -> Any:
    top = max((1 << (bits - 1)) - 1, 1)
    return np.where(x >= 0, 1, -1) if bits == 1 else np.clip(np.rint(x), -top, top)


@pytest.mark.filterwarnings("ignore::hypr_neuro.errors.HyprWarning")  # of weights that few bits make 0
@pytest.mark.parametrize("bits", range(1, 17))
def test_every_width_of_weights(bits: int) -> None:
    net = network()
    chip = hn.load_profile("loihi2", {"precision.weight_bits": 16})
    qnet = hn.quantize(net, chip, calibration=X, plan={"*": {"weight_bits": bits}}, calibration_method="mse")
    assert {qnet.weight_bits(c) for c in qnet.connections} == {bits}
    alone = hn.quantize(net, hn.load_profile("loihi2", {"precision.weight_bits": bits}), calibration=X)
    assert {alone.weight_bits(c) for c in alone.connections} == {bits}
    assert np.any(hn.simulate(qnet, X).readout)


def test_less_error_than_by_the_largest_weight() -> None:
    net = network()
    net.layers[0].recurrent[0, 0] = 40 * np.abs(net.layers[0].recurrent).max()
    error = {}
    for method in ("max", "percentile", "mse"):
        qnet = hn.quantize(net, "loihi2", calibration=X, calibration_method=method, percentile=90.0)
        c = qnet.connections[qnet.connection_names().index("layers.0.recurrent")]
        real = c.mantissa * qnet.weight_step(c) - net.layers[0].recurrent
        error[method] = float((real**2)[1:].sum())
    assert error["percentile"] < error["max"]


def test_headroom_leaves_room_to_learn() -> None:
    plain = hn.quantize(network(), "loihi2", calibration=X)
    roomy = hn.quantize(network(), "loihi2", calibration=X, weight_headroom=4.0)
    for c, d in zip(plain.connections, roomy.connections, strict=True):
        assert roomy.weight_step(d) * 127 >= 4 * np.abs(c.mantissa).max() * plain.weight_step(c) * 0.99


@pytest.mark.filterwarnings("ignore::hypr_neuro.errors.HyprWarning")  # of weights beside one that is 60 times larger
def test_exponents_by_accuracy() -> None:
    data, net = data_that_can_be_learned(), network()
    net.layers[0].recurrent[0, 0] = 60 * np.abs(net.layers[0].recurrent).max()
    qnet = hn.quantize(net, "loihi2", calibration=data, calibration_method="accuracy", plan={"*": {"weight_bits": 4}})
    again = hn.quantize(net, "loihi2", calibration=data, calibration_method="accuracy", plan={"*": {"weight_bits": 4}})
    same_integers(qnet, again)
    with pytest.raises(InputError, match=r"calibration_method = 'accuracy'.*validation"):
        hn.quantize(net, "loihi2", calibration=X, calibration_method="accuracy")


REFUSED = [
    ({"layers.7": {"weight_bits": 4}}, r"rules\.layers\.7: no population or connection.*known: layers\.0"),
    ({"layers.0.recurrent": {"weight_bits": 9}}, r"rules\.layers\.0\.recurrent\.precision\.weight_bits = 9.*at most 8"),
    ({"readout": {"weight_bits": 0}}, r"rules\.readout\.precision\.weight_bits.*= 0"),
    ({"readout": {"weight_bits": 3, "weight_levels": "ternary"}}, r"weight_levels ternary with weight_bits 3.*2 bits"),
    ({"layers.0.recurrent": {"state_bits": 16}}, r"state_bits: 'layers\.0\.recurrent' is a connection, rule: a popula"),
    ({"readout": {"weight_bitz": 3}}, r"rules\.readout: unknown key 'weight_bitz' \(did you mean 'weight_bits'\?\)"),
    ({"readout": {}}, r"rules\.readout = \{\}"),
]


@pytest.mark.parametrize(("rules", "message"), REFUSED)
def test_refusals(rules: dict[str, Any], message: str) -> None:
    with pytest.raises(HyprError, match=message):
        hn.quantize(network(), "loihi2", calibration=X, plan=rules)


def test_a_plan_of_another_network_is_refused(tmp_path: Path) -> None:
    other = random_network("brf", 0, hidden=(6,))
    path = tmp_path / "plan.yaml"
    WidthPlan({"readout": {"weight_bits": 4}}, network=described(other)).save(path)
    with pytest.raises(InputError, match=r"made for a network whose populations are layers\.0 of 6, readout of 3"):
        hn.quantize(network(), "loihi2", calibration=X, plan=path)
    path.write_text("rules: {}\n")
    with pytest.raises(InputError, match=r"key 'plan' = None, rule: a mapping whose key 'plan' is 1"):
        hn.quantize(network(), "loihi2", calibration=X, plan=path)
    path.write_text("")
    with pytest.raises(InputError, match=r"holds None, rule: .*`hypr-neuro widths` writes one"):
        hn.quantize(network(), "loihi2", calibration=X, plan=path)
    with pytest.raises(InputError, match=r"is a folder, rule: a file; give its plan\.yaml"):
        hn.quantize(network(), "loihi2", calibration=X, plan=tmp_path)
    path.write_text("plan: 1\nrules: {readout: {weight_bits: true}}\n")
    with pytest.raises(ProfileError, match=r"weight_bits\.value' = True, rule: a whole number"):
        hn.quantize(network(), "loihi2", calibration=X, plan=path)
    with pytest.raises(InputError, match=r"plan file '.*none\.yaml' does not exist"):
        hn.quantize(network(), "loihi2", calibration=X, plan=tmp_path / "none.yaml")


def test_an_empty_rule_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chip.yaml"
    path.write_text("extends: loihi2\nrules: {a: {}}\n")
    with pytest.raises(ProfileError, match=r"rules\.a: no number, rule: at least one of precision\.weight_bits"):
        hn.load_profile(path)


def test_weights_wider_than_a_chip_are_refused_by_name() -> None:
    qnet = mixed_chain("brf", 0)
    with pytest.raises(InputError, match=r"connection input -> layers\.0: weights of 5 bits, rule: 1 to 4"):
        hn.place(qnet, hn.load_profile("loihi2", {"precision.weight_bits": 4}))
    c = qnet.connections[0]
    with pytest.raises(InputError, match=r"connection input -> layers\.0: weights .*rule: ±1"):
        replace(qnet, connections=(replace(c, weight_bits=2), *qnet.connections[1:]))


def test_netx_has_one_width() -> None:
    net = random_network("lif", 0, hidden=(5,), bias=False)
    with pytest.raises(InputError, match=r"weights of 4 bits by method 'max', rule for netx: one exponent"):
        hn.quantize(net, "loihi2", calibration=X, target="netx", plan={"layers.0.recurrent": {"weight_bits": 4}})


def test_rules_keep_their_order_in_files(tmp_path: Path) -> None:
    plan = {"readout": {"weight_bits": 3}, "*": {"weight_bits": 6}, "layers.0.input": {"weight_bits": 4}}
    qnet = hn.quantize(network(), "loihi2", calibration=X, plan=plan)
    qnet.save(tmp_path / "q.h5")
    found = hn.QuantizedNetwork.load(tmp_path / "q.h5").profile
    assert list(found.rules) == list(qnet.profile.rules) == list(plan)
    assert found.of("readout").precision.weight_bits.value == 6


def test_a_gap_is_split_at_one_width_alone() -> None:
    from hypr_neuro.comparing.widening import Widening

    net = network()
    qnet = hn.quantize(net, "loihi2", calibration=X, plan={"readout": {"weight_bits": 4}})
    with pytest.raises(InputError, match=r"has rules of single widths \(readout\), rule: one width for all"):
        Widening(net, qnet)


def test_the_footprint_counts_each_width() -> None:
    from hypr_neuro.placement.footprint import footprint_of

    qnet = mixed_chain("brf", 0)
    stored = footprint_of(qnet)
    assert stored.weights == -(-sum(c.entries().size * qnet.weight_bits(c) for c in qnet.connections) // 8)
    states = sum(p.model.d * p.size * (18 if p.name == "layers.0" else 24) for p in qnet.populations)
    assert stored.states == -(-states // 8)


@pytest.mark.parametrize("kind", ["weight_flips", "drift", "dead", "stuck"])
def test_faults_stay_inside_each_width(kind: str) -> None:
    from hypr_neuro.faults.device import faulty_network
    from hypr_neuro.faults.kinds import parse_faults

    qnet = mixed_chain("brf", 0)
    broken = faulty_network(qnet, parse_faults([f"{kind}=0.3"], 1))
    for c in broken.connections:
        bits = broken.weight_bits(c)
        assert np.abs(c.entries()).max() <= broken.weight_top(c)
        assert bits > 1 or c.entries().all(), "binary weights turn over and are never 0"
    if kind == "weight_flips":
        pairs = zip(qnet.connections, broken.connections, strict=True)
        assert all(np.any(a.entries() != b.entries()) for a, b in pairs)
    if kind in ("dead", "stuck"):
        first = broken.populations[0]
        assert np.abs(first.per_neuron).max() <= 1 << 17, "thresholds of states of 18 bits"
