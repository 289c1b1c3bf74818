"""What training asks of a network: its hidden populations, what losses see of its outputs, and what silence is."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.data.doubts import UNDRIVEN
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import Rows, readout
from hypr_neuro.run.graph_forward import run_graph

OUTPUT_DECAY = 0.9
"""κ of spiking outputs, unless the network has another: on the validation part of the published Braille network better
than 0.98 and than a count (docs/training.md)."""


def hidden_places(net: Network) -> tuple[int, ...]:
    """Return the places of the populations that are no output."""
    return tuple(i for i, p in enumerate(net.populations) if p.name not in net.outputs)


def spiking_places(net: Network) -> tuple[int, ...]:
    """Return the places of the hidden populations that spike: those that have rates."""
    return tuple(i for i in hidden_places(net) if not net.populations[i].model.readout)


def returning(net: Network) -> list[FloatSynapses]:
    """Return the connections that lead forward from population to population, by their targets."""
    return [c for p in net.populations for c in net.incoming(p.name) if c.source != INPUT and net.forward(c)]


def trace_decay(net: Network) -> float:
    """Return κ of the trace y_t = κ y_{t-1} + z_t of spiking outputs; the note "output decay" sets it."""
    decay = net.notes.get("output decay", OUTPUT_DECAY)
    if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 <= decay <= 1:
        raise InputError(f"output decay = {decay!r:.60}, rule: a number from 0 to 1; 1 counts spikes")
    return float(decay)


def output_decays(net: Network, rule: str) -> Array:
    """Return what each output keeps of a step (outputs,): what its neuron states, of spikes that of their trace.

    rule : name of the rule that asks, for the InputError about a readout that does not say
    """
    parts = []
    for p in map(net.population, net.outputs):
        if p.model.readout and p.model.output_decay is None:
            raise InputError(
                f"{net.name(net.populations.index(p))}: neuron '{p.model.name}' states no output_decay, by which rule "
                f"'{rule}' filters; add it to its record, or take a rule that sends errors back layer by layer, such "
                "as 'hypr'"
            )
        decay = trace_decay(net) if p.model.output_decay is None else p.model.output_decay(p.params)
        parts.append(np.broadcast_to(decay, (p.size,)))
    return np.concatenate(parts)


def keep_in_range(net: Network, where: str) -> None:
    """Bring parameters back into the range of their model after an update; HyprError for those it cannot keep."""
    for population in net.populations:
        if population.model.constrain is not None:
            population.model.constrain(population.params)
    try:
        net.check()
    except InputError as error:
        raise HyprError(f"{where}; {error}") from error


def outputs_of(net: Network, rows: Rows) -> Array:
    """Run the network forward; return its outputs (sample, T, outputs), which `score.predict` reads."""
    if net.is_chain:
        return readout(net, rows)
    return run_graph(net, rows[0 : len(rows), 0 : rows.shape[1]], record=()).readout


def has_spiking_outputs(net: Network) -> bool:
    """Tell whether an output is a population of spiking neurons."""
    return any(not net.population(name).model.readout for name in net.outputs)


def to_the_output(net: Network) -> list[str]:
    """Name the arrays of weights that learn over which other populations reach an output."""
    if net.is_chain:
        return [] if net.layers[-1].frozen else ["readout.weight"]
    names = zip(net.connection_names(), net.connections, strict=True)
    return [name for name, c in names if c.target in net.outputs and c.source != INPUT and c.trainable]


def said_of_silence(net: Network, *, driven: bool = True) -> str:
    """Say what has to spike for the output to learn, and the remedy; `driven` tells whether any input is not 0."""
    if net.is_chain:
        what = net.name(len(net.layers) - 2)
    else:
        sources = {c.source for c in net.connections if c.target in net.outputs and c.source != INPUT}
        spiking = [p.name for p in net.populations if p.name in sources and not p.model.readout]
        what = " and ".join(f"'{name}'" for name in spiking or _that_spike(net))
    larger = "call hn.scale_to_rate(net, x, 0.03) before training, or give larger weights"
    return (
        f"{what or 'the network'} did not spike once in the first epoch, so nothing can be learned from it: "
        f"{larger if driven else UNDRIVEN}"
    )


def _that_spike(net: Network) -> list[str]:
    """Name the hidden populations that spike: numbers that feed an output stay 0 where none of these does."""
    return [net.populations[i].name for i in spiking_places(net)]


def digest_parts(net: Network) -> tuple[list[str], dict[str, Array]]:
    """Return the names of the models, and all arrays that decide what training starts from."""
    arrays, chain = dict(net.arrays()), net.is_chain
    for i, p in enumerate(net.populations):
        arrays |= {f"{i if chain else p.name}/{k}": v for k, v in p.params.items()}
    learned = net.arrays()
    arrays |= {f"frozen/{name}": v for name, v in net.arrays(frozen=True).items() if name not in learned}
    if not chain:  # of a chain all of this follows from the shapes
        arrays |= _structure(net)
    return [p.model.name for p in net.populations], arrays


def _structure(net: Network) -> dict[str, Array]:
    """Return what decides how a network computes and is no weight: ends, delays, currents, places, outputs, dt."""
    ends = [(c.source, c.target, c.delay, c.current) for c in net.connections]
    text = repr((ends, tuple(net.outputs), float(net.dt)))
    arrays = {"structure": np.frombuffer(text.encode(), np.uint8)}
    for i, c in enumerate(net.connections):
        weights: Any = c.weights
        if isinstance(weights, Convolution):
            said = repr((weights.image, weights.taps, weights.groups, weights.channels_first, weights.pool))
            arrays[f"structure/{i}"] = np.frombuffer(said.encode(), np.uint8)
        elif not isinstance(weights, np.ndarray):
            arrays |= {f"structure/{i}/indices": weights.indices, f"structure/{i}/indptr": weights.indptr}
    return arrays
