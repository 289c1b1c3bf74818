"""Traces of simulator and device beside what the definition computes, every integer."""

from __future__ import annotations

from typing import Any

import numpy as np

import hypr_neuro as hn
from hypr_neuro.devices.lava import LavaDevice
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.reference import simulate_reference

Array = Any


def all_states(qnet: QuantizedNetwork) -> list[str]:
    return ["spikes", *sorted({s for p in qnet.populations for s in p.model.state_names})]


def assert_same(qnet: QuantizedNetwork, x: Array, trace: Any) -> None:
    """Every spike, state and rate of a trace is that of the definition."""
    for p, run in zip(qnet.populations, simulate_reference(qnet, x), strict=True):
        if not p.model.readout:
            assert np.array_equal(trace.spikes[p.name], run["spikes"]), p.name
            assert trace.rates[p.name] == run["spikes"].sum() / run["spikes"].size
        for j, state in enumerate(p.model.state_names):
            assert np.array_equal(trace.states[p.name][state], run["states"][:, j]), (p.name, state)


def assert_device_is_defined(device: LavaDevice, qnet: QuantizedNetwork, x: Array) -> None:
    """A run on the device is the definition's and the simulator's, its counts of operations too."""
    record = all_states(qnet)
    device.load(qnet)
    got, expected = device.run(x, record), hn.simulate(qnet, x, record)
    assert_same(qnet, x, got)
    assert np.array_equal(got.readout, expected.readout)
    assert got.rates == expected.rates
    assert got.synaptic_operations == expected.synaptic_operations
