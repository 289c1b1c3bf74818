"""Builds and runs of what `learn.emit_learning` wrote: on this computer, under sanitizers, on an emulated Cortex-M4."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.learning.memory import fields
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.files.store import make_folder
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.plan import LearningPlan

Sample = tuple[Array, Array, Array]
"""x (T, channel), label (T,) or values or errors (T, outputs), scored (T,)."""
SOURCES = ("learn.c",)
PROGRAM = ("learn.c", "learn_main.c")


def build_learning(folder: Path, toolchain: build.Toolchain = build.HOST) -> Path:
    """Build the program that learns from samples, `folder`/learn/program_<toolchain>; `run_learning` runs it.

    Raises
    ------
    InputError
        If the compiler fails.
    """
    out = make_folder(folder.resolve() / "learn") / f"program_{toolchain.name}"
    if toolchain is build.CORTEX_M4:
        linked = ["-nostdlib", "-T", "cortex_m4/mps2_an386.ld", *PROGRAM, *build.BOARD, "-lgcc"]
    else:
        linked = [*PROGRAM, "host_io.c"]
    build.compile_c(toolchain, ["-o", out, *linked], folder)
    return out


def run_learning(program: Path, plan: LearningPlan, samples: Iterable[Sample]) -> list[tuple[Array, dict[str, Array]]]:
    """Run the program: for each sample the readout (T, outputs), and after it the arrays of `hn_learned` by name.

    A program for a board runs under qemu.

    Raises
    ------
    InputError
        If it fails.
    """
    samples = list(samples)
    # behind the inputs of a step what it is learned from, and whether that counts
    rows = [np.column_stack([x, label, scored]).astype(np.int64) for x, label, scored in samples]
    printed = iter(build.run(program, rows).splitlines())
    learned = [f for f in fields(LearningProgram(plan)) if f.struct == "learned"]
    ends = np.cumsum([int(np.prod(f.shape)) for f in learned])[:-1]
    results = []
    for row in rows:
        outputs = np.array([next(printed).split() for _ in range(plan.clock.learning_steps(len(row)))], np.int64)
        parts = np.split(np.array(next(printed).split(), np.int64), ends)
        delay = plan.clock.tail
        results.append(
            (
                outputs[delay : delay + len(row)],
                {f.name: part.reshape(f.shape) for f, part in zip(learned, parts, strict=True)},
            )
        )
    return results
