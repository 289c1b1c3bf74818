"""Ends of the states of a population after any number of steps: a fixpoint of its step function on intervals.

The least fixpoint is approached from below; where it is far, a guess is made from how fast its ends grow, which stands
only if the step function does not lead out of it.
"""

from __future__ import annotations

import numpy as np

from hypr_neuro.bounds.reach import Box, Stepper, ends_of, unbounded
from hypr_neuro.bounds.values import Ends
from hypr_neuro.numbers.arrays import Array

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
        self.boxes = self._iterated()
        return self.boxes if self.clipping else self._one_by_one()

    def _iterated(self) -> list[Box]:
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
        """Let ends that go on moving go to infinity until none moves."""
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
        return self._narrowed(self.boxes, NARROWING)

    def _one_by_one(self) -> list[Box]:
        """Find ends that no step moves past whatever the others are, each with what was found before it.

        A threshold holds one end of a state, that end one of the next: sizes of any two of them would grow.
        """
        found, any_ = True, False
        while found:
            found = False
            for side in (0, 1):
                for i in range(self.stepper.model.d):
                    flat = self._flat(self.boxes)
                    open_ = np.zeros(flat.shape, np.bool_)
                    open_[side::2, i] = flat[side::2, i] == np.inf
                    if open_.any() and self._holds_alone(flat, open_):
                        found = any_ = True
                        self.boxes = self._narrowed(self.boxes, NARROWING)
        return self._narrowed(self.boxes, NARROWING) if any_ else self.boxes

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
        for b, lo, hi in zip(
            boxes, np.min([p[0] for p in parts], axis=0), np.max([p[1] for p in parts], axis=0), strict=True
        ):
            lo[lo < -FAR], hi[hi > FAR] = -np.inf, np.inf
            box = Box(b.low, b.high, lo, hi)
            lo[:, ~box.there], hi[:, ~box.there] = np.inf, -np.inf
            self._hold(box)
            new.append(box)
        return new

    def _image_of(self, place: int, box: Box) -> Ends:
        """Return the ends (boxes, d, n) of what one step makes of a box, run again for neurons that moved."""
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
