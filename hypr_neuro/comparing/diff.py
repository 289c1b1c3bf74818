"""Where two traces part: the first step, layer, sample and neuron at which they differ.

Integers are compared with `==`. A float trace beside an integer one (or two of different scales): spikes with `==`,
states and readout in real units, state_int / state_scale, against a tolerance in parts of the state's range, if one
is given; without one the largest deviation before the first different spike is measured and decides nothing.

Time. Step k of a layer's arrays is float step k - latency, and entries of equal float step stand beside each other.
Layers of equal latency on both sides are compared in all steps, before and after the sample too; others in the
sample's T steps, because an always-on bias acts `latency` steps longer.
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
    """First different entry of one array; what : a state's name, "current", "spikes" or "output" (the readout).

    expected, got : as recorded; in real units where the arrays have different scales
    differing of entries : how many of the compared ones differ
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

    share : of the range, the largest magnitude of the float side (of the expected one, if both or none is float)
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

    values : by what is recorded of its layer, (expected, got), an entry for each of `steps`
    arrivals : the spikes that arrive in the step of the difference
    """

    layer: str
    sample: int
    neuron: int
    steps: tuple[int, ...]
    values: dict[str, tuple[tuple[Number | None, ...], tuple[Number | None, ...]]]
    arrivals: tuple[Arrivals, ...]


@dataclass(frozen=True)
class Diff:
    """What `diff` found.

    time : of every `step`: "device", as the arrays count, or "float" where latencies differ
    differences : one for each array that differs: earliest step first, then in the order of layers, then states,
        spikes, output
    equal_arrays : (layer, what) of the others that were compared, within the tolerance if one applies
    deviations : of states in real units. notes : what could not be compared, in words
    """

    time: str
    differences: tuple[Difference, ...]
    equal_arrays: tuple[Key, ...]
    deviations: tuple[Deviation, ...]
    notes: tuple[str, ...]
    window: Window | None

    @property
    def equal(self) -> bool:
        return not self.differences

    @property
    def first(self) -> Difference | None:
        """The first difference of all, None if there is none."""
        return self.differences[0] if self.differences else None

    @property
    def first_steps(self) -> dict[str, int]:
        """First different step of each layer that differs, earliest first."""
        found: dict[str, int] = {}
        for d in self.differences:
            found.setdefault(d.layer, d.step)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"equal": self.equal, "first": None if self.first is None else asdict(self.first), **asdict(self)}


def diff(expected: Trace, got: Trace, *, tolerance: float | None = None, window: int = 3) -> Diff:
    """Compare what both traces recorded, on the samples and steps that both have.

    tolerance : for states and readouts in real units, in parts of their range; integers of one scale take none
    window : steps before and after the first difference that `Diff.window` shows

    Raises InputError for traces of different input or sizes, with nothing in common, or with nothing that decides.
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
    found = [d for d in differences if d is not None]
    found.sort(key=lambda d: (d.step + sides.shift(d.layer), order[d.layer, d.what]))
    differing = {(d.layer, d.what) for d in found}
    before = _first_spikes([p for p in exact if p.what == SPIKES], len(sides.samples))
    deviations = [_deviation(p, before, ranges[p.key]) for p in real]
    return Diff(
        sides.time,
        tuple(_placed(sides, d) for d in found),
        tuple(p.key for p in (exact if tolerance is None else pairs) if p.key not in differing),
        tuple(_placed(sides, d) for d in deviations if d is not None),
        tuple(sides.notes),
        _window(sides, found[0], window) if found else None,
    )


D = TypeVar("D", Difference, Deviation)


def _placed(sides: Sides, found: D) -> D:
    """Step in the time that is reported, sample by its number."""
    return replace(found, step=found.step + sides.shift(found.layer), sample=sides.samples[found.sample])


def _gap(e: Array, g: Array) -> Array:
    """|e - g|; 0 for equal infinities and for NaN on both sides, infinite for NaN on one."""
    with np.errstate(invalid="ignore"):
        gap = np.abs(e - g)
    gap[(e == g) | (np.isnan(e) & np.isnan(g))] = 0.0
    gap[np.isnan(gap)] = np.inf
    return np.asarray(gap)


def _outside(limit: float) -> Callable[[Array, Array], Array]:
    return lambda e, g: np.asarray(_gap(e, g) > limit)


def _largest(values: Array) -> tuple[int, int, int]:
    """Place of the largest entry of (steps, sample, neuron), the first in that order."""
    step, sample, neuron = np.unravel_index(int(values.argmax()), values.shape)
    return int(step), int(sample), int(neuron)


def _first_difference(pair: Pair, differs: Callable[[Array, Array], Array]) -> Difference | None:
    """First entry, in the order step, sample, neuron, at which `differs`, with the count; `step` is float time."""
    found, differing, entries = None, 0, 0
    for start, e, g in pair.blocks():
        bad = differs(e, g)
        entries += bad.size
        here = int(np.count_nonzero(bad))
        differing += here
        if here and found is None:
            at = _largest(bad)
            found = (start + at[0], at[1], at[2], e[at].item(), g[at].item())
    return None if found is None else Difference(pair.layer, pair.what, *found, differing, entries)


def _first_spikes(pairs: list[Pair], samples: int) -> Array:
    """(sample,) first float step with a different spike in any layer, NEVER where there is none."""
    first = np.full(samples, NEVER)
    for pair in pairs:
        for start, e, g in pair.blocks():
            bad = (e != g).any(axis=2)
            here = np.where(bad.any(axis=0), start + bad.argmax(axis=0), NEVER)
            np.minimum(first, here, out=first)
    return first


def _deviation(pair: Pair, before: Array, scale: float) -> Deviation | None:
    """The largest gap before `before` of each sample; None if no entry is."""
    best, found = -1.0, None
    for start, e, g in pair.blocks():
        gap = _gap(e, g)
        gap[np.arange(start, start + len(gap))[:, None] >= before[None]] = -1.0
        at = _largest(gap)
        if gap[at] > best:
            best = float(gap[at])
            found = (start + at[0], at[1], at[2], float(e[at]), float(g[at]))
    if found is None:
        return None
    share = best / scale if scale else (0.0 if best == 0 else float("inf"))
    return Deviation(pair.layer, pair.what, *found, share, scale)


def _window(sides: Sides, first: Difference, radius: int) -> Window:
    """Around the first difference; `first` has float step and position of the sample."""
    steps = range(first.step - radius, first.step + radius + 1)
    values = {}
    for what in sides.recorded(first.layer):
        lines = [
            [sides.value(side, first.layer, what, t, first.sample, first.neuron) for t in steps] for side in (0, 1)
        ]
        values[what] = (tuple(lines[0]), tuple(lines[1]))
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
    """What `link.source` sent `lag` steps of the linked side's device time before the difference."""
    sent = sides.sent_at(link, lag, first.step)
    fired = [sides.fired(side, link.source, sent, first.sample) for side in (0, 1)]
    return Arrivals(link.source, sent + sides.shift(link.source), *fired)
