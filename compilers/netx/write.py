"""Write a network of integers as a netx file, and say what the caller has to send and to expect."""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hypr_neuro.compilers.netx.chain import LayerChain, chain_of
from hypr_neuro.compilers.netx.entries import entries
from hypr_neuro.compilers.netx.images import Arrangement
from hypr_neuro.compilers.netx.layer import NetxLayer
from hypr_neuro.errors import InputError, among
from hypr_neuro.exchange.netx.convolution import CONV_BITS
from hypr_neuro.files.store import sealed, write_atomically
from hypr_neuro.graph.integer import INPUT, HasInteger, IntegerNetwork, as_integer
from hypr_neuro.numbers.arrays import Array

GRADED_BITS = 32
LARGEST_RAISED = 256
"""Largest magnitude of a weight after lava-dl has raised it."""


@dataclass(frozen=True)
class NetxSummary:
    """A netx file that was written.

    Attributes
    ----------
    path
        Of the file.
    inputs
        Channels of the file's network.
    channels
        Numbers of those, the last, that have to be 1 in every step.
    message_bits
        What lava-dl's Network has to be loaded with as input_message_bits.
    largest_input
        Magnitude of input values up to which no sum leaves 32 bits in Lava.
    layers
        Name of each population's group in the file.
    neurons
        Number of neurons of each population; in the file more may follow.
    helpers
        For layers with neurons that only carry a constant current, the numbers of these, the last of the layer.
    images
        How the neurons of convolutions, and the input of a first one, lie in the file: the network may number them in
        another order, see `input` and `spikes`.
    written_out
        By connection, why a convolution is a matrix in the file.
    tail
        Steps without input that end a run.
    readout
        The readouts that stay outside, as a network whose input are the spikes of the last layer, see `write_netx`.
    """

    path: Path
    inputs: int
    channels: tuple[int, ...]
    message_bits: int
    largest_input: int
    layers: dict[str, str]
    neurons: dict[str, int]
    helpers: dict[str, tuple[int, ...]]
    images: dict[str, Arrangement]
    written_out: dict[str, str]
    tail: int
    readout: IntegerNetwork | None = field(repr=False)

    def input(self, x: ArrayLike) -> Array:
        """Return what to send for an input x (…, channel) of the network: x in the file's order, then channels of 1."""
        values = np.asarray(x)
        channels = self.inputs - len(self.channels)
        if values.shape[-1:] != (channels,):
            raise InputError(f"input of shape {values.shape}, rule: (…, {channels})")
        if INPUT in self.images:
            values = values[..., self.images[INPUT].order()]
        ones = np.ones((*values.shape[:-1], len(self.channels)), values.dtype)
        return np.concatenate([values, ones], axis=-1)

    def spikes(self, name: str, array: ArrayLike) -> Array:
        """Return what the file's network gives for a population, (…, neuron), in the order of the network written.

        Neurons that only carry a constant current are left out.
        """
        if name not in self.neurons:
            raise InputError(f"unknown population {among(name, self.neurons)}")
        values, size = np.asarray(array), self.neurons[name]
        if values.shape[-1:] not in ((size,), (size + len(self.helpers.get(name, ())),)):
            raise InputError(f"'{name}' of shape {values.shape}, rule: (…, {size})")
        if name not in self.images:
            return values[..., :size]
        ours = np.empty_like(values)
        ours[..., self.images[name].order()] = values
        return ours

    def lines(self) -> list[str]:
        """Return the summary in words."""
        text = [
            f"netx file '{self.path}': {self.inputs} inputs, "
            + ", ".join(f"{group} = {name}" for name, group in self.layers.items())
        ]
        for channel in self.channels:
            text.append(
                f"input channel {channel} has to be 1 in every step, from the first to those after the "
                "sample: it carries a constant current"
            )
        for name, numbers in self.helpers.items():
            for neuron in numbers:
                text.append(
                    f"neuron {neuron} of {self.layers[name]} fires in every step and carries a constant "
                    "current; it is none of the network's own"
                )
        for name, image in self.images.items():
            if image.channels_first and not np.array_equal(image.order(), np.arange(image.order().size)):
                text.append(
                    f"{name} has {image.shape} (x, y, channel) in the file, here (channel, y, x): `input` and `spikes` "
                    "of the summary, and run_netx.py, turn one into the other"
                )
        text += [f"connection {name} is written out as a matrix: {why}" for name, why in self.written_out.items()]
        if self.message_bits:
            text.append(
                f"input values up to {self.largest_input} in magnitude: load the file with "
                f"input_message_bits={self.message_bits}; spikes need 0"
            )
        if self.readout is not None:
            names = ", ".join(p.name for p in self.readout.populations)
            text.append(f"{names} is not in the file: it reads the spikes of the last layer, on the host")
        if self.tail:
            text.append(f"after a sample {self.tail} steps without input, as many as the readout runs behind")
        return text

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, as a compiled folder's summary holds it."""
        readout_names = None if self.readout is None else [p.name for p in self.readout.populations]
        numbers = {key: getattr(self, key) for key in ("inputs", "message_bits", "largest_input", "tail")}
        numbers["channels"] = list(self.channels)
        return {
            "network": self.path.name,
            **numbers,
            "layers": self.layers,
            "neurons": self.neurons,
            "helpers": {name: list(numbers) for name, numbers in self.helpers.items()},
            "images": {
                name: {"shape": list(image.shape), "channels_first": image.channels_first}
                for name, image in self.images.items()
            },
            "written_out": self.written_out,
            "readout_outside": readout_names,
            "lines": self.lines()[1:],
        }


