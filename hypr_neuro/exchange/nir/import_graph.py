"""A NIR graph of another program as a FloatGraph: neuron nodes as populations, linear nodes composed into weights.

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
from hypr_neuro.exchange.nir.expressions import Arriving, Expression
from hypr_neuro.exchange.nir.flatten import INTEGRATORS, LINEAR, SPIKING, Flat, Place, flatten
from hypr_neuro.exchange.nir.imported import Imported
from hypr_neuro.exchange.nir.neurons_in import Neurons, memoryless, neurons_of
from hypr_neuro.exchange.nir.nodes import naming, on_one_line
from hypr_neuro.exchange.nir.options import Choice, Options
from hypr_neuro.exchange.nir.order import walk
from hypr_neuro.exchange.nir.shapes import Shapes, find_shapes
from hypr_neuro.exchange.nir.summary import ImportSummary, count_kinds
from hypr_neuro.graph.float_graph import FloatGraph, FloatPopulation, FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.neurons import get_model

DENSE_FROM = 0.25
"""Share of weights that are not 0 from which a connection is stored dense."""
START = Choice("start", "v at v_reset (LI, CubaLI, I: at 0), synaptic currents at 0", "fixed")


@dataclass
class _Part:
    """One population in the making. arriving : what reaches current 0, in the units of its weights"""

    place: Place
    population: FloatPopulation
    arriving: Expression


def import_foreign(graph: nir.NIRGraph, arguments: dict[str, Any], source: str) -> Imported:
    """The graph of another program; raises InputError, naming node or edge, rule and remedy."""
    flat = flatten(graph)
    _check_ends(flat)
    shapes, options = find_shapes(flat), Options(flat, arguments)
    inputs, sources = _input_sources(flat, shapes)
    with np.errstate(all="ignore"):  # what overflows is refused by what it becomes part of
        arriving = Arriving(flat, shapes, sources, options.dt)
        parts, remarks = _parts(flat, shapes, arriving, options)
        outputs = _outputs(flat, arriving, parts)
    order, closing = walk({name: sorted({s for s, _ in part.arriving.terms}) for name, part in parts.items()})
    synapses = _synapses(parts, order, closing, options)
    dt = options.dt(None)
    shape = shapes.leaving[flat.of_kind("Input")[0].name] if len(flat.of_kind("Input")) == 1 else (inputs,)
    summary = ImportSummary(
        source,
        count_kinds(flat),
        len(flat.edges),
        (*options.choices, *options.without_effect(), START),
        tuple(map(on_one_line, _became(flat, parts, order, outputs, closing, synapses))),
        (*arriving.notes, *remarks),
        (*shapes.warnings, *_idle(flat, parts, outputs)),
    )
    populations = tuple(parts[name].population for name in order)
    made = FloatGraph(inputs, populations, tuple(synapses), dt, tuple(outputs), shape, {"nir": summary.plain()})
    return Imported(made, summary, {name: parts[name].place for name in order})


def _check_ends(flat: Flat) -> None:
    """There are Inputs and Outputs; linear nodes and Outputs hear a node, linear nodes and each of several Inputs lead
    to one."""
    for what in ("Input", "Output"):
        if not flat.of_kind(what):
            raise InputError(f"0 nodes of type {what}, rule: at least one; add it")
    before, after = flat.before(), flat.after()
    for name, place in flat.places.items():
        if (place.kind in LINEAR or place.kind == "Output") and not before[name]:
            raise InputError(f"{place.label} hears no node, rule: at least one; connect or remove it")
        several = place.kind == "Input" and len(flat.of_kind("Input")) > 1
        if (place.kind in LINEAR or several) and not after[name]:
            raise InputError(f"{place.label} leads to no node, rule: at least one; connect or remove it")


def _input_sources(flat: Flat, shapes: Shapes) -> tuple[int, dict[str, Expression]]:
    """Channels of the input, and what leaves each Input and each neuron."""
    places = flat.of_kind("Input")
    sizes = [prod(shapes.leaving[p.name]) for p in places]
    starts = np.cumsum([0, *sizes])
    sources = {
        p.name: Expression.of(INPUT, n, int(first), sum(sizes))
        for p, n, first in zip(places, sizes, starts[:-1], strict=True)
    }
    for place in flat.places.values():
        if place.kind in SPIKING | INTEGRATORS:
            sources[place.name] = Expression.of(place.name, prod(shapes.leaving[place.name]))
    return sum(sizes), sources


def _parts(flat: Flat, shapes: Shapes, arriving: Arriving, options: Options) -> tuple[dict[str, _Part], list[str]]:
    """Populations by name, in the order of names, and remarks on how their parameters were read."""
    parts, remarks = {}, []
    for name in sorted(flat.places):
        place = flat.places[name]
        if place.kind not in SPIKING | INTEGRATORS:
            continue
        made = neurons_of(place, shapes.leaving[name], options)
        remarks += [f"{place.label}: {note}" for note in made.notes]
        found = arriving.held(place, arriving.at(name).scaled(made.gain))
        if made.late:
            with naming(place.label):
                found = found.later(np.full(len(made.gain), made.late))
        parts[name] = _part(place, made, found.with_bias(made.current), shapes.leaving[name])
    return parts, remarks


def _part(place: Place, made: Neurons, arriving: Expression, shape: tuple[int, ...]) -> _Part:
    if place.name == INPUT:
        raise InputError(f"{place.label}: the name of the input here; rename it")
    with naming(place.label):
        return _Part(
            place, FloatPopulation(place.name, get_model(made.model), made.params, arriving.biases, shape), arriving
        )


def _outputs(flat: Flat, arriving: Arriving, parts: dict[str, _Part]) -> list[str]:
    """Populations that the Outputs show; readouts are added to `parts` where there is none."""
    found = []
    for place in flat.of_kind("Output"):
        shown = arriving.at(place.name)
        name = shown.only_source()
        if name is None or name == INPUT:
            n, shape = prod(arriving.shapes.arriving[place.name]), arriving.shapes.arriving[place.name]
            made = Neurons("li", memoryless(n), np.ones(n), None, 0, [])
            parts[place.name], name = _part(place, made, shown, shape), place.name
        found.append(name)
    return found


def _synapses(
    parts: dict[str, _Part], order: list[str], closing: set[tuple[str, str]], options: Options
) -> list[FloatSynapses]:
    """Connections in the order of their targets, then of their sources; those that close a loop take longer."""
    found, place_in = [], {INPUT: -1, **{name: i for i, name in enumerate(order)}}
    extra = options.recurrent_delay() - 1 if closing else 0
    for target in order:
        terms = parts[target].arriving.terms
        for source, delay in sorted(terms, key=lambda key: (place_in[key[0]], key[1])):
            matrix: Any = terms[source, delay]
            late = delay + (extra if (source, target) in closing else 0)
            if late < 0:
                raise InputError(
                    f"connection {source} -> {target} closes a loop without a Delay, recurrent_delay = 0, "
                    "rule: at least one step; pass 1"
                )
            weights = matrix.toarray() if matrix.nnz >= DENSE_FROM * prod(matrix.shape) else matrix
            found.append(FloatSynapses(source, target, weights, late))
    return found


def _idle(flat: Flat, parts: dict[str, _Part], outputs: list[str]) -> list[str]:
    """Inputs and neurons that are not connected as one would expect."""
    after, before = flat.after(), flat.before()
    heard = {s for part in parts.values() for s, _ in part.arriving.terms} | set(outputs)
    text = [f"{place.label} leads to no node" for place in flat.of_kind("Input") if not after[place.name]]
    for name, part in parts.items():
        if not before[name]:
            text.append(f"{part.place.label} hears no node, it runs on its own parameters")
        if name not in heard:
            text.append(f"{part.place.label}: nothing reads its output, it is computed all the same")
    return text


def _became(
    flat: Flat,
    parts: dict[str, _Part],
    order: list[str],
    outputs: list[str],
    closing: set[tuple[str, str]],
    synapses: list[FloatSynapses],
) -> list[str]:
    """What became what, one line each."""
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
