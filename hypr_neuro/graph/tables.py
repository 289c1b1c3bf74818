"""The table of a network's populations that it prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.shown import Shown


class Ended(Protocol):
    """A connection, of floats or of integers."""

    @property
    def source(self) -> str:
        """Name of the population that sends, or the input."""

    @property
    def target(self) -> str:
        """Name of the population that receives."""


def count_weights(matrix: Any) -> int:
    """Count the numbers that are stored: all of a dense matrix, those of a sparse one, those of a kernel."""
    if isinstance(matrix, Convolution):
        return int(matrix.kernel.size)
    return int(matrix.size) if isinstance(matrix, np.ndarray) else int(matrix.nnz)


def network_table(
    kind: str,
    inputs: int,
    populations: Sequence[Any],
    connections: Iterable[tuple[Ended, Any]],
    outputs: Sequence[str],
    more: str = "",
) -> Shown:
    """Return populations with what they receive.

    Parameters
    ----------
    kind
        What the network is called.
    populations
        Each with name, model and size.
    connections
        Each with its weights.
    more
        End of the title.
    """
    receives: dict[str, list[str]] = {p.name: [] for p in populations}
    weights = dict.fromkeys(receives, 0)
    count = 0
    for c, matrix in connections:
        source = {c.target: "itself", INPUT: "input"}.get(c.source, c.source)
        receives[c.target] += [source] if source not in receives[c.target] else []
        weights[c.target] += count_weights(matrix)
        count += 1
    rows = [
        (p.name, p.model.name, f"{p.size:,}", ", ".join(receives[p.name]) or "–", f"{weights[p.name]:,}")
        for p in populations
    ]
    neurons = sum(p.size for p in populations)
    title = (
        f"{kind}: {inputs:,} inputs, {neurons:,} neurons in {len(populations)} populations, {count} connections of "
        f"{sum(weights.values()):,} weights; output {', '.join(outputs)}{more}"
    )
    return Shown(title, ("population", "neuron", "neurons", "receives", "weights"), rows)
