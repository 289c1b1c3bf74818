"""From a network of integers to Lava's own processes: Dense, DelayDense, Sparse, DelaySparse, LIF, RF, RF_IZ.

A Dense delivers one step after the spikes, so a network needs connection_delay = 1; delay k of DelayDense arrives
k + 1 steps after them. Lava puts weights on a grid before it runs (`hypr_neuro.graph.loihi_weights`). The sign mode is
always said, and what is said puts no weight elsewhere:

=============  ==================================================================================
weights        go in as
=============  ==================================================================================
0..255         they are, excitatory
-255..0        they are, inhibitory
-128..127      2 m, mixed, with the exponent lowered by 1: 2 Σ m z >> (1 - e) = Σ m z shifted by e
-256..255      they are, mixed, if all are even
=============  ==================================================================================

Nothing here needs Lava but `lava_integer_network`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.rules import DECAY_TOP, THRESHOLD_TOP, check_reached, require_lava
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, SUM_BITS, IntegerNetwork, Population, Synapses
from hypr_neuro.graph.loihi_weights import BIAS_EXPONENT, BIAS_MANTISSA, on_grid
from hypr_neuro.neurons.lif import ACTIVATION_SHIFT
from hypr_neuro.numbers.arrays import Array

MESSAGE_BITS = 32
"""Any number above 0 makes Lava's connections read whole numbers instead of testing for a spike."""


@dataclass(frozen=True)
class LavaWeights:
    """Arguments of a Lava connection: weights as `Synapses.weights`, on Lava's grid for `sign_mode`."""

    weights: Any
    sign_mode: str
    exponent: int


@dataclass
class LavaIntegerNetwork:
    """A network of Lava processes.

    Attributes
    ----------
    populations
        The process of each by name.
    connections
        One process for each of the network's synapses.
    lines
        Processes that append a bias axon, an input that is always on.
    inputs
        Ports (inputs,) that all take the network's input.
    """

    populations: dict[str, Any]
    connections: list[Any]
    lines: list[Any]
    inputs: list[Any]

    @property
    def processes(self) -> list[Any]:
        """All of them."""
        return [*self.populations.values(), *self.connections, *self.lines]

    def feed(self, s_out: Any) -> None:
        """Connect a port (inputs,) to all that take the network's input."""
        for s_in in self.inputs:
            s_out.connect(s_in)


def lava_weights(c: Synapses) -> LavaWeights:
    """Return the weights in the first row of the table above that takes them; raise InputError if none does.

    A convolution is written out: Lava's own convolution adds no other connection to its sum.
    """
    c = rounded(c.written_out())
    values: Any = c.weights if isinstance(c.weights, np.ndarray) else c.weights.data
    if c.always_on is not None:
        values = np.concatenate([values.reshape(-1), c.always_on])
    for mode, factor in (("excitatory", 1), ("inhibitory", 1), ("mixed", 2), ("mixed", 1)):
        scaled = factor * values.astype(np.int64)
        if np.array_equal(on_grid(scaled, mode)[0], scaled):
            return LavaWeights(_with_axon(c, factor), mode, c.exponent - factor + 1)
    raise InputError(
        f"connection {c.name}: weights {values.min()}..{values.max()}, rule for Lava: 0..255, -255..0, "
        "-128..127, or even ones in -256..255; choose a larger exponent"
    )


def rounded(c: Synapses) -> Synapses:
    """Return a connection whose sums are rounded to nearest: half a unit more on an axon that is always on."""
    if c.half == 0:
        return c
    bias = np.zeros(c.shape[0], np.int64) if c.always_on is None else c.always_on.astype(np.int64)
    # what is made of it brings no second half
    return replace(c, always_on=bias + c.half, message_shift=None)


def _with_axon(c: Synapses, factor: int) -> Any:
    """Return the weights times `factor`, those of the bias axon as a last column."""
    matrix: Any = c.weights
    weights = factor * matrix.astype(np.int64)
    if c.always_on is None:
        return weights
    bias = factor * c.always_on.astype(np.int64)[:, None]
    if isinstance(weights, np.ndarray):
        return np.hstack([weights, bias])
    from scipy.sparse import csr_array, hstack

    return csr_array(hstack([weights, csr_array(bias)]))


def check_integer_network(network: IntegerNetwork, largest: int = 1) -> None:
    """Raise InputError, naming population or connection, for what Lava's own processes do not compute.

    `largest` is the magnitude of the input values.
    """
    if network.connection_delay != 1:
        raise InputError(
            f"network: connection_delay = {network.connection_delay}, rule for Lava: 1 (its connections "
            "deliver one step later)"
        )
    check_reached([p.name for p in network.populations], network.synapses)
    for p in network.populations:
        lava_arguments(p)
    check_sums(network, largest)


