"""Bounds of what learning keeps, for any input and whatever the weights become inside their width.

The integer Jacobian is run on every state that the population can have; its entries, between their ends, take
eligibilities from step to step by the very function that a chip learns with. A gradient is a sum over steps: it is
bounded for so many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from hypr_neuro.bounds.found import SAFE, Bound, row_of
from hypr_neuro.bounds.paths import every_path
from hypr_neuro.bounds.population import Register, bounded, population_bounds
from hypr_neuro.bounds.reach import Box, Stepper, Taken, ends_of, named
from hypr_neuro.bounds.rules import fixed_point_on_values, on_values
from hypr_neuro.bounds.sums import connection_sums, current_ends
from hypr_neuro.bounds.values import Ends, Value
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, IntegerNetwork
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning import eligibility
from hypr_neuro.sim.learning.incoming import Incoming
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan


def _arithmetic() -> SimpleNamespace:
    """Return the functions of `sim.learning.eligibility` on values."""
    names = fixed_point_on_values(vars(eligibility))
    for key, value in vars(eligibility).items():
        if isinstance(value, FunctionType) and value.__module__ == eligibility.__name__:
            names[key] = FunctionType(value.__code__, names, key, value.__defaults__)
    return SimpleNamespace(**names)


@dataclass
class JacobianEnds:
    """The clamped Jacobian of one way through a step: ends of A row by row, B of each current, C, C' and F; neurons."""

    active: Array
    A: tuple[tuple[Ends, ...], ...]
    B: tuple[tuple[Ends, ...], ...]
    C: tuple[Ends, ...]
    C_prev: tuple[Ends, ...]
    F: tuple[Ends, ...]


class SourceStepper:
    """One eligibility vector of each neuron, stepped by `eligibility_step`; in the form of a `reach.Stepper`."""

    def __init__(
        self, plan: LayerPlan, entries: list[JacobianEnds], current: int, pre: Ends, scale: int | None
    ) -> None:
        self.plan, self.entries, self.current, self.pre, self.scale = plan, entries, current, pre, scale
        self.model, self.n = SimpleNamespace(d=plan.model.d, readout=True), plan.size
        self.arithmetic = _arithmetic()

    def start(self) -> list[Box]:
        """Return the eligibilities at the start of a sample."""
        zero = np.zeros((self.model.d, self.n))
        return [Box(0, 0, zero, zero.copy())]

    def taken(
        self, boxes: list[Box], clipping: bool, tracking: bool = False, among: Array | None = None
    ) -> Iterator[Taken]:
        """Run every way from every box, of all neurons or `among` some (n,)."""
        box, where = boxes[0], f"{self.plan.name}: eligibilities"
        for entries in self.entries:

            def run(paths: Any, entries: JacobianEnds = entries) -> Any:
                paths.active = entries.active if among is None else entries.active & among
                base: dict[str, Ends] = {f"s{i}": (box.lo[i], box.hi[i]) for i in range(self.model.d)}
                old = tuple(named(paths, f"s{i}", base) for i in range(self.model.d))
                return self._step(paths, base, old, entries)

            if among is not None and not (entries.active & among).any():
                continue
            for paths, (new, effect) in every_path(self.n, clipping, tracking, run, where):
                yield Taken(paths.active, box, new, effect, 0, paths.needs)

    def _step(self, paths: Any, base: dict[str, Ends], old: tuple[Any, ...], entries: JacobianEnds) -> Any:
        w, e = self.plan.widths, self.arithmetic

        def values(row: tuple[Ends, ...]) -> tuple[Any, ...]:
            return tuple(_value(paths, base, ends) for ends in row)

        drive = e.drive_of_current(values(entries.B[self.current]), w.eligibility_fraction, w.coefficient_fraction)
        pre = _value(paths, base, self.pre)
        drive = e.drive_of_synapse(drive, pre) if self.scale is None else e.drive_of_number(drive, pre, self.scale)
        A = tuple(values(row) for row in entries.A)
        new, effect, _ = e.eligibility_step(
            old,
            A,
            values(entries.C),
            values(entries.C_prev),
            values(entries.F),
            drive,
            0,
            w.coefficient_fraction,
            w.rounding,
            w.eligibility_bits,
        )
        return new, effect


