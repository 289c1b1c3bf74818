"""The training loop: resumed runs, schedules, divergence, the optimizers' known values."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, HyprError, InputError
from hypr_neuro.network import Network
from hypr_neuro.testing import random_network, random_spikes
from hypr_neuro.train.loop import Epoch, History, evaluate, train
from hypr_neuro.train.losses import LOSSES, per_step_cross_entropy
from hypr_neuro.train.optimizers import Adam, Factored, make_optimizer

SAMPLES, STEPS = 12, 20


def task(seed: int = 1, model: str = "lif") -> tuple[Network, SequenceData]:
    """Label = the busier half of the channels: can be learned."""
    net = random_network(model, seed, outputs=2)
    x = random_spikes(seed, SAMPLES, STEPS, net.inputs, rate=0.2)
    y = np.arange(SAMPLES) % 2
    x[y == 1, :, :2] = random_spikes(seed + 1, SAMPLES // 2, STEPS, 2, rate=0.9)
    split = np.array(["train"] * 8 + ["validation"] * 2 + ["test"] * 2)
    return net, SequenceData("halves", x, y, split, 2, encoder={"method": "none"})


class Interrupted(Exception):
    """Stands for a killed process."""


def assert_equal_networks(expected: Network, got: Network) -> None:
    for name, value in expected.arrays().items():
        assert np.array_equal(value, got.arrays()[name]), name


@pytest.mark.parametrize("stop", [0, 1, 3])
@pytest.mark.parametrize("model", ["lif", "brf"])
def test_training_resumed_from_a_checkpoint_ends_as_if_undisturbed(model: str, stop: int, tmp_path: Path) -> None:
    options = {"epochs": 4, "batch_size": 3, "chunk": 8, "seed": 3, "rate": 0.02}

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


@pytest.mark.parametrize("change", [{"rate": 0.03}, {"seed": 9}, {"epochs": 5}, {"net": 2}, {"data": 2}])
def test_a_training_checkpoint_of_another_run_is_refused(change: dict[str, int], tmp_path: Path) -> None:
    net, data = task()
    options = {"epochs": 1, "rate": 0.02, "seed": 3}
    train(net, data, **options, checkpoint=tmp_path)
    before = (tmp_path / "training.h5").read_bytes()
    other = task(change.pop("net", 1))[0], task(change.pop("data", 1))[1]
    with pytest.raises(FileFormatError, match=r"training\.h5' is of another run .*delete it or choose another folder"):
        train(*other, **options | change, checkpoint=tmp_path)
    assert (tmp_path / "training.h5").read_bytes() == before


@pytest.mark.parametrize("other", ["mask", "parameter"])
def test_a_training_checkpoint_of_another_mask_or_parameter_is_refused(other: str, tmp_path: Path) -> None:
    net, data = task()
    train(net, data, epochs=1, checkpoint=tmp_path)
    net, data = task()
    if other == "mask":
        data = replace(data, mask=np.arange(SAMPLES * STEPS).reshape(SAMPLES, STEPS) % 2 == 0)
    else:
        net.layers[0].params["subtract"][...] = 1.0
    with pytest.raises(FileFormatError, match=r"training\.h5' is of another run"):
        train(net, data, epochs=1, checkpoint=tmp_path)


def test_training_does_not_depend_on_the_batch_split_over_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    net, data = task()
    train(net, data, epochs=2)
    monkeypatch.setattr("hypr_neuro.forward.cpu_count", lambda: 5)
    other, _ = task()
    train(other, data, epochs=2)
    assert_equal_networks(net, other)


def test_training_learns_and_keeps_the_best_epoch() -> None:
    net, data = task()
    first = train(net, data, epochs=1, rate=1e-9).epochs[0].loss
    history = train(net, data, epochs=25, batch_size=4, rate=0.05)
    assert history.epochs[-1].loss < 0.5 * first
    best = max(range(25), key=lambda e: history.epochs[e].validation)
    assert history.best == best
    assert evaluate(net, data, "validation").accuracy == history.epochs[best].validation
    assert net.encoder == data.encoder


@pytest.mark.parametrize(("schedule", "last"), [("linear", 0.25), ("constant", 1.0)])
def test_schedules_end_at_their_rate(schedule: str, last: float) -> None:
    net, data = task()
    history = train(net, data, epochs=2, batch_size=4, rate=0.01, schedule=schedule)
    assert history.epochs[-1].rate == pytest.approx(0.01 * last)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs = 0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"schedule": "cosine"}, "schedule = 'cosine', rule: 'linear' or 'constant'"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd', known: adam"),
        ({"rate": 0.0}, "rate = 0.0, rule: positive"),
        ({"rate": float("nan")}, "rate = nan"),
        ({"rule": "backprop"}, "unknown rule"),
    ],
)
def test_bad_training_options_are_named(options: dict[str, object], message: str) -> None:
    net, data = task()
    with pytest.raises(InputError, match=message):
        train(net, data, **options)


def nan_after(updates: int):
    """The usual loss, NaN from that call on."""
    calls = []

    def loss(output: np.ndarray, label: np.ndarray, weight: np.ndarray) -> tuple[float, np.ndarray]:
        calls.append(1)
        value, signal = per_step_cross_entropy(output, label, weight)
        return (value, signal) if len(calls) <= updates else (float("nan"), signal)

    return loss


def test_a_loss_that_is_not_finite_stops_training_and_names_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, data = task()
    monkeypatch.setitem(LOSSES, "breaking", nan_after(3))
    with pytest.raises(HyprError, match=r"loss = nan in epoch 1, update 1.*last good state is in '.*training\.h5'"):
        train(net, data, epochs=3, batch_size=4, loss="breaking", checkpoint=tmp_path)
    monkeypatch.setitem(LOSSES, "breaking", nan_after(0))
    with pytest.raises(HyprError, match=r"loss = nan in epoch 0, update 0.*no epoch was finished"):
        train(task()[0], data, loss="breaking")


def test_weights_that_overflow_stop_training() -> None:
    net, data = task()
    with np.errstate(all="ignore"), pytest.raises(HyprError, match="training diverged; lower rate"):
        train(net, data, epochs=3, rate=1e38, schedule="constant")


def test_adam_takes_the_known_steps() -> None:
    """Kingma & Ba 2015: g = 2 twice from w = 1 gives two steps of rate·m̂/(√v̂ + ε) with m̂ = 2, v̂ = 4."""
    values = {"w": np.array([1.0, -3.0])}
    adam = Adam(0.1)
    for step in (1, 2):
        adam.update(values, {"w": np.array([2.0, 0.0])})
        np.testing.assert_allclose(values["w"], [1.0 - step * 0.1 * 2.0 / (2.0 + 1e-8), -3.0], rtol=1e-14)
    adam.update(values, {"w": np.array([-4.0, 0.0])})
    m = (0.9 * (0.9 * 0.2 + 0.2) - 0.4) / (1 - 0.9**3)
    v = (0.999 * (0.999 * 0.004 + 0.004) + 0.016) / (1 - 0.999**3)
    np.testing.assert_allclose(values["w"][0], 0.8 - 0.1 * m / (np.sqrt(v) + 1e-8), rtol=1e-7)


def test_the_factored_optimizer_takes_the_known_step() -> None:
    """|g| constant along rows and columns: ĝ = ±1, every weight moves by rate · lsb; a zero gradient moves none."""
    g = np.array([[3.0, -3.0], [3.0, 3.0]])
    values = {"w": np.zeros((2, 2)), "frozen": np.ones(2)}
    optimizer = Factored(0.5, {"w": 0.25})
    optimizer.update(values, {"w": g, "frozen": np.ones(2)})
    np.testing.assert_allclose(values["w"], -0.125 * np.sign(g))
    assert np.array_equal(values["frozen"], np.ones(2))
    before = values["w"].copy()
    optimizer.update(values, {"w": np.zeros((2, 2))})
    assert np.array_equal(values["w"], before)


def test_the_factored_optimizer_clips_large_steps() -> None:
    g = np.ones((8, 8))
    optimizer = Factored(1.0, {"w": 1.0}, limit=2.0)
    values = {"w": np.zeros((8, 8))}
    optimizer.update(values, {"w": g})
    values["w"][...] = 0.0
    optimizer.update(values, {"w": 1000.0 * g})
    assert np.all(values["w"] == -2.0)


def test_optimizers_are_found_by_name() -> None:
    assert isinstance(make_optimizer("adam", 0.1), Adam)


def test_an_empty_history_has_no_best_epoch() -> None:
    assert History().best == -1