def check_sums(network: IntegerNetwork, largest: int) -> None:
    """Refuse weights that Lava does not take, and inputs up to `largest` whose sums could leave its 32 bits.

    Lava shifts the sums of graded messages afterwards, and doubles them where the weights are.
    """
    for given in network.written_out().synapses:
        c = rounded(given)
        doubled, magnitude = 1 << (c.exponent - lava_weights(c).exponent), largest if c.source == INPUT else 1
        if given.message is not None:
            magnitude = (1 << given.message[1]) - 1
        total = int(c.magnitudes.max()) * doubled * magnitude
        if c.always_on is not None:
            total += doubled * int(np.abs(c.always_on).max())
        if total >= 1 << SUM_BITS:
            raise InputError(
                f"connection {c.name}: {'inputs' if c.source == INPUT else 'messages'} up to {magnitude} can sum to "
                f"{total} in Lava, rule: below 2^{SUM_BITS}; scale the {'input' if c.source == INPUT else 'weights'} "
                "down"
            )


# ---------------------------------------------------------------- neurons


def lava_arguments(p: Population) -> dict[str, Any]:
    """Return arguments of the Lava process that computes the population exactly; raise InputError if there is none."""
    if p.model.name not in ARGUMENTS:
        raise InputError(
            f"population '{p.name}': Lava has no process for '{p.model.name}', it has: {', '.join(ARGUMENTS)}"
        )
    values = dict(zip(p.model.fixed_per_neuron, p.per_neuron, strict=True))
    constants = dict(zip(p.model.fixed_constants, map(int, p.constants), strict=True))
    return ARGUMENTS[p.model.name](p, values, constants)


def _lif(p: Population, values: dict[str, Array], constants: dict[str, int]) -> dict[str, Any]:
    for name, value in (("lava", 1), ("subtract", 0)):
        if constants[name] != value:
            raise InputError(f"population '{p.name}': {name} = {constants[name]}, rule for Lava's LIF: {value}")
    du, dv = _shared(p, values, "du1") - 1, _shared(p, values, "dv")
    vth = _shared(p, values, "vth")
    for name, number, top in (
        ("du1 - 1", du, DECAY_TOP),
        ("dv", dv, DECAY_TOP),
        ("vth / 2^6", vth >> ACTIVATION_SHIFT, THRESHOLD_TOP),
    ):
        if not 0 <= number <= top:
            raise InputError(f"population '{p.name}': {name} = {number}, rule for Lava's LIF: 0..{top}")
    if vth % (1 << ACTIVATION_SHIFT):
        raise InputError(f"population '{p.name}': vth = {vth}, rule for Lava's LIF: a multiple of 2^6")
    mantissa, exponent = _bias(p, values["bias"])
    return {"du": du, "dv": dv, "vth": vth >> ACTIVATION_SHIFT, "bias_mant": mantissa, "bias_exp": exponent}


def _bias(p: Population, bias: Array) -> tuple[Array, Array]:
    """Split bias = mantissa · 2^exponent, with the largest exponent that is exact."""
    lowest_bit = np.maximum(bias & -bias, 1)
    exponent = np.minimum(np.log2(lowest_bit).astype(np.int64), BIAS_EXPONENT[1])
    mantissa: Array = bias >> exponent
    for neuron in np.flatnonzero((mantissa < BIAS_MANTISSA[0]) | (mantissa > BIAS_MANTISSA[1]))[:1]:
        raise InputError(
            f"population '{p.name}', neuron {neuron}: bias = {bias[neuron]}, rule for Lava's LIF: a "
            "13-bit number times 2^0..2^7"
        )
    return mantissa, exponent


def _rf(p: Population, values: dict[str, Array], constants: dict[str, int]) -> dict[str, Any]:
    """Return the integers themselves: Lava computes them from period and decay, and only those are its arguments."""
    return {name: _shared(p, values, name) for name in p.model.fixed_per_neuron} | constants


def _shared(p: Population, values: dict[str, Array], name: str) -> int:
    numbers = values[name]
    for neuron in np.flatnonzero(numbers != numbers[0])[:1]:
        raise InputError(
            f"population '{p.name}', neuron {neuron}: {name} = {numbers[neuron]}, rule for Lava: one for "
            f"all neurons, neuron 0 has {numbers[0]}; make a population of each"
        )
    return int(numbers[0])


ARGUMENTS: dict[str, Callable[..., dict[str, Any]]] = {"lif": _lif, "rf": _rf, "rf_iz": _rf}
"""Models that Lava has, and how their arguments are found."""


