"""Processes of Lava that hang together, sorted into neurons, connections and others."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.lava_read import FromLava, LavaInput
from hypr_neuro.compilers.lava.read_integers import CURRENTS, Weights, kinds, population, weights
from hypr_neuro.compilers.lava.read_ports import PortLink, connected, describe, describe_port, links
from hypr_neuro.compilers.lava.read_processes import ProcessTree
from hypr_neuro.compilers.lava.read_terms import CurrentTerm, axons_forward, synapses_of
from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import Clock
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Synapses
from hypr_neuro.graph.membranes import read_as_membrane
from hypr_neuro.numbers.arrays import Array

HARMLESS = ("Monitor", "Read")
"""Processes that look at variables of others without changing them."""
RULE = "LIF, RF, RF_IZ, Dense, DelayDense, Sparse, DelaySparse of Lava"


class NetworkReader:
    """All processes that hang together, sorted into neurons, connections and others."""

    def __init__(self, process: Any, outside: set[int]) -> None:
        from hypr_neuro.compilers.lava.processes.process import AlwaysOn

        self.outside, self.axon_class = outside, AlwaysOn
        self.neuron_kinds, self.connection_kinds = kinds()
        self.tree = ProcessTree(process, {AlwaysOn, *self.neuron_kinds, *self.connection_kinds}, outside)
        self.processes = self.tree.processes
        self.neurons = [p for p in self.processes if type(p) in self.neuron_kinds and p.id not in outside]
        self.names = _names(self.neurons)
        self.sums: list[CurrentTerm] = []
        self.used: set[int] = set()
        self.described = describe(process)

    def read(self) -> FromLava:
        """Return what was read, and leave every process as it was."""
        try:
            return self._read()
        finally:
            self.tree.close()

    def _read(self) -> FromLava:
        if not self.neurons:
            raise InputError(f"{self.described}: no neurons hang together with it, rule: some of {RULE}")
        self._refuse_writers()
        for process in self.neurons:
            self._read_currents(process)
        self.sums.sort(key=lambda s: s.number)
        inputs = self._inputs()
        order = self._order()
        populations = [population(p, self.neuron_kinds[type(p)], self.names[p.id]) for p in order]
        delay = 0 if any(s.weights is None for s in self.sums) else 1
        channels = max(sum(i.size for i in inputs), 1)
        clock = Clock(tuple(p.name for p in populations), (), delay)
        sizes = {p.name: p.size for p in populations}
        synapses = [
            part
            for s in self.sums
            for part in axons_forward(self._connection(s, inputs, sizes, clock), clock, channels)
        ]
        populations[-1] = read_as_membrane(populations[-1])
        network = IntegerNetwork(channels, tuple(populations), tuple(synapses), delay)
        read = {p.id for p in self.neurons} | self.used | {i.process.id for i in inputs}
        left_out = tuple(describe(p) for p in self.processes if p.id not in read)
        return FromLava(
            network,
            tuple(inputs),
            {self.names[p.id]: tuple(p.s_out.shape) for p in order},
            {self.names[p.id]: p for p in order},
            left_out,
            tuple(self.tree.hierarchies),
        )

    def _connection(self, s: CurrentTerm, inputs: list[LavaInput], sizes: dict[str, int], clock: Clock) -> Synapses:
        """Return a contribution as a connection from neurons, or from the channels of its input."""
        name = describe_port(s.source)
        place = next((i for i in inputs if i.name == name and i.process is s.source.process), None)
        if place is not None:
            return synapses_of(s, INPUT, place.first, sum(i.size for i in inputs), clock)
        source = self.names[s.source.process.id]
        return synapses_of(s, source, 0, sizes[source], clock)

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
                CurrentTerm(
                    self.tree.rank(sender), link.source, target, current, None, link.order, np.arange(link.order.size)
                )
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
            self.sums.append(
                CurrentTerm(self.tree.rank(sender), source, target, current, delivered, link.order, columns, bias)
            )

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
            reached = any(end in known or self.tree.consists_of_others(end) for end in ends)
            if reached and type(process).__name__ not in HARMLESS:
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
        for port in sorted(ports.values(), key=lambda p: (self.tree.rank(p.process), p.name)):
            first = inputs[-1].first + inputs[-1].size if inputs else 0
            inputs.append(LavaInput(describe_port(port), first, tuple(port.shape), port.process))
        return inputs

    def _order(self) -> list[Any]:
        """Return the neurons as they were made, but those first that others have to come after.

        They send to the others in the same step, or have weights that are shifted together with a bias axon's, which an
        IntegerNetwork has forward only.
        """
        place = {self.names[p.id]: i for i, p in enumerate(self.neurons)}
        before: dict[int, set[int]] = {i: set() for i in place.values()}
        for s in self.sums:
            same_step = s.weights is None or (s.always_on is not None and s.weights.exponent < 0)
            if same_step and s.source.process.id in self.names:
                before[place[s.target]].add(place[self.names[s.source.process.id]])
        ready = [i for i, sources in before.items() if not sources]
        heapq.heapify(ready)
        order: list[int] = []
        while ready:
            order.append(heapq.heappop(ready))
            for i, sources in before.items():
                if order[-1] in sources:
                    sources.remove(order[-1])
                    if not sources:
                        heapq.heappush(ready, i)
        if len(order) < len(before):
            stuck = ", ".join(name for name, i in place.items() if i not in order)
            raise InputError(
                f"processes {stuck}: wait for each other in the same step, rule: a loop has weights in "
                "it, and a line that is always on beside them needs an exponent of 0 or more"
            )
        return [self.neurons[i] for i in order]


def _names(neurons: list[Any]) -> dict[int, str]:
    """Return a name for each process, that of Lava where that is possible."""
    names: dict[int, str] = {}
    for process in neurons:
        name, taken = str(process.name), {INPUT, *names.values()}
        if name in taken or any(name.startswith(f"{t}/") or t.startswith(f"{name}/") for t in taken):
            name = f"{name.replace('/', '.')}.{process.id}"
        names[process.id] = name
    return names
