"""Simulators of networks on crossbars: neurons in integers as everywhere, currents through cells and converters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.run.forward import over_batch
from hypr_neuro.sim.crossbar.crossbars import Crossbar, Crossbars
from hypr_neuro.sim.crossbar.kernels import delivery_kernel, population_kernel
from hypr_neuro.sim.delivery import Delivery
from hypr_neuro.sim.learning.changing import ChangingSimulator
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.update import CHANGED, SATURATED, SEEN, SMALL
from hypr_neuro.sim.population import PopulationRun
from hypr_neuro.sim.simulator import Simulator, is_analog

MOST_SATURATED = 0.05
"""Share of conversions that may saturate without a word."""


class AnalogSimulator(Simulator):
    """A quantized network on crossbars, step after step; as a `Simulator`.

    Cells are as old as the profile's `age` says when a run begins, and do not age during it; each step reads them anew.
    Sample b of a batch has reading noise of its own, number b.

    Attributes
    ----------
    crossbars : Crossbars
        The cells.
    samples : ndarray
        (batch,) numbers under which samples draw their noise.
    conversions : ndarray
        (batch, 2) conversions of ADCs so far, and those at their largest code.
    """

    counters = ("samples", "conversions")
    crossbars: Crossbars

    def reset(self) -> None:
        """Set all states zero, time 0; cells are taken over anew."""
        super().reset()
        qnet = self._given
        assert isinstance(qnet, QuantizedNetwork)
        self.crossbars = self._made(qnet)
        self.samples = np.arange(self.batch, dtype=np.int64)
        self.conversions = np.zeros((self.batch, 2), np.int64)
        self._analog: dict[str, list[tuple[Delivery, Crossbar]]] = {p.name: [] for p in self.network.populations}
        self._digital: dict[str, list[Delivery]] = {p.name: [] for p in self.network.populations}
        self._feedback_tiles: dict[str, list[Crossbar]] = {p.name: [] for p in self.network.populations}
        remaining = iter(self.deliveries)
        for place, c in enumerate(self.network.synapses):
            taken = [next(remaining) for _ in c.by_delay()]
            for k, delivery in enumerate(taken):
                self._place(delivery, self.crossbars.parts.get(place), k)
        self.crossbars.load(0)

    def _made(self, qnet: QuantizedNetwork) -> Crossbars:
        return Crossbars(qnet)

    def _place(self, delivery: Delivery, parts: list[Crossbar] | None, k: int) -> None:
        """Tell where a delivery comes from: cells, the population itself over cells, or digital weights."""
        target = delivery.target
        if parts is None:
            self._digital[target].append(delivery)
        elif delivery in self._recurrent[target]:
            self._feedback_tiles[target].append(parts[k])
        else:
            self._analog[target].append((delivery, parts[k]))

    def block(self, x: Array, keep_states: Sequence[bool] = (), keep_currents: Sequence[bool] = ()) -> None:
        """Run at most `longest` steps, as a `Simulator`; InputError for values that no DAC takes."""
        largest, most = max(int(x.max()), -int(x.min())), self.crossbars.largest_input
        if largest > most:
            raise InputError(
                f"x holds magnitudes up to {largest}, rule: at most {most}, analog.dac_bits = "
                f"{self.crossbars.analog.dac_bits.value} of profile '{self.crossbars.qnet.profile.name}'; scale the "
                "input down or override analog.dac_bits"
            )
        super().block(x, keep_states, keep_currents)

    def _run(self, p: PopulationRun, spikes: bool) -> None:
        name, steps = p.population.name, p.arriving.shape[1]
        times = np.arange(self.time, self.time + steps)
        work = [
            (part, d.messages(self.sent(d.source, part.lag)), (times >= part.lag).astype(np.int64))
            for d, part in self._analog[name]
        ]
        digital = [(d, self.sent(d.source, d.lag)) for d in self._digital[name]]

        def run_slice(first: int, stop: int) -> None:
            for d, sent in digital:
                d.run(sent, self.time, p.arriving[d.current], self._carries_spikes(d, spikes), first, stop)
            for part, sent, on in work:
                delivery_kernel()(
                    part.tiles,
                    sent,
                    on,
                    self.crossbars.seed,
                    self.samples,
                    self.time,
                    p.arriving[part.current],
                    self.conversions,
                    first,
                    stop,
                )
            self._run_neurons(p, first, stop)

        if self.batch == 1 or not self.threaded:
            run_slice(0, self.batch)
        else:
            over_batch(self.batch, run_slice)

    def _run_neurons(self, p: PopulationRun, first: int, stop: int) -> None:
        own = self._feedback_tiles[p.population.name]
        if not own:
            p.run(first, stop)
            return
        population_kernel(p.population.model.name, len(own))(
            p.arriving,
            p.sent.rows,
            p.sent.depth,
            tuple(part.tiles for part in own),
            np.array([part.lag for part in own], np.int64),
            np.array([part.current for part in own], np.int64),
            self.crossbars.seed,
            self.samples,
            self.time,
            self.conversions,
            tuple(p.state),
            p.per_neuron,
            p.constants,
            p.states,
            p.currents,
            p.events,
            first,
            stop,
        )

    @property
    def saturated(self) -> float:
        """Share of conversions at the ADC's largest code."""
        total, most = self.conversions.sum(axis=0).tolist()
        return most / total if total else 0.0

    def doubts(self) -> list[str]:
        """Say where ADCs saturate too often for their sums to mean much."""
        if self.saturated <= MOST_SATURATED:
            return []
        analog = self.crossbars.analog
        return [
            f"ADCs of profile '{self.crossbars.qnet.profile.name}' saturate in {self.saturated:.1%} of their "
            f"conversions: sums leave analog.adc_range = {analog.adc_range.value:g} cells; override it with a larger "
            "one, or analog.adc_bits with more"
        ]

    def running_state(self) -> dict[str, Array]:
        """Return arrays that the next step depends on, counts too, by name."""
        return super().running_state() | {name: getattr(self, name) for name in self.counters}

    def _identity(self) -> dict[str, Any]:
        """Return what a saved state must agree with: cells too."""
        from hypr_neuro.files.store import content_digest

        identity = super()._identity()
        profile = repr(self.crossbars.qnet.profile.dump())
        return identity | {"cells": content_digest(profile, self.crossbars.state())}


