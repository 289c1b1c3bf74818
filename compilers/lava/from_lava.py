"""Read a network of Lava processes into a network of integers with the same spikes and states.

Time. A connection process sends in step t + 1 what arrived in step t (delay k: t + 1 + k), a neuron process sends in
the step in which it receives. Where a port of neurons is fed by other neurons or by the input without a connection
process between them, spikes arrive in the same step; the network then has connection_delay 0, and the connections'
own step becomes a delay of 1 where they lead forward.

Input. What feeds the network from outside is its input: ports of processes that receive nothing themselves (ring
buffers, say), and ports to which nothing is connected. Several are concatenated, in the order in which their processes
were made. Processes that only receive (ring buffers again, monitors) are left out.

Whatever else stands in the network is refused by class and name: learning connections, convolutions, neurons that
exist in floating point only. The integers are those of Lava's fixed-point models (`read_integers`), which Lava chooses
with ``Loihi2SimCfg(select_tag="fixed_pt")``. They agree as long as Lava's own sums stay inside 32 bits.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hypr_neuro.compilers.lava.read_integers import CURRENTS, Weights, kinds, population, weights
from hypr_neuro.compilers.lava.read_ports import PortLink, connected, describe, describe_port, links, network_of
from hypr_neuro.compilers.lava.rules import require_lava
from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import Clock
from hypr_neuro.graph.integer import INPUT, LARGEST_DELAY, IntegerNetwork, Population, Synapses
from hypr_neuro.numbers.arrays import Array

HARMLESS = ("Monitor", "Read", "LifRecorder")
"""Processes that look at variables of others without changing them."""
RULE = "LIF, RF, RF_IZ, Dense, DelayDense, Sparse, DelaySparse of Lava"


@dataclass(frozen=True)
class LavaInput:
    """A port from which the network takes input: `process.port`, its channels first, first + 1, …, its shape."""

    name: str
    first: int
    shape: tuple[int, ...]
    process: Any = field(repr=False)

    @property
    def size(self) -> int:
        """Channels."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class FromLava:
    """A network of Lava processes that was read.

    Attributes
    ----------
    network
        The integers.
    inputs
        Where its input comes from.
    shapes
        Of every population in Lava.
    processes
        The process of each population.
    left_out
        Other processes, that only receive or stand behind what is `outside`, in words.
    """

    network: IntegerNetwork
    inputs: tuple[LavaInput, ...]
    shapes: dict[str, tuple[int, ...]]
    processes: dict[str, Any] = field(repr=False)
    left_out: tuple[str, ...]

    tail = 0
    """Steps without input at the end of a run, see `hypr_neuro.graph.integer.as_integer`."""

    def integer(self) -> IntegerNetwork:
        """Return the network, so that `simulate` takes what was read as it is."""
        return self.network

    def input(self, arrays: Mapping[str, ArrayLike] | None = None) -> Array:
        """Return the input (T, channel) from arrays (T, …) in the shapes of `inputs`, one for each of their names.

        Without arrays: what ring buffers hold, once. Raise InputError where an input is none, or lengths differ.
        """
        by_name = (
            {i.name: _buffered(i) for i in self.inputs}
            if arrays is None
            else {k: np.asarray(a) for k, a in arrays.items()}
        )
        names = [i.name for i in self.inputs]
        if not names or set(by_name) != set(names):
            raise InputError(
                f"arrays for {', '.join(by_name) or 'nothing'}, rule: {', '.join(names) or 'no input at all'}"
            )
        steps = {len(array) for array in by_name.values()}
        for i in self.inputs:
            if by_name[i.name].shape[1:] != i.shape or len(steps) != 1:
                rule = ", ".join(map(str, ("T", *i.shape)))
                raise InputError(f"input '{i.name}' of shape {by_name[i.name].shape}, rule: ({rule}), one T for all")
        return np.concatenate([by_name[name].reshape(*steps, -1) for name in names], axis=1)

    def lines(self) -> list[str]:
        """Tell what was read, a line for each part."""
        network = self.network
        text = [
            f"{len(network.populations)} populations, {len(network.synapses)} connections, {network.inputs} input "
            f"channels, connection_delay {network.connection_delay}"
        ]
        text += [
            f"input channels {i.first}..{i.first + i.size - 1}: {i.name}, {describe(i.process)}" for i in self.inputs
        ]
        text += [
            f"{p.name}: {p.model.name}, {p.size} neurons, {describe(self.processes[p.name])}"
            for p in network.populations
        ]
        return text + [f"no part of the network: {other}" for other in self.left_out]


