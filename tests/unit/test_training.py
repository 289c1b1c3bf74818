"""The training loop: resumed runs, early stopping, running mean, regression, bad input, divergence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.data.score import Score, score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, HyprError, InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.run.forward import readout
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.train import loop, networks
from hypr_neuro.train.gradients import RatePenalty, gradients
from hypr_neuro.train.loop import evaluate, train
from hypr_neuro.train.losses import LOSSES, Loss, cross_entropy
from hypr_neuro.train.rules.base import Rule
from hypr_neuro.train.run import Epoch, History

Array = Any
SAMPLES, STEPS = 12, 20
SPLIT = np.array(["train"] * 8 + ["validation"] * 2 + ["test"] * 2)


def task(seed: int = 1, model: str = "lif") -> tuple[Network, SequenceData]:
    """Label = the busier half of the channels: can be learned."""
    net = random_network(model, seed, outputs=2)
    x = random_spikes(seed, SAMPLES, STEPS, net.inputs, rate=0.2)
    y = np.arange(SAMPLES) % 2
    x[y == 1, :, :2] = random_spikes(seed + 1, SAMPLES // 2, STEPS, 2, rate=0.9)
    return net, SequenceData("halves", x, y, SPLIT, 2, encoder={"method": "none"})


class Interrupted(Exception):
    """Stands for a killed process."""


def assert_equal_networks(expected: Network, got: Network) -> None:
    for name, value in expected.arrays().items():
        assert np.array_equal(value, got.arrays()[name]), name


# --- resumed runs

RUNS = {
    "lif": {"chunk": 8},
    "brf, cosine": {"chunk": 8, "schedule": "cosine"},
    "sgd, clip": {"optimizer": {"name": "sgd", "momentum": 0.8}, "rate": 0.1, "clip": 0.5},
    "rmsprop, bptt, penalty": {"optimizer": "rmsprop", "rule": "bptt", "penalty": RatePenalty(0.1, 1.0)},
    "eprop, float64": {"rule": "eprop", "feedback": "random", "dtype": np.float64, "schedule": "constant"},
    "mean, patience": {"loss": "mean_cross_entropy", "patience": 3},
    "running mean": {"average": 0.7},
}


@pytest.mark.parametrize("stop", [0, 1, 3])
@pytest.mark.parametrize("name", RUNS)
def test_training_resumed_from_a_checkpoint_ends_as_if_undisturbed(name: str, stop: int, tmp_path: Path) -> None:
    options = {"epochs": 5, "batch_size": 3, "seed": 3, "rate": 0.02} | RUNS[name]
    model = "brf" if name.startswith("brf") else "lif"

    def on_epoch(entry: Epoch) -> None:
        if entry.epoch == stop:
            raise Interrupted

    net, data = task(model=model)
    expected = train(net, data, **options)
    disturbed, _ = task(model=model)
    with pytest.raises(Interrupted):
        train(disturbed, data, **options, checkpoint=tmp_path, on_epoch=on_epoch)
    resumed, _ = task(model=model)
    got = train(resumed, data, **options, checkpoint=tmp_path)
    assert asdict(got) == asdict(expected)
    assert_equal_networks(net, resumed)
    again, _ = task(model=model)
    assert asdict(train(again, data, **options, checkpoint=tmp_path)) == asdict(expected)
    assert_equal_networks(net, again)


CHANGES = {
    "rule": "ostl",
    "epochs": 2,
    "batch_size": 3,
    "chunk": 5,
    "seed": 9,
    "optimizer": {"name": "adam", "beta1": 0.8},
    "rate": 0.03,
    "schedule": "cosine",
    "loss": "sum_of_softmax",
    "clip": 1.0,
    "patience": 1,
    "feedback": "random",
    "penalty": RatePenalty(0.1, 1.0),
    "dtype": np.float64,
    "average": 0.5,
}


@pytest.mark.parametrize("option", CHANGES)
def test_a_checkpoint_of_other_options_is_refused(option: str, tmp_path: Path) -> None:
    net, data = task()
    options = {"epochs": 1, "rate": 0.02, "seed": 3}
    train(net, data, **options, checkpoint=tmp_path)
    before = (tmp_path / "training.h5").read_bytes()
    message = rf"training\.h5' is of another run \({option} differ\); delete it or choose another folder"
    with pytest.raises(FileFormatError, match=message):
        train(task()[0], data, **options | {option: CHANGES[option]}, checkpoint=tmp_path)
    assert (tmp_path / "training.h5").read_bytes() == before


@pytest.mark.parametrize("other", ["weights", "parameter", "model", "x", "y", "mask", "split"])
def test_a_checkpoint_of_another_start_is_refused(other: str, tmp_path: Path) -> None:
    train(*task(), epochs=1, checkpoint=tmp_path)
    net, data = task()
    if other == "weights":
        net = task(2)[0]
    elif other == "parameter":
        net.layers[0].params["subtract"][...] = 1.0
    elif other == "model":
        net = task(model="brf")[0]
    elif other == "x":
        data = replace(data, x=1 - data.x)
    elif other == "y":
        data = replace(data, y=1 - data.y)
    elif other == "mask":
        data = replace(data, mask=np.arange(SAMPLES * STEPS).reshape(SAMPLES, STEPS) % 2 == 0)
    else:
        data = replace(data, split=data.split[::-1])
    with pytest.raises(FileFormatError, match=r"training\.h5' is of another run \(data or start weights differ\)"):
        train(net, data, epochs=1, checkpoint=tmp_path)


# --- learning, and which epoch is kept


def test_training_learns_and_keeps_the_best_epoch() -> None:
    net, data = task()
    first = train(net, data, epochs=1, rate=1e-9).epochs[0].loss
    history = train(net, data, epochs=25, batch_size=4, rate=0.05)
    assert history.epochs[-1].loss < 0.5 * first
    best = max(range(25), key=lambda e: (history.epochs[e].validation, -history.epochs[e].loss))
    assert history.best == best
    assert evaluate(net, data, "validation").accuracy == history.epochs[best].validation
    assert net.encoder == data.encoder


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the accuracies that epochs find on the validation part, one after the other."""

    def script(*figures: float) -> None:
        left = iter(figures)
        monkeypatch.setattr(loop, "evaluate", lambda *_: Score(found := next(left), found))

    return script


