"""Outputs that spike, seen through a leaky trace of their spikes, from which they learn.

    y_t = κ y_{t-1} + z_t

κ = 1 is the running count. In integers the trace is a readout of its own behind each spiking output: a neuron `li` for
each of its neurons, over a connection of weight 1 that does not learn, whose gain is 1 instead of 1 - κ. It is one more
step of the chip where connections take time, and memory for the states.
"""

from __future__ import annotations

from dataclasses import replace
from math import log2
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.base import PSI_ENTRIES
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation

LARGEST_COUNT = 4096.0
"""Spikes of a neuron in a sample for which a trace has room, of a running count."""


def trace_name(output: str) -> str:
    """Name the trace of an output population."""
    return f"{output} (trace)"


def is_trace(name: str) -> bool:
    """Tell whether a population is the trace of an output."""
    return name.endswith(trace_name(""))


def with_output_traces(qnet: QuantizedNetwork) -> QuantizedNetwork:
    """Return the network with a trace behind each output that spikes, as its outputs; it shares all arrays.

    A network whose outputs are readouts comes back as it is. Raise InputError for a profile whose weights are too
    narrow for a weight of 1, 2 bits.
    """
    spiking = [name for name in qnet.outputs if not qnet.population(name).model.readout]
    if not spiking:
        return qnet
    scale = _state_scale(qnet)
    populations, connections = list(qnet.populations), list(qnet.connections)
    for name in spiking:
        n = qnet.size(name)
        populations.append(_trace(trace_name(name), n, qnet, scale))
        connections.append(_one_to_one(name, n, qnet, scale))
    outputs = tuple(trace_name(name) if name in spiking else name for name in qnet.outputs)
    return replace(qnet, populations=tuple(populations), connections=tuple(connections), outputs=outputs)


def _state_scale(qnet: QuantizedNetwork) -> float:
    """Return the scale of the other outputs' states, without any that which the largest trace has room at."""
    for name in qnet.outputs:
        if qnet.population(name).model.readout:
            return qnet.population(name).state_scale
    kappa = qnet.output_decay
    most = max(_most_spikes(qnet.population(name)) for name in qnet.outputs)
    largest = min(1.0 / (1.0 - kappa) if kappa < 1 else LARGEST_COUNT, LARGEST_COUNT) * most
    return float(2.0 ** qnet.profile.fixed_format(largest, 1.0).state_fraction())


def _trace(name: str, n: int, qnet: QuantizedNetwork, scale: float) -> QuantizedPopulation:
    model, fmt = get_model("li"), qnet.profile.fixed_format(1.0, 1.0)
    k = fmt.coefficient_fraction
    values = {"kappa": round(qnet.output_decay * 2**k), "gain": 1 << k}
    constants = {"k": k, "i_shift": 0, "bits": fmt.state_bits, "rounding": fmt.rounding}
    return QuantizedPopulation(
        name=name,
        model=model,
        per_neuron=np.array([[values[key]] * n for key in model.fixed_per_neuron], dtype=np.int64),
        constants=np.array([constants[key] for key in model.fixed_constants], dtype=np.int64),
        psi_table=np.zeros(PSI_ENTRIES, np.int64),
        state_scale=scale,
        current_scale=scale,
    )


def _one_to_one(output: str, n: int, qnet: QuantizedNetwork, scale: float) -> QuantizedConnection:
    from scipy.sparse import csr_array

    bits = qnet.profile.precision.stored_weight_bits
    if bits < 2:
        raise InputError(
            f"output '{output}' spikes, profile '{qnet.profile.name}' has weights of {bits} bits "
            "(precision.weight_bits), rule: 2 at least for the trace that it learns from; give the network a readout"
        )
    mantissa = 1 << (bits - 2)
    diagonal = np.full(n, mantissa, np.int64), np.arange(n), np.arange(n + 1)
    weights: Any = csr_array(diagonal, shape=(n, n))
    p = qnet.population(output)
    return QuantizedConnection(
        mantissa=weights,
        exponent=round(log2(scale)) - (bits - 2),
        source=output,
        target=trace_name(output),
        trainable=False,
        message_bits=p.model.message_bits(p.constants) if p.model.most_spikes else None,
        message_shift=0 if p.model.most_spikes else None,
    )


def _most_spikes(p: QuantizedPopulation) -> int:
    """Return the most spikes of a step."""
    return p.constant(p.model.most_spikes) if p.model.most_spikes else 1
