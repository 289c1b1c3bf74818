"""The C that learns, loaded into this process: for tests, and to try a network before it goes onto a board."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.c.build import Toolchain, compile_c
from hypr_neuro.compilers.c.learning.field import STRUCTS
from hypr_neuro.compilers.c.learning.learn import SOURCE, write_learning
from hypr_neuro.compilers.c.learning.memory import fields
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.compilers.c.learning.targets import STEP_NAMES
from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.error_function import ErrorFunction, called
from hypr_neuro.sim.learning.options import LearnOptions, check_rates
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.targets import check_targets
from hypr_neuro.sim.simulator import check_values

Errors = Array | ErrorFunction
TOLD = {"labels": "label", "values": "values", "errors": "errors"}
"""Argument that holds what is learned from, by `LearnOptions.targets`."""
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
        self._output, self._called = output, None
        self._fault: Exception | None = None
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

    def step(self, x: Array, told: Any, scored: bool) -> Array:
        """Take one device step with input x (channel,); return the readout; InputError as for a `sample`.

        told : the label, or by `LearnOptions.targets` values or errors (outputs,) or a function
        """
        told = told if callable(told) else np.asarray(told)[None]
        named = {TOLD[self.plan.options.targets]: told}
        label, errors, values = named.get("label"), named.get("errors"), named.get("values")
        x = self._checked(np.asarray(x)[None])
        return self._step(x[0], *self._targets(1, label, np.array([scored]), errors, values)[0])

    def _step(self, x: Array, told: Any, scored: bool) -> Array:
        targets = self.plan.options.targets
        if callable(told):
            self._called = self._callback(told)  # C calls it steps later
            self.c.hn_learn_step_with_error_function(self._input(x), self._called, int(scored))
            self._raise()
        elif targets == "labels":
            self.c.hn_learn_step(self._input(x), told, int(scored))
        else:
            self.c[STEP_NAMES[targets]](self._input(x), self._input(told), int(scored))
        return self.output

    def _callback(self, function: ErrorFunction) -> Any:
        """Return a C function of the user's; what it raises comes out behind the step."""

        def asked(output: Any, error: Any) -> None:
            outputs = np.array(output[: self.qnet.output_size], np.int64)
            try:
                for k, e in enumerate(called(function, outputs, None, self.plan.error_bits).tolist()):
                    error[k] = e
            except Exception as fault:
                self._fault = fault

        return ctypes.CFUNCTYPE(None, ctypes.POINTER(self._output), ctypes.POINTER(ctypes.c_int32))(asked)

    def _raise(self) -> None:
        """Raise what the user's function raised."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

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

    def _targets(
        self, steps: int, label: Array | None, scored: Array, errors: Errors | None, values: Array | None
    ) -> list[tuple[Any, bool]]:
        """Return what comes with each step and whether it counts, label 0 where not; InputError for what is no such."""
        given = {"label": label, "errors": errors, "values": values}
        told = [name for name, each in given.items() if each is not None]
        if told != [TOLD[self.plan.options.targets]]:
            raise InputError(
                f"given: {', '.join(told) or 'nothing'}, rule: {TOLD[self.plan.options.targets]}, as the program was "
                f"made with targets = '{self.plan.options.targets}'"
            )
        function = errors if callable(errors) else None
        arrays = None if callable(errors) else errors
        zeros = np.zeros(steps, np.int64) if function is not None else label
        targets = check_targets(
            steps, self.qnet.output_size, self.plan.error_bits, zeros, scored, arrays, values=values
        )
        counts = targets.scored.tolist()
        if function is not None:
            return [(function, counted) for counted in counts]
        if targets.errors is not None:
            return list(zip(targets.errors, counts, strict=True))
        return list(zip(np.where(targets.scored, targets.label, 0).tolist(), counts, strict=True))

    def _steps(self, x: Array, targets: Iterable[Any], rates: tuple[int, int]) -> Iterator[tuple[Any, Any, bool]]:
        """Set the rates and return the arguments of each step, once all of them have been checked."""
        rates = check_rates(*rates)
        x = self._checked(x)
        self.c.hn_learn_rate(*rates)
        return ((row, *target) for row, target in zip(x, targets, strict=True))

    def sample(
        self,
        x: Array,
        label: Array | None,
        scored: Array,
        rate: int,
        parameter_rate: int = 0,
        *,
        errors: Errors | None = None,
        values: Array | None = None,
    ) -> Array:
        """Learn from a sample as `sim.learning.learner.Learner.sample` does; the readout (T, outputs).

        errors : integers (T, outputs), or a function as in `error_function`, whose target is None
        """
        targets = self._targets(len(x), label, scored, errors, values)
        steps = self._steps(x, targets, (rate, parameter_rate))
        self.c.hn_learn_begin()
        outputs = [self._step(*step) for step in steps]
        while self.c.hn_learn_tail():
            self._raise()
            outputs.append(self.output)
        return np.array(outputs[self.qnet.tail : self.qnet.tail + len(x)])

    def stream(
        self,
        x: Array,
        label: Array | None,
        scored: Array,
        rate: int,
        parameter_rate: int = 0,
        *,
        errors: Errors | None = None,
        values: Array | None = None,
    ) -> Array:
        """Go on as `sim.learning.learner.Learner.stream` does, but that `begin` starts a stream anew."""
        targets = self._targets(len(x), label, scored, errors, values)
        return np.array([self._step(*step) for step in self._steps(x, targets, (rate, parameter_rate))])

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
