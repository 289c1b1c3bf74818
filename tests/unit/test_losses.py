"""Losses and the penalty on rates: numbers worked out by hand, and finite differences."""

from __future__ import annotations

from math import e, exp, log
from typing import Any

import numpy as np
import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.run.forward import readout
from hypr_neuro.testing.networks import random_network, random_spikes, spiking_models
from hypr_neuro.train.gradients import RatePenalty, gradients
from hypr_neuro.train.losses import LOSSES, cross_entropy, get_loss, perceptron, softmax, squared_error

Array = Any
SEQUENCE_LOSSES = ("mean_cross_entropy", "sum_of_softmax")
THIRD = log(3.0)
"""softmax(0, ln 3) = (1/4, 3/4)."""


def steps_of(*rows: tuple[float, ...]) -> Array:
    """(T, 1, outputs), one sample."""
    return np.array(rows)[:, None]


def close(expected: Any, got: Any) -> None:
    np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-15)


# --- the functions


def test_cross_entropy_by_hand() -> None:
    output = steps_of((0.0, THIRD), (0.0, THIRD), (7.0, 7.0))
    weight = np.array([[2.0], [0.5], [0.0]])
    loss, grad = cross_entropy(output, np.array([[0], [1], [0]]), weight)
    close([2.0 * log(4.0) + 0.5 * log(4.0 / 3.0)], loss)
    close(steps_of((-1.5, 1.5), (0.125, -0.125), (0.0, 0.0)), grad)


def test_cross_entropy_adds_up_samples_apart() -> None:
    output = np.array([[[0.0, THIRD], [0.0, 0.0]]] * 3)
    loss, _ = cross_entropy(output, np.zeros((3, 2), int), np.ones((3, 2)))
    close([3.0 * log(4.0), 3.0 * log(2.0)], loss)


def test_cross_entropy_of_far_outputs_is_finite() -> None:
    output = steps_of((1000.0, 0.0), (-1000.0, 0.0), (np.nan, np.inf))
    loss, grad = cross_entropy(output, np.array([[1], [1], [0]]), np.array([[1.0], [1.0], [0.0]]))
    close([1000.0], loss)
    close(steps_of((1.0, -1.0), (0.0, 0.0), (0.0, 0.0)), grad)


def test_squared_error_by_hand() -> None:
    """Mean over outputs: (1 + 4)/2 at weight 1, (9 + 0)/2 at weight 3; the last step is not scored, whatever it is."""
    output = steps_of((1.0, 2.0), (3.0, 1.0), (5.0, 5.0))
    target = steps_of((0.0, 0.0), (0.0, 1.0), (np.nan, 0.0))
    loss, grad = squared_error(output, target, np.array([[1.0], [3.0], [0.0]]))
    close([2.5 + 13.5], loss)
    close(steps_of((1.0, 2.0), (9.0, 0.0), (0.0, 0.0)), grad)
    assert squared_error(output.astype(np.float32), target, np.ones((3, 1), np.float32))[1].dtype == np.float32


def test_perceptron_by_hand() -> None:
    """The first of equal outputs wins; a right answer costs nothing, a step that is not scored neither."""
    output = steps_of((1.0, 3.0, 2.0), (4.0, 4.0, 0.0), (4.0, 4.0, 0.0), (9.0, 0.0, 0.0))
    label, weight = np.array([[2], [0], [1], [1]]), np.array([[2.0], [1.0], [0.5], [0.0]])
    loss, grad = perceptron(output, label, weight)
    close([2.0 * 1.0], loss)
    close(steps_of((0.0, 2.0, -2.0), (0.0, 0.0, 0.0), (0.5, -0.5, 0.0), (0.0, 0.0, 0.0)), grad)
    assert perceptron(output.astype(np.float32), label, weight.astype(np.float32))[1].dtype == np.float32


def test_mean_cross_entropy_by_hand() -> None:
    """Mean readout (0, ln 3) of two scored steps, probabilities 1/4 and 3/4, label 0."""
    kind, mask = get_loss("mean_cross_entropy"), np.array([[1.0], [0.0], [1.0]])
    output = steps_of((1.0, 2.0 * THIRD), (9.0, 9.0), (-1.0, 0.0))
    total = kind.part(output, mask)
    close([[0.0, 2.0 * THIRD]], total)
    loss, by_sum = kind.at_sum(total, np.array([2.0]), np.array([0]))
    close([log(4.0)], loss)
    close([[-0.375, 0.375]], by_sum)
    close(steps_of((-0.375, 0.375), (0.0, 0.0), (-0.375, 0.375)), kind.through_sum(output, mask, by_sum))


