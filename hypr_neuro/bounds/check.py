"""What of an integer network can overflow, for any input: proved, shown by an input, or open.

For each sum, state and register of a step:

    cannot overflow     proved: its ends for any input fit its width
    overflows           an input was found that makes the simulator clip, wrap, or fill a sum past its width
    not proved          neither; `proved` bits are enough
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hypr_neuro.bounds.found import MOST_BITS, Bound, Check, Example, row_of
from hypr_neuro.bounds.network import NetworkBounds, network_bounds
from hypr_neuro.bounds.population import PopulationBounds, Register
from hypr_neuro.bounds.search import Found, Seen, search
from hypr_neuro.bounds.sums import LARGEST_SUM_BITS, ConnectionSum
from hypr_neuro.data.checks import holds_fractions
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, HasInteger, IntegerNetwork, as_integer
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import whole
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input


def check(
    network: QuantizedNetwork | IntegerNetwork | HasInteger,
    *,
    data: Any = None,
    inputs: tuple[int, int] | None = None,
    accumulator_bits: int | None = None,
    learning: Any = None,
    steps: int | None = None,
    seed: int = 0,
) -> Check:
    """Bound every sum, state and register of an integer network for any input, and look for inputs that overflow them.

    Parameters
    ----------
    network
        A `QuantizedNetwork` or `IntegerNetwork`.
    data
        Samples (sample, T, channel), or data with them, for the largest values seen; what they hold widens `inputs`.
    inputs
        Smallest and largest number of an input channel; 0 and 1 unless messages of the input say more.
    accumulator_bits
        Width of a connection's sum, sign included; by default the profile's `precision.accumulator_bits`, else 32.
    learning
        `LearnOptions`: bound eligibilities, learning signals and gradients too, for any weights that learning may make.
    steps
        Steps over which a gradient is added up, by default those of `data`.
    seed
        Of random inputs of the search.

    Returns
    -------
    Check

    Raises
    ------
    InputError
        For inputs that the network does not take, and a neuron whose step function is beyond the rules.
    """
    integer, width = as_integer(network)[0], _accumulator(network, accumulator_bits)
    samples = _samples(integer, data)
    if inputs is not None:
        inputs = (whole("inputs", inputs[0], -(1 << 31)), whole("inputs", inputs[1], -(1 << 31)))
    bounds = network_bounds(integer, _inputs(integer, samples, inputs))
    found = search(bounds, [] if samples is None else [samples], seed)
    result = Check([], [], (int(bounds.inputs[0].min()), int(bounds.inputs[1].max())), [], bounds)
    for p in integer.populations:
        _population_rows(result, bounds, p.name, found, width, _names(network, integer))
    if isinstance(network, QuantizedNetwork) and network.profile.analog is not None:
        result.notes.append(
            f"profile '{network.profile.name}' is analog: cells, their noise and ADC codes are not part of this; these "
            "are bounds of the integers that the cells stand for"
        )
    if learning is not None:
        from hypr_neuro.bounds.learning import learning_bounds

        if not isinstance(network, QuantizedNetwork):
            raise InputError(
                "learning: of a QuantizedNetwork, which has scales; hn.quantize(network, profile) gives one"
            )
        length = steps if steps is not None else None if samples is None else int(samples.shape[1])
        rows, notes = learning_bounds(network, learning, result.inputs, length)
        result.bounds += rows
        result.notes += notes
    return result


def _samples(integer: IntegerNetwork, data: Any) -> Array | None:
    if data is None:
        return None
    x = np.asarray(getattr(data, "x", data))
    if x.dtype.kind == "f" and holds_fractions(x):
        raise InputError("data hold fractions, rule: integers, which the network takes; encode them")
    return check_input(integer, x)


def _inputs(integer: IntegerNetwork, samples: Array | None, given: tuple[int, int] | None) -> tuple[int, int] | None:
    if samples is None or samples.size == 0:
        return given
    low, high = int(samples.min()), int(samples.max())
    if given is not None:
        if low < given[0] or high > given[1]:
            raise InputError(
                f"data hold {low}..{high}, rule: inside inputs = {given[0]}..{given[1]}; give those of the data"
            )
        return given
    return (min(low, 0), max(high, 1)) if low < 0 or high > 1 else None


def _accumulator(network: Any, given: int | None) -> int:
    if given is not None:
        bits = whole("accumulator_bits", given, 2)
        if bits > MOST_BITS:
            raise InputError(f"accumulator_bits = {bits}, rule: 2 to {MOST_BITS}")
        return bits
    stated = getattr(getattr(getattr(network, "profile", None), "precision", None), "accumulator_bits", None)
    return LARGEST_SUM_BITS if stated is None else int(stated.value)


def _names(network: Any, integer: IntegerNetwork) -> tuple[str, ...]:
    if isinstance(network, QuantizedNetwork):
        return network.connection_names()
    from hypr_neuro.quantizing.network import numbered

    return numbered(c.name for c in integer.synapses)


def _population_rows(
    result: Check, bounds: NetworkBounds, name: str, found: Found, width: int, names: tuple[str, ...]
) -> None:
    b, seen = bounds.populations[name], found.seen.get(name, {})
    for s in bounds.sums[name]:
        result.bounds.append(_sum_row(result, bounds, name, names[s.place], s, width))
    for k, (lo, hi) in enumerate(b.currents):
        label = "current" if len(b.currents) == 1 else f"current{k}"
        result.bounds.append(
            row_of(name, label, MOST_BITS, lo, hi, seen.get(label), _fits(lo, hi, MOST_BITS), False, None)
        )
    shown = found.examples.get(name, {})
    for register in b.registers:
        result.bounds.append(_register_row(result, b, register, seen, shown, bounds))


def _fits(lo: Array, hi: Array, bits: int) -> Array:
    return np.asarray((lo >= -(2.0 ** (bits - 1))) & (hi < 2.0 ** (bits - 1)))


def _register_row(
    result: Check,
    b: PopulationBounds,
    register: Register,
    seen: Mapping[str, Seen],
    shown: Mapping[str, Array],
    bounds: NetworkBounds,
) -> Bound:
    model = b.population.model
    label = register.name if register.state is None else model.state_names[register.state]
    proved = b.proved(register)
    lo, hi = np.minimum(register.least, 0.0), np.maximum(register.most, 0.0)
    if not proved.all() or not np.isfinite(lo).all() or not np.isfinite(hi).all():
        clipped = register.holds_clipped
        if register.clipped_least is not None and register.clipped_most is not None:
            lo = np.where(clipped & ~b.sound, register.clipped_least, lo)
            hi = np.where(clipped & ~b.sound, register.clipped_most, hi)
    event = _event_of(label, model.events)
    example = None
    if not proved.all() and event in shown:
        example = _example(result, b.population.name, event, shown[event], bounds)
    row = row_of(
        b.population.name,
        _label(b, register),
        register.bits,
        lo,
        hi,
        None if register.state is None else seen.get(label),
        proved,
        example is not None,
        example,
    )
    return row


def _label(b: PopulationBounds, register: Register) -> str:
    """Name a register: by its state, on the way there by the step function's variable."""
    if register.state is not None and register.bits == _own_bits(b, register.state):
        return b.population.model.state_names[register.state]
    return f"{register.name} in a step"


