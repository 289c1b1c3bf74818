"""A network of integers as the layers that a netx file holds: each receives from the one before, and from itself.

Several connections with the same ends and delay become one, the sum of their whole weights. Constant currents become
axons that are always 1 (`constant_currents`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from hypr_neuro.compilers.netx.arrange import arrange
from hypr_neuro.compilers.netx.constant_currents import (
    REQUANTIZE,
    RULE,
    Constant,
    is_constant_current,
    place_constants,
)
from hypr_neuro.compilers.netx.layer import NetxLayer
from hypr_neuro.compilers.netx.weights import whole_weights
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.netx.neurons import RF
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.graph.membranes import with_threshold

MODELS = ("lif", *RF.values())
"""Neurons that netx has."""
LARGEST_MATRIX = 1 << 26
"""Weights of one connection: netx has no sparse matrices, zeros are written out."""


@dataclass(frozen=True)
class LayerChain:
    """The layers of the file in order, and the readouts as a network whose input is the last layer's spikes.

    `written_out` says, by connection, why a convolution is a matrix in the file.
    """

    layers: tuple[NetxLayer, ...]
    readout: IntegerNetwork | None
    written_out: dict[str, str]


def chain_of(network: IntegerNetwork, always_on: str, readout: str) -> LayerChain:
    """Return the layers of a network; see `write.write_netx` for the options.

    Raises
    ------
    InputError
        For a network that is no chain of such layers.
    """
    network = replace(network, populations=tuple(with_threshold(p) for p in network.populations))
    spiking = [p for p in network.populations if not p.model.readout]
    for p in spiking:
        if p.model.name not in MODELS:
            raise InputError(
                f"population '{p.name}': neuron '{p.model.name}', {RULE}: {', '.join(MODELS)}; choose one of these"
            )
    if network.connection_delay != 1:
        raise InputError(
            f"network: connection_delay = {network.connection_delay}, {RULE}: 1 (each layer receives one "
            "step after the one below has sent); quantize for a profile such as loihi2 (--profile loihi2)"
        )
    for c in network.synapses:
        if c.message is not None:
            raise InputError(
                f"connection {c.name}: '{c.source}' sends numbers, {RULE}: neurons that send 0 and 1; leave "
                f"'{c.source}' without targets, or compile for 'c' or 'lava'"
            )
    if not spiking:
        raise InputError(f"network: no population sends spikes, {RULE}: at least one layer of spiking neurons")
    readout_network = _readout_network(network, spiking[-1], readout)
    connections = [c for c in network.synapses if not network.population(c.target).model.readout]
    _refuse_constants(connections, always_on)
    layers = [_layer(p, spiking[i - 1] if i else None, network.inputs, connections) for i, p in enumerate(spiking)]
    constants = [[_constant(c) for c in connections if c.target == p.name and c.always_on is not None] for p in spiking]
    placed = place_constants(
        spiking, constants, [_uniform(layer) for layer in layers], [bool(a.recurrent) for a in layers]
    )
    finished = [
        replace(a, constant_axons=axons, helpers=helpers) for a, (axons, helpers) in zip(layers, placed, strict=True)
    ]
    arranged, reasons = arrange(finished)
    for layer in arranged:
        _refuse_large(layer)
    return LayerChain(tuple(arranged), readout_network, reasons)


def _layer(p: Population, layer_below: Population | None, inputs: int, connections: list[Synapses]) -> NetxLayer:
    """Return the layer of a population above another one (None: the input), without constant currents."""
    source = INPUT if layer_below is None else layer_below.name
    forward: dict[int, tuple[Synapses, ...]] = {}
    recurrent: tuple[Synapses, ...] = ()
    for c in (c for c in connections if c.target == p.name and not is_constant_current(c)):
        if c.source not in (source, p.name):
            raise InputError(
                f"connection {c.name}: {RULE}: each layer receives from the one before it ('{source}') and "
                "from itself; rearrange the network"
            )
        if c.source == p.name:
            recurrent = _joined(recurrent, c)
        else:
            forward[c.current] = _joined(forward.get(c.current, ()), c)
    missing = [str(k) for k in range(p.model.currents) if k not in forward]
    if missing:
        raise InputError(
            f"population '{p.name}': no weights from '{source}' into current {', '.join(missing)}, "
            f"{RULE}: some for each current"
        )
    size = inputs if layer_below is None else layer_below.size
    return NetxLayer(p, size, dict(sorted(forward.items())), recurrent, (), ())


def _joined(parts: tuple[Synapses, ...], c: Synapses) -> tuple[Synapses, ...]:
    """Return the connections with one more; raise InputError where their delays differ."""
    for other in parts[:1]:
        uniform = isinstance(other.delays, int) and isinstance(c.delays, int)
        if not uniform or other.delays != c.delays:
            raise InputError(
                f"connection {c.name}: the second one, with delays of its own, {RULE}: one delay for "
                "connections with the same ends; put a layer between"
            )
    return (*parts, c)


def _constant(c: Synapses) -> Constant:
    """Return the constant current of a connection."""
    assert c.always_on is not None
    assert isinstance(c.delays, int)  # a constant current needs one delay for all, which Synapses has checked
    return Constant(c.name, c.current, c.delays, whole_weights(c, c.always_on.astype(np.int64)[:, None])[:, 0])


def _uniform(layer: NetxLayer) -> int | None:
    """Return the one delay of the weights from below, None where they have several."""
    delays = layer.forward[0][0].delays
    return delays if isinstance(delays, int) else None


def _refuse_constants(connections: list[Synapses], always_on: str) -> None:
    """Raise InputError for constant currents, unless the option lets them become axons."""
    if always_on not in ("refuse", "channel"):
        raise InputError(f"always_on = {always_on!r}, rule: 'refuse' or 'channel'")
    for c in connections:
        if c.always_on is not None and always_on == "refuse":
            raise InputError(
                f"connection {c.name}: constant current (always_on), {RULE}: none; {REQUANTIZE} puts it "
                'on the membrane. Where its weights fit, always_on="channel" writes it as it is (--always-on '
                "channel), over an input channel that is 1 in every step, or neurons that fire in every step"
            )


def _refuse_large(layer: NetxLayer) -> None:
    """Raise InputError for a matrix that is too large to be written out."""
    for c in (c for group in layer.groups() for c in group if layer.image is None):
        if prod(c.shape) > LARGEST_MATRIX:
            raise InputError(
                f"connection {c.name}: {prod(c.shape)} weights, zeros written out, {RULE}: at most "
                f"{LARGEST_MATRIX}; netx has no sparse connections, targets c and lava keep "
                "them"
            )


def _readout_network(network: IntegerNetwork, last: Population, option: str) -> IntegerNetwork | None:
    """Return the network of the readouts; None where there are none."""
    if option not in ("refuse", "outside"):
        raise InputError(f"readout = {option!r}, rule: 'refuse' or 'outside'")
    readouts = [p for p in network.populations if p.model.readout]
    if not readouts:
        return None
    if option == "refuse":
        raise InputError(
            f"population '{readouts[0].name}': neuron '{readouts[0].model.name}' is a readout, {RULE}: "
            'spiking neurons only; readout="outside" (--readout outside) writes the layers below it and hands the '
            "readout back as a network of its own"
        )
    from scipy.sparse import csr_array

    names = {p.name for p in readouts}
    synapses = []
    for c in (c for c in network.synapses if c.target in names):
        if c.source != last.name and not is_constant_current(c):
            raise InputError(
                f"connection {c.name}: {RULE}: a readout outside the file receives from the last layer, "
                f"'{last.name}', alone"
            )
        weights = c.weights if c.source == last.name else csr_array((c.shape[0], last.size), dtype=np.int64)
        synapses.append(replace(c, source=INPUT, weights=weights, message_bits=0))
    return IntegerNetwork(last.size, tuple(readouts), tuple(synapses), network.connection_delay, network.state_bits)
