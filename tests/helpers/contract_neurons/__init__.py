"""Neurons that use all that the contract of a neuron file allows, each more than any model of the package does.

five_states  five states, seven trainable parameters, none of which learns on a chip (no `learned`)
rooted       square roots, quotients, helper functions, loops, `abs`, a parameter whose default is below 0
quadratic    a current that enters squared, with its sign: B depends on it and is 0 at rest
alpha_out    a readout of two states that says how its output decays

`add(monkeypatch)` makes them known for one test.
"""

from __future__ import annotations

from importlib import import_module

import pytest

from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.base import NeuronModel

HIDDEN = ("five_states", "rooted", "quadratic")
READOUT = "alpha_out"


def models() -> dict[str, NeuronModel]:
    """Every neuron of this folder by name."""
    return {name: import_module(f"{__name__}.{name}").MODEL for name in (*HIDDEN, READOUT)}


def add(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make them known to `get_model` until the test ends."""
    for name, model in models().items():
        monkeypatch.setitem(MODELS, name, model)
