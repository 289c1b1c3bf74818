"""Random networks of integers with everything that an executor may meet, extremes included, and how runs compare.

Lava can run every network of `MODELS` that is drawn here (`compilers.lava.integers.network`), so that simulator,
reference and Lava can be held against each other. The seed decides everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, MismatchError
from hypr_neuro.graph.integer import INPUT, LARGEST_DELAY, SUM_BITS, IntegerNetwork, Population, Synapses
from hypr_neuro.graph.loihi_weights import BIAS_EXPONENT, BIAS_MANTISSA, SIGN_MODES, WEIGHT_BITS, on_grid
from hypr_neuro.neurons import MODELS as EVERY_MODEL
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.testing.networks import keep_case
from hypr_neuro.testing.populations import quantized_population

Rng = np.random.Generator
MODELS = ("lif", "lif", "rf", "rf_iz")
LARGEST_SIZE = 12
MESSAGE_BITS = 24
"""Of the largest graded input."""
SHORTEST, LONGEST = 60, 80


def random_integer_network(seed: int, models: Sequence[str] = MODELS) -> IntegerNetwork:
    """Draw 1 to 3 populations of neurons of `models`: a chain, and recurrent, backward, skip, double connections.

    `models` are names of `DRAW`; a name that comes several times is drawn more often.
    """
    rng = np.random.default_rng([seed, 11])
    inputs, count = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    graded = int(rng.integers(2, MESSAGE_BITS, endpoint=True)) if rng.random() < 0.4 else 0
    exponents = [_exponent(rng) for _ in range(count)]
    populations = [_population(rng, f"p{i}", _one_of(rng, models), e) for i, e in enumerate(exponents)]
    synapses = [
        _synapses(rng, source, target, inputs, populations, exponents[target], graded)
        for source, target in _ends(rng, count)
    ]
    return _inside_32_bits(inputs, populations, synapses)


def random_integer_input(network: IntegerNetwork, seed: int) -> Array:
    """Draw (1, T, channel) int64, T from 60 to 80: spikes, or values of either sign if a connection takes graded ones.

    Half of the graded inputs go up to what the network's sums can hold, the others to any power of two below it.
    """
    rng = np.random.default_rng([seed, 12])
    steps = int(rng.integers(SHORTEST, LONGEST, endpoint=True))
    fires = rng.random((1, steps, network.inputs)) < _one_of(rng, (0.05, 0.3, 0.3, 0.9))
    spikes: Array = fires.astype(np.int64)
    bits = [c.message_bits for c in network.synapses if c.source == INPUT and c.message_bits is not None]
    top = min([_largest_value(network), *((1 << b) - 1 if b else 1 for b in bits)])
    if min(bits, default=2) < 2 or top < 2:
        return spikes
    if rng.random() < 0.5:
        top = int(2 ** rng.uniform(1, np.log2(top)))
    spikes *= rng.integers(-top, top, spikes.shape, endpoint=True)
    return spikes


def _largest_value(network: IntegerNetwork) -> int:
    """Return the largest input that keeps every sum inside 32 bits, in Lava too, which holds some weights doubled."""
    top = min(network.largest_input(p.name) for p in network.populations)
    for c in network.synapses:
        if c.source == INPUT:
            largest_bias = 0 if c.always_on is None else int(np.abs(c.always_on).max())
            top = min(top, (1 << (SUM_BITS - 2)) // (int(c.magnitudes.max()) + largest_bias + 1))
    return top


def _one_of(rng: Rng, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


# ---------------------------------------------------------------- populations


def any_population(rng: Rng, name: str, model: str, size: int, reachable: float = 1000.0) -> Population:
    """Draw `size` neurons of an integer model: those of `DRAW` up to the ends of their parameters, others quantized.

    `reachable` is the sum at which a neuron of `DRAW` may fire.
    """
    if model in DRAW:
        return Population.of(name, model, size, **DRAW[model](rng, size, reachable))
    return quantized_population(rng, name, model, size)


def _population(rng: Rng, name: str, model: str, exponent: int) -> Population:
    """Draw a population whose threshold its inputs can reach, most of the time; most weights have that exponent."""
    size = int(rng.integers(1, LARGEST_SIZE, endpoint=True))
    # of a weight's 8 bits; in units of the input current
    reachable = 2 ** (exponent + rng.uniform(3, 10))
    return any_population(rng, name, model, size, reachable)


def _lif(rng: Rng, size: int, reachable: float) -> dict[str, Any]:
    """Draw decays from never to at once, thresholds from 0 to the largest, any bias."""
    low, high = BIAS_MANTISSA
    large = rng.integers(low, high, size, endpoint=True) << rng.integers(0, BIAS_EXPONENT[1], size, endpoint=True)
    top = (1 << 17) - 1
    middle = min(int(reachable), top)
    return {
        "du1": _one_of(rng, (1, 4096, *rng.integers(1, 4096, 2, endpoint=True), int(rng.integers(1, 300)))),
        "dv": _one_of(rng, (0, 4095, *rng.integers(0, 4095, 2, endpoint=True), int(rng.integers(1, 300)))),
        "vth": _one_of(rng, (0, 1, middle, middle, middle, middle, top)) << 6,
        "bias": _one_of(rng, (0, 0, rng.integers(-50, 50, size, endpoint=True), large)),
        "inv_vth": 1,
        "lava": 1,
        "subtract": 0,
        "k": 15,
        "scale_log2": 6,
    }


def _lif_refractory(rng: Rng, size: int, reachable: float) -> dict[str, Any]:
    lif = _lif(rng, size, reachable)
    shared = {name: lif[name] for name in ("du1", "dv", "vth", "bias", "lava")}
    return shared | {"refractory": rng.integers(0, _one_of(rng, (1, 5, 62)), size, endpoint=True)}


def _rf(rng: Rng, size: int, reachable: float) -> dict[str, Any]:
    state_exp = _one_of(rng, (0, 0, 6, 6, int(rng.integers(1, 12)), 31))
    return rf_parameters(
        period=2 ** rng.uniform(1, 6),
        alpha=_one_of(rng, (0.0, 0.01, rng.uniform(0, 0.3), rng.uniform(0, 0.3), 1.0)),
        vth=min(int(reachable / 4), ((1 << 23) - 2) >> state_exp),
        state_exp=state_exp,
        decay_bits=_one_of(rng, (12, 12, 12, 1, 7, 20, 30)),
    )


DRAW: dict[str, Callable[[Rng, int, float], dict[str, Any]]] = {
    "lif": _lif,
    "lif_refractory": _lif_refractory,
    "rf": _rf,
    "rf_iz": _rf,
}


ALL_MODELS = tuple(name for name, model in EVERY_MODEL.items() if model.integer and not model.sends_numbers)
"""Every model that sends spikes of 0 or 1 in an integer network; Lava has some of them, see `MODELS`."""


# ---------------------------------------------------------------- connections


def _exponent(rng: Rng) -> int:
    """Draw one up to 8, mostly with sums that are neither all floored to 0 nor close to 32 bits; or a large one."""
    return int(_one_of(rng, (rng.integers(-8, 8, endpoint=True), *rng.integers(-2, 6, 3), rng.integers(9, 20))))


def _ends(rng: Rng, count: int) -> list[tuple[int, int]]:
    """Draw (source, target) of each connection; -1 is the input."""
    ends = [(i - 1, i) for i in range(count)]
    ends += [(i, i) for i in range(count) if rng.random() < 0.5]
    ends += [(j, i) for i in range(count) for j in range(i + 1, count) if rng.random() < 0.3]
    ends += [(i, j) for j in range(1, count) for i in range(-1, j - 1) if rng.random() < 0.3]
    return ends + [connection for connection in ends if rng.random() < 0.07]


def _synapses(
    rng: Rng, source: int, target: int, inputs: int, populations: list[Population], exponent: int, graded: int
) -> Synapses:
    post = populations[target]
    pre = inputs if source < 0 else populations[source].size
    # the chain carries spikes on, so it does not inhibit
    mode = _one_of(rng, ("mixed", "excitatory", "excitatory" if source == target - 1 else "inhibitory"))
    bits = _one_of(rng, (WEIGHT_BITS, WEIGHT_BITS, int(rng.integers(1, WEIGHT_BITS, endpoint=True))))
    drawn = _weights(rng, (post.size, pre + 1), mode, bits)
    weights, bias = drawn[:, :-1], drawn[:, -1]
    if rng.random() < 0.4:
        weights = _thinned(rng, weights)
    delays = _delays(rng, weights)
    # Lava has one for any connection, an IntegerNetwork for those that lead forward
    always_on = bias if isinstance(delays, int) and source < target and rng.random() < 0.3 else None
    return Synapses(
        INPUT if source < 0 else populations[source].name,
        post.name,
        weights,
        exponent=exponent if rng.random() < 0.7 else _exponent(rng),
        delays=delays,
        always_on=always_on,
        current=int(rng.integers(post.model.currents)),
        message_bits=_message_bits(rng, source, graded),
    )


def _message_bits(rng: Rng, source: int, graded: int) -> int | None:
    if source < 0 and graded:
        return int(graded)
    bits: int | None = _one_of(rng, (None, 0, int(rng.integers(1, 8, endpoint=True))))
    return bits


def _weights(rng: Rng, shape: tuple[int, int], mode: str, bits: int) -> Array:
    """Draw on a grid of Lava's for that mode, or any of -128..127, which Lava holds doubled."""
    if mode == "mixed" and rng.random() < 0.5:
        return rng.integers(-128, 127, shape, endpoint=True)
    low, high = SIGN_MODES[mode]
    drawn = {
        "any": rng.integers(low, high, shape, endpoint=True),
        "small": rng.integers(max(low, -20), min(high, 20), shape, endpoint=True),
        "ends": rng.choice([low, high], shape),
    }
    return on_grid(drawn[_one_of(rng, tuple(drawn))], mode, bits)[0].astype(np.int64)


