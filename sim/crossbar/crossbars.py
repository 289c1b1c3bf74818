"""The crossbars of a network: which weights are cells, what a tile is, and when they are read and written."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import draw32
from hypr_neuro.profiles.analog import Analog
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.output_traces import trace_name
from hypr_neuro.quantizing.parts import QuantizedConnection
from hypr_neuro.sim.crossbar.cells import Cells, Written
from hypr_neuro.sim.crossbar.drawing import READ, tensor_of
from hypr_neuro.sim.crossbar.kernels import Tiles
from hypr_neuro.sim.learning.incoming import Incoming

LEAST_LSB, MOST_LSB = -16, 30
"""Exponents of an ADC's step in mantissas."""


@dataclass
class Crossbar:
    """The weights of one connection that arrive with one lag.

    Attributes
    ----------
    lag, current : int
        Steps from sending to arriving, and input current of the target.
    chosen, pre, post : ndarray
        Numbers of these weights among the connection's, and their ends; `pre` of the bias axon is the last row.
    tiles : Tiles
        What kernels read.
    """

    lag: int
    current: int
    chosen: Array
    pre: Array
    post: Array
    tiles: Tiles

    def load(self, weights: Array, variances: Array) -> None:
        """Take over the weights of a connection as they are now, and the variances of reading them."""
        self.tiles.weights[self.pre, self.post] = weights[self.chosen]
        self.tiles.variances[self.pre, self.post] = variances[self.chosen]


class Crossbars:
    """All cells of a quantized network whose profile has some.

    Parameters
    ----------
    qnet : QuantizedNetwork
        Of a profile with crossbars. Cells that it holds go on from their state, others are programmed.
    keep : bool
        Whether cells become part of `qnet`, as of one that learns; else it stays as it is.
    seed : int
        Of write noise, beside the chip's number.

    Attributes
    ----------
    cells : dict of Cells
        By place of the connection.
    parts : dict of list of Crossbar
        By place, one a lag.
    start : float
        Time of the network's clock in s when the run begins.
    seed : int
        First word of the counter of reading and writing.

    Raises
    ------
    InputError
        For a connection that crossbars do not hold.
    """

    def __init__(self, qnet: QuantizedNetwork, *, keep: bool = False, seed: int = 0) -> None:
        assert qnet.profile.analog is not None
        self.qnet, self.analog = qnet, qnet.profile.analog
        self.seed = draw32(int(self.analog.chip.value), seed, 0, 0)
        self.cells: dict[int, Cells] = {}
        self.parts: dict[int, list[Crossbar]] = {}
        for place, c in enumerate(qnet.connections):
            if c.target == trace_name(c.source):
                continue  # what learning sees of spikes is digital
            self._check(c)
            top = qnet.weight_top(c)
            own = c if keep else c.copy()
            self.cells[place] = Cells(self.analog, top, place, own.entries(), own.cells)
            own.cells = self.cells[place].state
            self.parts[place] = self._crossbars(place, c, top)
        clocks = [float(cells.state["clock"][0]) for cells in self.cells.values()]
        self.start = max(clocks, default=0.0) + float(self.analog.age.value)

    def _check(self, c: QuantizedConnection) -> None:
        where, name = f"connection {c.name}", self.qnet.profile.name
        if isinstance(c.mantissa, Convolution):
            raise InputError(
                f"{where}: a convolution, rule for profile '{name}': matrices, since a crossbar has a cell for each "
                "synapse; write it out with qnet.integer().written_out() and quantize that"
            )
        if self.qnet.weight_bits(c) < 2:
            raise InputError(
                f"{where}: weights of 1 bit, rule for profile '{name}': at least 2, since pairs of cells can be equal; "
                "quantize with wider ones"
            )
        bits = int(self.analog.dac_bits.value)
        if c.message_bits is not None and c.message_bits + 1 > bits:
            raise InputError(
                f"{where}: messages of {c.message_bits} bits and sign, rule: at most analog.dac_bits = {bits} of "
                f"profile '{name}'; quantize with narrower messages or override analog.dac_bits"
            )

    def _crossbars(self, place: int, c: QuantizedConnection, top: int) -> list[Crossbar]:
        size, lag = self.qnet.size(c.source), self.qnet.clock.lag(c.source, c.target)
        incoming = Incoming(
            place, c, c.name, c.name, place, size, lag, True, False, 0, weight_bits=self.qnet.weight_bits(c)
        )
        entries, n, lsb = incoming.entries(), self.qnet.size(c.target), least_step(self.analog, top)
        lags = np.unique(entries.lag) if entries.lag.size else np.array([lag + c.largest_delay])
        tiled, result = -(-(size + 1) // int(self.analog.rows.value)), []
        down = max(-lsb, 0)
        for k, arrives in enumerate(lags.tolist()):
            chosen = np.flatnonzero(entries.lag == arrives)
            tiles = Tiles(
                np.zeros((size + 1, n)),
                np.zeros((size + 1, n)),
                int(self.analog.rows.value),
                bool(self.analog.read_noise.value),
                tensor_of(place, READ),
                k * tiled * n,
                lsb,
                int(self.analog.adc_bits.value),
                incoming.half << down,
                int(np.clip(c.exponent - down, -62, 31)),
            )
            result.append(Crossbar(arrives, c.current, chosen, entries.pre[chosen], entries.post[chosen], tiles))
        return result

    @property
    def largest_input(self) -> int:
        """Largest magnitude of a value that the DAC takes."""
        return (1 << (int(self.analog.dac_bits.value) - 1)) - 1

    def seconds(self, steps: int) -> float:
        """Return the time of the network's clock after so many steps of this run."""
        return self.start + steps * float(self.analog.step_time.value)

    def load(self, steps: int) -> None:
        """Let the crossbars be what they are after so many steps; mantissas that others changed are programmed."""
        now = self.seconds(steps)
        for place, cells in self.cells.items():
            cells.take_over(now)
            cells.state["clock"][0] = now
            weights, variances = cells.weights(now)
            for part in self.parts[place]:
                part.load(weights, variances)

    def write(self, place: int, step: Array, steps: int, draws: tuple[int, int, int]) -> Written:
        """Take learning steps off the weights of a connection, see `Cells.write`."""
        return self.cells[place].write(np.ascontiguousarray(step).reshape(-1), self.seconds(steps), self.seed, draws)

    def state(self) -> dict[str, Array]:
        """Return all that cells remember, by name; not copies."""
        return {f"{place}/{name}": a for place, cells in self.cells.items() for name, a in cells.state.items()}


def least_step(analog: Analog, top: int) -> int:
    """Return the exponent s of an ADC's step in mantissas: 2^s (2^(adc_bits - 1) - 1) is at least its full scale."""
    codes = (1 << (int(analog.adc_bits.value) - 1)) - 1
    return int(np.clip(ceil(log2(analog.adc_range.value * top / codes)), LEAST_LSB, MOST_LSB))
