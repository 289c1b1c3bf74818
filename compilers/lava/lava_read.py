"""A network of Lava processes that was read, and where its input comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hypr_neuro.compilers.lava.read_ports import describe
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array


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
        The process of each population; of one inside a hierarchical process a copy, Lava makes its own when it runs.
    left_out
        Other processes, that only receive or stand behind what is `outside`, in words.
    hierarchies
        Processes that consist of others and were read through their SubProcessModel, in words.
    """

    network: IntegerNetwork
    inputs: tuple[LavaInput, ...]
    shapes: dict[str, tuple[int, ...]]
    processes: dict[str, Any] = field(repr=False)
    left_out: tuple[str, ...]
    hierarchies: tuple[str, ...] = ()

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
        text += [f"read through its parts: {other}" for other in self.hierarchies]
        return text + [f"no part of the network: {other}" for other in self.left_out]


def _buffered(given: LavaInput) -> Array:
    """Return what a ring buffer sends, steps first."""
    if type(given.process).__name__ != "RingBuffer":
        raise InputError(
            f"input '{given.name}': {describe(given.process)} holds no data, rule: a ring buffer; give arrays"
        )
    return np.moveaxis(np.asarray(given.process.data.init), -1, 0).astype(np.int64)