def weights_of(kept: list[dict[str, Array]], net: Network) -> Callable[[Epoch], None]:
    return lambda entry: kept.append({k: v.copy() for k, v in net.arrays().items()})


@pytest.mark.parametrize(
    ("figures", "patience", "best"),
    [
        ((0.1, 0.5, 0.4, 0.5), 2, 3),
        ((0.1, 0.5, 0.4, 0.6, 0.2, 0.3, 0.6), 3, 6),
        ((0.5, 0.5), 1, 1),
        ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), 1, 7),
        ((0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1), None, 0),
    ],
)
def test_patience_stops_and_the_best_epoch_is_kept(
    figures: tuple[float, ...], patience: int | None, best: int, scripted: Callable, tmp_path: Path
) -> None:
    """An epoch as good as the best does not restart patience, but is kept if its loss is lower, as it is here.

    Of eight epochs; figures run out if it goes on.
    """
    options = {"epochs": 8, "patience": patience, "checkpoint": tmp_path}
    net, data = task()
    kept: list[dict[str, Array]] = []
    scripted(*figures)
    history = train(net, data, **options, on_epoch=weights_of(kept, net))
    assert [e.validation for e in history.epochs] == list(figures)
    assert history.best == best
    for name, value in net.arrays().items():
        assert np.array_equal(value, kept[best][name]), name
    assert any(np.any(kept[-1][name] != kept[best][name]) for name in kept[0]) == (best < len(figures) - 1)
    scripted()
    before, resumed = (tmp_path / "training.h5").read_bytes(), task()[0]
    again = train(resumed, data, **options, on_epoch=weights_of([], resumed))
    assert asdict(again) == asdict(history)
    assert_equal_networks(net, resumed)
    assert (tmp_path / "training.h5").read_bytes() == before


