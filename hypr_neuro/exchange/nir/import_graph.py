"""A NIR graph of another program as a Network: neuron nodes as populations, linear nodes composed into weights.

Populations are put in the order of a depth-first walk from the input, in which every connection leads forward except
those that close a loop. These take `recurrent_delay` steps, all others none, Delay nodes on top. Several Inputs are one
input, side by side, and several Outputs one output, in the order of their names. An Output that shows other than the
outputs of one population becomes a readout without memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import nir
import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.expressions import NodeInputs, WeightedSum
from hypr_neuro.exchange.nir.flatten import INTEGRATORS, LINEAR, SPIKING, Flat, Place, flatten
from hypr_neuro.exchange.nir.imported import Imported
from hypr_neuro.exchange.nir.neurons_in import ConvertedNeurons, convert_neurons, memoryless
from hypr_neuro.exchange.nir.nodes import naming, on_one_line
from hypr_neuro.exchange.nir.options import Choice, GraphChoices
from hypr_neuro.exchange.nir.order import population_order
from hypr_neuro.exchange.nir.shapes import Shapes, find_shapes
from hypr_neuro.exchange.nir.summary import ImportSummary, count_kinds
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model

DENSE_FROM = 0.25
"""Share of weights that are not 0 from which a connection is stored dense."""
START = Choice("start", "v at v_reset (LI, CubaLI, I: at 0), synaptic currents at 0", "fixed")


@dataclass
class _Part:
    """One population in the making; `expression` is what reaches current 0, in the units of its weights."""

    place: Place
    population: FloatPopulation
    expression: WeightedSum


def import_foreign(graph: nir.NIRGraph, arguments: dict[str, Any], source: str) -> Imported:
    """Return the graph of another program; raise InputError, naming node or edge, rule and remedy."""
    flat = flatten(graph)
    _check_ends(flat)
    shapes, choices = find_shapes(flat), GraphChoices(flat, arguments)
    inputs, sources = _input_sources(flat, shapes)
    with np.errstate(all="ignore"):  # what overflows is refused by what it becomes part of
        node_inputs = NodeInputs(flat, shapes, sources, choices.dt)
        parts, remarks = _parts(flat, shapes, node_inputs, choices)
        outputs = _outputs(flat, node_inputs, parts)
    heard = {name: sorted({source for source, _ in part.expression.terms}) for name, part in parts.items()}
    order, closing = population_order(heard)
    synapses = _synapses(parts, order, closing, choices)
    dt = choices.dt(None)
    shape = shapes.outputs[flat.of_kind("Input")[0].name] if len(flat.of_kind("Input")) == 1 else (inputs,)
    summary = ImportSummary(
        source,
        count_kinds(flat),
        len(flat.edges),
        (*choices.choices, *choices.without_effect(), START),
        tuple(map(on_one_line, _became(flat, parts, order, outputs, closing, synapses))),
        (*node_inputs.notes, *remarks),
        (*shapes.warnings, *_idle(flat, parts, outputs)),
    )
    populations = tuple(parts[name].population for name in order)
    graph_read = Network(inputs, populations, tuple(synapses), dt, tuple(outputs), shape, {"nir": summary.plain()})
    return Imported(graph_read, summary, {name: parts[name].place for name in order})


def _check_ends(flat: Flat) -> None:
    """Raise InputError unless every Input and linear node leads on, and every Output and linear node hears a node.

    There is at least one Input and one Output; a single Input may lead nowhere.
    """
    for what in ("Input", "Output"):
        if not flat.of_kind(what):
            raise InputError(f"0 nodes of type {what}, rule: at least one; add it")
    predecessors, successors = flat.predecessors(), flat.successors()
    for name, place in flat.places.items():
        if (place.kind in LINEAR or place.kind == "Output") and not predecessors[name]:
            raise InputError(f"{place.label} hears no node, rule: at least one; connect or remove it")
        several = place.kind == "Input" and len(flat.of_kind("Input")) > 1
        if (place.kind in LINEAR or several) and not successors[name]:
            raise InputError(f"{place.label} leads to no node, rule: at least one; connect or remove it")


def _input_sources(flat: Flat, shapes: Shapes) -> tuple[int, dict[str, WeightedSum]]:
    """Return the channels of the input, and what leaves each Input and each neuron."""
    places = flat.of_kind("Input")
    sizes = [prod(shapes.outputs[p.name]) for p in places]
    starts = np.cumsum([0, *sizes])
    sources = {
        p.name: WeightedSum.of(INPUT, n, int(first), sum(sizes))
        for p, n, first in zip(places, sizes, starts[:-1], strict=True)
    }
    for place in flat.places.values():
        if place.kind in SPIKING | INTEGRATORS:
            sources[place.name] = WeightedSum.of(place.name, prod(shapes.outputs[place.name]))
    return sum(sizes), sources


def _parts(
    flat: Flat, shapes: Shapes, node_inputs: NodeInputs, choices: GraphChoices
) -> tuple[dict[str, _Part], list[str]]:
    """Return populations by name, in the order of names, and remarks on how their parameters were read."""
    parts, remarks = {}, []
    for name in sorted(flat.places):
        place = flat.places[name]
        if place.kind not in SPIKING | INTEGRATORS:
            continue
        neurons = convert_neurons(place, shapes.outputs[name], choices)
        remarks += [f"{place.label}: {note}" for note in neurons.notes]
        expression = node_inputs.count_weights(place, node_inputs.sum_into(name).scaled(neurons.gain))
        if neurons.delay:
            with naming(place.label):
                expression = expression.delayed(np.full(len(neurons.gain), neurons.delay))
        parts[name] = _part(place, neurons, expression.with_bias(neurons.current), shapes.outputs[name])
    return parts, remarks


def _part(place: Place, neurons: ConvertedNeurons, expression: WeightedSum, shape: tuple[int, ...]) -> _Part:
    """Return the population that a node becomes."""
    if place.name == INPUT:
        raise InputError(f"{place.label}: the name of the input here; rename it")
    with naming(place.label):
        return _Part(
            place,
            FloatPopulation(place.name, get_model(neurons.model), neurons.params, expression.biases, shape),
            expression,
        )


def _outputs(flat: Flat, node_inputs: NodeInputs, parts: dict[str, _Part]) -> list[str]:
    """Return the populations that the Outputs show; readouts are added to `parts` where there is none."""
    names = []
    for place in flat.of_kind("Output"):
        expression = node_inputs.sum_into(place.name)
        name = expression.only_source()
        if name is None or name == INPUT:
            n, shape = prod(node_inputs.shapes.inputs[place.name]), node_inputs.shapes.inputs[place.name]
            readout = ConvertedNeurons("li", memoryless(n), np.ones(n), None, 0, [])
            parts[place.name], name = _part(place, readout, expression, shape), place.name
        names.append(name)
    return names


def _synapses(
    parts: dict[str, _Part], order: list[str], closing: set[tuple[str, str]], choices: GraphChoices
) -> list[FloatSynapses]:
    """Return connections in the order of their targets, then of their sources; those that close a loop take longer."""
    synapses, position = [], {INPUT: -1, **{name: i for i, name in enumerate(order)}}
    loop_delay = choices.recurrent_delay() - 1 if closing else 0
    for target in order:
        terms = parts[target].expression.terms
        for source, delay in sorted(terms, key=lambda key: (position[key[0]], key[1])):
            matrix: Any = terms[source, delay]
            steps = delay + (loop_delay if (source, target) in closing else 0)
            if steps < 0:
                raise InputError(
                    f"connection {source} -> {target} closes a loop without a Delay, recurrent_delay = 0, "
                    "rule: at least one step; pass 1"
                )
            few = isinstance(matrix, Convolution) or matrix.nnz < DENSE_FROM * prod(matrix.shape)
            weights = matrix if few else matrix.toarray()
            synapses.append(FloatSynapses(source, target, weights, steps))
    return synapses


def _idle(flat: Flat, parts: dict[str, _Part], outputs: list[str]) -> list[str]:
    """Return remarks on inputs and neurons that are not connected as one would expect."""
    successors, predecessors = flat.successors(), flat.predecessors()
    heard = {s for part in parts.values() for s, _ in part.expression.terms} | set(outputs)
    remarks = [f"{place.label} leads to no node" for place in flat.of_kind("Input") if not successors[place.name]]
    for name, part in parts.items():
        if not predecessors[name]:
            remarks.append(f"{part.place.label} hears no node, it runs on its own parameters")
        if name not in heard:
            remarks.append(f"{part.place.label}: nothing reads its output, it is computed all the same")
    return remarks


def _became(
    flat: Flat,
    parts: dict[str, _Part],
    order: list[str],
    outputs: list[str],
    closing: set[tuple[str, str]],
    synapses: list[FloatSynapses],
) -> list[str]:
    """Return what became what, one line each."""
    lines = []
    inputs, ends = flat.of_kind("Input"), flat.of_kind("Output")
    if len(inputs) > 1:
        lines.append(f"input: {', '.join(p.label for p in inputs)}, side by side in this order")
    for name in order:
        part = parts[name]
        hears = [f"{c.source}" + (f" {c.delay} later" if c.delay else "") for c in synapses if c.target == name]
        currents = ", a constant current" if part.population.biases else ""
        lines.append(
            f"{part.place.label} became {part.population.size} {part.population.model.name} of shape "
            f"{list(part.population.shape)}, from {', '.join(hears) or 'nothing'}{currents}"
        )
    lines += [f"connection {a} -> {b} closes a loop" for a, b in sorted(closing)]
    names = ", ".join(f"{p.label} shows '{name}'" for p, name in zip(ends, outputs, strict=True))
    return [*lines, f"output: {names}" + (", side by side in this order" if len(ends) > 1 else "")]