def _value(paths: Any, base: dict[str, Ends], ends: Ends) -> Any:
    lo, hi = ends
    if np.array_equal(lo, hi):
        return int(lo[0]) if np.all(lo == lo[0]) else Value(paths, lo, lo, base)
    return Value(paths, lo, hi, base)


def learning_bounds(
    qnet: QuantizedNetwork, options: LearnOptions, inputs: tuple[int, int], steps: int | None
) -> tuple[list[Bound], list[str]]:
    """Bound Jacobians, eligibilities, effects, gradients and learning signals of all that learns.

    Parameters
    ----------
    qnet
        The network; weights that learn may become any that their width holds.
    options
        How it learns.
    inputs
        Smallest and largest number of an input channel.
    steps
        Over which a gradient adds up, None where nobody knows.

    Returns
    -------
    tuple
        The bounds, and notes on what is not covered.

    Raises
    ------
    InputError
        As of `LearningPlan`.
    """
    plan = LearningPlan(qnet, options)
    integer = plan.qnet.integer()
    sources: dict[str, Ends] = {INPUT: (np.full(qnet.inputs, inputs[0], float), np.full(qnet.inputs, inputs[1], float))}
    for p in integer.populations:
        top = np.full(p.size, float(p.named()[p.model.most_spikes]) if p.model.most_spikes else 1.0)
        sources[p.name] = (-np.full(p.size, 2.0**31), np.full(p.size, 2.0**31)) if p.model.readout else (top * 0, top)
    rows, notes, gains = list[Bound](), list[str](), dict[str, Array]()
    for layer in reversed(plan.layers):
        if not layer.active:
            continue
        if layer.parameters:
            learned = ", ".join(p.name for p in layer.parameters)
            notes.append(f"{layer.name}: {learned} learn, so decays have no ends that last: nothing is bounded here")
            continue
        try:
            rows += _layer_bounds(plan, layer, integer, sources, steps, gains, notes)
        except InputError as error:
            notes.append(f"{layer.name}: not bounded while learning: {error}")
    return rows, notes


def _layer_bounds(
    plan: LearningPlan,
    layer: LayerPlan,
    integer: IntegerNetwork,
    sources: dict[str, Ends],
    steps: int | None,
    gains: dict[str, Array],
    notes: list[str],
) -> list[Bound]:
    w = layer.widths
    currents = _any_weights(plan, layer, integer, sources)
    bounds = population_bounds(layer.neurons.integer(), currents)
    entries, registers, gain = _jacobians(layer, currents, bounds.boxes)
    gains[layer.name] = gain
    rows = [_joined(layer.name, "Jacobian entries", w.entry_bits, [(r.least, r.most) for r in registers], w.entry_bits)]
    signal = float(w.largest_signal)
    if not layer.takes_error_alone:
        full = _signal(plan, layer, gains)
        if full is not None:
            rows.append(_joined(layer.name, "learning signal", w.signal_bits, [(-full, full)], w.signal_bits))
        signal = float(largest_in(w.signal_bits))
    for c in layer.incoming if layer.learns else ():
        if c.learns:
            rows += _connection_bounds(layer, c, entries, sources, signal, steps, notes)
    return rows


def _any_weights(plan: LearningPlan, layer: LayerPlan, integer: IntegerNetwork, sources: dict[str, Ends]) -> list[Ends]:
    """Return the ends of a population's currents whatever the weights that learn become."""
    fixed, top = [], float(plan.weight_top)
    model, n = layer.model, layer.size
    free = [np.zeros(n) for _ in range(model.currents)]
    for c in layer.incoming:
        synapses = integer.synapses[c.place]
        if not c.learns:
            fixed += connection_sums(c.place, synapses, sources)
            continue
        # each delay's sum floors apart: one unit more
        largest = np.max(np.abs(_pre(c, sources)), initial=1.0)
        ones: Any = synapses.written_out().weights
        count = np.full(n, float(ones.shape[1])) if isinstance(ones, np.ndarray) else np.diff(ones.indptr)
        count = count * largest + (0.0 if synapses.always_on is None else 1.0)
        groups = len(list(synapses.by_delay()))
        free[c.connection.current] += np.ceil((count * top + synapses.half) * 2.0**c.connection.exponent) + groups
    ends = current_ends(integer, layer.name, fixed)
    return [(lo - more, hi + more) for (lo, hi), more in zip(ends, free, strict=True)]