def test_of_equal_epochs_the_one_with_the_lower_loss_is_kept(
    scripted: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter((0.5, 0.3, 0.4, 0.2))
    monkeypatch.setattr(loop, "_one_epoch", lambda *_: next(losses))
    scripted(0.5, 0.7, 0.7, 0.6)
    assert train(*task(), epochs=4).best == 1


def test_without_a_validation_part_the_last_epoch_is_kept() -> None:
    net, data = task()
    kept: list[dict[str, Array]] = []
    data = replace(data, split=np.where(SPLIT == "validation", "train", SPLIT))
    history = train(net, data, epochs=3, patience=1, on_epoch=weights_of(kept, net))
    assert len(history.epochs) == 3
    assert history.best == 2
    assert all(np.isnan(e.validation) for e in history.epochs)
    assert all(np.array_equal(value, kept[2][name]) for name, value in net.arrays().items())


def test_validation_and_result_take_the_running_mean_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """w̄ ← 0.7 w̄ + 0.3 w after each update, one an epoch here; the weights that learn are those without a mean."""
    net, data = task()
    plain, expected = net.copy(), {k: v.copy() for k, v in net.arrays().items()}
    options = {"epochs": 4, "batch_size": 8, "rate": 0.05}
    own: list[dict[str, Array]] = []
    train(plain, data, **options, on_epoch=weights_of(own, plain))
    judged: list[dict[str, Array]] = []
    learned: list[dict[str, Array]] = []

    def judge(net: Network, *_: Any) -> Score:
        judged.append({k: v.copy() for k, v in net.arrays().items()})
        return Score(0.1 * len(judged), 0.0)

    monkeypatch.setattr(loop, "evaluate", judge)
    train(net, data, **options, average=0.7, on_epoch=weights_of(learned, net))
    for weights, held, seen in zip(own, learned, judged, strict=True):
        for name, value in weights.items():
            expected[name] = 0.7 * expected[name] + 0.3 * value
            assert np.array_equal(held[name], value), name
            np.testing.assert_allclose(seen[name], expected[name], rtol=1e-12, atol=1e-12)
    assert all(np.array_equal(value, judged[-1][name]) for name, value in net.arrays().items())
    assert any(np.abs(value - own[-1][name]).max() > 1e-3 for name, value in net.arrays().items())


def test_an_empty_history_has_no_best_epoch() -> None:
    assert History().best == -1


def test_training_is_repeatable_and_its_order_is_the_seeds() -> None:
    net, data = task()
    other, _ = task()
    shuffled, _ = task()
    first, second = train(net, data, epochs=2, batch_size=3), train(other, data, epochs=2, batch_size=3)
    assert asdict(first) == asdict(second)
    assert_equal_networks(net, other)
    train(shuffled, data, epochs=2, batch_size=3, seed=1)
    assert any(np.any(value != net.arrays()[name]) for name, value in shuffled.arrays().items())


# --- regression


def regression(per_step: bool = False) -> tuple[Network, SequenceData]:
    """The sum of two counts of spikes, the second one half as much: of all steps, or of those up to each step."""
    net = random_network("alif", 2, inputs=2, outputs=1, hidden=(12,))
    rng, samples = np.random.default_rng(3), 48
    x = (rng.random((samples, STEPS, 2)) < rng.random((samples, 1, 2))).astype(np.int8)
    y = x.cumsum(axis=1) @ np.array([[1.0], [0.5]]) / STEPS
    split = np.repeat(["train", "validation", "test"], [32, 8, 8])
    mask = None if per_step else np.arange(STEPS)[None].repeat(samples, 0) >= STEPS - 3
    return net, SequenceData("sums", x, y if per_step else y[:, -1], split, 1, mask)


@pytest.mark.parametrize("per_step", [False, True])
def test_a_regression_learns(per_step: bool) -> None:
    net, data = regression(per_step)
    constant = data.y[:32].var()
    assert evaluate(net, data, "train").squared_error > constant
    history = train(net, data, epochs=30, batch_size=8, rate=0.03)
    assert evaluate(net, data, "train").squared_error < 0.2 * constant
    assert history.epochs[-1].loss < 0.2 * constant
    best = max(range(30), key=lambda e: history.epochs[e].validation)
    assert history.best == best
    assert evaluate(net, data, "validation").squared_error == -history.epochs[best].validation > 0.0


def test_the_loss_of_a_regression_is_the_squared_error() -> None:
    """Unless another one is named, which then refuses real numbers."""
    net, data = regression()
    other, _ = regression()
    first, second = train(net, data, epochs=1), train(other, data, epochs=1, loss="squared_error")
    assert asdict(first) == asdict(second)
    with pytest.raises(InputError, match="is for integer classes; real targets take 'squared_error'"):
        train(net, data, loss="per_step_cross_entropy")


# --- evaluation


@pytest.mark.parametrize("make", [task, regression], ids=["classes", "regression"])
def test_evaluation_does_not_depend_on_batches(make: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    net, data = make()
    data = replace(data, mask=np.random.default_rng(4).random((len(data), STEPS)) < 0.3)
    train(net, data, epochs=5, rate=0.03)
    part = data.part("train")
    whole = repr(score_readout(readout(net, part.x), part))
    for size in (1, 3, 64):
        assert repr(evaluate(net, data, "train", batch_size=size)) == whole
    seen = []
    monkeypatch.setattr(loop, "READOUT_BYTES", 3 * 4 * STEPS * net.output_size)
    monkeypatch.setattr(networks, "readout", lambda net, x: seen.append(len(x)) or readout(net, x))
    assert repr(evaluate(net, data, "train")) == whole
    assert max(seen) == 3
    assert sum(seen) == len(part)


# --- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs = 0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"patience": 0}, "patience = 0, rule: a whole number, at least 1"),
        ({"clip": 0.0}, "clip = 0.0, rule: positive"),
        ({"clip": float("nan")}, "clip = nan"),
        ({"average": 1.0}, "average = 1.0, rule: 0 <= average < 1"),
        ({"average": -0.1}, "average = -0.1"),
        ({"schedule": "step"}, "schedule = 'step', rule: one of constant, cosine, linear"),
        ({"optimizer": "adamw"}, "unknown optimizer 'adamw', known: adam, rmsprop, sgd"),
        ({"optimizer": {"name": "sgd", "decay": 0.5}}, "optimizer 'sgd': unknown setting 'decay', known: momentum"),
        ({"rate": 0.0}, "rate = 0.0, rule: positive"),
        ({"rate": float("nan")}, "rate = nan"),
        ({"rule": "backprop"}, "unknown rule 'backprop', known: .*bptt"),
        ({"rule": "bptt", "chunk": 5}, "chunk = 5, rule: 'bptt' goes back through the whole sequence"),
        ({"rule": "eprop", "feedback": "none"}, "feedback = 'none'"),
        ({"loss": "mse"}, "unknown loss 'mse', known: last_step"),
        ({"loss": "squared_error"}, r"y int64 of shape \(8,\), rule: numbers \(8, 2\)"),
        ({"chunk": 0}, "chunk = 0, rule: a whole number, at least 1"),
        ({"update_every": "3"}, "update_every = '3', rule: a whole number, at least 1"),
        ({"epochs": 1.5}, "epochs = 1.5, rule: a whole number"),
        ({"seed": 1.5}, "seed = 1.5, rule: a whole number"),
        ({"seed": -1}, "seed = -1, rule: a whole number, at least 0"),
        ({"rate": "x"}, "rate = 'x', rule: a number"),
        ({"clip": "x"}, "clip = 'x', rule: a number"),
        ({"rule": None}, r"rule = None, rule: a name, a Rule\(name, source, …\), or"),
        ({"rule": Rule}, r"rule = class Rule, rule: a Rule\(name, source, …\), or"),
        ({"rule": {"name": "hypr", "decay": "x"}}, "rule 'hypr': decay = 'x', rule: a number"),
        ({"rule": {"name": "hypr", "update_every": 1.5}}, "rule 'hypr': update_every = 1.5, rule: a whole number, at"),
        ({"rule": {"name": ["hypr"]}}, r"unknown rule '\['hypr'\]'"),
        (
            {"feedback": "random"},
            "feedback = 'random' with rule 'hypr', rule: 'symmetric', as errors go over the weigh",
        ),
    ],
)
def test_bad_training_options_are_named(options: dict[str, object], message: str) -> None:
    net, data = task()
    before = net.copy()
    with pytest.raises(InputError, match=message):
        train(net, data, **options)
    assert_equal_networks(before, net)


