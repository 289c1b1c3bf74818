"""Small learning rules, one for each hook, as a file of `hypr_neuro/train/rules/` could hold them; and a problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.network import Network
from hypr_neuro.testing.networks import random_network, random_spikes
from hypr_neuro.train.rules.base import Local, Means, Penalty, Rule

Array = Any
SAMPLES, STEPS = 6, 24


@dataclass(frozen=True)
class NodePerturbation(Rule):
    """How much worse than usual a sample went, times noise, times presynaptic activity.

    Any baseline leaves the estimate unbiased; the running mean of the loss makes its variance small.
    deviations : of the noise on each layer's currents. ∂ log p(I_t) / ∂I_t = noise / deviation²
    """

    deviations: tuple[float, ...] = ()

    def noise(self, net: Network) -> tuple[float, ...]:
        return self.deviations

    def reward(self, loss: Array, means: Means) -> Array:
        return loss - means["loss"]

    def error(self, local: Local) -> Array:
        names = [f"layers.{i}" for i in range(len(self.deviations) - 1)]
        deviation = self.deviations[[*names, "readout"].index(local.layer)]
        return local.noise * (local.per_sample / deviation**2 if deviation else 0.0)


def node_perturbation(*deviations: float) -> NodePerturbation:
    """The rule with this noise on each layer."""
    return NodePerturbation("node_perturbation", "here", eligibility="current", deviations=deviations)


@dataclass(frozen=True)
class Noisy(Rule):
    """HYPR or BPTT at a network with noise of one deviation on every hidden current."""

    deviation: float = 0.1

    def noise(self, net: Network) -> list[float]:
        return [self.deviation] * (len(net.layers) - 1) + [0.0]


@dataclass(frozen=True)
class Homeostatic(Rule):
    """Weights of neurons that are too active decay, those of silent ones grow; weights are drawn to their means.

    R = Σ_i (mean rate_i - target) Σ_j w_ij² / 2 + pull / 2 Σ (w - mean w)²
    """

    target: float = 0.1
    strength: float = 1.0
    pull: float = 0.5

    def regularizer(self, values: Mapping[str, Array], means: Means) -> Penalty:
        total, gradient = 0.0, {}
        for name in (n for n in values if n.startswith("layers.") and n.endswith(".weight")):
            weight, mean = values[name], means[name]
            away = self.strength * (means[name.replace(".weight", ".rate")] - self.target)[:, None]
            total += float(np.sum(away * weight**2) / 2 + self.pull * np.sum((weight - mean) ** 2) / 2)
            gradient[name] = away * weight + self.pull * (weight - mean)
        return Penalty(total, gradient)


@dataclass(frozen=True)
class MeanRate(Rule):
    """Rates are drawn to a target by their running means: R = strength mean_i (mean rate_i - target)², each layer."""

    target: float = 0.1
    strength: float = 1.0

    def regularizer(self, values: Mapping[str, Array], means: Means) -> Penalty:
        away = {n.removesuffix(".rate"): m - self.target for n, m in means.items() if n.endswith(".rate")}
        by_rate = {name: 2.0 * self.strength / a.size * a for name, a in away.items()}
        return Penalty(sum(self.strength * float(np.mean(a * a)) for a in away.values()), {}, by_rate)


@dataclass(frozen=True)
class RewardModulated(Rule):
    """e-prop whose gradient counts by how much better than usual a sample went."""

    def reward(self, loss: Array, means: Means) -> Array:
        return means["loss"] - loss


def reward_modulated() -> RewardModulated:
    """The rule, with e-prop's paths."""
    return RewardModulated("reward_modulated", "here", error_feedback=True)


@dataclass(frozen=True)
class DirectFeedback(Rule):
    """The readout's error straight to the only hidden layer, over rows (outputs, neurons) of numbers."""

    matrix: tuple[tuple[float, ...], ...] = ()

    def error(self, local: Local) -> Array:
        return local.error if local.layer == "readout" else local.error @ np.array(self.matrix)


HOMEOSTATIC = Homeostatic("homeostatic", "here")
MEAN_RATE = MeanRate("mean_rate", "here", strength=3.0)
EVERY = {
    "node perturbation": node_perturbation(0.3, 0.2, 0.1),
    "noise": Noisy("noisy", "here"),
    "homeostasis": HOMEOSTATIC,
    "mean rate": MEAN_RATE,
    "reward": reward_modulated(),
}


def problem(model: str = "lif", hidden: tuple[int, ...] = (5, 3)) -> tuple[Network, Array, Array, Array]:
    """(network, x, y, mask)."""
    net = random_network(model, 3, hidden=hidden)
    rng = np.random.default_rng(4)
    y, mask = rng.integers(0, net.output_size, (SAMPLES, STEPS)), rng.random((SAMPLES, STEPS)) < 0.7
    return net, random_spikes(3, SAMPLES, STEPS, net.inputs), y, mask


def data_of(model: str = "lif") -> tuple[Network, SequenceData]:
    net, x, y, mask = problem(model)
    split = np.array(["train"] * 4 + ["validation", "test"])
    return net, SequenceData("toy", x, y, split, net.output_size, mask)


def some_means(rule: Rule, net: Network) -> dict[str, Array] | None:
    """Running means as after some updates."""
    if not rule.keeps_means:
        return None
    rng = np.random.default_rng(8)
    means = {name: value + 0.1 * rng.standard_normal(value.shape) for name, value in rule.start(net).items()}
    return means | {name: np.abs(value) for name, value in means.items() if name.endswith(".rate")}


def flat(output: Array, target: Array, weight: Array) -> tuple[Array, Array]:
    """A loss that teaches nothing."""
    return np.zeros(output.shape[1]), np.zeros_like(output)


FLUSHED = 1e-27
"""Hundreds of numbers below 1e-30, which kernels set to 0: gradients as small as that differ by them."""


def assert_close(expected: dict[str, Array], got: dict[str, Array], relative: float) -> None:
    """Each array within `relative` of its largest entry."""
    assert expected.keys() == got.keys()
    assert any(np.any(value) for value in expected.values())
    for name, value in expected.items():
        assert np.abs(got[name] - value).max() <= relative * np.abs(value).max() + FLUSHED, name


def assert_equal(expected: dict[str, Array], got: dict[str, Array]) -> None:
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        assert np.array_equal(value, got[name]), name
