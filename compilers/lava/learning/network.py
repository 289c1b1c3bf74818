"""From a quantized network and options to Lava processes that learn, with the numbers of `sim.learning.reference`.

One process for each layer's neurons, one for each connection, one for the readout's error. A step runs in Lava's
phases:

spiking   synapses send the weighted sums of what came in one step before, neurons step and send their spikes, which
          synapses keep for the next step. So a connection takes a step, as with connection_delay = 1
learning  the error goes to the readout's neurons; these send their Jacobian's entries and learning signals to their
          synapses, which move eligibilities and gradients and send learning signals down to the neurons below, and so
          on. No loop is closed in this direction, so all of it happens inside the step; signals to the last hidden
          layer wait there for error_latency steps. At the end of an update interval each connection changes its
          weights, which act from the next step on

Nothing here needs Lava but `learning_network`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.learning.schedule import Schedule
from hypr_neuro.compilers.lava.rules import check_delay, require_lava
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan


@dataclass
class LavaLearningNetwork:
    """Lava processes that learn.

    Attributes
    ----------
    neurons, synapses : dict
        By the names of layers ("layers.0") and connections ("layers.0.input").
    error : Process
        The readout's error.
    s_in : port
        (inputs,) for spikes or graded values.
    label_in : port
        (2,), label and whether it counts, of the readout's own steps, which run `QuantizedNetwork.tail` steps behind
        the input.
    """

    neurons: dict[str, Any]
    synapses: dict[str, Any]
    error: Any
    s_in: Any
    label_in: Any

    @property
    def processes(self) -> list[Any]:
        """Return all processes."""
        return [*self.neurons.values(), *self.synapses.values(), self.error]


def check_learning(qnet: QuantizedNetwork, options: LearnOptions) -> LearningPlan:
    """Make the plan of a copy of the network, which learns in its place.

    Raises
    ------
    InputError
        Naming option, profile or layer, for what cannot learn in Lava as in the simulator.
    """
    plan = LearningPlan(qnet.copy(), options)
    options.refuse_noise("Lava")
    options.refuse_connections(qnet, "Lava")
    check_delay(qnet)
    return plan


def schedule(plan: LearningPlan, index: int, steps: int, stream: bool) -> Schedule:
    """Make the schedule of layer `index`, for samples of so many steps."""
    return Schedule(
        period=0 if stream else plan.clock.learning_steps(steps),
        window=plan.clock.window(index, inf if stream else steps),
        every=plan.options.update_every,
        on=plan.options.update_on,
    )


def learning_network(
    qnet: QuantizedNetwork,
    options: LearnOptions,
    rates: Array,
    steps: int,
    *,
    stream: bool = False,
    records: Mapping[str, Path] | None = None,
) -> LavaLearningNetwork:
    """Make the processes of `qnet`, connected; run them with ``Loihi2SimCfg(select_tag="fixed_pt")``.

    Parameters
    ----------
    qnet : QuantizedNetwork
        A copy of it learns.
    options : LearnOptions
        How it learns.
    rates : ndarray
        (samples, 2) integers with 16 fraction bits, of weights and of neuron parameters, for each sample.
    steps : int
        Of a sample; it takes `Clock.learning_steps`.
    stream : bool
        One sample without end, in which nothing starts anew.
    records : mapping, optional
        Files by the name of a layer or connection, see `LearningNeurons` and `LearningSynapses`.

    Raises
    ------
    MissingPackageError
        Without Lava.
    InputError
        For what cannot learn there.
    """
    require_lava()
    parts = _Parts(check_learning(qnet, options), np.asarray(rates, np.int64), steps, stream, records or {})
    names = [qnet.name(i) for i in range(len(qnet.layers))]
    neurons = {name: parts.neurons(i) for i, name in enumerate(names)}
    synapses = {
        f"{name}.{key}": parts.synapses(i, key, connection)
        for i, name in enumerate(names)
        for key, connection in qnet.layers[i].connections().items()
    }
    for i, name in enumerate(names):
        for key in qnet.layers[i].connections():
            connection = synapses[f"{name}.{key}"]
            connection.a_out.connect(neurons[name].a_in)
            neurons[name].learn_out.connect(connection.learn_in)
        if qnet.layers[i].recurrent is not None:
            neurons[name].s_out.connect(synapses[f"{name}.recurrent"].s_in)
        if i > 0:
            neurons[names[i - 1]].s_out.connect(synapses[f"{name}.input"].s_in)
            synapses[f"{name}.input"].back_out.connect(neurons[names[i - 1]].signal_in)
    error = parts.error()
    neurons[names[-1]].s_out.connect(error.o_in)
    error.error_out.connect(neurons[names[-1]].signal_in)
    return LavaLearningNetwork(neurons, synapses, error, synapses[f"{names[0]}.input"].s_in, error.label_in)


@dataclass
class _Parts:
    """Makes the processes of a plan."""

    plan: LearningPlan
    rates: Array
    steps: int
    stream: bool
    records: Mapping[str, Path]

    def _shared(self, index: int, name: str) -> dict[str, Any]:
        layer = self.plan.layers[index]
        return {
            "widths": layer.widths,
            "delay": layer.waiting,
            "schedule": schedule(self.plan, index, self.steps, self.stream),
            "options": self.plan.options,
            "rates": self.rates,
            "momentum_bits": self.plan.momentum_bits,
            "record": self.records.get(name),
            "name": name,
        }

    def neurons(self, index: int) -> Any:
        from hypr_neuro.compilers.lava.processes.learning_process import LearningNeurons

        layer = self.plan.layers[index]
        return LearningNeurons(
            layer=layer.layer,
            tensor=layer.first_parameter_number,
            wait=layer.signal_wait,
            places=layer.places,
            fractions=tuple(p.fraction for p in layer.parameters),
            **self._shared(index, layer.name),
        )

    def synapses(self, index: int, key: str, connection: Connection) -> Any:
        from hypr_neuro.compilers.lava.processes.learning_process import LearningSynapses

        plan, layer = self.plan, self.plan.layers[index]
        back, feedback = None, None
        if key == "input" and index > 0:
            back = (plan.layers[index - 1].widths.signal_bits, plan.signal_shifts[index - 1])
            feedback = None if plan.feedback is None else plan.feedback[index - 1]
        return LearningSynapses(
            model=layer.model.name,
            weights=connection.mantissa,
            exponent=connection.exponent,
            always_on=key == "input" and layer.layer.bias_axon,
            tensor=plan.connection_number(index, key),
            learns=layer.learns,
            back=back,
            feedback=feedback,
            weight_bits=plan.weight_bits,
            residual_bits=plan.residual_bits,
            **self._shared(index, f"{layer.name}.{key}"),
        )

    def error(self) -> Any:
        from hypr_neuro.compilers.lava.processes.learning_process import ErrorUnits

        readout = self.plan.layers[self.plan.last]
        return ErrorUnits(
            size=readout.size,
            error=self.plan.error,
            bits=self.plan.error_bits,
            fraction=readout.widths.state_fraction,
            name="error",
        )
