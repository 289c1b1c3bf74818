"""How large an integer gradient is where float's is 1: a product of the powers of two of every format in between."""

from __future__ import annotations

from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedLayer
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan


def gradient_scales(net: Network, qnet: QuantizedNetwork, options: LearnOptions) -> dict[str, float]:
    """Return integer gradient / real gradient, both summed over steps, by connection and neuron parameter.

    With b = error bits, k and fe the fractions of coefficients and eligibilities:

    signal of the readout: that of the error (`OutputError.one`), mostly 2^(b - 1)
    of a layer below: that above · 2^k β / (weight step 2^fs)
    gradient: signal · 2^fe β / 2^gs; of a neuron parameter, of fraction fp, signal · 2^fp / 2^max(gs + fe - fp, 0)

    β = integer B / (2^k · real B): where it is not 1, as for BRF, whose δ lies in the weights' scale instead of in B.
    """
    plan = LearningPlan(qnet, options)
    scales: dict[str, float] = {}
    signal = float(ERRORS[plan.error].one(plan.error_bits))
    for i in reversed(range(len(net.layers))):
        layer, fixed, widths = net.layers[i], qnet.layers[i], plan.layers[i].widths
        beta = current_gain(layer, fixed, widths.coefficient_fraction)
        by_weight = signal * beta * 2.0 ** (widths.eligibility_fraction - widths.gradient_shift)
        scales |= {f"{net.name(i)}.{key}": by_weight for key in fixed.connections()}
        scales |= {
            f"{net.name(i)}.{p.name}": signal * 2.0 ** (p.fraction - p.dropped) for p in plan.layers[i].parameters
        }
        if i > 0:
            # the local gradient carries the coefficients' fraction and the integer weights' scale
            shift = widths.coefficient_fraction - plan.signal_shifts[i - 1]
            signal *= 2.0**shift * beta / fixed.weight_step(fixed.input)
    return scales


def current_gain(layer: Layer, fixed: QuantizedLayer, coefficient_fraction: int) -> float:
    """Return β of neuron 0 where its model takes B·C, 1 where it is that up to the coefficients' rounding."""
    p = tuple(map(int, fixed.per_neuron[:, 0])) + tuple(map(int, fixed.constants))
    state, current = fixed.model.gain_point(p)
    ours = fixed.model.fixed_jacobian(state, state, 0, current, p, 0)[1]
    real_state = tuple(v / fixed.state_scale for v in state)
    real_current = tuple(v / fixed.current_scale for v in current)
    real_p = tuple(float(v) for v in layer.float_matrix()[:, 0])
    real = layer.model.float_jacobian(real_state, real_state, 0.0, real_current, real_p, 0.0)[1]
    place = max(range(len(real)), key=lambda j: abs(real[j]))
    # B is whole numbers: half of one is the rounding of this ratio
    off = 0.5 / max(abs(ours[place]), 1)
    ratio = float(ours[place] / 2.0**coefficient_fraction / real[place])
    return 1.0 if abs(ratio - 1.0) <= 2 * off else ratio
