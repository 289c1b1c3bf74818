"""A network that learns on a chip, sample by sample: what `learn` drives, whatever the chip is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learning.from_data import told_of
from hypr_neuro.sim.learning.options import LearnOptions, check_rates
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.targets import Targets, check_targets
from hypr_neuro.sim.simulator import check_values

WEIGHTS, PARAMETERS, STATES, ELIGIBILITIES = "weights", "parameters", "states", "eligibilities"
KINDS = (WEIGHTS, PARAMETERS, STATES, ELIGIBILITIES)
"""What can be read of a chip that learns."""
WRITTEN = (WEIGHTS, PARAMETERS, ELIGIBILITIES)
"""What can be written to it."""
Numbers = dict[str, dict[str, Array]]
"""By kind, then by name, integers."""


@dataclass(frozen=True)
class LearnSample:
    """One sample, or a part of a stream, with what is learned from it.

    Attributes
    ----------
    x : ndarray
        (T, channel) integers.
    label : ndarray or None
        (T,) classes; None where values or errors are given.
    scored : ndarray
        (T,) whether a step is learned from.
    rates : tuple of int
        Of weights and of neuron parameters, with 16 fraction bits.
    values, errors : ndarray or None
        (T, outputs) targets of a regression in the outputs' fixed-point format, or errors.
    """

    x: Array
    label: Array | None
    scored: Array
    rates: tuple[int, int]
    values: Array | None = None
    errors: Array | None = None

    @classmethod
    def of_data(
        cls, plan: LearningPlan, sample: SequenceData, rates: tuple[int, int], errors: Array | None = None
    ) -> LearnSample:
        """Take the only sample of `sample`; errors : (T, outputs) in place of what its labels or targets give."""
        x = check_input(plan.qnet, sample.x)[0]
        scored = np.ones(len(x), bool) if sample.mask is None else sample.mask[0]
        told: dict[str, Any] = told_of(plan, sample) if errors is None else {"label": None, "errors": errors}
        return cls(x, told.pop("label"), scored, rates, **told)

    def checked(self, plan: LearningPlan, network: IntegerNetwork) -> Targets:
        """Return what is learned from, step by step; InputError naming what does not fit.

        network : the plan's network as integers, which takes time to make
        """
        x = check_values(network, self.x)
        if x.ndim != 2 or x.shape[1] != plan.qnet.inputs or not len(x):
            raise InputError(f"x of shape {x.shape}, rule: (steps, {plan.qnet.inputs}), at least one step")
        largest = max(int(x.max()), -int(x.min()))
        if largest > plan.largest_input:
            raise InputError(
                f"x holds magnitudes up to {largest}, rule: at most {plan.largest_input}, as learning may raise "
                "any weight; scale the input down"
            )
        check_rates(*self.rates)
        outputs = plan.qnet.output_size
        return check_targets(len(x), outputs, plan.error_bits, self.label, self.scored, self.errors, values=self.values)


@dataclass(frozen=True)
class LearnCounts:
    """What a chip has counted since it began to learn.

    Attributes
    ----------
    saturated, changed, small, seen : int
        Changes of single weights: that ended at the largest magnitude, that were none, steps below half a unit and all
        steps that were not 0.
    clips, events : dict of int
        Numbers clipped in learning, and saturations and wraps of states, by name.
    """

    saturated: int = 0
    changed: int = 0
    small: int = 0
    seen: int = 0
    clips: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    @property
    def steps(self) -> list[int]:
        """The first four."""
        return [self.saturated, self.changed, self.small, self.seen]


class ChipLearner(ABC):
    """A network that learns on a chip; all of them give the same integers for the same samples.

    Parameters
    ----------
    qnet : QuantizedNetwork
        What learns. Its weights and neuron parameters become those of the chip when `fetch` is called.
    options : LearnOptions
        How it learns.

    Attributes
    ----------
    given : QuantizedNetwork
        What learns, as it was handed over.
    plan : LearningPlan
        Everything that follows from both; its network, `qnet`, shares the arrays of `given`.
    samples : int
        Learned so far; the number of the next one, counted from 0.
    chunk : int
        Samples that are best handed over together.
    where : dict
        Plain words on the chip that a checkpoint must agree with; {} of the simulator.
    """

    chunk: int = 1
    where: Mapping[str, Any] = {}

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions) -> None:
        self.given, self.plan = qnet, LearningPlan(qnet, options)
        self.qnet, self.options = self.plan.qnet, self.plan.options
        self.samples = 0

    @cached_property
    def network(self) -> IntegerNetwork:
        """The network's integers, as they were when it was first asked for."""
        return self.plan.qnet.integer()

    def learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        """Learn from the samples, one after the other, each from zero states; return the readout (T, outputs) of each.

        Raises
        ------
        InputError
            For a sample that does not fit, before anything has changed.
        """
        for sample in samples:
            sample.checked(self.plan, self.network)
        outputs = self._learn(samples)
        self.samples += len(samples)
        return outputs

    @abstractmethod
    def _learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        """Learn as `learn` says, from samples that fit."""

    def stream(self, part: LearnSample) -> Array:
        """Go on for the steps of `part`, nothing is reset; return the readout (steps, outputs) of each device step.

        After `learn` a stream starts from zero states.

        Raises
        ------
        InputError
            Unless options have update_on "step".
        """
        if self.options.update_on != "step":
            raise InputError("a stream has no samples to update after; learn with update_on='step', update_every=…")
        part.checked(self.plan, self.network)
        return self._stream(part)

    @abstractmethod
    def _stream(self, part: LearnSample) -> Array:
        """Go on as `stream` says, with steps that fit."""

    @abstractmethod
    def counts(self) -> LearnCounts:
        """Return what was counted so far."""

    def read(self, kinds: Sequence[str] = KINDS) -> Numbers:
        """Return copies of what the chip holds now.

        Parameters
        ----------
        kinds : sequence of str
            Of `KINDS`: "weights", mantissas by connection; "parameters", integers (rows, n) by population, of those
            that learn; "states" (d, n) by population; "eligibilities", (d, …) by connection, behind d the shape of
            its gradient, and by neuron parameter (d, n), of all that learns.
        """
        for kind in kinds:
            if kind not in KINDS:
                raise InputError(f"read: unknown {among(kind, KINDS)}")
        return self._read(kinds)

    @abstractmethod
    def _read(self, kinds: Sequence[str]) -> Numbers:
        """Read known kinds."""

    def write(self, numbers: Mapping[str, Mapping[str, Array]]) -> None:
        """Put numbers in place of those that the chip holds, by kind (of `WRITTEN`) and name, as `read` returns them.

        Raises
        ------
        InputError
            For unknown names, other shapes and numbers beyond their widths; nothing has changed then.
        """
        for kind in numbers:
            if kind not in WRITTEN:
                raise InputError(f"write: unknown {among(kind, WRITTEN)}")
        held = self.read(tuple(numbers))
        for kind, by_name in numbers.items():
            for name, array in by_name.items():
                if name not in held[kind]:
                    raise InputError(f"write {kind}: unknown {among(name, sorted(held[kind]))}")
                self._check_written(kind, name, np.asarray(array), held[kind][name])
        self._write({kind: {n: np.asarray(a) for n, a in by_name.items()} for kind, by_name in numbers.items()})

    def _check_written(self, kind: str, name: str, array: Array, held: Array) -> None:
        """Raise InputError for an array that cannot take the place of the one that is held."""
        if array.shape != held.shape or array.dtype.kind not in "iu":
            raise InputError(
                f"write {kind}: {name} is {array.dtype} of shape {array.shape}, rule: integers of shape {held.shape}"
            )
        top = self._largest(kind, name)
        largest = max(int(array.max(initial=0)), -int(array.min(initial=0)))
        if largest > top:
            raise InputError(f"write {kind}: {name} holds magnitudes up to {largest}, rule: at most {top}")

    def _largest(self, kind: str, name: str) -> int:
        """Return the largest magnitude that a number of a kind may have, by the name of its array."""
        connections = [(layer, c) for layer in self.plan.layers for c in layer.incoming if c.name == name]
        if kind == WEIGHTS and connections:
            return connections[0][1].weight_top
        if kind == ELIGIBILITIES:
            of = [layer for layer, _ in connections] or [la for la in self.plan.layers if la.name == name]
            bits = [layer.widths.eligibility_bits for layer in of or self.plan.layers]
            return largest_in(max(bits))
        return (1 << 31) - 1

    @abstractmethod
    def _write(self, numbers: Mapping[str, Mapping[str, Array]]) -> None:
        """Write arrays that fit."""

    def fetch(self) -> QuantizedNetwork:
        """Bring what was learned into `given` and return it."""
        learned = self.read((WEIGHTS, PARAMETERS))
        held = self.given.weights()
        for name, array in learned[WEIGHTS].items():
            held[name][...] = array
        for name, array in learned[PARAMETERS].items():
            self.given.population(name).per_neuron[...] = array
        return self.given

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write a file from which `restore` goes on, bit for bit, on another chip of this kind, too."""

    @abstractmethod
    def restore(self, path: Path) -> None:
        """Go on where `save` was called; raise FileFormatError or InputError for a file that does not fit."""
