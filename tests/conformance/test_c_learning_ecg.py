"""Learning in C on the ECG, as long as a user would let it learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needed import needs_arm, needs_gcc, needs_qemu

import hypr_neuro as hn
from hypr_neuro.compilers.c.build import CORTEX_M4, sizes
from hypr_neuro.compilers.c.learning.build import SOURCES, build_learning, run_learning
from hypr_neuro.compilers.c.learning.learn import learning_memory_bytes
from hypr_neuro.compilers.c.learning.library import LearnLibrary
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.workflow.stages_fixed import integer_start
from hypr_neuro.workflow.tasks import TASKS


def ecg_start(shared_data: Path, profile: str) -> tuple[Any, QuantizedNetwork, LearnOptions]:
    """Data, the start network of 36 BRF neurons and the options with which it learns from scratch."""
    data, task = hn.load_data("ecg", shared_data / "ecg"), TASKS["ecg"]
    _, start = integer_start(data, task, load_profile(profile), 1)
    return data.part("train"), start, replace(task.fixed, seed=1)


@needs_gcc
@pytest.mark.once
@pytest.mark.parametrize("profile", ["loihi2", "cortex_m4"])
def test_ecg_after_100_samples_equals_the_simulator(profile: str, shared_data: Path, tmp_path: Path) -> None:
    """Weights and neuron parameters learn, 100 samples of 1,300 steps, an update after each."""
    data, start, options = ecg_start(shared_data, profile)
    rates = as_rate(options.rate), as_rate(options.parameter_rate)
    chip, simulator = LearnLibrary(start.copy(), options, tmp_path), Learner(start.copy(), options)
    scored = np.ones(data.x.shape[1], bool)
    for i in range(100):
        sample = data.x[i].astype(np.int32), data.y[i], scored, *rates
        assert np.array_equal(chip.sample(*sample), simulator.sample(*sample)), f"sample {i}"
    for i, (layer, before) in enumerate(zip(simulator.qnet.layers, start.layers, strict=True)):
        weights = np.hstack([c.mantissa for c in layer.connections().values()])
        assert np.array_equal(chip.arrays[f"weight_{i}"], weights)
        assert np.array_equal(chip.arrays[f"neuron_{i}"], layer.per_neuron)
        assert np.mean(layer.input.mantissa != before.input.mantissa) > 0.9
        assert not np.array_equal(layer.per_neuron, before.per_neuron)
    assert chip.clips() == simulator.clips()


@pytest.mark.once
@needs_qemu
def test_ecg_after_100_samples_on_a_cortex_m4_equals_the_simulator(shared_data: Path, tmp_path: Path) -> None:
    data, start, options = ecg_start(shared_data, "cortex_m4")
    hn.compile(start, target="c", out=tmp_path, learn=options)
    scored = np.ones(data.x.shape[1], bool)
    samples = [(data.x[i].astype(np.int32), data.y[i], scored) for i in range(100)]
    found = run_learning(build_learning(tmp_path, CORTEX_M4), LearningPlan(start, options), samples)
    simulator = Learner(start.copy(), options)
    for i, (sample, (outputs, _)) in enumerate(zip(samples, found, strict=True)):
        readouts = simulator.sample(*sample, as_rate(options.rate), as_rate(options.parameter_rate))
        assert np.array_equal(outputs, readouts), f"sample {i}"
    for i, layer in enumerate(simulator.qnet.layers):
        weights = np.hstack([c.mantissa for c in layer.connections().values()])
        assert np.array_equal(found[-1][1][f"weight_{i}"], weights)
        assert np.array_equal(found[-1][1][f"neuron_{i}"], layer.per_neuron)


@needs_arm
@pytest.mark.once
@pytest.mark.parametrize(("profile", "ram"), [("loihi2", 34_000), ("cortex_m4", 24_000)])
def test_ecg_that_learns_fits_a_microcontroller(profile: str, ram: int, shared_data: Path, tmp_path: Path) -> None:
    _, start, options = ecg_start(shared_data, profile)
    told = hn.compile(start, target="c", out=tmp_path, learn=options).manifest["learning"]
    assert told["purpose"] == learning_memory_bytes(start, options)
    assert told[CORTEX_M4.name]["bytes"]["ram"] < ram
    assert told[CORTEX_M4.name]["bytes"]["flash"] < 14_000
    # what is not told by purpose: room of the update rule, and gaps of alignment
    found = sizes(tmp_path, CORTEX_M4, SOURCES)
    assert 0 <= found["bss"] - sum(told["purpose"].values()) < 400
    assert found["data"] == 0
