"""Many integer networks under Lava, one after the other in one child process (`worker`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hypr_neuro.compilers.lava.child import last_words, run_worker
from hypr_neuro.compilers.lava.integers.network import check_integer_network
from hypr_neuro.compilers.lava.rules import require_lava
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.engine import check_input

WORKER = "hypr_neuro.compilers.lava.integers.worker"


def run_in_lava(
    cases: Mapping[str, tuple[IntegerNetwork, Array]], folder: Path, timeout: float = 600.0
) -> dict[str, list[Array]]:
    """Run each network on its input x (1, T, channel), one sample, from zero states.

    Parameters
    ----------
    cases
        Network and input by name.
    folder
        Empty, for the files of the worker.
    timeout
        Seconds for all together.

    Returns
    -------
    dict
        By the names of `cases`, for each population in order (T, d + 1, n) int32: the states of every step as the
        simulator has them, then the spikes.

    Raises
    ------
    InputError
        For what simulator or Lava cannot run.
    MissingPackageError
        Without Lava.
    HyprError
        With Lava's own words, if a run fails.
    """
    require_lava()
    for name, (network, x) in cases.items():
        if len(x) != 1:
            raise InputError(f"network '{name}': {len(x)} samples, rule: one; give each a name of its own")
        data = check_input(network, x)
        check_integer_network(network, int(np.abs(data.astype(np.int64)).max()))
        network.save(folder / f"{name}.h5")
        np.save(folder / f"{name}.x.npy", data[0])
    run_worker(WORKER, folder, timeout)
    return {name: _read(name, network, folder) for name, (network, _) in cases.items()}


def _read(name: str, network: IntegerNetwork, folder: Path) -> list[Array]:
    error = folder / f"{name}.error.txt"
    if error.exists():
        raise HyprError(f"Lava, network '{name}': {error.read_text(encoding='utf-8')}; {last_words(folder)}")
    return [np.load(folder / f"{name}.{i}.npy") for i in range(len(network.populations))]
