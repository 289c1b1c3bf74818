"""Options that several commands take, and what they load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from hypr_neuro.data import SequenceData
    from hypr_neuro.profiles.profile import Profile
    from hypr_neuro.quantizing.network import QuantizedNetwork
    from hypr_neuro.quantizing.width_plan import WidthPlan

ENCODE = "encode"
"""Option of `load_data` that --encode gives."""
DATA, NETWORK, CHIP, LEARNING, RUN = "Data", "Network", "Chip", "Learning", "Run"
"""Groups of options in the help."""

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder with the data set's files.", rich_help_panel=DATA)
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="NAME|FILE",
        help="A data set (see `hypr-neuro data`), or an .npz file of your own (default: that of the network's folder).",
        rich_help_panel=DATA,
    ),
]
DataOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Option of the data set, e.g. delay=2000.", rich_help_panel=DATA),
]
Encode = Annotated[
    str | None,
    typer.Option(
        "--encode",
        metavar="METHOD[:KEY=VALUE,...]",
        help="Make spikes of real values: level_crossing:threshold=0.1 of signals; rate, latency, thermometer or "
        "scan of vectors, e.g. rate:steps=64,low=-1,high=1.",
        rich_help_panel=DATA,
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Run folder; created if need be.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Seed of everything random.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ProfileName = Annotated[
    str,
    typer.Option(
        "--profile",
        metavar="NAME|FILE",
        help="A profile (see `hypr-neuro profiles`), or a YAML file.",
        rich_help_panel=CHIP,
    ),
]

Override = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        metavar="SECTION.KEY=VALUE",
        help="Change a number of the profile, e.g. precision.weight_bits=4.",
        rich_help_panel=CHIP,
    ),
]


Fault = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="KIND=VALUE",
        help="A fault of the device, e.g. weight_flips=1e-5 or dead=0.05; see docs/faults.md.",
        rich_help_panel=CHIP,
    ),
]
Flash = Annotated[
    str | None,
    typer.Option(
        "--flash", metavar="SIZE", help="Flash of the board, e.g. 1M (default: chip.flash).", rich_help_panel=CHIP
    ),
]
Ram = Annotated[
    str | None,
    typer.Option(
        "--ram", metavar="SIZE", help="RAM of the board, e.g. 256K (default: chip.ram).", rich_help_panel=CHIP
    ),
]


def get_profile_of(
    qnet: QuantizedNetwork, name: str | None, override: list[str] | None, flash: str | None, ram: str | None
) -> Profile:
    """Return the profile that --profile names, else the network's, with these changes."""
    from hypr_neuro.compilers.c.boards import size_of
    from hypr_neuro.profiles.override import parse_overrides
    from hypr_neuro.profiles.profile import load_profile

    sizes = {"flash": flash, "ram": ram}
    changes = parse_overrides(override or [])
    changes |= {f"chip.{key}": size_of(f"--{key}", value) for key, value in sizes.items() if value is not None}
    return load_profile(qnet.profile if name is None else name, changes)


def get_profile(name: str, override: list[str] | None, plan: WidthPlan | None = None) -> Profile:
    """Return the profile that --profile names with the rules of --plan; changes of --override go before both."""
    from hypr_neuro.profiles.override import parse_overrides
    from hypr_neuro.profiles.profile import load_profile

    chip = load_profile(name, None if plan is None else plan.changes())
    return load_profile(chip, parse_overrides(override or []))


def profile_arguments(name: str, override: list[str] | None) -> str:
    """Return the same options as text, for the report."""
    import shlex

    return shlex.join(["--profile", name, *(word for text in override or [] for word in ("--override", text))])


def get_data(name: str, folder: Path | None, seed: int, options: list[str] | None = None) -> SequenceData:
    """Return the data set that --data and --data-dir name, with the options of --set."""
    from hypr_neuro.data import load_data
    from hypr_neuro.errors import HyprError, InputError

    chosen = dict(key_value(text) for text in options or [])
    try:
        return load_data(name, folder, **({"seed": seed} | chosen))
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        if isinstance(error, HyprError) or not chosen:
            raise
        reason = str(error).splitlines()[0]
        raise InputError(
            f"data '{name}' with {', '.join(options or [])}: {reason}; check the values of --set"
        ) from error


def with_encoder(options: list[str] | None, encode: str | None) -> list[str] | None:
    """Return the options of --set with that of --encode, so that a run folder remembers both."""
    if encode is None:
        return options
    from hypr_neuro.data.encoding import parse_encoding

    parse_encoding(encode)
    return [*(options or []), f"{ENCODE}={encode}"]


def check_not_read(out: Path, *read: Path | None) -> None:
    """Raise InputError if a file to write is one of those that the command reads."""
    from hypr_neuro.errors import InputError

    for path in read:
        if path is not None and out.exists() and path.exists() and out.samefile(path):
            raise InputError(f"'{out}' would be overwritten, and the command reads it; choose another name or --out")


def check_file(option: str, path: Path, *endings: str) -> None:
    """Raise InputError, before anything runs, for a file that an option names and that cannot be written.

    `endings` are those of the kinds of file that can be.
    """
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.store import require_writable

    if path.suffix not in endings:
        raise InputError(f"{option} {path}, rule: the name of a file that ends in {' or '.join(endings)}")
    if not path.parent.is_dir():
        raise InputError(f"{option} {path}: folder '{path.parent}' does not exist; create it first")
    require_writable(path)


def check_channels(data: SequenceData, channels: int) -> None:
    """Raise InputError if a network of so many input channels cannot take the data."""
    from hypr_neuro.data import fit

    fit.check_channels(channels, data)


def key_value(text: str) -> tuple[str, Any]:
    """Return (key, value) of a text key=value, the value as YAML reads it: a number, true, false or text."""
    from hypr_neuro.errors import InputError
    from hypr_neuro.files.yaml_file import parse_yaml

    key, equals, value = text.partition("=")
    if not (key.isidentifier() and equals and value):
        raise InputError(f"--set {text}: rule: KEY=VALUE, such as delay=2000")
    if key == ENCODE:
        return key, value
    try:
        return key, parse_yaml(value, "--set")
    except InputError as error:
        raise InputError(f"--set {text}: the value is no number, true, false or plain text") from error


def data_arguments(name: str, folder: Path | None, options: list[str] | None = None) -> str:
    """Return the same options as text, for the report."""
    import shlex

    words = ["--data", name, *(["--data-dir", str(folder)] if folder else [])]
    for option in options or []:
        key, _, value = option.partition("=")
        words += ["--encode", value] if key == ENCODE else ["--set", option]
    return shlex.join(words)
