"""The cells of one connection: pairs of conductances, written, read, and left alone in between.

A weight of the mantissa m, at most `top`, is a pair (g+, g-) = (max(m, 0), max(-m, 0)) / top, programmed to the nearest
level with programming noise. Each cell keeps its conductance and the time of its last write; all else follows from
these and the counter. What a chip reads back of a pair is

    m = nearest((g+ - g-) top), at most ±top

and stands in the network's mantissas, which learning signals on their way back, files and reports take. Where somebody
else writes another mantissa there, those pairs are programmed to it.

A learning step s, in mantissas of 2^16 units, is a whole number k of pulses of the size p = pulse · top: with `update`
"pulses" s / p rounded at random, so that its mean is s / p; with "accumulated" steps add up in digital memory, which
gives as many whole pulses as are in it (mixed-precision training, Nandakumar et al., Front. Neurosci. 2020, doi
10.3389/fnins.2020.00406). k pulses move a cell of spread δ by

    pulse |1 + spread δ| (k + noise √k ξ)

as the sum of k pulses that differ by `noise`. One-sided cells grow: the one of the sign of the change. Of cells that
take pulses of both signs the other one of the pair falls first, as far as it goes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.analog import Analog
from hypr_neuro.sim.crossbar import physics
from hypr_neuro.sim.crossbar.drawing import (
    DEFECT,
    DRIFT,
    PROGRAM,
    PULSE,
    RELAX,
    SPREAD,
    STUCK_AT,
    normals,
    tensor_of,
    uniforms,
    words,
)

STEP_UNITS = 1 << 16
"""Units of a mantissa in which learning steps come."""
LARGEST_G = 1.5
"""Programming noise can leave a cell above Gmax, this far at most."""


class Written(NamedTuple):
    """What an update did: pairs whose cells met an end of their range, pairs that got pulses, pairs programmed anew."""

    saturated: int
    pulsed: int
    refreshed: int


class Cells:
    """Pairs of cells of one connection.

    Parameters
    ----------
    analog : Analog
        What the cells are.
    top : int
        The largest mantissa.
    place : int
        Of the connection in its network: its words of the counter.
    mantissa : ndarray
        Weights in any shape; read and written in place.
    state : dict of ndarray, optional
        The `state` of earlier cells, which are then these; None programs new ones.

    Attributes
    ----------
    state : dict of ndarray
        All that changes: "g" and "since" (2, weights), conductance and time of the last write in s, "event" (2,
        weights), number of that write, "read" (weights,) mantissas read back, "pending" (weights,) steps that wait in
        digital memory, "clock" (1,) s of the network's own time, "writes" (1,) so far.
    """

    def __init__(
        self, analog: Analog, top: int, place: int, mantissa: Array, state: dict[str, Array] | None = None
    ) -> None:
        self.analog, self.top, self.place, self.mantissa = analog, top, place, mantissa
        self.chip, count = int(analog.chip.value), mantissa.size
        self._pair = (2, count)
        self._drift = self._fixed(DRIFT)
        self._spread = np.abs(1.0 + self._switched("device_spread", analog.write_spread.value) * self._fixed(SPREAD))
        self._defect, self._stuck_at = self._broken()
        self.state = _nothing(count) if state is None else state
        if state is None:
            everywhere = np.ones(count, np.bool_)
            self._program(everywhere, self._targets(mantissa.reshape(-1)), 0.0)
            self.state["read"][...] = mantissa.reshape(-1)

    def _switched(self, name: str, value: float) -> float:
        return value if getattr(self.analog, name).value else 0.0

    def _fixed(self, draw: int) -> Array:
        """Draw what a cell keeps for good."""
        return normals(self.chip, 0, tensor_of(self.place, draw), self._pair)

    def _broken(self) -> tuple[Array, Array]:
        """Draw which cells cannot be written, and where they are."""
        analog = self.analog
        stuck, corrupt = (self._switched("defects", share.value) for share in (analog.stuck, analog.corrupt))
        kind = uniforms(self.chip, 0, tensor_of(self.place, DEFECT), self._pair)
        at = uniforms(self.chip, 0, tensor_of(self.place, STUCK_AT), self._pair)
        return kind < stuck + corrupt, np.where(kind < stuck, np.floor(2.0 * at), at)

    def _targets(self, mantissa: Array) -> Array:
        """Return the conductances (2, weights) of mantissas."""
        share = mantissa / self.top
        return np.stack([np.maximum(share, 0.0), np.maximum(-share, 0.0)])

    # --- time

    def conductance(self, now: float) -> Array:
        """Return g (2, weights) at a time of the network's clock: drifted, relaxed, stuck."""
        analog, g = self.analog, self.state["g"]
        t = now - self.state["since"]
        if analog.drift.value and analog.drift_start is not None:
            g = g * physics.drift_factor(analog, physics.drift_exponent(analog, g, self._drift), t)
        if analog.relaxation.value and analog.relaxed is not None:
            noise = normals(self.chip, self.state["event"], tensor_of(self.place, RELAX), self._pair)
            g = g + physics.relaxation_sigma(analog, self.state["g"], t) * noise
        return np.asarray(np.where(self._defect, self._stuck_at, np.clip(g, 0.0, LARGEST_G)))

    def weights(self, now: float) -> tuple[Array, Array]:
        """Return weights in mantissas and the variance of one reading of them, both (weights,)."""
        g = self.conductance(now)
        weights = (g[0] - g[1]) * self.top
        if not self.analog.read_noise.value:
            return weights, np.zeros_like(weights)
        t = np.maximum(now - self.state["since"], 0.0)
        sigma = physics.read_sigma(self.analog, np.where(self._defect, g, self.state["g"]), g, t) * self.top
        return weights, sigma[0] ** 2 + sigma[1] ** 2

    # --- writing

    def take_over(self, now: float) -> None:
        """Program the pairs whose mantissas somebody else has changed."""
        changed = self.mantissa.reshape(-1) != self.state["read"]
        if changed.any():
            self._program(changed, self._targets(self.mantissa.reshape(-1)), now)
            self.state["read"][...] = self.mantissa.reshape(-1)

    def _program(self, which: Array, targets: Array, now: float, seed: int | None = None) -> Array:
        """Program pairs to conductances (2, weights); return the levels that were aimed at."""
        analog, state = self.analog, self.state
        event, state["writes"][0] = int(state["writes"][0]), state["writes"][0] + 1
        aimed = physics.to_level(analog, targets)
        g = aimed
        if analog.programming_noise.value:
            seed = self.chip if seed is None else seed
            noise = normals(seed, event, tensor_of(self.place, PROGRAM), self._pair, which)
            g = np.clip(aimed + physics.programming_sigma(analog, aimed) * noise, 0.0, LARGEST_G)
        self._set(np.broadcast_to(which, self._pair), g, now, event)
        return aimed

    def _set(self, which: Array, g: Array, now: float, event: int) -> None:
        state = self.state
        state["g"][which], state["since"][which], state["event"][which] = g[which], now, event

    def write(self, step: Array, now: float, seed: int, draws: tuple[int, int, int]) -> Written:
        """Take learning steps off the weights, as pulses; the mantissas are read back.

        Parameters
        ----------
        step : ndarray
            (weights,) int64 in mantissas of 2^16 units.
        now : float
            Time of the network's clock in s.
        seed : int
            Of write noise.
        draws : tuple of int
            Seed, update and tensor: words of the counter by which steps are rounded, those of digital weights.
        """
        state, event = self.state, int(self.state["writes"][0])
        pulses = self._pulses(step, draws)
        state["writes"][0] += 1
        g, saturated, refreshed = self.conductance(now), 0, 0
        if pulses.any():
            g, saturated = self._pulse(pulses, g, now, event, seed)
            if self.analog.one_sided.value:
                g, refreshed = self._refresh(g, now, seed)
        self._read_back(g)
        return Written(saturated, int(np.count_nonzero(pulses)), refreshed)

    @property
    def pulse_units(self) -> int:
        """Size of a pulse in mantissas of 2^16 units."""
        return max(round(self.analog.pulse.value * self.top * STEP_UNITS), 1)

    def _pulses(self, step: Array, draws: tuple[int, int, int]) -> Array:
        """Return the pulses (weights,) that take steps off: their signs are those of the change."""
        size = self.pulse_units
        if self.analog.update.value == "accumulated":
            waiting = self.state["pending"] + step
            pulses: Array = np.sign(waiting) * (np.abs(waiting) // size)
            self.state["pending"][...] = waiting - pulses * size
        else:
            pulses = (step + words(*draws, step.size) % size) // size
        return -pulses

    def _pulse(self, pulses: Array, before: Array, now: float, event: int, seed: int) -> tuple[Array, int]:
        """Give pulses to pairs that are at `before`; return where they are then, and how many met an end."""
        analog, hit = self.analog, pulses != 0
        count, up = np.abs(pulses).astype(np.float64), pulses > 0
        noise = normals(seed, event, tensor_of(self.place, PULSE), self._pair, hit)
        size = self._switched("write_noise", analog.write_noise_size.value)
        moves = analog.pulse.value * self._spread * (count + size * np.sqrt(count) * noise)
        grows = np.stack([up, ~up])
        after = before.copy()
        if analog.one_sided.value:
            after += np.where(grows, moves, 0.0)
        else:
            falling = np.where(grows, 0.0, np.minimum(moves, before))
            with np.errstate(divide="ignore", invalid="ignore"):
                done = np.where(moves > 0.0, falling / moves, 1.0).sum(axis=0, where=~grows)
            after += np.where(grows, moves * (1.0 - done), -falling)
        kept = np.clip(after, 0.0, np.maximum(before, 1.0))
        which = np.broadcast_to(hit, self._pair) & ((after != before) | grows)
        self._set(which, kept, now, event)
        # what was written this moment has neither drifted nor relaxed
        g = np.where(which & ~self._defect, kept, before)
        return g, int(np.count_nonzero((kept != after).any(axis=0) & hit))

    def _refresh(self, g: Array, now: float, seed: int) -> tuple[Array, int]:
        """Program those pairs anew of which a cell has passed `refresh`, their difference alone; return all g."""
        assert self.analog.refresh is not None
        full = (g > self.analog.refresh.value) & ~self._defect
        difference = g[0] - g[1]
        # a weight that is as large by itself stays as it is
        worn = full.any(axis=0) & (np.minimum(g[0], g[1]) > self.analog.pulse.value)
        if not worn.any():
            return g, 0
        aimed = self._program(worn, np.stack([np.maximum(difference, 0.0), np.maximum(-difference, 0.0)]), now, seed)
        if self.analog.update.value == "accumulated":
            lost = np.rint((difference - (aimed[0] - aimed[1])) * self.top * STEP_UNITS).astype(np.int64)
            self.state["pending"][worn] -= lost[worn]
        return np.where(worn & ~self._defect, self.state["g"], g), int(np.count_nonzero(worn))

    def _read_back(self, g: Array) -> None:
        """Put what pairs are at, in whole mantissas, into the network."""
        read = np.clip(np.floor((g[0] - g[1]) * self.top + 0.5), -self.top, self.top).astype(np.int64)
        self.mantissa[...] = read.reshape(self.mantissa.shape)
        self.state["read"][...] = read


def _nothing(count: int) -> dict[str, Array]:
    """Return the state of cells that nobody has written."""
    return {
        "g": np.zeros((2, count)),
        "since": np.zeros((2, count)),
        "event": np.zeros((2, count), np.int64),
        "read": np.zeros(count, np.int64),
        "pending": np.zeros(count, np.int64),
        "clock": np.zeros(1),
        "writes": np.zeros(1, np.int64),
    }
