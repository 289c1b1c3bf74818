"""Programs that the tests of generated C compile, run and compare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from needed import needs

from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.build import Toolchain
from hypr_neuro.graph.integer import HasInteger, IntegerNetwork, as_integer
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.integer import assert_same_run, run_of_reference


def compiled(network: IntegerNetwork | HasInteger, folder: Path) -> Path:
    return compile_network(network, target="c", out=folder).folder


def assert_c_equals(
    network: IntegerNetwork | HasInteger,
    samples: list[np.ndarray],
    folder: Path,
    toolchain: Toolchain,
    *,
    seed: int,
    fast: bool = False,
) -> int:
    """Samples (T, channel): states and outputs of every step equal the reference's, or the simulator's if `fast`.

    Returns the number of outputs that are not 0.
    """
    needs(toolchain)
    integer, tail = as_integer(network)
    program = build.build(compiled(network, folder), toolchain, trace=True)
    got = build.traces(build.run(program, samples), integer, [len(s) + tail for s in samples])
    fired = 0
    for sample, runs in zip(samples, got, strict=True):
        x = np.concatenate([sample, np.zeros((tail, integer.inputs), np.int64)])[None]
        expected = run_of_engine(integer, x) if fast else run_of_reference(integer, x)
        assert_same_run(integer, x, expected, runs, seed=seed, who=("simulator", f"C, {toolchain.name}"))
        fired += sum(int(np.count_nonzero(run[:, -1])) for run in runs)
    return fired


def run_of_engine(network: IntegerNetwork, x: np.ndarray) -> list[np.ndarray]:
    """The simulator's run of one sample, for long ones; a readout's output is its last state."""
    states = sorted({s for p in network.populations for s in p.model.state_names})
    trace, runs = simulate(network, x, ["spikes", *states]), []
    for p in network.populations:
        rows = [trace.states[p.name][s][:, 0] for s in p.model.state_names]
        runs.append(np.stack([*rows, rows[-1] if p.model.readout else trace.spikes[p.name][:, 0]], axis=1))
    return runs