def test_sum_of_softmax_by_hand() -> None:
    """S = (1/4, 3/4) + (1/2, 1/2); the softmax of S is not divided by the number of steps."""
    kind, mask = get_loss("sum_of_softmax"), np.array([[1.0], [1.0], [0.0]])
    output = steps_of((0.0, THIRD), (5.0, 5.0), (9.0, 0.0))
    total = kind.part(output, mask)
    close([[0.75, 1.25]], total)
    loss, by_sum = kind.at_sum(total, np.array([2.0]), np.array([0]))
    away = 1.0 / (1.0 + exp(-0.5))
    close([-log(1.0 - away)], loss)
    close([[-away, away]], by_sum)
    # softmax's derivative is p_i (v_i - Σ p_j v_j)
    expected = steps_of((-0.375 * away, 0.375 * away), (-0.5 * away, 0.5 * away), (0.0, 0.0))
    close(expected, kind.through_sum(output, mask, by_sum))


@pytest.mark.parametrize("name", SEQUENCE_LOSSES)
def test_a_sample_without_scored_steps_counts_nothing(name: str) -> None:
    kind, output, mask = get_loss(name), np.zeros((2, 2, 3)), np.array([[0.0, 1.0], [0.0, 0.0]])
    loss, by_sum = kind.at_sum(kind.part(output, mask), mask.sum(axis=0), np.array([1, 1]))
    assert loss[0] == 0.0
    assert loss[1] == pytest.approx(log(3.0))
    assert not by_sum[0].any()
    assert by_sum[1].all()


def test_softmax_is_that_of_large_outputs_too() -> None:
    close([[0.25, 0.75], [1.0, 0.0]], softmax(np.array([[500.0, 500.0 + THIRD], [800.0, -800.0]])))


def test_only_the_last_scored_step_of_each_sample_is_kept() -> None:
    mask = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1], [0, 1, 0, 0]], bool)
    kept = get_loss("last_step").mask(mask)
    assert np.array_equal(kept, np.array([[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]], bool))
    assert mask.sum() == 5, "the mask that was given is left alone"
    for name in LOSSES.keys() - {"last_step"}:
        assert get_loss(name).mask(mask) is mask


def test_an_unknown_loss_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"unknown loss 'mse'.*, known: {', '.join(sorted(LOSSES))}"):
        get_loss("mse")


# --- through a network whose readout is known


def charging(bias: tuple[float, float]) -> Network:
    """Silent neurons, and a readout that charges by halves: u_t = (1 - 2^-t) bias."""
    silent = Layer(get_model("lif"), np.zeros((2, 1)), None, None, {}, ())
    tau = 1.0 / log(2.0)
    return Network.from_layers(
        [silent, Layer(get_model("li"), np.zeros((2, 2)), None, np.array(bias), {"tau": tau}, ())]
    )


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + exp(-x))


BY_HAND = {
    # name: (y, mask, loss, ∂loss/∂bias) for the readouts (0, 1), (0, 1.5), (0, 1.75) of the bias (0, 2)
    "per_step_cross_entropy": (
        np.array([[1, 0, 0]]),
        [[1, 1, 0]],
        (log(1 + 1 / e) + log(1 + exp(1.5))) / 2,
        (0.5 * (sigmoid(1.0) - 1.0) + 0.75 * sigmoid(1.5)) / 2,
    ),
    "last_step": (np.array([0]), [[1, 1, 0]], log(1 + exp(1.5)), 0.75 * sigmoid(1.5)),
    "mean_cross_entropy": (np.array([1]), [[1, 0, 1]], log(1 + exp(-1.375)), 0.6875 * (sigmoid(1.375) - 1.0)),
    "sum_of_softmax": (
        np.array([0]),
        [[1, 0, 0]],
        log(1 + exp(2 * sigmoid(1.0) - 1)),
        0.5 * sigmoid(2 * sigmoid(1.0) - 1) * 2 * sigmoid(1.0) * (1 - sigmoid(1.0)),
    ),
    "perceptron": (np.array([[0, 1, 0]]), [[1, 1, 1]], (1.0 + 0.0 + 1.75) / 3, (0.5 + 0.875) / 3),
    "squared_error": (np.array([[0.0, 1.0]]), [[0, 1, 1]], (0.25 + 0.5625) / 4, (0.75 * 0.5 + 0.875 * 0.75) / 2),
}


