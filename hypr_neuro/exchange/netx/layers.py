"""The layers of a netx file, one after the other, as populations and synapses.

Types: input, conv, flatten, dense, dense_rec. Others (average, pool, convT, unpool, concat), which lava-dl's own reader
does not support either, are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.netx import neurons, weights
from hypr_neuro.exchange.netx.convolution import CONV_BITS, NetxConvolution, Shape
from hypr_neuro.exchange.netx.fields import Fields
from hypr_neuro.graph import convolution as maps
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.graph.membranes import read_as_membrane
from hypr_neuro.graph.synapses import LARGEST_MESSAGE
from hypr_neuro.numbers.arrays import Array

MAX_NEURONS = 1 << 24
NEURON_KEYS = ("neuron", "bias")
KEYS = {
    "input": ("type", "shape", "weight", *NEURON_KEYS),
    "flatten": ("type", "shape"),
    "conv": (
        "type",
        "shape",
        "inChannels",
        "outChannels",
        "kernelSize",
        "stride",
        "padding",
        "dilation",
        "groups",
        "weight",
        *NEURON_KEYS,
    ),
    "dense": ("type", "shape", "inFeatures", "outFeatures", "weight", "delay", *NEURON_KEYS),
    "dense_rec": ("type", "shape", "inFeatures", "outFeatures", "weight", "weight_rec", *NEURON_KEYS),
}


class NetworkBuilder:
    """Turn layer after layer of a file into populations and synapses.

    Attributes
    ----------
    populations, synapses
        What was read so far.
    source
        The population of the layer that was read last, or the input.
    shape
        Of that layer; None while nothing says the shape of the input.
    message_bits
        Bits of the messages that layer sends.
    flat
        Whether a layer `flatten` came since.
    shapes
        Of the "input" and of every population.
    scale, offset
        See `read.Netx`.
    """

    def __init__(self, input_shape: Shape | None, message_bits: int) -> None:
        if type(message_bits) is not int or not 0 <= message_bits <= LARGEST_MESSAGE:
            raise InputError(f"input_message_bits = {message_bits!r:.40}, rule: 0 to {LARGEST_MESSAGE}")
        self.populations: list[Population] = []
        self.synapses: list[Synapses] = []
        self.source, self.shape, self.message_bits, self.flat = INPUT, input_shape, message_bits, False
        self.shapes: dict[str, Shape] = {}
        self.scale: int | None = None
        self.offset: int | None = None
        if input_shape is not None:
            size_of("input_shape", input_shape)
            self.shapes[INPUT] = input_shape

    def add(self, layer: Fields) -> None:
        """Take the next layer; raise FileFormatError or InputError, naming the entry."""
        layer_type = layer.text("type")
        if layer_type not in KEYS:
            hint = f"; layers={layer.path.split('/')[1]} reads those before it" if self.populations else ""
            raise InputError(f"{layer.path}/type = {layer_type!r} is not supported, rule: {', '.join(KEYS)}{hint}")
        layer.refuse_others(KEYS[layer_type])
        readers = {"input": self._input, "flatten": self._flatten, "conv": self._conv, "dense_rec": self._recurrent}
        if layer_type == "dense":
            (self._complex if neurons.is_complex(layer) else self._dense)(layer)
        else:
            readers[layer_type](layer)

    def network(self, connection_delay: int) -> IntegerNetwork:
        """Return the network of all layers that were read."""
        if not self.populations:
            raise InputError("no layer with neurons was read, rule: at least one; raise `layers`")
        inputs = size_of(INPUT, self.shapes[INPUT])
        self.populations[-1] = read_as_membrane(self.populations[-1])
        return IntegerNetwork(inputs, tuple(self.populations), tuple(self.synapses), connection_delay)

    def _input(self, layer: Fields) -> None:
        """Take an input layer: a shape, or neurons whose bias the data are."""
        if layer.path != "layer/0":
            raise InputError(f"{layer.path}: an input layer, rule: only the first layer is one")
        shape = _file_shape(layer)
        if self.shape not in (None, shape):
            raise InputError(f"input_shape = {self.shape}, rule: that of the file's input layer, {shape}; leave it out")
        self.shapes[INPUT] = self.shape = shape
        if "neuron" in layer:
            self._input_neurons(layer, shape)
        elif "weight" in layer or "bias" in layer:
            raise InputError(f"{layer.path}: weight or bias without neurons, rule: lava-dl reads neither; remove it")

    def _input_neurons(self, layer: Fields, shape: Shape) -> None:
        """Add the neurons of an input layer behind an identity."""
        if neurons.is_complex(layer):
            raise InputError(f"{layer.path}: an input layer of RF neurons, which lava-dl cannot run; use a dense layer")
        self.scale = layer.integer("weight") if "weight" in layer else 64
        self.offset = layer.integer("bias") if "bias" in layer else 0
        # the bias of an input layer is no neuron's, but belongs to the data
        unbiased = Fields(layer.path, {key: value for key, value in layer.values.items() if key != "bias"})
        size = size_of(layer.path, shape)
        population = neurons.population(unbiased, shape)
        if np.any(population.per_neuron[population.model.fixed_per_neuron.index("du1")] != 4096):
            raise InputError(
                f"{layer.path}/neuron/iDecay, rule: 4096 in an input layer, whose data act as bias; a "
                "current would outlast its step"
            )
        self._connect(layer, _identity(size), neurons.BIAS_BITS - 1)
        self._advance(population, shape)

    def _flatten(self, layer: Fields) -> None:
        """Note that the dense layer behind numbers neurons in the file's order."""
        if self.shape is None:
            raise InputError(f"{layer.path}: flatten, rule: comes after a layer with a shape; give input_shape")
        size = size_of(layer.path, self.shape)
        if "shape" in layer and size_of(layer.path, _file_shape(layer)) != size:
            raise FileFormatError(f"{layer.path}/shape, rule: {size} neurons as before it; export the network again")
        self.flat = True

    def _conv(self, layer: Fields) -> None:
        """Add a convolution and its neurons."""
        if self.flat or self.shape is None or len(self.shape) != 3:
            raise InputError(
                f"{layer.path}: a convolution over shape {self.shape}, rule: (x, y, channel), not "
                "flattened; give input_shape if the file has no input layer"
            )
        if neurons.is_complex(layer) or isinstance(layer.values.get("weight"), dict):
            raise InputError(f"{layer.path}: a complex convolution, which lava-dl cannot run; use a dense layer")
        convolution = _convolution(layer)
        try:
            shape = convolution.output_shape(self.shape)
            size_of("output", shape)
            if "shape" in layer and (stated := _file_shape(layer)) != shape:
                raise FileFormatError(f"shape {stated} in the file, rule: {shape}, what its numbers give")
            weights_map = convolution.over(self.shape)
        except InputError as error:
            raise type(error)(f"{layer.path}: {error}") from error
        largest = int(weights_map.magnitudes().max()) * max((1 << self.message_bits) - 1, 1)
        if largest >= 1 << (CONV_BITS - 1):
            raise InputError(
                f"{layer.path}: its sums can reach {largest}, rule: below 2^{CONV_BITS - 1}, where Lava's "
                "Conv wraps; lower weights or input_message_bits"
            )
        self._connect(layer, weights_map)
        self._advance(neurons.population(layer, shape), shape)

    def _dense(self, layer: Fields) -> None:
        """Add a dense layer."""
        size = _dense_size(layer)
        matrix = weights.matrix(layer, "weight", size)
        weights.check_range(f"{layer.path}/weight", matrix)
        columns = self._columns(layer, matrix)
        delays = weights.delays(layer, (size, columns.size))
        self._connect(layer, matrix[:, columns], delays=delays if isinstance(delays, int) else delays[:, columns])
        self._advance(neurons.population(layer, (size,)), (size,))

    def _recurrent(self, layer: Fields) -> None:
        """Add a dense layer with weights on itself."""
        if neurons.is_complex(layer):
            raise InputError(f"{layer.path}: recurrent RF neurons, which lava-dl cannot run; use a layer 'dense'")
        size = _dense_size(layer)
        matrix, recurrent = (weights.matrix(layer, key, size) for key in ("weight", "weight_rec"))
        if recurrent.shape != (size, size):
            raise FileFormatError(f"{layer.path}/weight_rec has shape {recurrent.shape}, rule: {(size, size)}")
        weights.check_range(f"{layer.path}/weight, weight_rec", matrix, recurrent)
        self._connect(layer, matrix[:, self._columns(layer, matrix)])
        self.synapses.append(Synapses(layer.path, layer.path, recurrent, message_bits=0))
        self._advance(neurons.population(layer, (size,)), (size,))

    def _complex(self, layer: Fields) -> None:
        """Add a dense layer of resonators: real weights into current 0, imaginary ones into current 1."""
        size, parts = _dense_size(layer), layer.group("weight")
        parts.refuse_others(("real", "imag"))
        for current, key in enumerate(("real", "imag")):
            matrix = weights.matrix(parts, key, size)
            weights.check_range(f"{parts.path}/{key}", matrix)
            self._connect(layer, matrix[:, self._columns(layer, matrix)], current=current)
        self._advance(neurons.population(layer, (size,)), (size,))

    def _columns(self, layer: Fields, matrix: Array) -> Array:
        """Return the file's column for each neuron before a dense layer, in our order."""
        if self.shape is None:
            self.shapes[INPUT] = self.shape = (matrix.shape[1],)
        size = size_of(layer.path, self.shape)
        if matrix.shape[1] != size:
            raise FileFormatError(
                f"{layer.path}: {matrix.shape[1]} weights a neuron, rule: {size}, as many neurons as before it"
            )
        if max(self.shape) == size:
            return np.arange(size)
        if not self.flat:
            raise InputError(f"{layer.path}: dense after shape {self.shape}, rule: a layer 'flatten' between them")
        return np.arange(size).reshape(self.shape[::-1]).transpose().reshape(-1)

    def _connect(self, layer: Fields, matrix: Any, message_bits: int | None = None, **options: Any) -> None:
        """Add the connection from the layer before to this one."""
        bits = self.message_bits if message_bits is None else message_bits
        self.synapses.append(Synapses(self.source, layer.path, matrix, message_bits=bits, **options))

    def _advance(self, population: Population, shape: Shape) -> None:
        """Make these neurons, which send spikes, the layer before."""
        self.populations.append(population)
        self.shapes[population.name] = self.shape = shape
        self.source, self.message_bits, self.flat = population.name, 0, False


