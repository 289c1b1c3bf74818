"""Ends of the states of a population after any number of steps: a fixpoint of its step function on intervals.

A set of states is a box for each output that came with it: a neuron that did not fire has a membrane below its
threshold. The least fixpoint is approached from below; where it is far, a guess is made from how fast its ends grow,
which stands only if the step function does not lead out of it.
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
PATIENCE, EVERY = 80, 8
"""Rounds of the iteration, and rounds between guesses."""
NARROWING = 36
STREAK = 4
FIRST_GUESS = 40
"""Rounds before a guess: what is reached in fewer is exact."""
HOPELESS = 48
"""Rounds after which an end that grows by as much as before is taken to have none."""
FAR = 2.0**60
HELD, HALVINGS = 56.0, 8
"""Bits of the largest end that is tried alone, and how often the room below it is halved."""


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


class Fixpoint:
    """The iteration: boxes that hold every state a population can have.

    Parameters
    ----------
    stepper
        The population with its currents.
    clipping
        Whether overflow rules clip, see `paths.Paths`.
    held
        Ends (d, n) of states that are known otherwise, NaN where they are not.
    """

    def __init__(self, stepper: Stepper, clipping: bool, held: Ends | None = None) -> None:
        self.stepper, self.clipping, self.held = stepper, clipping, held
        self.boxes = stepper.start()
        self.images: dict[int, tuple[Box, Array, Array]] = {}
        self.loose, self.guessed = unbounded(stepper), False

    def run(self) -> list[Box]:
        """Iterate to the end; states that nothing bounds end at infinity."""
        history = [self._flat(self.boxes)]
        for round_ in range(1, PATIENCE + 1):
            new = self._joined(self.boxes, self.image(self.boxes))
            if self._same(new, self.boxes):
                return self._narrowed(self.boxes, NARROWING) if self.guessed else self.boxes
            self.boxes = new
            if round_ % EVERY == 0:
                history = [*history[-2:], self._flat(new)]
                if len(history) == 3 and round_ >= FIRST_GUESS and self._guess(history, round_):
                    history = [self._flat(self.boxes)]
                if len(history) == 3 and round_ >= HOPELESS and self._enlarge(history):
                    history = [self._flat(self.boxes)]
        return self._given_up()

    def _enlarge(self, history: list[Array]) -> bool:
        """Let ends go far that grow by as much as before and that nothing holds but clipping; whether any does."""
        before, middle, now = history
        with np.errstate(invalid="ignore"):
            first, second = middle - before, now - middle
            endless = (second >= first) & (second > np.abs(now) * 2.0**-8) & self.loose
        if not endless.any():
            return False
        self.boxes = self._unflat(np.where(endless, np.inf, now))
        if self.clipping:
            clipped = self._flat(self.image(self.boxes))
            self.boxes = self._unflat(np.where(endless, np.maximum(clipped, now), now))
        return True

    def _given_up(self) -> list[Box]:
        """Let ends that go on moving go to infinity until none moves; some of these hold alone."""
        streak = np.zeros(self._flat(self.boxes).shape, np.int64)
        # an end appears, moves STREAK times in a row, and is infinite
        for _ in range(2 * (STREAK + 1) * streak.shape[0] * streak.shape[1]):
            old = self._flat(self.boxes)
            new = self._flat(self._joined(self.boxes, self.image(self.boxes)))
            moves = new > old
            if not moves.any():
                break
            streak = np.where(moves & np.isfinite(old), streak + 1, 0)
            self.boxes = self._unflat(np.where(streak >= STREAK, np.inf, new))
            for box in self.boxes:
                self._hold(box)
        else:
            for box in self.boxes:  # nothing is known
                box.lo, box.hi = np.full(box.lo.shape, -np.inf), np.full(box.hi.shape, np.inf)
                self._hold(box)
        self.boxes = self._narrowed(self.boxes, NARROWING)
        return self.boxes if self.clipping else self._one_by_one()

    def _one_by_one(self) -> list[Box]:
        """Find ends that no step moves past whatever the others are, each with what was found before it.

        A threshold holds one end of a state, that end one of the next: sizes of any two of them would grow.
        """
        found = True
        while found:
            found = False
            for side in (0, 1):
                for i in range(self.stepper.model.d):
                    flat = self._flat(self.boxes)
                    open_ = np.zeros(flat.shape, np.bool_)
                    open_[side::2, i] = flat[side::2, i] == np.inf
                    if open_.any() and self._holds_alone(flat, open_):
                        found = True
                        self.boxes = self._narrowed(self.boxes, NARROWING)
        return self.boxes

    def _holds_alone(self, flat: Array, open_: Array) -> bool:
        """Take for some open ends the least power of two past which no step leads; whether there is any neuron's."""
        rest, n = self.stepper.start(), flat.shape[2]
        least, width = np.full(n, np.inf), np.full(n, HELD)
        for halving in 2.0 ** -np.arange(1, HALVINGS + 1):
            tried = self._unflat(np.where(open_, 2.0**width, flat))
            grown = self._flat(self._joined(rest, self.image(tried)))
            stands = open_.any(axis=(0, 1)) & (grown <= self._flat(tried)).all(axis=(0, 1))
            if not stands.any() and np.isinf(least).all():
                return False
            least = np.where(stands, np.minimum(least, width), least)
            width = width + np.where(stands, -halving, halving) * HELD
        self.boxes = self._unflat(np.where(open_ & np.isfinite(least), 2.0**least, flat))
        return True

    def image(self, boxes: list[Box]) -> list[Box]:
        """Return the boxes of what one step makes of these."""
        parts = [self._image_of(k, box) for k, box in enumerate(boxes)]
        new = []
        for b, lo, hi in zip(boxes, np.min([p[0] for p in parts], axis=0), np.max([p[1] for p in parts], axis=0), strict=True):
            lo[lo < -FAR], hi[hi > FAR] = -np.inf, np.inf
            box = Box(b.low, b.high, lo, hi)
            lo[:, ~box.there], hi[:, ~box.there] = np.inf, -np.inf
            self._hold(box)
            new.append(box)
        return new

    def _image_of(self, place: int, box: Box) -> Ends:
        """Return the ends (boxes, d, n) of what one step makes of a box; neurons that did not move are not run again."""
        shape = (len(self.boxes), *box.lo.shape)
        before, lo, hi = self.images.get(place, (None, np.full(shape, np.inf), np.full(shape, -np.inf)))
        moved = np.ones(box.lo.shape[1], np.bool_)
        if before is not None:
            moved = ~((before.lo == box.lo) & (before.hi == box.hi)).all(axis=0)
            lo[:, :, moved], hi[:, :, moved] = np.inf, -np.inf
        if moved.any():
            for taken in self.stepper.taken([box], self.clipping, among=moved):
                into = 0 if self.stepper.model.readout else taken.output
                for i, x in enumerate(taken.states):
                    low, high = ends_of(x, len(moved))
                    np.minimum(lo[into, i], low, out=lo[into, i], where=taken.active)
                    np.maximum(hi[into, i], high, out=hi[into, i], where=taken.active)
        self.images[place] = Box(box.low, box.high, box.lo.copy(), box.hi.copy()), lo, hi
        return lo, hi

    def _hold(self, box: Box) -> None:
        if self.held is not None:
            there = box.there
            for ends, known in zip((box.lo, box.hi), self.held, strict=True):
                take = ~np.isnan(known) & there
                ends[take] = known[take]

    def _joined(self, boxes: list[Box], more: list[Box]) -> list[Box]:
        made = [
            Box(a.low, a.high, np.minimum(a.lo, b.lo), np.maximum(a.hi, b.hi)) for a, b in zip(boxes, more, strict=True)
        ]
        for box in made:
            self._hold(box)
        return made

    @staticmethod
    def _same(one: list[Box], other: list[Box]) -> bool:
        return all(np.array_equal(a.lo, b.lo) and np.array_equal(a.hi, b.hi) for a, b in zip(one, other, strict=True))

    @staticmethod
    def _flat(boxes: list[Box]) -> Array:
        """Return all ends, (2 · boxes, d, n), larger ones outside: lower ends are negated."""
        return np.stack([e for b in boxes for e in (-b.lo, b.hi)])

    def _unflat(self, flat: Array) -> list[Box]:
        return [Box(b.low, b.high, -flat[2 * i], flat[2 * i + 1].copy()) for i, b in enumerate(self.boxes)]

    def _guess(self, history: list[Array], round_: int) -> bool:
        """Take, neuron by neuron, the ends that the iteration seems to lead to, where no step leads out of them.

        Whether any neuron did. Between two entries of the history lie EVERY rounds.
        """
        before, middle, now = history
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            first, second = middle - before, now - middle
            ratio = np.where(first > 0, second / first, 0.0)
            kept = np.clip(np.where(np.isfinite(ratio), ratio, 0.0), 0.0, 1.0 - 1e-9)
            far = np.where(second > 0, second * kept / (1.0 - kept), 0.0)
            # roundings of as many steps as an end remembers
            room = np.minimum(2.0 * 4.0 ** ((round_ - FIRST_GUESS) // EVERY), 4.0 * EVERY / (1.0 - kept))
            more = np.ceil(far + room + (far + np.abs(now)) * 2.0**-20)
            guess = np.where(np.isfinite(now), now + np.where(second > 0, more, np.minimum(room, 4.0)), now)
        boxes = self._unflat(guess)
        for box in boxes:
            self._hold(box)
        grown = self._flat(self._joined(boxes, self.image(boxes)))
        stands = (grown <= self._flat(boxes)).all(axis=(0, 1))
        moving = (second > 0).any(axis=(0, 1))
        if not (stands & moving).any():
            return False
        self.boxes, self.guessed = self._unflat(np.where(stands, self._flat(boxes), now)), True
        return True

    def _narrowed(self, boxes: list[Box], rounds: int) -> list[Box]:
        """Shrink boxes that hold their own image: what one step makes of them, and rest, holds all that follows."""
        rest = self.stepper.start()
        for box in rest:
            self._hold(box)
        history = [self._flat(boxes)]
        for round_ in range(1, rounds + 1):
            new = self._joined(rest, self.image(boxes))
            if self._same(new, boxes):
                break
            boxes = new
            if round_ % EVERY == 0:
                history = [*history[-2:], self._flat(boxes)]
                if len(history) == 3:
                    boxes = self._shrunk(history, rest)
                    history = [self._flat(boxes)]
        return boxes

    def _shrunk(self, history: list[Array], rest: list[Box]) -> list[Box]:
        """Take, neuron by neuron, the ends that shrinking seems to lead to, where they hold their own image."""
        before, middle, now = history
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            first, second = before - middle, middle - now
            ratio = np.where((first > 0) & (second > 0), second / first, 0.0)
            kept = np.clip(np.where(np.isfinite(ratio), ratio, 0.0), 0.0, 1.0 - 1e-6)
            far = second * kept / (1.0 - kept)
            room = 4.0 * EVERY / (1.0 - kept) + np.abs(far) * 2.0**-6
            guess = np.where(np.isfinite(far) & (far > room), np.ceil(now - far + room), now)
        guess = np.maximum(guess, self._flat(rest))
        boxes = self._unflat(guess)
        grown = self._flat(self._joined(rest, self.image(boxes)))
        stands = (grown <= guess).all(axis=(0, 1))
        return self._unflat(np.where(stands, guess, now))


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
