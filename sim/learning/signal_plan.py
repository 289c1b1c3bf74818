"""Scales of learning signals: what brings the parts of a signal to one unit, and their sum to its width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import SignalTerm
from hypr_neuro.quantizing.parts import QuantizedConnection
from hypr_neuro.sim.learning.layer_plan import LayerPlan
from hypr_neuro.sim.learning.widths import PRODUCT_BITS


@dataclass(frozen=True)
class SignalPlan:
    """How the parts of a population's learning signal become one integer.

    Attributes
    ----------
    downs : tuple of int
        Shift of each part before they are added.
    shift : int
        Of the sum, after which it fits the signal's width.
    unit : int
        log2 of what 1 of the signal stands for, up to a factor that is the same for all.
    """

    downs: tuple[int, ...]
    shift: int
    unit: int


class SignalScales:
    """The `SignalPlan` of each population of a network.

    Parameters
    ----------
    layers : sequence of LayerPlan
        In the order in which a step computes them.
    connections : sequence of QuantizedConnection
        Of the network.
    error_bits : int
        Of an error.
    """

    def __init__(
        self,
        layers: Sequence[LayerPlan],
        connections: Sequence[QuantizedConnection],
        error_bits: int,
    ) -> None:
        self.layers, self.connections = layers, connections
        self.error_bits = error_bits
        self._place = {layer.name: layer.index for layer in layers}
        self._plans: dict[int, SignalPlan] = {}
        self._given: tuple[int, ...] = ()

    def of(self, i: int) -> SignalPlan:
        """Compute the plan of population i.

        A part whose integers stand for more than 1 of those of another keeps its scale and the other is shifted right.
        The sum's bound is that of each part: of errors whole, as their magnitudes sum to 2 at most; of all others a
        quarter of the largest possible, which no network gets near.
        """
        if i not in self._plans:
            self._plans[i] = self._plan(i)
        return self._plans[i]

    def waiting_bits(self, i: int, wait: int) -> int:
        """Count the bits, sign included, of the sum of those parts of population i's signal that wait so long."""
        layer, total = self.layers[i], 0
        for term, down in zip(layer.terms, self.of(i).downs, strict=True):
            if term.wait == wait:
                total += self._part(term)[0] >> (down + 2 * self._of_errors(term))
        return total.bit_length() + 1

    def _of_errors(self, term: SignalTerm) -> bool:
        """Tell whether a part is made of errors alone, so that its bound is known; see `of`."""
        if term.connection is None:
            return True
        return self.layers[self._place[self.connections[term.connection].target]].takes_error_alone

    def take(self, shifts: Sequence[int]) -> None:
        """Keep these shifts, those of the network as it was when it began to learn."""
        self._given = tuple(shifts)
        self._plans.clear()

    def _plan(self, i: int) -> SignalPlan:
        layer = self.layers[i]
        if not layer.active:  # no signal is computed for it
            return SignalPlan((0,) * len(layer.terms), 0, 0)
        parts = [self._part(term) for term in layer.terms]
        if not parts or layer.takes_error_alone:
            return SignalPlan((0,) * len(parts), 0, 1 - self.error_bits)
        top = max(unit for _, unit in parts)
        downs = tuple(min(top - unit, PRODUCT_BITS - 1) for _, unit in parts)
        total = sum(bound >> down for (bound, _), down in zip(parts, downs, strict=True))
        if total.bit_length() > PRODUCT_BITS:
            raise _too_wide(layer.name, total)
        shift = max((total >> 2).bit_length() - (layer.widths.signal_bits - 1), 0)
        shift = self._given[i] if self._given else shift
        return SignalPlan(downs, shift, top + shift)

    def _part(self, term: SignalTerm) -> tuple[int, int]:
        """Return four times the bound of a part of a signal, and log2 of what its integer 1 stands for."""
        if term.connection is None:
            return 4 << (self.error_bits - 1), 1 - self.error_bits
        c = self.connections[term.connection]
        above = self.layers[self._place[c.target]]
        parts = 2 * 4 if above.takes_error_alone else above.size
        incoming = next(i for i in above.incoming if i.place == term.connection)
        largest = self.largest_feedback(above, parts, incoming.weight_top, c.current)
        if largest.bit_length() > PRODUCT_BITS:
            raise _too_wide(above.name, largest)
        # h = nearest(B·C / 2^kc) g keeps the coefficients' fraction, at every connection on the way
        fraction = above.widths.coefficient_fraction - above.model.derivative_exponent
        scale = round(log2(above.drive_scale(c.current)))
        # of a number, which travels as a message
        return largest, self.of(above.index).unit + c.exponent - scale - fraction + incoming.scale

    @staticmethod
    def largest_feedback(above: LayerPlan, parts: int, weight_top: int, input_current: int | None = None) -> int:
        """Bound the sum that a layer sends down over one weight each of `parts` neurons, each at full signal."""
        return parts * weight_top * max(above.largest_gain(input_current), 1) * above.widths.largest_signal


def _too_wide(name: str, largest: int) -> InputError:
    return InputError(
        f"{name}: feedback sums can need {largest.bit_length()} bits, rule: {PRODUCT_BITS}; lower "
        "learning.signal_bits or precision.weight_bits in the profile"
    )
