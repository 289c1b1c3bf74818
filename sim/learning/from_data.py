"""What a learner takes of a data set: its labels or targets, step by step, once they fit the network."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.data.fit import check_outputs
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learning.error_function import refuse_function
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan


def options_for(options: LearnOptions, data: SequenceData) -> LearnOptions:
    """Return options whose `targets` are those of the data, unless errors of the user's own take their place."""
    if options.targets == "values" and not data.regression:
        raise InputError(f"targets = 'values', but data '{data.name}' has classes; leave targets out")
    return replace(options, targets="values") if data.regression and options.targets == "labels" else options


def check_learnable(qnet: QuantizedNetwork, data: SequenceData, options: LearnOptions) -> None:
    """Raise InputError for data that this network cannot learn from: other channels, more classes, other targets."""
    part = data.part("train")
    check_input(qnet, part.x)
    check_outputs(qnet.output_size, part)
    if part.regression:
        _check_regression(qnet, part, options)


def _check_regression(qnet: QuantizedNetwork, part: SequenceData, options: LearnOptions) -> None:
    """Raise InputError for targets that are not the outputs'; warn where most errors would end at full scale."""
    spiking = [name for name in qnet.outputs if not qnet.population(name).model.readout]
    if spiking:
        raise InputError(
            f"output '{spiking[0]}' spikes, rule: readouts for a regression, whose state is the answer; end the "
            "network in li or cuba_li"
        )
    plan = LearningPlan(qnet, options)
    plan.as_values(part.y)
    _warn_of_late_errors(plan, part)
    full, spread = 2.0**options.error_exponent, float(part.y.std())
    if spread > full:
        warnings.warn(
            f"data '{part.name}': targets spread by {spread:.3g}, errors end at {full:g}: most steps say only in which "
            f"direction; give error_exponent={int(np.ceil(np.log2(spread)))} (--error-exponent)",
            HyprWarning,
            stacklevel=4,
        )


def _warn_of_late_errors(plan: LearningPlan, part: SequenceData) -> None:
    """Warn of layers that errors reach after their last step of a sample: they would never learn, without a word."""
    first = 0 if part.mask is None else int(part.mask.any(axis=0).argmax())
    late = [
        layer.name
        for layer in plan.layers
        if layer.learns and not plan.clock.aligned and first + plan.clock.signal_lag(layer.index) >= part.steps
    ]
    if late:
        warnings.warn(
            f"data '{part.name}': only the last {part.steps - first} step(s) count, and their errors reach "
            f"{', '.join(late)} after the sample's end, so that it learns nothing: score earlier steps, too, or let "
            "eligibilities wait (--override learning.eligibility_alignment=delayed when quantizing)",
            HyprWarning,
            stacklevel=5,
        )


def errors_of(errors: Array | None, data: SequenceData, qnet: QuantizedNetwork) -> Array | None:
    """Return the errors of the training samples; InputError for a function and another shape."""
    if errors is None:
        return None
    refuse_function(errors, "errors stand beside samples", "give error_function=…, which is called every step")
    shape = (len(data), data.steps, qnet.output_size)
    try:
        given = np.asarray(errors)
    except ValueError as error:
        raise InputError(f"errors in rows of different lengths, rule: {shape}, for each sample of the data") from error
    if given.shape != shape:
        raise InputError(f"errors of shape {given.shape}, rule: {shape}, for each sample of the data")
    return given[data.part_index("train")]


def told_of(plan: LearningPlan, sample: SequenceData) -> dict[str, Any]:
    """Return what a learner takes of one sample: its label in each step, or none and its values."""
    y, steps = sample.y[0], sample.steps
    if sample.regression:
        return {"label": None, "values": plan.as_values(np.broadcast_to(y, (steps, sample.classes)))}
    return {"label": np.ascontiguousarray(np.broadcast_to(y, steps))}
