"""C text of one source of eligibility, a synapse or a neuron parameter, through a step.

Sums of products are 64 bits wide. What follows their shift is 32 bits wide wherever the layer's widths prove that it
fits, which halves the instructions of a 32-bit processor, and 64 otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypr_neuro.neurons.structure import spike_rows, structure
from hypr_neuro.numbers.fixed_point import FLOOR, NEAREST, ZERO
from hypr_neuro.sim.learning.plan import LayerPlan

ROUNDED = {FLOOR: "hn_shr_floor", ZERO: "hn_shr_zero", NEAREST: "hn_shr_nearest"}
"""What `fixed_point.shr` does by the code of its rule."""
WORD = (1 << 31) - 1


@dataclass(frozen=True)
class Drive:
    """What drives a state: factors whose product it is, in C, and its largest magnitude, None if nothing is known."""

    factors: tuple[str, ...]
    largest: int | None

    def text(self, narrow: bool) -> str:
        """In 32 or 64 bits."""
        cast = "" if narrow or len(self.factors) == 1 else "(int64_t)"
        return cast + " * ".join(self.factors)


@dataclass(frozen=True)
class Source:
    """One source of a layer.

    drives : by state, None where nothing does. direct : what reaches the spike past the states, "" for nothing
    eligibility, waiting, gradient : C text of its entries. kinds : C types of eligibilities and gradients
    dropped : bits that a product of signal and e loses
    """

    drives: tuple[Drive | None, ...]
    direct: str
    eligibility: str
    waiting: str
    gradient: str
    kinds: tuple[str, str]
    dropped: int


def largest_drive(layer: LayerPlan) -> int:
    """Largest magnitude of round(B 2^fe / 2^kc)."""
    return (
        ((_top(layer.widths.entry_bits) + 1) << layer.widths.eligibility_fraction) >> layer.widths.coefficient_fraction
    ) + 1


def narrow_input(layer: LayerPlan) -> int:
    """Largest magnitude of what arrives for which a synapse needs 64 bits in no row; below 0 where any does."""
    model = structure(layer.model)
    moved = [_shifted(layer, sum(row) + f) for row, b, f in zip(model.A, model.B, model.F, strict=True) if b]
    return (WORD - max(moved, default=0)) // largest_drive(layer)


def source_lines(i: int, layer: LayerPlan, source: Source) -> list[str]:
    """Lines of C that take its eligibility through a step and add to its gradient; a, b, c, l, f and g stand before.

    i : number of the layer
    """
    d, model = layer.model.d, structure(layer.model)
    kind = source.kinds[0]
    text = [f"{kind} *eligibility = {source.eligibility};"]
    text.append("const int32_t " + ", ".join(f"old{r} = eligibility[{r}]" for r in range(d)) + ";")
    for r in range(d):
        text += [] if spike_rows(layer.model)[r] else _row(layer, source, r, spike=False)
    parts = [f"(int64_t)c{r} * new{r}" for r in range(d) if model.C[r]]
    parts += [f"(int64_t)l{r} * old{r}" for r in range(d) if model.late[r]]
    narrow = not source.direct and _shifted(layer, len(parts)) <= WORD
    total = " + ".join([*parts, *[source.direct] * bool(source.direct)]) or "0"
    text += _clipped(
        "full",
        "e",
        f"hn_shr_nearest({total}, {layer.widths.coefficient_fraction})",
        "",
        narrow,
        layer.widths.eligibility_bits,
    )
    for r in range(d):
        text += _row(layer, source, r, spike=True) if spike_rows(layer.model)[r] else []
    text += [f"eligibility[{r}] = ({kind})new{r};" for r in range(d)]
    differs = " || ".join(["e != full", *(f"new{r} != full{r}" for r in range(d))])
    text.append(f"HN_COUNT(eligibilities[{i}], {differs});")
    effect = "e"
    if layer.waiting:
        effect = "effect"
        text += [f"const int32_t effect = {source.waiting};", f"{source.waiting} = ({kind})e;"]
    return text + _gradient(i, layer, source, effect)


def _row(layer: LayerPlan, source: Source, r: int, *, spike: bool) -> list[str]:
    """The new value of state r's eligibility."""
    there = structure(layer.model).A[r]
    parts = [f"(int64_t)a{r}{c} * old{c}" for c in range(len(there)) if there[c]]
    parts += [f"(int64_t)f{r} * e"] * spike
    drive, largest = source.drives[r], _shifted(layer, len(parts))
    if drive is not None:
        largest += WORD + 1 if drive.largest is None else drive.largest
    narrow = largest <= WORD
    moved = (
        f"{ROUNDED[layer.widths.rounding]}({' + '.join(parts)}, {layer.widths.coefficient_fraction})" if parts else "0"
    )
    return _clipped(
        f"full{r}", f"new{r}", moved, "" if drive is None else drive.text(narrow), narrow, layer.widths.eligibility_bits
    )


def _shifted(layer: LayerPlan, products: int) -> int:
    """Largest magnitude of so many products of entries and eligibilities after their shift."""
    k, largest = layer.widths.coefficient_fraction, _top(layer.widths.entry_bits) * _top(layer.widths.eligibility_bits)
    return (products * largest + (1 << k)) >> k


def _clipped(full: str, kept: str, shifted: str, more: str, narrow: bool, bits: int) -> list[str]:
    """full = shifted + more, kept = full inside so many bits."""
    cast, plus = "(int32_t)" if narrow else "", f" + {more}" if more else ""
    kind, inside = ("int32_t", f"clip({full}, {_top(bits)})") if narrow else ("int64_t", f"eligible({full})")
    return [f"const {kind} {full} = {cast}{shifted}{plus};", f"const int32_t {kept} = {inside};"]


def _gradient(i: int, layer: LayerPlan, source: Source, effect: str) -> list[str]:
    """The gradient takes the product of signal and effect."""
    most, dropped = _top(layer.widths.accumulator_bits), source.dropped
    added = (_top(layer.widths.signal_bits) * _top(layer.widths.eligibility_bits) + (1 << dropped)) >> dropped
    narrow = most + added <= WORD
    kind, cast = ("int32_t", "(int32_t)") if narrow else ("int64_t", "")
    kept = f"clip(sum, {most})" if narrow else f"hn_sat(sum, {layer.widths.accumulator_bits})"
    return [
        "if (g != 0) {",
        f"    const {kind} sum = {source.gradient} + {cast}hn_shr_nearest((int64_t)g * {effect}, {dropped});",
        f"    {source.gradient} = ({source.kinds[1]}){kept};",
        f"    HN_COUNT(accumulators[{i}], {source.gradient} != sum);",
        "}",
    ]


def _top(bits: int) -> int:
    return (1 << (bits - 1)) - 1