# ---------------------------------------------------------------- processes


def lava_integer_network(network: IntegerNetwork) -> LavaIntegerNetwork:
    """Build the processes of `network`, connected; run them with ``Loihi2SimCfg(select_tag="fixed_pt")``.

    Raise MissingPackageError without Lava and InputError for what Lava cannot do, see `check_integer_network`.
    """
    require_lava()
    check_integer_network(network)
    return connected(network, {p.name: lava_neurons(p, lava_arguments(p)) for p in network.populations})


def connected(network: IntegerNetwork, populations: dict[str, Any]) -> LavaIntegerNetwork:
    """Build the connections between the processes of the populations, given by name."""
    built = LavaIntegerNetwork(populations, [], [], [])
    for given in network.written_out().synapses:
        c = rounded(given)
        connection = _connection(c)
        built.connections.append(connection)
        connection.a_out.connect(_port(network.population(c.target), populations[c.target], c.current))
        s_in = connection.s_in
        if c.always_on is not None:
            axon = _always_on(c)
            built.lines.append(axon)
            axon.s_out.connect(s_in)
            s_in = axon.s_in
        if c.source == INPUT:
            built.inputs.append(s_in)
        else:
            sender = populations[c.source]
            (sender.s_out if given.message is None else sender.message_out).connect(s_in)
    return built


def lava_neurons(p: Population, arguments: dict[str, Any]) -> Any:
    """Build Lava's process of a population from `lava_arguments`."""
    from lava.proc.lif.process import LIF
    from lava.proc.rf.process import RF
    from lava.proc.rf_iz.process import RF_IZ

    if p.model.name == "lif":
        return LIF(shape=(p.size,), name=p.name, **arguments)
    process = {"rf": RF, "rf_iz": RF_IZ}[p.model.name](
        shape=(p.size,),
        period=4,
        alpha=0,
        name=p.name,
        state_exp=arguments["state_exp"],
        decay_bits=arguments["decay_bits"],
    )
    for name in p.model.fixed_per_neuron:
        getattr(process, name).init = np.int32(arguments[name])
    return process


def _port(p: Population, process: Any, current: int) -> Any:
    from hypr_neuro.compilers.lava.processes.process import NeuronPopulation

    if isinstance(process, NeuronPopulation):
        return (process.a_in, process.a_in_1)[current]
    if p.model.currents == 1:
        return process.a_in
    return (process.a_real_in, process.a_imag_in)[current]


def _always_on(c: Synapses) -> Any:
    from hypr_neuro.compilers.lava.processes.process import AlwaysOn

    return AlwaysOn(size=c.shape[1], name=f"{c.name}, always-on line")


def _connection(c: Synapses) -> Any:
    from lava.utils.weightutils import SignMode

    converted = lava_weights(c)
    weights = _for_lava(converted.weights)
    arguments: dict[str, Any] = {
        "weights": weights,
        "weight_exp": converted.exponent,
        "num_weight_bits": 8,
        "sign_mode": SignMode[converted.sign_mode.upper()],
        "num_message_bits": _message_bits(c),
        "name": c.name,
    }
    delayed = not isinstance(c.delays, int) or c.delays > 0
    if delayed:
        arguments["delays"] = _delays(c, weights)
    return _process(c.sparse, delayed)(**arguments)


def _process(sparse: bool, delayed: bool) -> Any:
    from lava.proc.dense.process import DelayDense, Dense
    from lava.proc.sparse.process import DelaySparse, Sparse

    return ((Dense, DelayDense), (Sparse, DelaySparse))[sparse][delayed]


def _for_lava(matrix: Any) -> Any:
    """Return int64, which Lava demands of delays; sparse ones as the matrix class that it tests for."""
    if isinstance(matrix, np.ndarray):
        return matrix.astype(np.int64)
    from scipy.sparse import csr_matrix

    stored = csr_matrix(matrix.astype(np.int64))
    stored.eliminate_zeros()
    return stored


def _delays(c: Synapses, weights: Any) -> Any:
    """Return delays as Lava takes them; of sparse weights at their own places alone.

    A delay without a weight, such as those that Lava makes of one number, would let DelaySparse store a zero there, in
    every step, and SciPy warn of that.
    """
    if not c.sparse:
        return c.delays if isinstance(c.delays, int) else _for_lava(c.delays)
    pattern = weights.astype(bool).astype(np.int64)
    return pattern * c.delays if isinstance(c.delays, int) else pattern.multiply(_for_lava(c.delays)).tocsr()


def _message_bits(c: Synapses) -> int:
    if c.message_bits is not None:
        return c.message_bits
    return MESSAGE_BITS if c.source == INPUT else 0
