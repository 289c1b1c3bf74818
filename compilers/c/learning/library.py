"""The C that learns, loaded into this process: for tests, and to try a network before it goes onto a board."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.c.build import Toolchain, compile_c
from hypr_neuro.compilers.c.learning.field import STRUCTS
from hypr_neuro.compilers.c.learning.learn import SOURCE, write_learning
from hypr_neuro.compilers.c.learning.memory import fields
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions, check_rates
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.targets import check_targets
from hypr_neuro.sim.simulator import check_values

LIBRARY = Toolchain("library", "gcc", "size", ("-O2", "-shared", "-fPIC", "-DHN_LEARN_COUNTS"))
FILE = "learn.so"


class LearnLibrary:
    """`learn.c`, built in a folder and loaded; learns from `qnet`, which stays as it is.

    Attributes
    ----------
    arrays : dict of ndarray
        Every array of the three structs by its name in `learn.h`, views of the library's memory.
    raw : list
        The structs themselves, `hn_learned`, `hn_learn_memory` and `hn_learn_run`.
    """

    def __init__(
        self, qnet: QuantizedNetwork, options: LearnOptions, folder: Path, toolchain: Toolchain = LIBRARY
    ) -> None:
        write_learning(qnet, options, folder)
        compile_c(toolchain, [SOURCE, "-o", FILE], folder)
        self.c, self.plan = ctypes.CDLL(str(folder.resolve() / FILE)), LearningPlan(qnet, options)
        # with the traces of outputs that spike
        self.qnet = self.plan.qnet
        self.network, program = self.qnet.integer(), LearningProgram(self.plan)
        self._fields, self._limit = fields(program), program.input_limit
        output = getattr(ctypes, f"c_{program.output_kind.removesuffix('_t')}")
        self.c.hn_learn_output.restype = ctypes.POINTER(output)
        self.raw: list[Any] = []
        self.arrays = {name: array for struct in STRUCTS for name, array in self._struct(struct)}
        self.c.hn_learn_reset()

    def _struct(self, struct: str) -> Iterator[tuple[str, Array]]:
        members = [f for f in self._fields if f.struct == struct]
        kinds = [(f.name, np.dtype(f.kind.removesuffix("_t")), f.shape) for f in members]
        layout = np.dtype(kinds, align=True)
        name = "hn_learned" if struct == "learned" else f"hn_learn_{struct}"
        self.raw.append((ctypes.c_uint8 * layout.itemsize).in_dll(self.c, name))
        record = np.frombuffer(self.raw[-1], layout)
        for f in members:
            yield f.name, record[f.name][0] if f.shape else record[f.name]

    @property
    def output(self) -> Array:
        """Return the readout after the last step, (outputs,)."""
        return np.array(self.c.hn_learn_output()[: self.qnet.output_size])

    def step(self, x: Array, label: int, scored: bool) -> Array:
        """Take one device step with input x (channel,); return the readout; InputError as for a `sample`."""
        x, targets = self._checked(np.asarray(x)[None]), self._targets(1, np.array([label]), np.array([scored]))
        return self._step(x[0], *targets[0])

    def _step(self, x: Array, label: int, scored: bool) -> Array:
        self.c.hn_learn_step(self._input(x), label, int(scored))
        return self.output

    @staticmethod
    def _input(x: Array) -> Any:
        return (ctypes.c_int32 * len(x))(*x.tolist())

    def _checked(self, x: Array) -> Array:
        """Return x (steps, channel) if C can take it; InputError otherwise: ctypes would cut numbers off unasked."""
        x = check_values(self.network, x)
        if x.ndim != 2 or x.shape[1] != self.qnet.inputs:
            raise InputError(f"x of shape {x.shape}, rule: (steps, {self.qnet.inputs})")
        largest, limit = max(int(x.max(initial=0)), -int(x.min(initial=0))), self._limit
        if largest > limit:
            raise InputError(
                f"x holds magnitudes up to {largest}, rule: at most {limit} (HN_LEARN_INPUT_LIMIT); scale the "
                "input down"
            )
        return x

    def _targets(self, steps: int, label: Array, scored: Array) -> list[tuple[int, bool]]:
        """Return label and whether it counts of each step, label 0 where not; InputError for a label of no output."""
        targets = check_targets(steps, self.qnet.output_size, self.plan.error_bits, label, scored)
        known = np.where(targets.scored, targets.label, 0)
        return list(zip(known.tolist(), targets.scored.tolist(), strict=True))

    def _steps(self, x: Array, label: Array, scored: Array, rates: tuple[int, int]) -> Iterator[tuple[Any, int, bool]]:
        """Set the rates and return the arguments of each step, once all of them have been checked."""
        rates = check_rates(*rates)
        x = self._checked(x)
        targets = self._targets(len(x), label, scored)
        self.c.hn_learn_rate(*rates)
        return ((row, *target) for row, target in zip(x, targets, strict=True))

    def sample(self, x: Array, label: Array, scored: Array, rate: int, parameter_rate: int = 0) -> Array:
        """Learn from a sample as `sim.learning.learner.Learner.sample` does; the readout (T, outputs)."""
        steps = self._steps(x, label, scored, (rate, parameter_rate))
        self.c.hn_learn_begin()
        outputs = [self._step(*step) for step in steps]
        while self.c.hn_learn_tail():
            outputs.append(self.output)
        return np.array(outputs[self.qnet.tail : self.qnet.tail + len(x)])

    def stream(self, x: Array, label: Array, scored: Array, rate: int, parameter_rate: int = 0) -> Array:
        """Go on as `sim.learning.learner.Learner.stream` does, but that `begin` starts a stream anew."""
        return np.array([self._step(*step) for step in self._steps(x, label, scored, (rate, parameter_rate))])

    def begin(self) -> None:
        """Set states and eligibilities to 0."""
        self.c.hn_learn_begin()

    def infer(self, x: Array) -> Array:
        """Run x (T, channel) and the tail from zero states without learning; return the readout of each device step."""
        x = self._checked(x)
        self.begin()
        outputs = []
        for step in np.pad(x, ((0, self.qnet.tail), (0, 0))):
            self.c.hn_learn_infer(self._input(step))
            outputs.append(self.output)
        return np.array(outputs)

    def clips(self) -> dict[str, int]:
        """Read what was clipped so far, by the names of `sim.learning.learner.Learner.clips`."""
        depth = len(self.plan.layers)
        counts = (ctypes.c_uint32 * (1 + 3 * depth)).in_dll(self.c, "hn_learn_counts")
        result = {"learning signals": int(counts[0])}
        for i, layer in enumerate(self.plan.layers):
            for k, kind in enumerate(("Jacobians", "eligibilities", "accumulators")):
                result[f"{layer.name} {kind}"] = int(counts[1 + k * depth + i])
        return result
