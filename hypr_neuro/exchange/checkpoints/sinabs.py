"""Networks of Sinabs (3): Linear modules with LIF, IAF, LIFRecurrent or ExpLeak behind each, from a state dict.

    i_t = α_syn (i_{t-1} + I_t)                  with `tau_syn` or `alpha_syn`; else i_t = I_t
    v_t = α v_{t-1} + (1 - α) i_t                without norm_input, and of IAF, where α = 1:  v_t = α v_{t-1} + i_t
    z_t = Θ(v_t - spike_threshold),  v_t ← v_t - spike_threshold z_t, or to zero

α = e^{-1/tau_mem}, or `alpha_mem` where decays were trained. LIF and IAF become `lif`, the gains part of its weights;
ExpLeak, which has no threshold and ends the network, becomes the readout `li`. What a run left in `v_mem` and `i_syn`
is left out.

The file does not hold `norm_input` (on by default, of ExpLeak off), the reset (by subtraction by default) nor
`spike_fn`: MultiSpike, the default, sends several spikes in a step where v reaches twice the threshold. With
`max_spikes` neurons are `lif_multispike`, which do so,

    z_t = min(trunc(v_t / spike_threshold), max_spikes) where v_t > 0,  v_t ← v_t - spike_threshold z_t

and without it a neuron sends one. With `min_v_mem`, the lowest v, neurons are `lif_reset`, whose floor it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.checkpoints.content import Content
from hypr_neuro.exchange.checkpoints.modules import Module, modules_of
from hypr_neuro.exchange.checkpoints.reading import Reading
from hypr_neuro.exchange.checkpoints.stack import ModuleNeurons, network_of_modules
from hypr_neuro.exchange.nir.options import checked_option
from hypr_neuro.numbers.arrays import Array

MARKS = ("spike_threshold", "v_mem")
STATES = ("v_mem", "i_syn")
RECURRENT = ("rec_connect.weight", "rec_connect.bias")
KNOWN = ("spike_threshold", "min_v_mem", "tau_mem", "alpha_mem", "tau_syn", "alpha_syn", *RECURRENT)
RESETS = ("subtract", "zero")
EQUATIONS = (
    "i_t = α_syn (i_{t-1} + I_t) with tau_syn, else I_t",
    "v_t = α v_{t-1} + (1 - α) i_t with norm_input, else α v_{t-1} + i_t,  α = e^{-1/tau_mem}, of IAF 1",
)
ONE = "z_t = Θ(v_t - spike_threshold), then the reset"
SEVERAL = "z_t = min(trunc(v_t / spike_threshold), {}) for v_t > 0, then v_t - spike_threshold z_t"


@dataclass(frozen=True)
class _Choices:
    """What the file does not say: `norm_input` None is each class's own, `max_spikes` None is one spike in a step."""

    reset: str
    norm_input: bool | None
    max_spikes: int | None


def read(
    content: Content,
    dt: float,
    reset: str = "subtract",
    norm_input: bool | None = None,
    max_spikes: int | None = None,
) -> Reading:
    """Return the network; raise InputError naming module, array and rule.

    reset : "subtract" or "zero". norm_input : of all modules, by default what each class has. max_spikes : most spikes
    of a step, 1 to 127, by default one as of `lif`
    """
    choices = _checked(reset, norm_input, max_spikes)
    modules = modules_of(content, ("rec_connect",))
    for module in modules:
        for name in STATES:
            if name in module.arrays:
                content.left_out[f"{module.name}.{name}"] = "state of a run"
                del module.arrays[name]

    def convert(module: Module, n: int, last: bool) -> ModuleNeurons:
        return _neurons(module, n, last, choices)

    network = network_of_modules(modules, convert, dt)
    norm = "each class's own default" if norm_input is None else norm_input
    caution = (
        f"the file does not say reset ({reset} here), norm_input ({norm}) and spike_fn: MultiSpike, Sinabs' default, "
        f"sends several spikes in a step, here a neuron sends {_spikes(choices.max_spikes)}; nor how modules are "
        "connected: each to the one before"
    )
    fires = ONE if choices.max_spikes is None else SEVERAL.format(choices.max_spikes)
    return Reading(network, (*EQUATIONS, fires), caution)


