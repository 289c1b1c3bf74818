"""Every way through a step from boxes of states: what `fixpoint` iterates.

A set of states is a box for each output that came with it: a neuron that did not fire has a membrane below its
threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hypr_neuro.bounds.paths import Need, Paths, every_path
from hypr_neuro.bounds.rules import on_values
from hypr_neuro.bounds.values import Ends, Value, everywhere
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import Population
from hypr_neuro.neurons.structure import OPERATIONS
from hypr_neuro.numbers.arrays import Array

MOST_OUTPUTS = 1
"""Outputs that get a box of their own; more spikes in a step share one."""


@dataclass
class Box:
    """States that come with the outputs `low` to `high`: ends (d, n), empty where lo > hi."""

    low: int
    high: int
    lo: Array
    hi: Array

    @property
    def there(self) -> Array:
        """Neurons for which it is not empty, (n,)."""
        return np.asarray((self.lo <= self.hi).all(axis=0))


@dataclass
class Taken:
    """One way through a step: neurons that can take it, what they came from, new states and output, events."""

    active: Array
    start: Box
    states: tuple[Any, ...]
    output: Any
    events: int
    needs: list[Need]


class Stepper:
    """The step function of a population on values, for given ends of its currents.

    Attributes
    ----------
    population
        Its neurons.
    currents
        Ends (n,) of each input current.
    """

    def __init__(self, population: Population, currents: list[Ends]) -> None:
        self.population, self.model, self.currents = population, population.model, currents
        self.n, self.step = population.size, on_values(population.model.fixed_step)
        self.most = 1
        if self.model.most_spikes:
            self.most = int(population.named()[self.model.most_spikes])
        rows = population.per_neuron.astype(float)
        self.own = [int(row[0]) if np.all(row == row[0]) else row for row in rows]
        self.shared = tuple(int(c) for c in population.constants)

    def start(self) -> list[Box]:
        """Return the boxes of a network at rest."""
        shape = (self.model.d, self.n)
        if self.model.readout:
            return [Box(0, 0, np.zeros(shape), np.zeros(shape))]
        outputs = [(z, z) for z in range(min(self.most, MOST_OUTPUTS) + 1)]
        if self.most > MOST_OUTPUTS:
            outputs.append((MOST_OUTPUTS + 1, self.most))
        boxes = [Box(z, top, np.full(shape, np.inf), np.full(shape, -np.inf)) for z, top in outputs]
        boxes[0].lo, boxes[0].hi = np.zeros(shape), np.zeros(shape)
        return boxes

    def taken(
        self, boxes: list[Box], clipping: bool, tracking: bool = False, among: Array | None = None
    ) -> Iterator[Taken]:
        """Run every way from every box, of all neurons or `among` some (n,)."""
        where = f"population '{self.population.name}' ({self.model.name})"
        for box in boxes:
            there = box.there if among is None else box.there & among
            if there.any():
                run = self._run(box, there)
                for paths, (states, output, events) in every_path(self.n, clipping, tracking, run, where):
                    yield Taken(paths.active, box, states, output, events, paths.needs)

    def after(self, boxes: list[Box], then: Callable[..., Any]) -> Iterator[tuple[Paths, Any]]:
        """Run every way from every box, and `then` (paths, s, z, I, p, ends by name, new states)."""
        where = f"population '{self.population.name}' ({self.model.name})"
        for box in boxes:
            there = box.there
            if there.any():
                yield from every_path(self.n, True, False, self._run(box, there, then), where)

    def _run(self, box: Box, there: Array, then: Callable[..., Any] | None = None) -> Callable[[Paths], Any]:
        d = self.model.d
        lo, hi = np.where(there, box.lo, 0.0), np.where(there, box.hi, 0.0)

        def run(paths: Paths) -> Any:
            paths.active = paths.active & there
            base: dict[str, Ends] = {f"s{i}": (lo[i], hi[i]) for i in range(d)}
            base |= {f"I{k}": ends for k, ends in enumerate(self.currents)}
            s = tuple(named(paths, f"s{i}", base) for i in range(d))
            currents = tuple(named(paths, f"I{k}", base) for k in range(len(self.currents)))
            before, p = self._before(paths, box, s, base), self.constants(paths, base)
            states, output, events = self._stepped(s, before, currents, p)
            if not self.model.readout:
                output = self._output(output)
            if then is not None:
                paths.clipping = False
                return then(paths, s, before, currents, p, base, states)
            return states, output, events

        return run

    def _stepped(self, *arguments: Any) -> Any:
        try:
            return self.step(*arguments)
        except (TypeError, AttributeError) as error:
            raise InputError(
                f"population '{self.population.name}' ({self.model.name}): its step does not run on numbers of known "
                f"ends ({error}), rule: {OPERATIONS}"
            ) from error
        except InputError as error:
            raise InputError(f"population '{self.population.name}' ({self.model.name}): {error}") from error

    def _before(self, paths: Paths, box: Box, s: tuple[Any, ...], base: dict[str, Ends]) -> Any:
        if self.model.readout:
            return s[-1]
        if box.low == box.high:
            return box.low
        ends = np.full(self.n, float(box.low)), np.full(self.n, float(box.high))
        return Value(paths, *ends, base)

    def _output(self, z: Any) -> Any:
        """Return the output as the number of one box."""
        if isinstance(z, int):
            return min(z, MOST_OUTPUTS + 1)
        for k in range(min(self.most, MOST_OUTPUTS) + 1):
            if z == k:
                return k
        return MOST_OUTPUTS + 1

    def constants(self, paths: Paths, base: dict[str, Ends]) -> tuple[Any, ...]:
        """Return what a step takes as its parameters."""
        return (*(x if isinstance(x, int) else Value(paths, x, x, base) for x in self.own), *self.shared)


def named(paths: Paths, name: str, base: dict[str, Ends]) -> Any:
    """Return what a step begins with, under its name; a number that all neurons share as it is."""
    lo, hi = base[name]
    if lo[0] == hi[0] and (lo == lo[0]).all() and (hi == lo[0]).all():
        return int(lo[0])
    if not paths.tracking:
        return Value(paths, lo, hi, base)
    one, zero = everywhere(1.0, len(lo)), everywhere(0.0, len(lo))
    return Value(paths, lo, hi, base, {name: (one, one)}, (zero, zero))


def ends_of(x: Any, n: int) -> Ends:
    """Return the ends of a value or a plain number."""
    if isinstance(x, Value):
        x.tight()
        return x.lo, x.hi
    return everywhere(float(x), n), everywhere(float(x), n)


def hull(boxes: list[Box]) -> Ends:
    """Return the ends (d, n) of all boxes together."""
    return np.min([b.lo for b in boxes], axis=0), np.max([b.hi for b in boxes], axis=0)


def unbounded(stepper: Any) -> Array:
    """Tell which states may grow without end, (d, n): |A|, the largest of all ways, does not shrink them."""
    d, n = stepper.model.d, stepper.n
    boxes = stepper.start()
    for box in boxes:
        box.lo, box.hi = np.full((d, n), -np.inf), np.full((d, n), np.inf)
    A, unknown = np.zeros((n, d, d)), np.zeros((d, n), np.bool_)
    for taken in stepper.taken(boxes, False, True):
        for i, x in enumerate(taken.states):
            if not isinstance(x, Value):
                continue
            for name, (lo, hi) in x.terms.items():
                if name[0] == "s":
                    size = np.where(taken.active, np.maximum(np.abs(lo), np.abs(hi)), 0.0)
                    A[:, i, int(name[1:])] = np.maximum(A[:, i, int(name[1:])], size)
            ends = x.rest if x.terms else (x.lo, x.hi)
            unknown[i] |= taken.active & ~(np.isfinite(ends[0]) & np.isfinite(ends[1]))
    for _ in range(30):
        A = np.minimum(np.nan_to_num(A @ A, nan=1e100), 1e100)
    return np.asarray(
        (A.sum(axis=2).T > 1e-6) | unknown | (A @ unknown.T[..., None].astype(float))[..., 0].T.astype(bool)
    )
