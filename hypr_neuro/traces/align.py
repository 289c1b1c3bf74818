"""Two traces laid beside each other: the arrays, samples and steps that both have.

Steps in here are float steps: step k of a layer's arrays is float step k - latency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.traces.trace import FLOAT, INTEGER, SPIKES, Link, Origin, Trace

Number = float
"""An entry as it was recorded: int or float."""
Key = tuple[str, str]
"""A layer's name and "spikes", "current", a state's name or "output"."""
OUTPUT = "output"
BLOCK = 1 << 18
"""Entries that are compared in one go: temporary memory stays at a few MB, however long the traces."""
SIDES = ("expected", "got")


@dataclass(frozen=True)
class Pair:
    """One array of both sides, (steps, sample, neuron) from float step `start` on.

    Attributes
    ----------
    layer, what
        Names of the layer and of what was recorded of it, see `Key`.
    start
        Float step of the first row.
    expected, got : (steps, samples, neurons)
        With all samples of their side.
    picks
        Of both sides, the samples to compare.
    units
        Integer units of one real unit on both sides, None where entries are compared with `==`.
    """

    layer: str
    what: str
    start: int
    expected: Array
    got: Array
    picks: tuple[Any, Any]
    units: tuple[float, float] | None

    @property
    def key(self) -> Key:
        """Names of the layer and of what was recorded of it."""
        return self.layer, self.what

    def blocks(self) -> Iterator[tuple[int, Array, Array]]:
        """Yield (float step, expected, got) of consecutive steps; in real units, float64, where `units` are given."""
        steps, samples, neurons = self.expected.shape
        size = max(1, BLOCK // (samples * neurons))
        for first in range(0, steps, size):
            e = self.expected[first : first + size][:, self.picks[0]]
            g = self.got[first : first + size][:, self.picks[1]]
            if self.units is not None:
                e, g = e.astype(np.float64) / self.units[0], g.astype(np.float64) / self.units[1]
            yield self.start + first, e, g


class Sides:
    """Two traces; side 0 is expected, side 1 got.

    Attributes
    ----------
    samples
        Numbers of the common samples.
    steps
        Common T.
    notes
        What only one side has, in words.
    time
        "device" if all layers have equal latencies on both sides and steps can be told as the arrays count them, else
        "float".
    """

    def __init__(self, expected: Trace, got: Trace) -> None:
        self.traces = (expected, got)
        for trace, side in zip(self.traces, SIDES, strict=True):
            trace.check(f"{side} trace")
        self.origins = _origins(*self.traces)
        self.arrays = tuple(_arrays(t, o) for t, o in zip(self.traces, self.origins, strict=True))
        self.notes: list[str] = []
        self._check_time()
        self._find_samples()
        self._find_steps()
        self._check_input()
        self._find_keys()
        integers = all(o.arithmetic == INTEGER for o in self.origins)
        aligned = all(self._latency(0, layer) == self._latency(1, layer) for layer, _ in self.keys)
        self.time = "device" if integers and aligned else "float"

    def _latency(self, side: int, layer: str) -> int:
        return self.origins[side].latency.get(layer, 0)

    def _check_time(self) -> None:
        expected, got = (o.dt for o in self.origins)
        if expected is not None and got is not None and not np.isclose(expected, got, rtol=1e-6, atol=0.0):
            raise InputError(
                f"a step is {expected:g} s in the expected trace, {got:g} s in the other, rule: as long in both; "
                "record both with the same dt"
            )

    def _find_samples(self) -> None:
        numbers = [o.samples or range(t.readout.shape[0]) for t, o in zip(self.traces, self.origins, strict=True)]
        positions_by_side = [{number: i for i, number in enumerate(of_side)} for of_side in numbers]
        common = [number for number in numbers[0] if number in positions_by_side[1]]
        if not common:
            raise InputError(
                f"no sample in common: expected has {_few(numbers[0])}, got has {_few(numbers[1])}; run "
                "both on the same samples"
            )
        for side in (0, 1):
            unshared = [number for number in numbers[side] if number not in positions_by_side[1 - side]]
            if unshared:
                self.notes.append(f"sample {_few(unshared)} only in the {SIDES[side]} trace")
        self.samples = tuple(common)
        self._picks = [np.array([positions[number] for number in common]) for positions in positions_by_side]

    def _find_steps(self) -> None:
        lengths = [t.readout.shape[1] for t in self.traces]
        self.steps = min(lengths)
        self._same_length = lengths[0] == lengths[1]
        if not self._same_length:
            self.notes.append(
                f"the expected trace has {lengths[0]} steps, the other {lengths[1]}: the first "
                f"{self.steps} are compared"
            )

    def _check_input(self) -> None:
        """Raise InputError if both sides kept their input and it differs."""
        one, other = (t.input for t in self.traces)
        if one is None or other is None:
            return
        if one.shape[2] != other.shape[2]:
            raise InputError(
                f"traces of different input: {one.shape[2]} and {other.shape[2]} channels; run both on the same data"
            )
        for sample, i, j in zip(self.samples, *self._picks, strict=True):
            bad = one[i, : self.steps] != other[j, : self.steps]
            if bad.any():
                step, channel = (int(k) for k in np.argwhere(bad)[0])
                raise InputError(
                    f"traces of different input: sample {sample}, step {step}, channel {channel}: "
                    f"{one[i, step, channel]} and {other[j, step, channel]}; run both on the same "
                    "data"
                )

    def _find_keys(self) -> None:
        """Find the common arrays in the order of a step; raise InputError for none or a layer that differs in size."""
        self.keys = [key for key in self.arrays[0] if key in self.arrays[1]]
        if not self.keys:
            has = [", ".join(f"{layer} ({quantity})" for layer, quantity in arrays) for arrays in self.arrays]
            raise InputError(
                f"nothing in common: expected has {has[0]}; got has {has[1]}; record the same of one network"
            )
        for layer, quantity in self.keys:
            sizes = [arrays[layer, quantity].shape[2] for arrays in self.arrays]
            if sizes[0] != sizes[1]:
                raise InputError(
                    f"{layer}, {quantity}: {sizes[0]} neurons in the expected trace, {sizes[1]} in the other; "
                    "give traces of one network"
                )
        for side in (0, 1):
            unshared: dict[str, list[str]] = {}
            for layer, quantity in self.arrays[side].keys() - self.arrays[1 - side].keys():
                unshared.setdefault(layer, []).append(quantity)
            self.notes += [
                f"{layer}: {', '.join(sorted(unshared[layer]))} only in the {SIDES[side]} trace"
                for layer in sorted(unshared)
            ]
        digests = {o.network for o in self.origins if o.network}
        if len(digests) == 2 and self.origins[0].arithmetic == self.origins[1].arithmetic:
            self.notes.append("the traces come from different networks")

    def pairs(self) -> list[Pair]:
        """Return what can be compared, in the order of a step: layer by layer its states, spikes, output."""
        comparable = []
        for layer, quantity in self.keys:
            units = self._units(layer, quantity)
            if units is not None and 0 in units:
                self.notes.append(f"{layer}, {quantity}: the integers have no known scale, not set beside real units")
            else:
                comparable.append(self._pair(layer, quantity, units))
        return comparable

    def _units(self, layer: str, quantity: str) -> tuple[float, float] | None:
        """Return the scales of both sides, 0 where unknown; None for spikes and for integers of one scale.

        Integers of an unknown scale are taken for those of the other side's.
        """
        if quantity == SPIKES or (quantity == OUTPUT and all(layer in o.spiking for o in self.origins)):
            return None
        scales = [o.scale(layer, quantity) or 0.0 for o in self.origins]
        integers = all(o.arithmetic == INTEGER for o in self.origins)
        return None if integers and (scales[0] == scales[1] or 0.0 in scales) else (scales[0], scales[1])

    def _pair(self, layer: str, quantity: str, units: tuple[float, float] | None) -> Pair:
        arrays = [by_key[layer, quantity] for by_key in self.arrays]
        behind = [self._steps_behind(side, layer, quantity) for side in (0, 1)]
        equal = self._latency(0, layer) == self._latency(1, layer)
        start = -behind[0] if equal else 0
        ends = [len(array) - steps for array, steps in zip(arrays, behind, strict=True)]
        # where the lengths differ, the steps after the shorter sample are without input on one side only
        stop = min(ends) if equal and self._same_length else min(*ends, self.steps)
        e, g = (array[start + steps : stop + steps] for array, steps in zip(arrays, behind, strict=True))
        return Pair(layer, quantity, start, e, g, (_as_slice(self._picks[0]), _as_slice(self._picks[1])), units)

    def _steps_behind(self, side: int, layer: str, quantity: str) -> int:
        """Return the steps by which one array runs behind float time: the readout has been shifted back already."""
        return 0 if quantity == OUTPUT else self._latency(side, layer)

    def shift(self, layer: str) -> int:
        """Return what a float step of the layer lacks to the step that is reported."""
        return self._latency(0, layer) if self.time == "device" and layer != INPUT else 0

    def range_of(self, pair: Pair) -> float:
        """Return the largest finite magnitude of the float side, else of the expected one, in real units."""
        kinds = [o.arithmetic for o in self.origins]
        side = 1 if kinds == [INTEGER, FLOAT] else 0
        largest = 0.0
        for _, *arrays in pair.blocks():
            size = np.abs(arrays[side])
            largest = max(largest, float(size.max(where=np.isfinite(size), initial=0.0)))
        return largest

    def recorded(self, layer: str) -> list[str]:
        """Return the names of what either side recorded of a layer, in the order of a step."""
        return list(dict.fromkeys(quantity for arrays in self.arrays for name, quantity in arrays if name == layer))

    def value(self, side: int, layer: str, quantity: str, step: int, place: int, neuron: int) -> Number | None:
        """Return one entry, in real units where the sides have different scales; None if it was not recorded."""
        array = self.arrays[side].get((layer, quantity))
        k = step + self._steps_behind(side, layer, quantity)
        if array is None or not 0 <= k < len(array):
            return None
        units = self._units(layer, quantity)
        entry: Number = array[k, self._picks[side][place], neuron].item()
        return entry / units[side] if units is not None and units[side] else entry

    def links(self) -> tuple[Link, ...]:
        """Return the connections, as the first side that knows them has them."""
        return next((o.links for o in self.origins if o.links), ())

    def sent_at(self, link: Link, lag: int, step: int) -> int:
        """Return the float step in which the source sent what arrives at the target in float step `step`."""
        side = 0 if self.origins[0].links else 1
        source = 0 if link.source == INPUT else self._latency(side, link.source)
        return step + self._latency(side, link.target) - lag - source

    def fired(self, side: int, source: str, step: int, place: int) -> tuple[int, ...] | None:
        """Return the neurons of a layer, or input channels, that are not 0 in a float step; None if not recorded."""
        trace, at = self.traces[side], self._picks[side][place]
        if source == INPUT:
            x = trace.input
            row = None if x is None else x[at, step] if 0 <= step < x.shape[1] else ()
        else:
            spikes, k = trace.spikes.get(source), step + self._latency(side, source)
            row = None if spikes is None else spikes[k, at] if 0 <= k < len(spikes) else ()
        return None if row is None else tuple(int(i) for i in np.flatnonzero(row))


def _arrays(trace: Trace, origin: Origin) -> dict[Key, Array]:
    """Return everything recorded as (steps, sample, neuron), in the order of a step."""
    arrays: dict[Key, Array] = {(layer, quantity): array for layer, quantity, array in trace.recorded()}
    first = 0
    sizes = origin.outputs or ((origin.layers[-1], trace.readout.shape[2]),)
    for layer, size in sizes if trace.readout.shape[2] else ():
        arrays[layer, OUTPUT] = trace.readout[:, :, first : first + size].transpose(1, 0, 2)
        first += size
    unknown = {layer for layer, _ in arrays} - set(origin.layers)
    if unknown:
        raise InputError(f"trace of {', '.join(origin.layers)} holds '{min(unknown)}', rule: only layers that it names")
    return {key: arrays[key] for key in sorted(arrays, key=lambda key: origin.layers.index(key[0]))}


def _origins(*traces: Trace) -> tuple[Origin, Origin]:
    """Return the traces' origins; one that is missing is the other's, or read from the arrays.

    Raise InputError where float and integer meet and one does not say its scale and latency.
    """
    kinds = [INTEGER if t.readout.dtype.kind in "biu" else FLOAT for t in traces]
    for trace, side, kind in zip(traces, SIDES, kinds, strict=True):
        if trace.origin is None and kinds[0] != kinds[1]:
            raise InputError(
                f"{side} trace: does not say where it comes from, and {kind} values beside others need "
                "scale and latency; give it an origin (hypr_neuro.traces.trace.with_origin)"
            )
    of_expected, of_got = (t.origin for t in traces)
    expected = of_expected or _without_samples(of_got) or _guessed(traces[0], kinds[0])
    return expected, of_got or _without_samples(of_expected) or _guessed(traces[1], kinds[1])


def _without_samples(origin: Origin | None) -> Origin | None:
    return None if origin is None else replace(origin, samples=None, network="")


def _guessed(trace: Trace, kind: str) -> Origin:
    """Guess layers in the order of the arrays, the readout as late as the arrays are longer than the sample."""
    names = [*dict.fromkeys(layer for layer, _, _ in trace.recorded() if layer != "readout"), "readout"]
    longest = max((len(array) for _, _, array in trace.recorded()), default=trace.readout.shape[1])
    return Origin(kind, "", tuple(names), latency={"readout": longest - trace.readout.shape[1]})


def _as_slice(index: Array) -> Any:
    """Return consecutive samples as a slice, so that taking them copies nothing."""
    run = bool(np.all(np.diff(index) == 1))
    return slice(int(index[0]), int(index[-1]) + 1) if run else index


def _few(numbers: Any) -> str:
    """Tell the first numbers and how many there are."""
    shown = [str(n) for _, n in zip(range(4), numbers, strict=False)]
    return ", ".join(shown) + (f", … ({len(numbers)} in all)" if len(numbers) > len(shown) else "")