def test_whole_numbers_of_numpy_are_whole_numbers(tmp_path: Path) -> None:
    net, data = task()
    options = {"epochs": 1, "batch_size": 3, "patience": 2, "update_every": 7, "seed": 3, "chunk": 4}
    expected, found = net.copy(), net.copy()
    history = train(expected, data, **options, checkpoint=tmp_path)
    assert train(found, data, **{name: np.int64(value) for name, value in options.items()}) == history
    assert_equal_networks(expected, found)
    rule = Rule("hypr", "", update_every=np.int64(7))
    assert json.dumps(rule.update_every) == "7"


def test_a_network_that_does_not_fit_the_data_is_named() -> None:
    net, data = task()
    with pytest.raises(InputError, match="network: 4 inputs and 2 outputs, data 'halves' has 5 channels and 2 outputs"):
        train(net, replace(data, x=np.zeros((SAMPLES, STEPS, 5))))
    with pytest.raises(InputError, match="has 4 channels and 3 outputs"):
        train(net, replace(data, classes=3))
    train(net, replace(data, y=data.y * 0, classes=1), epochs=1)  # outputs to spare for classes, but not for targets
    with pytest.raises(InputError, match="2 outputs, data 'halves' has 4 channels and 1 outputs"):
        train(net, replace(data, y=np.zeros((SAMPLES, 1)), classes=1))


