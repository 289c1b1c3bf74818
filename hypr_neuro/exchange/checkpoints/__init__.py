"""Networks that other programs trained, from the files in which they keep their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypr_neuro.errors import InputError, among
from hypr_neuro.exchange.checkpoints import adaptive, recurrent, sinabs, snntorch
from hypr_neuro.exchange.checkpoints.content import Content
from hypr_neuro.exchange.checkpoints.npz import read_npz
from hypr_neuro.exchange.checkpoints.reading import Reading
from hypr_neuro.exchange.checkpoints.state_dict import read_state_dict
from hypr_neuro.exchange.checkpoints.summary import Summary
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.checks import require_path

READERS = {".npz": read_npz, ".pt": read_state_dict, ".pth": read_state_dict}
"""By the file's ending."""


def import_checkpoint(
    path: str | Path,
    neuron: str | None = None,
    *,
    dt: float = 1e-3,
    reset_delay: bool | None = None,
    reset: str | None = None,
    norm_input: bool | None = None,
    max_spikes: int | None = None,
) -> tuple[Network, Summary]:
    """Return the network of a checkpoint and what was read: an .npz of arrays, or a state dict of PyTorch (.pt, .pth).

    Nothing of the file is left out without the summary saying so; the network's notes hold it too, under "checkpoint".
    Arrays, names and shapes: `checkpoints.recurrent`, `adaptive`, `snntorch` and `sinabs`; which of them it is follows
    from the names.

    Parameters
    ----------
    path
        Of the file.
    neuron
        Model of the hidden layer, "brf", "rf_threshold" (the plain RF of BRF's program, whose arrays are the same) or
        "alif_reset"; by default the first one whose arrays the file holds. Of `checkpoints.recurrent` alone.
    dt
        Seconds a step, for the network's record: no file states it, and no neuron here depends on it.
    reset_delay
        Of snnTorch: whether the reset comes one step after a spike; by default it does, as there.
    reset
        Of Sinabs: "subtract" (default) or "zero".
    norm_input
        Of Sinabs: whether what arrives is scaled by 1 - e^{-1/tau}; by default what each class has.
    max_spikes
        Of Sinabs, with reset "subtract" and without min_v_mem: most spikes of a step, 1 to 127, as MultiSpike sends
        them; neurons become `lif_multispike`. By default they send one, as SingleSpike does.

    Raises
    ------
    InputError
        For names, shapes and numbers that do not fit, and for a choice that is none of the file's.
    FileFormatError
        For a damaged file, a pickle and a file that would unpack to more than a gigabyte.
    MissingPackageError
        Where PyTorch is needed and absent.
    """
    require_path("path", path, "a checkpoint")
    path = Path(path)
    content = _read(path)
    choices: dict[str, Any] = {"neuron": neuron, "reset_delay": reset_delay, "reset": reset}
    choices |= {"norm_input": norm_input, "max_spikes": max_spikes}
    reading = _reading(content, dt, {name: value for name, value in choices.items() if value is not None})
    net = reading.network
    summary = Summary(
        path.name,
        content.container,
        reading.neuron,
        reading.sizes,
        content.epoch,
        reading.equations,
        content.left_out,
        reading.caution,
    )
    net.notes["checkpoint"] = summary.note()
    return net, summary


def _reading(content: Content, dt: float, choices: dict[str, Any]) -> Reading:
    """Read with the reader that the names of the arrays ask for; it takes the choices that are its own."""
    keys = {name.rpartition(".")[2] for name in content.arrays}
    if snntorch.MARK in keys:
        _check_choices(content, "snnTorch", choices, ("reset_delay",))
        return snntorch.read(content, dt, **choices)
    if keys & set(sinabs.MARKS):
        _check_choices(content, "Sinabs", choices, ("reset", "norm_input", "max_spikes"))
        return sinabs.read(content, dt, **choices)
    if adaptive.is_adaptive(content):
        _check_choices(content, "i2h, h2h and h2o", choices, ())
        return adaptive.read(content, dt)
    _check_choices(content, "one hidden layer and out", choices, ("neuron",))
    net, kind = recurrent.network(content, choices.get("neuron"), dt)
    return Reading(net, (*kind.equations, recurrent.READOUT), kind.caution)


def _check_choices(content: Content, form: str, choices: dict[str, Any], known: tuple[str, ...]) -> None:
    for name, value in choices.items():
        if name not in known:
            rule = f"rule for {form}: {', '.join(known) or 'no choice'}"
            raise InputError(f"checkpoint '{content.path}': {name} = {value!r}, {rule}; leave it out")


def _read(path: Path) -> Content:
    """Read the file with the reader of its ending."""
    if path.suffix.lower() not in READERS:
        raise InputError(f"checkpoint '{path}': unknown ending {among(path.suffix, READERS)}")
    return READERS[path.suffix.lower()](path)


__all__ = ["Summary", "import_checkpoint"]
