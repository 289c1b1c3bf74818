"""Placements counted anew from the profile's rules, in whole arrays: none of `hypr_neuro.placement` is asked.

The rules are those of docs/placement.md and docs/learning_memory.md, written down a second time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.place import CoreUse
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection

KEYS = ("neurons", "in_axons", "out_axons", "synaptic_memory")
STATES = {"lif": 2, "li": 1}
JACOBIAN = {"lif": 6, "li": 3}
"""Entries that are not always 0: of A 3 and 1, of B 2 and 1, of C 1 and 1."""
PASSES_ON = {"lif": 2, "li": 2}
"""Entries of B and C that gains are made of, where only signals pass."""
ONE_AXON, ONE_SOURCE = 1 << 40, 1 << 32
"""Numbers by which groups and sources are told apart in one integer."""


@dataclass
class Listed:
    """Synapses of one connection one by one; `shared` where a core keeps a kernel, `half` where an axon rounds."""

    connection: QuantizedConnection
    name: str
    row: Array
    column: Array
    bias: int
    bits: int
    channel: Array | None
    half: bool

    @property
    def key(self) -> Array:
        """The axon of each: -1 for the bias axon."""
        return np.where(self.column == self.bias, -1, self.column)


def listed(qnet: QuantizedNetwork, chip: Profile) -> list[Listed]:
    """Read all synapses off the matrices."""
    found = []
    shares = chip.core.shared_weights is not None and chip.core.shared_weights.value
    for c, name in zip(qnet.connections, qnet.connection_names(), strict=True):
        matrix: Any = c.mantissa
        channel = None
        if isinstance(matrix, Convolution):
            if shares:
                places = int(np.prod(matrix.outputs))
                channel = np.arange(matrix.shape[0])
                channel = channel // places if matrix.channels_first else channel % len(matrix.kernel)
            pattern: Any = matrix.with_data((matrix.kernel != 0).astype(np.int64)).tocsr()
            matrix = pattern
        if isinstance(matrix, np.ndarray):
            row, column = (a.ravel() for a in np.indices(matrix.shape))
        else:
            row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
            column = matrix.indices.astype(np.int64)
        bits = int(chip.precision.weight_bits.value) if c.weight_bits is None else c.weight_bits
        bias = c.columns - 1 if c.bias_axon else -2
        half = c.message_shift is not None and c.exponent < 0
        found.append(Listed(c, name, row, column, bias, bits, channel, half))
    return found


def memory_of(counts: Array, neurons: Array, weight_bits: int, delay: int) -> Array:
    """Bits of axons of so many synapses each on cores of so many neurons: entries of 63, a header, words of 64."""
    index = np.maximum(np.ceil(np.log2(np.maximum(neurons, 1))), 1).astype(np.int64)
    each = weight_bits + int(np.ceil(np.log2(delay + 1))) + index
    full, rest = counts // 63, counts % 63
    return full * -(-(63 * each + 10) // 64) * 64 + np.where(rest > 0, -(-(rest * each + 10) // 64) * 64, 0)


@dataclass(frozen=True)
class Learns:
    """What learns by which rule: connections by name, populations that signals reach, outputs."""

    connections: frozenset[str]
    active: frozenset[str]
    outputs: frozenset[str]
    rule: str
    momentum: bool

    @classmethod
    def of(cls, qnet: QuantizedNetwork, rule: str, momentum: bool) -> Learns:
        """Find all that can learn: no convolutions, on a way over connections that lead forward to an output."""
        order = {"input": -1} | {p.name: i for i, p in enumerate(qnet.populations)}
        forward = [(c.source, c.target) for c in qnet.connections if order[c.source] < order[c.target]]
        reached = set(qnet.outputs)
        for p in reversed(qnet.populations):
            reached |= {p.name} if any(s == p.name and t in reached for s, t in forward) else set()
        able = {
            name: c.target
            for c, name in zip(qnet.connections, qnet.connection_names(), strict=True)
            if c.trainable and c.entries().size and c.target in reached and not isinstance(c.mantissa, Convolution)
        }
        active: set[str] = set()
        for p in qnet.populations:
            below = any(s in active and t == p.name for s, t in forward)
            active |= {p.name} if p.name in reached and (below or p.name in able.values()) else set()
        return cls(frozenset(able), frozenset(active), frozenset(qnet.outputs), rule, momentum)


class Counted:
    """Sums of every group, neurons of one population on one core: arrays over groups.

    group_of : by population the group of each neuron
    core : the core of each group
    """

    def __init__(self, qnet: QuantizedNetwork, chip: Profile, group_of: dict[str, Array], core: Array) -> None:
        self.qnet, self.chip, self.group_of, self.core = qnet, chip, group_of, core
        self.neurons = np.zeros(len(core), np.int64)
        for at in group_of.values():
            self.neurons += np.bincount(at, minlength=len(core))
        self.listed = listed(qnet, chip)
        self._count()

    @classmethod
    def of(cls, qnet: QuantizedNetwork, chip: Profile, cores: list[CoreUse]) -> Counted:
        """Take a placement, in which every neuron must stand once."""
        group_of = {p.name: np.full(p.size, -1) for p in qnet.populations}
        for g, use in enumerate(cores):
            at = group_of[use.layer][use.first_neuron : use.first_neuron + use.neurons]
            assert len(at) == use.neurons, f"{use.layer}: neurons that there are not"
            assert (at == -1).all(), f"{use.layer}: a neuron is placed twice"
            at[:] = g
        for name, at in group_of.items():
            assert (at >= 0).all(), f"{name}: a neuron is not placed"
        return cls(qnet, chip, group_of, np.array([use.core for use in cores]))

    def _count(self) -> None:
        n = len(self.core)
        self.synapses, self.memory = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.by_connection: dict[str, Array] = {}
        self.bits_of: Counter[str] = Counter()
        sources = {name: i + 1 for i, name in enumerate(["input", *self.group_of])}
        axons = []
        for s in self.listed:
            c = s.connection
            group = self.group_of[c.target][s.row]
            held = np.bincount(group, minlength=n)
            self.by_connection[s.name] = held
            self.synapses += held
            key = s.key
            axons.append(group * ONE_AXON + np.where(key < 0, 0, sources[c.source] * ONE_SOURCE + key))
            memory = self._memory(s, group)
            if s.half:
                mine = np.unique(self.group_of[c.target])
                memory[mine] += memory_of(self.neurons[mine], self.neurons[mine], s.bits, c.largest_delay)
                axons.append(mine * ONE_AXON)
            self.memory += memory
            self.bits_of[s.name] += int(memory.sum())
        each = np.unique(np.concatenate([np.zeros(0, np.int64), *axons])) // ONE_AXON
        self.in_axons = np.bincount(each, minlength=n)
        self.out_axons = self._out_axons()

    def _memory(self, s: Listed, group: Array) -> Array:
        n, memory = len(self.core), np.zeros(len(self.core), np.int64)
        if s.channel is not None:
            kernel: Any = s.connection.mantissa
            on = self.group_of[s.connection.target]
            which = np.unique(on * len(kernel.kernel) + s.channel) // len(kernel.kernel)
            each = int(np.prod(kernel.kernel.shape[1:])) * s.bits
            kernels = np.bincount(which, minlength=n)
            return -(-kernels * each // 64) * 64
        pairs, counts = np.unique(group * ONE_SOURCE + s.column, return_counts=True)
        of = pairs // ONE_SOURCE
        bits = memory_of(counts, self.neurons[of], s.bits, s.connection.largest_delay)
        np.add.at(memory, of, bits)
        return memory

    def _out_axons(self) -> Array:
        total = np.zeros(len(self.core), np.int64)
        cores = int(self.core.max()) + 1
        for name in self.group_of:
            pairs = []
            for s in self.listed:
                if s.connection.source == name:
                    sent = s.column != s.bias
                    core = self.core[self.group_of[s.connection.target][s.row[sent]]]
                    pairs.append(s.column[sent] * cores + core)
            if pairs:
                neuron = np.unique(np.concatenate(pairs)) // cores
                total += np.bincount(self.group_of[name][neuron], minlength=len(self.core))
        return total

    def learning(self, learns: Learns) -> Array:
        """Bits that learning keeps of each group, by the formula of docs/learning_memory.md."""
        total = np.zeros(len(self.core), np.int64)
        for p in self.qnet.populations:
            if p.name not in learns.active:
                continue
            mine = np.unique(self.group_of[p.name])
            incoming = [s for s in self.listed if s.connection.target == p.name and s.name in learns.connections]
            total[mine] += self.neurons[mine] * self._neuron_bits(p.name, p.model.name, bool(incoming), learns)
            for s in incoming:
                held = self.by_connection[s.name]
                total += held * self._synapse_bits(p.model.name, learns)
                if learns.rule == "factored":
                    total[mine] += self._means(s, held[mine], self.neurons[mine])
        return total

    def _synapse_bits(self, model: str, learns: Learns) -> int:
        rules = self.chip.learning
        momentum = int(rules.momentum_bits.value) if learns.momentum else 0
        return int(
            STATES[model] * rules.eligibility_bits.value
            + rules.accumulator_bits.value
            + rules.residual_bits.value
            + momentum
        )

    def _neuron_bits(self, name: str, model: str, own: bool, learns: Learns) -> int:
        rules = self.chip.learning
        entry = int(self.chip.precision.coefficient_bits.value) + 2
        signal = rules.error_bits.value if name in learns.outputs else rules.signal_bits.value
        psi = 0 if model == "li" else rules.psi_bits.value
        # nothing waits where connections and errors take no time
        return int(psi + (JACOBIAN if own else PASSES_ON)[model] * entry + signal)

    def _means(self, s: Listed, held: Array, neurons: Array) -> Array:
        """Means of squares of rows and of columns; a list is one column."""
        rows, columns = s.connection.mantissa.shape
        in_list = not s.connection.dense or not isinstance(s.connection.delays, int)
        longest = len(s.row) if in_list else max(rows, columns)
        dropped = 10 + 2 * max(0, -((11 - int(longest).bit_length()) // 2))
        bits = max(2 * (int(self.chip.learning.accumulator_bits.value) - 1) - dropped, 0)
        kept = held + 1 if in_list else neurons + columns
        return np.asarray(kept * bits)

    def sums(self, learning: Array) -> dict[str, Array]:
        """Of each core what it holds, by limit."""
        cores = int(self.core.max()) + 1
        values = (self.neurons, self.in_axons, self.out_axons, self.memory + learning)
        found = {}
        for key, value in zip(KEYS, values, strict=True):
            found[key] = np.zeros(cores, np.int64)
            np.add.at(found[key], self.core, value)
        return found
