"""Where two traces part: the first step, layer, sample and neuron at which they differ.

Integers are compared with `==`. A float trace beside an integer one (or two of different scales): spikes with `==`,
states and readout in real units, state_int / state_scale, against a tolerance in parts of the state's range, if one
is given; without one the largest deviation before the first different spike is measured and decides nothing.

Time. Step k of a layer's arrays is float step k - latency, and entries of equal float step stand beside each other.
Layers of equal latency on both sides are compared in all steps, before and after the sample too; others in the
sample's T steps, because a bias axon acts `latency` steps longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.traces.align import Key, Number, Pair, Sides
from hypr_neuro.traces.trace import SPIKES, Link, Trace

NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Difference:
    """First different entry of one array.

    Attributes
    ----------
    layer
        Its layer.
    what
        A state's name, "current", "spikes" or "output" (the readout).
    step, sample, neuron
        Where.
    expected, got
        As recorded; in real units where the arrays have different scales.
    differing, entries
        How many of the compared ones differ.
    """

    layer: str
    what: str
    step: int
    sample: int
    neuron: int
    expected: Number
    got: Number
    differing: int
    entries: int


@dataclass(frozen=True)
class Deviation:
    """Largest |expected - got| of one array before its sample's first different spike, in real units.

    Attributes
    ----------
    share
        Of `range`.
    range
        The largest magnitude of the float side (of the expected one, if both or none is float).
    """

    layer: str
    what: str
    step: int
    sample: int
    neuron: int
    expected: float
    got: float
    share: float
    range: float


@dataclass(frozen=True)
class Arrivals:
    """Neurons of `source` (channels of "input") whose spikes of `step` arrive; None: not recorded."""

    source: str
    step: int
    expected: tuple[int, ...] | None
    got: tuple[int, ...] | None

    @property
    def something(self) -> bool:
        """Whether a spike arrives, or might, on either side."""
        return any(side is None or len(side) > 0 for side in (self.expected, self.got))


@dataclass(frozen=True)
class Window:
    """A neuron around its first different entry; None where a trace has no entry.

    Attributes
    ----------
    values
        By what is recorded of its layer, (expected, got), an entry for each of `steps`.
    arrivals
        The spikes that arrive in the step of the difference.
    """

    layer: str
    sample: int
    neuron: int
    steps: tuple[int, ...]
    values: dict[str, tuple[tuple[Number | None, ...], tuple[Number | None, ...]]]
    arrivals: tuple[Arrivals, ...]


@dataclass(frozen=True)
class Diff:
    """What `diff` finds.

    Attributes
    ----------
    time
        Of every `step`: "device", as the arrays count, or "float" where latencies differ.
    differences
        One for each array that differs: earliest step first, then in the order of layers, then states, spikes, output.
    equal_arrays
        (layer, what) of the others that were compared, within the tolerance if one applies.
    deviations
        Of states in real units.
    notes
        What could not be compared, in words.
    window
        Around the first difference.
    """

    time: str
    differences: tuple[Difference, ...]
    equal_arrays: tuple[Key, ...]
    deviations: tuple[Deviation, ...]
    notes: tuple[str, ...]
    window: Window | None

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    @property
    def first(self) -> Difference | None:
        """The first difference of all, None if there is none."""
        return self.differences[0] if self.differences else None

    @property
    def first_steps(self) -> dict[str, int]:
        """First different step of each layer that differs, earliest first."""
        steps: dict[str, int] = {}
        for d in self.differences:
            steps.setdefault(d.layer, d.step)
        return steps

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"equal": self.equal, "first": None if self.first is None else asdict(self.first), **asdict(self)}


def diff(expected: Trace, got: Trace, *, tolerance: float | None = None, window: int = 3) -> Diff:
    """Compare what both traces recorded, on the samples and steps that both have.

    Parameters
    ----------
    expected, got
        The two traces.
    tolerance
        For states and readouts in real units, in parts of their range; integers of one scale take none.
    window
        Steps before and after the first difference that `Diff.window` shows.

    Raises
    ------
    InputError
        For traces of different input or sizes, with nothing in common, or with nothing that decides.
    """
    require("expected", expected, Trace)
    require("got", got, Trace)
    if tolerance is not None and not 0 <= tolerance < float("inf"):
        raise InputError(f"tolerance = {tolerance}, rule: 0 or more, in parts of a state's range")
    if window < 0:
        raise InputError(f"window = {window}, rule: 0 or more steps")
    sides = Sides(expected, got)
    pairs = sides.pairs()
    exact, real = [p for p in pairs if p.units is None], [p for p in pairs if p.units is not None]
    if tolerance is not None and not real:
        raise InputError(
            f"tolerance = {tolerance}: both traces hold integers of the same scale, rule: they are equal "
            "or not; leave it out"
        )
    if tolerance is None and not exact:
        raise InputError(
            "nothing to decide on: the traces have no spikes in common and no tolerance is given; record "
            "spikes, or give a tolerance"
        )
    ranges = {p.key: sides.range_of(p) for p in real}
    differences = [_first_difference(p, np.not_equal) for p in exact]
    if tolerance is not None:
        differences += [_first_difference(p, _outside(tolerance * ranges[p.key])) for p in real]
    order = {p.key: i for i, p in enumerate(pairs)}
    ordered = [d for d in differences if d is not None]
    ordered.sort(key=lambda d: (d.step + sides.shift(d.layer), order[d.layer, d.what]))
    differing = {(d.layer, d.what) for d in ordered}
    before = _first_spikes([p for p in exact if p.what == SPIKES], len(sides.samples))
    deviations = [_deviation(p, before, ranges[p.key]) for p in real]
    return Diff(
        sides.time,
        tuple(_placed(sides, d) for d in ordered),
        tuple(p.key for p in (exact if tolerance is None else pairs) if p.key not in differing),
        tuple(_placed(sides, d) for d in deviations if d is not None),
        tuple(sides.notes),
        _window(sides, ordered[0], window) if ordered else None,
    )


D = TypeVar("D", Difference, Deviation)


def _placed(sides: Sides, entry: D) -> D:
    """Give the step in the time that is reported and the sample by its number."""
    return replace(entry, step=entry.step + sides.shift(entry.layer), sample=sides.samples[entry.sample])


def _gap(e: Array, g: Array) -> Array:
    """Return |e - g|; 0 for equal infinities and for NaN on both sides, infinite for NaN on one."""
    with np.errstate(invalid="ignore"):
        gap = np.abs(e - g)
    gap[(e == g) | (np.isnan(e) & np.isnan(g))] = 0.0
    gap[np.isnan(gap)] = np.inf
    return np.asarray(gap)


def _outside(limit: float) -> Callable[[Array, Array], Array]:
    return lambda e, g: np.asarray(_gap(e, g) > limit)


def _largest(values: Array) -> tuple[int, int, int]:
    """Return the place of the largest entry of (steps, sample, neuron), the first in that order."""
    step, sample, neuron = np.unravel_index(int(values.argmax()), values.shape)
    return int(step), int(sample), int(neuron)


def _first_difference(pair: Pair, differs: Callable[[Array, Array], Array]) -> Difference | None:
    """Find the first entry, by step, sample, neuron, at which `differs`, with the count; `step` is float time."""
    first, differing, entries = None, 0, 0
    for start, e, g in pair.blocks():
        bad = differs(e, g)
        entries += bad.size
        count = int(np.count_nonzero(bad))
        differing += count
        if count and first is None:
            at = _largest(bad)
            first = (start + at[0], at[1], at[2], e[at].item(), g[at].item())
    return None if first is None else Difference(pair.layer, pair.what, *first, differing, entries)


def _first_spikes(pairs: list[Pair], samples: int) -> Array:
    """Return (sample,) first float step with a different spike in any layer, NEVER where there is none."""
    first = np.full(samples, NEVER)
    for pair in pairs:
        for start, e, g in pair.blocks():
            bad = (e != g).any(axis=2)
            steps = np.where(bad.any(axis=0), start + bad.argmax(axis=0), NEVER)
            np.minimum(first, steps, out=first)
    return first


def _deviation(pair: Pair, before: Array, scale: float) -> Deviation | None:
    """Return the largest gap before `before` of each sample; None if no entry is."""
    best, place = -1.0, None
    for start, e, g in pair.blocks():
        gap = _gap(e, g)
        gap[np.arange(start, start + len(gap))[:, None] >= before[None]] = -1.0
        at = _largest(gap)
        if gap[at] > best:
            best = float(gap[at])
            place = (start + at[0], at[1], at[2], float(e[at]), float(g[at]))
    if place is None:
        return None
    share = best / scale if scale else (0.0 if best == 0 else float("inf"))
    return Deviation(pair.layer, pair.what, *place, share, scale)


def _window(sides: Sides, first: Difference, radius: int) -> Window:
    """Look around the first difference; `first` has float step and position of the sample."""
    steps = range(first.step - radius, first.step + radius + 1)
    values = {}
    for quantity in sides.recorded(first.layer):
        traces = [
            [sides.value(side, first.layer, quantity, t, first.sample, first.neuron) for t in steps] for side in (0, 1)
        ]
        values[quantity] = (tuple(traces[0]), tuple(traces[1]))
    links = [link for link in sides.links() if link.target == first.layer]
    arrivals = [
        a
        for link in links
        for lag in link.lags
        # of a connection with many delays, those that bring something
        if (a := _arrivals(sides, link, lag, first)).something or len(link.lags) == 1
    ]
    shift = sides.shift(first.layer)
    return Window(
        first.layer, sides.samples[first.sample], first.neuron, tuple(t + shift for t in steps), values, tuple(arrivals)
    )


def _arrivals(sides: Sides, link: Link, lag: int, first: Difference) -> Arrivals:
    """Return what `link.source` sent `lag` steps of the linked side's device time before the difference."""
    sent = sides.sent_at(link, lag, first.step)
    fired = [sides.fired(side, link.source, sent, first.sample) for side in (0, 1)]
    return Arrivals(link.source, sent + sides.shift(link.source), *fired)