def write_netx(
    network: IntegerNetwork | HasInteger, path: str | Path, *, always_on: str = "refuse", readout: str = "refuse"
) -> NetxSummary:
    """Write a network as a netx file, whole or not at all; under lava-dl it has the simulator's spikes and states.

    `read_netx` gives back the same integers, but those that only learning uses.

    Parameters
    ----------
    network
        An IntegerNetwork, or what has one, such as a QuantizedNetwork. A chain of `lif`, `rf` and `rf_iz`, the first
        also with recurrent weights or a convolution; other weights are written out, `chain.LARGEST_MATRIX` at most.
    path
        File to write.
    always_on
        "refuse", or "channel", which writes constant currents (biases on the current) as axons that are 1 in every
        step: one more input channel, one more neuron in a layer below (`constant_currents`); the summary names them,
        and `NetxSummary.input` appends the channel.
    readout
        "refuse", or "outside", which leaves readouts (`li`) out of the file; `NetxSummary.readout` is a network that
        computes them from the spikes of the last layer, with one step of delay as before.

    Returns
    -------
    NetxSummary
        What to send to the file's network and what to expect of it.

    Raises
    ------
    InputError
        For what netx cannot say, naming layer, value, rule and remedy, and for a path that cannot be written.
    """
    integer_network, tail = as_integer(network)
    chain = chain_of(integer_network, always_on, readout)
    groups, numbers = _groups(chain)
    content = sealed(_file(groups))

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(Path(path), write)
    return _summary(Path(path), integer_network, chain, numbers, tail)


def _groups(chain: LayerChain) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the groups of the file in order, and the number of each layer's among them."""
    groups: list[dict[str, Any]] = []
    numbers = []
    for i, layer in enumerate(chain.layers):
        if layer.image is not None and i == 0:
            groups.append({"type": "input", "shape": np.array(layer.image.source.shape[::-1], np.int32)})
        if layer.below is not None:
            groups.append({"type": "flatten", "shape": np.array([1, 1, layer.axons_below], np.int32)})
        numbers.append(len(groups))
        groups.append(entries(layer))
    return groups, numbers


def _summary(path: Path, network: IntegerNetwork, chain: LayerChain, numbers: list[int], tail: int) -> NetxSummary:
    """Return the summary of a file."""
    first = chain.layers[0]
    bits, largest = _messages(network, first)
    images = {layer.population.name: layer.image.target for layer in chain.layers if layer.image is not None}
    if first.image is not None:
        images[INPUT] = first.image.source
    return NetxSummary(
        path,
        inputs=first.inputs,
        channels=tuple(range(first.axons_below, first.inputs)),
        message_bits=bits,
        largest_input=largest,
        layers={layer.population.name: f"layer/{i}" for i, layer in zip(numbers, chain.layers, strict=True)},
        neurons={layer.population.name: layer.population.size for layer in chain.layers},
        helpers={
            layer.population.name: tuple(range(layer.population.size, layer.size))
            for layer in chain.layers
            if layer.helpers
        },
        images=images,
        written_out=chain.written_out,
        tail=tail,
        readout=chain.readout,
    )


def _messages(network: IntegerNetwork, first: NetxLayer) -> tuple[int, int]:
    """Return the bits of input messages, 0 for spikes, and the largest input value that no sum is too large for."""
    stated = [c.message_bits for c in network.synapses if c.source == INPUT]
    bits = max((GRADED_BITS if b is None else b for b in stated), default=0)
    if not bits:
        return 0, 1
    if first.image is None:
        largest = ((1 << 31) - 1) // (LARGEST_RAISED * first.inputs)
    else:
        # Lava's Conv wraps its sums sooner, and raises no weights
        sums = int(first.image.kernel.over(first.image.source.shape).magnitudes().max())
        largest = ((1 << (CONV_BITS - 1)) - 1) // max(sums, 1)
        bits = min(bits, (largest + 1).bit_length() - 1)
    return bits, min(network.largest_input(first.population.name), largest)


def _file(groups: list[dict[str, Any]]) -> bytes:
    """Return the bytes of an HDF5 file with groups layer/0, layer/1 and so on."""
    import h5py

    # in memory first: HDF5 crashes the program when the disk is full
    buffer = BytesIO()
    with h5py.File(buffer, "w") as file:
        for i, group in enumerate(groups):
            _fill(file.create_group(f"layer/{i}"), group)
    return buffer.getvalue()


def _fill(group: Any, content: dict[str, Any]) -> None:
    """Write entries into a group, dicts as groups inside it."""
    for key, value in content.items():
        if isinstance(value, dict):
            _fill(group.create_group(key), value)
        elif isinstance(value, str):
            # one text in an array, as slayer writes it
            group.create_dataset(key, (1,), "S16", [value.encode("ascii")])
        else:
            group.create_dataset(key, data=value)
