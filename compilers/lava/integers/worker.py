"""A program of its own that runs integer networks under Lava's CPU runtime, one after the other.

    python -m hypr_neuro.compilers.lava.integers.worker FOLDER

For each NAME.h5 (`IntegerNetwork.save`) and NAME.x.npy (T, channel) of FOLDER it writes NAME.0.npy, NAME.1.npy, …:
states and spikes of each population, see `record`. Then it prints NAME; an error goes to NAME.error.txt.

Lava forks its processes and fixes the start method of `multiprocessing`: for a child process, not for a program of a
user (`batch` starts it).
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.integers.network import check_integer_network, lava_integer_network
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.numbers.arrays import Array


def run_network(network: IntegerNetwork, x: Array, folder: Path, name: str) -> None:
    """Run x (T, channel) from zero states; population i is recorded in folder / "name.i.npy"."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer

    from hypr_neuro.compilers.lava.integers.record import record_to

    check_integer_network(network, int(np.abs(x).max()))
    built = lava_integer_network(network)
    source = RingBuffer(data=np.ascontiguousarray(x.T))
    built.feed(source.s_out)
    for i, p in enumerate(network.populations):
        record_to(built.populations[p.name], folder / f"{name}.{i}.npy", p.model.d, len(x))
    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=_models([source, *built.processes]))
    try:
        source.run(condition=RunSteps(num_steps=len(x)), run_cfg=config)
    finally:
        source.stop()


def _models(processes: list[Any]) -> dict[Any, Any]:
    """Return the model of each process.

    Lava's own search, for each process anew through the files of a folder, would find the same ones (the recorders'
    base classes) and take longer than a run.
    """
    from lava.proc.dense import models as dense
    from lava.proc.io import source
    from lava.proc.sparse import models as sparse

    from hypr_neuro.compilers.lava.integers import record
    from hypr_neuro.compilers.lava.processes.models import PyAlwaysOn

    known = {
        "RingBuffer": source.PySendModelFixed,
        "AlwaysOn": PyAlwaysOn,
        "Dense": dense.PyDenseModelBitAcc,
        "DelayDense": dense.PyDelayDenseModelBitAcc,
        "Sparse": sparse.PySparseModelBitAcc,
        "DelaySparse": sparse.PyDelaySparseModelBitAcc,
        "LIF": record.RecordingLif,
        "RF": record.RecordingRf,
        "RF_IZ": record.RecordingRfIz,
    }
    return {process: known[type(process).__name__] for process in processes}


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
