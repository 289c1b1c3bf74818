"""`hypr-neuro quantize`: float to integers for a profile."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.choices import METHODS, ROUNDINGS, choice
from hypr_neuro.cli.console import command
from hypr_neuro.cli.networks import check_same_network
from hypr_neuro.cli.options import (
    CHIP,
    Data,
    DataDir,
    Encode,
    Json,
    Override,
    ProfileName,
    Seed,
    check_channels,
    check_not_read,
    get_profile,
    profile_arguments,
    with_encoder,
)
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit, print_table

if TYPE_CHECKING:
    from hypr_neuro.data import SequenceData
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.quantizing.network import QuantizedNetwork

AS_GRAPH = "Chip, converted as a graph"
EXAMPLES = (
    "hypr-neuro quantize runs/a/network.h5 --profile loihi2",
    "hypr-neuro quantize runs/a/network.h5 --override precision.weight_bits=4",
    "hypr-neuro quantize runs/a/network.h5 --override precision.weight_bits@readout=4",
    "hypr-neuro quantize runs/a/network.h5 --plan runs/a/plan.yaml --out runs/mixed",
    "hypr-neuro quantize runs/a/network.h5 --weight-groups row --out runs/g",
)


@command
def run(
    network: Annotated[
        Path, typer.Argument(help="Float network (.h5, or .nir of hypr-neuro), or integers (integer.h5).")
    ],
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    profile: ProfileName = "loihi2",
    override: Override = None,
    weight_range: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONNECTION=X",
            help="Make room for weights up to X, e.g. layers.0.input=12, for learning.",
            rich_help_panel=CHIP,
        ),
    ] = None,
    state_scale: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POPULATION=X",
            help="Of integers: the power of two by which states are larger than real ones.",
            rich_help_panel=CHIP,
        ),
    ] = None,
    accumulator_bits: Annotated[
        int | None,
        typer.Option(
            "--accumulator-bits",
            metavar="N",
            help="Make weights smaller until no sum can leave N bits (default: the profile's).",
            rich_help_panel=CHIP,
        ),
    ] = None,
    rounding: Annotated[
        str, choice(ROUNDINGS, help="Of weights; stochastic by --seed.", rich_help_panel=CHIP)
    ] = "nearest",
    groups: Annotated[
        str | None,
        typer.Option(
            "--weight-groups",
            metavar="N|row",
            help="Most groups of weights a connection (default: 2), or row: one a neuron.",
            rich_help_panel=AS_GRAPH,
        ),
    ] = None,
    bias: Annotated[
        str | None,
        choice(
            ("line", "membrane"),
            help="Constant currents on a bias axon or on the membrane (default: line; netx: membrane).",
            rich_help_panel=AS_GRAPH,
        ),
    ] = None,
    target: Annotated[
        str | None,
        choice(
            ("netx",),
            help="For netx, whose recurrent layers have one exponent and no bias line.",
            rich_help_panel=AS_GRAPH,
        ),
    ] = None,
    largest: Annotated[
        float | None,
        typer.Option(
            "--largest-weight",
            metavar="X",
            help="Exponents are for weights up to this; larger ones are clipped.",
            rich_help_panel=AS_GRAPH,
        ),
    ] = None,
    method: Annotated[
        str | None,
        choice(
            METHODS,
            "--calibration-method",
            help="How far integers of weights reach: to the largest (the default), a percentile, where their squared "
            "error is least, or where validation samples are answered best.",
            rich_help_panel=CHIP,
        ),
    ] = None,
    percentile: Annotated[
        float | None,
        typer.Option(metavar="X", help="Of --calibration-method percentile (default: 99.9).", rich_help_panel=CHIP),
    ] = None,
    headroom: Annotated[
        float | None,
        typer.Option(
            "--weight-headroom",
            metavar="X",
            help="Ranges of weights are so many times what these need, for learning (default: 1).",
            rich_help_panel=CHIP,
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Widths of single populations and connections, as `hypr-neuro widths` writes them.",
            rich_help_panel=CHIP,
        ),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder; created if need be (default: the network's own).")
    ] = None,
    json: Json = False,
) -> None:
    """Calibrate on training samples, convert, and show every conversion; integers get the profile as they are.

    In a chain of layers a connection has one exponent; with --weight-groups, --target or --largest-weight it is
    converted as any other network is, whose weights keep more of their accuracy. All of them learn.
    """
    from hypr_neuro.errors import InputError
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.files.run_folder import RunFolder
    from hypr_neuro.graph.network import Network
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.quantizing.quantize import quantize
    from hypr_neuro.quantizing.width_plan import as_plan
    from hypr_neuro.workflow import notes, stages

    net, widths = load(network), None if plan is None else as_plan(plan)
    chip = get_profile(profile, override, widths)
    folder_path = network.parent if out is None else out
    check_not_read(folder_path / "quantized.h5", network)
    if isinstance(net, QuantizedNetwork):
        raise InputError(
            f"'{network}' is quantized already, rule: floats, or integers without a profile; give network.h5"
        )
    graph_options: dict[str, Any] = {
        "weight_groups": _groups(groups),
        "bias": bias,
        "target": target,
        "largest_weight": largest,
        "calibration_method": method,
        "percentile": percentile,
        "weight_headroom": headroom,
        "plan": plan,
        "accumulator_bits": accumulator_bits,
    }
    options = {key: value for key, value in graph_options.items() if value is not None}
    options |= {} if not weight_range else {"weight_range": _numbers("--weight-range", weight_range)}
    options |= {} if not state_scale else {"state_scale": _numbers("--state-scale", state_scale)}
    if rounding != "nearest":
        options |= {"rounding": rounding, "seed": seed}
    if isinstance(net, Network):
        source = choose_data(data, data_dir, seed, with_encoder(None, encode), network=network)
        sequences = source.load()
        check_channels(sequences, net.inputs)
    check_same_network(folder_path, network, net)
    folder = RunFolder(folder_path)
    path = folder.file("quantized.h5")
    replaced = _replaced(folder, chip.name)
    planned = options | ({} if widths is None else {"plan": widths.applied()})
    if isinstance(net, Network):
        qnet = stages.quantize_stage(folder, net, chip, sequences, **planned)
        if accumulator_bits is not None:
            _say_cost(quantize(net, chip, calibration=sequences, **_without_limit(planned)), qnet, sequences)
        flags = [
            f"--{key.replace('_', '-')}={one}"
            for key, value in options.items()
            if key != "seed"
            for one in ([f"{k}={v:g}" for k, v in value.items()] if isinstance(value, dict) else [value])
        ]
        words = ["hypr-neuro", "quantize", str(network), "--seed", str(seed), *flags, "--out", str(folder_path)]
        chosen = f"{profile_arguments(profile, override)} {source.arguments()}"
        command_line = f"{shlex.join(words)} {chosen}"
        notes.note_stage(folder, sequences, f"{sequences.name} on {chip.name}", command_line, seed)
        source.note(folder_path)
    else:
        qnet = quantize(net, chip, **planned)
        qnet.save(path)
    if replaced:
        print(replaced, file=sys.stderr)
    if json:
        emit({"file": str(path), "record": qnet.record, "notes": qnet.notes}, True)
        return
    _show(qnet, "" if widths is None else widths.told())
    print(path)


def _show(qnet: QuantizedNetwork, cost: str) -> None:
    """Print every conversion, and what the plan, if there is one, says that it costs."""
    print_table(
        ["what", "value", "integer", "clipped", "became 0", "SQNR, dB"],
        [_record_row(r) for r in qnet.record],
        f"Integers for '{qnet.profile.name}'",
    )
    for rule in dict.fromkeys(r["rule"] for r in qnet.record):
        text = f"{rule}: {', '.join(_name(r) for r in qnet.record if r['rule'] == rule)}"
        print(fill(text, 80, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    for note in [*qnet.notes, *filter(None, [cost])]:
        print(note)


def _replaced(folder: RunFolder, chip: str) -> str:
    """Tell of integers for another chip that will be written over, "" of none."""
    held = folder.read("profile")
    name = held.get("name") if isinstance(held, dict) else None
    if name in (None, chip) or not folder.file("quantized.h5").exists():
        return ""
    return f"'{folder.path}' held integers for '{name}', now for '{chip}'; --out FOLDER keeps both"


def _without_limit(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != "accumulator_bits"}


def _say_cost(free: QuantizedNetwork, limited: QuantizedNetwork, data: SequenceData) -> None:
    """Say on standard error what the accumulator's width costs on validation samples."""
    from hypr_neuro.data.score import score_readout
    from hypr_neuro.sim.engine import simulate

    part = data.part("validation")
    if not len(part):
        return
    scores = [
        score_readout(q.for_score(simulate(q, part.x).readout, regression=part.regression), part).figures()
        for q in (free, limited)
    ]
    told = (f"{name} {scores[0][name]:.4g} without the limit, {scores[1][name]:.4g} with it" for name in scores[0])
    print(f"{len(part)} validation samples: {'; '.join(told)}", file=sys.stderr)


def _numbers(option: str, given: list[str]) -> dict[str, float]:
    """Return the numbers of an option NAME=X by name."""
    from hypr_neuro.errors import InputError

    numbers = {}
    for text in given:
        name, equals, value = text.partition("=")
        try:
            numbers[name] = float(value)
        except ValueError:
            equals = ""
        if not (name and equals):
            raise InputError(f"{option} {text}, rule: NAME=NUMBER")
    return numbers


def _groups(text: str | None) -> int | str | None:
    """Return the number that an option names, or its word."""
    return int(text) if text is not None and text.isdecimal() else text


def _record_row(r: dict[str, Any]) -> list[Any]:
    """Return the row of one conversion."""
    return [
        _name(r),
        _span(f"{r['low']:.4g}", f"{r['high']:.4g}"),
        _span(str(r["integer_low"]), str(r["integer_high"])),
        r["clipped"],
        r.get("zeroed", 0),
        "exact" if r["sqnr"] is None else f"{r['sqnr']:.1f}",
    ]


def _name(r: dict[str, Any]) -> str:
    return f"{r['layer']}.{r['name']}"


def _span(low: str, high: str) -> str:
    return low if low == high else f"{low}..{high}"
