"""A program of its own that lets networks learn under Lava's CPU runtime, one after the other.

    python -m hypr_neuro.compilers.lava.learning.worker FOLDER

For each NAME.h5 (a quantized network) of FOLDER, NAME.json (options, steps of a sample, stream, record) and NAME.npz
(x, label, rates) it writes the files of `records` and NAME.done.npz, see `run`. An error goes to NAME.error.txt.

Lava forks its processes and fixes the start method of `multiprocessing`: for a child process, not for a program of a
user (`run` starts it).
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.learning.kernels import load_kernels
from hypr_neuro.compilers.lava.learning.network import LavaLearningNetwork, check_learning, learning_network, schedule
from hypr_neuro.compilers.lava.learning.records import record_paths
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan

WARM, BLOCK = 10, 200
"""Steps at the start that are not timed, and of the blocks that are."""


def learn(name: str, folder: Path) -> None:
    """Let one network learn; a sample after the other in a single run of Lava."""
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer

    qnet = QuantizedNetwork.load(folder / f"{name}.h5")
    order = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    options = LearnOptions.from_described(order["options"])
    with np.load(folder / f"{name}.npz") as given:
        x, label, rates = given["x"], given["label"], given["rates"]
    plan = check_learning(qnet, options)
    records = _records(name, folder, plan, len(x), order)
    built = learning_network(qnet, options, rates, order["steps"], stream=order["stream"], records=records)
    load_kernels(plan)
    sources = [RingBuffer(data=np.ascontiguousarray(data.T)) for data in (x, label)]
    built.feed(sources[0].s_out)
    sources[1].s_out.connect(built.label_in)
    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=_models([*sources, *built.processes]))
    seconds = []
    try:
        for steps in _blocks(len(x)):
            start = time.perf_counter()
            sources[0].run(condition=RunSteps(num_steps=steps), run_cfg=config)
            seconds.append((time.perf_counter() - start) / steps)
        np.savez(folder / f"{name}.done.npz", seconds=seconds[1:], **_at_the_end(built))
    finally:
        sources[0].stop()


def _records(name: str, folder: Path, plan: LearningPlan, device_steps: int, order: dict[str, Any]) -> dict[str, Path]:
    """Make empty files for the outputs, the weights after each update and, where asked for, states and spikes."""
    updates = schedule(plan, 0, order["steps"], order["stream"]).updates_until(device_steps)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in plan.layers:
        if order["record"] or layer.index in plan.outputs:
            shapes[layer.name] = (device_steps, layer.model.d + 1, layer.size)
        if updates:
            shapes |= {c.name: (updates, *c.weights().shape) for c in layer.incoming if c.learns}
    paths = {key: path for key, path in record_paths(plan, folder, name).items() if key in shapes}
    for key, path in paths.items():
        np.lib.format.open_memmap(path, mode="w+", dtype=np.int32, shape=shapes[key]).flush()
    return paths


def _models(processes: list[Any]) -> dict[Any, Any]:
    """Return the model of each process; Lava's search through the files of a folder gives the same ones, slowly."""
    from lava.proc.io.source import PySendModelFixed

    from hypr_neuro.compilers.lava.processes import learning_models as models

    known = {
        "RingBuffer": PySendModelFixed,
        "LearningNeurons": models.PyLearningNeurons,
        "LearningSynapses": models.PyLearningSynapses,
        "ErrorUnits": models.PyErrorUnits,
    }
    return {process: known[type(process).__name__] for process in processes}


def _blocks(steps: int) -> list[int]:
    """Return the lengths of the parts of a run."""
    warm = min(WARM, steps)
    full, rest = divmod(steps - warm, BLOCK)
    return [warm, *[BLOCK] * full, *[rest] * (rest > 0)]


def _at_the_end(built: LavaLearningNetwork) -> dict[str, Array]:
    """Read clips and integers of neurons that can change through Lava's runtime, while it pauses."""
    arrays = {f"clips/{name}": process.clips.get() for name, process in (built.neurons | built.synapses).items()}
    return arrays | {f"per_neuron/{name}": process.per_neuron.get() for name, process in built.neurons.items()}


def main(folder: Path) -> None:
    """Let every network of the folder learn; what fails leaves its traceback in NAME.error.txt."""
    for path in sorted(folder.glob("*.h5")):
        name = path.stem
        try:
            learn(name, folder)
        except Exception:
            (folder / f"{name}.error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        print(name, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
