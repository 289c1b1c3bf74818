"""Probes of learning in integers: what the arithmetic does to gradients and weights.

The integer gradient of a sample is set beside float gradients on the same weights, in three forms:

free    the float network runs by itself. Recurrent spiking networks are chaotic: a last bit decides a spike, spike
        trains part, and gradients part with them at any width
along   the float rule follows the integer run's spikes, and its inputs and labels: currents, states, ψ, Jacobians,
        eligibilities and the readout's error are float's (`float_device`), neuron parameters those that the integers
        stand for. What differs is the arithmetic of learning: a threshold rounded by a 40th that a neuron loses five
        times a step would else move its membrane by several thresholds
exact   the gradients of float training, HYPR and backpropagation through time, of the float network that runs by
        itself: what a signal that is late on the chip, and what the rule leaves out, add to the two others
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from hypr_neuro.comparing.float_device import FloatDevice
from hypr_neuro.comparing.float_gradients import exact_gradients
from hypr_neuro.comparing.scales import scales_of
from hypr_neuro.comparing.twin import FloatTwin, arrays_of
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.learned_values import gradient_by_value
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.from_data import options_for
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan

Shares = dict[str, float]
"""One number each by connection ("layers.0.input", "a -> b"), neuron parameter ("layers.0.omega") or tensor."""
FORMS = ("along", "free", "exact")


@dataclass
class GradientProbe:
    """Integer gradients against float's, means over samples; NaN where there is no gradient to compare.

    There is none where one of the two is 0, or all of float's is less than a unit of the integers: what integers then
    hold is rounding, and its direction says nothing.

    Attributes
    ----------
    cosine, norm_ratio
        Along the integer run's spikes; ratio: integer norm / float norm.
    free_cosine, free_norm_ratio
        Against the free float network.
    hypr_cosine, bptt_cosine
        Against float training's gradients by HYPR and by backpropagation through time, exact.
    dead
        Share of entries that are 0 in integers among those that are not in float, along the same spikes.
    saturated
        Share of weights at the largest magnitude that their width has, by connection.
    clipped
        By tensor, clips a value computed: Jacobians, eligibilities, accumulators, learning signals, states.
    """

    cosine: Shares = field(default_factory=dict)
    norm_ratio: Shares = field(default_factory=dict)
    free_cosine: Shares = field(default_factory=dict)
    free_norm_ratio: Shares = field(default_factory=dict)
    hypr_cosine: Shares = field(default_factory=dict)
    bptt_cosine: Shares = field(default_factory=dict)
    dead: Shares = field(default_factory=dict)
    saturated: Shares = field(default_factory=dict)
    clipped: Shares = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def _mean(values: list[float]) -> float:
    """Average over the samples that have one: a gradient that is 0 has no direction. NaN if none has."""
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def probe(
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    options: LearnOptions | None = None,
    *,
    forms: tuple[str, ...] = FORMS,
) -> GradientProbe:
    """Probe the gradients of each sample in `data`; nothing is changed.

    `net` is the float network that `qnet` was quantized from, `forms` those of the forms to compute. Raise InputError
    for options or data that do not fit.
    """
    options = options_for(options or LearnOptions(), data)
    if not len(data) or not set(forms) <= set(FORMS):
        known = ", ".join(f"'{form}'" for form in FORMS)
        raise InputError(f"probe: {len(data)} samples, forms {forms}, rule: at least one sample; {known}")
    # a learner that is never due for an update: its counters go on from sample to sample
    learner = Learner(qnet.copy(), replace(options, update_on="sample", update_every=len(data) + 1))
    twin = FloatTwin(net, qnet, replace(options, update_on="sample"))
    form, plan = twin.form, twin.plan
    scales, rounded = scales_of(form, plan), FloatForm(net, plan.qnet, rounded=True)
    rows: dict[str, list[Shares]] = {}
    steps = 0
    for index in range(len(data)):
        sample = data.take(np.array([index]))
        x, label, scored = arrays_of(sample)
        integers = integer_gradients(learner, x, label, scored)
        ours = {name: g.reshape(len(g), -1) / scales[name] for name, g in integers.items()}
        steps += plan.clock.learning_steps(len(x))
        if "along" in forms:
            along = float_along(rounded, plan, qnet, sample)
            _note(rows, "cosine", "norm_ratio", ours, along, scales)
            rows.setdefault("dead", []).append({k: dead_share(g, along[k]) for k, g in integers.items()})
        if "free" in forms:
            apart = by_value(form, plan, twin.gradients(sample))
            _note(rows, "free_cosine", "free_norm_ratio", ours, apart, scales)
        for rule in ("hypr", "bptt") if "exact" in forms else ():
            exact = by_value(form, plan, exact_gradients(form, plan, sample, rule))
            rows.setdefault(f"{rule}_cosine", []).append(
                {k: cosine_of(g, exact[k], 1 / scales[k]) for k, g in ours.items()}
            )
    means = {key: {k: _mean([row[k] for row in shares]) for k in shares[0]} for key, shares in rows.items()}
    return GradientProbe(**means, saturated=saturated_weights(qnet), clipped=clip_shares(learner, steps))


def integer_gradients(learner: Learner, x: Array, label: Array, scored: Array) -> dict[str, Array]:
    """Compute gradients of one sample by a learner that holds none and makes no update; its counters move on."""
    told: dict[str, Any] = {"label": label}
    if label.dtype.kind == "f":
        told = {"label": None, "values": learner.plan.as_values(label)}
    learner.sample(x.astype(np.int32), told.pop("label"), scored, 0, **told)
    sums = {name: np.array(g, dtype=np.int64) for name, g in learner.updater.gradients().items()}
    for layer in learner.layers:
        layer.clear()
    return sums


def gradient_fidelity(
    net: Network, qnet: QuantizedNetwork, probe_data: SequenceData, options: LearnOptions
) -> tuple[Shares, Shares]:
    """Return cosine and norm ratio of integer against free float gradients on the same weights, means over samples."""
    probed = probe(net, qnet, probe_data, options, forms=("free",))
    return probed.free_cosine, probed.free_norm_ratio


def float_along(form: FloatForm, plan: LearningPlan, qnet: QuantizedNetwork, sample: SequenceData) -> dict[str, Array]:
    """Return float gradients of one sample along the spikes of the integer run, summed over steps, (n, m) each.

    form : of rounded parameters
    """
    x, label, scored = arrays_of(sample)
    trace = simulate(qnet, sample.x, record=("spikes",))
    device = FloatDevice(form, plan)
    device.sample(x, label, scored, spikes={name: s[:, 0] for name, s in trace.spikes.items()})
    return by_value(form, plan, device.gradients())


def by_value(form: FloatForm, plan: LearningPlan, gradients: Mapping[str, Array]) -> dict[str, Array]:
    """Select what learns, in the shape of its tensor, of neuron parameters as gradients by value and (n, 1)."""
    result: dict[str, Array] = {}
    for t in plan.tensors:
        if t.place is None:
            result[t.name] = gradients[t.name].reshape(t.shape)
        else:
            result[t.name] = gradient_by_value(form.net.populations[t.layer], t.place, gradients[t.name])[:, None]
    return result


def _note(
    rows: dict[str, list[Shares]],
    cosine: str,
    ratio: str,
    ours: Mapping[str, Array],
    real: Mapping[str, Array],
    scales: Mapping[str, float],
) -> None:
    """Append one row of cosines and one of norm ratios, of `ours` against `real`."""
    rows.setdefault(cosine, []).append({k: cosine_of(g, real[k], 1 / scales[k]) for k, g in ours.items()})
    rows.setdefault(ratio, []).append({k: ratio_of(g, real[k]) for k, g in ours.items()})


def cosine_of(ours: Array, real: Array, unit: float = 0.0) -> float:
    """Return Σ a b / (|a| |b|), NaN where one is 0 or |b| is less than a unit of the integers a."""
    norm = float(np.linalg.norm(real))
    product = float(np.linalg.norm(ours)) * norm
    return float((ours * real).sum()) / product if product and norm >= unit else float("nan")


def ratio_of(ours: Array, real: Array) -> float:
    """Return |a| / |b|, NaN where b is 0."""
    norm = float(np.linalg.norm(real))
    return float(np.linalg.norm(ours)) / norm if norm else float("nan")


def dead_share(integer: Array, real: Array) -> float:
    """Share of entries with integer gradient 0 among those with a float gradient; 0 where there is none."""
    alive = real.reshape(integer.shape) != 0.0
    return float(np.count_nonzero(integer[alive] == 0) / max(np.count_nonzero(alive), 1))


def saturated_weights(qnet: QuantizedNetwork) -> Shares:
    """Share of the mantissas at ±(2^(weight_bits - 1) - 1), by connection."""
    tops = {name: qnet.weight_top(c) for name, c in zip(qnet.connection_names(), qnet.connections, strict=True)}
    return {name: float((np.abs(m) == tops[name]).mean()) for name, m in qnet.weights().items()}


def clip_shares(learner: Learner, steps: int) -> Shares:
    """Clips and saturations so far, each over the values computed in `steps` device steps.

    An accumulator and an eligibility entry are computed for every synapse, a Jacobian and a state for every neuron;
    a signal for every hidden neuron. A share is of (synapses or neurons) · steps, so that several entries of one
    synapse that clip in one step can bring it above 1.
    """
    layers, shares = learner.plan.layers, {}
    neurons = {layer.name: layer.size for layer in layers}
    synapses = {layer.name: sum(c.weights().size for c in layer.incoming) for layer in layers}
    hidden = sum(layer.size for layer in layers if not layer.readout)
    for key, count in learner.clips().items():
        layer, _, name = key.partition(" ")
        of = hidden if key == "learning signals" else synapses[layer] if name != "Jacobians" else neurons[layer]
        shares[key] = count / max(of * steps, 1)
    for key, count in learner.events().items():
        shares[key] = count / (neurons[key.partition(" ")[0]] * max(steps, 1))
    return shares
