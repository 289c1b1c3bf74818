"""Read a netx file into a network of integers.

Order of neurons. Lava's processes have arrays (x, y, channel); here neuron (x, y, channel) has the number that numpy
gives it when it flattens such an array: (x · Y + y) · channels + channel. That holds for the input too. A file has
(channel, y, x), and a `flatten` layer numbers neurons in that order, so that the columns of the dense layer behind it
are moved to ours.

Time. As under Lava, every layer receives one step after the layer before it has sent (connection_delay 1), while all
biases act from step 0: layer ℓ sees ℓ steps of its bias before the first spike can reach it. slayer trains, and
lava-dl's recorded answers show, networks whose layer ℓ starts ℓ steps later: step t of a run with connection_delay 0
is step t + ℓ of layer ℓ there.

Input. A layer `input` without neurons only says the shape: spikes go straight to the next layer. With neurons, data
act as the neurons' bias, a number a step that is usually constant over a sample: `scale` · data + `offset`, whole
numbers, which lava-dl leaves to the caller. Here they are the network's input, through an identity, which needs a
current that decays in one step (iDecay 4096); `with_input_bias` sets them as bias proper, for one sample. In the first
way the input layer has u = 64 · input; v and spikes are the same, one step later where connection_delay is 1.

`simulation/Ts`, `simulation/tSample` and all else outside `layer` are not read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hypr_neuro.errors import FileFormatError, InputError, among
from hypr_neuro.exchange.netx import neurons
from hypr_neuro.exchange.netx.convolution import Shape
from hypr_neuro.exchange.netx.fields import Fields
from hypr_neuro.exchange.netx.layers import NetworkBuilder
from hypr_neuro.exchange.nir.files import read_tree
from hypr_neuro.files.store import missing
from hypr_neuro.graph.integer import INPUT, IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_path


@dataclass(frozen=True)
class Netx:
    """A netx file that was read.

    Attributes
    ----------
    network
        Populations are named as their groups in the file, "layer/0", "layer/1", ….
    shapes
        Of the "input" and of every population, (x, y, channel) or (n,).
    scale, offset
        Of an input layer that has neurons: input = scale · data + offset, whole numbers; lava-dl's 64 and 0 where the
        file does not say. None where the input layer has no neurons.
    """

    network: IntegerNetwork
    shapes: dict[str, Shape]
    scale: int | None = None
    offset: int | None = None

    tail = 0
    """Steps without input at the end of a run, see `hypr_neuro.graph.integer.as_integer`."""

    def integer(self) -> IntegerNetwork:
        """Return the network, so that `simulate` takes what was read as it is."""
        return self.network

    def shaped(self, name: str, array: Array) -> Array:
        """Return an array (…, n) of a population or of the "input" as (…, x, y, channel)."""
        if name not in self.shapes:
            raise InputError(f"unknown population {among(name, self.shapes)}")
        return array.reshape(*array.shape[:-1], *self.shapes[name])

    def with_input_bias(self, mantissa: ArrayLike) -> IntegerNetwork:
        """Return the network whose input layer has this bias beside what it receives.

        This is what lava-dl's users set as `net.in_layer.neuron.bias_mant.init`; run it with an input of zeros.

        Parameters
        ----------
        mantissa : (x, y, channel)
            Or flat; whole numbers of 16 bits.
        """
        if self.scale is None:
            raise InputError("the input layer has no neurons, rule: a bias needs some; give spikes as input")
        input_layer = self.network.populations[0]
        values, limit = np.asarray(mantissa), 1 << (neurons.BIAS_BITS - 1)
        if values.size != input_layer.size or np.any(
            (values != np.floor(values)) | (values < -limit) | (values >= limit)
        ):
            raise InputError(
                f"input bias of shape {values.shape}, rule: {self.shapes[INPUT]}, whole numbers {-limit}..{limit - 1}"
            )
        per_neuron = input_layer.per_neuron.copy()
        row = input_layer.model.fixed_per_neuron.index("bias")
        per_neuron[row] = values.reshape(-1).astype(np.int64) << neurons.ACTIVATION_SHIFT
        populations = (replace(input_layer, per_neuron=per_neuron), *self.network.populations[1:])
        return replace(self.network, populations=populations)


def read_netx(
    path: str | Path,
    *,
    layers: int | None = None,
    input_shape: tuple[int, int, int] | None = None,
    input_message_bits: int = 0,
    connection_delay: int = 1,
) -> Netx:
    """Return the network of a netx file.

    Parameters
    ----------
    path
        Of the file.
    layers
        Number of groups of `layer` to read, from 0 on; all by default (lava-dl: num_layers).
    input_shape : (x, y, channel)
        For a file that starts with a convolution and has no input layer.
    input_message_bits
        0 for an input of spikes, k for one of integers below 2^k in magnitude; without effect where the input layer has
        neurons.
    connection_delay
        1 as Lava runs the network, 0 for all layers in one step; see the module's docstring.

    Raises
    ------
    FileFormatError
        For a damaged file or one of another kind; the error names file and entry.
    InputError
        For what is not supported; the error names file and entry.
    """
    require_path("path", path, "a netx file")
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"file '{path}' {missing(path)}; give the path of a netx file")
    try:
        builder = NetworkBuilder(input_shape, input_message_bits)
        for fields in _layers(read_tree(path), layers):
            builder.add(fields)
        network = builder.network(connection_delay)
        if builder.scale is not None:
            network.notes["input"] = {"scale": builder.scale, "offset": builder.offset}
        return Netx(network, builder.shapes, builder.scale, builder.offset)
    except InputError as error:
        raise type(error)(f"file '{path}': {error}") from error


def _layers(tree: dict[str, Any], count: int | None) -> list[Fields]:
    """Return the groups layer/0, layer/1 and so on."""
    groups = tree.get("layer")
    if not isinstance(groups, dict) or not groups or set(groups) != {str(i) for i in range(len(groups))}:
        raise FileFormatError("holds no netx network, rule: a group 'layer' with groups 0, 1, …; export it again")
    if count is not None and not 1 <= count <= len(groups):
        raise InputError(f"layers = {count}, rule: 1..{len(groups)} for this file")
    return [Fields("layer", groups).group(str(i)) for i in range(len(groups))][:count]