def changing_simulator(plan: LearningPlan) -> ChangingSimulator:
    """Make the simulator of a network that learns, on crossbars where its profile has some."""
    return AnalogChangingSimulator(plan) if is_analog(plan.qnet) else ChangingSimulator(plan)


class AnalogChangingSimulator(ChangingSimulator, AnalogSimulator):
    """A network on crossbars that learns: cells age and are written between blocks.

    Parameters
    ----------
    plan : LearningPlan
        Of the network, whose cells change.

    Attributes
    ----------
    aged : ndarray
        (1,) steps that had run when the cells were last looked at.
    """

    def __init__(self, plan: LearningPlan) -> None:
        self._seed_of_writing = plan.options.seed
        self.aged = np.zeros(1, np.int64)
        super().__init__(plan)

    def _made(self, qnet: QuantizedNetwork) -> Crossbars:
        return Crossbars(qnet, keep=True, seed=self._seed_of_writing)

    def _run(self, p: PopulationRun, spikes: bool) -> None:
        self.samples[0] = self.sample
        super()._run(p, spikes)

    def age(self, steps: int) -> None:
        """Let cells age to what they are after so many steps in all."""
        if steps != self.aged[0]:
            self.aged[0] = steps
            self.crossbars.load(steps)

    def note_time(self, steps: int) -> None:
        """Take down when what follows is written."""
        self.aged[0] = steps

    def write(self, place: int, step: Array, draws: tuple[int, int, int], counts: Array) -> bool:
        """Take learning steps off weights as pulses; of digital weights, those of an output's trace, do nothing."""
        if place not in self.crossbars.cells:
            return False
        written = self.crossbars.write(place, step, int(self.aged[0]), draws)
        steps, size = np.abs(step), self.crossbars.cells[place].pulse_units
        counts[SATURATED] += written.saturated
        counts[CHANGED] += written.pulsed
        counts[SEEN] += np.count_nonzero(steps)
        counts[SMALL] += np.count_nonzero((2 * steps < size) & (steps > 0))
        return True

    def cell_state(self) -> dict[str, Array]:
        """Return the state of all cells and the steps after which they were looked at; not copies."""
        return {**self.crossbars.state(), "aged": self.aged}

    def load(self, populations: list[int]) -> None:
        """Take over cells, and what learning changed beside them, as they stand in the network."""
        super().load(populations)
        self.crossbars.load(int(self.aged[0]))
