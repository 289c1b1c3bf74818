"""`hypr-neuro check`: what of an integer network can overflow, for any input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.console import command
from hypr_neuro.cli.graphs import encoded
from hypr_neuro.cli.networks import refused
from hypr_neuro.cli.options import (
    CHIP,
    DATA,
    LEARNING,
    Data,
    DataDir,
    Encode,
    Json,
    Seed,
    check_channels,
    check_file,
    with_encoder,
)
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit, print_table

if TYPE_CHECKING:
    from hypr_neuro.bounds.found import Bound, Check
    from hypr_neuro.exchange.loading import AnyNetwork
    from hypr_neuro.numbers.arrays import Array

OVERFLOWS = 2
"""Exit code of --strict where something is not proved."""
EXAMPLES = (
    "hypr-neuro check runs/a/quantized.h5",
    "hypr-neuro check runs/a/quantized.h5 --data digits --examples overflows.npz",
    "hypr-neuro check runs/a/quantized.h5 --learn --steps 250 --strict",
)


@command
def run(
    network: Annotated[Path, typer.Argument(help="Integer network: quantized.h5, integer.h5 or the .nir of one.")],
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="LOW:HIGH",
            help="What a channel may send (default: 0:1, or what messages of the input hold).",
            rich_help_panel=DATA,
        ),
    ] = None,
    accumulator_bits: Annotated[
        int | None,
        typer.Option(
            "--accumulator-bits",
            metavar="N",
            help="Width of a connection's sum (default: the profile's, else 32).",
            rich_help_panel=CHIP,
        ),
    ] = None,
    learn: Annotated[
        bool,
        typer.Option(
            "--learn", help="Eligibilities, signals and gradients too, for any weights.", rich_help_panel=LEARNING
        ),
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Steps over which a gradient adds up (default: those of --data).",
            rich_help_panel=LEARNING,
        ),
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File for inputs that overflow something, .npz, for simulate --data."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 2 unless everything is proved.")] = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Bound every sum and state for any input: what cannot overflow, what does, shown by an input, and what is open."""
    from hypr_neuro.bounds.check import check
    from hypr_neuro.errors import InputError
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.graph.network import Network
    from hypr_neuro.sim.learning.options import LearnOptions

    if steps is not None and not learn:
        raise InputError(f"--steps {steps} is of gradients, which --learn bounds; give --learn, too")
    if examples is not None:
        check_file("--examples", examples, ".npz")
    net: AnyNetwork = load(network)
    if isinstance(net, Network):
        raise refused(network, net, "an integer network")
    result = check(
        net,
        data=_samples(net, network, data, data_dir, encode, seed),
        inputs=None if inputs is None else _range(inputs),
        accumulator_bits=accumulator_bits,
        learning=LearnOptions(seed=seed) if learn else None,
        steps=steps,
        seed=seed,
    )
    if examples is not None:
        _write(examples, result)
    if json:
        emit(result.as_dict() | ({} if examples is None else {"file": str(examples)}), True)
    else:
        _show(result, network, examples)
    if strict and not result.safe:
        raise typer.Exit(OVERFLOWS)


def _samples(
    net: Any, network: Path, data: str | None, data_dir: Path | None, encode: str | None, seed: int
) -> Array | None:
    """Return the samples of --data, as the network takes them."""
    from hypr_neuro.errors import InputError

    if data is None:
        if data_dir is not None or encode is not None:
            raise InputError("--data-dir and --encode say more of a data set; give --data, too")
        return None
    sequences = choose_data(data, data_dir, seed, with_encoder(None, encode), network=network).load()
    check_channels(sequences, net.inputs)
    return encoded(net, sequences).x


def _range(text: str) -> tuple[int, int]:
    """Return the two numbers of --inputs."""
    from hypr_neuro.errors import InputError

    low, colon, high = text.partition(":")
    try:
        ends = int(low), int(high)
    except ValueError:
        colon = ""
    if not colon or ends[0] > ends[1]:
        raise InputError(f"--inputs {text}, rule: LOW:HIGH, whole numbers, the smaller one first; e.g. 0:1")
    return ends


def _show(result: Check, network: Path, examples: Path | None) -> None:
    low, high = result.inputs
    print_table(
        ["number", "bits", "proved", "seen", "verdict"],
        [[b.name, _bits(b.declared), _bits(b.proved), _bits(b.seen_bits), b.verdict] for b in result.bounds],
        f"Any input of {low}..{high}",
    )
    print("bits: declared; proved: enough for any input; seen: of the largest number met")
    for number, example in enumerate(result.examples, 1):
        times = f", {example.count} times" if example.count > 1 else ""
        print(f"input {number}, {len(example.x)} step(s): {example.population}, {example.event}{times}")
    if result.examples and examples is None:
        print("--examples FILE.npz writes these inputs")
    if examples is not None:
        print(f"{examples}" if result.examples else f"no input was found that overflows anything, no {examples}")
    for bound in result.bounds:
        if bound.verdict != "cannot overflow":
            print(_told(bound))
    for note in result.notes:
        print(note)
    if result.safe:
        print(f"nothing in '{network}' can overflow, whatever the input")


def _told(b: Bound) -> str:
    """Say what is known of a number that is not proved to fit."""
    enough = f"{b.proved} bits are proved enough" if b.proved is not None else f"nothing bounds {b.endless} of them"
    found = f"input {b.example + 1} overflows it" if b.example is not None else "no input was found that overflows it"
    return f"{b.name} ({b.neurons} neurons): {found}; {enough}"


def _bits(bits: int | None) -> Any:
    return "–" if bits is None else bits


def _write(path: Path, result: Check) -> None:
    """Write the inputs (sample, T, channel), shorter ones filled up with silence behind."""
    import numpy as np

    if not result.examples:
        return
    longest = max(len(e.x) for e in result.examples)
    x = np.stack([np.pad(e.x, ((0, longest - len(e.x)), (0, 0))) for e in result.examples])
    with path.open("wb") as file:
        np.savez_compressed(file, x=x)
