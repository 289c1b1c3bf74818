"""Random graphs of real numbers with everything that training may meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.graph_forward import run_graph, state_ranges
from hypr_neuro.testing.networks import _ranges, integer_models, random_spikes, spiking_models


def random_graph(
    seed: int, *, inputs: int = 4, delays: int = 3, spiking: Sequence[str] = (), graded: bool = False
) -> Network:
    """Draw a graph whose populations spike: skips, loops, delays, sparse weights, late biases, outputs anywhere.

    Parameters
    ----------
    spiking
        Models to draw from, () for every one with one input current. Outputs are one or two populations, readouts or
        spiking ones.
    graded
        Whether one or two populations more, none of them an output, hold readouts, and any readout feeds others.
    """
    rng = np.random.default_rng([seed, 31])
    readouts = [name for name, model in MODELS.items() if model.readout and model.has_float]
    drawn = list(spiking) or spiking_models()
    count, outputs = int(rng.integers(1, 5)), int(rng.integers(1, 3))
    kinds = [str(rng.choice(drawn)) for _ in range(count)]
    ends = [str(rng.choice(readouts if rng.random() < 0.6 else drawn)) for _ in range(outputs)]
    if graded:
        sends = [str(rng.choice(readouts)) for _ in range(int(rng.integers(1, 3)))]
        kinds = [str(kind) for kind in rng.permutation(kinds + sends)]
        count = len(kinds)
    models = kinds + ends
    names = [f"h{i}" for i in range(count)] + [f"out{i}" for i in range(outputs)]
    order = rng.permutation(len(names)) if rng.random() < 0.5 else np.arange(len(names))
    populations = [_population(names[i], models[i], rng) for i in order]
    synapses = _synapses(populations, inputs, delays, rng, graded)
    graph = Network(inputs, tuple(populations), tuple(synapses), 1e-3, tuple(names[count:]))
    return _awake(graph, seed)


def random_learning_graph(
    seed: int, profile: Profile, *, steps: int = 40, graded: bool = False, spiking: Sequence[str] = ()
) -> QuantizedNetwork:
    """Quantize a random graph of neurons that learn in integers, weights in groups where that is worth it.

    graded, spiking : as of `random_graph`; by default models of one input current that send 0 or 1
    """
    drawn = list(spiking) or [name for name in integer_models() if MODELS[name].learned is not None]
    graph = random_graph(seed, spiking=drawn, graded=graded)
    ranges = state_ranges(graph, random_spikes(seed, 2, steps, graph.inputs))
    widest = max(ranges[name] for name in graph.outputs)
    ranges |= dict.fromkeys(graph.outputs, widest)  # errors of several outputs need one scale
    return quantize_graph(graph, profile, calibration=ranges, weight_groups=(1, 2, 3, "row")[seed % 4])


def _population(name: str, model: str, rng: np.random.Generator) -> FloatPopulation:
    n = int(rng.integers(2, 5))
    params = {k: rng.uniform(low, high, n) for k, (low, high) in _ranges(model).items()}
    firsts = [0, int(rng.integers(1, 6))][: int(rng.integers(0, 3))]
    currents = MODELS[model].currents
    size = n if currents == 1 else (currents, n)
    return FloatPopulation(name, MODELS[model], params, {k: rng.uniform(-0.3, 0.3, size) for k in firsts})


def _synapses(
    populations: list[FloatPopulation], inputs: int, delays: int, rng: np.random.Generator, graded: bool
) -> list[FloatSynapses]:
    sends = [p for p in populations if graded or not p.model.readout]
    sources, spreads = {INPUT: inputs} | {p.name: p.size for p in sends}, {p.name: _spread(p) for p in sends}
    result = []
    for i, p in enumerate(populations):
        before = [q.name for q in populations[:i] if q in sends]
        chosen = [str(rng.choice([INPUT, *before]))]  # something forward leads to every population
        chosen += [name for name in sources if rng.random() < 0.35]
        for source in chosen:
            weights = rng.normal(0.0, spreads.get(source, 1.0), (p.size, sources[source]))
            if rng.random() < 0.3:
                from scipy.sparse import csr_array

                result.append(FloatSynapses(source, p.name, csr_array(weights * (rng.random(weights.shape) < 0.6))))
            else:
                result.append(FloatSynapses(source, p.name, weights))
            result[-1].delay = int(rng.integers(0, delays + 1)) if rng.random() < 0.5 else 0
            if p.model.currents > 1:
                result[-1].current = int(rng.integers(p.model.currents))
    return result


def _spread(p: FloatPopulation) -> float:
    """Return the deviation of the weights that leave a population: loops over numbers must not grow."""
    return 0.4 / p.size**0.5 if p.model.readout else 1.0


def _awake(graph: Network, seed: int) -> Network:
    """Return the graph, with larger weights where a population is silent."""
    x = random_spikes(seed, 2, 40, graph.inputs)
    for _ in range(12):
        counts = run_graph(graph, x, record=()).counts
        silent = {p.name for p in graph.populations if not p.model.readout and counts[p.name].sum() < 4}
        if not silent:
            return graph
        synapses = [
            replace(c, weights=abs(c.weights) * 1.6 if c.target in silent else c.weights) for c in graph.connections
        ]
        graph = Network(graph.inputs, graph.populations, tuple(synapses), graph.dt, graph.outputs)
    return graph