def _pre(c: Incoming, sources: dict[str, Ends]) -> Array:
    """Return the two ends of what arrives at a synapse."""
    lo, hi = sources[c.source]
    if c.message is not None:
        top = 2.0 ** c.message[1] - 1.0
        return np.array([-top, top])
    return np.array([min(float(lo.min()), 0.0), max(float(hi.max()), 1.0)])


def _clipped(row: Iterable[Any], n: int, limit: float) -> tuple[Ends, ...]:
    """Return the ends of some entries, clamped as the entries are."""
    ends = (ends_of(x, n) for x in row)
    return tuple((np.clip(lo, -limit, limit), np.clip(hi, -limit, limit)) for lo, hi in ends)


def _jacobians(
    layer: LayerPlan, currents: list[Ends], boxes: list[Box]
) -> tuple[list[JacobianEnds], list[Register], Array]:
    """Run the Jacobian after every way through a step; return entries, their registers and the largest |B·C| / 2^kc."""
    stepper = Stepper(layer.neurons.integer(), currents)
    jacobian, arithmetic = on_values(layer.model.fixed_jacobian), _arithmetic()
    index_of = None if layer.model.psi_index is None else on_values(layer.model.psi_index)
    w, n, several = layer.widths, layer.size, layer.model.currents > 1
    found, registers, gain = list[JacobianEnds](), list[Register](), np.zeros(n)

    def after(paths: Any, s: Any, z: Any, I: Any, p: Any, base: dict[str, Ends], states: Any) -> Any:
        index = 0 if index_of is None else index_of(s, states, p)
        psi = _looked_up(paths, base, layer.neurons.psi_table, index, n)
        paths.needs.clear()
        A, B, C, C_prev, _, _, F = jacobian(s, states, z, I, (*p, *layer.learning_numbers), psi)
        paths.needs.clear()
        rows = B if several else (B,)
        A, first, C, C_prev, F, _ = arithmetic.clamp_jacobian(A, rows[0], C, C_prev, F, w.entry_bits)
        rows = (first, *(arithmetic.clamped(row, w.entry_bits) for row in rows[1:]))
        return A, rows, C, C_prev, F, [arithmetic.gain(row, C, w.coefficient_fraction) for row in rows]

    for paths, (A, rows, C, C_prev, F, products) in stepper.after(boxes, after):
        limit = float(largest_in(w.entry_bits))
        of_A, of_rows = (tuple(_clipped(row, n, limit) for row in part) for part in (A, rows))
        of_C, of_C_prev, of_F = (_clipped(row, n, limit) for row in (C, C_prev, F))
        found.append(JacobianEnds(paths.active, of_A, of_rows, of_C, of_C_prev, of_F))
        for row in (*A, *rows, C, C_prev, F):
            for x in row:
                lo, hi = (np.where(paths.active, e, 0.0) for e in ends_of(x, n))
                registers.append(Register("entry", None, w.entry_bits, -limit, limit, lo, hi))
        for x in products:
            lo, hi = ends_of(x, n)
            gain = np.where(paths.active, np.maximum(gain, np.maximum(np.abs(lo), np.abs(hi))), gain)
    return _merged(found), registers, gain


def _merged(found: list[JacobianEnds]) -> list[JacobianEnds]:
    """Join the ways whose A is not 0, and those whose A is: what a reset leaves is no turn."""
    result = []
    for resets in (False, True):
        some = [f for f in found if _forgets(f) == resets]
        if some:
            active = np.logical_or.reduce([f.active for f in some])
            rows = [_hulls(some, [getattr(f, key) for f in some]) for key in ("A", "B", "C", "C_prev", "F")]
            result.append(JacobianEnds(active, *rows))
    return result


def _forgets(entries: JacobianEnds) -> bool:
    return not any(np.any(end[entries.active]) for row in entries.A for ends in row for end in ends)


def _hulls(some: list[JacobianEnds], parts: list[Any]) -> Any:
    """Return the ends of all, in the form of each: tuples of tuples of ends."""
    if isinstance(parts[0][0], tuple):
        return tuple(_hulls(some, list(row)) for row in zip(*parts, strict=True))
    lo = np.min([np.where(f.active, part[0], np.inf) for f, part in zip(some, parts, strict=True)], axis=0)
    hi = np.max([np.where(f.active, part[1], -np.inf) for f, part in zip(some, parts, strict=True)], axis=0)
    there = np.isfinite(lo)
    return np.where(there, lo, 0.0), np.where(there, hi, 0.0)


