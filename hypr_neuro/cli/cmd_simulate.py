"""`hypr-neuro simulate`: run a network, in integers or in float, score it and, if asked for, keep its trace."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.choices import DEVICES, PARTS, choice
from hypr_neuro.cli.console import RichConsole, command
from hypr_neuro.cli.graphs import FLOAT, LAVA, encoded, input_encoding, record_all, run_on
from hypr_neuro.cli.networks import check_same_network, get_float
from hypr_neuro.cli.options import (
    DATA,
    RUN,
    Data,
    DataDir,
    Encode,
    Fault,
    Json,
    Seed,
    check_file,
    check_not_read,
    with_encoder,
)
from hypr_neuro.cli.predictions import path_of, sequences_of, told_of, write_predictions
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit
from hypr_neuro.cli.trace_files import save_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypr_neuro.cli.run_data import DataSource
    from hypr_neuro.data import SequenceData
    from hypr_neuro.data.score import Score
    from hypr_neuro.exchange.loading import AnyNetwork
    from hypr_neuro.faults import Faults
    from hypr_neuro.graph.network import Network
    from hypr_neuro.numbers.arrays import Array
    from hypr_neuro.placement.cost import Estimate
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.traces.trace import Trace

    Advance = Callable[[int, int, str], None]

ALL, REPORTED = "all", "test"
EXAMPLES = (
    "hypr-neuro simulate runs/a/quantized.h5",
    "hypr-neuro simulate runs/a/quantized.h5 --network runs/a/network.h5 --out runs/a",
    "hypr-neuro simulate runs/a/quantized.h5 --data unlabelled.npz --predictions out.csv",
    "hypr-neuro simulate runs/a/quantized.h5 --samples 4 --device lava --trace a.trace",
)
TRACES, ANSWERS = (".h5", ".hdf5", ".nir"), (".csv", ".npz")
"""Endings of the files that it writes."""
COUNTED = ("synaptic operations", "saturations and wraps")


@command
def run(
    network: Annotated[Path, typer.Argument(help="Any network or graph, integer or float: .h5 or .nir.")],
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    part: Annotated[str, choice((*PARTS, ALL), help="Samples to run.", rich_help_panel=DATA)] = REPORTED,
    samples: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first samples.", rich_help_panel=DATA)
    ] = None,
    device: Annotated[
        str | None,
        choice(
            (*DEVICES, FLOAT),
            help="Where integers run (default: sim); a float network runs in float.",
            rich_help_panel=RUN,
        ),
    ] = None,
    fault: Fault = None,
    float_network: Annotated[
        Path | None, typer.Option("--network", help="Float network to set beside it.", rich_help_panel=RUN)
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace",
            help="File to write what was recorded to, for `hypr-neuro diff`: .h5 or .nir.",
            rich_help_panel=RUN,
        ),
    ] = None,
    record: Annotated[
        list[str] | None,
        typer.Option(
            "--record",
            metavar="NAME",
            help="What the trace keeps: spikes, a state (default: spikes and all states).",
            rich_help_panel=RUN,
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="File for the answers, .csv or .npz (default: none; without labels beside the network).",
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder to add the figures to (needs --network).")
    ] = None,
    json: Json = False,
) -> None:
    """Run a network: accuracy or squared error, firing rates, saturations and costs, beside float if asked for.

    An .npz without labels (key x, or x_test), or recorded input in a .nir file, gives rates and answers, which are
    written to a file.
    """
    import numpy as np

    from hypr_neuro.data.score import predict, score_answers, warn_if_mute
    from hypr_neuro.errors import InputError
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.faults import parse_faults
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork

    _check_files(trace, record, predictions, network, float_network)
    net, source = load(network), choose_data(data, data_dir, seed, with_encoder(None, encode), network=network)
    sequences, labelled = sequences_of(source, net, network)
    is_float = isinstance(net, Network)
    _check_options(net, network, device, float_network, out)
    if not labelled and out is not None:
        raise InputError(
            f"--out {out}: a report needs labels, '{sequences.name}' has none; --predictions keeps answers"
        )
    float_net = _float_beside(float_network, net, network)
    answers_file = path_of(predictions, network, sequences, labelled=labelled)
    if out is not None and isinstance(net, QuantizedNetwork):
        _report(out, net, network, float_network, sequences)
        chosen = {"network": float_network, "device": device, "part": part, "samples": samples, "seed": seed}
        _remember(out, network, net.profile.name, source, sequences, chosen)
    samples_run = sequences if part == ALL or not labelled else sequences.part(part)
    if samples is not None:
        samples_run = samples_run.take(np.arange(min(samples, len(samples_run))))
    encoded_samples = encoded(net, samples_run)
    asked = (record or record_all(net)) if trace is not None else ()
    with RichConsole(quiet=json).progress("simulate") as advance:
        recorded = _run(net, encoded_samples, device, asked, advance, parse_faults(fault or (), seed))
    if trace is not None:
        save_trace(_kept(recorded, record), trace)
    readout = _in_units(net, network, recorded.readout, samples_run)
    answers, score = predict(readout, samples_run), None
    warn_if_mute(bool(np.any(readout)), samples_run)
    if labelled:
        score = score_answers(answers, samples_run)
    facts: dict[str, Any] = {
        "device": recorded.origin.device if recorded.origin else device,
        "samples": len(samples_run),
        **(told_of(answers, samples_run, as_json=json) if score is None else _scores(score)),
        "rates": _rates(net, recorded),
        "synaptic operations": recorded.synaptic_operations,
        "saturations and wraps": recorded.events,
    }
    facts = _counted(facts, net)
    if (encoding := input_encoding(net)) is not None:
        facts["input"] = "{} · data + {}".format(*encoding)
    if float_net is not None:
        beside = answers if not labelled else None
        facts |= _beside(float_net, samples_run, beside, rates=isinstance(net, QuantizedNetwork))
    facts |= {} if trace is None else {"trace": str(trace)}
    if answers_file is not None:
        write_predictions(answers_file, answers)
        facts["predictions in"] = str(answers_file)
    _doubt(facts, score, samples_run, {p.name: float(p.size * samples_run.x[..., 0].size) for p in net.populations})
    cost = _costs(net, recorded) if isinstance(net, QuantizedNetwork) and COUNTED[0] in facts else None
    _show(facts, cost, json, is_float)


def _run(
    net: AnyNetwork,
    samples: SequenceData,
    device: str | None,
    record: Sequence[str],
    advance: Advance,
    faults: Faults,
) -> Trace:
    """Return what a network did, its spikes where rates are counted from them."""
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.traces.trace import SPIKES

    if isinstance(net, QuantizedNetwork):
        spiking = [SPIKES] if any(not p.model.readout for p in net.populations) else []
        record = list(dict.fromkeys([*record, *spiking]))
    return run_on(net, samples, device, record, lambda done, total: advance(done, total, "steps"), faults)


def _counted(facts: dict[str, Any], net: AnyNetwork) -> dict[str, Any]:
    """Return the facts without counts of what is not counted: floats and Lava's processes have none."""
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork

    in_layers = isinstance(net, (Network, QuantizedNetwork)) and net.is_chain
    if not isinstance(net, Network) and (facts["device"] != LAVA or in_layers):
        return facts
    return {name: value for name, value in facts.items() if value or name not in COUNTED}


