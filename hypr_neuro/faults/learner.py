"""Learning with faults: what they do before, to and after each sample."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hypr_neuro.faults.drawing import POWER, draw
from hypr_neuro.faults.events import jittered
from hypr_neuro.faults.kinds import Faults
from hypr_neuro.faults.neurons import threshold_row
from hypr_neuro.faults.weights import faulty_weights, widths_of
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.chip_learner import (
    PARAMETERS,
    WEIGHTS,
    ChipLearner,
    LearnCounts,
    LearnSample,
    Numbers,
)
from hypr_neuro.sim.learning.options import LearnOptions


class FaultyLearner(ChipLearner):
    """Learns on another chip, with faults.

    Parameters
    ----------
    qnet, options
        As of a `ChipLearner`.
    faults : Faults
        What is wrong.
    inner : ChipLearner
        What learns; its network may have broken neurons.
    broken : dict of ndarray
        Which of its neurons, as of `broken_neurons`.
    begin : callable
        Loads the network once more and returns its learner: what happens when the power comes back.

    Attributes
    ----------
    power_losses : int
        So far.
    learning : tuple of str
        Connections that learn.
    """

    def __init__(
        self,
        qnet: QuantizedNetwork,
        options: LearnOptions,
        faults: Faults,
        inner: ChipLearner,
        broken: Mapping[str, Array],
        begin: Callable[[], ChipLearner],
    ) -> None:
        super().__init__(qnet, options)
        self.faults, self.inner, self.broken, self._begin, self.power_losses = faults, inner, broken, begin, 0
        self._saved: Path | None = None
        self.chunk = inner.chunk
        self.where = {"faults": faults.described(), "seed of faults": faults.seed}
        # whatever is counted grows over a loss of power, too
        self._counted: LearnCounts | None = None
        self.learning = tuple(t.name for t in self.plan.tensors if not t.parameter)

    def _learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        outputs: list[Array] = []
        waiting: list[LearnSample] = []
        for number, sample in enumerate(samples, start=self.samples):
            if self.faults.in_weights:
                outputs += self._hand_over(waiting)
                self._change_weights(number)
            waiting.append(self._seen(sample, number))
            if self.faults.brownout:
                outputs += self._hand_over(waiting)
                self._lose_power(number)
        return outputs + self._hand_over(waiting)

    def _hand_over(self, waiting: list[LearnSample]) -> list[Array]:
        outputs = self.inner.learn(waiting) if waiting else []
        waiting.clear()
        return outputs

    def _seen(self, sample: LearnSample, number: int) -> LearnSample:
        if not self.faults.jitter:
            return sample
        return replace(sample, x=jittered(sample.x, self.faults.jitter, self.faults.seed, number))

    def _change_weights(self, number: int) -> None:
        held = self.inner.read((WEIGHTS,))[WEIGHTS]
        held = {name: held[name] for name in self.learning if name in held}
        changed = faulty_weights(held, self.faults, number, widths_of(self.plan.qnet))
        if changed:
            self.inner.write({WEIGHTS: changed})

    def _lose_power(self, number: int) -> None:
        """Lose power after a sample, or save what was learned so far."""
        faults = self.faults
        if draw(faults.seed, POWER, number).random() < faults.brownout:
            self._counted, self.power_losses = self.counts(), self.power_losses + 1
            self.inner = self._begin()
            if self._saved is not None:
                self.inner.restore(self._saved)
                self._counted = _plus(self._counted, self.inner.counts(), -1)
        elif faults.save_every and (number + 1) % faults.save_every == 0:
            if self._saved is None:
                folder = tempfile.mkdtemp(prefix="hypr-neuro-faults-")
                weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
                self._saved = Path(folder) / "saved"
            self.inner.save(self._saved)

    def _stream(self, part: LearnSample) -> Array:
        return self.inner.stream(self._seen(part, self.samples))

    def counts(self) -> LearnCounts:
        """Return what was counted so far, before the last loss of power, too."""
        now = self.inner.counts()
        return now if self._counted is None else _plus(self._counted, now)

    def _read(self, kinds: Sequence[str]) -> Numbers:
        numbers = self.inner.read(kinds)
        for name, rows in numbers.get(PARAMETERS, {}).items():
            # a broken neuron's threshold is the fault's, not what was learned
            broken, population = self.broken.get(name), self.given.population(name)
            if broken is not None and broken.any():
                row = threshold_row(population)
                rows[row] = np.where(broken == 0, rows[row], population.per_neuron[row])
        return numbers

    def _write(self, numbers: Mapping[str, Mapping[str, Array]]) -> None:
        self.inner.write(numbers)

    def save(self, path: Path) -> None:
        """Save the chip inside."""
        self.inner.save(path)

    def restore(self, path: Path) -> None:
        """Restore the chip inside."""
        self.inner.restore(path)
        self.samples = self.inner.samples


def _plus(a: LearnCounts, b: LearnCounts, sign: int = 1) -> LearnCounts:
    """Add the counts of two stretches of learning, or take the second off."""
    steps = [x + sign * y for x, y in zip(a.steps, b.steps, strict=True)]
    clips = {name: a.clips[name] + sign * count for name, count in b.clips.items()}
    events = {name: a.events[name] + sign * count for name, count in b.events.items()}
    saturated, changed, small, seen = steps
    return LearnCounts(saturated, changed, small, seen, clips, events)
