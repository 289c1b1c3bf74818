"""Compile kernels before they are needed: a small network, trained in float and run and taught in integers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np

from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.neurons import MODELS
from hypr_neuro.workflow.tasks import BRAILLE_NETWORKS, ECG_NETWORKS, OWN_DATA, TASKS

STAGES = ("train", "chip")
"""What a network does: it is trained in float; it is run and taught in integers, beside the float rule."""
ALL = "all"


@dataclass(frozen=True)
class CompiledKernel:
    """A kernel that was compiled, which takes place once a machine.

    Attributes
    ----------
    neuron, stage
        For which it was first needed; kernels of readouts and connections serve all neurons.
    name
        Of the function that makes it.
    seconds
        From start to end.
    """

    neuron: str
    stage: str
    name: str
    seconds: float


def neurons() -> tuple[str, ...]:
    """Return every neuron that layers of a network may have, in float and in integers."""
    return tuple(
        name
        for name, model in MODELS.items()
        if model.has_float and model.integer and model.currents == 1 and not (model.readout or model.most_spikes)
    )


def usual_neurons() -> tuple[str, ...]:
    """Return the neurons of the networks that commands build by themselves, and `lif`."""
    tasks = (OWN_DATA, *TASKS.values(), *ECG_NETWORKS.values(), *BRAILLE_NETWORKS.values())
    return tuple(dict.fromkeys([*(layer["neuron"] for task in tasks for layer in task.network["layers"]), "lif"]))


def chosen_neurons(names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the neurons of these names, "all" for every one, the usual ones for none; InputError for another name."""
    if not names:
        return usual_neurons()
    for name in names:
        if name not in (*neurons(), ALL):
            raise InputError(f"neuron '{name}', rule: one of {', '.join(neurons())}, or {ALL}")
    return neurons() if ALL in names else tuple(dict.fromkeys(names))


def compile_kernels(names: Sequence[str], jobs: int) -> Iterator[tuple[str, str, list[CompiledKernel]]]:
    """Compile the kernels of networks of these neurons, side by side; what lies on disk already is loaded.

    Parameters
    ----------
    names
        Neurons.
    jobs
        Processes.

    Yields
    ------
    neuron, stage, list of CompiledKernel
        As each is done.
    """
    first, *others = names
    # the first two compile what all share, a readout's kernels above all
    order = [(first, "chip"), *((name, "train") for name in names), *((name, "chip") for name in others)]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        try:
            pending = [pool.submit(compile_stage, *job) for job in order]
            for (neuron, stage), done in zip(order, pending, strict=True):
                yield neuron, stage, done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def compile_stage(neuron: str, stage: str) -> list[CompiledKernel]:
    """Do in this process what a network of the neuron does in a stage; return the kernels that were compiled for it."""
    from numba.core import event

    with event.install_recorder("numba:compile") as recorder, warnings.catch_warnings():
        warnings.simplefilter("ignore", HyprWarning)  # of six random samples that teach nothing
        _train(neuron) if stage == "train" else _on_chip(neuron)
    return _kernels(recorder.buffer, neuron, stage)


def _train(neuron: str) -> None:
    from hypr_neuro.train.loop import train

    train(_network(neuron), _data(), epochs=1, batch_size=4, progress=False)


def _on_chip(neuron: str) -> None:
    from hypr_neuro.comparing.compare import compare
    from hypr_neuro.quantizing.quantize import quantize
    from hypr_neuro.sim.engine import simulate
    from hypr_neuro.sim.learning.options import LearnOptions

    net, data = _network(neuron), _data()
    qnet = quantize(net, "loihi2", calibration=dict.fromkeys(("layers.0", "readout"), 8.0))
    simulate(qnet.integer(), data.x)
    compare(net, qnet, data, options=LearnOptions(rate=0.1), progress=False)


def _network(neuron: str) -> Any:
    from hypr_neuro.graph.network import Network

    layer = {"neuron": neuron, "size": 8, "recurrent": True, "bias": True}
    return Network.build({"inputs": 4, "outputs": 3, "layers": [layer]}, seed=0)


@cache
def _data() -> Any:
    """Return six samples of spikes, two of each part."""
    from hypr_neuro.data import SequenceData

    x = (np.random.default_rng(0).random((6, 5, 4)) < 0.5).astype(np.int8)
    return SequenceData("warm", x, np.array([0, 1, 2, 0, 1, 2]), np.repeat(["train", "validation", "test"], 2), 3)


def _kernels(recorded: list[tuple[float, Any]], neuron: str, stage: str) -> list[CompiledKernel]:
    """Return the kernels among the functions that numba says it compiled."""
    found, started = [], {}
    for moment, happened in recorded:
        compiled = happened.data["dispatcher"]
        if happened.is_start:
            started[compiled] = moment
            continue
        maker, _, inner = compiled.py_func.__qualname__.partition(".<locals>.")
        if inner.startswith("kernel_"):  # not a function that a kernel calls
            found.append(CompiledKernel(neuron, stage, maker.lstrip("_"), moment - started[compiled]))
    return found
