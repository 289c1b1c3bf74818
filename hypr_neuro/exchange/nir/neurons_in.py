"""Neuron nodes as our neurons: parameters, and the gain by which what arrives is scaled into the weights.

a(τ) = dt/τ by forward Euler, 1 - e^{-dt/τ} exact; v is counted from v_reset, at which it also starts:

    CubaLIF   lif      du = a(τ_syn), dv = a(τ_mem), gain = dv r du w_in, bias = dv (v_leak - v_reset),
                       vth = v_threshold - v_reset
    LIF       lif      du = 1, dv = a(τ), gain = dv r, bias and vth as above
    IF        lif      du = 1, dv = 0, gain = dt r, bias = 0, vth as above
    Threshold lif      du = dv = 1, gain = 1, vth = threshold: no memory
    LI        li       κ = 1 - a(τ), gain = r, v_leak on the current
    CubaLI    cuba_li  du, dv and gain as CubaLIF, bias = dv v_leak; li with gain r w_in where du = 1
    I         cuba_li  du = 1, dv = 0, gain = dt r

With max_spikes CubaLIF, LIF and IF are lif_multispike, values as above; a Threshold sends one spike in any case.

A constant current b in front of a neuron stays a constant current, gain · b, so that du acts on it as on any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.flatten import Place
from hypr_neuro.exchange.nir.nodes import naming, numbers
from hypr_neuro.exchange.nir.options import GraphChoices
from hypr_neuro.exchange.nir.shapes import ELEMENTWISE, Shape, for_each_neuron
from hypr_neuro.neurons.lif_reset import NO_FLOOR
from hypr_neuro.numbers.arrays import Array

RATE_TOLERANCE = 1e-6
"""dt/τ this near to 1 is 1: time constants often went through float32."""
ONE_STEP_TAU = 1e-3
"""τ in steps whose κ = e^{-1/τ} is 0 in float64."""
LARGEST_TAU = 1e6
"""Of our li, in steps; slower ones become cuba_li."""
Values = dict[str, Array]


@dataclass
class ConvertedNeurons:
    """Our neurons in place of a node's.

    Attributes
    ----------
    model
        Name of our model.
    params : (n,)
        Each, by name.
    gain : (n,)
        Factor of what arrives.
    current : (n,)
        Constant current, None for none.
    delay
        Steps by which all that arrives is delayed.
    notes
        How parameters were read.
    """

    model: str
    params: Values
    gain: Array
    current: Array | None
    delay: int
    notes: list[str]


def convert_neurons(place: Place, shape: Shape, choices: GraphChoices) -> ConvertedNeurons:
    """Return our neurons for a node; raise InputError, naming the node, for values that they cannot have."""
    with naming(place.label):
        values, notes = {}, []
        for name in ELEMENTWISE[place.kind]:
            values[name], note = for_each_neuron(name, numbers(place.node, name), shape)
            notes += [note] if note else []
    converted = CONVERTERS[place.kind](place, values, choices)
    converted.notes += notes
    if np.any(values.get("v_reset", 0.0)):
        converted.notes.append("v is counted from v_reset")
    return converted


def _spiking(place: Place, values: Values, du: Array, dv: Array, choices: GraphChoices) -> tuple[str, Values]:
    """Return model and parameters, v counted from v_reset: lif, or what lif cannot in lif_reset or lif_multispike."""
    zero = np.zeros(len(du))
    with naming(place.label):
        vth = values["v_threshold"] - values["v_reset"]
        faulty = np.flatnonzero(~(vth > 0.0))
        if faulty.size:
            i = faulty[0]
            raise InputError(
                f"v_threshold[{i}] = {values['v_threshold'][i]}, rule: above v_reset = "
                f"{values['v_reset'][i]}; repair the file that was exported"
            )
    reset, lowest = choices.word("reset", place), choices.floor(place)
    bias = dv * (values.get("v_leak", zero) - values["v_reset"]) if np.any(dv) else zero
    params = {"du": du, "dv": dv, "vth": vth, "bias": bias}
    if (most := choices.max_spikes(place, reset)) is not None:
        with naming(place.label):
            _check_several(most, reset, lowest)
        return "lif_multispike", params | {"max_spikes": zero + most}
    params["subtract"] = zero + float(reset.startswith("subtract"))
    if lowest is None and not reset.endswith("delayed"):
        return "lif", params
    floor = zero + NO_FLOOR if lowest is None else lowest - values["v_reset"]
    with naming(place.label):
        for i in np.flatnonzero(floor > 0.0)[:1]:
            raise InputError(f"floor = {lowest}, rule: at most v_reset[{i}] = {values['v_reset'][i]}; pass a lower one")
    return "lif_reset", params | {"floor": floor, "delayed": zero + float(reset.endswith("delayed"))}


def _check_several(most: int, reset: str, lowest: float | None) -> None:
    """Raise InputError where neurons that send several spikes in a step have not this reset, or a floor."""
    if reset != "subtract":
        raise InputError(
            f"max_spikes = {most} with reset = '{reset}', rule: 'subtract', the reset of neurons that send several "
            "spikes in a step; leave max_spikes out or choose that reset"
        )
    if lowest is not None:
        raise InputError(
            f"max_spikes = {most} with floor = {lowest}, rule: neurons that send several spikes in a step have no "
            "floor; leave one of the two out"
        )


def _cuba_lif(place: Place, values: Values, choices: GraphChoices) -> ConvertedNeurons:
    """Convert a CubaLIF."""
    du, dv = _rate(place, values, "tau_syn", choices), _rate(place, values, "tau_mem", choices)
    gain = dv * values["r"] * (du * values["w_in"])
    model, params = _spiking(place, values, du, dv, choices)
    return ConvertedNeurons(model, params, gain, None, _extra_delay(place, choices), [])


def _lif(place: Place, values: Values, choices: GraphChoices) -> ConvertedNeurons:
    """Convert a LIF."""
    dv = _rate(place, values, "tau", choices)
    model, params = _spiking(place, values, np.ones(len(dv)), dv, choices)
    return ConvertedNeurons(model, params, dv * values["r"], None, 0, [])


def _if(place: Place, values: Values, choices: GraphChoices) -> ConvertedNeurons:
    """Convert an IF."""
    n = len(values["r"])
    model, params = _spiking(place, values, np.ones(n), np.zeros(n), choices)
    return ConvertedNeurons(model, params, choices.dt(place) * values["r"], None, 0, [])


def _threshold(place: Place, values: Values, choices: GraphChoices) -> ConvertedNeurons:
    """Convert a Threshold; a threshold of 0 or less is moved to 1, with as much bias."""
    vth, notes = values["threshold"], []
    n, raised_by = len(vth), np.where(vth > 0.0, 0.0, 1.0 - vth)
    if np.any(raised_by):
        notes = ["thresholds of 0 and less are moved to 1, by a bias: up to the rounding of that sum"]
    if "max_spikes" in choices.arguments:
        notes.append("sends one spike in a step at most: max_spikes is of neurons with a reset")
    params = {"du": np.ones(n), "dv": np.ones(n), "vth": vth + raised_by, "bias": raised_by, "subtract": np.zeros(n)}
    return ConvertedNeurons("lif", params, np.ones(n), None, 0, notes)


def _li(place: Place, values: Values, choices: GraphChoices) -> ConvertedNeurons:
    """Convert an LI."""
    return _leaky(values, _rate(place, values, "tau", choices), values["r"], 0)


def _leaky(values: Values, rate: Array, gain: Array, delay: int) -> ConvertedNeurons:
    """Return neurons without a synaptic current: li, or cuba_li where the time constant is too long for it."""
    with np.errstate(divide="ignore"):
        tau = np.maximum(-1.0 / np.log1p(-rate), ONE_STEP_TAU)
    if np.any(tau > LARGEST_TAU):
        params = {"du": np.ones(len(rate)), "dv": rate, "bias": rate * values["v_leak"]}
        return ConvertedNeurons("cuba_li", params, rate * gain, None, delay, [])
    return ConvertedNeurons("li", {"tau": tau}, gain, values["v_leak"], delay, [])


def _cuba_li(place: Place, values: Values, choices: GraphChoices) -> ConvertedNeurons:
    """Convert a CubaLI."""
    du, dv = _rate(place, values, "tau_syn", choices), _rate(place, values, "tau_mem", choices)
    delay = _extra_delay(place, choices)
    if np.all(du == 1.0):
        return _leaky(values, dv, values["r"] * values["w_in"], delay)
    params = {"du": du, "dv": dv, "bias": dv * values["v_leak"]}
    return ConvertedNeurons("cuba_li", params, dv * values["r"] * (du * values["w_in"]), None, delay, [])


def _i(place: Place, values: Values, choices: GraphChoices) -> ConvertedNeurons:
    """Convert an I."""
    n = len(values["r"])
    params = {"du": np.ones(n), "dv": np.zeros(n), "bias": np.zeros(n)}
    return ConvertedNeurons("cuba_li", params, choices.dt(place) * values["r"], None, 0, [])


CONVERTERS = {
    "CubaLIF": _cuba_lif,
    "LIF": _lif,
    "IF": _if,
    "Threshold": _threshold,
    "LI": _li,
    "CubaLI": _cuba_li,
    "I": _i,
}


def memoryless(n: int) -> Values:
    """Return parameters of an li whose output is the current of the same step."""
    return {"tau": np.full(n, ONE_STEP_TAU)}


def _extra_delay(place: Place, choices: GraphChoices) -> int:
    """Return 1 where the membrane sees the current of the step before, else 0."""
    return int(choices.word("order", place) == "membrane_first")


def _rate(place: Place, values: Values, name: str, choices: GraphChoices) -> Array:
    """Return the share of the way that a step goes, in (0, 1]."""
    dt, exact = choices.dt(place), choices.word("integrator", place) == "exact"
    with np.errstate(all="ignore"):
        rate = dt / values[name]
    faulty = np.flatnonzero(~(values[name] > 0.0) | (not exact and rate > 1.0 + RATE_TOLERANCE))
    with naming(place.label):
        if faulty.size:
            rule = (
                "positive"
                if exact
                else (
                    f"at least dt = {dt} s, forward Euler is unstable below; pass the dt the network was trained with, "
                    "or integrator='exact' if it was trained so"
                )
            )
            raise InputError(f"{name}[{faulty[0]}] = {values[name][faulty[0]]} s, rule: {rule}")
    if exact:
        share: Array = -np.expm1(-rate)
        return share
    return np.where(np.abs(rate - 1.0) <= RATE_TOLERANCE, 1.0, rate)
