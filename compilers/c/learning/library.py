"""The C that learns, loaded into this process: for tests, and to try a network before it goes onto a board."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.c.build import Toolchain, compile_c
from hypr_neuro.compilers.c.learning.learn import SOURCE, write_learning
from hypr_neuro.compilers.c.learning.memory import STRUCTS, fields
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.quantize import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan

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
        self.c, self.qnet, self.plan = ctypes.CDLL(str(folder.resolve() / FILE)), qnet, LearningPlan(qnet, options)
        kinds = {f.name: f.kind for f in fields(self.plan)}
        output = getattr(ctypes, f"c_{kinds[f'sent_{self.plan.last}'].removesuffix('_t')}")
        self.c.hn_learn_output.restype = ctypes.POINTER(output)
        self.raw: list[Any] = []
        self.arrays = {name: array for struct in STRUCTS for name, array in self._struct(struct)}
        self.c.hn_learn_reset()

    def _struct(self, struct: str) -> Iterator[tuple[str, Array]]:
        members = [f for f in fields(self.plan) if f.struct == struct]
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
        return np.array(self.c.hn_learn_output()[: self.qnet.outputs])

    def step(self, x: Array, label: int, scored: bool) -> Array:
        """Take one device step with input x (channel,); return the readout."""
        self.c.hn_learn_step((ctypes.c_int32 * len(x))(*x.tolist()), int(label), int(scored))
        return self.output

    def sample(self, x: Array, label: Array, scored: Array, rate: int, parameter_rate: int = 0) -> Array:
        """Learn from a sample as `sim.learning.learner.Learner.sample` does; the readout (T, outputs)."""
        self.c.hn_learn_rate(rate, parameter_rate)
        self.c.hn_learn_begin()
        outputs = [self.step(*step) for step in zip(x, label, scored, strict=True)]
        while self.c.hn_learn_tail():
            outputs.append(self.output)
        return np.array(outputs[self.qnet.tail : self.qnet.tail + len(x)])

    def stream(self, x: Array, label: Array, scored: Array, rate: int, parameter_rate: int = 0) -> Array:
        """Go on as `sim.learning.learner.Learner.stream` does, but that `begin` starts a stream anew."""
        self.c.hn_learn_rate(rate, parameter_rate)
        return np.array([self.step(*step) for step in zip(x, label, scored, strict=True)])

    def begin(self) -> None:
        """Set states and eligibilities to 0."""
        self.c.hn_learn_begin()

    def infer(self, x: Array) -> Array:
        """Run x (T, channel) and the tail from zero states without learning; return the readout of each device step."""
        self.begin()
        outputs = []
        for step in [*x.tolist(), *[[0] * self.qnet.inputs] * self.qnet.tail]:
            self.c.hn_learn_infer((ctypes.c_int32 * len(step))(*step))
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
