"""What a comparison found: both sides after every epoch, the learned networks, the rule in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from hypr_neuro.comparing.divergence import Divergence
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.shown import Shown, as_html, as_text, percent_or_error


@dataclass
class ComparedEpoch:
    """One epoch of both sides; epoch 0 is before learning.

    Attributes
    ----------
    weight_distance
        |w_device - w_float| / |w_float| over all connections.
    parameter_distance
        The same of the values of neuron parameters that learn, by parameter.
    cosine, norm_ratio, dead
        Device gradient against the float rule's on the device's own weights and along its own spikes, see
        `probes.GradientProbe`. By connection and parameter, means over a few samples; NaN where a gradient is zero.
    free_cosine, free_norm_ratio
        Against the float network by itself.
    hypr_cosine, bptt_cosine
        Against the gradients of float training, without the chip's delays.
    saturated
        Share of weights at the largest magnitude that their width has, by connection.
    device_squared_error, float_squared_error, online_squared_error
        In place of accuracies, of a regression; None for classes.
    dead_zone
        Share of the epoch's steps below half a unit, see `sim.learning.learn.LearnEpoch`.
    device_loss, float_loss
        Cross-entropy of both sides' outputs, in nats a step (or sample) that counts; None for a regression, whose
        loss is the squared error.
    spike_agreement
        Share of equal entries, float and integer network with the device's weights and time, by population.
    divergence
        Where the two first differ, by population; None where they do not.
    rates, float_rates
        Mean spikes a neuron and step of both, over the same samples.
    """

    epoch: int
    device_accuracy: float
    float_accuracy: float
    online_accuracy: float
    weight_distance: float
    cosine: dict[str, float]
    norm_ratio: dict[str, float]
    spike_agreement: dict[str, float]
    weights_saturated: int = 0
    weights_changed: int = 0
    clips: dict[str, int] = field(default_factory=dict)
    parameter_distance: dict[str, float] = field(default_factory=dict)
    free_cosine: dict[str, float] = field(default_factory=dict)
    free_norm_ratio: dict[str, float] = field(default_factory=dict)
    dead: dict[str, float] = field(default_factory=dict)
    saturated: dict[str, float] = field(default_factory=dict)
    dead_zone: float = 0.0
    hypr_cosine: dict[str, float] = field(default_factory=dict)
    bptt_cosine: dict[str, float] = field(default_factory=dict)
    device_loss: float | None = None
    float_loss: float | None = None
    device_squared_error: float | None = None
    float_squared_error: float | None = None
    online_squared_error: float | None = None
    divergence: dict[str, Divergence | None] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    float_rates: dict[str, float] = field(default_factory=dict)


@dataclass(repr=False)
class Comparison:
    """Result of `compare`.

    Attributes
    ----------
    epochs
        An entry an epoch.
    device, float_net
        The learned networks of both sides; the connections of the float one are those of the device.
    rule
        In words.
    updates
        Of each side.
    notes
        Where both sides cannot be equal, in words.
    connections
        What each connection of the device is, in words, by name.
    """

    epochs: list[ComparedEpoch]
    device: QuantizedNetwork
    float_net: Network
    rule: str
    updates: int
    notes: list[str] = field(default_factory=list)
    connections: dict[str, str] = field(default_factory=dict)

    def table(self) -> Shown:
        """Return the epochs of both sides."""
        rows = [
            (
                f"{e.epoch}",
                percent_or_error(e.device_accuracy, e.device_squared_error),
                percent_or_error(e.float_accuracy, e.float_squared_error),
                f"{e.weight_distance:.3g}",
                f"{min(e.cosine.values()):.4f}" if e.cosine else "–",
            )
            for e in self.epochs
        ]
        headings = ("epoch", "device", "float", "distance of weights", "least cosine of gradients")
        return Shown(f"Comparison: {self.rule}, {self.updates:,} updates of each side", headings, rows)

    __repr__ = as_text
    _repr_html_ = as_html

    @property
    def gap(self) -> float:
        """Accuracy, or squared error, of the device minus that of the float side after the last epoch."""
        last = self.epochs[-1]
        if last.device_squared_error is not None and last.float_squared_error is not None:
            return last.device_squared_error - last.float_squared_error
        return self.epochs[-1].device_accuracy - self.epochs[-1].float_accuracy

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        plain = {"epochs": [asdict(e) for e in self.epochs], "rule": self.rule, "updates": self.updates}
        return plain | {"gap": self.gap, "notes": self.notes, "connections": self.connections}