def _scores(score: Score) -> dict[str, float]:
    """Return the figures of a score by name."""
    labelled = {} if score.squared_error is not None else {"over labelled steps": score.labelled}
    return score.figures() | labelled


def _report(
    out: Path, qnet: QuantizedNetwork, network: Path, float_network: Path | None, sequences: SequenceData
) -> None:
    """Add to a run folder what its report says of the integers beside float."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.workflow import stages

    if float_network is None:
        raise InputError("--out needs --network: the report sets the integer network beside the float one")
    net = get_float(float_network, foreign=True)
    for path, given in ((network, qnet), (float_network, net)):
        check_same_network(out, path, given)
    stages.simulate_stage(RunFolder(out), net, qnet, sequences)


def _remember(
    out: Path, network: Path, chip: str, source: DataSource, sequences: SequenceData, chosen: dict[str, Any]
) -> None:
    """Add to a run folder the command that repeats this run, and its data; say of which samples the report tells."""
    import shlex

    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.workflow import notes

    words = ["hypr-neuro", "simulate", str(network), "--out", str(out)]
    words += [f"--{name}={value}" for name, value in chosen.items() if value is not None]
    line = f"{shlex.join(words)} {source.arguments()}"
    notes.note_stage(RunFolder(out), sequences, f"{sequences.name} on {chip}", line, chosen["seed"])
    source.note(out)
    if chosen["part"] != REPORTED or chosen["samples"] is not None:
        print(f"'{out}' holds the figures of all {REPORTED} samples; these are of those asked for", file=sys.stderr)


def _in_units(net: AnyNetwork, network: Path, readout: Array, samples: SequenceData) -> Array:
    """Return a readout as it is scored; InputError for a regression of integers whose scale nobody knows."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork

    if isinstance(net, QuantizedNetwork):
        return net.for_score(readout, regression=samples.regression)
    if samples.regression and not isinstance(net, Network):
        raise InputError(
            f"'{network}' holds integers without scales, rule: a regression is scored in real units; give a network "
            "that was quantized from floats, or data with classes"
        )
    return readout


