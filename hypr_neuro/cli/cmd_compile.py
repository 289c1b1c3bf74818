"""`hypr-neuro compile`: integers to C, Lava, netx or SpiNNaker2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hypr_neuro.cli.choices import TARGETS, choice
from hypr_neuro.cli.console import command
from hypr_neuro.cli.options import Data, DataDir, Encode, Flash, Json, Ram, Seed, check_channels, with_encoder
from hypr_neuro.cli.run_data import choose_data
from hypr_neuro.cli.tables import emit

if TYPE_CHECKING:
    from hypr_neuro.data.sequence import SequenceData
    from hypr_neuro.sim.learning.learn import LearnOptions


EXAMPLES = (
    "hypr-neuro compile runs/a/quantized.h5 --target c --samples 10 --out runs/a/c",
    "hypr-neuro compile runs/a/quantized.h5 --learn rate=0.2 --out runs/a/l",
)
VALUES = {"rate": "0.2", "layers": "readout", "parameters": "all", "noise": "10,0"}
"""Of options that learn, for errors; of others the default."""


@command
def run(
    network: Annotated[Path, typer.Argument(help="An integer network: quantized.h5, integer.h5 or its .nir.")],
    target: Annotated[str, choice(TARGETS, "--target", help="What to write.", rich_help_panel="Target")] = "c",
    learn: Annotated[
        list[str] | None,
        typer.Option(
            "--learn",
            metavar="KEY=VALUE",
            help="c: also a network that learns, as rate=0.3, parameters=all.",
            rich_help_panel="Target",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            metavar="N",
            min=1,
            help="c: also N test samples, which `make run` in the folder answers, and instructions of a step.",
            rich_help_panel="Target",
        ),
    ] = None,
    data: Data = None,
    data_dir: DataDir = None,
    encode: Encode = None,
    seed: Seed = 0,
    always_on: Annotated[
        str | None,
        choice(
            ("channel", "refuse"),
            help="netx: channel gives bias axons an input channel (default: refuse).",
            rich_help_panel="Target",
        ),
    ] = None,
    readout: Annotated[
        str | None,
        choice(
            ("outside", "refuse"),
            help="netx: outside leaves a readout without spikes to the host (default: refuse).",
            rich_help_panel="Target",
        ),
    ] = None,
    per_core: Annotated[
        int | None,
        typer.Option(
            "--neurons-per-core", metavar="N", min=1, help="spinnaker2: at most so many.", rich_help_panel="Target"
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the files; created if need be.")] = Path(
        "runs/compiled"
    ),
    flash: Flash = None,
    ram: Ram = None,
    json: Json = False,
) -> None:
    """Write what the target needs, with a manifest of hashes, versions and sizes."""
    from hypr_neuro.compilers import compile_network
    from hypr_neuro.errors import InputError
    from hypr_neuro.exchange.loading import load
    from hypr_neuro.graph.network import Network

    net = load(network)
    if isinstance(net, Network):
        raise InputError(f"'{network}' holds floats, rule: integers; `hypr-neuro quantize {network}` makes them")
    options: dict[str, Any] = {"always_on": always_on, "readout": readout, "neurons_per_core": per_core}
    options |= {"flash": flash, "ram": ram}
    chosen = {key: value for key, value in options.items() if value is not None}
    if learn:
        chosen["learn"] = _learn_options(learn, network.parent if data is None else None)
    if samples is not None:
        source = choose_data(data, data_dir, seed, with_encoder(None, encode), network=network)
        chosen["samples"] = _samples(net, source.load(), samples)
    elif data is not None or data_dir is not None or encode is not None:
        raise InputError("--data, --data-dir and --encode say which samples to write; give --samples N, too")
    artifact = compile_network(net, target=target, out=out, **chosen)
    facts = artifact.manifest if json else _told(artifact.manifest)
    emit({"folder": str(artifact.folder)} | facts, json, f"Compiled for {target}")


def _samples(net: Any, data: SequenceData, count: int) -> SequenceData:
    """Return the first test samples as the network takes them."""
    import numpy as np

    from hypr_neuro.cli.graphs import encoded

    check_channels(data, net.inputs)
    test = data.part("test")
    return encoded(net, test.take(np.arange(min(count, len(test)))))


def _told(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the rows that are printed."""
    return {"files": list(manifest["files"])} | _sizes(manifest) | _answers(manifest)


