"""Runs of float networks and of graphs of integers, for `simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypr_neuro.data import SequenceData
    from hypr_neuro.exchange.loading import AnyNetwork
    from hypr_neuro.faults import Faults
    from hypr_neuro.graph.integer import IntegerNetwork
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.traces.trace import Trace

    Graph = Network | QuantizedNetwork | IntegerNetwork

FLOAT, SIM, LAVA = "float", "sim", "lava"


def input_encoding(net: object) -> tuple[int, int] | None:
    """Return (scale, offset) of a network made for scale · data + offset, else None.

    Integers have it in their `notes`; where they were given a profile it is the network's `encoder`.
    """
    from hypr_neuro.graph.encoder import AFFINE
    from hypr_neuro.graph.integer import IntegerNetwork
    from hypr_neuro.quantizing.network import QuantizedNetwork

    given = None
    if isinstance(net, IntegerNetwork):
        given = net.notes.get("input")
    elif isinstance(net, QuantizedNetwork) and net.encoder is not None and net.encoder.get("method") == AFFINE:
        given = net.encoder
    return None if given is None else (int(given["scale"]), int(given["offset"]))


def encoded(net: object, data: SequenceData) -> SequenceData:
    """Return the data as the network takes it: scale · data + offset, of which fractions are cut off.

    Raises
    ------
    InputError
        For what no 64 bits hold.
    """
    from dataclasses import replace

    import numpy as np

    from hypr_neuro.errors import InputError

    encoding = input_encoding(net)
    if encoding is None:
        return data
    scale, offset = encoding
    if data.x.dtype.kind != "f":
        return replace(data, x=np.asarray(data.x).astype(np.int64) * scale + offset)
    values = np.trunc(data.x.astype(np.float64) * scale + offset)
    largest = float(np.abs(values).max(initial=0.0))
    if largest >= 2.0**31:
        raise InputError(
            f"data '{data.name}': {scale} · x + {offset} reaches {largest:.3g}, rule: below 2^31; scale the data to "
            "the range on which the network was trained"
        )
    return replace(data, x=values.astype(np.int64))


def record_all(net: AnyNetwork) -> list[str]:
    """Return the names of spikes and of every state."""
    spikes = ["spikes"] if any(not p.model.readout for p in net.populations) else []
    return [*spikes, *sorted({state for p in net.populations for state in p.model.state_names})]


def run_on(
    net: Graph,
    data: SequenceData,
    device: str | None,
    record: Sequence[str],
    on_block: Callable[[int, int], None],
    faults: Faults | None = None,
) -> Trace:
    """Return what the network did on a device, perhaps a faulty one, with its origin and its input."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.faults import Faults, with_faults
    from hypr_neuro.faults.kinds import in_words
    from hypr_neuro.graph.network import Network
    from hypr_neuro.traces.trace import with_origin

    faults = faults or Faults()
    if not isinstance(net, Network):
        if device == FLOAT:
            raise InputError(f"--device {FLOAT}, rule: a device for this network, which holds integers, such as {SIM}")
        with with_faults(device or SIM, faults) as chip:
            chip.load(net)
            trace = chip.run(data.x, record, on_block)
    elif device not in (None, FLOAT):
        raise InputError(f"--device {device}, rule: {FLOAT} for this network")
    elif faults.any:
        raise InputError(f"--fault {in_words(faults)}, rule: none in float; quantize the network first")
    else:
        from hypr_neuro.traces.float_trace import float_trace

        trace = float_trace(net, data.x, record, on_block=on_block)
    name = FLOAT if isinstance(net, Network) else device or SIM
    return with_origin(trace, net, data.x, device=name)
