"""The update rule and the error that CONTRIBUTING shows are one file each: added to a copy of the package, every
executor and the float side take them, and the same numbers come out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from package_copy import ROOT, copy_package, copy_tests, run_on

from hypr_neuro.compilers.c.build import HOST

PROGRAM = """
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

import hypr_neuro as hn
from hypr_neuro.compilers.c.learning.library import LearnLibrary
from hypr_neuro.compilers.lava.learning.run import learn_in_lava
from hypr_neuro.compilers.lava.rules import require_lava
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import MissingPackageError, ProfileError
from hypr_neuro.graph.network import Network
from hypr_neuro.placement.learning_memory import learning_memory
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.learning.errors import ERRORS
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.sim.learning.reference import LearningReference
from hypr_neuro.testing.networks import random_spikes, varied

chip = varied("loihi2", learning__error="quarters", learning__momentum_bits=24, learning__residual_bits=4)
net = Network.build({"inputs": 4, "outputs": 3, "layers": [{"neuron": "lif", "size": 5, "recurrent": True}]}, 1)
net.layers[0].weight[...] = 6 * np.abs(net.layers[0].weight)
x = random_spikes(1, 8, 30, 4).astype(np.int32)
label = np.random.default_rng(1).integers(0, 3, 8)
qnet = quantize(net, chip, calibration=x)
options = LearnOptions(rate=4.0, rule="peaks", momentum=1, parameters=("all",), parameter_rate=2.0, seed=3)
rates = as_rate(4.0), as_rate(2.0)
scored = np.ones(30, bool)


def told(qnet):
    return [w.tolist() for w in qnet.weights().values()] + [layer.per_neuron.tolist() for layer in qnet.layers]


def run(learner):
    return [np.array(learner.sample(x[i], np.full(30, label[i]), scored, *rates)).tolist() for i in range(3)]


fast, slow = Learner(qnet.copy(), options), LearningReference(qnet.copy(), options)
outputs = run(fast)
found = {"reference": run(slow) == outputs and told(slow.qnet) == told(fast.qnet)}
found["learned"] = told(fast.qnet) != told(qnet)
if sys.argv[1] == "gcc":
    with tempfile.TemporaryDirectory() as folder:
        chip_c = LearnLibrary(qnet.copy(), options, Path(folder))
        same = run(chip_c) == outputs
        for i, layer in enumerate(fast.qnet.layers):
            weights = np.hstack([c.mantissa for c in layer.connections().values()])
            same = same and np.array_equal(chip_c.arrays[f"weight_{i}"], weights)
            same = same and np.array_equal(chip_c.arrays[f"neuron_{i}"], layer.per_neuron)
        found["C"] = bool(same)
try:
    require_lava()
except MissingPackageError:
    pass
else:
    in_lava = learn_in_lava(qnet, x[:3], label[:3], options=options, record=False)
    found["Lava"] = told(in_lava.qnet) == told(fast.qnet) and in_lava.readout.tolist() == outputs
data = SequenceData("tiny", x.astype(np.int8), label, np.array(["train"] * 5 + ["test"] * 3), 3)
result = hn.compare(net, qnet, data, options=options)
found["rule"], found["distance"] = result.rule, result.epochs[-1].weight_distance
found["cosine"] = {k: v for k, v in result.epochs[0].cosine.items() if k.startswith("readout")}
by_step = LearnOptions(rate=1.0, rule="peaks", update_on="step", update_every=5)
found["by step"] = hn.compare(net, qnet, data, options=by_step).epochs[-1].weight_distance
memory = learning_memory(qnet, options=LearnOptions(rule="peaks", parameters=("all",)))
found["kept"] = [layer.layer for layer in memory]
try:
    varied("loihi2", learning__error="newer")
except ProfileError as error:
    found["unknown"] = str(error)
found["errors"] = sorted(ERRORS)
print(json.dumps(found))
"""


def code_of(title: str) -> str:
    """Code of a section of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(rf"^## {title}\n.*?```python\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert code is not None
    return code.group(1)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy with both files."""
    package = copy_package(tmp_path_factory.mktemp("copy"))
    for title, file in (("Add an update rule", "updates/peaks.py"), ("Add an error", "errors/quarters.py")):
        (package / "sim" / "learning" / file).write_text(code_of(title), encoding="utf-8")
    return package


@pytest.fixture(scope="module")
def found(package: Path) -> dict[str, object]:
    """What a program says that learns with both."""
    told = run_on(package, "-c", PROGRAM, "gcc" if HOST.missing() is None else "")
    result: dict[str, object] = json.loads(told.splitlines()[-1])
    return result


def test_every_executor_learns_the_same_numbers(found: dict[str, object]) -> None:
    executors = {name: found[name] for name in ("learned", "reference", "C", "Lava") if name in found}
    assert executors.keys() >= {"learned", "reference"}
    assert all(executors.values()), executors


def test_the_float_side_has_its_twin(found: dict[str, object]) -> None:
    assert "signs of large gradients" in str(found["rule"])
    for key in ("distance", "by step"):
        assert 0.0 < float(str(found[key])) < 0.5
    cosine = found["cosine"]
    assert isinstance(cosine, dict)
    assert all(value > 0.9 for value in cosine.values()), cosine


def test_memory_and_messages_know_them(found: dict[str, object]) -> None:
    # 4 inputs, 5 LIF neurons of 4 parameters, 3 of the readout with 1; gradients of 31 bits, counts up to 3
    hidden, readout = found["kept"]
    assert hidden == {
        "input largest": [5, 30],
        "input times": [20, 2],
        "recurrent largest": [5, 30],
        "recurrent times": [25, 2],
        "parameters largest": [20, 30],
        "parameters times": [20, 2],
    }
    assert readout == {
        "input largest": [3, 30],
        "input times": [15, 2],
        "parameters largest": [3, 30],
        "parameters times": [3, 2],
    }
    errors = found["errors"]
    assert isinstance(errors, list)
    assert "quarters" in errors
    assert f"known: {', '.join(errors)}" in str(found["unknown"])


def test_what_all_rules_and_errors_are_held_to_holds_for_them(package: Path) -> None:
    copy_tests(package)
    files = (
        "tests/conformance/test_update_arithmetic.py",
        "tests/unit/test_c_loops.py",
    )
    told = run_on(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "peaks or quarters", *files)
    assert re.search(r"\d+ passed", told), told
    assert "peaks" in run_on(package, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *files)
