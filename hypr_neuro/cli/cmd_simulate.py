"""`hypr-neuro simulate`: run a network, in integers or in float, score it and, if asked for, keep its trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.console import RichConsole, command, emit
from hypr_neuro.cli.graphs import LAVA, encoded, input_encoding, record_all, run_graph_on
from hypr_neuro.cli.networks import in_layers, open_anything, open_float
from hypr_neuro.cli.options import Data, DataDir, Json, Seed, check_channels, check_not_read, get_data, get_network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypr_neuro.cli.networks import Anything
    from hypr_neuro.data import SequenceData
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork
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
    """Run a network: accuracy, firing rates and saturations, beside float if asked for."""
    import numpy as np

    from hypr_neuro.data.score import score_readout
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.workflow import stages

    _check_trace(trace, record)
    if trace is not None:
        check_not_read(trace, network, float_network)
    net, sequences = open_anything(network), get_data(data, data_dir, seed)
    is_graph = not in_layers(net)
    _check_options(net, network, device, float_network, out)
    check_channels(sequences, net.inputs)
    if out is not None and isinstance(net, QuantizedNetwork) and not is_graph:
        if float_network is None:
            raise InputError("--out needs --network: the report sets the integer network beside the float one")
        stages.simulate_stage(RunFolder(out), get_network(float_network), net, sequences)
    float_net = None if float_network is None else open_float(float_network)
    samples_run = sequences if part == "all" else sequences.part(part)
    if samples is not None:
        samples_run = samples_run.take(np.arange(min(samples, len(samples_run))))
    encoded_samples = encoded(net, samples_run)
    with RichConsole(quiet=json).progress("simulate") as advance:
        if isinstance(net, Network) or (isinstance(net, QuantizedNetwork) and net.is_chain):
            recorded = _run(
                net, encoded_samples, device, _record_of_layers(net, record) if trace is not None else (), advance
            )
        else:
            recorded = run_graph_on(
                net,
                encoded_samples,
                device,
                (record or record_all(net)) if trace is not None else (),
                lambda done, total: advance(done, total, ""),
            )
    if trace is not None:
        _kept(recorded, record).save(trace)
    score = score_readout(recorded.readout, samples_run)
    facts: dict[str, Any] = {
        "device": recorded.origin.device if recorded.origin else device,
        "samples": len(samples_run),
        "accuracy": score.accuracy,
        "over labelled steps": score.labelled,
        "rates": _rates(net, recorded),
        "synaptic operations": recorded.synaptic_operations,
        "saturations and wraps": recorded.events,
    }
    is_float = isinstance(net, (Network, FloatGraph))
    if is_float or (
        is_graph and facts["device"] == LAVA
    ):  # nothing saturates in float, Lava's own processes count nothing
        facts = {name: value for name, value in facts.items() if value or name not in COUNTED}
    if (encoding := input_encoding(net)) is not None:
        facts["input"] = "{} · data + {}".format(*encoding)
    if float_net is not None:
        facts |= _beside(float_net, samples_run, rates=isinstance(net, QuantizedNetwork) and not is_graph)
    if trace is not None:
        facts["trace"] = str(trace)
    emit(facts, json, f"{'Float' if is_float else 'Integer'} {'graph' if is_graph else 'network'}")


def _kept(recorded: Trace, record: list[str] | None) -> Trace:
    """Return the trace with the spikes that were asked for, all where nothing was said."""
    from dataclasses import replace

    from hypr_neuro.traces.trace import SPIKES

    if not record:
        return recorded
    asked = {name: z for name, z in recorded.spikes.items() if SPIKES in record or f"{name}/{SPIKES}" in record}
    return replace(recorded, spikes=asked)


def _rates(net: Anything, recorded: Trace) -> dict[str, float]:
    """Return mean spikes a neuron and step by layer; of a quantized network over the steps that float has, too."""
    from hypr_neuro.comparing.agreement import integer_rates
    from hypr_neuro.quantizing.network import QuantizedNetwork

    if isinstance(net, QuantizedNetwork) and net.is_chain:
        return integer_rates(net, recorded.spikes, recorded.readout.shape[1])
    return recorded.rates


def _beside(net: Network | FloatGraph, sequences: SequenceData, *, rates: bool) -> dict[str, Any]:
    """Return accuracy and, if asked for, rates of the float network set beside the integers."""
    from hypr_neuro.data.score import score_readout
    from hypr_neuro.graph.network import Network
    from hypr_neuro.traces.float_trace import float_trace
    from hypr_neuro.traces.graph_trace import graph_trace

    trace = float_trace(net, sequences.x) if isinstance(net, Network) else graph_trace(net, sequences.x)
    facts = {"float accuracy": score_readout(trace.readout, sequences).accuracy}
    return facts | ({"float rates": trace.rates} if rates else {})


def _check_options(
    net: Anything, network: Path, device: str | None, float_network: Path | None, out: Path | None
) -> None:
    """Raise InputError for an option that this kind of network does not take."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.graph.float_graph import FloatGraph
    from hypr_neuro.graph.network import Network

    if not in_layers(net) and out is not None:
        raise InputError(f"'{network}' is a graph: it takes no --out, reports are of layers; --json prints the figures")
    if isinstance(net, FloatGraph) and float_network is not None:
        raise InputError(f"'{network}' is a float graph: it takes no --network; `hypr-neuro diff` compares traces")
    if isinstance(net, Network) and (device not in (None, "float") or float_network is not None or out is not None):
        raise InputError(
            f"'{network}' is a float network: it takes no --network, --out or other --device than float; "
            "quantize it first"
        )


def _check_trace(trace: Path | None, record: list[str] | None) -> None:
    """Raise InputError for --record without --trace, and for a trace in a folder that does not exist."""
    from hypr_neuro.errors import InputError

    if record and trace is None:
        raise InputError("--record says what --trace keeps; give --trace FILE, too")
    if trace is not None and not trace.parent.is_dir():
        raise InputError(f"--trace {trace}: folder '{trace.parent}' does not exist; create it first")


def _record_of_layers(net: QuantizedNetwork | Network, record: list[str] | None) -> Sequence[str]:
    """Return what to record: what was asked for, or spikes and every state."""
    return record or ["spikes", *sorted({s for layer in net.layers for s in layer.model.state_names})]


def _run(
    net: QuantizedNetwork | Network,
    sequences: SequenceData,
    device: str | None,
    record: Sequence[str],
    advance: Advance,
) -> Trace:
    """Return what the network did, with its origin and its input."""
    from hypr_neuro.devices import open_device
    from hypr_neuro.graph.network import Network
    from hypr_neuro.traces.float_trace import float_trace
    from hypr_neuro.traces.trace import SPIKES, with_origin

    name = device or ("float" if isinstance(net, Network) else "sim")
    if isinstance(net, Network):
        recorded = float_trace(net, sequences.x, record, on_block=lambda done, total: advance(done, total, "samples"))
        return with_origin(recorded, net, sequences.x, device=name)
    with open_device(name) as chip:
        chip.load(net)
        asked = tuple(dict.fromkeys([*record, SPIKES]))  # rates are counted from spikes
        recorded = chip.run(sequences.x, asked, on_block=lambda done, total: advance(done, total, "steps"))
    return with_origin(recorded, net, sequences.x, device=name)