@pytest.mark.parametrize(
    ("model", "layer", "name", "value", "message"),
    [
        ("brf", 0, "omega", 100.0, "δ|ω| = 1 for neuron 1, rule: below 1; lower omega"),
        ("brf", 0, "omega", -300.0, "δ|ω| = 3 for neuron 1, rule: below 1"),
        ("lif", 1, "tau", 0.0, "neuron 'li': tau[1] = 0.0, rule: 0.0 < tau"),
        ("lif", 1, "tau", -1.0, "neuron 'li': tau[1] = -1.0, rule: 0.0 < tau"),
        ("alif", 0, "tau_a", float("nan"), "neuron 'alif': tau_a[1] = nan"),
        ("se_adlif", 0, "tau_u", 1.0, "neuron 'se_adlif': tau_u[1] = 1.0, rule: 5.0 <= tau_u"),
    ],
)
def test_parameters_out_of_range_are_named(model: str, layer: int, name: str, value: float, message: str) -> None:
    net, data = task(model=model)
    net.layers[layer].params[name][1] = value
    with pytest.raises(InputError, match=re.escape(message)):
        train(net, data)


def test_weights_that_are_not_finite_are_named() -> None:
    net, data = task()
    net.layers[0].weight[2, 1] = np.nan
    with pytest.raises(InputError, match=r"weight\[2, 1\] = nan, rule: weights are finite"):
        train(net, data)


def test_a_batch_without_scored_steps_is_named() -> None:
    net, data = task()
    mask = np.ones((SAMPLES, STEPS), bool)
    mask[3] = False
    data = replace(data, mask=mask)
    with pytest.raises(InputError, match=r"no scored step in this batch.*drop such samples or take larger batches"):
        train(net, data, batch_size=1)
    assert np.isfinite(train(net, data, epochs=1, batch_size=2).epochs[0].loss)