def _answers(manifest: dict[str, Any]) -> dict[str, str]:
    """Return rows on samples and on the instructions of a step."""
    told = {}
    if (samples := manifest.get("samples")) is not None:
        right = (
            f"squared error {samples['squared error']:.4g} in the simulator"
            if "squared error" in samples
            else f"{samples['right']} of {samples['answers']} answers right in the simulator"
        )
        told["samples"] = f"{samples['samples']} of {samples['data']}, {right}; make -s run answers them"
    if (instructions := manifest.get("instructions a step")) is not None:
        value, how = instructions["value"], instructions.get("how", instructions.get("reason"))
        told["instructions a step"] = f"not known: {how}" if value is None else f"{value:,.0f} ({how})"
    return told


def _sizes(manifest: dict[str, Any]) -> dict[str, str]:
    """Return rows on flash and RAM from what the manifest tells of them, or why they are not known."""
    sizes: dict[str, str] = {}
    for key, program in (("memory", "network.c"), ("learning", "learn.c")):
        entries = {name: entry for name, entry in manifest.get(key, {}).items() if name != "purpose"}
        sizes |= {f"{program}, {name}": _flash_and_ram(entry) for name, entry in entries.items()}
    if "learning" in manifest:
        parts = manifest["learning"]["purpose"].items()
        sizes["RAM that learns"] = ", ".join(f"{name} {size}" for name, size in parts)
    for core in manifest.get("cores", ()):
        name = f"core {core['core']}, {core['layer']}, {core['neurons']} neurons"
        sizes[name] = (
            f"{core['bytes']} of {core['limit']} bytes"
            if core["bytes"] is not None
            else (f"{core['limit']} bytes not checked: {core['reason']}")
        )
    return sizes


def _flash_and_ram(entry: dict[str, Any]) -> str:
    """Return flash and RAM of one program in words."""
    if entry["bytes"] is None:
        return f"not measured: {entry['reason']}"
    return f"flash {entry['bytes']['flash']}, RAM {entry['bytes']['ram']} bytes"


def _values(key: str, text: str) -> tuple[int, ...] | tuple[str, ...]:
    """Return what stands between commas: integers of noise, names of all else."""
    words = text.split(",")
    return tuple(int(word) for word in words) if key == "noise" else tuple(words)


def _learn_options(given: list[str], folder: Path | None = None) -> LearnOptions:
    """Return `LearnOptions` from texts KEY=VALUE; several layers or parameters have commas between them.

    folder : of the network; where it remembers a regression, targets are its values unless they are given
    """
    from dataclasses import fields

    from hypr_neuro.errors import InputError, among
    from hypr_neuro.sim.learning.learn import LearnOptions

    types: dict[str, Any] = {field.name: type(field.default) for field in fields(LearnOptions)}
    options: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if key not in types:
            raise InputError(f"--learn {text}, rule: KEY=VALUE; unknown key {among(key, types)}")
        if key in options:
            raise InputError(
                f"--learn {text}, rule: {key} once; layers and parameters take several, with commas between them"
            )
        example = VALUES.get(key, LearnOptions.__dataclass_fields__[key].default)
        if not equals or not value:
            raise InputError(f"--learn {text}, rule: KEY=VALUE, such as --learn {key}={example}")
        try:
            options[key] = _values(key, value) if types[key] is tuple else types[key](value)
        except ValueError:
            kind = "a number" if types[key] is float else "integers" if types[key] is tuple else "an integer"
            raise InputError(f"--learn {text}, rule: {kind}, such as --learn {key}={example}") from None
    if "targets" not in options and folder is not None and _made_with_regression(folder):
        options["targets"] = "values"
        print(f"learn: targets=values, as '{folder}' was made with a regression", file=sys.stderr)
    return LearnOptions(**options)


def _made_with_regression(folder: Path) -> bool:
    """Tell whether a run folder says that its data are a regression."""
    from hypr_neuro.errors import HyprError
    from hypr_neuro.files.run_folder import RunFolder

    try:
        described = RunFolder(folder, create=False).read("data")
    except HyprError:
        return False
    return isinstance(described, dict) and "targets" in described
