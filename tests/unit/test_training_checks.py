"""Training checks what it is given, and stops by name where it diverges."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_cases import SAMPLES, STEPS, Array, assert_equal_networks, task, weights_of

from hypr_neuro.errors import HyprError, HyprWarning, InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.train import loop
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.loop import train
from hypr_neuro.train.losses import LOSSES, Loss, cross_entropy
from hypr_neuro.train.rules.base import Rule

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
        ({"optimizer": "adamw"}, r"unknown optimizer 'adamw' \(did you mean 'adam'\?\), known: adam, rmsprop, sgd"),
        ({"optimizer": {"name": "sgd", "decay": 0.5}}, "optimizer 'sgd': unknown setting 'decay'.*, known: momentum"),
        ({"rate": 0.0}, "rate = 0.0, rule: positive"),
        ({"rate": float("nan")}, "rate = nan"),
        ({"rule": "backprop"}, r"unknown rule 'backprop'.*, known: .*bptt"),
        ({"rule": "bptt", "chunk": 5}, "chunk = 5, rule: 'bptt' goes back through the whole sequence"),
        ({"rule": "eprop", "feedback": "none"}, "feedback = 'none'"),
        ({"loss": "mse"}, "unknown loss 'mse'.*, known: last_step"),
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
    with pytest.raises(InputError, match="all 8 labels of part 'train' are class 0, rule: two classes or more"):
        train(net, replace(data, y=data.y * 0, classes=1), epochs=1)
    spare = Network.build({"inputs": 4, "outputs": 3, "layers": [{"neuron": "lif", "size": 6}]}, seed=1)
    train(spare, data, epochs=1)  # outputs to spare for classes, but not for targets
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
    monkeypatch.setattr("hypr_neuro.run.forward.threads", lambda: 1)  # one block, one call an update
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
        ({"dtype": np.int32}, "dtype = int32, rule: float64 or float32"),
        ({"feedback": [np.zeros((3, 2))]}, "matrices are for gradients"),
    ],
)
def test_options_that_no_checkpoint_could_hold_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(*task(), **options)


@pytest.mark.filterwarnings("ignore:no output moved:hypr_neuro.errors.HyprWarning")
def test_an_input_of_zeros_is_told_as_such() -> None:
    _, data = task()
    net = Network.build({"inputs": 4, "outputs": 2, "layers": [{"neuron": "lif", "size": 6}]}, seed=1)
    with pytest.warns(HyprWarning, match="did not spike once .*: x is 0 everywhere; give samples that drive"):
        train(net, replace(data, x=data.x * 0), epochs=1)
