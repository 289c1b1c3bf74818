"""Complexity of a network in the terms in which NeuroBench compares networks of any make.

    footprint             bytes of weights, parameters and states, packed
    connection sparsity   weights that are 0 / all weights of a full connection, bias left out
    activation sparsity   outputs that are 0 / all outputs, of populations that spike
    dense operations      weights of full connections · steps
    effective operations  weights other than 0, read for a message other than 0: an accumulation (AC) where a
                          connection carries -1, 0 and 1, a multiplication with it (MAC) where it carries numbers
    membrane updates      neurons whose membrane is not what it was in the step before; in the first step all

Operations and updates are those of a sample of T steps: of each population the T steps in which the sample reaches it.
What several connections bring from one source to one current with one delay, as groups of weights do, are weights of
one connection.

Source: Yik et al., NeuroBench, Nature Communications 16, 1545 (2025); neurobench 2.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.integer import INPUT, HasInteger, IntegerNetwork, Synapses, as_integer
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.message import messages_of
from hypr_neuro.placement.cost import counted
from hypr_neuro.placement.footprint import StoredBytes, footprint_of
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.forward import chunks
from hypr_neuro.shown import percent
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.simulator import Simulator

MOST_SAMPLES = 32
"""Samples of a data set that are run."""
SIDE_BY_SIDE = 8
"""Samples of one run: blocks of few take little memory."""


@dataclass(frozen=True, repr=False)
class Complexity:
    """What a network keeps, and what it does in a sample on average.

    Attributes
    ----------
    footprint
        Bytes of weights, parameters and states.
    connection_sparsity
        Share of weights that are 0.
    activation_sparsity
        Share of outputs that are 0; None of a network in which nothing spikes.
    dense_operations, effective_acs, effective_macs
        Synaptic operations of a sample.
    membrane_updates
        Of a sample.
    samples, steps
        How many were run, of so many steps.
    """

    footprint: StoredBytes
    connection_sparsity: float
    activation_sparsity: float | None
    dense_operations: float
    effective_acs: float
    effective_macs: float
    membrane_updates: float
    samples: int
    steps: int

    def __repr__(self) -> str:
        """Tell all of it, a line each."""
        rows = (
            ("footprint", f"{self.footprint.bytes:,} bytes"),
            *((f"  {name}", f"{size:,}") for name, size in self.footprint.as_dict().items()),
            ("connection sparsity", _sparsity(self.connection_sparsity)),
            ("activation sparsity", _sparsity(self.activation_sparsity)),
            ("dense operations", counted(self.dense_operations)),
            ("effective accumulations", counted(self.effective_acs)),
            ("effective multiplications", counted(self.effective_macs)),
            ("membrane updates", counted(self.membrane_updates)),
        )
        title = f"Complexity of a sample of {self.steps} steps, as NeuroBench defines it"
        return "\n".join([title, *(f"  {name:<26}{value}" for name, value in rows)])

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, as `report.json` holds them."""
        return {
            "footprint_bytes": self.footprint.bytes,
            "footprint": self.footprint.as_dict(),
            "connection_sparsity": self.connection_sparsity,
            "activation_sparsity": self.activation_sparsity,
            "synaptic_operations": {
                "dense": self.dense_operations,
                "effective_acs": self.effective_acs,
                "effective_macs": self.effective_macs,
            },
            "membrane_updates": self.membrane_updates,
            "samples": self.samples,
            "steps": self.steps,
            "definitions": "NeuroBench (Yik et al. 2025), of a sample",
        }


def _sparsity(share: float | None) -> str:
    """Return a share in percent; one that rounding alone would make whole is told to be less."""
    if share is None:
        return "nothing spikes"
    return "> 99.9%" if 0.9995 <= share < 1 else percent(share)


