"""Definition and simulator of learning replay the golden files, bit for bit.

``tools/make_learning_golden.py`` made most of them with a definition in plain Python ints that shared no arithmetic
with the compiled kernels, so a later form of the definition cannot drift together with the kernels; that module says
which. ``tools/make_learning_graph_golden.py`` made those of graphs.
"""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from hypr_neuro.neurons import MODELS, VARIANTS, get_model
from hypr_neuro.profiles.profile import parse_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection, QuantizedConnection, QuantizedLayer, QuantizedPopulation
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.testing.networks import assert_equal_traces

TESTS = Path(__file__).parents[1]
TOOL: dict[str, Any] = runpy.run_path(str(TESTS.parent / "tools" / "make_learning_golden.py"))
INTEGERS = ("per_neuron", "constants", "psi_table")
FILES = sorted((TESTS / "golden").glob("learning_*.npz"))


def cases(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as data:
        found: dict[str, Any] = json.loads(data["cases"].tobytes())
    return found


def network(given: dict[str, Any]) -> QuantizedNetwork:
    return chain(given) if "layers" in given else graph(given)


def graph(given: dict[str, Any]) -> QuantizedNetwork:
    populations = [
        QuantizedPopulation(
            **{key: np.array(value, np.int64) if key in INTEGERS else value for key, value in entry.items()}
            | {"model": get_model(entry["model"]), "trainable": tuple(entry["trainable"])}
        )
        for entry in given["populations"]
    ]
    connections = [
        QuantizedConnection(**entry | {key: matrix(entry[key]) for key in ("mantissa", "delays")})
        for entry in given["connections"]
    ]
    whole = {key: given[key] for key in ("inputs", "dt", "outputs", "output_decay")}
    profile = parse_profile(given["profile"], "golden")
    return QuantizedNetwork(**whole, populations=populations, connections=connections, profile=profile)


def matrix(given: Any) -> Any:
    if isinstance(given, int):
        return given
    if isinstance(given, dict):
        parts = (np.array(given["data"], np.int64), given["indices"], given["indptr"])
        return csr_array(parts, shape=given["shape"])
    return np.array(given, np.int64)


def chain(given: dict[str, Any]) -> QuantizedNetwork:
    layers = []
    for entry in given["layers"]:
        both = {key: Connection(np.array(m, np.int64), exponent) for key, (m, exponent) in entry["connections"].items()}
        integers = {key: np.array(entry[key], np.int64) for key in INTEGERS}
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
        "neurons": {p.name: p.per_neuron for p in qnet.populations},
        "rule": TOOL["rule_state"](getattr(executor, "updater", executor)),
        "clips": executor.clips(),
        "updates": executor.updates,
    }


def test_every_model_that_learns_has_a_file() -> None:
    recorded = {path.stem.removeprefix("learning_") for path in FILES}
    neurons = {**MODELS, **VARIANTS}
    learn = {name for name, model in neurons.items() if model.learns_on_chip}
    assert recorded == learn - {"li", "cuba_li"}, "the readouts of all of them"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("executor", [LearningReference, Learner])
def test_learning_replays_the_golden_file(path: Path, executor: Any) -> None:
    for name, case in cases(path).items():
        qnet, wanted = network(case["network"]), case["learned"]
        got = found(executor(qnet, options(case["options"])), case)
        wanted["readouts"] = dict(enumerate(wanted["readouts"]))
        for what in ("gradients", "readouts", "weights", "neurons"):
            assert sorted(wanted[what], key=str) == sorted(got[what], key=str), f"{path.stem}, {name}: {what}"
            for key, array in wanted[what].items():
                assert_equal_traces(
                    np.array(array), got[what][key], seed=0, layer=str(key), what=f"{path.stem}, {name}: {what}"
                )
        assert got["rule"] == wanted["rule"], f"{path.stem}, {name}"
        assert got["clips"] == wanted["clips"], f"{path.stem}, {name}"
        assert got["updates"] == wanted["updates"] > 0, f"{path.stem}, {name}"


def test_the_files_hold_learning_that_does_something() -> None:
    """Weights and neuron integers change, gradients are not 0, and clips of layers occur somewhere."""
    kinds, neurons, models = set(), set(), set()
    for path in FILES:
        for name, case in cases(path).items():
            start, after = network(case["network"]), case["learned"]
            assert any(np.any(m != after["weights"][key]) for key, m in start.weights().items()), f"{path.stem}, {name}"
            assert TOOL["teaches"](case), f"{path.stem}, {name}"
            kinds |= {key.rpartition(" ")[2] for key, count in after["clips"].items() if count}
            changed = [p for p in start.populations if np.any(p.per_neuron != after["neurons"][p.name])]
            neurons |= {p.model.name for p in changed}
            models |= {p.model for p in start.populations}
    assert kinds >= {"Jacobians", "eligibilities", "accumulators"}
    assert models >= {get_model(path.stem.removeprefix("learning_")) for path in FILES}
    assert neurons == {model.name for model in models if model.learned is not None}