def from_lava(process: Any, *, outside: Iterable[Any] = ()) -> FromLava:
    """Read the integer network of which `process` is a part.

    Parameters
    ----------
    process
        Any process of a Lava network that has been built and not yet run.
    outside
        Processes that are taken as input, whatever feeds them, such as encoders of a user's own.

    Raises
    ------
    InputError
        Naming process and class, for what is not supported.
    MissingPackageError
        Without Lava.
    """
    require_lava()
    if not hasattr(process, "in_ports") or not hasattr(process, "out_ports"):
        raise InputError(
            f"from_lava takes a Lava process, not a {type(process).__name__}; give any process of the network"
        )
    return _Reader(process, {p.id for p in outside}).read()


@dataclass
class _Sum:
    """One contribution to a current: who sends, and weights (None: as it comes, in the same step).

    Attributes
    ----------
    number
        That of the connection's process, or of the sender's, in the order in which they were made.
    rows, columns
        Of the weights, in the order of the populations' neurons.
    always_on
        The weights of a bias axon, as `rows`.
    """

    number: int
    source: Any
    target: str
    current: int
    weights: Weights | None
    rows: Array
    columns: Array
    always_on: Array | None = None


class _Reader:
    """All processes that hang together, sorted into neurons, connections and others."""

    def __init__(self, process: Any, outside: set[int]) -> None:
        from hypr_neuro.compilers.lava.processes.process import AlwaysOn

        self.processes, self.outside, self.axon_class = network_of(process), outside, AlwaysOn
        self.neuron_kinds, self.connection_kinds = kinds()
        self.neurons = [p for p in self.processes if type(p) in self.neuron_kinds and p.id not in outside]
        if not self.neurons:
            raise InputError(f"{describe(process)}: no neurons hang together with it, rule: some of {RULE}")
        self.names = _names(self.neurons)
        self.sums: list[_Sum] = []
        self.used: set[int] = set()

    def read(self) -> FromLava:
        self._refuse_writers()
        for process in self.neurons:
            self._read_currents(process)
        self.sums.sort(key=lambda s: s.number)
        inputs = self._inputs()
        order = self._order()
        populations = [population(p, self.neuron_kinds[type(p)], self.names[p.id]) for p in order]
        delay = 0 if any(s.weights is None for s in self.sums) else 1
        channels = sum(i.size for i in inputs)
        rank = {self.names[p.id]: i for i, p in enumerate(order)}
        clock = Clock(tuple(rank), (), delay)
        synapses = [self._synapses(s, inputs, channels, rank, populations, clock) for s in self.sums]
        synapses = [part for c in synapses for part in _axons_forward(c, clock, max(channels, 1))]
        network = IntegerNetwork(max(channels, 1), tuple(populations), tuple(synapses), delay)
        read = {p.id for p in self.neurons} | self.used | {i.process.id for i in inputs}
        left_out = tuple(describe(p) for p in self.processes if p.id not in read)
        return FromLava(
            network,
            tuple(inputs),
            {self.names[p.id]: tuple(p.s_out.shape) for p in order},
            {self.names[p.id]: p for p in order},
            left_out,
        )

    def _read_currents(self, process: Any) -> None:
        target = self.names[process.id]
        for current, name in enumerate(CURRENTS[self.neuron_kinds[type(process)]]):
            port = getattr(process, name)
            for link in links(port):
                if link.source is not port:
                    self._read_link(link, target, current)

    def _read_link(self, link: PortLink, target: str, current: int) -> None:
        sender = link.source.process
        if type(sender) not in self.connection_kinds or sender.id in self.outside:
            self._check_sender(link.source)
            self.sums.append(
                _Sum(sender.id, link.source, target, current, None, link.order, np.arange(link.order.size))
            )
            return
        self.used.add(sender.id)
        delivered = weights(sender)
        arriving = [each for source in links(sender.s_in) for each in self._senders(source, delivered)]
        if len(arriving) > 1 and (delivered.exponent < 0 or delivered.message_bits == 0):
            raise InputError(
                f"{describe(sender)}: {len(arriving)} ports send to it, rule: one, because it sums them "
                "before it tests for a spike or shifts; give each a connection of its own"
            )
        for source, columns, bias in arriving:
            self._check_sender(source)
            self.sums.append(_Sum(sender.id, source, target, current, delivered, link.order, columns, bias))

    def _senders(self, link: PortLink, delivered: Weights) -> Iterator[tuple[Any, Array, Array | None]]:
        """Yield ports that send to a connection, columns of its weights for each, weights of a bias axon."""
        place, process = np.argsort(link.order), link.source.process
        if type(process) is not self.axon_class:
            yield link.source, place, None
            return
        self.used.add(process.id)
        dense = delivered.weights if isinstance(delivered.weights, np.ndarray) else delivered.weights.toarray()
        for i, before in enumerate(links(process.s_in)):
            yield before.source, place[:-1][np.argsort(before.order)], dense[:, place[-1]] if i == 0 else None

    def _check_sender(self, port: Any) -> None:
        """Raise InputError unless the port belongs to neurons or to something at the edge of the network."""
        sender = port.process
        if sender.id in self.names or sender.id in self.outside or type(port).__name__ == "InPort":
            return
        if type(sender) in self.connection_kinds or type(sender) is self.axon_class:
            raise InputError(f"{describe(sender)}: sends to another connection, rule: to neurons; put some between")
        if any(connected(p) for p in sender.in_ports.members):
            raise InputError(
                f"{describe(sender)} receives and sends, rule inside the network: {RULE}; take what it "
                "sends as input with outside=[…]"
            )

    def _refuse_writers(self) -> None:
        """Raise InputError for processes that change variables of the network while it runs, as resets do."""
        known = {p.id for p in self.processes if type(p) in (self.neuron_kinds | self.connection_kinds)}
        for process in self.processes:
            ends = [end.process.id for port in process.ref_ports.members for end in port.get_dst_ports()]
            if known & set(ends) and type(process).__name__ not in HARMLESS:
                raise InputError(
                    f"{describe(process)}: reaches into variables of the network, rule: only "
                    f"{', '.join(HARMLESS)} do; remove it"
                )

    def _inputs(self) -> list[LavaInput]:
        ports = {
            id(s.source): s.source
            for s in self.sums
            if s.source.process.id not in self.names or type(s.source).__name__ == "InPort"
        }
        inputs: list[LavaInput] = []
        for port in sorted(ports.values(), key=lambda p: (p.process.id, p.name)):
            first = inputs[-1].first + inputs[-1].size if inputs else 0
            inputs.append(LavaInput(describe_port(port), first, tuple(port.shape), port.process))
        return inputs

    def _order(self) -> list[Any]:
        """Return the neurons as they were made, but those first that others have to come after.

        They send to the others in the same step, or have weights that are shifted together with a bias axon's, which an
        IntegerNetwork has forward only.
        """
        number = {name: id_ for id_, name in self.names.items()}
        before: dict[int, set[int]] = {p.id: set() for p in self.neurons}
        for s in self.sums:
            same_step = s.weights is None or (s.always_on is not None and s.weights.exponent < 0)
            if same_step and s.source.process.id in self.names:
                before[number[s.target]].add(s.source.process.id)
        ready = [id_ for id_, sources in before.items() if not sources]
        heapq.heapify(ready)
        order: list[int] = []
        while ready:
            order.append(heapq.heappop(ready))
            for id_, sources in before.items():
                if order[-1] in sources:
                    sources.remove(order[-1])
                    if not sources:
                        heapq.heappush(ready, id_)
        if len(order) < len(before):
            stuck = ", ".join(self.names[id_] for id_ in before if id_ not in order)
            raise InputError(
                f"processes {stuck}: wait for each other in the same step, rule: a loop has weights in "
                "it, and a line that is always on beside them needs an exponent of 0 or more"
            )
        by_id = {p.id: p for p in self.neurons}
        return [by_id[id_] for id_ in order]

    def _synapses(
        self,
        s: _Sum,
        inputs: list[LavaInput],
        channels: int,
        rank: dict[str, int],
        populations: list[Population],
        clock: Clock,
    ) -> Synapses:
        name = describe_port(s.source)
        place = next((i for i in inputs if i.name == name and i.process is s.source.process), None)
        source = INPUT if place is not None else self.names[s.source.process.id]
        first, pre = (place.first, channels) if place is not None else (0, populations[rank[source]].size)
        if s.weights is None:
            columns = s.rows + first
            matrix = _csr(np.ones(columns.size, np.int64), np.arange(columns.size), columns, (columns.size, pre))
            return Synapses(source, s.target, matrix, current=s.current)
        # each of Lava's connections takes a step
        extra = 1 - clock.lag(source, s.target)
        delays = s.weights.delays
        if isinstance(delays, int):
            delays += extra
        else:
            delays = _placed(delays, s, first, pre, extra)
        if extra and _largest(delays) > LARGEST_DELAY:
            raise InputError(
                f"connection {source} -> {s.target}: delay {_largest(delays) - 1} beside neurons that "
                f"receive in the same step, rule: at most {LARGEST_DELAY - 1}; shorten it"
            )
        bias = None if s.always_on is None else s.always_on[s.rows]
        matrix = _placed(s.weights.weights, s, first, pre, 0)
        return Synapses(source, s.target, matrix, s.weights.exponent, delays, bias, s.current, s.weights.message_bits)


