"""How large an integer gradient is where float's is 1: a product of the powers of two of every format in between."""

from __future__ import annotations

from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.neurons.by_current import jacobian_of
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.errors.base import whole
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.plan import LearningPlan


def scales_of(form: FloatForm, plan: LearningPlan) -> dict[str, float]:
    """Return integer gradient / real gradient by what leads to populations that signals reach, and by what learns.

    With b = error bits, k and fe the fractions of coefficients and eligibilities:

    signal of an output: that of the error (`OutputError.one`), mostly 2^(b - 1)
    of a population below: that above · 2^k β / (weight step 2^fs); of several parts that of the one which keeps its
    scale, the others are brought to it
    gradient: signal · 2^fe β / 2^gs; of a neuron parameter, of fraction fp, signal · 2^fp / 2^max(gs + fe - fp, 0)

    all of them over 2^x, x the derivative exponent of the population's model, and one more where they pass it.

    β = integer B / (2^k · real B): where it is not 1, as for BRF, whose δ lies in the weights' scale instead of in B.
    """
    scales: dict[str, float] = {}
    signals: dict[str, float] = {}
    gains: dict[tuple[str, int], float] = {}
    labels = plan.options.targets == "labels"
    error = float((ERRORS[plan.error].one if labels else whole)(plan.error_bits))
    for layer in reversed(plan.layers):
        if not layer.active:
            continue
        widths, parts = layer.widths, plan.signal_scales.of(layer.index)
        for k in range(layer.model.currents):
            gains[layer.name, k] = current_gain(form.net.populations[layer.index], layer, k)
        term = layer.terms[parts.downs.index(0)]
        signal = error
        if term.connection is not None:
            c = plan.qnet.connections[term.connection]
            # the local gradient carries the coefficients' fraction and the integer weights' scale
            above = plan.layers[plan.clock.populations.index(c.target)]
            fraction = above.widths.coefficient_fraction - above.model.derivative_exponent
            signal = signals[c.target] * 2.0 ** (fraction - parts.shift)
            signal *= gains[c.target, c.current] / form.steps[form.names[term.connection]]
        signals[layer.name] = signal
        signal *= 2.0**-layer.model.derivative_exponent
        by_weight = signal * 2.0 ** (widths.eligibility_fraction - widths.gradient_shift)
        scales |= {c.name: gains[layer.name, c.connection.current] * by_weight for c in layer.incoming}
        scales |= {f"{layer.name}.{p.name}": signal * 2.0 ** (p.fraction - p.dropped) for p in layer.parameters}
    return scales


def current_gain(population: FloatPopulation, layer: LayerPlan, input_current: int = 0) -> float:
    """Return β of neuron 0 where its model takes B·C, 1 where it is that up to the coefficients' rounding."""
    fixed, model = layer.neurons, layer.model
    p = tuple(map(int, fixed.per_neuron[:, 0])) + tuple(map(int, layer.constants))
    state, current = model.gain_point(p)
    ours = jacobian_of(model, input_current)(state, state, 0, current, p, 0)[1]
    real_state = tuple(v / fixed.state_scale for v in state)
    real_current = tuple(v / fixed.current_scale for v in current)
    real_p = tuple(float(v) for v in population.float_matrix()[:, 0])
    jacobian = jacobian_of(population.model, input_current, real=True)
    real = jacobian(real_state, real_state, 0.0, real_current, real_p, 0.0)[1]
    place = max(range(len(real)), key=lambda j: abs(real[j]))
    # B is whole numbers: half of one is the rounding of this ratio
    off = 0.5 / max(abs(ours[place]), 1)
    ratio = float(ours[place] / 2.0**layer.widths.coefficient_fraction / real[place])
    return 1.0 if abs(ratio - 1.0) <= 2 * off else ratio