def _thinned(rng: Rng, weights: Array) -> Any:
    """Return some of the weights as CSR; what is stored may be 0, rows and even all of it may be empty."""
    from scipy.sparse import csr_array

    stored = rng.random(weights.shape) < _one_of(rng, (0.0, 0.2, 0.5, 0.8, 1.0))
    rows, columns = np.nonzero(stored)
    return csr_array((weights[rows, columns], (rows, columns)), shape=weights.shape)


def _delays(rng: Rng, weights: Any) -> Any:
    # short ones prevail for sparse weights: Lava's DelaySparse builds a matrix for each delay anew in every step
    dense = isinstance(weights, np.ndarray)
    longest = int(_one_of(rng, (3, 20, LARGEST_DELAY) if dense else (1, 2, 2, 3, 3, 4, 5, LARGEST_DELAY)))
    kind = _one_of(rng, ("none", "none", "one", "each", "each"))
    if kind != "each":
        return 0 if kind == "none" else int(rng.integers(1, longest, endpoint=True))
    if dense:
        return rng.integers(0, longest, weights.shape, endpoint=True)
    drawn = rng.integers(0, longest, weights.data.size, endpoint=True)
    return type(weights)((drawn, weights.indices, weights.indptr), shape=weights.shape, copy=True)


def _inside_32_bits(inputs: int, populations: list[Population], synapses: list[Synapses]) -> IntegerNetwork:
    """Lower the largest exponents until the network's sums stay inside 32 bits."""
    while True:
        try:
            return IntegerNetwork(inputs, tuple(populations), tuple(synapses))
        except InputError:
            largest = max(c.exponent for c in synapses)
            if largest <= 0:
                raise
            synapses = [replace(c, exponent=c.exponent - (c.exponent == largest)) for c in synapses]


