"""A gap split by cause: the top rung is the device's own run, parts add up, wider networks keep every weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.comparing.causes import CAUSES, Ladder, number_of, switches
from hypr_neuro.comparing.gap import split_gap
from hypr_neuro.comparing.gap_split import FIGURES
from hypr_neuro.comparing.kept import integer_digest
from hypr_neuro.comparing.widening import Widening
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.networks import random_network, random_spikes

OPTIONS = LearnOptions(rate=0.4, seed=3)
pytestmark = pytest.mark.filterwarnings("ignore::hypr_neuro.errors.HyprWarning")


def data() -> SequenceData:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 10)
    x = (rng.random((10, 15, 4)) < np.where(np.arange(4)[None] // 2 == y[:, None], 0.8, 0.1)[:, None]).astype(np.int8)
    return SequenceData("tiny", x, y, np.array(["train"] * 6 + ["test"] * 4), 2)


def pair(neuron: str = "lif", profile: str = "loihi2") -> tuple[Network, QuantizedNetwork]:
    layer = {"neuron": neuron, "size": 5, "recurrent": True}
    net = Network.build({"inputs": 4, "outputs": 2, "layers": [layer]}, seed=2)
    for made in net.layers:
        made.weight *= 2.0
    return net, quantize(net, profile, calibration=data())


@pytest.mark.parametrize("neuron", ["lif", "brf", "alif", "se_adlif", "lif_reset", "rf_threshold"])
@pytest.mark.parametrize("profile", ["loihi1", "loihi2", "spinnaker2", "cortex_m4", "ideal"])
def test_the_given_profile_gives_the_given_integers_and_a_wider_one_the_same_weights(neuron: str, profile: str) -> None:
    net = random_network(neuron, 3, hidden=(5, 4))
    qnet = quantize(net, profile, calibration=random_spikes(3, 8, 30, net.inputs))
    widening = Widening(net, qnet)
    again = widening.at(qnet.profile)
    for ours, theirs in zip(again.populations, qnet.populations, strict=True):
        assert np.array_equal(ours.per_neuron, theirs.per_neuron)
        assert np.array_equal(ours.constants, theirs.constants)
        assert np.array_equal(ours.psi_table, theirs.psi_table)
    for c, d in zip(again.connections, qnet.connections, strict=True):
        assert np.array_equal(c.entries(), d.entries())
        assert (c.exponent, c.delays) == (d.exponent, d.delays)
    wide, _ = Ladder(widening, OPTIONS).at(())
    before, after = FloatForm(net, qnet), FloatForm(net, wide)
    for name, weights in before.weights().items():
        assert np.allclose(after.weights()[name], weights, rtol=1e-12, atol=0)
        assert after.steps[name] <= before.steps[name]
    assert wide.tail == 0


def test_the_top_rung_is_the_device_and_parts_add_up() -> None:
    net, qnet = pair()
    split = split_gap(net, qnet, data(), epochs=2, options=OPTIONS).splits[0]
    assert split.device.digest == integer_digest(learn(qnet, data(), epochs=2, options=OPTIONS).qnet)
    assert split.device.digest != split.rungs["rest"].digest
    assert [p.name for p in split.parts] == ["rest", *(cause.name for cause in CAUSES)]
    for figure in FIGURES:
        assert sum(p.added[figure] for p in split.parts) == pytest.approx(split.whole[figure], abs=1e-12)
    # integers of the widest form compute float's own gradient
    assert split.rungs["rest"].cosine > 0.9999
    for p in split.parts[1:]:
        assert bool(p.reason) == (not p.alone)
        if p.reason:
            assert set(p.added.values()) == {0.0}


def test_a_cause_alone_is_the_widest_network_with_that_cause() -> None:
    net, qnet = pair()
    ladder = Ladder(Widening(net, qnet), OPTIONS)
    only, options = ladder.at(("weights",))
    assert only.profile.precision.weight_bits.value == 8
    assert only.profile.precision.coefficient_bits.value == 17
    assert options.rate == OPTIONS.rate
    without, finer = ladder.at(tuple(n for n in ladder.active if n != "weights"))
    assert without.profile.precision.weight_bits.value == 16
    assert finer.rate == OPTIONS.rate * 2**8
    own, same = ladder.at(ladder.active)
    assert own is qnet
    assert same == OPTIONS


def test_what_a_profile_lacks_is_said_in_words() -> None:
    of_ideal = {s.cause.name: s for s in switches(load_profile("ideal"), OPTIONS)}
    assert "nothing is late" in of_ideal["delays"].reason
    assert "as wide as the integers can be" in of_ideal["weights"].reason
    assert not of_ideal["update"].reason
    aligned = load_profile("ideal", {"learning.eligibility_alignment": "delayed"})
    assert "nothing on this device is late" in {s.cause.name: s for s in switches(aligned, OPTIONS)}["alignment"].reason
    late = load_profile("loihi2", {"learning.eligibility_alignment": "delayed"})
    assert not {s.cause.name: s for s in switches(late, OPTIONS)}["alignment"].reason
    noise = {s.cause.name: s for s in switches(late, replace(OPTIONS, noise=(3, 0)))}["noise"]
    assert not noise.reason


def test_every_number_of_a_cause_is_one_of_a_profile() -> None:
    for cause in CAUSES:
        for key in cause.wide:
            assert number_of(load_profile("loihi2"), key) is not None


def test_narrower_weights_and_neuron_parameters_that_learn() -> None:
    net, qnet = pair("brf", "cortex_m4")
    options = replace(OPTIONS, parameters=("all",), parameter_rate=2.0)
    ladder = Ladder(Widening(net, qnet), options)
    _, wide = ladder.at(())
    assert wide.parameter_rate == pytest.approx(4.0)  # a coefficient of 17 bits has steps half as large
    split = split_gap(net, qnet, data(), options=options, alone=False).splits[0]
    assert split.device.digest == integer_digest(learn(qnet, data(), options=options).qnet)
    assert not any(p.alone for p in split.parts)


def test_finished_runs_are_kept_and_an_interrupted_split_ends_with_the_same_numbers(tmp_path: Path) -> None:
    net, qnet = pair()
    whole = split_gap(net, qnet, data(), options=OPTIONS, seeds=2)

    def stop(done: int, total: int, name: str) -> None:
        if done == total // 2 + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split_gap(net, qnet, data(), options=OPTIONS, seeds=2, folder=tmp_path, on_run=stop)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.h5") if "unfinished" not in str(path)}
    assert kept
    assert split_gap(net, qnet, data(), options=OPTIONS, seeds=2, folder=tmp_path).as_dict() == whole.as_dict()
    assert all(path.read_bytes() == content for path, content in kept.items())


def test_means_over_seeds_are_told_with_intervals() -> None:
    net, qnet = pair()
    splits = split_gap(net, qnet, data(), options=OPTIONS, seeds=3, alone=False)
    assert [s.seed for s in splits.splits] == [3, 4, 5]
    told = splits.intervals()["update"]["distance"]
    values = [next(p for p in s.parts if p.name == "update").added["distance"] for s in splits.splits]
    assert told.mean == pytest.approx(np.mean(values))
    assert told.low < told.mean < told.high
    assert "3 seeds" in splits.table().title
    assert "whole gap" in repr(splits)


def test_integers_that_no_conversion_gives_are_refused_in_words() -> None:
    net, qnet = pair()
    first = qnet.populations[0]
    constants = first.constants.copy()
    constants[first.model.fixed_constants.index("k")] -= 1
    changed = replace(qnet, populations=(replace(first, constants=constants), *qnet.populations[1:]))
    with pytest.raises(InputError, match=r"population 'layers\.0'.*split the gap of a network as hn\.quantize made it"):
        split_gap(net, changed, data(), options=OPTIONS)
