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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import frexp
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedPopulation
from hypr_neuro.quantizing.quantize import convert
from hypr_neuro.quantizing.ranges import Calibration
from hypr_neuro.quantizing.rounded import rounded_network
from hypr_neuro.sim.simulator import Simulator, check_values

BLOCK = 128
"""Steps that the simulator runs at a time: what it did is read while it is in the cache."""


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
    buffers : sequence of dict, optional
        Arrays of an earlier run, by population, used again; what `steps` gives then lies in them.

    Attributes
    ----------
    simulator : Simulator
        Runs as many steps ahead of the populations' own time as the slowest of them is late.
    """

    def __init__(
        self,
        forward: IntegerForward,
        samples: int,
        dtype: type[Any],
        buffers: Sequence[dict[str, Array]] | None = None,
    ) -> None:
        self.forward = forward
        self.simulator = Simulator(forward.integer, samples, threaded=False)  # blocks run on threads themselves
        self.time = 0
        populations = forward.qnet.populations
        self._own = [
            _OwnTime(p, forward.qnet.latency(i), samples, dtype, {} if buffers is None else buffers[i])
            for i, p in enumerate(populations)
        ]

    def advance(self, x: Array, steps: int) -> None:
        """Run `steps` more own steps of every population.

        x : (sample, at least `steps`, channel) integers of these steps and of those after them, as far as there are
            any, up to `IntegerForward.ahead`
        """
        simulator, kept = self.simulator, [True] * len(self._own)
        stop = self.time + steps + self.forward.ahead
        given = check_values(self.forward.integer, x).transpose(1, 0, 2)[simulator.time - self.time :]
        silent = np.zeros((max(stop - simulator.time - len(given), 0), *given.shape[1:]), given.dtype)
        values = np.concatenate([given, silent])[: stop - simulator.time]
        for own in self._own:
            own.begin(self.time, steps)
        size = min(simulator.longest, BLOCK)
        for first in range(0, len(values), size):
            start = simulator.time
            simulator.block(values[first : first + size], kept, kept)
            for run, own in zip(simulator.populations, self._own, strict=True):
                own.take(start, run.states, run.outputs, run.currents)
        self.time += steps

    def steps(self, place: int) -> Steps:
        """Return what a population did in the own steps that were run last."""
        return self._own[place].done

    def before(self, place: int) -> Array:
        """Return what a population sent in its own steps before 0, (latency, batch·n)."""
        return self._own[place].before

    def events(self) -> Mapping[str, Mapping[str, int]]:
        """Count saturations and wraps so far, by population."""
        return self.simulator.events()


class _OwnTime:
    """One population's integers on their way to real units and to its own time; step -1 of the device is all 0."""

    def __init__(
        self, p: QuantizedPopulation, late: int, samples: int, dtype: type[Any], buffers: dict[str, Array]
    ) -> None:
        self.late, self.dtype, self.buffers = late, dtype, buffers
        width, self.currents = samples * p.size, p.model.currents
        self.shapes = {"states": (p.model.d, width), "outputs": (width,), "current": (self.currents, width)}
        output = p.state_scale if p.model.readout else 1.0
        self.scales = {"states": p.state_scale, "outputs": output, "current": p.current_scale}
        self.before = np.zeros((late, width), dtype)
        self.rows: dict[str, Array] = {}
        self._last: dict[str, Array] = {}
        self._later: list[tuple[int, Mapping[str, Array]]] = []

    def begin(self, time: int, steps: int) -> None:
        """Make room for the own steps from `time` on, of states and outputs for the one before as well."""
        if time:
            self._last = {name: self.rows[name][-1].copy() for name in ("states", "outputs")}
        self.time, self.stop = time, time + steps
        self.rows = {name: self._room(name, steps + int(name != "current")) for name in self.shapes}
        for name in ("states", "outputs"):
            self.rows[name][0] = self._last.get(name, 0.0)
        later, self._later = self._later, []
        for start, integers in later:
            self._put(start, integers)

    def take(self, start: int, states: Array, outputs: Array, currents: Array) -> None:
        """Take the device steps from `start` on."""
        own, integers = start - self.late, {"states": states, "outputs": outputs, "current": currents}
        if own < 0:  # before its own step 0
            count = min(-own, len(outputs))
            _to_real(outputs[:count], self.scales["outputs"], self.before[start : start + count])
        self._put(own, integers)
        ahead = own + len(outputs) - self.stop
        if ahead > 0:
            rest = {name: array[-min(ahead, len(array)) :].copy() for name, array in integers.items()}
            self._later.append((own + len(outputs) - len(rest["outputs"]), rest))

    def _put(self, own: int, integers: Mapping[str, Array]) -> None:
        """Write the own steps from `own` on, as far as there is room for them."""
        for name, array in integers.items():
            first = self.time - int(name != "current")
            start, stop = max(own, first), min(own + len(array), self.stop)
            if start < stop:
                _to_real(
                    array[start - own : stop - own], self.scales[name], self.rows[name][start - first : stop - first]
                )

    def _room(self, name: str, steps: int) -> Array:
        key = f"integers: {name}"  # apart from those of a float run, whose shapes differ
        held = self.buffers.get(key)
        if held is None or len(held) < steps or held.dtype != self.dtype:
            held = self.buffers[key] = np.empty((steps, *self.shapes[name]), self.dtype)
        return held[:steps]

    @property
    def done(self) -> Steps:
        """What there was room for."""
        current = self.rows["current"]
        return Steps(self.rows["states"], self.rows["outputs"], current[:, 0] if self.currents == 1 else current)


def _to_real(integers: Array, scale: float, to: Array) -> None:
    """Fill `to` with integers / scale, rounded once."""
    if frexp(scale)[0] != 0.5:
        np.divide(integers, scale, out=to, casting="unsafe")
        return
    to[...] = integers
    if scale != 1.0:  # a power of two: nothing more is rounded
        np.multiply(to, to.dtype.type(1.0 / scale), out=to)