def _float_beside(path: Path | None, net: AnyNetwork, network: Path) -> Network | None:
    """Return the float network of a file; raise InputError, naming both, for one that is not that of the integers."""
    from hypr_neuro.graph.integer import IntegerNetwork
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.quantizing.same import check_ends, check_populations

    if path is None:
        return None
    float_net, real, integers = get_float(path), f"'{path}'", f"'{network}'"
    if isinstance(net, QuantizedNetwork):
        check_populations(float_net, net, real, integers)
    elif isinstance(net, IntegerNetwork):
        check_ends(float_net, net, real, integers)
    return float_net


def _show(facts: dict[str, Any], cost: Estimate | str | None, json: bool, is_float: bool) -> None:
    if json and cost is not None:
        facts = facts | {"estimate": cost if isinstance(cost, str) else cost.as_dict()}
    emit(facts, json, f"{'Float' if is_float else 'Integer'} network")
    if not json and cost is not None:
        print(cost)


def _costs(qnet: QuantizedNetwork, recorded: Trace) -> Estimate | str:
    """Return what a sample costs, inference and learning, from what was run; a network that fits no chip says why."""
    from hypr_neuro.errors import HyprError
    from hypr_neuro.placement.estimate import estimate_run

    samples, steps = recorded.readout.shape[:2]
    try:
        return estimate_run(qnet, recorded, steps, samples)
    except HyprError as error:
        return f"cost of a sample: unknown: {error}"


def _doubt(facts: dict[str, Any], score: Score | None, samples: SequenceData, updates: dict[str, float]) -> None:
    """Warn of what these figures do not say; `updates` are those of each population, in all samples."""
    import numpy as np

    from hypr_neuro.data.doubts import of_changed_rates, of_rates, of_saturations, warn_of
    from hypr_neuro.data.score import doubts_of

    doubts = of_rates(facts["rates"], driven=bool(np.any(samples.x)))
    doubts += of_changed_rates(facts.get("float rates", {}), facts["rates"])
    doubts += of_saturations(facts.get(COUNTED[1]) or {}, updates)
    warn_of(doubts if score is None else doubts + doubts_of(score, samples))


def _kept(recorded: Trace, record: list[str] | None) -> Trace:
    """Return the trace with the spikes that were asked for, all where nothing was said."""
    from dataclasses import replace

    from hypr_neuro.traces.trace import SPIKES

    if not record:
        return recorded
    asked = {name: z for name, z in recorded.spikes.items() if SPIKES in record or f"{name}/{SPIKES}" in record}
    return replace(recorded, spikes=asked)


def _rates(net: AnyNetwork, recorded: Trace) -> dict[str, float]:
    """Return mean spikes a neuron and step by layer; of a quantized network over the steps that float has, too."""
    from hypr_neuro.comparing.agreement import integer_rates
    from hypr_neuro.quantizing.network import QuantizedNetwork

    if isinstance(net, QuantizedNetwork):
        return integer_rates(net, recorded.spikes, recorded.readout.shape[1])
    return recorded.rates


def _beside(net: Network, sequences: SequenceData, answers: Array | None, *, rates: bool) -> dict[str, Any]:
    """Return the score and, if asked for, rates of the float network set beside the integers.

    answers : of the integers, where there is no label: the share that are the same in float takes the score's place
    """
    from hypr_neuro.data.score import predict, score_readout
    from hypr_neuro.traces.float_trace import float_trace

    trace = float_trace(net, sequences.x)
    if answers is None:
        facts = {f"float {name}": v for name, v in _scores(score_readout(trace.readout, sequences)).items()}
        for left_out in ("float over labelled steps", "float error of the mean answer"):
            facts.pop(left_out, None)
    else:
        same = {} if sequences.regression else {"answers as in float": (predict(trace.readout, sequences) == answers)}
        facts = {name: float(share.mean()) for name, share in same.items()}
    return facts | ({"float rates": trace.rates} if rates else {})


def _check_options(
    net: AnyNetwork, network: Path, device: str | None, float_network: Path | None, out: Path | None
) -> None:
    """Raise InputError for an option that this kind of network does not take."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork

    if out is not None and not isinstance(net, (Network, QuantizedNetwork)):
        raise InputError(f"'{network}' holds integers without a profile: it takes no --out; --json prints the figures")
    if isinstance(net, Network) and (device not in (None, "float") or float_network is not None or out is not None):
        raise InputError(
            f"'{network}' is a float network: it takes no --network, --out or other --device than float; "
            "quantize it first"
        )


def _check_files(
    trace: Path | None, record: list[str] | None, predictions: Path | None, network: Path, float_network: Path | None
) -> None:
    """Raise InputError for --record without --trace, and for files that cannot be written or that are read."""
    from hypr_neuro.errors import InputError

    if record and trace is None:
        raise InputError("--record says what --trace keeps; give --trace FILE, too")
    for option, path, endings in (("--trace", trace, TRACES), ("--predictions", predictions, ANSWERS)):
        if path is not None:
            check_not_read(path, network, float_network)
            check_file(option, path, *endings)
