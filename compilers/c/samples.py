"""Samples beside a compiled network, and a program that answers them: `make run` then needs nothing else.

samples.txt    what main.c reads
labelled.txt   with labels and the steps that count, what answers.c and learn_main.c read
answers.c      answers the labelled ones and counts how many are right
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.compilers.c import build
from hypr_neuro.data.checks import require_integers
from hypr_neuro.data.score import predict
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.options import LearnOptions

SAMPLES, LABELLED, ANSWERS = "samples.txt", "labelled.txt", "answers.c"
MEASURED = 4
"""Samples under the emulator; it runs every instruction by itself."""


def check_samples(network: Any, data: SequenceData, learn: LearnOptions | None = None) -> None:
    """Raise InputError for samples that programs cannot read or whose answers they cannot tell as `predict` does."""
    require("samples", data, SequenceData)
    if learn is not None and learn.targets != "labels":
        raise InputError(
            f"samples with labels and learn with targets = '{learn.targets}', rule: a program that learns from labels, "
            "which labelled.txt holds; compile one without samples"
        )
    require_integers(data)
    if data.regression:
        raise InputError(
            f"samples of '{data.name}', a regression, rule: classes; the answers of the program are classes, write "
            "main.c's input by yourself (docs/c.md)"
        )
    if isinstance(network, QuantizedNetwork):
        units = {p.state_scale if p.model.readout else 1.0 for p in map(network.population, network.outputs)}
        if len(units) > 1:
            raise InputError(
                f"samples with outputs {', '.join(network.outputs)}, whose units {sorted(units)} differ, rule: one for "
                "all; integers of different units do not compare in C"
            )


def sample_files(data: SequenceData) -> dict[str, str]:
    """Write the samples, by name of the file."""
    label = np.broadcast_to(data.y if data.per_step else data.y[:, None], data.x.shape[:2])
    counts = np.ones(label.shape, bool) if data.mask is None else data.mask
    labelled = np.concatenate([data.x, label[..., None], counts[..., None]], axis=2)
    return {SAMPLES: _text(data.x), LABELLED: _text(labelled)}


def _text(samples: Array) -> str:
    """Write samples (sample, T, numbers): the number of steps, then a line a step."""
    parts = []
    for rows in samples.astype(np.int64):
        parts += [str(len(rows)), *(" ".join(map(str, row)) for row in rows.tolist())]
    return "\n".join(parts) + "\n"


def answers_source(data: SequenceData, template: str) -> str:
    """Write answers.c for labels of samples or of steps."""
    return "#define HN_EVERY_STEP\n" + template if data.per_step else template


def answer_facts(network: Any, data: SequenceData) -> dict[str, Any]:
    """Return what the manifest says of the samples: how many, and how many answers the simulator has right."""
    answers = predict(simulate(network, data.x).readout, data)
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
