"""The integers that run in place of the float forward pass, and what training takes from them.

At any moment the float network stands for integers, those that `quantize` makes of it. They run in the simulator, step
after step; what a population did is handed to the P-stage in real units and in the population's own time, t its device
step minus its latency:

    s_t = state / state scale,  I_t = sum / current scale,  z_t = spikes as they are, a readout's output / state scale

The P-stage takes the float rule's local derivatives at these states and spikes, at the weights and parameters that the
integers stand for, and counts rounding, saturation and wrapping as the identity (straight-through, Bengio et al. 2013).
It begins with a population's own step 0; what biases did in the steps before is a start state that nothing learns from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import convert
from hypr_neuro.quantizing.ranges import Calibration
from hypr_neuro.quantizing.rounded import rounded_network
from hypr_neuro.sim.simulator import Simulator, check_values


@dataclass(frozen=True)
class IntegerForward:
    """The integers of a float network at one moment.

    Attributes
    ----------
    net
        The float network that they stand for, array by array that of the shadow weights.
    qnet
        The integers, with their scales.
    integer
        The same as executors run them.
    """

    net: Network
    qnet: QuantizedNetwork
    integer: IntegerNetwork

    @classmethod
    def of(
        cls, net: Network, profile: Profile | str | Path, calibration: Calibration, **options: Any
    ) -> IntegerForward:
        """Quantize a network as it is now; arguments as of `quantize`, errors too."""
        qnet, origins = convert(net, profile, calibration, **options)
        return cls(rounded_network(net, qnet, origins), qnet, qnet.integer())

    @property
    def ahead(self) -> int:
        """Steps of input that the slowest population's own step needs to have run on the device."""
        return max(self.qnet.latency(i) for i in range(len(self.qnet.populations)))


@dataclass(frozen=True)
class Steps:
    """What one population did in consecutive own steps, in real units.

    Attributes
    ----------
    states : (λ + 1, d, batch·n)
        Row 0 is the state before.
    outputs : (λ + 1, batch·n)
        Likewise.
    current : (λ, batch·n), of a model with several (λ, currents, batch·n)
        Input currents.
    """

    states: Array
    outputs: Array
    current: Array


class IntegerRun:
    """A block of samples on its way through the integers.

    Parameters
    ----------
    forward : IntegerForward
        What runs.
    samples : int
        Of the block.
    dtype : type
        Of what is handed on.

    Attributes
    ----------
    simulator : Simulator
        Runs as many steps ahead of the populations' own time as the slowest of them is late.
    """

    def __init__(self, forward: IntegerForward, samples: int, dtype: type[Any]) -> None:
        self.forward, self.samples, self.dtype = forward, samples, dtype
        self.simulator = Simulator(forward.integer, samples, threaded=False)  # blocks run on threads themselves
        self.time = 0
        self.late = [forward.qnet.latency(i) for i in range(len(forward.qnet.populations))]
        self._rows = [_Rows(p.model.d, p.model.currents, samples * p.size) for p in forward.integer.populations]

    def advance(self, x: Array, steps: int) -> None:
        """Run `steps` more own steps of every population.

        x : (sample, at least `steps`, channel) integers of these steps and of those after them, as far as there are
            any, up to `IntegerForward.ahead`
        """
        simulator, kept = self.simulator, [True] * len(self.late)
        stop = self.time + steps + self.forward.ahead
        given = check_values(self.forward.integer, x).transpose(1, 0, 2)[simulator.time - self.time :]
        silent = np.zeros((max(stop - simulator.time - len(given), 0), *given.shape[1:]), given.dtype)
        values = np.concatenate([given, silent])[: stop - simulator.time]
        for late, rows in zip(self.late, self._rows, strict=True):
            rows.drop_before(self.time + late - 1)
        for first in range(0, len(values), simulator.longest):
            simulator.block(values[first : first + simulator.longest], kept, kept)
            for run, rows in zip(simulator.populations, self._rows, strict=True):
                rows.append(run.states, run.outputs, run.currents)
        self.time += steps
        self._steps = steps

    def steps(self, place: int) -> Steps:
        """Return what a population did in the own steps that were run last."""
        neurons, model = self.forward.qnet.populations[place], self.forward.integer.populations[place].model
        first = self.time - self._steps + self.late[place]
        states, outputs, currents = self._rows[place].between(first - 1, first + self._steps)
        real = (currents[1:] / neurons.current_scale).astype(self.dtype)
        return Steps(
            (states / neurons.state_scale).astype(self.dtype),
            self._outputs(place, outputs),
            real[:, 0] if model.currents == 1 else real,
        )

    def before(self, place: int) -> Array:
        """Return what a population sent in its own steps before 0, (latency, batch·n), as long as none is dropped."""
        return self._outputs(place, self._rows[place].between(0, self.late[place])[1])

    def _outputs(self, place: int, outputs: Array) -> Array:
        population = self.forward.qnet.populations[place]
        return (outputs / (population.state_scale if population.model.readout else 1.0)).astype(self.dtype)

    def events(self) -> Mapping[str, Mapping[str, int]]:
        """Count saturations and wraps so far, by population."""
        return self.simulator.events()


class _Rows:
    """States, outputs and currents of a population in the device steps from `first` on; step -1 is all 0."""

    def __init__(self, d: int, currents: int, width: int) -> None:
        self.first = -1
        self._parts: list[tuple[Array, Array, Array]] = [
            (
                np.zeros((1, d, width), np.int32),
                np.zeros((1, width), np.int32),
                np.zeros((1, currents, width), np.int32),
            )
        ]

    def append(self, states: Array, outputs: Array, currents: Array) -> None:
        """Add a copy of the steps of a block."""
        self._parts.append((states.copy(), outputs.astype(np.int32), currents.copy()))

    def drop_before(self, first: int) -> None:
        """Let earlier steps go, as far as steps from there on are held."""
        held = self._joined()
        count = min(max(first - self.first, 0), len(held[0]))
        self._parts = [(held[0][count:], held[1][count:], held[2][count:])]
        self.first += count

    def between(self, first: int, stop: int) -> tuple[Array, Array, Array]:
        """Return the device steps first … stop - 1."""
        rows = slice(first - self.first, stop - self.first)
        held = self._joined()
        return held[0][rows], held[1][rows], held[2][rows]

    def _joined(self) -> tuple[Array, Array, Array]:
        if len(self._parts) > 1:
            states, outputs, currents = zip(*self._parts, strict=True)
            self._parts = [(np.concatenate(states), np.concatenate(outputs), np.concatenate(currents))]
        return self._parts[0]
