"""How learning signals travel between Lava's learning processes: numbers of a plan, by the process that needs them."""

from __future__ import annotations

from dataclasses import dataclass

from hypr_neuro.graph.clock import SignalTerm
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.sim.learning.plan import LearningPlan


@dataclass(frozen=True)
class SignalSum:
    """What a population makes of the parts of its learning signal.

    Attributes
    ----------
    shift, bits : int
        Shift of the sum and its width.
    wait : int
        Steps that the sum is under way.
    alone : bool
        Whether it is the error of an output as it is.
    error_down, error_wait : int
        Shift of the error, where it is a part, and the steps that it is under way for itself.
    """

    shift: int
    bits: int
    wait: int
    alone: bool
    error_down: int = 0
    error_wait: int = 0


@dataclass(frozen=True)
class ReturningSignal:
    """What a connection sends back to the population, of `size` neurons, that its spikes come from.

    Attributes
    ----------
    size : int
        Neurons of the population.
    down, wait : int
        Shift of the part, and the steps that it is under way for itself.
    fixed : ndarray or None
        Numbers in place of the weights.
    """

    size: int
    down: int
    wait: int
    fixed: Array | None


def signal_sums(plan: LearningPlan) -> dict[int, SignalSum]:
    """Return the sum of each population that signals reach, by its place."""
    result = {}
    for layer in plan.layers:
        if not plan.active(layer.index):
            continue
        signals = plan.signal_scales.of(layer.index)
        wait, part_waits = _waits(layer.terms)
        error = [(down, w) for t, down, w in zip(layer.terms, signals.downs, part_waits, strict=True) if _is_error(t)]
        down, error_wait = error[0] if error else (0, 0)
        result[layer.index] = SignalSum(
            signals.shift, layer.widths.signal_bits, wait, layer.takes_error_alone, down, error_wait
        )
    return result


def returning_signals(plan: LearningPlan) -> dict[int, ReturningSignal]:
    """Return what goes back over each connection over which something does, by its place."""
    by_place, result = {c.place: c for layer in plan.layers for c in layer.incoming}, {}
    for layer in plan.layers:
        if not plan.active(layer.index):
            continue
        downs, (_, waits) = plan.signal_scales.of(layer.index).downs, _waits(layer.terms)
        for term, down, wait in zip(layer.terms, downs, waits, strict=True):
            if term.connection is not None:
                fixed = plan.fixed_feedback(by_place[term.connection])
                result[term.connection] = ReturningSignal(layer.size, down, wait, fixed)
    return result


def _waits(terms: tuple[SignalTerm, ...]) -> tuple[int, list[int]]:
    """Return how long the sum waits and how long each part: the sum where all wait as long, else each for itself."""
    waits = [term.wait for term in terms]
    return (waits[0], [0] * len(waits)) if len(set(waits)) == 1 else (0, waits)


def _is_error(term: SignalTerm) -> bool:
    return term.connection is None
