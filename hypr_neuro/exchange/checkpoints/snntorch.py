"""Networks of snnTorch (1.0): Linear modules with Leaky, RLeaky, Synaptic or RSynaptic behind each.

    syn_t = α syn_{t-1} + I_t                    Synaptic; of Leaky syn_t = I_t
    mem_t = β mem_{t-1} + syn_t - reset          z_t = Θ(mem_t - threshold)

α and β are clamped to 0..1. The file holds `threshold`, `beta`, `alpha`, `graded_spikes_factor` and the number of the
reset mechanism, and not `reset_delay`, with which (snnTorch's default) the reset comes one step after the spike:

===========================  ==============================================================================
reset_mechanism_val          here
===========================  ==============================================================================
0, subtract, reset_delay     `lif_reset`, delayed, by subtraction: the threshold is taken off whole
0, subtract, no reset_delay  `lif`, by subtraction: the same while no potential stays above its threshold after a
                             reset, where snnTorch takes off a second one before it looks
1, zero, reset_delay         Leaky `lif`; the others `lif_reset`, delayed: they discard what arrives in that step, too
1, zero, no reset_delay      `lif`
2, none                      last module: the readout `cuba_li` of mem; before that `lif` by subtraction, and a
                             connection of each neuron to itself gives back what it takes off; without alpha alone
===========================  ==============================================================================

A factor of spikes is part of the weights behind it. Inhibition, `state_quant` and surrogates are not in the file.
"""

from __future__ import annotations

import numpy as np

from hypr_neuro.exchange.checkpoints.content import Content
from hypr_neuro.exchange.checkpoints.modules import Module, modules_of
from hypr_neuro.exchange.checkpoints.reading import Reading
from hypr_neuro.exchange.checkpoints.stack import ModuleNeurons, network_of_modules
from hypr_neuro.numbers.arrays import Array

MARK = "reset_mechanism_val"
RESETS = ("subtract", "zero", "none")
RECURRENT = ("recurrent.weight", "recurrent.bias", "recurrent.V", "V")
KNOWN = ("threshold", "graded_spikes_factor", MARK, "beta", "alpha", *RECURRENT)
EQUATIONS = (
    "mem_t = β mem_{t-1} + syn_t - reset,  z_t = Θ(mem_t - threshold)",
    "syn_t = α syn_{t-1} + I_t where there is an alpha, else I_t",
)


def read(content: Content, dt: float, reset_delay: bool = True) -> Reading:
    """Return the network; raise InputError naming module, array and rule."""
    modules = modules_of(content, ("recurrent",))

    def convert(module: Module, n: int, last: bool) -> ModuleNeurons:
        return _neurons(module, n, last, reset_delay)

    network = network_of_modules(modules, convert, dt)
    when = (
        "one step after a spike"
        if reset_delay
        else ("with the spike, by subtraction as there while no potential stays above its threshold")
    )
    caution = (
        f"the file does not say reset_delay ({reset_delay} here: the reset comes {when}), nor how modules are "
        "connected: each to the one before it"
    )
    return Reading(network, EQUATIONS, caution)


def _neurons(module: Module, n: int, last: bool, delayed: bool) -> ModuleNeurons:
    module.require_known(KNOWN)
    reset = _reset(module)
    beta = np.clip(module.of_neurons("beta", n), 0.0, 1.0)
    synaptic = "alpha" in module.arrays
    du = 1.0 - np.clip(module.of_neurons("alpha", n), 0.0, 1.0) if synaptic else np.ones(n)
    sends, gain = module.of_neurons("graded_spikes_factor", n), np.ones(n)
    recurrent, bias = _recurrent(module, n)
    if reset == "none" and last and recurrent is None:
        return ModuleNeurons("cuba_li", {"du": du, "dv": 1.0 - beta, "bias": np.zeros(n)}, gain, sends)
    vth = module.of_neurons("threshold", n)
    params = {"du": du, "dv": 1.0 - beta, "vth": vth, "bias": np.zeros(n)}
    params["subtract"] = np.full(n, float(reset != "zero"))
    own: Array | None = None
    if reset == "none":
        if synaptic:
            raise module.fault(
                "a synaptic current without reset, rule: the last module, not recurrent, or one without alpha; give it "
                "a reset"
            )
        own = beta * vth
    late = delayed and (reset == "subtract" or (reset == "zero" and (synaptic or recurrent is not None)))
    model = "lif_reset" if late else "lif"
    return ModuleNeurons(model, params, gain, sends, recurrent, {} if bias is None else {0: bias}, own)


def _reset(module: Module) -> str:
    number = module.of_neurons(MARK, 1)[0]
    if number not in range(len(RESETS)):
        known = ", ".join(f"{i} {name}" for i, name in enumerate(RESETS))
        raise module.fault(f"'{MARK}' = {number:g}, rule: {known}")
    return RESETS[int(number)]


def _recurrent(module: Module, n: int) -> tuple[Array | None, Array | None]:
    """Return weights and bias from the neurons to themselves: all to all, or V of each to itself."""
    if "recurrent.weight" in module.arrays:
        bias = module.of_neurons("recurrent.bias", n) if "recurrent.bias" in module.arrays else None
        return module.matrix("recurrent.weight", (n, n)), bias
    for name in ("recurrent.V", "V"):
        if name in module.arrays:
            return np.diag(module.of_neurons(name, n)), None
    return None, None