def size_of(where: str, shape: Shape) -> int:
    """Return the neurons of a shape; raise InputError for none, or more than a network can hold."""
    size = 1
    for n in shape:
        size *= int(n)
    if not 1 <= len(shape) <= 3 or min(shape) < 1 or size > MAX_NEURONS:
        raise InputError(f"{where}: shape {shape}, rule: one to three axes, 1..{MAX_NEURONS} neurons")
    return size


def _file_shape(layer: Fields) -> Shape:
    """Return (x, y, channel) or (n,) of a layer; files have the reverse order."""
    shape = tuple(int(n) for n in layer.integers("shape", 1, MAX_NEURONS).reshape(-1)[::-1])
    size_of(f"{layer.path}/shape", shape)
    return shape


def _dense_size(layer: Fields) -> int:
    """Return the neurons of a dense layer."""
    return size_of(f"{layer.path}/shape", _file_shape(layer))


def _convolution(layer: Fields) -> NetxConvolution:
    """Return the convolution of a layer."""
    kernel = layer.integers("weight")
    if kernel.ndim == 5 and kernel.shape[4] == 1:  # slayer's kernels have an axis of time
        kernel = kernel[..., 0]
    if kernel.ndim != 4:
        raise FileFormatError(f"{layer.path}/weight has shape {kernel.shape}, rule: (out, in, y, x)")
    stride, padding, dilation = (layer.pair(key, low) for key, low in (("stride", 1), ("padding", 0), ("dilation", 1)))
    return NetxConvolution(kernel, stride, padding, dilation, layer.integer("groups", 1))


def _identity(size: int) -> maps.Convolution:
    """Return the identity: a kernel of one entry over all neurons."""
    one = maps.Taps((1,), (1,), (0,), (0,), (1,))
    return maps.Convolution(np.ones((1, 1, 1), np.int32), (size,), one)