# --- divergence


def nan_after(updates: int) -> Loss:
    """The usual loss, NaN from that call on."""
    calls = []

    def step(output: Array, label: Array, weight: Array) -> tuple[Array, Array]:
        calls.append(1)
        value, signal = cross_entropy(output, label, weight)
        return (value, signal) if len(calls) <= updates else (np.full_like(value, np.nan), signal)

    return Loss("breaking", "step", step)


def test_a_loss_that_is_not_finite_stops_training_and_names_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hypr_neuro.run.forward.cpu_count", lambda: 1)  # one block, one call an update
    options = {"epochs": 3, "batch_size": 4, "loss": "breaking", "checkpoint": tmp_path}
    net, data = task()
    monkeypatch.setitem(LOSSES, "breaking", nan_after(3))
    kept: list[dict[str, Array]] = []
    with pytest.raises(HyprError, match=r"loss = nan in epoch 1, update 1.*last good state is in '.*training\.h5'"):
        train(net, data, **options, on_epoch=weights_of(kept, net))
    assert len(kept) == 1
    monkeypatch.setitem(LOSSES, "breaking", nan_after(0))
    with pytest.raises(HyprError, match=r"loss = nan in epoch 0, update 0.*no epoch was finished"):
        train(task()[0], data, loss="breaking")
    monkeypatch.setitem(LOSSES, "breaking", replace(LOSSES["per_step_cross_entropy"], name="breaking"))
    resumed, undisturbed = task()[0], task()[0]
    history = train(resumed, data, **options)
    assert asdict(history) == asdict(train(undisturbed, data, epochs=3, batch_size=4))
    assert_equal_networks(undisturbed, resumed)


def test_weights_that_overflow_stop_training() -> None:
    net, data = task()
    with np.errstate(all="ignore"), pytest.raises(HyprError, match="training diverged; lower rate"):
        train(net, data, epochs=3, rate=1e38, schedule="constant")


def test_a_network_that_stays_silent_is_warned_of() -> None:
    net, data = task()
    net.layers[0].weight[...] = -np.abs(net.layers[0].weight)
    net.layers[0].params["bias"][...] = 0.0
    with pytest.warns(UserWarning, match=r"layers\.0 did not spike once .* hn\.scale_to_rate"):
        train(net, data, epochs=1, rate=1e-9)


def test_parameters_driven_out_of_their_range_stop_training_as_divergence() -> None:
    net, data = task(model="brf")
    with pytest.raises(HyprError, match=r"epoch 0, update 0: training diverged; lower rate .*b_offset.*rule"):
        train(net, data, epochs=1, rate=1e30)


def test_samples_come_in_another_order_in_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    own = loop.batch_gradients

    def spy(net: Network, x: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(x.index.tolist())
        return own(net, x, *arguments, **options)

    monkeypatch.setattr(loop, "batch_gradients", spy)
    net, data = task()
    train(net, data, epochs=2, batch_size=len(data))
    assert sorted(seen[0]) == sorted(seen[1]) == np.flatnonzero(data.split == "train").tolist()
    assert seen[0] != seen[1]


def test_the_loss_of_an_epoch_is_the_mean_over_samples() -> None:
    """Batches of uneven size count by their samples; no weight moves here."""
    net, data = task()
    train_part = data.part("train")
    expected = gradients(net, train_part.x, train_part.y, dtype=np.float32)[1]
    history = train(net, data, epochs=1, batch_size=3, rate=1e-12)
    assert history.epochs[0].loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": np.float32(1)}, "plain numbers"),
        ({"dtype": np.int32}, "dtype = int32, rule: float32 or float64"),
        ({"feedback": [np.zeros((3, 2))]}, "matrices are for gradients"),
    ],
)
def test_options_that_no_checkpoint_could_hold_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(*task(), **options)
