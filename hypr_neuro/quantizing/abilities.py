"""What a chip can run, by section `runs` of its profile: neurons, connections that lead back, kernels, resets."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile, told_value
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection

SETTLED = {
    "du": ("current_decay", 1.0, "synaptic currents last one step"),
    "dv": ("membrane_decay", 0.0, "membranes keep what they hold"),
    "bias": ("own_bias", 0.0, "neurons have no constant current of their own"),
}
"""Parameters of the LIF family by the key that settles them where it is false: the value, and what that means."""
RESETS = {"zero": 0.0, "subtract": 1.0}
"""Values of the parameter `subtract`."""
SHARES = ("du", "dv")
"""Parameters that are the share that a step loses."""
TIMES = ("tau", "tau_u", "tau_a", "tau_w")
"""Parameters that are time constants in steps."""
OTHER_CHIP = "or take a profile without this rule"


def require_runs(net: Network | QuantizedNetwork, profile: Profile) -> None:
    """Raise DoesNotFitError for the first thing that the chip cannot run, naming value, key of the profile and remedy.

    Parameters
    ----------
    net : Network or QuantizedNetwork
        In float or in integers; parameters are looked at in float alone.
    profile : Profile
        The chip. Keys that it does not state refuse nothing.
    """
    for p in net.populations:
        _require_model(p.name, p.model.neuron, profile)
    for p in net.populations:
        if isinstance(p, FloatPopulation):
            _require_parameters(p, profile)
    for name, c in zip(net.connection_names(), net.connections, strict=True):
        back = c.source != INPUT and not net.clock.forward(c.source, c.target)
        if back and _says(profile, "recurrence") is False:
            raise DoesNotFitError(
                f"connection {name}: leads back from '{c.source}' to '{c.target}', rule: forward connections alone "
                f"({_key(profile, 'recurrence')}); build the layer with recurrent: false, {OTHER_CHIP}"
            )
        _require_kernel(name, _weights(c), profile)
    _require_targets(net, profile)


def _weights(c: Any) -> Any:
    return c.mantissa if isinstance(c, QuantizedConnection) else c.weights


def settles(profile: Profile, parameter: str) -> bool:
    """Tell whether nothing can learn a neuron parameter on a chip.

    It has one value there, is a shift of bits, or the chip learns weights alone (`learning.neuron_parameters`).
    """
    learns = profile.learning.neuron_parameters
    if learns is not None and not learns.value:
        return True
    if parameter in SETTLED and _says(profile, SETTLED[parameter][0]) is False:
        return True
    return profile.precision.decay_shift_bits is not None and parameter in SHARES + TIMES


def _says(profile: Profile, key: str) -> Any:
    """Return the value of a key, None where the profile does not state it."""
    quantity = getattr(profile.runs, key)
    return None if quantity is None else quantity.value


def _key(profile: Profile, key: str) -> str:
    return f"profile '{profile.name}', runs.{key}"


def _require_model(where: str, neuron: str, profile: Profile) -> None:
    models = _says(profile, "models")
    if models is not None and neuron not in models:
        raise DoesNotFitError(
            f"population '{where}': neuron '{neuron}', rule: {told_value(models)} ({_key(profile, 'models')}); "
            f"build it of one of these, {OTHER_CHIP}"
        )


def _require_parameters(p: FloatPopulation, profile: Profile) -> None:
    """Hold the LIF family to currents and membranes without memory, and to the chip's reset."""
    for name, (key, value, meaning) in SETTLED.items():
        if name in p.params and _says(profile, key) is False:
            _require_value(p, name, value, f"{meaning} ({_key(profile, key)})")
    reset = _says(profile, "reset")
    if reset is not None and "subtract" in p.params:
        _require_value(p, "subtract", RESETS[reset], f"reset '{reset}' ({_key(profile, 'reset')})")


def _require_value(p: FloatPopulation, name: str, value: float, meaning: str) -> None:
    values: Array = np.broadcast_to(np.asarray(p.params[name], np.float64), (p.size,))
    for neuron in np.flatnonzero(values != value)[:1]:
        raise DoesNotFitError(
            f"population '{p.name}': {name}[{neuron}] = {values[neuron]:.4g}, rule: {value:g}, {meaning}; give the "
            f"layer of its spec {_settled(p, name, value)}, {OTHER_CHIP}"
        )


def _settled(p: FloatPopulation, name: str, value: float) -> str:
    """Return the words of a specification that hold a parameter to a value."""
    if name == "bias":
        return "bias: false"
    others = ", ".join(one for one in p.trainable if one not in (name, "bias"))
    kept = f" and, so that training leaves it, trainable: [{others}]" if name in p.trainable else ""
    return f"params: {{{name}: {value}}}{kept}"


def _require_kernel(name: str, weights: Any, profile: Profile) -> None:
    longest = _says(profile, "kernel")
    if longest is not None and isinstance(weights, Convolution) and max(weights.taps.kernel) > longest:
        raise DoesNotFitError(
            f"connection {name}: kernel {'×'.join(map(str, weights.taps.kernel))}, limit {longest} a side "
            f"({_key(profile, 'kernel')}); use a smaller one, {OTHER_CHIP}"
        )


def _require_targets(net: Network | QuantizedNetwork, profile: Profile) -> None:
    most = _says(profile, "destinations")
    if most is None:
        return
    for p in net.populations:
        targets = {c.target for c in net.connections if c.source == p.name}
        if len(targets) > most:
            raise DoesNotFitError(
                f"population '{p.name}': sends to {len(targets)} populations, limit {most} "
                f"({_key(profile, 'destinations')}); let it send to fewer, {OTHER_CHIP}"
            )
