"""`hypr-neuro simulate`: run a network, in integers or in float, score it and, if asked for, keep its trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.console import RichConsole, command, emit
from hypr_neuro.cli.networks import open_network
from hypr_neuro.cli.options import Data, DataDir, Json, Seed, get_data, get_network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypr_neuro.data import SequenceData
    from hypr_neuro.network import Network
    from hypr_neuro.quantize import QuantizedNetwork
    from hypr_neuro.sim.trace import Trace

    Advance = Callable[[int, int, str], None]


@command
def run(
    network: Annotated[Path, typer.Argument(help="An integer or a float network: .h5 or .nir.")],
    data: Data = "digits",
    data_dir: DataDir = None,
    part: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
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

    from hypr_neuro import stages
    from hypr_neuro.errors import InputError
    from hypr_neuro.network import Network
    from hypr_neuro.run_folder import RunFolder
    from hypr_neuro.score import score_readout
    from hypr_neuro.train.loop import evaluate

    if record and trace is None:
        raise InputError("--record says what --trace keeps; give --trace FILE, too")
    if trace is not None and not trace.parent.is_dir():
        raise InputError(f"--trace {trace}: folder '{trace.parent}' does not exist; create it first")
    net, chosen = open_network(network), get_data(data, data_dir, seed)
    if isinstance(net, Network) and (device not in (None, "float") or float_network is not None or out is not None):
        raise InputError(f"'{network}' is a float network: it takes no --network, --out or other --device than float; "
                         "quantize it first")  # fmt: skip
    if out is not None and not isinstance(net, Network):
        if float_network is None:
            raise InputError("--out needs --network: the report sets the integer network beside the float one")
        stages.simulate_stage(RunFolder(out), get_network(float_network), net, chosen)
    held = chosen.part(part)
    if samples is not None:
        held = held.take(np.arange(min(samples, len(held))))
    with RichConsole(quiet=json).progress("simulate") as advance:
        kept = _run(net, held, device, _recorded(net, record) if trace is not None else (), advance)
    if trace is not None:
        kept.save(trace)
    score = score_readout(kept.readout, held)
    found: dict[str, Any] = {"device": kept.origin.device if kept.origin else device, "samples": len(held),
                             "accuracy": score.accuracy, "over labelled steps": score.labelled, "rates": kept.rates,
                             "synaptic operations": kept.synaptic_operations}  # fmt: skip
    if not isinstance(net, Network):
        found["saturations and wraps"] = kept.events
    if float_network is not None:
        found["float accuracy"] = evaluate(get_network(float_network), chosen, part).accuracy
    if trace is not None:
        found["trace"] = str(trace)
    emit(found, json, "Float network" if isinstance(net, Network) else "Integer network")


def _recorded(net: QuantizedNetwork | Network, record: list[str] | None) -> Sequence[str]:
    return record or ["spikes", *sorted({s for layer in net.layers for s in layer.model.state_names})]


def _run(
    net: QuantizedNetwork | Network, held: SequenceData, device: str | None, record: Sequence[str], advance: Advance
) -> Trace:
    """What the network did, with its origin and its input."""
    from hypr_neuro.hil import open_device
    from hypr_neuro.network import Network
    from hypr_neuro.sim.float_trace import float_trace
    from hypr_neuro.sim.trace import with_origin

    name = device or ("float" if isinstance(net, Network) else "sim")
    if isinstance(net, Network):
        kept = float_trace(net, held.x, record, on_block=lambda done, total: advance(done, total, "samples"))
        return with_origin(kept, net, held.x, device=name)
    with open_device(name) as chip:
        chip.load(net)
        traced = chip.run(held.x, record, on_block=lambda done, total: advance(done, total, "steps"))
    return with_origin(traced, net, held.x, device=name)
