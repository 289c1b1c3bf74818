"""Gradients of the float form of a quantized network by the rules of `train`, with the error of the chip."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.run.forward import FloatType
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.errors.base import OutputError
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.losses import Loss, get_loss


def float_gradients(
    form: FloatForm, plan: LearningPlan, sample: SequenceData, *, dtype: FloatType = np.float64
) -> dict[str, Array]:
    """Return gradients by HYPR of one sample, summed over its steps: by connection of the chip, and by parameter.

    Of a chain of layers signals are as late as on the chip, and go over its random feedback weights where it has some.
    """
    late: dict[str, Any] = {}
    if form.net.is_chain:
        late = {"signal_delay": signal_delays(plan), "feedback_weights": feedback_weights(form, plan)}
    return _gradients(form, plan, sample, dtype=dtype, **late)


def exact_gradients(form: FloatForm, plan: LearningPlan, sample: SequenceData, rule: str) -> dict[str, Array]:
    """Return gradients of one sample by a rule of float training, as `float_gradients`, without the chip's delays."""
    return _gradients(form, plan, sample, rule=rule)


def _gradients(form: FloatForm, plan: LearningPlan, sample: SequenceData, **options: Any) -> dict[str, Array]:
    scored = sample.x.shape[1] if sample.mask is None else int(sample.mask.sum())
    if not scored:
        return form.by_connection({name: np.zeros_like(a, np.float64) for name, a in form.net.arrays().items()})
    outputs = form.net.output_size
    if sample.regression:
        loss, target = get_loss("squared_error"), sample.y
        factor = scored * outputs / 2 * 2.0**-plan.options.error_exponent
    else:
        error = ERRORS[plan.error]
        loss, factor = loss_of(error), scored * error.loss_scale(outputs)
        target = np.eye(outputs)[sample.y] if loss.targets == "real" else sample.y
    by_array, _ = gradients(form.net, sample.x, target, sample.mask, loss=loss, **options)
    return {name: factor * g for name, g in form.by_connection(by_array).items()}


def signal_delays(plan: LearningPlan) -> list[int]:
    """Return the steps by which signals reach each hidden layer later than the layer above, as far as nothing waits.

    Of a chain of layers.
    """
    return [0 if plan.clock.aligned else plan.clock.signal_step(i) for i in range(plan.last)]


def feedback_weights(form: FloatForm, plan: LearningPlan) -> tuple[Array, ...] | None:
    """Return real feedback weights (n above, n below) to each hidden layer of a chain; None: the weights themselves."""
    if plan.options.feedback == "symmetric":
        return None
    below = [layer.incoming[0] for layer in plan.layers[1:]]
    return tuple(plan.random_weights(c) * form.steps[c.name] for c in below)


def loss_of(error: OutputError) -> Loss:
    """Return the training loss whose derivative is this error; of one without such a loss, its value is not known."""
    if error.loss:
        return get_loss(error.loss)

    def step(output: Array, label: Array, weight: Array) -> tuple[Array, Array]:
        target = np.eye(output.shape[2], dtype=output.dtype)[label]
        return np.full(output.shape[1], np.nan), np.asarray(weight[:, :, None] * error.real(output, target))

    return Loss(error.name, "step", step)
