"""From a quantized network and options to Lava processes that learn, with the numbers of `sim.learning.reference`.

One process for each population's neurons, one for each connection, one for the error of the outputs. A step runs in
Lava's phases:

spiking   synapses send the weighted sums of what arrives, of what came in one step before or, over delays, earlier;
          neurons step and send their spikes, which synapses keep. So a connection takes a step, as with
          connection_delay = 1
learning  the error goes to the outputs; populations send their Jacobian's entries and learning signals to their
          synapses, which move eligibilities and gradients and send learning signals back over forward connections, and
          so on. No loop is closed in this direction, so all of it happens inside the step; what has to wait, by
          error_latency or for a longer way, waits where it arrives. At the end of an update interval each connection
          changes its weights, which act from the next step on

Nothing here needs Lava but `learning_network`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.build import only_port
from hypr_neuro.compilers.lava.learning.live_schedule import ROWS, Live
from hypr_neuro.compilers.lava.learning.schedule import Schedule
from hypr_neuro.compilers.lava.learning.signal import ReturningSignal, SignalSum, returning_signals, signal_sums
from hypr_neuro.compilers.lava.rules import check_delay, check_reached, require_lava
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan


@dataclass
class LavaLearningNetwork:
    """Lava processes that learn.

    Attributes
    ----------
    neurons, synapses : dict
        By the names of populations ("layers.0") and connections ("layers.0.input").
    error : Process
        The error of the outputs.
    label_in : port
        (2,), label and whether it counts, or (outputs + 1,), targets or errors and that (`LearnOptions.targets`), of
        the outputs' own steps, which run `LearningPlan.clock.tail` steps behind the input.
    inputs : list of port
        (inputs,) each, which all take the network's input, spikes or graded values.
    """

    neurons: dict[str, Any]
    synapses: dict[str, Any]
    error: Any
    label_in: Any
    inputs: list[Any] = field(default_factory=list)

    @property
    def s_in(self) -> Any:
        """Port (inputs,) of the only connection that takes the input; InputError where several do."""
        return only_port(self.inputs)

    @property
    def processes(self) -> list[Any]:
        """Return all processes."""
        return [*self.neurons.values(), *self.synapses.values(), self.error]

    def feed(self, s_out: Any) -> None:
        """Connect a port (inputs,) to all that take the network's input."""
        for s_in in self.inputs:
            s_out.connect(s_in)


def check_learning(qnet: QuantizedNetwork, options: LearnOptions) -> LearningPlan:
    """Make the plan of a copy of the network, which learns in its place.

    Raises
    ------
    InputError
        Naming option, profile or population, for what cannot learn in Lava as in the simulator.
    """
    plan = LearningPlan(qnet.copy(), options)
    options.refuse_noise("Lava")
    check_delay(qnet)
    check_reached([p.name for p in plan.qnet.populations], plan.qnet.connections)
    return plan


def schedule(plan: LearningPlan, index: int, steps: int, stream: bool) -> Schedule:
    """Make the schedule of the population at place `index`, for samples of so many steps."""
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
    live: Live | None = None,
) -> LavaLearningNetwork:
    """Make the processes of `qnet`, connected; run them with ``Loihi2SimCfg(select_tag="fixed_pt")``.

    Parameters
    ----------
    qnet : QuantizedNetwork
        A copy of it learns, with a trace behind each output that spikes.
    options : LearnOptions
        How it learns.
    rates : ndarray
        (samples, 2) integers with 16 fraction bits, of weights and of neuron parameters, for each sample.
    steps : int
        Of a sample; it takes `Clock.learning_steps`.
    stream : bool
        One sample without end, in which nothing starts anew.
    records : mapping, optional
        Files by the name of a population or connection, see `LearningNeurons` and `LearningSynapses`.
    live : Live, optional
        Says step by step what each is for, in place of `rates`, `steps` and `stream`.

    Raises
    ------
    MissingPackageError
        Without Lava.
    InputError
        For what cannot learn there.
    """
    require_lava()
    plan = check_learning(qnet, options)
    parts = _Parts(plan, np.asarray(rates, np.int64), steps, stream, records or {}, live)
    neurons = {layer.name: parts.neurons(layer) for layer in plan.layers}
    error = parts.error()
    built = LavaLearningNetwork(neurons, {}, error, error.label_in)
    for layer in plan.layers:
        for c in layer.incoming:
            built.synapses[c.name] = synapses = parts.synapses(layer, c)
            synapses.a_out.connect(neurons[layer.name].a_in)
            if c.learns or c.place in parts.returning:
                neurons[layer.name].learn_out.connect(synapses.learn_in)
            if c.place in parts.returning:
                synapses.back_out.connect(neurons[c.source].signal_in)
            if c.source == INPUT:
                built.inputs.append(synapses.s_in)
            else:
                neurons[c.source].s_out.connect(synapses.s_in)
    for i in plan.outputs:
        output = neurons[plan.layers[i].name]
        output.readout_out.connect(error.o_in)
        error.error_out.connect(output.error_in)
    return built


@dataclass
class _Parts:
    """Makes the processes of a plan."""

    plan: LearningPlan
    rates: Array
    steps: int
    stream: bool
    records: Mapping[str, Path]
    live: Live | None = None

    @cached_property
    def sums(self) -> dict[int, SignalSum]:
        return signal_sums(self.plan)

    @cached_property
    def returning(self) -> dict[int, ReturningSignal]:
        return returning_signals(self.plan)

    def _shared(self, layer: LayerPlan, name: str) -> dict[str, Any]:
        live = self.live
        return {
            "schedule": schedule(self.plan, layer.index, self.steps, self.stream)
            if live is None
            else live.schedule(self.plan, layer.index),
            "options": self.plan.options,
            "rates": self.rates if live is None else live.rates,
            "held": None if live is None else live.held[name],
            "momentum_bits": self.plan.momentum_bits,
            "record": self.records.get(name),
            "name": name,
        }

    def neurons(self, layer: LayerPlan) -> Any:
        from hypr_neuro.compilers.lava.processes.learning_process import LearningNeurons

        plan, first, early = self.plan, None, 0
        if layer.index in plan.outputs:
            before = plan.outputs[: plan.outputs.index(layer.index)]
            first = sum(plan.layers[i].size for i in before)
            early = plan.clock.tail - plan.clock.latency(layer.index)
        return LearningNeurons(
            layer=layer,
            signal=self.sums.get(layer.index),
            first_output=first,
            outputs=plan.qnet.output_size,
            early=early,
            **self._shared(layer, layer.name),
        )

    def synapses(self, layer: LayerPlan, c: Incoming) -> Any:
        from hypr_neuro.compilers.lava.processes.learning_process import LearningSynapses

        if isinstance(c.connection.mantissa, Convolution):
            c = c.written_out()
        return LearningSynapses(
            layer=layer,
            incoming=c,
            returning=self.returning.get(c.place),
            weight_bits=c.weight_bits,
            residual_bits=self.plan.residual_bits,
            **self._shared(layer, c.name),
        )

    def error(self) -> Any:
        from hypr_neuro.compilers.lava.processes.learning_process import ErrorUnits

        targets = self.plan.options.targets
        return ErrorUnits(
            size=self.plan.qnet.output_size,
            error=self.plan.error,
            bits=self.plan.error_bits,
            fraction=self.plan.error_fraction if targets == "labels" else self.plan.value_fraction,
            targets=targets,
            record=None if self.live is None else self.live.outputs,
            rows=0 if self.live is None else ROWS,
            name="error",
        )
