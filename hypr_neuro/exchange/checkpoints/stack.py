"""Linear modules and neurons in turn, as a graph: what state dicts of feed-forward and recurrent networks hold.

A state dict does not say how modules are connected. They are taken in the order of the file, each to the one before it,
and the sizes have to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.checkpoints.modules import Module
from hypr_neuro.exchange.nir.neurons_in import memoryless
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses, Matrix
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array


@dataclass
class ModuleNeurons:
    """Our neurons for those of a module, all arrays (n,).

    Attributes
    ----------
    model, params
        Of our neurons.
    gain
        Factor of all that arrives.
    sends
        Factor of a spike on its way out.
    recurrent : (n, n)
        Weights of the module's own connection, None without one.
    recurrent_bias
        Constant current of that connection by the first step in which it acts.
    own
        Weight from each neuron to itself in the next step, in front of gain and factor, None for none.
    """

    model: str
    params: dict[str, Array]
    gain: Array
    sends: Array
    recurrent: Array | None = None
    recurrent_bias: dict[int, Array] = field(default_factory=dict)
    own: Array | None = None


Convert = Callable[[Module, int, bool], ModuleNeurons]
"""(module, neurons, whether it is the last) -> our neurons."""


def network_of_modules(modules: Sequence[Module], convert: Convert, dt: float) -> Network:
    """Return the graph of these modules; raise InputError, naming the module, for an order or sizes that do not fit."""
    stack = _Stack()
    last = modules[-1]
    for module in modules:
        if module.is_linear:
            stack.add_linear(module)
        else:
            stack.add_neurons(module, convert(module, stack.waiting(module), module is last))
    if stack.linear is not None:
        n = stack.waiting(stack.linear)
        ones = np.ones(n)
        stack.add_neurons(stack.linear, ModuleNeurons("li", memoryless(n), ones, ones))
    try:
        return Network(stack.inputs, tuple(stack.populations), tuple(stack.connections), dt, (stack.source,))
    except InputError as error:
        raise InputError(f"checkpoint '{last.path}': {error}") from error


class _Stack:
    """What was built so far: the last neurons, and the linear module that waits for those behind it."""

    def __init__(self) -> None:
        self.populations: list[FloatPopulation] = []
        self.connections: list[FloatSynapses] = []
        self.linear: Module | None = None
        self.source, self.inputs = INPUT, 0
        self.sends: Array | None = None

    def add_linear(self, module: Module) -> None:
        if self.linear is not None:
            raise module.fault(f"follows the linear module '{self.linear.name}', rule: neurons between two of them")
        size = None if self.sends is None else len(self.sends)
        weights = module.matrix("weight", (None, size))
        if "bias" in module.arrays and module.arrays["bias"].shape != (len(weights),):
            raise module.fault(f"'bias' of shape {module.arrays['bias'].shape}, rule: ({len(weights)},)")
        if size is None:
            self.inputs = weights.shape[1]
        self.linear = module

    def waiting(self, module: Module) -> int:
        """Return the neurons that the waiting linear module feeds."""
        if self.linear is None:
            raise module.fault("rule: neurons hear a linear module in front of them; its weights are missing")
        return len(self.linear.arrays["weight"])

    def add_neurons(self, module: Module, neurons: ModuleNeurons) -> None:
        linear = self.linear
        assert linear is not None
        weights = linear.arrays["weight"] * neurons.gain[:, None]
        if self.sends is not None:
            weights = weights * self.sends
        model = get_model(neurons.model)
        biases = dict(neurons.recurrent_bias)
        if "bias" in linear.arrays:
            biases[0] = biases.get(0, 0.0) + linear.arrays["bias"]
        biases = {first: bias * neurons.gain for first, bias in biases.items() if np.any(bias)}
        try:
            self.populations.append(FloatPopulation(module.name, model, neurons.params, biases))
        except InputError as error:
            raise module.fault(str(error)) from error
        self.connections.append(FloatSynapses(self.source, module.name, weights))
        if (own := _own_weights(neurons)) is not None:
            self.connections.append(FloatSynapses(module.name, module.name, own))
        self.source, self.sends, self.linear = module.name, neurons.sends, None


def _own_weights(neurons: ModuleNeurons) -> Matrix | None:
    """Return the weights from the neurons to themselves: dense, or CSR where each hears itself alone."""
    if neurons.recurrent is not None:
        dense: Array = neurons.recurrent * neurons.gain[:, None] * neurons.sends
        return dense if neurons.own is None else dense + np.diag(neurons.own)
    if neurons.own is None or not np.any(neurons.own):
        return None
    from scipy.sparse import csr_array

    one_to_one: Matrix = csr_array(np.diag(neurons.own))
    return one_to_one
