"""A layer: one population of a chain, with the weights from the one before and from itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_population import FloatPopulation, check_params
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array


class Layer:
    """n neurons of one model with their incoming weights, all float64.

    `Network.from_layers` makes a network of layers; those of `Network.layers` are the network's own numbers, so that
    what is set in one of them is set in the network.

    Parameters
    ----------
    model
        The neuron.
    weight : (n, inputs)
        From the layer below, in the same step.
    recurrent : (n, n)
        From the layer's own spikes of the previous step, or None.
    bias : (n,)
        On the current, or None (models whose bias acts on the state have it in `params`).
    params
        Each (n,), every parameter of the model; one number stands for all.
    trainable
        Names of `params` that training changes.
    """

    def __init__(
        self,
        model: NeuronModel,
        weight: Array,
        recurrent: Array | None,
        bias: Array | None,
        params: Mapping[str, Array],
        trainable: tuple[str, ...],
    ) -> None:
        model.require_float("layer")
        if model.currents != 1:
            raise InputError(
                f"layer: neuron '{model.name}' has {model.currents} input currents, rule: one in a layer; make the "
                "network of populations and connections, each with its `current` (hypr_neuro.graph.network.Network)"
            )
        weight = np.array(weight, dtype=np.float64)
        if weight.ndim != 2 or 0 in weight.shape:
            raise InputError(f"weight of shape {weight.shape}, rule: (neurons, inputs), both positive")
        n = weight.shape[0]
        if recurrent is not None:
            recurrent = np.array(recurrent, dtype=np.float64)
            if model.readout:
                raise InputError(f"a readout layer ('{model.name}') cannot be recurrent: it has no spikes")
        if bias is not None:
            if model.bias_on == "state":
                raise InputError(f"neuron '{model.name}': its bias acts on the state; set params['bias']")
            bias = np.array(bias, dtype=np.float64)
        for name, array, shape in (("recurrent", recurrent, (n, n)), ("bias", bias, (n,))):
            if array is not None and array.shape != shape:
                raise InputError(f"{name} of shape {array.shape}, rule: {shape} for {n} neurons")
        for name in (*params, *trainable):
            model.param(name)
        values = {p.name: _param(p.name, params.get(p.name, np.array(p.default)), n) for p in model.params}
        _check(model, {"weight": weight, "recurrent": recurrent, "bias": bias}, values)
        biases = {} if bias is None else {0: bias}
        self._population = FloatPopulation("layer", model, values, biases, (n,), tuple(trainable))
        self._below = FloatSynapses("below", "layer", weight)
        self._own = None if recurrent is None else FloatSynapses("layer", "layer", recurrent)

    @classmethod
    def of(cls, population: FloatPopulation, below: FloatSynapses, own: FloatSynapses | None) -> Layer:
        """Return the layer that a population and the connections to it are; nothing is copied."""
        layer = cls.__new__(cls)
        layer._population, layer._below, layer._own = population, below, own
        return layer

    def parts(self, name: str, below: str) -> tuple[FloatPopulation, list[FloatSynapses]]:
        """Return copies of the population and of the connections to it, under these names."""
        p = self._population
        population = FloatPopulation(name, p.model, p.params, p.biases, p.shape, p.trainable)
        connections = [replace(self._below, source=below, target=name)]
        if self._own is not None:
            connections.append(replace(self._own, source=name, target=name))
        return population, connections

    @property
    def model(self) -> NeuronModel:
        """The neuron."""
        return self._population.model

    @model.setter
    def model(self, model: NeuronModel) -> None:
        self._population.model = model

    @property
    def weight(self) -> Array:
        """(n, inputs), from the layer below."""
        return self._below.stored()

    @weight.setter
    def weight(self, weight: Array) -> None:
        self._below.weights = weight

    @property
    def recurrent(self) -> Array | None:
        """(n, n), from the layer's own spikes of the previous step, or None."""
        return None if self._own is None else self._own.stored()

    @recurrent.setter
    def recurrent(self, recurrent: Array) -> None:
        if self._own is None:
            raise InputError("recurrent weights of a layer that has none; make a Layer with them")
        self._own.weights = recurrent

    @property
    def bias(self) -> Array | None:
        """(n,), on the current, or None."""
        return self._population.biases.get(0)

    @bias.setter
    def bias(self, bias: Array | None) -> None:
        if bias is not None and self.model.bias_on == "state":
            raise InputError(f"neuron '{self.model.name}': its bias acts on the state; set params['bias']")
        self._population.biases = {} if bias is None else {0: bias}

    @property
    def params(self) -> dict[str, Array]:
        """Each (n,), every parameter of the model."""
        return self._population.params

    @params.setter
    def params(self, params: dict[str, Array]) -> None:
        self._population.params = params

    @property
    def trainable(self) -> tuple[str, ...]:
        """Names of `params` that training changes."""
        return self._population.trainable

    @trainable.setter
    def trainable(self, trainable: tuple[str, ...]) -> None:
        self._population.trainable = trainable

    @property
    def frozen(self) -> tuple[str, ...]:
        """Names of weights that training leaves as they are: "weight", "recurrent"."""
        below = () if self._below.trainable else ("weight",)
        return below if self._own is None or self._own.trainable else (*below, "recurrent")

    def check(self) -> None:
        """Raise InputError, naming the entry, if a weight is not finite or a parameter out of range."""
        _check(self.model, {"weight": self.weight, "recurrent": self.recurrent, "bias": self.bias}, self.params)

    @property
    def size(self) -> int:
        """Neurons."""
        return self._population.size

    @property
    def inputs(self) -> int:
        """Neurons or channels below."""
        return self._below.shape[1]

    def arrays(self, *, frozen: bool = False) -> Iterator[tuple[str, Array]]:
        """Yield what trains by name, with `frozen` all weights: weight, recurrent, bias, then neuron parameters."""
        if frozen or self._below.trainable:
            yield "weight", self.weight
        if self._own is not None and (frozen or self._own.trainable):
            yield "recurrent", self._own.stored()
        if self.bias is not None:
            yield "bias", self.bias
        for name in self.trainable:
            yield name, self.params[name]

    def param_matrix(self) -> Array:
        """Return (parameters, n) in the model's order."""
        return self._population.param_matrix()

    def float_matrix(self) -> Array:
        """Return (parameters and coefficients, n), as `FloatPopulation.float_matrix` does."""
        return self._population.float_matrix()


def _param(name: str, value: Array, n: int) -> Array:
    """Return a parameter written out for n neurons; raise InputError for another number of them."""
    values = np.asarray(value, dtype=np.float64)
    if values.ndim > 1 or values.size not in (1, n):
        raise InputError(f"parameter '{name}' of shape {values.shape}, rule: one number or ({n},)")
    return np.array(np.broadcast_to(values.reshape(-1), (n,)))


def _check(model: NeuronModel, arrays: Mapping[str, Array | None], params: Mapping[str, Array]) -> None:
    """Raise InputError, naming the entry, if a weight is not finite or a parameter out of range."""
    for name, array in arrays.items():
        if array is not None and not np.all(np.isfinite(array)):
            index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise InputError(f"{name}{list(index)} = {array[index]}, rule: weights are finite")
    check_params(f"neuron '{model.name}'", model, params)
