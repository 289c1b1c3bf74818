"""Processes that Lava does not have: any neuron model, the input that is always on."""

from __future__ import annotations

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.renamed import renamed_names


class NeuronPopulation(AbstractProcess):
    """A layer of neurons of any model, in integers.

    Ports: a_in (n,) summed currents, a_in_1 (n,) those of a second input current; s_out (n,) spikes, or the state where
    the model is a readout; message_out (n,) that state as it travels, `message` its shift and bits, None where nobody
    hears it. Vars: state (d, n), output (n,) of the last step, per_neuron (parameters, n), constants, events
    (saturations and wraps so far, in the order of the model's `events`).
    """

    def __init__(
        self,
        *,
        model: str,
        per_neuron: Array,
        constants: Array,
        message: tuple[int, int] | None = None,
        name: str | None = None,
    ) -> None:
        size, record = per_neuron.shape[1], get_model(model)
        super().__init__(model=model, size=size, message=message, name=name)
        self.a_in, self.s_out = InPort(shape=(size,)), OutPort(shape=(size,))
        self.a_in_1 = InPort(shape=(size,))
        self.message_out = OutPort(shape=(size,))
        self.state = Var(shape=(record.d, size), init=0)
        self.output = Var(shape=(size,), init=0)
        self.per_neuron = Var(shape=per_neuron.shape, init=per_neuron)
        self.constants = Var(shape=constants.shape, init=constants)
        self.events = Var(shape=(len(record.events),), init=0)


class AlwaysOn(AbstractProcess):
    """Appends an input that is 1 in every step: s_in (n,) to s_out (n + 1,), in the same step."""

    def __init__(self, *, size: int, name: str | None = None) -> None:
        super().__init__(size=size, name=name)
        self.s_in, self.s_out = InPort(shape=(size,)), OutPort(shape=(size + 1,))


__getattr__ = renamed_names(__name__, {"Population": "NeuronPopulation"})