# ---------------------------------------------------------------- comparison


def assert_same_run(
    network: IntegerNetwork, x: Array, expected: list[Array], got: list[Array], *, seed: int, who: tuple[str, str]
) -> None:
    """Raise MismatchError if two runs of one sample differ, naming the first step at which anything does.

    Parameters
    ----------
    network
        What ran.
    x
        Its input (1, T, channel); both are written to a folder that the message names.
    expected, got
        For each population (T, d + 1, n), the states of every step, then the spikes.
    seed
        What drew the network, for the message.
    who
        What computed the two.
    """
    first: tuple[int, str] | None = None
    for p, a, b in zip(network.populations, expected, got, strict=True):
        where = f"seed {seed}, population '{p.name}' ({p.model.name})"
        if a.shape != b.shape:
            raise MismatchError(f"{where}: {who[0]} has shape {a.shape}, {who[1]} {b.shape}")
        for at in np.argwhere(a != b)[:1]:
            step, row, neuron = (int(i) for i in at)
            if first is None or step < first[0]:
                name = [*p.model.state_names, "spikes"][row]
                values = f"{who[0]} {a[step, row, neuron]}, {who[1]} {b[step, row, neuron]}"
                first = (step, f"{where}, neuron {neuron}, first step {step}, {name}: {values}")
    if first is not None:
        case: Any = network
        raise MismatchError(f"{first[1]}; case in {keep_case(case, x, seed)}")


def run_of_reference(network: IntegerNetwork, x: Array) -> list[Array]:
    """Return the reference's run of one sample, as `assert_same_run` takes it."""
    from hypr_neuro.sim.reference import simulate_reference

    return [
        np.concatenate([r["states"][:, :, 0], r["spikes"][:, None, 0]], axis=1) for r in simulate_reference(network, x)
    ]


def run_of_simulator(network: IntegerNetwork, x: Array) -> list[Array]:
    """Return the simulator's run of one sample, as `assert_same_run` takes it."""
    from hypr_neuro.sim.engine import simulate

    states = {s for p in network.populations for s in p.model.state_names}
    trace = simulate(network, x, ["spikes", *sorted(states)])
    return [
        np.stack([*(trace.states[p.name][s][:, 0] for s in p.model.state_names), trace.spikes[p.name][:, 0]], axis=1)
        for p in network.populations
    ]