def complexity(network: IntegerNetwork | HasInteger, data: SequenceData | Array) -> Complexity:
    """Count what NeuroBench compares networks by, on a quantized network or one of integers.

    Parameters
    ----------
    network
        Any of integers.
    data : SequenceData or array (sample, T, channel)
        What it runs on: the first 32 samples of the test part, all of an array.

    Raises
    ------
    InputError
        For another kind of network, and data that do not fit it.
    """
    if not isinstance(network, IntegerNetwork):
        require("network", network, QuantizedNetwork)
    integer = as_integer(network)[0]
    x = check_input(integer, samples_of(data))
    sums = Counts(integer, {INPUT: 0} | integer.clock.latencies)
    for first in range(0, len(x), SIDE_BY_SIDE):
        sums.run(x[first : first + SIDE_BY_SIDE])
    return sums.result(footprint_of(network), len(x), x.shape[1])


def samples_of(data: SequenceData | Array) -> Array:
    """Return the first samples of the test part of a data set, an array as it is."""
    if not isinstance(data, SequenceData):
        return np.asarray(data)
    part = data.part("test") if np.any(data.split == "test") else data
    return part.take(np.arange(min(MOST_SAMPLES, len(part)))).x


@dataclass(frozen=True)
class Matrix:
    """Weights of all connections that are one: what a full one has, and the weights of each sender that are not 0.

    Attributes
    ----------
    message
        Shift and bits of what a population of numbers sends, None of spikes and of the input.
    stored, zeros
        Weights that a network has, of a convolution those of its kernel, and those of them that are 0.
    full
        Synapses of a full connection.
    fan_out : (pre,)
        Weights of each sender that are not 0.
    """

    source: str
    message: tuple[int, int] | None
    stored: int
    zeros: int
    full: int
    fan_out: Array


def matrices(network: IntegerNetwork) -> list[Matrix]:
    """Return the weights of a network, those that share source, target, current and delay together."""
    alike: dict[tuple[Any, ...], list[Synapses]] = {}
    for i, c in enumerate(network.synapses):
        if bias_alone(c):
            continue
        shared = (c.source, c.target, c.current, c.delays, c.message)
        alike.setdefault(shared if isinstance(c.delays, int) and c.convolution is None else (i,), []).append(c)
    return [_matrix(connections) for connections in alike.values()]


def bias_alone(c: Synapses) -> bool:
    """Tell whether a connection is a bias axon of its own, which reads no weight of its source."""
    return c.always_on is not None and c.convolution is None and not _nonzero_by_sender([c.weights]).any()


def _matrix(connections: Sequence[Synapses]) -> Matrix:
    first, post = connections[0], connections[0].shape[0]
    kernel = first.convolution
    if kernel is not None:
        full = kernel.with_data(np.ones_like(kernel.data))
        zeros = int(np.count_nonzero(kernel.data == 0))
        return Matrix(first.source, first.message, kernel.data.size, zeros, _synapses(full), kernel.fan_out)
    fan_out = _nonzero_by_sender([c.weights for c in connections])
    size = post * first.shape[1]
    return Matrix(first.source, first.message, size, size - int(fan_out.sum()), size, fan_out)


def _synapses(convolution: Convolution) -> int:
    return int(convolution.fan_out.sum())


def _nonzero_by_sender(weights: Sequence[Any]) -> Array:
    """Count the weights of each column that are not 0 in any of several matrices, (pre,)."""
    if all(isinstance(w, np.ndarray) for w in weights):
        return np.asarray(np.count_nonzero(np.logical_or.reduce([w != 0 for w in weights]), axis=0))
    from scipy.sparse import csr_array

    union = sum((abs(csr_array(w).astype(np.int64)) for w in weights[1:]), abs(csr_array(weights[0]).astype(np.int64)))
    union.eliminate_zeros()
    return np.bincount(union.indices, minlength=union.shape[1])


