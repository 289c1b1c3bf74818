"""Networks that other programs trained, from the files in which they keep their weights."""

from __future__ import annotations

from pathlib import Path

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.checkpoints import recurrent
from hypr_neuro.exchange.checkpoints.content import Content
from hypr_neuro.exchange.checkpoints.npz import read_npz
from hypr_neuro.exchange.checkpoints.state_dict import read_state_dict
from hypr_neuro.exchange.checkpoints.summary import Summary
from hypr_neuro.graph.kinds import require_path
from hypr_neuro.graph.network import Network

READERS = {".npz": read_npz, ".pt": read_state_dict, ".pth": read_state_dict}
"""By the file's ending."""


def import_checkpoint(path: str | Path, neuron: str | None = None, *, dt: float = 1e-3) -> tuple[Network, Summary]:
    """Return the network of a checkpoint and what was read: an .npz of arrays, or a state dict of PyTorch (.pt, .pth).

    Nothing of the file is left out without the summary saying so; the network's notes hold it too, under "checkpoint".
    Arrays, names and shapes: `checkpoints.recurrent`.

    Parameters
    ----------
    path
        Of the file.
    neuron
        Model of the hidden layer, "brf" or "alif_reset"; by default the one whose arrays the file holds.
    dt
        Seconds a step, for the network's record: no file states it, and no neuron here depends on it.

    Raises
    ------
    InputError
        For names, shapes and numbers that do not fit.
    FileFormatError
        For a damaged file, a pickle and a file that would unpack to more than a gigabyte.
    MissingPackageError
        Where PyTorch is needed and absent.
    """
    require_path("path", path, "a checkpoint")
    path = Path(path)
    content = _read(path)
    net, kind = recurrent.network(content, neuron, dt)
    sizes = (net.inputs, net.layers[0].size, net.output_size)
    equations = (*kind.equations, recurrent.READOUT)
    summary = Summary(
        path.name, content.container, kind.neuron, sizes, content.epoch, equations, content.left_out, kind.caution
    )
    net.notes["checkpoint"] = summary.note()
    return net, summary


def _read(path: Path) -> Content:
    """Read the file with the reader of its ending."""
    if path.suffix.lower() not in READERS:
        raise InputError(f"checkpoint '{path}': unknown ending '{path.suffix}', known: {', '.join(READERS)}")
    return READERS[path.suffix.lower()](path)


__all__ = ["Summary", "import_checkpoint"]
