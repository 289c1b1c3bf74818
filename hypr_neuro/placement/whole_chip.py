"""Limits of a whole chip: inputs, neurons and synapses, whatever core they are on, and cores of one population each.

A neuron is hidden unless it is an output. A constant current takes an input channel that is always on, unless neurons
of the chip have one of their own (`runs.own_bias`). Dense weights are counted whole, zeros too; of a convolution the
kernel where cores share its weights (`core.shared_weights`), else every synapse.

A chip of convolutional layers (`chip.layer_cores`) has cores that hold one population each, with the weights that lead
to it. A kernel of f output channels, c input channels and k pixels takes

    c · 2^(⌈log2 k⌉ + ⌈log2 f⌉) weights

since addresses are made of whole bits (sinabs, docs/speck/overview.md); a dense connection is a kernel of one pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.limits import OTHER_CHIP, Limits
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection

WORDS = {
    "inputs": ("input channels", "give it fewer channels"),
    "hidden": ("hidden neurons", "make hidden populations smaller"),
    "outputs": ("outputs", "take data of fewer classes or targets"),
    "neurons": ("neurons", "make populations smaller"),
    "synapses": ("synapses", "make populations smaller or connections sparser"),
    "hidden_synapses": ("synapses between hidden neurons", "make these connections sparser"),
    "hidden_fan_out": (
        "synapses of one hidden neuron to hidden ones",
        "make populations smaller or connections sparser",
    ),
}
"""By limit what is counted, and what would fit."""


def check_whole_chip(qnet: QuantizedNetwork, chip: Profile, limits: Limits) -> None:
    """Raise DoesNotFitError, naming value, limit, key and what would fit, for the first limit that is not kept to."""
    if any(limit is not None for limit in limits.whole.values()):
        counts = counted(qnet, chip)
        _check(counts, limits, counts["inputs"] - qnet.inputs)
    _check_layers(qnet, chip)


def check_sizes(net: Network | QuantizedNetwork, chip: Profile) -> None:
    """Raise DoesNotFitError for inputs, outputs and neurons alone: known before anything is trained or quantized."""
    _check(sizes_of(net), Limits.of(chip))


def _check(counts: Mapping[str, int], limits: Limits, lines: int = 0) -> None:
    """Check counts; of the inputs so many `lines` are always on, and no channels of the network."""
    for key, value in counts.items():
        what, remedy = WORDS[key]
        most = (limits.whole[key] or 0) - (lines if key == "inputs" else 0)
        limits.check("network", what, value, f"chip.{key}", f"{remedy}, at most {most}, {OTHER_CHIP}")


def sizes_of(net: Network | QuantizedNetwork) -> dict[str, int]:
    """Count inputs and neurons, by limit."""
    neurons = sum(p.size for p in net.populations)
    outputs = net.output_size
    return {"inputs": net.inputs, "hidden": neurons - outputs, "outputs": outputs, "neurons": neurons}


def counted(qnet: QuantizedNetwork, chip: Profile) -> dict[str, int]:
    """Count what a network takes of a whole chip, by limit."""
    own_bias = chip.runs.own_bias is None or chip.runs.own_bias.value
    hidden = {p.name for p in qnet.populations} - set(qnet.outputs)
    between = [c for c in qnet.connections if c.source in hidden and c.target in hidden and not c.bias_alone]
    sizes = {p.name: p.size for p in qnet.populations}
    on_line = not own_bias and any(c.bias_axon for c in qnet.connections)
    fan_out = {name: np.zeros(sizes[name], np.int64) for name in hidden}
    for c in between:
        fan_out[c.source] += _sent(c, sizes[c.source])
    own = sizes_of(qnet)
    return {
        **own,
        "inputs": own["inputs"] + int(on_line),
        "synapses": sum(_synapses(c, chip, own_bias) for c in qnet.connections),
        "hidden_synapses": sum(_synapses(c, chip, True) for c in between),
        "hidden_fan_out": max((int(counts.max(initial=0)) for counts in fan_out.values()), default=0),
    }


def _synapses(c: QuantizedConnection, chip: Profile, own_bias: bool) -> int:
    """Count the weights that a chip keeps of a connection, without those of a bias that neurons have of their own."""
    matrix: Any = c.mantissa
    if isinstance(matrix, Convolution):
        shared = chip.core.shared_weights is not None and chip.core.shared_weights.value
        return int(matrix.kernel.size) if shared else int(matrix.tocsr().nnz)
    without = c.bias_axon and own_bias
    if c.dense:
        return int(matrix.shape[0]) * (c.columns - int(without))
    bias = int(np.count_nonzero(np.asarray(matrix.indices) == c.columns - 1)) if without else 0
    return int(matrix.nnz) - bias


def _sent(c: QuantizedConnection, sources: int) -> Array:
    """Count the synapses of each source neuron."""
    matrix = c.mantissa.tocsr() if isinstance(c.mantissa, Convolution) else c.mantissa
    if isinstance(matrix, np.ndarray):
        return np.full(sources, matrix.shape[0], np.int64)
    counts: Array = np.bincount(np.asarray(matrix.indices), minlength=sources)[:sources]
    return counts


# ---------------------------------------------------------------- cores of one population each


def _check_layers(qnet: QuantizedNetwork, chip: Profile) -> None:
    """Raise DoesNotFitError unless each population has a core of its own with room for its weights and neurons."""
    if chip.chip.layer_cores is None:
        return
    cores = chip.chip.layer_cores.value
    needs = [(sum(_addressed(c, qnet) for c in qnet.incoming(p.name)), p.size) for p in qnet.populations]
    key = f"profile '{chip.name}', chip.layer_cores"
    if len(needs) > len(cores):
        raise DoesNotFitError(
            f"network: {len(needs)} populations, limit {len(cores)}, a core each ({key}); take fewer, {OTHER_CHIP}"
        )
    fits = [[w <= weights and n <= neurons for weights, neurons in cores] for w, n in needs]
    for p, (w, n), row in zip(qnet.populations, needs, fits, strict=True):
        if not any(row):
            raise DoesNotFitError(
                f"population '{p.name}': {w} weights and {n} neurons, limit one core of {_told(cores)} ({key}); "
                f"make it or what leads to it smaller, {OTHER_CHIP}"
            )
    if (without := _without_core(fits)) is not None:
        raise DoesNotFitError(
            f"network: no core is left for population '{qnet.name(without)}' ({needs[without][0]} weights and "
            f"{needs[without][1]} neurons): others need those that would hold it, of {_told(cores)} ({key}); make "
            f"populations or connections smaller, {OTHER_CHIP}"
        )


def _addressed(c: QuantizedConnection, qnet: QuantizedNetwork) -> int:
    """Count the weight memory that a connection takes, see the module."""
    if c.bias_alone:
        return 0
    if isinstance(c.mantissa, Convolution):
        outputs, inputs, *sides = c.mantissa.kernel.shape
        pixels = prod(sides)
    else:
        outputs, inputs, pixels = qnet.size(c.target), qnet.size(c.source), 1
    return int(inputs) << (_bits(pixels) + _bits(int(outputs)))


def _bits(values: int) -> int:
    """Return the bits of an address of so many values, ⌈log2⌉."""
    return (values - 1).bit_length()


def _told(cores: Sequence[tuple[int, int]]) -> str:
    """Name the kinds of cores."""
    kinds = sorted(set(cores), reverse=True)
    return ", ".join(f"{weights}/{neurons}" for weights, neurons in kinds) + " weights/neurons"


def _without_core(fits: Sequence[Sequence[bool]]) -> int | None:
    """Return a population that has no core in any assignment of one each; None if all have one (augmenting paths)."""
    holder: dict[int, int] = {}

    def placed(population: int, tried: set[int]) -> bool:
        for core in (i for i, fit in enumerate(fits[population]) if fit and i not in tried):
            tried.add(core)
            if core not in holder or placed(holder[core], tried):
                holder[core] = population
                return True
        return False

    return next((i for i in range(len(fits)) if not placed(i, set())), None)