@dataclass
class Counts:
    """Sums over samples.

    Attributes
    ----------
    latencies
        By source the step in which a sample reaches it.
    operations
        Effective ones by matrix.
    graded
        Of each whether anything but -1, 0 and 1 was carried.
    active, outputs
        Of populations that spike.
    """

    network: IntegerNetwork
    latencies: dict[str, int]
    operations: list[int] = field(default_factory=list)
    graded: list[bool] = field(default_factory=list)
    active: int = 0
    outputs: int = 0
    updates: int = 0

    def __post_init__(self) -> None:
        self.matrices = matrices(self.network)
        self.operations, self.graded = [0] * len(self.matrices), [False] * len(self.matrices)
        self.membranes = [p.model.membrane_state for p in self.network.populations]

    def run(self, x: Array) -> None:
        """Run samples (sample, T, channel) and count."""
        steps, simulator = x.shape[1], Simulator(self.network, len(x))
        last: list[Array | None] = [None] * len(self.membranes)
        for start in _blocks(simulator, x, steps + max(self.latencies.values())):
            self._count_outputs(simulator, start, steps)
            self._count_operations(simulator, start, steps)
            last = self._count_updates(simulator, start, steps, last)

    def _own(self, name: str, start: int, length: int, steps: int) -> slice:
        """Return which steps of a block are among those in which the sample is at a source."""
        first = self.latencies[name] - start
        return slice(min(max(first, 0), length), min(max(first + steps, 0), length))

    def _count_outputs(self, simulator: Simulator, start: int, steps: int) -> None:
        for run in simulator.populations:
            if not run.population.model.readout:
                own = run.outputs[self._own(run.population.name, start, len(run.outputs), steps)]
                self.active += int(np.count_nonzero(own))
                self.outputs += own.size

    def _count_operations(self, simulator: Simulator, start: int, steps: int) -> None:
        for i, matrix in enumerate(self.matrices):
            sent = simulator.sent(matrix.source, 0)
            own = sent[self._own(matrix.source, start, len(sent), steps)]
            carried = own if matrix.message is None else messages_of(own, *matrix.message)
            by_sender = np.count_nonzero(carried.reshape(-1, len(matrix.fan_out)), axis=0)
            self.operations[i] += int(by_sender @ matrix.fan_out)
            self.graded[i] |= bool(carried.size and (carried.min() < -1 or carried.max() > 1))

    def _count_updates(
        self, simulator: Simulator, start: int, steps: int, last: Sequence[Array | None]
    ) -> list[Array | None]:
        """Count the membranes that changed; `last` holds those of the step before the block."""
        kept: list[Array | None] = []
        for run, at, before in zip(simulator.populations, self.membranes, last, strict=True):
            v = run.states[:, at]
            own = self._own(run.population.name, start, len(v), steps)
            changed = np.ones(v.shape, np.bool_)
            changed[1:] = v[1:] != v[:-1]
            if before is not None and start > self.latencies[run.population.name]:
                changed[0] = v[0] != before
            first = self.latencies[run.population.name] - start
            if 0 <= first < len(v):
                changed[first] = True
            self.updates += int(np.count_nonzero(changed[own]))
            kept.append(v[-1].copy())
        return kept

    def result(self, footprint: StoredBytes, samples: int, steps: int) -> Complexity:
        """Return the means over samples."""
        stored = sum(m.stored for m in self.matrices)
        macs = sum(n for n, graded in zip(self.operations, self.graded, strict=True) if graded)
        return Complexity(
            footprint,
            connection_sparsity=sum(m.zeros for m in self.matrices) / stored if stored else 0.0,
            activation_sparsity=1 - self.active / self.outputs if self.outputs else None,
            dense_operations=float(sum(m.full for m in self.matrices) * steps),
            effective_acs=(sum(self.operations) - macs) / samples,
            effective_macs=macs / samples,
            membrane_updates=self.updates / samples,
            samples=samples,
            steps=steps,
        )


def _blocks(simulator: Simulator, x: Array, steps: int) -> Iterator[int]:
    """Run samples, with zeros behind them, for so many steps, block by block; give the first step of each."""
    shape = (steps - x.shape[1], len(x), x.shape[2])
    padded = np.concatenate([x.transpose(1, 0, 2), np.zeros(shape, x.dtype)])
    kept = [True] * len(simulator.populations)
    for part in chunks(len(padded), simulator.longest):
        simulator.block(padded[part], kept)
        yield part.start
