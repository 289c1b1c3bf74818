"""Random networks of integers with everything that an executor may meet, extremes included, and how runs compare.

Lava can run every network that is drawn here (`compilers.lava.integer`), so that simulator, reference and Lava can be
held against each other. The seed decides everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError, MismatchError
from hypr_neuro.integer import INPUT, LARGEST_DELAY, SUM_BITS, IntegerNetwork, Population, Synapses
from hypr_neuro.loihi_weights import BIAS_EXPONENT, BIAS_MANTISSA, SIGN_MODES, WEIGHT_BITS, on_grid
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.testing import keep_case

Array = NDArray[Any]
Rng = np.random.Generator
MODELS = ("lif", "rf", "rf_iz")
LARGEST_SIZE = 12
MESSAGE_BITS = 24
"""Of the largest graded input."""
SHORTEST, LONGEST = 60, 80


def random_integer_network(seed: int, models: Sequence[str] = MODELS) -> IntegerNetwork:
    """1 to 3 populations of these models: a chain, with recurrent, backward, skip and double connections."""
    rng = np.random.default_rng([seed, 11])
    inputs, count = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    graded = int(rng.integers(2, MESSAGE_BITS, endpoint=True)) if rng.random() < 0.4 else 0
    populations = [_population(rng, f"p{i}", _one_of(rng, models)) for i in range(count)]
    synapses = [_synapses(rng, source, target, inputs, populations, graded) for source, target in _ends(rng, count)]
    return _inside_32_bits(inputs, populations, synapses)


def random_integer_input(network: IntegerNetwork, seed: int) -> Array:
    """(1, T, channel) int64, T from 60 to 80: spikes, or values of either sign if a connection takes graded ones.

    Half of the graded inputs go up to what the network's sums can hold, the others to any power of two below it.
    """
    rng = np.random.default_rng([seed, 12])
    steps = int(rng.integers(SHORTEST, LONGEST, endpoint=True))
    spikes = rng.random((1, steps, network.inputs)) < _one_of(rng, (0.05, 0.3, 0.3, 0.9))
    bits = [c.message_bits for c in network.synapses if c.source == INPUT and c.message_bits is not None]
    top = min([_largest_value(network), *((1 << b) - 1 if b else 1 for b in bits)])
    if min(bits, default=2) < 2 or top < 2:
        return spikes.astype(np.int64)
    if rng.random() < 0.5:
        top = int(2 ** rng.uniform(1, np.log2(top)))
    return spikes * rng.integers(-top, top, spikes.shape, endpoint=True)


def _largest_value(network: IntegerNetwork) -> int:
    """Largest input value that keeps every sum inside 32 bits, in Lava too, which holds some weights doubled."""
    top = min(network.largest_input(p.name) for p in network.populations)
    for c in network.synapses:
        if c.source == INPUT:
            line = 0 if c.always_on is None else int(np.abs(c.always_on).max())
            top = min(top, (1 << (SUM_BITS - 2)) // (int(c.magnitudes.max()) + line + 1))
    return top


def _one_of(rng: Rng, values: Sequence[Any]) -> Any:
    return values[int(rng.integers(len(values)))]


# ---------------------------------------------------------------- populations


def _population(rng: Rng, name: str, model: str) -> Population:
    size = int(rng.integers(1, LARGEST_SIZE, endpoint=True))
    return Population.of(name, model, size, **(_lif(rng, size) if model == "lif" else _rf(rng)))


def _lif(rng: Rng, size: int) -> dict[str, Any]:
    """Decays from never to at once; thresholds from 0 to the largest, even in their logarithm; any bias."""
    low, high = BIAS_MANTISSA
    large = rng.integers(low, high, size, endpoint=True) << rng.integers(0, BIAS_EXPONENT[1], size, endpoint=True)
    middle = int(2 ** rng.uniform(1, 17))
    return {
        "du1": _one_of(rng, (1, 4096, *rng.integers(1, 4096, 2, endpoint=True), int(rng.integers(1, 300)))),
        "dv": _one_of(rng, (0, 4095, *rng.integers(0, 4095, 2, endpoint=True), int(rng.integers(1, 300)))),
        "vth": _one_of(rng, (0, 1, middle, middle, middle, (1 << 17) - 1)) << 6,
        "bias": _one_of(rng, (0, 0, rng.integers(-50, 50, size, endpoint=True), large)),
        "inv_vth": 1, "lava": 1, "subtract": 0, "k": 15, "scale_log2": 6,
    }  # fmt: skip


def _rf(rng: Rng) -> dict[str, Any]:
    state_exp = _one_of(rng, (0, 0, 6, int(rng.integers(1, 12)), 31))
    return rf_parameters(
        period=2 ** rng.uniform(1, 7),
        alpha=_one_of(rng, (0.0, 0.01, rng.uniform(0, 0.3), 1.0)),
        vth=int(2 ** rng.uniform(0, 22)) / (1 << state_exp),
        state_exp=state_exp,
        decay_bits=_one_of(rng, (12, 12, 12, 1, 7, 20, 30)),
    )


# ---------------------------------------------------------------- connections


def _ends(rng: Rng, count: int) -> list[tuple[int, int]]:
    """(source, target) of each connection; -1 is the input."""
    ends = [(i - 1, i) for i in range(count)]
    ends += [(i, i) for i in range(count) if rng.random() < 0.5]
    ends += [(j, i) for i in range(count) for j in range(i + 1, count) if rng.random() < 0.3]
    ends += [(i, j) for j in range(1, count) for i in range(-1, j - 1) if rng.random() < 0.3]
    return ends + [both for both in ends if rng.random() < 0.07]


def _synapses(
    rng: Rng, source: int, target: int, inputs: int, populations: list[Population], graded: int
) -> Synapses:
    post = populations[target]
    pre = inputs if source < 0 else populations[source].size
    mode, bits = _one_of(rng, ("mixed", "mixed", "excitatory", "inhibitory")), _one_of(rng, (WEIGHT_BITS, WEIGHT_BITS, 8, 3))
    drawn = _weights(rng, (post.size, pre + 1), mode, bits)
    weights, line = drawn[:, :-1], drawn[:, -1]
    if rng.random() < 0.4:
        weights = _thinned(rng, weights)
    delays = _delays(rng, weights)
    # Lava has one for any connection, an IntegerNetwork for those that lead forward
    always_on = line if isinstance(delays, int) and source < target and rng.random() < 0.3 else None
    return Synapses(
        INPUT if source < 0 else populations[source].name, post.name, weights,
        exponent=int(_one_of(rng, (rng.integers(-8, 8, endpoint=True), rng.integers(-2, 5), rng.integers(9, 20)))),
        delays=delays, always_on=always_on, current=int(rng.integers(post.model.currents)),
        message_bits=_message_bits(rng, source, graded),
    )  # fmt: skip


def _message_bits(rng: Rng, source: int, graded: int) -> int | None:
    if source < 0 and graded:
        return int(graded)
    return _one_of(rng, (None, 0, int(rng.integers(1, 8, endpoint=True))))  # type: ignore[no-any-return]


def _weights(rng: Rng, shape: tuple[int, int], mode: str, bits: int) -> Array:
    """On a grid of Lava's for that mode, or any of -128..127, which Lava holds doubled."""
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
    """Some of the weights as CSR; what is stored may be 0, rows and even all of it may be empty."""
    from scipy.sparse import csr_array

    kept = rng.random(weights.shape) < _one_of(rng, (0.0, 0.2, 0.5, 0.8, 1.0))
    rows, columns = np.nonzero(kept)
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
    """The largest exponents are lowered until the network's sums stay inside 32 bits."""
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

    expected, got : for each population (T, d + 1, n), the states of every step, then the spikes
    who : what computed the two. Network and input are written to a folder that the message names
    """
    first: tuple[int, str] | None = None
    for p, a, b in zip(network.populations, expected, got, strict=True):
        if a.shape != b.shape:
            raise MismatchError(f"seed {seed}, population '{p.name}': {who[0]} has shape {a.shape}, {who[1]} {b.shape}")
        names = [*p.model.state_names, "spikes"]
        for step, what, neuron in np.argwhere(a != b)[:1]:
            if first is None or step < first[0]:
                first = (step, f"seed {seed}, population '{p.name}' ({p.model.name}), neuron {neuron}, first step {step}, "
                               f"{names[what]}: {who[0]} {a[step, what, neuron]}, {who[1]} {b[step, what, neuron]}")  # fmt: skip
    if first is not None:
        raise MismatchError(f"{first[1]}; case in {keep_case(network, x, seed)}")


def run_of_reference(network: IntegerNetwork, x: Array) -> list[Array]:
    """The reference's run of one sample, as `assert_same_run` takes it."""
    from hypr_neuro.sim.reference import simulate_reference

    return [
        np.concatenate([r["states"][:, :, 0], r["spikes"][:, None, 0]], axis=1) for r in simulate_reference(network, x)
    ]


def run_of_simulator(network: IntegerNetwork, x: Array) -> list[Array]:
    """The simulator's run of one sample, as `assert_same_run` takes it."""
    from hypr_neuro.sim.engine import simulate

    states = {s for p in network.populations for s in p.model.state_names}
    trace = simulate(network, x, ["spikes", *sorted(states)])
    return [
        np.stack([*(trace.states[p.name][s][:, 0] for s in p.model.state_names), trace.spikes[p.name][:, 0]], axis=1)
        for p in network.populations
    ]
