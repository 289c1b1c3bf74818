"""The largest network of one shape that a chip holds: found by placing networks of integers, one size after the other.

`hn.place` decides: its answer places, and a layer of one neuron more is refused. Where a chip runs a program, networks
of each size are converted from float, compiled and held against the memory: how wide a table is hangs on its values, so
that a trained network may take a little more or less. Elsewhere sizes alone count, and values are repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers import place_network
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.placement.budget import ALL, NOTHING
from hypr_neuro.placement.place import Placement, nothing_learns
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.workflow.chip_task import NEURON, lif_parameters, settled_parameters

LARGEST = 1 << 14
"""Neurons of a layer beyond which nobody looks."""
SAMPLE = 16
"""Neurons that are converted from float; others have the integers of one of these."""
READOUT = "li"
"""Neuron of the outputs."""
DEFAULT = "brf"
"""Neuron of the layers, where the chip has it; else LIF."""


@dataclass(frozen=True)
class ChipRoom:
    """The largest network of a shape on a chip.

    Attributes
    ----------
    learns
        "all" or "nothing".
    neurons
        Of each layer; 0 where not even one fits.
    weights
        In all.
    cores
        That the placement takes.
    refused
        What a layer of one neuron more is refused for; "" where nobody looked further.
    """

    learns: str
    neurons: int
    weights: int
    cores: int
    refused: str


@dataclass(frozen=True, repr=False)
class LargestOnChip:
    """Rows of `ChipRoom`, with learning and without.

    Attributes
    ----------
    profile
        The chip.
    shape
        In words.
    rooms
        One for each choice of what learns.
    """

    profile: str
    shape: str
    rooms: tuple[ChipRoom, ...]

    def table(self) -> Shown:
        """Return a row for each choice."""
        headings = ("learns", "neurons a layer", "weights", "cores")
        rows = [(r.learns, f"{r.neurons:,}", f"{r.weights:,}", f"{r.cores:,}") for r in self.rooms]
        return Shown(f"Largest networks on '{self.profile}': {self.shape}", headings, rows)

    __repr__ = as_text
    _repr_html_ = as_html


def largest_on_chip(
    profile: Profile | str | Path,
    *,
    inputs: int,
    outputs: int,
    neuron: str | None = None,
    layers: int = 1,
    recurrent: bool = True,
    bias: bool = True,
    learns: Sequence[str] = (ALL, NOTHING),
) -> LargestOnChip:
    """Return the largest chains of layers that a chip holds.

    Parameters
    ----------
    profile
        The chip.
    inputs, outputs
        Channels, and neurons of the readout `li`.
    neuron
        Of the layers; None for `brf`, on a chip without it `lif`.
    layers, recurrent, bias
        Shape of the chain; all layers have one size. Biases are left out where the chip's neurons have none.
    learns
        Of "all" and "nothing".

    Raises
    ------
    InputError
        For a shape that is none, a chip that states no limit of room, and learning on a chip that cannot.
    DoesNotFitError
        For what the chip cannot run at any size.
    """
    chip = load_profile(profile)
    _check_readout(chip)
    chosen = neuron or usual_neuron(chip)
    bias = bias and "bias" not in settled_parameters(chip)
    layer: dict[str, Any] = {"neuron": chosen, "recurrent": recurrent, "bias": bias}
    layer |= {"params": lif_parameters(chip)} if chosen == NEURON else {}
    spec = {"inputs": inputs, "outputs": outputs, "layers": [layer] * layers, "readout": {"bias": bias}}
    sample = _converted(spec, SAMPLE, chip)
    measured = any(q is not None for q in (chip.core.sram, chip.chip.flash, chip.chip.ram))
    sized = partial(_converted, spec, chip=chip) if measured else partial(of_size, sample)
    reason = nothing_learns(sample)
    if ALL in learns and reason:
        raise InputError(f"learns: {reason}; ask for learns=('nothing',), on the command line --no-learn")
    rooms = tuple(_largest(sized, chip, what) for what in learns)
    words = f"{inputs} inputs, {layers} layer{'s' if layers > 1 else ''} of {chosen}"
    words += f"{', recurrent' if recurrent else ''}{', with biases' if bias else ''}, {outputs} outputs (li)"
    return LargestOnChip(chip.name, words, rooms)


def usual_neuron(chip: Profile) -> str:
    """Return the neuron of layers of which nobody says more: one that the chip has."""
    models = None if chip.runs.models is None else chip.runs.models.value
    return DEFAULT if models is None or DEFAULT in models else NEURON


def _check_readout(chip: Profile) -> None:
    """Raise DoesNotFitError where the chip has no readout of a chain."""
    models = None if chip.runs.models is None else chip.runs.models.value
    if models is not None and READOUT not in models:
        raise DoesNotFitError(
            f"profile '{chip.name}': neurons {', '.join(models)}, rule: '{READOUT}' among them, the readout of the "
            "chains that are looked for here; import a network of the chip's neurons, quantize and place it"
        )


def _converted(spec: dict[str, Any], size: int, chip: Profile) -> QuantizedNetwork:
    """Return a network of random weights with layers of that size, in integers."""
    net = Network.build(spec | {"layers": [layer | {"size": size} for layer in spec["layers"]]}, seed=0)
    return quantize(net, chip, calibration={p.name: 4.0 for p in net.populations})


def _largest(sized: Callable[[int], QuantizedNetwork], chip: Profile, what: str) -> ChipRoom:
    """Search by doubling, then by halves: what does not fit does not with more neurons either."""
    placed: dict[int, Placement] = {}
    refused: dict[int, str] = {}

    def fits(size: int) -> bool:
        try:
            placement = place_network(sized(size), learning=what == ALL)
        except DoesNotFitError as error:
            refused[size] = str(error).split(";")[0]
            return False
        _check_known(placement, chip)
        placed[size] = placement
        return True

    low, high = 0, 1
    while high <= LARGEST and fits(high):
        low, high = high, 2 * high
    while high <= LARGEST and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    weights = sum(int(c.entries().size) for c in sized(low).connections) if low else 0
    return ChipRoom(what, low, weights, placed[low].used if low else 0, refused.get(low + 1, ""))


def _check_known(placement: Placement, chip: Profile) -> None:
    """Raise InputError where nothing was held against any limit."""
    if placement.fits is not None:
        return
    reasons = {p.reason for p in placement.programs if p.reason}
    raise InputError(
        f"profile '{chip.name}': nothing is known of its room ({', '.join(sorted(reasons)) or 'it states no limit'}), "
        "rule: a limit of a core or of the chip; state one with --override, or give the memory, --memory 64KiB"
    )


def of_size(sample: QuantizedNetwork, size: int) -> QuantizedNetwork:
    """Return the chain with so many neurons in each layer: neurons as in `sample`, weights of 1, which take no room."""
    readout = sample.populations[-1].name
    sizes = {p.name: p.size if p.name == readout else size for p in sample.populations} | {"input": sample.inputs}
    populations = tuple(
        p if p.name == readout else replace(p, per_neuron=np.take(p.per_neuron, np.arange(size) % p.size, axis=1))
        for p in sample.populations
    )
    connections = []
    for c in sample.connections:
        shape = sizes[c.target], sizes[c.source] + int(c.bias_axon)
        connections.append(replace(c, mantissa=np.broadcast_to(np.ones((), np.int64), shape)))
    return replace(sample, populations=populations, connections=tuple(connections))
