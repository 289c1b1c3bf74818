"""Regression in integers: what learning takes from data, scores beside the mean answer, the float side, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.comparing.compare import compare
from hypr_neuro.comparing.probes import probe
from hypr_neuro.data.score import doubts_of, score_answers
from hypr_neuro.errors import FileFormatError, HyprWarning, InputError
from hypr_neuro.sim.learning.learn import epoch_order
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import as_rate

Array = Any
SAMPLES, STEPS, INPUTS = 40, 30, 6
SPLIT = np.array(["train"] * 24 + ["validation"] * 4 + ["test"] * 12)
RNG = np.random.default_rng(5)
X = (RNG.random((SAMPLES, STEPS, INPUTS)) < RNG.random((SAMPLES, 1, INPUTS)) * 0.5).astype(np.int8)


def regression(per_step: bool = False, masked: bool = False, scale: float = 1.0) -> hn.SequenceData:
    """Two targets: how much more the first channels fire than the others, and the opposite."""
    each = 2 * scale * (X[:, :, :3].mean(2) - X[:, :, 3:].mean(2))
    y = np.stack([each, -each], axis=2).astype(np.float32)
    mask = np.broadcast_to(np.arange(STEPS) >= 10, (SAMPLES, STEPS)) if masked else None
    return hn.SequenceData("difference", X, y if per_step else y.mean(1), SPLIT, 2, mask)


def network(profile: str = "loihi2", readout: float = 4.0, **overrides: Any) -> tuple[hn.Network, hn.QuantizedNetwork]:
    net = hn.Network.build({"inputs": INPUTS, "outputs": 2, "layers": [{"neuron": "lif", "size": 12}]}, seed=1)
    hn.scale_to_rate(net, X, 0.15)
    chip = hn.load_profile(profile, overrides)
    return net, hn.quantize(
        net,
        chip,
        calibration={"layers.0": 8.0, "readout": readout},
        weight_range={"layers.0.input": float(np.abs(net.layers[0].weight).max()), "readout.input": 1.0},
    )


@pytest.mark.parametrize(("per_step", "masked"), [(False, False), (False, True), (True, True)])
def test_learning_takes_targets_as_integers_in_the_outputs_format(per_step: bool, masked: bool) -> None:
    _, qnet = network()
    data = regression(per_step, masked)
    run = hn.learn(qnet, data, epochs=1, rate=0.3, seed=4)
    train = data.part("train")
    learner = Learner(qnet.copy(), hn.LearnOptions(rate=0.3, seed=4))
    errors = []
    for i in epoch_order(4, 0, len(train)):
        scored = np.ones(STEPS, bool) if train.mask is None else train.mask[i]
        target = np.broadcast_to(train.y[i], (STEPS, 2))
        fraction = learner.plan.error_fraction
        values = np.floor(target.astype(np.float64) * 2.0**fraction + 0.5).astype(int)
        out = learner.sample(X[i].astype(int), None, scored, as_rate(0.3), values=values) / 2.0**fraction
        answer, wanted = (out[scored], target[scored]) if per_step else (out[scored].mean(0), train.y[i])
        errors.append(((answer - wanted) ** 2).mean())
    for name, weights in run.qnet.weights().items():
        assert np.array_equal(weights, learner.qnet.weights()[name]), name
    assert run.epochs[0].online_squared_error == pytest.approx(np.mean(errors), rel=1e-9)
    assert np.isnan(run.epochs[0].online_accuracy)


def test_the_error_falls_below_that_of_the_mean_answer() -> None:
    _, qnet = network()
    data = regression()
    run = hn.learn(qnet, data, epochs=15, rate=1.0, decay=0.85, seed=0)
    with pytest.warns(HyprWarning, match="not below that of always answering the mean target"):
        before = hn.evaluate(qnet, data)
    after = hn.evaluate(run.qnet, data)
    assert after.squared_error < 0.5 * after.mean_error < before.squared_error
    assert after.r2 == 1 - after.squared_error / after.mean_error > 0.5


def test_a_rate_is_found_by_squared_errors() -> None:
    _, qnet = network()
    run = hn.learn(qnet, regression(), epochs=1)
    assert run.search is not None
    scores = dict(run.search.tried)
    assert run.search.regression
    assert scores[run.search.rate] == min(scores.values())
    assert "squared error" in run.search.told()


@pytest.mark.parametrize("exponent", [0, 2])
def test_the_float_side_has_the_same_error(exponent: int) -> None:
    net, qnet = network("ideal")
    data = regression()
    options = hn.LearnOptions(rate=100.0, targets="values", error_exponent=exponent)
    probed = probe(net, qnet, data.take(np.arange(4)), options)
    assert min(probed.cosine.values()) > 0.999
    assert all(0.98 < ratio < 1.02 for ratio in probed.norm_ratio.values()), probed.norm_ratio
    assert min(probed.hypr_cosine.values()) > 0.99


@pytest.mark.filterwarnings("ignore:squared error")
def test_a_comparison_sets_squared_errors_side_by_side() -> None:
    net, qnet = network()
    found = compare(net, qnet, regression(), epochs=3, options=hn.LearnOptions(rate=1.0))
    first, last = found.epochs[0], found.epochs[-1]
    assert last.device_squared_error < first.device_squared_error
    assert last.float_squared_error == pytest.approx(last.device_squared_error, rel=0.15)
    assert found.gap == last.device_squared_error - last.float_squared_error
    assert last.online_squared_error > 0


def test_errors_of_ones_own_stand_beside_the_samples_or_come_from_a_function(tmp_path: Path) -> None:
    """An array of zeros changes nothing, one error pushes its output; a function that is the label's is the label's."""
    _, qnet = network()
    data = hn.SequenceData("classes", X, (X[:, :, :3].sum((1, 2)) > X[:, :, 3:].sum((1, 2))).astype(int), SPLIT, 2)
    with pytest.warns(HyprWarning, match="no weight changed"):
        still = hn.learn(qnet, data, rate=0.3, errors=np.zeros((SAMPLES, STEPS, 2), int))
    assert all(np.array_equal(w, qnet.weights()[n]) for n, w in still.qnet.weights().items())
    pushed = np.zeros((SAMPLES, STEPS, 2), int)
    pushed[..., 0] = -1000
    up = hn.learn(qnet, data, rate=0.3, errors=pushed, checkpoint=tmp_path).qnet
    change = up.weights()["readout.input"] - qnet.weights()["readout.input"]
    assert change[0].sum() > 0
    assert not change[1].any()
    with pytest.raises(FileFormatError, match="is of another run"):
        hn.learn(qnet, data, rate=0.3, errors=-pushed, checkpoint=tmp_path)
    seen = []

    def push(outputs: Array, label: int) -> Array:
        seen.append(label)
        return np.array([-1000, 0])

    again = hn.learn(qnet, data, rate=0.3, error_function=push).qnet
    assert all(np.array_equal(w, up.weights()[n]) for n, w in again.weights().items())
    assert len(seen) == 24 * STEPS
    with pytest.raises(InputError, match="errors of one's own, rule: a rate beside them"):
        hn.learn(qnet, data, error_function=push)
    with pytest.raises(InputError, match=r"errors is a function, but errors stand beside samples; give error_function"):
        hn.learn(qnet, data, rate=0.3, errors=push)
    with pytest.raises(InputError, match="errors and error_function both given, rule: one of them"):
        hn.learn(qnet, data, rate=0.3, errors=pushed, error_function=push)
    ragged: Any = [[1], [2, 3]]
    with pytest.raises(InputError, match=r"errors in rows of different lengths, rule: \(40, 30, 2\), for each sample"):
        hn.learn(qnet, data, rate=0.3, errors=ragged)
    with pytest.raises(InputError, match=r"errors of shape \(24, 30, 2\), rule: \(40, 30, 2\), for each sample"):
        hn.learn(qnet, data, rate=0.3, errors=pushed[:24])


def test_what_would_be_worthless_is_said() -> None:
    _, qnet = network(readout=400.0)
    with pytest.warns(
        HyprWarning, match=r"targets spread by .*, errors end at 1: .* give error_exponent=5 \(--error-exp"
    ):
        hn.learn(qnet, regression(scale=100.0), rate=0.3)
    late = regression(masked=True)
    last = hn.SequenceData(
        "last", X, late.y, SPLIT, 2, np.broadcast_to(np.arange(STEPS) == STEPS - 1, (SAMPLES, STEPS))
    )
    with pytest.warns(HyprWarning, match=r"only the last 1 step\(s\) count, and their errors reach layers\.0 after"):
        hn.learn(network()[1], last, rate=0.3)
    delayed = network(**{"learning.eligibility_alignment": "delayed"})[1]
    learned = hn.learn(delayed, last, rate=0.3, epochs=2).qnet
    assert np.any(learned.weights()["layers.0.input"] != delayed.weights()["layers.0.input"])


def test_data_that_do_not_fit_are_refused() -> None:
    data = regression()
    one = hn.SequenceData("one", X, data.y[:, :1], SPLIT, 1)
    with pytest.raises(InputError, match="data 'one' has 1 targets, the network 2 outputs"):
        hn.learn(network()[1], one, rate=0.3)
    classes = hn.SequenceData("classes", X, np.zeros(SAMPLES, int), SPLIT, 2)
    with pytest.raises(InputError, match="targets = 'values', but data 'classes' has classes"):
        hn.learn(network()[1], classes, rate=0.3, targets="values")
    with pytest.raises(InputError, match="targets hold magnitudes up to"):
        hn.learn(network()[1], regression(scale=1e9), rate=0.3)


@pytest.mark.parametrize("per_step", [False, True])
def test_the_mean_answer_has_the_variance_of_the_targets_that_count(per_step: bool) -> None:
    data = regression(per_step, masked=True)
    targets = (data.y[data.mask] if per_step else data.y).astype(float)
    mean = np.broadcast_to(targets.mean(0), data.y.shape)
    score = score_answers(mean, data)
    assert score.squared_error == pytest.approx(score.mean_error, rel=1e-6)
    assert score.mean_error == pytest.approx(targets.var(axis=0).mean(), rel=1e-6)
    assert score.r2 == pytest.approx(0, abs=1e-6)
    assert "error of the mean answer" in score.figures()
    perfect = score_answers(data.y, data)
    assert (perfect.squared_error, perfect.r2, doubts_of(perfect, data)) == (0.0, 1.0, [])


def test_epochs_that_change_nothing_are_told_once() -> None:
    _, qnet = network()
    data = hn.SequenceData("classes", X, (X[:, :, :3].sum((1, 2)) > X[:, :, 3:].sum((1, 2))).astype(int), SPLIT, 2)
    nothing = np.zeros((SAMPLES, STEPS, 2), int)
    with pytest.warns(HyprWarning, match="no weight changed") as told:
        hn.learn(qnet, data, rate=0.3, epochs=5, errors=nothing)
    (one,) = [str(w.message) for w in told if "no weight changed" in str(w.message)]
    assert one.startswith("5 of 5 epochs, the first 0: no weight changed; the network may be silent")