def _own_bits(b: PopulationBounds, state: int) -> int:
    """Return the width of a state: the narrowest rule of overflow that gives it."""
    return min(r.bits for r in b.registers if r.state == state)


def _event_of(label: str, events: tuple[str, ...]) -> str:
    """Return the event that counts overflows of a register: by its first word, of a register on the way a current's."""
    for event in events:
        if event.split(" ")[0] == label:
            return event
    return next((e for e in events if e.startswith("current")), events[0] if events else "")


def _example(result: Check, population: str, event: str, x: Array, bounds: NetworkBounds) -> int:
    from hypr_neuro.sim.engine import simulate

    for i, known in enumerate(result.examples):
        if (known.population, known.event) == (population, event):
            return i
    count = simulate(bounds.network, x[None]).events[population][event]
    result.examples.append(Example(population, event, int(count), x))
    return len(result.examples) - 1


def _sum_row(
    result: Check, bounds: NetworkBounds, population: str, connection: str, s: ConnectionSum, width: int
) -> Bound:
    proved, example = _fits(s.least, s.most, width), None
    c = bounds.network.synapses[s.place]
    if not proved.all() and c.source == INPUT:
        example = _sum_example(result, bounds, connection, s, int(np.flatnonzero(~proved)[0]), width)
    quantity = "sum" if isinstance(c.delays, int) else f"sum, delay {s.delay}"
    return row_of(population, quantity, width, s.least, s.most, None, proved, example is not None, example, connection)


def _sum_example(
    result: Check, bounds: NetworkBounds, connection: str, s: ConnectionSum, neuron: int, width: int
) -> int:
    """Make an input of one step that fills a neuron's sum past its width, and add it up."""
    c = bounds.network.synapses[s.place]
    weights: Any = dict(c.written_out().by_delay())[s.delay]
    row = np.asarray(weights[[neuron]] if isinstance(weights, np.ndarray) else weights[[neuron]].toarray())[0]
    up = s.most[neuron] >= 2.0 ** (width - 1)
    lo, hi = (ends.astype(np.int64) for ends in bounds.inputs)
    x = np.where((row > 0) == up, np.maximum(hi, 0), np.minimum(lo, 0))
    x = np.where(row == 0, 0, x)
    total = int(row.astype(np.int64) @ x) + (0 if c.always_on is None else int(c.always_on[neuron]))
    if -(1 << (width - 1)) <= total < 1 << (width - 1):  # a partial sum is past it, the sum is not
        total = int(s.most[neuron] if up else s.least[neuron])
    result.examples.append(Example(connection, f"sum of neuron {neuron} reaches {total}", 1, x[None]))
    return len(result.examples) - 1
