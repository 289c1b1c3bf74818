"""Training in integers alone: random integers learn on the chip's rule from the first sample, without a float network.

Floats stand at the start only, where drawn weights become integers (`quantize`). Exponents and scales come from ranges
that the task states (`tasks.Task.fixed_weight_range`, `fixed_state_range`), start weights are doubled until the
*integer* network fires, and every change after that is one of integers, one sample at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from hypr_neuro.data.checks import require_integers, require_two_classes
from hypr_neuro.data.score import Score, score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import HyprError
from hypr_neuro.exchange.nir import read_quantized_nir, write_nir
from hypr_neuro.files.run_folder import RunFolder
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.from_data import options_for
from hypr_neuro.sim.learning.learn import LearnEpoch, LearnRun, learn
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.workflow.describe import describe_network, describe_profile
from hypr_neuro.workflow.equal import require_equal_integers
from hypr_neuro.workflow.stages import build
from hypr_neuro.workflow.tasks import Task, for_width, lost_bits

DOUBLINGS = 12
PROBE = 32
"""Training samples that say whether a start network fires."""


@dataclass
class FixedTraining:
    """What came out: the start and the learned network, their scores on the test part, and how many epochs ran."""

    start: QuantizedNetwork
    learned: QuantizedNetwork
    before: Score
    after: Score
    ran: int


def train_fixed_stage(
    folder: RunFolder,
    data: SequenceData,
    task: Task,
    profile: Profile,
    *,
    seed: int,
    spec: Any = None,
    epochs: int | None = None,
    options: LearnOptions | None = None,
    on_sample: Callable[[int, int], None] | None = None,
) -> FixedTraining:
    """Draw a network, make it integers, let it learn; write quantized.h5, learned.h5, learned.nir and a checkpoint.

    An interrupted run goes on from its last finished epoch, bit for bit.

    Parameters
    ----------
    folder
        Run folder.
    data
        Sequences with classes, or with targets of a regression.
    task
        Settings that suit the data.
    profile
        Chip whose integers learn.
    seed
        Draws start weights; also the seed of `options`.
    spec
        Network in place of the task's.
    epochs
        In place of the task's.
    options
        In place of the task's `fixed`.
    on_sample
        Called with (samples done, samples of the epoch).

    Returns
    -------
    FixedTraining
        The start and the learned network with their scores.

    Raises
    ------
    InputError
        For data or a network that do not fit, and for a profile that cannot learn.
    """
    require_integers(data)
    require_two_classes(data)
    started = time.perf_counter()
    options = options_for(replace(options or for_width(task.fixed, profile), seed=seed), data)
    net, start = integer_start(data, task, profile, seed, spec)
    options.check(start)
    ran: list[LearnEpoch] = []
    # nothing is written before a checkpoint of another run had its chance to be refused
    result = learn(
        start,
        data,
        epochs=epochs or task.fixed_epochs,
        options=options,
        checkpoint=folder.file("checkpoint"),
        on_sample=on_sample,
        on_epoch=lambda epoch, _: ran.append(epoch),
    )
    if ran or not _holds(folder, start, result.qnet):
        _write(folder, net, start, result, options, profile)
    test = data.part("test")
    before, after = (
        score_readout(
            q.for_score(simulate(q, test.x).readout, regression=data.regression), test, learned=q is not start
        )
        for q in (start, result.qnet)
    )
    if after.squared_error is None:
        figures: dict[str, float | None] = {
            "integer": after.accuracy,
            "integer_labelled": after.labelled,
            "integer_start": before.accuracy,
        }
        folder.merge("accuracy", figures)
    else:
        figures = {"integer": after.squared_error, "integer_r2": after.r2, "integer_start": before.squared_error}
        folder.merge("squared_error", figures | {"mean": after.mean_error})
    if ran or folder.read("seconds") is None:
        earlier = (folder.read("seconds") or {}).get("train", 0.0) if len(ran) < len(result.epochs) else 0.0
        folder.merge("seconds", {"train": earlier + time.perf_counter() - started})
    return FixedTraining(start, result.qnet, before, after, len(ran))


def _holds(folder: RunFolder, start: QuantizedNetwork, learned: QuantizedNetwork) -> bool:
    """Tell whether a run folder holds these networks, and all that is written beside them."""
    if not folder.file("learned.nir").is_file() or any(folder.read(s) is None for s in ("training", "network", "nir")):
        return False
    try:
        require_equal_integers(start, QuantizedNetwork.load(folder.file("quantized.h5")))
        require_equal_integers(learned, QuantizedNetwork.load(folder.file("learned.h5")))
    except HyprError:
        return False
    return True


def _write(
    folder: RunFolder, net: Network, start: QuantizedNetwork, run: LearnRun, options: LearnOptions, profile: Profile
) -> None:
    """Write the start, what was learned, and what the report says of both."""
    start.save(folder.file("quantized.h5"))
    folder.write("network", describe_network(net))
    folder.write("profile", describe_profile(profile))
    folder.merge("quantization", {"record": start.record})
    write_learned(folder, run.qnet)
    section = {
        "arithmetic": "fixed",
        "rule": "hypr in integers, batch 1",
        "options": options.described(),
        "epochs": [asdict(e) for e in run.epochs],
    }
    folder.write("training", section)


def write_learned(folder: RunFolder, qnet: QuantizedNetwork) -> None:
    """Write learned.h5 and learned.nir; the second is read back and required to be equal."""
    qnet.save(folder.file("learned.h5"))
    path = folder.file("learned.nir")
    summary = write_nir(qnet, path)
    require_equal_integers(qnet, read_quantized_nir(path))
    folder.write("nir", {"file": path.name, "equal": True, "approximations": list(summary.approximations)})


def integer_start(
    data: SequenceData, task: Task, profile: Profile, seed: int, spec: Any = None
) -> tuple[Network, QuantizedNetwork]:
    """Return drawn weights and parameters in float, and as integers of the task's ranges, each hidden layer firing.

    Each hidden layer's input weights are doubled, from the first layer up, until the integer network fires at the
    task's `start_rate` on training samples; at most 2^12.
    """
    net = build(task.spec(data) if spec is None else spec, data, seed, 0.0)
    x = data.part("train").x[:PROBE]
    qnet = quantize_start(net, task, profile)
    for p in net.populations:
        for _ in range(0 if p.model.readout else DOUBLINGS):
            if not task.start_rate or simulate(qnet, x).rates[p.name] >= task.start_rate:
                break
            for c in net.incoming(p.name):
                if c.source != p.name:
                    c.stored()[...] *= 2.0
            qnet = quantize_start(net, task, profile)
    return net, qnet


def quantize_start(net: Network, task: Task, profile: Profile) -> QuantizedNetwork:
    """Return integers with room for what learning may reach, as the task states it; no data are looked at."""
    states, weights, lost = {}, {}, lost_bits(profile)
    # half of the bits that are missing are taken from the range, half make the steps coarser
    narrowed, rounding = 2.0 ** (-lost / 2), "stochastic" if lost else "nearest"
    for p in net.populations:
        states[p.name] = task.fixed_state_range["readout" if p.model.readout else "hidden"]
        for c in net.incoming(p.name):
            key = "recurrent" if c.source == p.name else "input"
            kind = "readout" if p.model.readout else key
            weights[f"{p.name}.{key}"] = task.fixed_weight_range[kind] * narrowed
    return quantize(net, profile, calibration=states, weight_range=weights, rounding=rounding)
