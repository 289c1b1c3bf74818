"""The integers of Lava's processes as its fixed-point models take them: neurons as populations, weights on their grid.

=================================  ==========================================================
Lava                               here
=================================  ==========================================================
LIF                                lif, overflow "lava"
RF, RF_IZ                          rf, rf_iz
NeuronPopulation (of this package) the model itself
Dense, Sparse                      weights
DelayDense, DelaySparse            weights with delays
AlwaysOn (of this package)         `Synapses.always_on`
=================================  ==========================================================

What counts is what a process was made with: the `init` of its variables. Weights go through Lava's own clipping and
truncation (`hypr_neuro.graph.loihi_weights`); mixed ones, all even then, come as 8-bit mantissas with the exponent
raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.read_ports import describe
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import Population
from hypr_neuro.graph.loihi_weights import WEIGHT_BITS, on_grid
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.lif import ACTIVATION_SHIFT, lif_parameters
from hypr_neuro.numbers.arrays import Array

MESSAGE_BITS = 32
"""From so many bits on a connection takes any whole number."""
BIAS_BITS = 16
STATES = ("u", "v", "real", "imag", "state", "output", "a_buff")
CURRENTS = {
    "LIF": ("a_in",),
    "RF": ("a_real_in", "a_imag_in"),
    "RF_IZ": ("a_real_in", "a_imag_in"),
    "Population": ("a_in", "a_in_1"),
}
"""Ports of the neurons' input currents."""


@dataclass(frozen=True)
class Weights:
    """What a connection process delivers; weights and delays as in `Synapses`, message_bits None for any integer."""

    weights: Any
    exponent: int
    delays: Any
    message_bits: int | None


def kinds() -> tuple[dict[type, str], dict[type, str]]:
    """Return Lava's classes that are read, by class: neurons, connections. A subclass may have a model of its own."""
    from lava.proc.dense.process import DelayDense, Dense
    from lava.proc.lif.process import LIF
    from lava.proc.rf.process import RF
    from lava.proc.rf_iz.process import RF_IZ
    from lava.proc.sparse.process import DelaySparse, Sparse

    from hypr_neuro.compilers.lava.processes.process import NeuronPopulation

    neurons = {LIF: "LIF", RF: "RF", RF_IZ: "RF_IZ", NeuronPopulation: "Population"}
    return neurons, {kind: kind.__name__ for kind in (Dense, DelayDense, Sparse, DelaySparse)}


# ---------------------------------------------------------------- neurons


def population(process: Any, kind: str, name: str) -> Population:
    """Return the neurons of a process; raise InputError for what only the floating-point models compute."""
    _check_rest(process)
    if kind == "Population":
        values = process.per_neuron.init, process.constants.init
        return Population(name, get_model(process.proc_params["model"]), *(np.asarray(a, np.int64) for a in values))
    size = int(np.prod(process.s_out.shape))
    if kind == "LIF":
        return Population.of(name, "lif", size, **_lif(process, size))
    numbers = {key: _integers(process, key, size) for key in ("cos_decay", "sin_decay", "vth")}
    constants = {key: int(_integers(process, key, 1)[0]) for key in ("state_exp", "decay_bits")}
    return Population.of(name, kind.lower(), size, **numbers, **constants)


def _lif(process: Any, size: int) -> dict[str, Any]:
    du, dv, vth, mantissa, exponent = (
        _integers(process, k, size) for k in ("du", "dv", "vth", "bias_mant", "bias_exp")
    )
    top = 1 << (BIAS_BITS - 1)
    for neuron in np.flatnonzero((mantissa < -top) | (mantissa >= top))[:1]:
        raise InputError(f"{describe(process)}: bias_mant[{neuron}] = {mantissa[neuron]}, rule: {BIAS_BITS} bits")
    for neuron in np.flatnonzero(np.abs(exponent) > 15)[:1]:
        raise InputError(f"{describe(process)}: bias_exp[{neuron}] = {exponent[neuron]}, rule: -15..15")
    bias = np.where(exponent >= 0, mantissa << np.maximum(exponent, 0), mantissa >> np.maximum(-exponent, 0))
    constants = {key: lif_parameters(0, 0, 0)[key] for key in ("lava", "subtract", "k", "scale_log2")}
    threshold = vth << ACTIVATION_SHIFT
    inverse = (1 << 36) // np.maximum(threshold, 1 << ACTIVATION_SHIFT)
    return {"du1": du + 1, "dv": dv, "vth": threshold, "bias": bias, "inv_vth": inverse} | constants


