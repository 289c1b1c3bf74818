"""A program of its own that runs integer networks under Lava's CPU runtime, one after the other.

    python -m hypr_neuro.compilers.lava.integers.worker FOLDER

For each NAME.h5 (`IntegerNetwork.save`) and NAME.x.npy (T, channel) of FOLDER it writes NAME.0.npy, NAME.1.npy, …:
states and spikes of each population, see `rows`. Then it prints NAME; an error goes to NAME.error.txt.

Lava forks its processes and fixes the start method of `multiprocessing`: for a child process, not for a program of a
user (`batch` starts it).
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import numpy as np

from hypr_neuro.compilers.lava.integers.network import check_integer_network, lava_integer_network
from hypr_neuro.compilers.lava.rows import record_to
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array


def run_network(network: IntegerNetwork, x: Array, folder: Path, name: str) -> None:
    """Run x (T, channel) from zero states; population i is recorded in folder / "name.i.npy"."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer

    from hypr_neuro.compilers.lava.integers.record import models_of

    check_integer_network(network, int(np.abs(x).max()))
    built = lava_integer_network(network)
    source = RingBuffer(data=np.ascontiguousarray(x.T))
    built.feed(source.s_out)
    for i, p in enumerate(network.populations):
        record_to(built.populations[p.name], folder / f"{name}.{i}.npy", p.model.d, len(x))
    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models_of([source, *built.processes]))
    try:
        source.run(condition=RunSteps(num_steps=len(x)), run_cfg=config)
    finally:
        source.stop()


def main(folder: Path) -> None:
    """Run every network of the folder."""
    for path in sorted(folder.glob("*.h5")):
        name = path.stem
        try:
            run_network(IntegerNetwork.load(path), np.load(folder / f"{name}.x.npy"), folder, name)
        except Exception:
            (folder / f"{name}.error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        print(name, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
