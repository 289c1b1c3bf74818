"""Tiles of analog cells that a network takes: how many, how full, and what converts there.

A weight is a pair of cells at the crossing of its source's row and its neuron's column, as the simulator reads it. Each
connection, and of one with delays of its own the synapses of each delay, has tiles of R rows and C columns; the bias
axon is one row more. Of weights in a list tiles stay out that hold none:

    tiles = number of different (⌊row / R⌋, ⌊column / C⌋) with a synapse,   of dense weights ⌈rows / R⌉ ⌈columns / C⌉
    conversions a step = Σ over tiles of the columns in use

No arrangement does with fewer tiles than all pairs take, nor than the sources of one neuron take rows:

    fewest = max(⌈pairs / (R C)⌉, ⌈most sources of a neuron / R⌉)

Columns have an ADC each or share one (`analog.columns_per_adc`), rows a DAC (`analog.rows_per_dac`): where a profile
does not say, how many converters there are is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.cost import UNKNOWN
from hypr_neuro.placement.limits import OTHER_CHIP, Limits
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection


@dataclass(frozen=True)
class CrossbarUse:
    """Tiles of one connection.

    Attributes
    ----------
    connection, layer
        Its name, and the population that it leads to.
    tiles, pairs
        How many, and pairs of cells that hold a weight.
    conversions
        Of its columns in a step.
    """

    connection: str
    layer: str
    tiles: int
    pairs: int
    conversions: int


@dataclass(frozen=True)
class CrossbarTiles:
    """Tiles of a network.

    Attributes
    ----------
    rows, columns
        Of a tile.
    uses
        By connection.
    fewest
        Tiles that no arrangement does without.
    limit
        Tiles of the chip, None where the profile does not say.
    adcs, dacs
        Converters of all tiles, None where the profile does not say how many rows or columns share one.
    """

    rows: int
    columns: int
    uses: tuple[CrossbarUse, ...]
    fewest: int
    limit: int | None
    adcs: int | None
    dacs: int | None

    @property
    def tiles(self) -> int:
        """Of all connections."""
        return sum(use.tiles for use in self.uses)

    @property
    def pairs(self) -> int:
        """Of cells, of all connections; a pair is two cells."""
        return sum(use.pairs for use in self.uses)

    def told(self) -> str:
        """Tell tiles, cells and converters in one line."""
        of = "" if self.limit is None else f" of {self.limit:,}"
        used = self.pairs / max(self.tiles * self.rows * self.columns, 1)
        adcs, dacs = (UNKNOWN if n is None else f"{n:,}" for n in (self.adcs, self.dacs))
        return (
            f"{self.tiles:,}{of} tiles of {self.rows} x {self.columns} pairs of cells, none takes fewer than "
            f"{self.fewest:,}; {2 * self.pairs:,} cells in use ({used:.1%}), ADCs {adcs}, DACs {dacs}, "
            f"{sum(use.conversions for use in self.uses):,} conversions a step"
        )

    def section(self) -> dict[str, Any]:
        """Return plain data, "unknown" for what is not known."""
        known = {"tile_limit": self.limit, "adcs": self.adcs, "dacs": self.dacs}
        return {
            "rows": self.rows,
            "columns": self.columns,
            "tiles": self.tiles,
            "tiles_at_least": self.fewest,
            "cells": 2 * self.pairs,
            "conversions_per_step": sum(use.conversions for use in self.uses),
            **{key: UNKNOWN if value is None else value for key, value in known.items()},
            "connections": [vars(use) for use in self.uses],
        }


def crossbars_of(qnet: QuantizedNetwork, chip: Profile, limits: Limits) -> CrossbarTiles | None:
    """Return the tiles that a network takes, None on a chip of digital weights.

    Raise DoesNotFitError for more than the chip has.
    """
    if chip.analog is None:
        return None
    rows, columns = int(chip.analog.rows.value), int(chip.analog.columns.value)
    names = qnet.connection_names()
    uses = tuple(_use(name, c, rows, columns) for name, c in zip(names, qnet.connections, strict=True))
    tiles, pairs = sum(use.tiles for use in uses), sum(use.pairs for use in uses)
    fewest = max(-(-pairs // (rows * columns)), -(-_most_sources(qnet) // rows))
    limits.check(
        "network",
        "tiles",
        tiles,
        "tiles",
        f"make populations smaller, so that {limits.tiles} tiles of {rows} x {columns} hold their connections, "
        f"{OTHER_CHIP}",
    )
    adc, dac = chip.analog.columns_per_adc, chip.analog.rows_per_dac
    return CrossbarTiles(
        rows,
        columns,
        uses,
        fewest,
        limits.tiles,
        None if adc is None else tiles * -(-columns // adc.value),
        None if dac is None else tiles * -(-rows // dac.value),
    )


def _use(name: str, c: QuantizedConnection, rows: int, columns: int) -> CrossbarUse:
    if c.dense and isinstance(c.delays, int):
        neurons, sources = c.mantissa.shape
        down, across = -(-sources // rows), -(-neurons // columns)
        return CrossbarUse(name, c.target, down * across, neurons * sources, down * neurons)
    target, source, delay = _listed(c)
    block = (delay << 40) + (source // rows << 20)
    tiles = len(np.unique(block + target // columns))
    conversions = len(np.unique(block * (1 << 20) + target)) if len(block) else 0
    return CrossbarUse(name, c.target, tiles, len(target), conversions)


def _listed(c: QuantizedConnection) -> tuple[Array, Array, Array]:
    """Return neuron, row and delay of each synapse."""
    matrix: Any = c.mantissa.tocsr() if isinstance(c.mantissa, Convolution) else c.mantissa
    if isinstance(matrix, np.ndarray):
        target, source = (a.ravel() for a in np.indices(matrix.shape))
    else:
        target, source = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices.astype(np.int64)
    delays: Any = c.delays
    if isinstance(delays, int):
        return target, source, np.zeros(len(target), np.int64)
    own = delays if isinstance(delays, np.ndarray) else delays.data
    return target, source, np.asarray(own, np.int64).ravel()


def _most_sources(qnet: QuantizedNetwork) -> int:
    """Return the most rows of one connection that a neuron has a weight on."""
    most = 0
    for c in qnet.connections:
        matrix: Any = c.mantissa
        dense = isinstance(matrix, np.ndarray)
        counts: Sequence[int] | Array = (
            [matrix.shape[1]]
            if dense
            else np.diff((matrix.tocsr() if isinstance(matrix, Convolution) else matrix).indptr)
        )
        most = max(most, int(np.max(counts, initial=0)))
    return most