def _looked_up(paths: Any, base: dict[str, Ends], table: Array, index: Any, n: int) -> Any:
    """Return the entry of the ψ table at an index between two ends."""
    if not isinstance(index, Value):
        return int(table[int(index)])
    index.tight()
    first = np.clip(index.lo, 0, len(table) - 1).astype(int)
    last = np.clip(index.hi, 0, len(table) - 1).astype(int)
    last = np.maximum(first, last)
    lo = np.array([table[a : b + 1].min() for a, b in zip(first, last, strict=True)], float)
    hi = np.array([table[a : b + 1].max() for a, b in zip(first, last, strict=True)], float)
    return _value(paths, base, (lo, hi))


def _connection_bounds(
    layer: LayerPlan,
    c: Incoming,
    entries: list[JacobianEnds],
    sources: dict[str, Ends],
    signal: float,
    steps: int | None,
    notes: list[str],
) -> list[Bound]:
    w, n = layer.widths, layer.size
    low, high = _pre(c, sources)
    pre = np.full(n, low), np.full(n, high)
    stepper = SourceStepper(layer, entries, c.connection.current, pre, None if c.message is None else c.scale)
    reached = bounded(stepper)  # type: ignore[arg-type]  # it has what is used of a Stepper
    limit = float(largest_in(w.eligibility_bits))
    effect = np.zeros(n)
    for taken in stepper.taken(reached, False):
        lo, hi = ends_of(taken.output, n)
        effect = np.where(taken.active, np.maximum(effect, np.maximum(np.abs(lo), np.abs(hi))), effect)
    box = reached[0]
    rows = [
        _joined(c.name, "eligibility", w.eligibility_bits, list(zip(box.lo, box.hi, strict=True)), w.eligibility_bits),
        _joined(c.name, "effect", w.eligibility_bits, [(-effect, effect)], w.eligibility_bits),
    ]
    if rows[1].verdict != SAFE and rows[0].verdict == SAFE:  # the proof supposed that nothing is clipped
        rows[0] = replace(rows[0], verdict=rows[1].verdict, neurons=rows[1].neurons)
    # clipped eligibilities have clipped effects
    largest = np.minimum(np.where(rows[0].verdict == SAFE, effect, limit), limit)
    each = float(np.floor(signal * largest / 2.0**w.gradient_shift + 0.5).max())
    top = float(largest_in(w.accumulator_bits))
    if steps is None:
        fits = int(top // each) if each else 0
        notes.append(f"{c.name}.gradient: {w.accumulator_bits} bits hold any {fits} steps; --steps N (steps=) proves N")
    else:
        most = np.array([each * steps])
        rows.append(_joined(c.name, "gradient", w.accumulator_bits, [(-most, most)], w.accumulator_bits))
    return rows


def _signal(plan: LearningPlan, layer: LayerPlan, gains: dict[str, Array]) -> Array | None:
    """Return the largest magnitude (1,) of a learning signal before it is clipped, whatever the weights become."""
    parts, total = plan.signal_scales.of(layer.index), 0.0
    for term, down in zip(layer.terms, parts.downs, strict=True):
        if term.connection is None:
            total += float(1 << (plan.error_bits - 1)) / 2.0**down + 1.0
            continue
        c = plan.qnet.connections[term.connection]
        above = next(q for q in plan.layers if q.name == c.target)
        if above.name not in gains:
            return None
        total += float(gains[above.name].sum()) * above.widths.largest_signal * plan.weight_top / 2.0**down + 1.0
    return np.array([np.floor(total / 2.0**parts.shift + 0.5)])


def _joined(name: str, quantity: str, declared: int, ends: list[Ends], bits: int) -> Bound:
    """Make the bound of several numbers that have one width."""
    lo, hi = np.min([e[0] for e in ends], axis=0), np.max([e[1] for e in ends], axis=0)
    limit = float(largest_in(bits))
    return row_of(name, quantity, declared, lo, hi, None, (lo >= -limit) & (hi <= limit))
