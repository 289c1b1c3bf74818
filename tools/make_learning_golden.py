"""Golden files of learning: what the definition of learning computes, kept so that every later form of it must, too.

    python tools/make_learning_golden.py [MODEL …]        (without names: every model that has no file yet)

A file tests/golden/learning_MODEL.npz holds some small networks in integers, how they learn, their samples, and what
`sim.learning.reference` computed: gradients of the first sample, readouts, and weights, neuron integers, what
updates remember and clips after all samples; as JSON, in one array of bytes.
Files of alif, alif_reset, brf, lif and se_adlif were written by a reference that shared no arithmetic with the compiled
kernels: evidence of two independent readings of the same text. Those of lif_reset and rf_threshold keep what the one
text of today computes, as do the graphs of `make_learning_graph_golden`. All are made anew only where the definition
itself changes.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.testing.networks import integer_models, random_quantized, random_spikes, varied

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
STEPS, SAMPLES = 18, 3
LARGE_RATE = 1 << 26
LEAST, APART = 10, 1000
"""Gradients of a case that are not 0, and the distance to the seed that is tried next."""


@dataclass(frozen=True)
class Case:
    """A network and how it learns: `profile` are fields that differ from `chip`, `options` those of LearnOptions."""

    hidden: tuple[int, ...] = (4, 3)
    chip: str = "loihi2"
    bias: bool = True
    recurrent: bool = True
    profile: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    rate: int = 60000
    graded: int = 1


DELAYED = {"learning__eligibility_alignment": "delayed", "time__error_latency": 3}
ALL: dict[str, Any] = {"parameters": ("all",)}
CASES = {
    "all parameters": Case(options=ALL),
    "no delay, late signals": Case(
        (4, 3, 3), "ideal", bias=False, profile=DELAYED, options=ALL | {"feedback": "random"}
    ),
    "delayed, graded input": Case(profile=DELAYED, options=ALL | {"rule": "layer"}, graded=90),
    "narrow": Case(
        profile={
            "learning__eligibility_bits": 10,
            "learning__accumulator_bits": 10,
            "learning__signal_bits": 6,
            "learning__eligibility_rounding": "floor",
            "precision__state_rounding": "zero",
        },
        options=ALL,
    ),
    "coarse": Case(
        (5,),
        "ideal",
        recurrent=False,
        profile={
            "learning__error_bits": 4,
            "learning__psi_bits": 4,
            "learning__eligibility_fraction": 5,
            "learning__eligibility_rounding": "zero",
            "precision__weight_bits": 6,
            "precision__coefficient_bits": 12,
        },
        options=ALL | {"rule": "sign", "limit": 1},
    ),
    "residual and momentum": Case(
        profile={
            "learning__residual_bits": 8,
            "learning__momentum_bits": 24,
            "learning__error": "linear",
        },
        options=ALL | {"momentum": 2, "rule": "layer"},
    ),
    "sgd, narrow momentum": Case(
        profile={"learning__momentum_bits": 15, "learning__error": "sign"},
        options={"momentum": 1, "rule": "sgd", "update_every": 2},
        rate=LARGE_RATE,
    ),
    "every seventh step": Case(
        profile={"time__error_latency": 2}, options=ALL | {"update_every": 7, "update_on": "step"}
    ),
    "one layer": Case((4, 3, 3), options=ALL | {"layers": ("layers.1",)}),
}
PARAMETER_RATE = 200000


def samples_of(case: Case, seed: int, qnet: QuantizedNetwork) -> dict[str, Array]:
    """Return x (sample, T, channel), label and scored (sample, T)."""
    rng = np.random.default_rng([seed, 3])
    x = random_spikes(seed, SAMPLES, STEPS, qnet.inputs).astype(np.int32)
    x *= rng.integers(1, case.graded, x.shape, endpoint=True, dtype=np.int32)
    label, scored = rng.integers(0, qnet.output_size, (SAMPLES, STEPS)), rng.random((SAMPLES, STEPS)) < 0.8
    return {"x": x, "label": label.astype(np.int8), "scored": scored}


def network_data(qnet: QuantizedNetwork) -> dict[str, Any]:
    """Return everything that the numbers of a network depend on."""
    layers = [
        {
            "neuron": layer.model.name,
            "connections": {key: [c.mantissa.tolist(), c.exponent] for key, c in layer.connections().items()},
            "bias_axon": layer.bias_axon,
            "per_neuron": layer.per_neuron.tolist(),
            "constants": layer.constants.tolist(),
            "psi_table": layer.psi_table.tolist(),
            "state_scale": layer.state_scale,
            "current_scale": layer.current_scale,
        }
        for layer in qnet.layers
    ]
    return {"profile": qnet.profile.dump(), "dt": qnet.dt, "layers": layers}


def learned(qnet: QuantizedNetwork, options: LearnOptions, rate: int, data: dict[str, Array]) -> dict[str, Any]:
    """Return what the definition computes; `qnet` learns, with traces behind outputs that spike."""
    reference = LearningReference(qnet, options)
    samples = [(data["x"][i], data["label"][i].tolist(), data["scored"][i].tolist()) for i in range(SAMPLES)]
    gradients = reference.gradients(*samples[0])
    readouts = [reference.sample(*sample, rate, PARAMETER_RATE) for sample in samples]
    return {
        "gradients": gradients,
        "readouts": readouts,
        "weights": {name: mantissa.tolist() for name, mantissa in reference.qnet.weights().items()},
        "neurons": {p.name: p.per_neuron.tolist() for p in reference.qnet.populations},
        "rule": rule_state(reference),
        "clips": reference.clips(),
        "updates": reference.updates,
    }


def rule_state(learner: Any) -> dict[str, list[int]]:
    """Return what updates remember: running averages, momentum and residuals, by kind and tensor."""
    state = {
        f"{key} average of {name}": np.ravel(values)
        for name, averages in learner.averages.items()
        for key, values in averages.items()
    }
    for kind in ("momentum", "residual"):
        state |= {f"{kind} of {name}": np.ravel(values) for name, values in getattr(learner, kind).items()}
    return {name: values.tolist() for name, values in state.items()}


def case_data(model: str, case: Case, seed: int) -> dict[str, Any]:
    """Return all of one case, drawn with the first seed from this one on with which there is something to learn."""
    chip = varied(case.chip, **case.profile)
    qnet = random_quantized(model, seed, chip, hidden=case.hidden, recurrent=case.recurrent, bias=case.bias)
    options, data = LearnOptions(seed=seed, **case.options), samples_of(case, seed, qnet)
    inputs = {"network": network_data(qnet), "options": asdict(options), "rates": [case.rate, PARAMETER_RATE]}
    inputs |= {key: array.tolist() for key, array in data.items()}
    found = inputs | {"learned": learned(qnet, options, case.rate, data)}
    return found if teaches(found) else case_data(model, case, seed + APART)


def teaches(case: dict[str, Any]) -> bool:
    """Tell whether more than `LEAST` gradients of a case are not 0."""
    rows = [row for matrix in case["learned"]["gradients"].values() for row in matrix]
    return sum(int(np.count_nonzero(row)) for row in rows) > LEAST


def write(model: str, cases: dict[str, dict[str, Any]]) -> None:
    """Write the golden file of a model."""
    path = GOLDEN / f"learning_{model}.npz"
    text = json.dumps(cases, separators=(",", ":")).encode("ascii")
    np.savez_compressed(path, cases=np.frombuffer(text, np.uint8))
    print(f"{path.name}: {path.stat().st_size} bytes")


def main(chosen: list[str]) -> None:
    """Write the golden files of the models chosen."""
    for number, model in enumerate(integer_models()):
        if model in chosen or (not chosen and not (GOLDEN / f"learning_{model}.npz").exists()):
            numbered = enumerate(CASES.items())
            write(model, {name: case_data(model, case, 100 * number + place) for place, (name, case) in numbered})


if __name__ == "__main__":
    main(sys.argv[1:])