def _checked(reset: str, norm_input: bool | None, max_spikes: int | None) -> _Choices:
    """Return the choices; raise InputError for one out of its range and for two that exclude each other."""
    if reset not in RESETS:
        raise InputError(f"reset = {reset!r}, rule: {' or '.join(RESETS)}")
    most = None if max_spikes is None else int(checked_option("max_spikes", max_spikes))
    if most is not None and reset != "subtract":
        raise InputError(
            f"max_spikes = {most} with reset = '{reset}', rule: 'subtract', the reset of neurons that send several "
            "spikes in a step; leave one of the two out"
        )
    return _Choices(reset, norm_input, most)


def _spikes(most: int | None) -> str:
    """Return the spikes of a step in words, and how to choose others."""
    if most is None:
        return "one; max_spikes=N (--max-spikes N) lets it send up to N"
    return f"up to {most} (max_spikes); leave max_spikes out for SingleSpike"


def _neurons(module: Module, n: int, last: bool, choices: _Choices) -> ModuleNeurons:
    module.require_known(KNOWN)
    alpha, ones = _decay(module, "mem", n), np.ones(n)
    if "spike_threshold" not in module.arrays:
        return _leaky(module, n, last, alpha, bool(choices.norm_input))
    normed = choices.norm_input is not False and alpha is not None
    keep = ones if alpha is None else alpha
    syn = _decay(module, "syn", n)
    gain = (1.0 - keep if normed else ones) * (ones if syn is None else syn)
    params = {
        "du": ones if syn is None else 1.0 - syn,
        "dv": 1.0 - keep,
        "vth": module.of_neurons("spike_threshold", n),
        "bias": np.zeros(n),
    }
    model, reset = _reset(module, n, choices)
    recurrent = module.matrix(RECURRENT[0], (n, n)) if RECURRENT[0] in module.arrays else None
    # nothing comes back before the first step has sent
    bias = {1: module.of_neurons(RECURRENT[1], n)} if RECURRENT[1] in module.arrays else {}
    return ModuleNeurons(model, params | reset, gain, ones, recurrent, bias)


def _reset(module: Module, n: int, choices: _Choices) -> tuple[str, dict[str, Array]]:
    """Return the model by what a spike does, and the parameters that say it."""
    if choices.max_spikes is not None:
        if "min_v_mem" in module.arrays:
            raise module.fault(
                f"'min_v_mem' with max_spikes = {choices.max_spikes}, rule: neurons that send several spikes in a step "
                "have no lowest v; leave max_spikes out, or train without min_v_mem"
            )
        return "lif_multispike", {"max_spikes": np.full(n, float(choices.max_spikes))}
    subtract = {"subtract": np.full(n, float(choices.reset == "subtract"))}
    if "min_v_mem" in module.arrays:
        return "lif_reset", subtract | {"floor": module.of_neurons("min_v_mem", n), "delayed": np.zeros(n)}
    return "lif", subtract


def _leaky(module: Module, n: int, last: bool, alpha: Array | None, norm_input: bool) -> ModuleNeurons:
    """Return the readout for an ExpLeak."""
    if alpha is None:
        raise module.fault(f"'tau_mem' is missing, found: {', '.join(module.arrays) or 'states alone'}")
    if not last or set(module.arrays) - {"tau_mem", "alpha_mem"}:
        raise module.fault("no 'spike_threshold', rule: ExpLeak ends the network, and has no other array than tau_mem")
    if np.any((alpha <= 0.0) | (alpha >= 1.0)):
        raise module.fault(f"decay {alpha.min()}..{alpha.max()}, rule: above 0 and below 1; raise tau_mem")
    gain = np.ones(n) if norm_input else 1.0 / (1.0 - alpha)
    return ModuleNeurons("li", {"tau": -1.0 / np.log(alpha)}, gain, np.ones(n))


def _decay(module: Module, name: str, n: int) -> Array | None:
    """Return the decay a step, from its time constant where that was trained; None where there is neither."""
    if f"alpha_{name}" in module.arrays:
        alpha = module.of_neurons(f"alpha_{name}", n)
        if np.any((alpha < 0.0) | (alpha > 1.0)):
            raise module.fault(f"'alpha_{name}' = {alpha.min()}..{alpha.max()}, rule: 0..1")
        return alpha
    if f"tau_{name}" not in module.arrays:
        return None
    tau = module.of_neurons(f"tau_{name}", n)
    if np.any(tau <= 0.0):
        raise module.fault(f"'tau_{name}' = {tau.min()}, rule: above 0 steps")
    return np.asarray(np.exp(-1.0 / tau))