def _check_rest(process: Any) -> None:
    """Raise InputError for a process that does not start from zero, as an integer network does."""
    for name in STATES:
        if hasattr(process, name) and np.any(np.asarray(getattr(process, name).init) != 0):
            raise InputError(
                f"{describe(process)}: {name} starts at {getattr(process, name).init}, rule: 0; let Lava "
                "start from rest"
            )


def _integers(process: Any, name: str, size: int) -> Array:
    """Return a variable as int64 (size,), from one number or one for each neuron."""
    given = np.asarray(getattr(process, name).init)
    _refuse_fractions(process, name, given)
    if given.size not in (1, size):
        raise InputError(f"{describe(process)}: {name} of shape {given.shape}, rule: one number or {size}")
    return np.array(np.broadcast_to(given.reshape(-1), (size,)), np.int64)


def _refuse_fractions(process: Any, name: str, values: Array) -> None:
    good = values.dtype.kind in "biu" or (values.dtype.kind == "f" and np.array_equal(values, np.rint(values)))
    if not good:
        raise InputError(
            f"{describe(process)}: {name} = {values.reshape(-1)[:4].tolist()}…, rule: whole numbers; it "
            "is made for Lava's floating-point models"
        )


# ---------------------------------------------------------------- connections


def weights(process: Any) -> Weights:
    """Return what a connection process delivers under Lava's fixed-point model."""
    given = process.weights.init
    stored = given.data if hasattr(given, "tocsr") else np.asarray(given)
    _refuse_fractions(process, "weights", stored)
    _check_rest(process)
    mode = process.proc_params.get("sign_mode")
    sign_mode = _guessed(given) if mode is None else mode.name.lower()
    bits = int(process.proc_params.get("num_weight_bits", WEIGHT_BITS))
    matrix = _csr(given) if hasattr(given, "tocsr") else stored.astype(np.int64)
    exponent = int(process.proc_params.get("weight_exp", 0))
    if bits == WEIGHT_BITS + 1 and sign_mode == "mixed":
        matrix = _clipped(matrix)  # one bit more than Lava's grid has: nothing is cleared
    else:
        try:
            matrix = on_grid(matrix, sign_mode, bits)[0].astype(np.int64)
        except InputError as error:
            raise InputError(f"{describe(process)}: {error}") from error
        if sign_mode == "mixed":
            matrix, exponent = _halved(matrix), exponent + 1
    bits = int(np.asarray(process.num_message_bits.init).reshape(-1)[0])
    return Weights(matrix, exponent, _delays(process, matrix), None if bits >= MESSAGE_BITS else bits)


def _guessed(given: Any) -> str:
    """Guess as Lava does, from the values."""
    if given.min() >= 0:
        return "excitatory"
    return "inhibitory" if given.max() <= 0 else "mixed"


def _csr(given: Any) -> Any:
    from scipy.sparse import csr_array

    part = given.tocsr().copy()
    part.sum_duplicates()
    return csr_array((part.data.astype(np.int64), part.indices, part.indptr), shape=part.shape)


def _with_data(matrix: Any, data: Array) -> Any:
    return data if isinstance(matrix, np.ndarray) else type(matrix)((data, matrix.indices, matrix.indptr), matrix.shape)


def _clipped(matrix: Any) -> Any:
    return _with_data(matrix, np.clip(matrix if isinstance(matrix, np.ndarray) else matrix.data, -256, 255))


def _halved(matrix: Any) -> Any:
    return _with_data(matrix, (matrix if isinstance(matrix, np.ndarray) else matrix.data) >> 1)


def _delays(process: Any, matrix: Any) -> Any:
    """Return one number, or as the weights: dense, or CSR with their pattern, unless all weights have the same."""
    if not hasattr(process, "delays"):
        return 0
    given = process.delays.init
    longest = int(np.max(given)) if isinstance(given, (int, np.integer, np.ndarray)) else int(given.max())
    if longest >= process.a_buff.shape[1]:
        raise InputError(
            f"{describe(process)}: delays up to {longest}, max_delay {process.a_buff.shape[1] - 1}, rule: "
            "at least as much, Lava drops longer ones"
        )
    if isinstance(given, (int, np.integer)):
        return int(given)
    dense = given.toarray() if hasattr(given, "toarray") else np.asarray(given)
    if isinstance(matrix, np.ndarray):
        return dense.astype(np.int64)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    stored = dense[rows, matrix.indices].astype(np.int64)
    if (stored == stored[:1]).all():  # a matrix is how Lava takes one number of sparse weights
        return int(stored[0]) if stored.size else 0
    return _with_data(matrix, stored)
