"""What a given memory has room for: how many neurons in which widths, or which connections of a network may learn.

Counted as `placement.learning_memory` does: weights, states and parameters, and what learning keeps beside them, every
number in as many bytes as its width needs, as processors store them, or packed to the bit, as chips may. A program, its
stack and what runs beside it are not in it; where a compiler measures these, `hn.place` holds them against the board.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, combinations, product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hypr_neuro.errors import DoesNotFitError, InputError, among
from hypr_neuro.files.sizes import parse_size
from hypr_neuro.graph.kinds import require
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.numbers.checks import whole
from hypr_neuro.placement.layer_memory import LayerMemory
from hypr_neuro.placement.learning_memory import Shape, learning_memory, memory_of
from hypr_neuro.placement.place import can_learn, nothing_learns
from hypr_neuro.profiles.override import overridden
from hypr_neuro.profiles.profile import Profile, load_profile, told_value
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reach import learnable_connections
from hypr_neuro.sim.learning.widths import layer_widths

ALL, LAST, NOTHING = "all", "readout", "nothing"
LEARNS = (ALL, LAST, NOTHING)
"""What learns: every connection, those of the readout alone, none."""
LARGEST = 1 << 20
"""Neurons of a layer beyond which nobody looks."""
MOST_TRIED = 12
"""Connections of which every choice is tried; of more the largest that fit, one after the other."""


class Asked(NamedTuple):
    """Bits of weights and eligibilities, and what learns."""

    weight_bits: int
    eligibility_bits: int
    learns: str


@dataclass(frozen=True)
class Room:
    """The largest network of one shape and one set of widths.

    Attributes
    ----------
    weight_bits, eligibility_bits
        Asked.
    learns
        "all", "readout" or "nothing".
    neurons
        Of each layer; 0 where not even one fits.
    weights
        In all.
    bytes
        What the network takes, of which learning `learning_bytes`.
    """

    weight_bits: int
    eligibility_bits: int
    learns: str
    neurons: int
    weights: int
    bytes: int
    learning_bytes: int


@dataclass(frozen=True, repr=False)
class LargestNetworks:
    """Rows of `Room`, by widths and by what learns.

    Attributes
    ----------
    memory
        Bytes there are.
    shape
        In words.
    rooms
        One for each combination.
    """

    memory: int
    shape: str
    rooms: tuple[Room, ...]

    def table(self) -> Shown:
        """Return a row for each combination."""
        headings = (
            "weight bits",
            "eligibility bits",
            "learns",
            "neurons a layer",
            "weights",
            "bytes",
            "of it learning",
        )
        rows = [
            (
                f"{r.weight_bits}",
                f"{r.eligibility_bits}",
                r.learns,
                f"{r.neurons:,}" if r.neurons else "none fits",
                f"{r.weights:,}",
                f"{r.bytes:,}",
                f"{r.learning_bytes:,}",
            )
            for r in self.rooms
        ]
        return Shown(f"Largest networks in {self.memory:,} bytes: {self.shape}", headings, rows)

    __repr__ = as_text
    _repr_html_ = as_html


def largest_networks(
    memory: int | str,
    profile: Profile | str | Path,
    *,
    inputs: int,
    outputs: int,
    neuron: str = "brf",
    layers: int = 1,
    recurrent: bool = True,
    bias: bool = True,
    readout: str = "li",
    learns: Sequence[str] = LEARNS,
    weight_bits: Sequence[int] = (),
    eligibility_bits: Sequence[int] = (),
    packed: bool = False,
) -> LargestNetworks:
    """Return the largest chains of layers that a memory has room for, for each choice of widths and of what learns.

    Parameters
    ----------
    memory
        Bytes, or a size such as "64KiB".
    profile
        Of all other widths.
    inputs, outputs
        Channels, and neurons of the readout.
    neuron, layers, recurrent, bias, readout
        Shape of the chain; all layers have one size.
    learns
        Of "all", "readout" and "nothing".
    weight_bits, eligibility_bits
        Asked to try; () those of the profile.
    packed
        Whether numbers are packed to the bit.

    Raises
    ------
    InputError
        For unknown neurons, sizes below 1, analog chips, and neurons that do not learn on a chip where they shall.
    DoesNotFitError
        For neurons that the chip does not have.
    """
    chip, room = load_profile(profile), size_in_bytes(memory)
    for key, value in (("inputs", inputs), ("outputs", outputs), ("layers", layers)):
        whole(key, value, 1)
    for name in (neuron, readout):
        if name not in MODELS:
            raise InputError(f"neuron {among(name, sorted(MODELS))}")
    _require_bytes(chip, (neuron, readout))
    for name in learns:
        if name not in LEARNS:
            raise InputError(f"learns: {among(name, LEARNS)}")

    def shapes(neurons: int, what: str) -> list[Shape]:
        """Return a chain of layers of so many neurons."""
        out, below = [], inputs
        for _ in range(layers):
            back = neurons if recurrent else 0
            out.append(Shape(get_model(neuron), neurons, below + int(bias), back, learns=what == ALL))
            below = neurons
        return [*out, Shape(get_model(readout), outputs, below + int(bias), learns=what != NOTHING)]

    _check_learning(chip, shapes, learns)
    found = []
    for bits, wide, what in product(
        weight_bits or [int(chip.precision.weight_bits.value)],
        eligibility_bits or [layer_widths(chip, readout=False).eligibility_bits],
        learns,
    ):
        there = overridden(chip, {"precision.weight_bits": bits, "learning.eligibility_bits": wide})
        found.append(_largest(room, there, partial(shapes, what=what), Asked(bits, wide, what), packed))
    words = f"{inputs} inputs, {layers} layer{'s' if layers > 1 else ''} of {neuron}"
    words += f"{', recurrent' if recurrent else ''}{', with biases' if bias else ''}, {outputs} outputs ({readout})"
    return LargestNetworks(room, words, tuple(found))


def _require_bytes(chip: Profile, neurons: Sequence[str]) -> None:
    """Hold a shape to the neurons that a chip has, and its weights to bytes."""
    if chip.analog is not None:
        raise InputError(
            f"profile '{chip.name}' keeps weights in analog cells (section analog), rule: bytes of memory; ask what "
            "the chip holds without --memory (hn.place), or take a digital profile"
        )
    models = chip.runs.models
    for name in neurons:
        if models is not None and name not in models.value:
            raise DoesNotFitError(
                f"neuron '{name}', rule: {told_value(models.value)} (profile '{chip.name}', runs.models); take one of "
                "these, or a profile without this rule"
            )


def _check_learning(chip: Profile, shapes: Callable[[int, str], list[Shape]], learns: Sequence[str]) -> None:
    """Raise InputError where something shall learn that cannot."""
    if set(learns) <= {NOTHING}:
        return
    if not can_learn(chip):
        raise InputError(
            f"learns: profile '{chip.name}' cannot learn (learning.ability: none); ask for learns=('nothing',), on the "
            "command line --no-learn"
        )
    for shape in shapes(1, ALL if ALL in learns else LAST):
        if shape.learns and not shape.model.learns_on_chip:
            raise InputError(
                f"learns: neuron '{shape.model.name}' has no integer Jacobian, nothing learns through it; take another "
                "neuron or learns=('nothing',), on the command line --no-learn"
            )


def _largest(room: int, chip: Profile, shapes: Callable[[int], list[Shape]], which: Asked, packed: bool) -> Room:
    """Return the largest size for which the bytes fit: they grow with every neuron."""

    def taken(neurons: int) -> tuple[int, int]:
        return _bytes(memory_of(shapes(neurons), chip), packed)

    low, high = 0, 1
    while high <= LARGEST and taken(high)[0] <= room:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if taken(middle)[0] <= room else (low, middle)
    if low == 0:
        return Room(*which, 0, 0, 0, 0)
    weights = sum(s.neurons * (s.inputs + s.recurrent) for s in shapes(low))
    return Room(*which, low, weights, *taken(low))


def _bytes(parts: Sequence[LayerMemory], packed: bool) -> tuple[int, int]:
    """Return the bytes of network and learning, and of learning alone."""
    if packed:
        learning, network = (-(-sum(bits) // 8) for bits in ((m.bits for m in parts), (m.network_bits for m in parts)))
    else:
        learning, network = sum(m.whole_bytes for m in parts), sum(m.network_bytes for m in parts)
    return network + learning, learning


def size_in_bytes(memory: int | str) -> int:
    """Return a size in bytes; InputError for what is none."""
    size = parse_size(memory)
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise InputError(f"memory = {memory!r:.40}, rule: bytes from 1, or a size such as '64KiB' or '1M'")
    return int(size)


@dataclass(frozen=True)
class LearningChoice:
    """Connections that learn together, and what the network then takes.

    Attributes
    ----------
    connections
        Their names; () where nothing learns.
    synapses
        That learn.
    bytes
        Of the network and its learning, of which learning `learning_bytes`.
    fits
        Whether the memory has room for it.
    """

    connections: tuple[str, ...]
    synapses: int
    bytes: int
    learning_bytes: int
    fits: bool


@dataclass(frozen=True, repr=False)
class LearnableConnections:
    """Which connections of a network may learn in a memory.

    Attributes
    ----------
    memory
        Bytes there are.
    choices
        All that can learn together, the best that fits (most synapses, then fewest bytes), each one alone, none.
    best
        The best one; None where not even the network without learning fits.
    """

    memory: int
    choices: tuple[LearningChoice, ...]
    best: LearningChoice | None

    def table(self) -> Shown:
        """Return a row for each choice."""
        headings = ("learns", "synapses", "bytes", "of it learning", "fits")
        rows = [
            (
                ", ".join(c.connections) or "nothing",
                f"{c.synapses:,}",
                f"{c.bytes:,}",
                f"{c.learning_bytes:,}",
                "yes" if c.fits else "no",
            )
            for c in self.choices
        ]
        told = "not even the network without learning fits"
        if self.best is not None:
            told = f"best: {', '.join(self.best.connections) or 'nothing learns'}"
        return Shown(f"What may learn in {self.memory:,} bytes; {told}", headings, rows)

    __repr__ = as_text
    _repr_html_ = as_html


def learnable_within(
    qnet: QuantizedNetwork, memory: int | str, options: LearnOptions | None = None, *, packed: bool = False
) -> LearnableConnections:
    """Return which connections of a network may learn so that network and learning fit a memory.

    Of up to 12 connections every choice is tried, of more the largest that fit are taken one after the other.

    Parameters
    ----------
    qnet
        The network, in its profile's widths.
    memory
        Bytes, or a size such as "64KiB".
    options
        Update rule, momentum and parameters; `layers` is what is looked for.
    packed
        Whether numbers are packed to the bit.

    Raises
    ------
    InputError
        For a size that is none, and options that do not fit.
    """
    require("qnet", qnet, QuantizedNetwork)
    room, options = size_in_bytes(memory), options or LearnOptions()
    names = () if nothing_learns(qnet) else learnable_connections(qnet)
    own = _without_learning(qnet, packed)

    def choice(chosen: Sequence[str]) -> LearningChoice | None:
        """Return what a choice takes; None where it cannot learn, as nothing leads from it to an output."""
        if not chosen:
            return LearningChoice((), 0, own, 0, own <= room)
        try:
            parts = learning_memory(qnet, options=replace(options, layers=tuple(chosen)))
        except InputError:
            return None
        total, learning = _bytes(parts, packed)
        return LearningChoice(tuple(chosen), sum(m.synapses for m in parts), total, learning, total <= room)

    best = max((c for c in _tried(names, choice) if c.fits), key=lambda c: (c.synapses, -c.bytes), default=None)
    shown = [choice(names), best, *(choice((name,)) for name in names), choice(())]
    unique = {c.connections: c for c in shown if c is not None}
    return LearnableConnections(room, tuple(unique.values()), best)


def _tried(names: Sequence[str], choice: Callable[[Sequence[str]], LearningChoice | None]) -> Iterator[LearningChoice]:
    """Yield every choice of a few connections; of many those in which the largest that fit come one by one."""
    if len(names) <= MOST_TRIED:
        every = chain([()], *(combinations(names, count) for count, _ in enumerate(names, start=1)))
        yield from (c for c in map(choice, every) if c is not None)
        return
    kept: tuple[str, ...] = ()
    alone = {name: c for name in names if (c := choice((name,))) is not None}
    for name in sorted(alone, key=lambda key: -alone[key].synapses):
        wider = tuple(n for n in names if n in (*kept, name))
        more = choice(wider)
        if more is not None and more.fits:
            kept = wider
    yield from (c for c in (choice(kept), choice(())) if c is not None)


def _without_learning(qnet: QuantizedNetwork, packed: bool) -> int:
    """Return the bytes of weights, states and parameters alone."""
    digital = [] if qnet.profile.analog else qnet.connections
    entries = [(int(c.entries().size), qnet.weight_bits(c)) for c in digital]
    for p in qnet.populations:
        numbers = (p.model.d + len(p.model.fixed_per_neuron)) * p.size
        entries.append((numbers, int(qnet.profile.of(p.name).precision.state_bits.value)))
    bits = sum(count * (width if packed else 8 * -(-width // 8)) for count, width in entries)
    return -(-bits // 8)
