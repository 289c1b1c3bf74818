"""Samples beside a compiled network, and a program that answers them: `make run` then needs nothing else.

samples.txt    what main.c reads
labelled.txt   with labels, or targets, and the steps that count, what answers.c and learn_main.c read
answers.c      answers the labelled ones and counts how many are right, of a regression sets outputs beside targets
"""

from __future__ import annotations

from math import log2
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.c import build
from hypr_neuro.data.checks import require_integers
from hypr_neuro.data.fit import check_outputs
from hypr_neuro.data.score import predict, score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import as_integer
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.value_error import as_values

SAMPLES, LABELLED, ANSWERS = "samples.txt", "labelled.txt", "answers.c"
ANSWERS_OF_VALUES = "answers_values.c"
"""The template of answers.c for a regression."""
MEASURED = 4
"""Samples under the emulator; it runs every instruction by itself."""


def check_samples(network: Any, data: SequenceData, learn: LearnOptions | None = None) -> None:
    """Raise InputError for samples that programs cannot read or whose answers they cannot tell as `predict` does."""
    require("samples", data, SequenceData)
    if learn is not None and learn.targets == "errors":
        raise InputError(
            f"samples and learn with targets = '{learn.targets}', rule: a program that learns from labels or targets, "
            "which labelled.txt holds; compile one without samples"
        )
    require_integers(data)
    if data.regression:
        check_outputs(as_integer(network)[0].output_size, data)
        _targets(network, data)
    elif isinstance(network, QuantizedNetwork):
        units = {p.state_scale if p.model.readout else 1.0 for p in map(network.population, network.outputs)}
        if len(units) > 1:
            raise InputError(
                f"samples with outputs {', '.join(network.outputs)}, whose units {sorted(units)} differ, rule: one for "
                "all; integers of different units do not compare in C"
            )


def sample_files(network: Any, data: SequenceData) -> dict[str, str]:
    """Write the samples, by name of the file; targets of a regression in the outputs' fixed-point format."""
    told = _targets(network, data) if data.regression else data.y[..., None]
    shape = data.x.shape[:2]
    told = np.broadcast_to(told if data.per_step else told[:, None], (*shape, told.shape[-1]))
    counts = np.ones(shape, bool) if data.mask is None else data.mask
    labelled = np.concatenate([data.x, told, counts[..., None]], axis=2)
    return {SAMPLES: _text(data.x), LABELLED: _text(labelled)}


def _text(samples: Array) -> str:
    """Write samples (sample, T, numbers): the number of steps, then a line a step."""
    parts = []
    for rows in samples.astype(np.int64):
        parts += [str(len(rows)), *(" ".join(map(str, row)) for row in rows.tolist())]
    return "\n".join(parts) + "\n"


def answers_source(network: Any, data: SequenceData, templates: Path) -> str:
    """Write answers.c for labels, or targets, of samples or of steps."""
    template = (templates / (ANSWERS_OF_VALUES if data.regression else ANSWERS)).read_text(encoding="utf-8")
    defined = ["#define HN_EVERY_STEP\n"] * data.per_step
    if data.regression:
        defined.append(f"#define HN_FRACTIONS {{{', '.join(map(str, _fractions(network)))}}}\n")
    return "".join([*defined, template])


def _targets(network: Any, data: SequenceData) -> Array:
    """Return the targets of a regression as integers of the outputs, (…, outputs)."""
    return np.stack([as_values(data.y[..., k], f) for k, f in enumerate(_fractions(network))], axis=-1)


def _fractions(network: Any) -> list[int]:
    """Return the fraction bits of each output; InputError where outputs have none."""
    if not isinstance(network, QuantizedNetwork):
        raise InputError(
            "samples of a regression and integers without scales, rule: a network that was quantized from floats, "
            "whose outputs have the targets' units; give that, or compile without samples"
        )
    outputs = [network.population(name) for name in network.outputs]
    spiking = [p.name for p in outputs if not p.model.readout]
    if spiking:
        raise InputError(
            f"output '{spiking[0]}' spikes, rule: readouts for a regression, whose state is the answer; end the "
            "network in li or cuba_li"
        )
    coarse = [p.name for p in outputs if p.state_scale < 1]
    if coarse:
        raise InputError(
            f"output '{coarse[0]}', an integer of which is more than 1 in the targets' units, rule: at most 1; give "
            "targets in larger units, or compile without samples"
        )
    return [round(log2(p.state_scale)) for p in outputs for _ in range(p.size)]


def answer_facts(network: Any, data: SequenceData) -> dict[str, Any]:
    """Return what the manifest says of the samples: how many, and how many answers the simulator has right."""
    readout = simulate(network, data.x).readout
    if data.regression:
        error = score_readout(network.for_score(readout, regression=True), data, learned=False).squared_error
        return {"data": data.name, "samples": len(data), "squared error": error}
    answers = predict(readout, data)
    right = answers == data.y
    if data.per_step and data.mask is not None:
        right = right[data.mask]
    return {"data": data.name, "samples": len(data), "right": int(right.sum()), "answers": int(right.size)}


def instruction_facts(folder: Any, data: SequenceData | None, tail: int) -> dict[str, Any]:
    """Return instructions of a step for the manifest, measured under the emulator, or why they are not known."""
    how = f"{build.CORTEX_M4.program} {' '.join(build.CORTEX_M4.flags)}, counted by {build.EMULATOR}"
    if data is None:
        return {"value": None, "reason": "counted on samples; compile with samples (--samples N)"}
    missing = build.CORTEX_M4.missing() or build.emulator_missing()
    if missing is not None:
        return {"value": None, "reason": missing}
    rows = list(data.x[:MEASURED])
    try:
        value = build.instructions_per_step(folder, rows, tail)
    except InputError as error:
        return {"value": None, "reason": str(error).splitlines()[0]}
    return {"value": value, "how": f"{how}, mean of {len(rows)} sample(s) and their tails"}