@pytest.mark.parametrize("chunk", [None, 1, 2])
@pytest.mark.parametrize("name", BY_HAND)
def test_loss_and_gradient_of_a_known_readout(name: str, chunk: int | None) -> None:
    assert BY_HAND.keys() == LOSSES.keys()
    y, mask, loss, by_bias = BY_HAND[name]
    found, value = gradients(charging((0.0, 2.0)), np.zeros((1, 3, 1)), y, np.array(mask), loss=name, chunk=chunk)
    assert value == pytest.approx(loss, rel=1e-13)
    assert found["readout.bias"][1] == pytest.approx(by_bias, rel=1e-13)


@pytest.mark.parametrize("name", [*SEQUENCE_LOSSES, "last_step"])
def test_a_loss_of_samples_is_a_mean_over_all_of_them(name: str) -> None:
    """A sample without a scored step adds 0, and counts."""
    y, mask, loss, by_bias = BY_HAND[name]
    for times in (2, 3):
        masks = np.concatenate([mask] + [[[0, 0, 0]]] * (times - 1))
        found, value = gradients(charging((0.0, 2.0)), np.zeros((times, 3, 1)), y.repeat(times), masks, loss=name)
        assert value == pytest.approx(loss / times, rel=1e-13)
        assert found["readout.bias"][1] == pytest.approx(by_bias / times, rel=1e-13)


def test_a_target_of_the_sample_stands_for_every_step() -> None:
    net, x = charging((1.0, 2.0)), np.zeros((2, 3, 1))
    y = np.array([[0.5, -1.0], [2.0, 3.0]])
    mask = np.array([[1, 0, 1], [0, 1, 1]])
    each = np.repeat(y[:, None], 3, axis=1)
    each[mask == 0] = np.nan
    one, every = (gradients(net, x, target, mask, loss="squared_error") for target in (y, each))
    assert one[1] == every[1]
    assert np.array_equal(one[0]["readout.bias"], every[0]["readout.bias"])
    charged = np.array([0.5, 0.75, 0.875])[:, None] * np.array([1.0, 2.0])
    assert one[1] == pytest.approx(float(((charged - y[:, None]) ** 2).mean(axis=2)[mask == 1].mean()), rel=1e-13)


def test_a_target_that_is_scored_is_a_number() -> None:
    y = np.zeros((1, 3, 2))
    y[0, 1, 0] = np.nan
    arguments = charging((1.0, 2.0)), np.zeros((1, 3, 1)), y
    with pytest.raises(InputError, match="y holds a number that is not finite"):
        gradients(*arguments, loss="squared_error")
    assert np.isfinite(gradients(*arguments, np.array([[1, 0, 1]]), loss="squared_error")[1])


# --- finite differences; the readout's arrays move no spike, so that the loss is smooth in them


def problem(model: str = "lif", seed: int = 3) -> tuple[Network, Array, Array]:
    """(network of two hidden layers, x, mask)."""
    net = random_network(model, seed, hidden=(5, 4))
    return net, random_spikes(seed, 3, 25, net.inputs), np.random.default_rng([seed, 9]).random((3, 25)) < 0.6


@pytest.mark.parametrize("chunk", [None, 1, 7])
@pytest.mark.parametrize("name", LOSSES)
def test_readout_gradients_are_the_derivative_of_the_loss(name: str, chunk: int | None) -> None:
    net, x, mask = problem()
    rng, h = np.random.default_rng(0), 1e-4
    y = np.array([0, 2, 1]) if LOSSES[name].targets != "real" else rng.standard_normal((3, 25, 3))

    def loss(of: Network) -> tuple[dict[str, Array], float]:
        return gradients(of, x, y, mask, loss=name, chunk=chunk, penalty=RatePenalty(0.2, 1.0))

    found, _ = loss(net)
    for array in ("readout.weight", "readout.bias", "readout.tau"):
        direction = rng.standard_normal(net.arrays()[array].shape)
        moved = [net.copy(), net.copy()]
        for sign, other in zip((1.0, -1.0), moved, strict=True):
            other.arrays()[array][...] += sign * h * direction
        up, down = (loss(other)[1] for other in moved)
        expected = float((found[array] * direction).sum())
        assert expected != 0.0
        assert (up - down) / (2 * h) == pytest.approx(expected, rel=1e-6, abs=1e-10), array


