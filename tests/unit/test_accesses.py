"""Accesses to memory: counts worked out by hand, energy between two ends, unknown without a figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.neurons import get_model
from hypr_neuro.placement.accesses import SETS, Accesses, MemoryAccesses, figure_for
from hypr_neuro.profiles.profile import load_profile, profile_names
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.testing.networks import random_quantized, random_spikes

T = 20


def accesses(profile: Any, learning: bool | LearnOptions = False, technology: str = "") -> tuple[Any, MemoryAccesses]:
    """4 inputs, 5 recurrent LIF neurons, 3 outputs, no biases, where connections take no time."""
    qnet = random_quantized("lif", 1, "ideal", bias=False)
    x = random_spikes(1, 2, T, 4).astype(int)
    found = hn.estimate(qnet, x, profile, learning=learning, technology=technology)
    assert found.accesses is not None
    return found, found.accesses


def by_name(kinds: tuple[Accesses, ...] | None) -> dict[str, Accesses]:
    assert kinds is not None
    return {kind.name: kind for kind in kinds}


def test_inference_is_counted_by_hand() -> None:
    found, told = accesses("ideal")
    kinds = by_name(told.inference)
    assert kinds["weights"].read == found.synaptic_operations > 0
    assert kinds["weights"].bits_read == 16 * found.synaptic_operations
    # LIF has two states, LI one, of 28 bits
    assert (kinds["states"].read, kinds["states"].written) == ((5 * 2 + 3) * T, (5 * 2 + 3) * T)
    assert kinds["states"].bits_written == 28 * (5 * 2 + 3) * T
    lif, li = (len(get_model(name).fixed_per_neuron) for name in ("lif", "li"))
    assert kinds["neuron parameters"].read == (5 * lif + 3 * li) * T
    assert told.learning is None
    assert told.energy_nj(told.inference) is None
    assert "energy unknown" in repr(found)
    assert "no figure of an access is known" in told.lines()[-1]


def test_learning_is_counted_by_hand() -> None:
    """Every weight learns: 20 + 25 into LIF with two eligibilities each, 15 into the readout with one."""
    _, told = accesses("ideal", LearnOptions(rule="sgd", update_every=1))
    kinds = by_name(told.learning)
    hidden, readout = 4 * 5 + 5 * 5, 3 * 5
    assert kinds["eligibilities"].read == kinds["eligibilities"].written == (2 * hidden + readout) * T
    assert kinds["eligibilities"].bits_read == 32 * (2 * hidden + readout) * T
    assert kinds["gradients"].read == (hidden + readout) * T
    # ψ of LIF, 6 and 3 entries that are not always 0, one signal
    assert kinds["Jacobians and signals"].written == (5 * (1 + 6 + 1) + 3 * (3 + 1)) * T
    # the readout's weights bring signals back
    assert (kinds["weights for signals"].read, kinds["weights for signals"].written) == (readout * T, 0)
    assert kinds["weights, parameters"].written == hidden + readout
    assert kinds["of the update rule"].read == 0
    _, means = accesses("ideal", LearnOptions())
    # of three connections a mean of each row and of each column
    assert by_name(means.learning)["of the update rule"].read == (5 + 4) + (5 + 5) + (3 + 5)


@pytest.mark.parametrize("profile", profile_names())
def test_counts_are_there_for_every_chip(profile: str) -> None:
    chip = load_profile(profile)
    qnet = random_quantized("lif", 1, "ideal", bias=False, recurrent=False)
    try:
        found = hn.estimate(qnet, random_spikes(1, 2, T, 4).astype(int), chip)
    except hn.HyprError:
        pytest.skip(f"{profile} does not run it")
    section = found.as_dict()["memory_accesses"]
    assert section["inference"]["energy_nj"] == section["source"] == "unknown"
    counts = {kind["name"]: kind["read"] for kind in section["inference"]["numbers"]}
    assert counts["states"] > 0
    assert (counts["weights"] == 0) == (chip.analog is not None)
    assert (section["learning"] is None) == (found.learning is None)


def test_energy_lies_between_packed_words_and_one_each() -> None:
    chip = load_profile("fpga", {"energy.memory_access": 2.0, "energy.memory_word": 36})
    _, told = accesses(chip)
    kinds = by_name(told.inference)
    least = sum(k.bits_read + k.bits_written for k in kinds.values()) / 36 * 2e-3
    most = sum(k.read + k.written for k in kinds.values()) * 2e-3  # 18 bits and fewer: one word each
    energy = told.energy_nj(told.inference)
    assert energy == pytest.approx((least, most))
    assert Accesses("wide", 3, 1, 3 * 40, 40).words(16) == (10.0, 12.0)


def test_figures_of_a_technology_are_no_chips() -> None:
    found, told = accesses("loihi2", technology="generic_45nm")
    assert told.figure is not None
    assert (told.figure.least_pj, told.figure.word) == (10.0, 64)
    assert "figures of generic_45nm, of no chip here: Horowitz, ISSCC 2014" in " ".join(" ".join(told.lines()).split())
    least, most = told.energy_nj(told.inference) or (0.0, 0.0)
    numbers = sum(k.read + k.written for k in told.inference)
    assert 0 < least < most == pytest.approx(numbers * 10e-3)
    # operations keep the figures of their own
    assert "Horowitz" not in " ".join(found.sources)


@pytest.mark.parametrize(("kib", "least", "most"), [(8, 10, 10), (9, 20, 20), (33, 100, 100), (1025, 1300, 2600)])
def test_the_figure_is_that_of_a_memory_as_large_as_the_cores(kib: int, least: float, most: float) -> None:
    figure = figure_for("generic_45nm", kib * 8192)
    assert (figure.least_pj, figure.most_pj) == (least, most)


def test_an_unknown_set_is_named() -> None:
    with pytest.raises(InputError, match=r"unknown set 'generic_90nm'.*generic_45nm"):
        accesses("ideal", technology="generic_90nm")
    assert np.all([figure.word == 64 for _, figure in SETS["generic_45nm"]])
