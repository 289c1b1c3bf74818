"""Definition and simulator of learning replay the golden files, bit for bit.

``tools/make_learning_golden.py`` made them with a definition in plain Python ints that shared no arithmetic with the
compiled kernels, so a later form of the definition cannot drift together with the kernels.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.neurons import get_model
from hypr_neuro.profiles.profile import parse_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection, QuantizedLayer
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.testing.networks import assert_equal_traces, integer_models

TESTS = Path(__file__).parents[1]
TOOL: dict[str, Any] = runpy.run_path(str(TESTS.parent / "tools" / "make_learning_golden.py"))
FILES = sorted((TESTS / "golden").glob("learning_*.npz"))


def cases(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as data:
        found: dict[str, Any] = json.loads(data["cases"].tobytes())
    return found


def network(given: dict[str, Any]) -> QuantizedNetwork:
    layers = []
    for entry in given["layers"]:
        both = {key: Connection(np.array(m, np.int64), exponent) for key, (m, exponent) in entry["connections"].items()}
        integers = {key: np.array(entry[key], np.int64) for key in ("per_neuron", "constants", "psi_table")}
        layers.append(
            QuantizedLayer(
                model=get_model(entry["neuron"]),
                input=both["input"],
                recurrent=both.get("recurrent"),
                bias_axon=entry["bias_axon"],
                **integers,
                state_scale=entry["state_scale"],
                current_scale=entry["current_scale"],
            )
        )
    return QuantizedNetwork.from_layers(layers, parse_profile(given["profile"], "golden"), given["dt"])


def options(given: dict[str, Any]) -> LearnOptions:
    return LearnOptions.from_described(given)


def found(executor: Any, case: dict[str, Any]) -> dict[str, Any]:
    """As the file has it under "learned"."""
    qnet, rates = executor.qnet, case["rates"]
    samples = [
        (np.array(x, np.int32), np.array(label), np.array(scored))
        for x, label, scored in zip(case["x"], case["label"], case["scored"], strict=True)
    ]
    gradients = {name: np.array(g).reshape(len(g), -1) for name, g in executor.gradients(*samples[0]).items()}
    readouts = [np.array(executor.sample(*sample, *rates)) for sample in samples]
    return {
        "gradients": gradients,
        "readouts": dict(enumerate(readouts)),
        "weights": qnet.weights(),
        "neurons": {qnet.name(i): layer.per_neuron for i, layer in enumerate(qnet.layers)},
        "rule": TOOL["rule_state"](getattr(executor, "updater", executor)),
        "clips": executor.clips(),
        "updates": executor.updates,
    }


def test_every_model_that_learns_has_a_file() -> None:
    recorded = {path.stem.removeprefix("learning_") for path in FILES}
    assert recorded >= {"alif", "alif_reset", "brf", "lif", "se_adlif"}
    assert recorded <= set(integer_models())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("executor", [LearningReference, Learner])
def test_learning_replays_the_golden_file(path: Path, executor: Any) -> None:
    for name, case in cases(path).items():
        qnet, wanted = network(case["network"]), case["learned"]
        got = found(executor(qnet, options(case["options"])), case)
        wanted["readouts"] = dict(enumerate(wanted["readouts"]))
        for what in ("gradients", "readouts", "weights", "neurons"):
            assert list(wanted[what]) == list(got[what]), f"{path.stem}, {name}: {what}"
            for key, array in wanted[what].items():
                assert_equal_traces(
                    np.array(array), got[what][key], seed=0, layer=str(key), what=f"{path.stem}, {name}: {what}"
                )
        assert got["rule"] == wanted["rule"], f"{path.stem}, {name}"
        assert got["clips"] == wanted["clips"], f"{path.stem}, {name}"
        assert got["updates"] == wanted["updates"] > 0, f"{path.stem}, {name}"


def test_the_files_hold_learning_that_does_something() -> None:
    """Weights and neuron integers change, gradients are not 0, and clips of layers occur somewhere."""
    kinds, neurons = set(), set()
    for path in FILES:
        for name, case in cases(path).items():
            start, after = network(case["network"]), case["learned"]
            assert any(np.any(m != after["weights"][key]) for key, m in start.weights().items()), f"{path.stem}, {name}"
            assert sum(np.count_nonzero(g) for g in after["gradients"].values()) > 10, f"{path.stem}, {name}"
            kinds |= {key.rpartition(" ")[2] for key, count in after["clips"].items() if count}
            changed = [np.any(p.per_neuron != after["neurons"][start.name(i)]) for i, p in enumerate(start.layers)]
            neurons |= {path.stem} if any(changed[:-1]) else set()
    assert kinds >= {"Jacobians", "eligibilities", "accumulators"}
    assert neurons == {path.stem for path in FILES}
