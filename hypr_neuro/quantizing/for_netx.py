"""What netx asks of integers beyond those of other graphs: biases on the membrane, one width for all weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons.base import Conversion
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.record import conversion_summary
from hypr_neuro.quantizing.weight_calibration import WeightCalibration
from hypr_neuro.quantizing.width_plan import rule_names

NETX_UNIT = 1 << 6


def require_one_width(graph: Network, chip: Profile, chosen: WeightCalibration) -> None:
    """Raise InputError where connections have widths or ranges of their own, which netx cannot say."""
    for names in rule_names(graph):
        own = chip.of(*names).precision.stored_weight_bits
        if own != chip.precision.stored_weight_bits or not chosen.plain:
            raise InputError(
                f"{names[0]}: weights of {own} bits by method '{chosen.method}', rule for netx: one exponent and one "
                "width for all that leads to a population; leave target, or rules and calibration_method, out"
            )


def on_membrane(p: FloatPopulation, notes: list[str]) -> dict[str, Array]:
    """Return the parameters of neurons whose constant current acts on the membrane; `notes` say where that differs."""
    if set(p.biases) != {0} or p.model.bias_on != "state" or np.any(p.params.get("du", np.zeros(1)) <= 0.0):
        raise InputError(
            f"population '{p.name}' ({p.model.name}): bias='membrane', rule: a neuron with a bias on "
            "its membrane, a current that decays, bias from step 0 on; use bias='line'"
        )
    if np.any(p.params["du"] < 1.0):
        notes.append(f"{p.name}: constant currents act on the membrane, at once instead of building up")
    return p.params | {"bias": p.params["bias"] + p.biases[0] / p.params["du"]}


def netx_biases(p: FloatPopulation, bias: Array, scale: float, record: list[dict[str, Any]]) -> Array:
    """Return biases in multiples of 2^6, as netx holds them."""
    rounded: Array = np.rint(bias / NETX_UNIT).astype(np.int64) * NETX_UNIT
    step = Conversion("bias for netx", bias / scale, scale, rounded, "nearest, ties to even", 0, "multiple of 2^6")
    record.append(conversion_summary(p.name, step))
    return rounded