@pytest.mark.parametrize("name", SEQUENCE_LOSSES)
@pytest.mark.parametrize("model", spiking_models())
def test_losses_of_the_whole_sequence_do_not_depend_on_the_chunk(model: str, name: str) -> None:
    net, x, mask = problem(model)
    y, options = np.array([0, 2, 1]), {"loss": name, "penalty": RatePenalty(0.2, 3.0)}
    whole, loss = gradients(net, x, y, mask, **options)
    for chunk in (1, 7):
        found, again = gradients(net, x, y, mask, chunk=chunk, **options)
        assert again == pytest.approx(loss, rel=1e-12)
        assert_close(whole, found, 1e-10)


def assert_close(expected: dict[str, Array], got: dict[str, Array], relative: float) -> None:
    """Each array within `relative` of its largest entry."""
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        assert np.abs(got[name] - value).max() <= relative * np.abs(value).max(), name


# --- the penalty on rates


def penalty_of(net: Network, x: Array, target: float, strength: float) -> float:
    """From recorded spikes, by its definition."""
    rates = {}

    def visit(start: int, layers: Any) -> None:
        for i, run in enumerate(layers[:-1]):
            rates[i] = run.outputs[1:].reshape(x.shape[1], len(x), run.n).mean(axis=0)

    readout(net, x, dtype=np.float64, visit=visit)
    return strength * sum(float(((rate - target) ** 2).mean()) for rate in rates.values())


@pytest.mark.parametrize("chunk", [None, 7])
def test_the_penalty_is_that_of_the_recorded_spikes(chunk: int | None) -> None:
    """All steps count, scored or not."""
    net, x, mask = problem()
    y = np.array([0, 2, 1])
    plain = gradients(net, x, y, mask, chunk=chunk)[1]
    found = gradients(net, x, y, mask, chunk=chunk, penalty=RatePenalty(0.3, 2.0))[1]
    assert penalty_of(net, x, 0.0, 1.0) > 0.0, "neurons spike"
    assert found - plain == pytest.approx(penalty_of(net, x, 0.3, 2.0), rel=1e-12)


@pytest.mark.parametrize("rule", ["bptt", "hypr", "ostl"])
@pytest.mark.parametrize("model", spiking_models())
def test_the_penalty_moves_hidden_weights_in_proportion_to_its_strength(model: str, rule: str) -> None:
    net, x, mask = problem(model)
    y = np.array([0, 2, 1])

    def found(strength: float) -> dict[str, Array]:
        return gradients(net, x, y, mask, rule=rule, penalty=RatePenalty(0.3, strength))[0]

    plain, once, thrice = gradients(net, x, y, mask, rule=rule)[0], found(1.0), found(3.0)
    assert_close(plain, found(0.0), 1e-13)
    for name, value in plain.items():
        own = once[name] - value
        if name.startswith("readout"):
            assert not own.any(), name
        else:
            assert np.abs(own).max() > 1e-6, name
            np.testing.assert_allclose(thrice[name] - value, 3.0 * own, rtol=1e-9, atol=1e-12 * np.abs(value).max())


def test_the_penalty_drives_rates_to_its_target() -> None:
    """One step down the penalty's own gradient: rates that are too high fall, too low ones rise."""
    net, x, _ = problem("alif")
    y = np.array([0, 2, 1])
    for target in (0.0, 1.0):
        moved = net.copy()
        plain, found = gradients(net, x, y)[0], gradients(net, x, y, penalty=RatePenalty(target, 50.0))[0]
        for name, array in moved.arrays().items():
            array[...] -= found[name] - plain[name]
        assert penalty_of(moved, x, target, 1.0) < 0.98 * penalty_of(net, x, target, 1.0)


@pytest.mark.parametrize(
    ("target", "strength"), [(-0.1, 1.0), (1.1, 1.0), (0.1, -1.0), (0.1, float("inf")), (float("nan"), 1.0)]
)
def test_a_penalty_out_of_range_is_named(target: float, strength: float) -> None:
    with pytest.raises(
        InputError, match=rf"rate penalty: target {target}, strength {strength}, rule: 0 <= target <= 1"
    ):
        RatePenalty(target, strength)
