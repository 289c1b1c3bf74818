"""Options that several commands take, and what they load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hypr_neuro.data import SequenceData
    from hypr_neuro.network import Network

Data = Annotated[str, typer.Option("--data", help="digits, ecg, or the path of an .npz file of your own sequences.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder with the data set's files (ecg).")]
Out = Annotated[Path, typer.Option("--out", help="Run folder; created if need be.")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Seed of everything random.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ProfileName = Annotated[str, typer.Option("--profile", help="Name of a profile, or the path of a YAML file.")]


def get_data(name: str, folder: Path | None, seed: int) -> SequenceData:
    """The data set that --data and --data-dir name."""
    from hypr_neuro.data import load_data

    return load_data(name, folder, seed=seed)


def get_network(path: Path) -> Network:
    """A float network from .h5 or .nir."""
    from hypr_neuro.network import Network
    from hypr_neuro.nir_io import read_nir

    return read_nir(path) if path.suffix == ".nir" else Network.load(path)


def data_arguments(name: str, folder: Path | None) -> str:
    """The same options as text, for the report."""
    import shlex

    return f"--data {shlex.quote(name)}" + (f" --data-dir {shlex.quote(str(folder))}" if folder else "")
