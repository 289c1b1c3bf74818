"""The training loop: resumed runs, early stopping, running mean, regression, bad input, divergence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_cases import SAMPLES, SPLIT, STEPS, Array, assert_equal_networks, task, weights_of

from hypr_neuro.data.score import Score, score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, HyprWarning, InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.run.forward import readout
from hypr_neuro.testing.networks import random_network
from hypr_neuro.train import loop, networks
from hypr_neuro.train.gradients import RatePenalty
from hypr_neuro.train.loop import evaluate, train
from hypr_neuro.train.run import Epoch, History


class Interrupted(Exception):
    """Stands for a killed process."""


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
    message = rf"training\.h5' is of another run \({option} differ[^)]*\); delete it or choose another folder"
    with pytest.raises(FileFormatError, match=message):
        train(task()[0], data, **options | {option: CHANGES[option]}, checkpoint=tmp_path)
    assert (tmp_path / "training.h5").read_bytes() == before


def test_both_values_of_an_option_are_told(tmp_path: Path) -> None:
    train(*task(), epochs=1, checkpoint=tmp_path)
    message = r"\(batch_size, rule differ: batch_size 16 there, 3 here, rule hypr there, ostl here\); delete it or"
    with pytest.raises(FileFormatError, match=message):
        train(*task(), epochs=1, rule="ostl", batch_size=3, checkpoint=tmp_path)


# --- a finished run gets more epochs


LENGTHENED: dict[str, dict[str, Any]] = {
    "constant rate": {"schedule": "constant"},
    "early stopping": {"schedule": "constant", "patience": 3},
    "running mean of the weights": {"schedule": "constant", "average": 0.5},
    "momentum": {"schedule": "constant", "optimizer": {"name": "sgd", "momentum": 0.8}},
}


@pytest.mark.parametrize("case", LENGTHENED)
def test_more_epochs_go_on_bit_for_bit(case: str, tmp_path: Path) -> None:
    options = LENGTHENED[case] | {"rate": 0.02, "seed": 3}
    whole, data = task()
    expected = train(whole, data, epochs=8, **options)
    cut, _ = task()
    first = train(cut, data, epochs=5, **options, checkpoint=tmp_path)
    assert asdict(first)["epochs"] == asdict(expected)["epochs"][: len(first.epochs)]
    ran: list[Epoch] = []
    resumed, _ = task()
    got = train(resumed, data, epochs=8, **options, checkpoint=tmp_path, on_epoch=ran.append)
    assert [e.epoch for e in ran] == list(range(len(first.epochs), len(expected.epochs)))
    assert asdict(got) == asdict(expected)
    assert_equal_networks(whole, resumed)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_a_schedule_that_ends_with_the_last_epoch_starts_again(schedule: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"schedule": schedule, "rate": 0.02, "seed": 3}
    whole, data = task()
    expected = train(whole, data, epochs=4, **options)
    train(*task(), epochs=2, **options, checkpoint=tmp_path)
    ran: list[Epoch] = []
    again, _ = task()
    message = rf"schedule '{schedule}' goes by the number of epochs: .*ran at the rates of 2, so that training starts "
    with pytest.warns(HyprWarning, match=message):
        got = train(again, data, epochs=4, **options, checkpoint=tmp_path, on_epoch=ran.append)
    assert [e.epoch for e in ran] == [0, 1, 2, 3]
    assert asdict(got) == asdict(expected)
    assert_equal_networks(whole, again)


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_fewer_epochs_than_there_are_are_refused(schedule: str, tmp_path: Path) -> None:
    train(*task(), epochs=3, schedule=schedule, checkpoint=tmp_path)
    before = (tmp_path / "training.h5").read_bytes()
    with pytest.raises(InputError, match=r"holds 3 epochs, asked for 2; ask for 3 or more, delete it, or choose"):
        train(*task(), epochs=2, schedule=schedule, checkpoint=tmp_path)
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


@pytest.mark.filterwarnings("ignore:squared error")  # before training
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
