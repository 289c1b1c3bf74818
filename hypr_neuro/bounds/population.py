"""What is known of one population for any input: ends of its states, and what its rules of overflow need.

First every width is taken as enough. The ends found so are those of the network as it is wherever no rule of overflow
is given more than it leaves alone: then no step ever clips or wraps, by induction over steps. Where one is, a second
pass clips and wraps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hypr_neuro.bounds.damping import damped_ends
from hypr_neuro.bounds.fixpoint import Fixpoint
from hypr_neuro.bounds.paths import Need
from hypr_neuro.bounds.reach import Box, Stepper, hull
from hypr_neuro.bounds.spectral import block_ends, ways
from hypr_neuro.bounds.values import Ends
from hypr_neuro.graph.integer import Population
from hypr_neuro.numbers.arrays import Array

MOST_TOGETHER = 6
"""States of a block, whose corners are counted."""


@dataclass
class Register:
    """A number of a step that has a width: a state, or one on the way to it.

    Attributes
    ----------
    name
        Of the state, or of the step function's variable.
    state
        Its place among the states, None for others.
    bits
        Declared width.
    low, high
        Ends that the rule of overflow leaves alone.
    least, most : (n,)
        What comes, if every width were enough.
    clipped_least, clipped_most : (n,)
        What comes with all rules of overflow.
    """

    name: str
    state: int | None
    bits: int
    low: float
    high: float
    least: Array
    most: Array
    clipped_least: Array | None = None
    clipped_most: Array | None = None

    @property
    def holds(self) -> Array:
        """Whether nothing overflows here as long as nothing does anywhere, (n,)."""
        return np.asarray((self.least >= self.low) & (self.most <= self.high))

    @property
    def holds_clipped(self) -> Array:
        """Whether nothing overflows here, whatever does elsewhere, (n,)."""
        if self.clipped_least is None or self.clipped_most is None:
            return np.zeros(self.least.shape, np.bool_)
        return np.asarray((self.clipped_least >= self.low) & (self.clipped_most <= self.high))


@dataclass
class PopulationBounds:
    """Bounds of a population.

    Attributes
    ----------
    lo, hi : (d, n)
        Of its states, as they are.
    free_lo, free_hi : (d, n)
        If every width were enough; infinite where nothing bounds them.
    registers
        What has a width.
    boxes
        States by the output that came with them, as they are.
    """

    population: Population
    currents: list[Ends]
    lo: Array
    hi: Array
    free_lo: Array
    free_hi: Array
    registers: list[Register]
    boxes: list[Box] = field(default_factory=list)

    @property
    def sound(self) -> Array:
        """Whether no rule of overflow of a neuron ever does anything, (n,)."""
        held = [r.holds for r in self.registers]
        return np.logical_and.reduce(held) if held else np.ones(self.population.size, np.bool_)

    def proved(self, register: Register) -> Array:
        """Whether a register cannot overflow, (n,)."""
        return np.asarray(self.sound | register.holds_clipped)

    @property
    def output(self) -> Ends:
        """Ends (n,) of what it sends."""
        model = self.population.model
        if model.readout:
            return self.lo[-1], self.hi[-1]
        fired = [b for b in self.boxes if b.high > 0]
        top = np.zeros(self.population.size)
        for b in fired:
            top = np.where(b.there, float(b.high), top)
        return np.zeros(self.population.size), top


def population_bounds(population: Population, currents: list[Ends]) -> PopulationBounds:
    """Bound the states of a population whose currents have these ends (n,); InputError for a step beyond the rules."""
    stepper = Stepper(population, currents)
    free, held = _fixpoint(stepper)
    registers = _registers(stepper, free, held)
    lo, hi = hull(free)
    result = PopulationBounds(population, currents, lo.copy(), hi.copy(), lo, hi, registers, free)
    if not result.sound.all():
        _clip(stepper, result)
    return result


def bounded(stepper: Stepper) -> list[Box]:
    """Return boxes of all that is reached if every width were enough."""
    return _fixpoint(stepper)[0]


def _fixpoint(stepper: Stepper) -> tuple[list[Box], Ends | None]:
    boxes = Fixpoint(stepper, False).run()
    lo, hi = hull(boxes)
    open_ = ~np.isfinite(lo) | ~np.isfinite(hi)
    block = [int(i) for i in np.flatnonzero(open_.any(axis=1))]
    if not block or len(block) > MOST_TOGETHER:
        return boxes, None
    for box in boxes:  # of a neuron of which one state is open, the block is
        some = open_.any(axis=0) & box.there
        for i in block:
            box.lo[i, some], box.hi[i, some] = -np.inf, np.inf
    found = block_ends(ways(stepper, boxes, block), stepper.n)
    damped = damped_ends(stepper, boxes, block)
    if damped is not None:
        found = np.maximum(found[0], np.floor(damped[0])), np.minimum(found[1], np.ceil(damped[1]))
    held = np.full(lo.shape, np.nan), np.full(hi.shape, np.nan)
    for row, i in enumerate(block):
        good = open_.any(axis=0) & np.isfinite(found[0][row]) & np.isfinite(found[1][row])
        held[0][i, good], held[1][i, good] = found[0][row, good], found[1][row, good]
    if np.isnan(held[0]).all():
        return boxes, None
    return Fixpoint(stepper, False, held).run(), held


def _registers(stepper: Stepper, boxes: list[Box], held: Ends | None) -> list[Register]:
    """Return what every rule of overflow is given on the way through a step from these boxes."""
    found: dict[tuple[str, int], Register] = {}
    for taken in stepper.taken(boxes, False, True):
        for need in taken.needs:
            state = _state_of(need, taken.states)
            ends = _ends(need, state, held)
            _add(found, need, state, ends, taken.active)
    return list(found.values())


def _state_of(need: Need, states: tuple[object, ...]) -> int | None:
    return next((i for i, x in enumerate(states) if x is need.value), None)


def _ends(need: Need, state: int | None, held: Ends | None) -> Ends:
    """Return what came: of a state that is bounded otherwise, its own ends."""
    least, most = need.least, need.most
    if state is not None and held is not None:
        known = ~np.isnan(held[0][state])
        least = np.where(known, np.maximum(least, held[0][state]), least)
        most = np.where(known, np.minimum(most, held[1][state]), most)
    return least, most


def _add(found: dict[tuple[str, int], Register], need: Need, state: int | None, ends: Ends, active: Array) -> None:
    key = (need.name, need.bits)
    if key not in found:
        nothing = np.full(active.shape, np.inf)
        found[key] = Register(need.name, None, need.bits, need.low, need.high, nothing, -nothing)
    register = found[key]
    register.state = register.state if state is None else state
    register.least = np.where(active, np.minimum(register.least, ends[0]), register.least)
    register.most = np.where(active, np.maximum(register.most, ends[1]), register.most)


def _clip(stepper: Stepper, result: PopulationBounds) -> None:
    """Bound the neurons that may overflow with all rules of overflow."""
    boxes = Fixpoint(stepper, True).run()
    found: dict[tuple[str, int], Register] = {}
    for taken in stepper.taken(boxes, True):
        for need in taken.needs:
            # on this way it may have been narrowed since
            _add(found, need, None, (need.least, need.most), taken.active)
    for register in result.registers:
        same = found.get((register.name, register.bits))
        if same is not None:
            register.clipped_least, register.clipped_most = same.least, same.most
    sound = result.sound
    for free, box in zip(result.boxes, boxes, strict=True):
        box.lo, box.hi = np.where(sound, free.lo, box.lo), np.where(sound, free.hi, box.hi)
    result.boxes = boxes
    result.lo, result.hi = hull(boxes)
