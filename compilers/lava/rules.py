"""What a network must keep to so that Lava computes the simulator's numbers, and which layers Lava has built in.

Nothing here needs Lava.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, MissingPackageError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.neurons.lif import ACTIVATION_SHIFT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection, QuantizedLayer

LAVA = "lava-nc"
WEIGHT_BITS = 8
DECAY_TOP, THRESHOLD_TOP = 4095, (1 << 17) - 1
BIAS_TOP, BIAS_EXPONENT_TOP = 4095, 7


def require_lava() -> None:
    """Raise MissingPackageError, with the way to get it, if Lava is not installed."""
    try:
        installed = find_spec("lava.magma") is not None
    except ModuleNotFoundError:
        installed = False
    if not installed:
        raise MissingPackageError(
            "Lava is not installed; it exists for Python 3.10 only: there, pip install lava-nc==0.10.0"
        )


def check_delay(qnet: QuantizedNetwork) -> None:
    """Raise InputError, naming the profile, unless connections take the one step that they take in Lava."""
    delay = qnet.clock.connection_delay
    if delay != 1:
        raise InputError(
            f"profile '{qnet.profile.name}': time.connection_delay = {delay}, rule for Lava: 1 (its "
            "connections deliver one step later); quantize for a profile such as loihi2"
        )


def check_reached(populations: Sequence[str], connections: Iterable[Any]) -> None:
    """Refuse a population apart from the input: Lava runs what hangs together, it would never take a step.

    Each of the connections has `source` and `target`.
    """
    reached, links = {INPUT}, [{c.source, c.target} for c in connections]
    for _ in populations:
        reached |= {end for ends in links if ends & reached for end in ends}
    for name in populations:
        if name not in reached:
            raise InputError(
                f"population '{name}': no connections lead from it to the input, rule for Lava: at "
                "least one, over others or not; connect it with weights 0"
            )


def check_network(qnet: QuantizedNetwork) -> None:
    """Raise InputError, naming profile or layer, for what Lava cannot run as the simulator does."""
    check_delay(qnet)
    profile = qnet.profile
    bits = profile.precision.weight_bits.value
    if bits > WEIGHT_BITS:
        raise InputError(
            f"profile '{profile.name}': precision.weight_bits = {bits}, rule for Lava: at most "
            f"{WEIGHT_BITS}; quantize for a profile such as loihi2"
        )
    for i, layer in enumerate(qnet.layers):
        _check_layer(qnet.name(i), layer)
    check_sums(qnet, 1)


def _check_layer(name: str, layer: QuantizedLayer) -> None:
    if layer.model.currents != 1:
        raise InputError(
            f"{name}: neuron '{layer.model.name}' has {layer.model.currents} input currents, rule for "
            "Lava: 1; use another neuron"
        )
    for key, connection in layer.connections().items():
        low, high = int(connection.mantissa.min()), int(connection.mantissa.max())
        if low < -(1 << (WEIGHT_BITS - 1)) or high >= 1 << (WEIGHT_BITS - 1):
            raise InputError(
                f"{name}.{key}: weight mantissas {low}..{high}, rule for Lava: {WEIGHT_BITS} bits, sign included"
            )


def check_sums(qnet: QuantizedNetwork, largest: int) -> None:
    """Raise InputError if inputs up to `largest` could leave Lava's 32-bit sums.

    Lava's Dense holds doubled weights (see `build`), so a sum doubles before its exponent shifts it; what arrives
    from below and from the layer itself is then added in 32 bits too.
    """
    for i, layer in enumerate(qnet.layers):
        magnitude = max(largest, 1) if i == 0 else 1
        doubled, arriving = _sums(layer.input, magnitude)
        if layer.recurrent is not None:
            arriving += _sums(layer.recurrent, 1)[1]
        if max(doubled, arriving) >= 1 << 31:
            raise InputError(
                f"{qnet.name(i)}: inputs up to {magnitude} can sum to {max(doubled, arriving)} in Lava, "
                "rule: below 2^31; scale the input down"
            )


def _sums(connection: Connection, magnitude: int) -> tuple[int, int]:
    """Return (largest sum of doubled weights, largest sum after the exponent's shift)."""
    total = int(np.abs(connection.mantissa).sum(axis=1).max()) * magnitude
    return 2 * total, total << max(connection.exponent, 0)


def builtin_lif(layer: QuantizedLayer) -> dict[str, Any] | None:
    """Return arguments of Lava's own LIF process if it computes exactly this layer, else None.

    Lava's LIF resets to zero, wraps the current its own way and has one du, dv and threshold for the whole layer; the
    bias is a 13-bit mantissa times 2^(0..7).
    """
    if layer.model.name != "lif" or layer.constant("lava") != 1 or layer.constant("subtract") != 0:
        return None
    numbers = dict(zip(layer.model.fixed_per_neuron, layer.per_neuron, strict=True))
    if any(np.any(numbers[k] != numbers[k][0]) for k in ("du1", "dv", "vth")):
        return None
    du, dv, vth = int(numbers["du1"][0]) - 1, int(numbers["dv"][0]), int(numbers["vth"][0])
    mantissa, exponent = _bias(numbers["bias"])
    fits = (
        0 <= du <= DECAY_TOP
        and 0 <= dv <= DECAY_TOP
        and 0 <= vth >> ACTIVATION_SHIFT <= THRESHOLD_TOP
        and vth % (1 << ACTIVATION_SHIFT) == 0
        and np.all(np.abs(mantissa) <= BIAS_TOP)
    )
    if not fits:
        return None
    return {"du": du, "dv": dv, "vth": vth >> ACTIVATION_SHIFT, "bias_mant": mantissa, "bias_exp": exponent}


def _bias(bias: Array) -> tuple[Array, Array]:
    """Split bias = mantissa · 2^exponent, both (n,), with the smallest exponent 0..7 at which the mantissa fits.

    Where none is exact the mantissa stays too large, which `builtin_lif` notices.
    """
    mantissa, exponent = bias.astype(np.int64), np.zeros(bias.size, dtype=np.int64)
    for _ in range(BIAS_EXPONENT_TOP):
        halve = (np.abs(mantissa) > BIAS_TOP) & (mantissa % 2 == 0)
        mantissa, exponent = np.where(halve, mantissa // 2, mantissa), exponent + halve
    return mantissa, exponent
