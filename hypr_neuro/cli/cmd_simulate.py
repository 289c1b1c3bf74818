"""`hypr-neuro simulate`: run a network, in integers or in float, score it and, if asked for, keep its trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.console import RichConsole, command, emit
from hypr_neuro.cli.graphs import LAVA, encoded, input_encoding, record_all, run_graph_on
from hypr_neuro.cli.networks import open_anything, open_float
from hypr_neuro.cli.options import Data, DataDir, Json, Seed, check_channels, check_not_read, get_data, get_network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypr_neuro.cli.networks import Anything
    from hypr_neuro.data import SequenceData
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.quantize import QuantizedNetwork
    from hypr_neuro.traces.trace import Trace

    Advance = Callable[[int, int, str], None]

COUNTED = ("synaptic operations", "saturations and wraps")


@command
def run(
    network: Annotated[Path, typer.Argument(help="Any network or graph, integer or float: .h5 or .nir.")],
    data: Data = "digits",
    data_dir: DataDir = None,
    part: Annotated[str, typer.Option(help="train, validation, test or all.")] = "test",
    samples: Annotated[int | None, typer.Option(min=1, help="Only the first samples.")] = None,
    device: Annotated[
        str | None, typer.Option(help="sim (default) or lava for integers; a float network runs in float.")
    ] = None,
    float_network: Annotated[Path | None, typer.Option("--network", help="Float network to set beside it.")] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder to add the figures to (needs --network).")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", help="File to write what was recorded to, for `hypr-neuro diff`.")
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option("--record", help="What the trace keeps: spikes, a state (default: spikes and all states)."),
    ] = None,
    json: Json = False,
) -> None:
    """Accuracy, firing rates and saturations of a network, beside float if asked for."""
    import numpy as np

    from hypr_neuro.data.score import score_readout
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.quantize import QuantizedNetwork
    from hypr_neuro.workflow import stages

    _check_trace(trace, record)
    if trace is not None:
        check_not_read(trace, network, float_network)
    net, chosen = open_anything(network), get_data(data, data_dir, seed)
    graph = not isinstance(net, (Network, QuantizedNetwork))
    _check_options(net, network, device, float_network, out)
    check_channels(chosen, net.inputs)
    if out is not None and isinstance(net, QuantizedNetwork):
        if float_network is None:
            raise InputError("--out needs --network: the report sets the integer network beside the float one")
        stages.simulate_stage(RunFolder(out), get_network(float_network), net, chosen)
    beside = None if float_network is None else open_float(float_network)
    held = chosen if part == "all" else chosen.part(part)
    if samples is not None:
        held = held.take(np.arange(min(samples, len(held))))
    taken = encoded(net, held)
    with RichConsole(quiet=json).progress("simulate") as advance:
        if isinstance(net, (Network, QuantizedNetwork)):
            kept = _run(net, taken, device, _recorded(net, record) if trace is not None else (), advance)
        else:
            kept = run_graph_on(
                net,
                taken,
                device,
                (record or record_all(net)) if trace is not None else (),
                lambda done, total: advance(done, total, ""),
            )
    if trace is not None:
        kept.save(trace)
    score = score_readout(kept.readout, held)
    found: dict[str, Any] = {
        "device": kept.origin.device if kept.origin else device,
        "samples": len(held),
        "accuracy": score.accuracy,
        "over labelled steps": score.labelled,
        "rates": kept.rates,
        "synaptic operations": kept.synaptic_operations,
        "saturations and wraps": kept.events,
    }
    real = isinstance(net, (Network, FloatGraph))
    if real or (graph and found["device"] == LAVA):  # nothing saturates in float, Lava's own processes count nothing
        found = {name: value for name, value in found.items() if value or name not in COUNTED}
    if (encoding := input_encoding(net)) is not None:
        found["input"] = "{} · data + {}".format(*encoding)
    if beside is not None:
        found["float accuracy"] = _float_accuracy(beside, held)
    if trace is not None:
        found["trace"] = str(trace)
    emit(found, json, f"{'Float' if real else 'Integer'} {'graph' if graph else 'network'}")


def _float_accuracy(net: Network | FloatGraph, held: SequenceData) -> float:
    """Share of right answers of the float network set beside the integers."""
    from hypr_neuro.data.score import score_readout
    from hypr_neuro.graph.network import Network
    from hypr_neuro.traces.float_trace import float_trace
    from hypr_neuro.traces.graph_trace import graph_trace

    trace = float_trace(net, held.x) if isinstance(net, Network) else graph_trace(net, held.x)
    return score_readout(trace.readout, held).accuracy


def _check_options(
    net: Anything, network: Path, device: str | None, float_network: Path | None, out: Path | None
) -> None:
    """Raise InputError for an option that this kind of network does not take."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.quantize import QuantizedNetwork

    if not isinstance(net, (Network, QuantizedNetwork)) and out is not None:
        raise InputError(f"'{network}' is a graph: it takes no --out, reports are of layers; --json prints the figures")
    if isinstance(net, FloatGraph) and float_network is not None:
        raise InputError(f"'{network}' is a float graph: it takes no --network; `hypr-neuro diff` compares traces")
    if isinstance(net, Network) and (device not in (None, "float") or float_network is not None or out is not None):
        raise InputError(
            f"'{network}' is a float network: it takes no --network, --out or other --device than float; "
            "quantize it first"
        )


def _check_trace(trace: Path | None, record: list[str] | None) -> None:
    from hypr_neuro.errors import InputError

    if record and trace is None:
        raise InputError("--record says what --trace keeps; give --trace FILE, too")
    if trace is not None and not trace.parent.is_dir():
        raise InputError(f"--trace {trace}: folder '{trace.parent}' does not exist; create it first")


def _recorded(net: QuantizedNetwork | Network, record: list[str] | None) -> Sequence[str]:
    return record or ["spikes", *sorted({s for layer in net.layers for s in layer.model.state_names})]


def _run(
    net: QuantizedNetwork | Network, held: SequenceData, device: str | None, record: Sequence[str], advance: Advance
) -> Trace:
    """What the network did, with its origin and its input."""
    from hypr_neuro.devices import open_device
    from hypr_neuro.graph.network import Network
    from hypr_neuro.traces.float_trace import float_trace
    from hypr_neuro.traces.trace import with_origin

    name = device or ("float" if isinstance(net, Network) else "sim")
    if isinstance(net, Network):
        kept = float_trace(net, held.x, record, on_block=lambda done, total: advance(done, total, "samples"))
        return with_origin(kept, net, held.x, device=name)
    with open_device(name) as chip:
        chip.load(net)
        traced = chip.run(held.x, record, on_block=lambda done, total: advance(done, total, "steps"))
    return with_origin(traced, net, held.x, device=name)