def _axons_forward(c: Synapses, clock: Clock, channels: int) -> list[Synapses]:
    """Return the connection; where it leads backward its bias axon comes from the input, by itself."""
    if c.always_on is None or clock.forward(c.source, c.target):
        return [c]
    nothing = np.zeros((c.shape[0], channels), np.int64)
    return [replace(c, always_on=None), replace(c, source=INPUT, weights=nothing, message_bits=None)]


def _placed(matrix: Any, s: _Sum, first: int, pre: int, extra: int) -> Any:
    """Put rows and columns in the order of the populations, columns of the input at their channels; add `extra`."""
    if isinstance(matrix, np.ndarray):
        values = matrix[s.rows][:, s.columns] + extra
        if values.shape[1] == pre:
            return values
        padded = np.zeros((values.shape[0], pre), np.int64)
        padded[:, first : first + values.shape[1]] = values
        return padded
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    row_of, column_of = np.argsort(s.rows), np.full(matrix.shape[1], -1)
    column_of[s.columns] = np.arange(s.columns.size) + first
    used = column_of[matrix.indices] >= 0
    return _csr(matrix.data[used] + extra, row_of[rows[used]], column_of[matrix.indices[used]], (s.rows.size, pre))


def _csr(data: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_array

    # one entry a place, so that nothing is summed and stored zeros stay
    order = np.lexsort((columns, rows))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return csr_array((data[order], columns[order], starts), shape=shape)


def _largest(delays: Any) -> int:
    if isinstance(delays, int):
        return delays
    values = delays if isinstance(delays, np.ndarray) else delays.data
    return int(values.max()) if values.size else 0


def _names(neurons: list[Any]) -> dict[int, str]:
    """Return a name for each process, that of Lava where that is possible."""
    names: dict[int, str] = {}
    for process in neurons:
        name, taken = str(process.name), {INPUT, *names.values()}
        if name in taken or any(name.startswith(f"{t}/") or t.startswith(f"{name}/") for t in taken):
            name = f"{name.replace('/', '.')}.{process.id}"
        names[process.id] = name
    return names


def _buffered(given: LavaInput) -> Array:
    """Return what a ring buffer sends, steps first."""
    if type(given.process).__name__ != "RingBuffer":
        raise InputError(
            f"input '{given.name}': {describe(given.process)} holds no data, rule: a ring buffer; give arrays"
        )
    return np.moveaxis(np.asarray(given.process.data.init), -1, 0).astype(np.int64)
