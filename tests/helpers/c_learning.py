"""What tests of learning in C compare: every number of the loaded program with the simulator's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.c.learning.library import LIBRARY, LearnLibrary
from hypr_neuro.compilers.c.learning.memory import label
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.networks import random_spikes

Array = Any
SAMPLES, STEPS = 3, 25
RATES = 3 << 16, 5 << 16
QUICK = replace(LIBRARY, flags=("-O1", *LIBRARY.flags[1:]))


def labelled_spikes(seed: int, inputs: int, outputs: int, samples: int, steps: int) -> tuple[Array, Array, Array]:
    """x (sample, T, channel), label (sample, T), scored (sample, T)."""
    rng = np.random.default_rng([seed, 3])
    x = random_spikes(seed, samples, steps, inputs).astype(np.int32)
    return x, rng.integers(0, outputs, (samples, steps)), rng.random((samples, steps)) < 0.8


def pairs(chip: LearnLibrary, learner: Learner) -> Iterator[tuple[str, Array, Array]]:
    """Name, array in C, array of the simulator: weights, eligibilities, gradients, neurons, memory of the rule."""
    for i, (inputs, layer) in enumerate(zip(LearningProgram(chip.plan).inputs, learner.layers, strict=True)):
        plan = learner.plan.layers[i]
        incoming = {c.place: c for c in plan.incoming}
        for part in inputs.rows if plan.learns else ():
            c, columns = incoming[part.incoming.place], slice(part.first, part.stop)
            kept = slice(c.first, c.first + c.synapses)
            yield c.name, chip.arrays[f"weight_{i}"][:, columns], c.weights()
            eligibility = chip.arrays[f"eligibility_{i}"][:, columns]
            yield f"{c.name} eligibility", np.moveaxis(eligibility, -1, 0), layer.eligibility[:, :, kept]
            yield f"{c.name} gradient", chip.arrays[f"gradient_{i}"][:, columns], layer.gradient[:, kept]
        for each in inputs.lists:
            c, name = incoming[each.incoming.place], each.name
            post, slot = each.entries.post, c.first + each.entries.slot
            yield c.name, chip.arrays[f"weight_{name}"], c.weights().reshape(-1)
            yield f"{c.name} eligibility", chip.arrays[f"eligibility_{name}"].T, layer.eligibility[:, post, slot]
            yield f"{c.name} gradient", chip.arrays[f"gradient_{name}"], layer.gradient[post, slot]
        for q, p in enumerate(plan.parameters):
            found, mine = f"parameter_eligibility_{i}", layer.parameters[p.place]
            yield f"{layer.name}.{p.name} eligibility", chip.arrays[found][:, q].T, mine.eligibility
            yield f"{layer.name}.{p.name} gradient", chip.arrays[f"parameter_gradient_{i}"][:, q], mine.gradient
        if plan.parameters:
            yield f"{layer.name} neurons", chip.arrays[f"neuron_{i}"], layer.neurons.per_neuron
    for t in chip.plan.tensors:
        kept = {**learner.updater.averages[t.name]}
        kept |= {"momentum": learner.updater.momentum[t.name]} if t.name in learner.updater.momentum else {}
        kept |= {"residual": learner.updater.residual[t.name]} if t.name in learner.updater.residual else {}
        for key, array in kept.items():
            yield f"{t.name} {key}", chip.arrays[f"{key}_{label(t)}"], array


def assert_same(chip: LearnLibrary, learner: Learner, when: str) -> int:
    """Compare all that both hold; return how many numbers were compared."""
    count = 0
    for name, found, wanted in pairs(chip, learner):
        assert np.array_equal(found, wanted), f"{when}: {name}: {found.tolist()} is not {wanted.tolist()}"
        count += found.size
    assert chip.clips() == learner.clips(), when
    assert chip.arrays["updates"].tolist() == [learner.updates], when
    return count


def assert_c_learns_as_the_simulator(
    qnet: QuantizedNetwork, options: LearnOptions, seed: int, folder: Path, samples: int = SAMPLES
) -> LearnLibrary:
    """Outputs, and after each sample all that is kept; something must have changed."""
    chip, learner = LearnLibrary(qnet, options, folder, QUICK), Learner(qnet.copy(), options)
    x, label, scored = labelled_spikes(seed, qnet.inputs, learner.qnet.output_size, samples, STEPS)
    for i in range(samples):
        sample = x[i], label[i], scored[i], *RATES
        assert np.array_equal(chip.sample(*sample), learner.sample(*sample)), f"seed {seed}, sample {i}"
        assert assert_same(chip, learner, f"seed {seed}, sample {i}") > 0
    before = qnet.weights()
    changed = {name for name, w in learner.qnet.weights().items() if name in before and np.any(w != before[name])}
    assert changed, f"seed {seed}: no weight changed"
    return chip
