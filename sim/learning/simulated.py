"""The simulator as a chip that learns: a `Learner` behind what `learn` drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.chip_learner import (
    ELIGIBILITIES,
    PARAMETERS,
    STATES,
    WEIGHTS,
    ChipLearner,
    LearnCounts,
    LearnSample,
    Numbers,
)
from hypr_neuro.sim.learning.error_function import ErrorFunction
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.regularizer import Regularizer
from hypr_neuro.sim.learning.state import restore_learner, save_learner


class SimulatedLearner(ChipLearner):
    """Learns in the simulator; `qnet` changes in place, with every update.

    Parameters
    ----------
    qnet, options
        As of a `ChipLearner`.
    regularizer, error_function : callable, optional
        As of a `Learner`.
    before_update : callable, optional
        Called with the `Learner` before every update.
    """

    def __init__(
        self,
        qnet: QuantizedNetwork,
        options: LearnOptions,
        regularizer: Regularizer | None = None,
        error_function: ErrorFunction | None = None,
        before_update: Callable[[Learner], None] | None = None,
    ) -> None:
        self.learner = Learner(qnet, options, regularizer, error_function)
        self.learner.before_update = before_update
        self.given = qnet
        self.plan, self.qnet, self.options = self.learner.plan, self.learner.qnet, self.learner.options
        self.samples = 0

    def learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        """Learn as a `ChipLearner`; the learner itself checks what it is given."""
        outputs = self._learn(samples)
        self.samples = self.learner.samples
        return outputs

    def _learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        return [
            self.learner.sample(s.x, s.label, s.scored, *s.rates, errors=s.errors, values=s.values) for s in samples
        ]

    def _stream(self, part: LearnSample) -> Array:
        rate, parameter_rate = part.rates
        return self.learner.stream(
            part.x, part.label, part.scored, rate, parameter_rate, errors=part.errors, values=part.values
        )

    def counts(self) -> LearnCounts:
        """Return the learner's counts."""
        saturated, changed, small, seen = map(int, self.learner.updater.counts)
        return LearnCounts(saturated, changed, small, seen, self.learner.clips(), self.learner.events())

    def _read(self, kinds: Sequence[str]) -> Numbers:
        parts = {
            WEIGHTS: lambda: {name: w.copy() for name, w in self.given.weights().items()},
            PARAMETERS: self._parameters,
            STATES: self._states,
            ELIGIBILITIES: self._eligibilities,
        }
        return {kind: parts[kind]() for kind in kinds}

    def _parameters(self) -> dict[str, Array]:
        return {p.name: p.neurons.per_neuron.copy() for p in self.plan.layers if p.parameters}

    def _states(self) -> dict[str, Array]:
        runs = self.learner.simulator.populations
        return {run.population.name: run.state.copy() for run in runs}

    def _eligibilities(self) -> dict[str, Array]:
        result: dict[str, Array] = {}
        for layer in self.learner.layers:
            for synapses in layer.synapses if layer.plan.learns else ():
                result |= synapses.connection_eligibilities()
            for place, p in layer.parameters.items():
                result[f"{layer.name}.{layer.neurons.model.trainable[place]}"] = p.eligibility.copy()
        return result

    def _write(self, numbers: Mapping[str, Mapping[str, Array]]) -> None:
        held = self.given.weights()
        for name, array in numbers.get(WEIGHTS, {}).items():
            held[name][...] = array
        for name, array in numbers.get(PARAMETERS, {}).items():
            self.qnet.population(name).per_neuron[...] = array
        self._write_eligibilities(numbers.get(ELIGIBILITIES, {}))
        self.learner.take_over()

    def _write_eligibilities(self, arrays: Mapping[str, Array]) -> None:
        for layer in self.learner.layers:
            for synapses in layer.synapses:
                for c in synapses.sources.incoming:
                    if c.name in arrays:
                        synapses.put_eligibilities(c.name, arrays[c.name])
            for place, p in layer.parameters.items():
                name = f"{layer.name}.{layer.neurons.model.trainable[place]}"
                if name in arrays:
                    p.eligibility[...] = arrays[name]

    def fetch(self) -> QuantizedNetwork:
        """Return the network, which is what learns."""
        return self.given

    def save(self, path: Path) -> None:
        """Write everything that the learner depends on."""
        save_learner(self.learner, path)

    def restore(self, path: Path) -> None:
        """Go on where `save` was called."""
        restore_learner(self.learner, path)
        self.samples = self.learner.samples
