"""Small random networks of integers, inputs for them, and whether what they do stays inside its bounds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import hypr_neuro as hn
from hypr_neuro.bounds.network import NetworkBounds, bits_of, network_bounds
from hypr_neuro.bounds.search import adversarial, recorded_names
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Synapses
from hypr_neuro.neurons import MODELS
from hypr_neuro.testing.integer import any_population

INTEGER = tuple(name for name, model in MODELS.items() if model.integer)
SPIKING = tuple(name for name in INTEGER if not MODELS[name].sends_numbers)


class Case(NamedTuple):
    """What a network did: values outside of their bounds, and bits proved less bits seen of every state.

    spare
        (model, state, bits) of each state of each neuron.
    """

    broken: list[str]
    spare: list[tuple[str, str, int]]


def small_network(seed: int) -> IntegerNetwork:
    """Draw one or two populations of up to four neurons, the first one spiking unless it stands alone."""
    rng = np.random.default_rng([seed, 21])
    count, inputs = int(rng.integers(1, 3)), int(rng.integers(1, 5))
    names = [str(rng.choice(INTEGER if i == count - 1 else SPIKING)) for i in range(count)]
    populations = [any_population(rng, f"p{i}", name, int(rng.integers(1, 5))) for i, name in enumerate(names)]
    synapses = []
    for i, p in enumerate(populations):
        sources = [(INPUT, inputs)] if i == 0 else [(populations[i - 1].name, populations[i - 1].size)]
        if not p.model.sends_numbers and rng.random() < 0.5:
            sources.append((p.name, p.size))
        for source, pre in sources:
            weights = rng.integers(-127, 128, (p.size, pre))
            delays = rng.integers(0, 3, weights.shape) if rng.random() < 0.3 else int(rng.integers(0, 2))
            exponent, current = int(rng.integers(-3, 8)), int(rng.integers(p.model.currents))
            synapses.append(Synapses(source, p.name, weights, exponent=exponent, delays=delays, current=current))
    return IntegerNetwork(inputs, tuple(populations), tuple(synapses), int(rng.integers(0, 2)))


def inputs_of(bounds: NetworkBounds, seed: int, steps: int = 96) -> list[np.ndarray]:
    """Adversarial inputs, and random ones of several rates."""
    rng = np.random.default_rng([seed, 22])
    random = [rng.random((steps, bounds.network.inputs)) < rate for rate in (0.05, 0.3, 0.7, 1.0)]
    return [adversarial(bounds, seed, steps, 1), np.stack(random).astype(np.int64)]


def run_case(seed: int) -> Case:
    """Bound a small network, run it, and compare."""
    network = small_network(seed)
    bounds = network_bounds(network)
    broken, spare = list[str](), list[tuple[str, str, int]]()
    seen: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    for x in inputs_of(bounds, seed):
        trace = hn.simulate(network, x, recorded_names(bounds))
        for name, b in bounds.populations.items():
            if b.sound.all() and any(trace.events[name].values()):
                broken.append(f"seed {seed}, {name} ({b.population.model.name}): {trace.events[name]}, proved to be 0")
            ends = dict(zip(b.population.model.state_names, zip(b.lo, b.hi, strict=True), strict=True))
            labels = ["current"] if len(b.currents) == 1 else [f"current{k}" for k in range(len(b.currents))]
            ends |= dict(zip(labels, b.currents, strict=True))
            for quantity, values in trace.states[name].items():
                flat, (lo, hi) = values.reshape(-1, values.shape[-1]), ends[quantity]
                least, most = flat.min(axis=0), flat.max(axis=0)
                if (least < lo).any() or (most > hi).any():
                    broken.append(
                        f"seed {seed}, {name} ({b.population.model.name}).{quantity}: {least}..{most}, {lo}..{hi}"
                    )
                known = seen.get((name, quantity), (least, most))
                seen[name, quantity] = np.minimum(known[0], least), np.maximum(known[1], most)
    for (name, quantity), (least, most) in seen.items():
        b = bounds.populations[name]
        if quantity in b.population.model.state_names:
            i = b.population.model.state_names.index(quantity)
            bits = (bits_of(b.lo[i], b.hi[i]) - bits_of(least, most)).tolist()
            spare += [(b.population.model.name, quantity, int(n)) for n in bits]
    return Case(broken, spare)
