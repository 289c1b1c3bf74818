"""What the C program of a learning network holds: in which form each connection stands, and what waits where.

A connection is stored in one of three forms:

rows    Dense ones with one delay for all stand side by side in one matrix (neuron, source) of their population: those
        that learn or, where none does, all of them.
lists   Others that learn, sparse or with delays of their own: the synapses of each neuron behind each other.
frozen  All others, as the program of a network that does not learn has them (`compilers.c.plan`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hypr_neuro.compilers.c.learning.field import word
from hypr_neuro.compilers.c.learning.history import SentHistory
from hypr_neuro.compilers.c.learning.limits import input_limit
from hypr_neuro.compilers.c.plan import DelayedWeights, Plan, RingBuffer
from hypr_neuro.compilers.c.weights import has_weights
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.incoming import Entries, Incoming
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.plan import LearningPlan


@dataclass(frozen=True)
class RowPart:
    """A connection in the rows of its population; `first` is its first column."""

    incoming: Incoming
    first: int

    @property
    def sources(self) -> int:
        """Columns of neurons that send, the bias axon left out."""
        return self.incoming.connection.columns - int(self.incoming.connection.bias_axon)

    @property
    def stop(self) -> int:
        """Column behind its last."""
        return self.first + self.incoming.connection.columns


class SynapseList:
    """A connection whose synapses learn and stand in a list.

    Attributes
    ----------
    incoming : Incoming
        The connection.
    name : str
        End of its arrays' names in C.
    entries : Entries
        Its synapses, as they are stored.
    lags : tuple of int
        Steps from sending to arriving, each once.
    width : int
        Columns of what arrives with one lag: the neurons that send and the bias axon.
    starts, columns : ndarray
        Of each neuron its first synapse, (n + 1,), and of each synapse its column in what arrives, lag by lag.
    """

    def __init__(self, incoming: Incoming) -> None:
        self.incoming, self.name, self.entries = incoming, f"c{incoming.place}", incoming.entries()
        entries: Entries = self.entries
        self.lags = tuple(int(lag) for lag in np.unique(entries.lag))
        self.width = incoming.source_size + int(incoming.connection.bias_axon)
        self.columns: Array = np.searchsorted(self.lags, entries.lag) * self.width + entries.pre
        self.starts: Array = np.searchsorted(entries.post, np.arange(incoming.connection.mantissa.shape[0] + 1))

    @property
    def size(self) -> int:
        """Count its synapses."""
        return int(self.columns.size)


@dataclass(frozen=True)
class LayerInputs:
    """The connections to one population, by their form.

    Attributes
    ----------
    rows, lists, frozen
        See the module.
    """

    rows: tuple[RowPart, ...]
    lists: tuple[SynapseList, ...]
    frozen: tuple[DelayedWeights, ...]

    @property
    def width(self) -> int:
        """Columns of the rows."""
        return self.rows[-1].stop if self.rows else 0


class LearningProgram:
    """The program of a `LearningPlan`.

    Attributes
    ----------
    plan : LearningPlan
        What is computed.
    inputs : tuple of LayerInputs
        Of each population.
    rings : list of RingBuffer
        Of the input, then of each population, then of messages: what frozen connections read.
    history : SentHistory
        Where what was sent stands.
    """

    def __init__(self, plan: LearningPlan) -> None:
        self.plan = plan
        rows = [_rows(layer) for layer in plan.layers]
        lists = [tuple(SynapseList(c) for c in layer.incoming if c.learns and c.listed) for layer in plan.layers]
        held = {part.incoming.place for parts in rows for part in parts}
        held |= {each.incoming.place for some in lists for each in some}
        left = {c.place for layer in plan.layers for c in layer.incoming} - held
        self.rings, frozen = _frozen(plan, left)
        self.inputs = tuple(map(LayerInputs, rows, lists, frozen))
        self.history = SentHistory(plan, [list(self._reads(i)) for i in range(len(plan.layers))])

    def _reads(self, i: int) -> Iterator[tuple[str, int]]:
        """Yield (source, lag) of all that a population reads."""
        inputs = self.inputs[i]
        yield from ((part.incoming.source, part.incoming.largest_lag) for part in inputs.rows if part.sources)
        yield from ((each.incoming.source, lag) for each in inputs.lists for lag in each.lags)
        yield from (self.frozen_read(d) for d in inputs.frozen if has_weights(d))

    def frozen_read(self, d: DelayedWeights) -> tuple[str, int]:
        """Return source and lag of a connection that stays as it is."""
        return self.plan.qnet.connections[d.place].source, d.lag

    @cached_property
    def weight_kind(self) -> str:
        """C type of a weight."""
        return word(self.plan.weight_bits)

    @cached_property
    def several_widths(self) -> bool:
        """Whether the connections that learn have weights of different widths."""
        return len({t.weight_bits for t in self.plan.tensors if not t.parameter}) > 1

    @cached_property
    def gradient_kind(self) -> str:
        """C type of a gradient, the same for all populations: updates go over all of them."""
        return word(max(layer.widths.accumulator_bits for layer in self.plan.layers))

    def state_kind(self, i: int) -> str:
        """Return the C type of a state of population i."""
        layer = self.plan.layers[i]
        return word(max(32 if v.overflow == "wrap" else layer.widths.state_bits for v in layer.model.states))

    def sent_kind(self, source: str) -> str:
        """Return the C type of what a source sends."""
        if source == INPUT:
            return "int32_t"
        i = self.plan.clock.populations.index(source)
        return self.state_kind(i) if self.plan.layers[i].model.readout else "int8_t"

    def arriving_kind(self, connections: Iterable[Incoming]) -> str:
        """Return the C type of what arrives over these connections: graded values, or spikes."""
        return "int32_t" if any(c.source == INPUT or c.message is not None for c in connections) else "int8_t"

    @cached_property
    def input_limit(self) -> int:
        """Largest magnitude of an input."""
        return input_limit(self.plan)

    # --- outputs

    @property
    def copies_outputs(self) -> bool:
        """Tell whether the outputs of several populations are brought side by side."""
        return len(self.plan.outputs) > 1

    @cached_property
    def output_kind(self) -> str:
        """C type of the outputs."""
        bits = [int(self.sent_kind(name)[3:-2]) for name in self.plan.qnet.outputs]
        return word(max(bits))

    @property
    def output_name(self) -> str:
        """Array of `hn_learn_run` that holds the outputs."""
        return "output" if self.copies_outputs else f"sent_{self.plan.last}"

    def early(self, i: int) -> int:
        """Count the steps for which an output waits for those that run further behind the input."""
        return self.plan.clock.tail - self.plan.clock.latency(i)

    def first_output(self, i: int) -> int:
        """Place of an output population's first neuron among the outputs."""
        before = self.plan.outputs[: self.plan.outputs.index(i)]
        return sum(self.plan.layers[j].size for j in before)

    # --- signals

    def returning(self, i: int) -> tuple[Incoming, ...]:
        """Return the connections to population i over which signals go back."""
        return tuple(c for c in self.plan.layers[i].incoming if self.plan.returns(c))

    def way(self, place: int) -> tuple[int, Incoming, str]:
        """Return of a connection over which signals go back its target, itself and the end of its names in C."""
        for i in range(len(self.plan.layers)):
            returning = self.returning(i)
            for k, c in enumerate(returning):
                if c.place == place:
                    return i, c, str(i) if len(returning) == 1 else f"{i}_{k}"
        raise LookupError(place)

    def at_once(self, i: int) -> bool:
        """Tell whether the signals of population i are one sum over whole rows of weights."""
        terms = self.plan.layers[i].terms
        if len(terms) != 1 or terms[0].connection is None:
            return False
        above, c, _ = self.way(terms[0].connection)
        held = self.plan.options.feedback == "random" or self.row_part(above, c) is not None
        return held and c.connection.dense and sends(c)

    @property
    def passes(self) -> bool:
        """Whether any population sends something back."""
        return any(self.plan.passes_down(i) for i in range(len(self.plan.layers)))

    def adds_parts(self, i: int) -> bool:
        """Tell whether the signals of population i are added up from parts."""
        return self.plan.active(i) and not self.at_once(i) and not self.plan.layers[i].takes_error_alone

    def shifts_parts(self, i: int) -> bool:
        """Tell whether what goes back over some connection is shifted before it is added."""
        layer, downs = self.plan.layers[i], self.plan.signal_scales.of(i).downs
        return any(down and term.connection is not None for term, down in zip(layer.terms, downs, strict=True))

    def row_part(self, i: int, c: Incoming) -> RowPart | None:
        """Return the part of population i's rows that a connection is, None for another form."""
        return next((part for part in self.inputs[i].rows if part.incoming is c), None)

    def list_of(self, i: int, c: Incoming) -> SynapseList | None:
        """Return the list in which a connection stands, None for another form."""
        return next((each for each in self.inputs[i].lists if each.incoming is c), None)

    @cached_property
    def one_down(self) -> bool:
        """Whether what goes back from a population is used up before the next one learns."""
        active = [i for i in range(len(self.plan.layers)) if self.plan.active(i)]
        next_of = dict(zip(active[1:], active, strict=False))
        names = self.plan.clock.populations
        if any(len(self.returning_currents(i)) > 1 for i in active):
            return False
        return all(names.index(c.source) == next_of[i] for i in active for c in self.returning(i))

    def down(self, i: int, input_current: int) -> str:
        """Name the array of what population i sends back over the connections to one of its input currents."""
        if self.one_down:
            return "down"
        return f"down_{i}_{input_current}" if input_current else f"down_{i}"

    def returning_currents(self, i: int) -> list[int]:
        """Return the input currents of population i over whose connections signals go back."""
        return sorted({c.connection.current for c in self.returning(i)})

    @cached_property
    def queues(self) -> dict[tuple[int, int], str]:
        """Names of the ring buffers in which signals wait, by population and steps."""
        waiting = []
        for i, layer in enumerate(self.plan.layers):
            waits = sorted({term.wait for term in layer.terms}) if self.plan.active(i) else []
            waiting += [(i, wait) for wait in waits if wait]
        if len(waiting) == 1:
            return {waiting[0]: "late"}
        return {(i, wait): f"late_{i}_{wait}" for i, wait in waiting}

    def several_waits(self, i: int) -> bool:
        """Tell whether parts of a population's signal wait for different times, each before it is added."""
        return len({term.wait for term in self.plan.layers[i].terms}) > 1


def sends(c: Incoming) -> bool:
    """Tell whether a connection has synapses beside those of its bias axon."""
    if c.connection.dense:
        return c.connection.columns > int(c.connection.bias_axon)
    return isinstance(c.connection.mantissa, Convolution) or bool(np.any(c.entries().pre < c.source_size))


def _rows(layer: LayerPlan) -> tuple[RowPart, ...]:
    """Put the connections of whole rows side by side."""
    parts: list[RowPart] = []
    for c in layer.incoming:
        if not c.listed and c.learns == layer.learns:
            parts.append(RowPart(c, parts[-1].stop if parts else 0))
    return tuple(parts)


def _frozen(plan: LearningPlan, places: set[int]) -> tuple[list[RingBuffer], Sequence[tuple[DelayedWeights, ...]]]:
    """Return what each source sent as connections that stay read it, and these by population."""
    if not places:
        return [], [()] * len(plan.layers)
    held = Plan(plan.qnet.integer(), places=places)
    rings = [replace(held.rings[0], kind="int32_t", spikes=False), *held.rings[1:]]
    return rings, [tuple(group) for group in held.connections]
