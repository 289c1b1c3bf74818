"""C text of a neuron's Jacobian, and of one source of eligibility, a synapse or a neuron parameter, through a step.

All of it is what `sim.learning.eligibility` computes, run on symbols: sums of products are 64 bits wide, and what
follows their shift is 32 bits wide wherever the layer's widths prove that it fits, which halves the instructions of a
32-bit processor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from hypr_neuro.compilers.c.learning.symbols import WORD, Scope, Symbol, on_symbols
from hypr_neuro.neurons.structure import Structure, structure
from hypr_neuro.numbers.fixed_point import largest_in
from hypr_neuro.sim.learning import eligibility
from hypr_neuro.sim.learning.layer_plan import LayerPlan

ARITHMETIC = on_symbols(eligibility)
FACTOR = "HN_FACTOR"


@dataclass(frozen=True)
class Source:
    """One source of a layer.

    Attributes
    ----------
    drive : tuple
        b by state, 0 where nothing drives it.
    direct : Symbol or int
        o, what reaches the spike past the states.
    eligibility, waiting, gradient : str
        C text of its entries.
    kinds : tuple of str
        C types of eligibilities and gradients.
    dropped : int
        Bits that a product of signal and e loses.
    """

    drive: tuple[Any, ...]
    direct: Any
    eligibility: str
    waiting: str
    gradient: str
    kinds: tuple[str, str]
    dropped: int


def scope_of(layer: LayerPlan) -> Scope:
    """Make the scope for the symbols of a piece of C."""
    w = layer.widths
    return Scope({w.entry_bits: "entry", w.eligibility_bits: "eligible"})


class Jacobian:
    """A layer's clamped Jacobian as variables a01 (row, column), b0, c0, l0 (C'), f0; 0 where the model has none.

    B has a row for each input current, behind the first as b0_1.
    """

    def __init__(self, scope: Scope, layer: LayerPlan) -> None:
        pattern, largest = structure(layer.model), largest_in(layer.widths.entry_bits)

        def variables(letter: str, mask: Sequence[bool], end: str = "") -> tuple[Any, ...]:
            return tuple(scope.variable(f"{letter}{r}{end}", largest) if has else 0 for r, has in enumerate(mask))

        self.A = tuple(variables(f"a{r}", row) for r, row in enumerate(pattern.A))
        masks = (structure(layer.model, k).B for k in range(layer.model.currents))
        self.B = tuple(variables("b", mask, ending(k)) for k, mask in enumerate(masks))
        self.C = variables("c", pattern.C)
        self.C_prev, self.F = variables("l", pattern.C_prev), variables("f", pattern.F)

    @property
    def names(self) -> Iterator[str]:
        """Return the names of the variables, in the order of `jacobian_lines`."""
        first, *others = self.B
        everything = chain(chain.from_iterable(self.A), first, self.C, self.C_prev, self.F, *others)
        return (x.name for x in everything if isinstance(x, Symbol))


def ending(input_current: int) -> str:
    """Return the end of the names of what belongs to an input current, none for the first."""
    return f"_{input_current}" if input_current else ""


def jacobian_lines(i: int, layer: LayerPlan, at: dict[str, int]) -> list[str]:
    """Write lines that clamp what the neuron's function wrote into j; at : where its parts start in j."""
    d, pattern, scope, bits = layer.model.d, structure(layer.model), scope_of(layer), layer.widths.entry_bits

    def given(key: str, start: int, mask: Sequence[bool]) -> tuple[Any, ...]:
        return tuple(scope.variable(f"j[{at[key] + start + r}]") if has else 0 for r, has in enumerate(mask))

    A = tuple(given("A", r * d, row) for r, row in enumerate(pattern.A))
    others = (given(key, 0, mask) for key, mask in _parts(pattern))
    *clamped, count = ARITHMETIC.clamp_jacobian(A, *others, bits)
    entries = [x for x in chain(chain.from_iterable(clamped[0]), *clamped[1:]) if isinstance(x, Symbol)]
    names = Jacobian(scope, layer).names
    text = _counted(i, entries, names, count)
    for k in range(1, layer.model.currents):
        B = given("B", k * d, structure(layer.model, k).B)
        clamped_row = ARITHMETIC.clamped(B, bits)
        entries = [x for x in clamped_row if isinstance(x, Symbol)]
        text += _counted(i, entries, islice(names, len(entries)), ARITHMETIC.changes(clamped_row, B))
    E = tuple(scope.variable(f"j[{at['E'] + p.place}]") for p in layer.parameters)
    if E:
        clamped = ARITHMETIC.clamped(E, bits)
        text += _counted(i, clamped, (f"e{q}" for q in range(len(E))), ARITHMETIC.changes(clamped, E))
    return text


def _parts(pattern: Structure) -> tuple[tuple[str, Sequence[bool]], ...]:
    return ("B", pattern.B), ("C", pattern.C), ("C_prev", pattern.C_prev), ("F", pattern.F)


def _counted(i: int, entries: Sequence[Symbol], names: Iterator[str], count: Symbol) -> list[str]:
    """Write clamped entries, and how each adds to the count of those that were clamped."""
    text: list[str] = []
    changed = count.parts if count.kind == "sum" else (count,)
    for entry, name, condition in zip(entries, islice(names, len(entries)), changed, strict=True):
        text += [entry.declared(name, FACTOR), f"HN_COUNT(jacobians[{i}], {condition.text(narrow=True)});"]
    return text


def gain_text(layer: LayerPlan, input_current: int = 0) -> str:
    """Write B·C of an input current in C."""
    scope = scope_of(layer)
    jacobian = Jacobian(scope, layer)
    product = ARITHMETIC.gain(jacobian.B[input_current], jacobian.C, layer.widths.coefficient_fraction)
    return str(product.text(narrow=False)) if isinstance(product, Symbol) else str(product)


def drive_lines(layer: LayerPlan) -> list[str]:
    """Write what a unit that arrives at a synapse adds, in variables drive0, …, of states that it reaches.

    Of each input current on which synapses learn.
    """
    w, scope, text = layer.widths, scope_of(layer), list[str]()
    for k, B in enumerate(Jacobian(scope, layer).B):
        if layer.learning(k):
            drive = ARITHMETIC.drive_of_current(B, w.eligibility_fraction, w.coefficient_fraction)
            text += [x.declared(f"drive{r}{ending(k)}", FACTOR) for r, x in enumerate(drive) if isinstance(x, Symbol)]
    return text


def synapse_drive(
    scope: Scope, layer: LayerPlan, largest: int, scale: int | None = None, input_current: int = 0
) -> tuple[Any, ...]:
    """Compute b of a synapse where x arrives; largest : magnitude of x, scale : of messages, None of others."""
    mask, x, end = structure(layer.model, input_current).B, scope.variable("x", largest), ending(input_current)
    bound = layer.widths.largest_drive
    by_current = tuple(scope.variable(f"drive{r}{end}", bound) if t else 0 for r, t in enumerate(mask))
    if scale is not None:
        return tuple(ARITHMETIC.drive_of_number(by_current, x, scale))
    return tuple(ARITHMETIC.drive_of_synapse(by_current, x))


def parameter_drive(scope: Scope, layer: LayerPlan, start: int, fraction: int) -> tuple[Any, ...]:
    """Compute b of a neuron parameter; start : of its derivatives in j, fraction : bits of its eligibilities."""
    P = tuple(scope.variable(f"j[{start + r}]") for r in range(layer.model.d))
    return tuple(ARITHMETIC.drive_of_parameter(P, fraction - layer.widths.state_fraction))


def narrow_input(layer: LayerPlan) -> int:
    """Bound what arrives so that a synapse needs 64 bits in no row; below 0 where any magnitude does."""
    masks, largest = [structure(layer.model, k).B for k in range(layer.model.currents)], 0
    new, *_ = _step(scope_of(layer), layer, (0,) * layer.model.d, 0)
    for state, *reached in zip(new, *masks, strict=True):
        if any(reached) and isinstance(state, Symbol):
            largest = max(largest, state.parts[0].largest or 0)
    return (WORD - largest) // layer.widths.largest_drive


def _step(scope: Scope, layer: LayerPlan, drive: tuple[Any, ...], direct: Any) -> Any:
    """Compute ε', e and whether anything was clamped, in symbols."""
    w, j = layer.widths, Jacobian(scope, layer)
    old = tuple(scope.variable(f"old{r}", largest_in(w.eligibility_bits)) for r in range(layer.model.d))
    return ARITHMETIC.eligibility_step(
        old, j.A, j.C, j.C_prev, j.F, drive, direct, w.coefficient_fraction, w.rounding, w.eligibility_bits
    )


def source_lines(i: int, layer: LayerPlan, source: Source, scope: Scope) -> list[str]:
    """Write lines that take a source's eligibility through a step and add to its gradient.

    i : number of the layer. scope : where the source's symbols were made; Jacobian and g stand before
    """
    d, kind = layer.model.d, source.kinds[0]
    new, e, clipped = _step(scope, layer, source.drive, source.direct)
    text = [f"{kind} *eligibility = {source.eligibility};"]
    text.append("const int32_t " + ", ".join(f"old{r} = eligibility[{r}]" for r in range(d)) + ";")
    names = {id(state): str(r) for r, state in enumerate(new)} | {id(e): ""}
    # in the order in which they were computed
    for symbol in [s for s in scope.known.values() if id(s) in names]:
        suffix = names[id(symbol)]
        text.append(symbol.parts[0].declared(f"full{suffix}"))
        text.append(symbol.declared(f"new{suffix}" if suffix else "e"))
    text += [f"eligibility[{r}] = ({kind}){_text(state)};" for r, state in enumerate(new)]
    text.append(f"HN_COUNT(eligibilities[{i}], {_text(clipped)});")
    effect = _text(e)
    if layer.waiting:
        text += [f"const int32_t effect = {source.waiting};", f"{source.waiting} = ({kind}){effect};"]
        effect = "effect"
    return text + _gradient(i, layer, source, effect)


def _text(x: Any) -> str:
    return str(x.text(narrow=True)) if isinstance(x, Symbol) else str(int(x))


def _gradient(i: int, layer: LayerPlan, source: Source, effect: str) -> list[str]:
    """Write how the gradient takes the product of signal and effect."""
    w, scope = layer.widths, Scope()
    gradient = scope.variable(source.gradient, largest_in(w.accumulator_bits))
    g, e = scope.variable("g", largest_in(w.signal_bits)), scope.variable(effect, largest_in(w.eligibility_bits))
    new, clipped = ARITHMETIC.gradient_step(gradient, g, e, source.dropped, w.accumulator_bits)
    text = ["if (g != 0) {", "    " + new.parts[0].declared("sum")]
    text.append(f"    {source.gradient} = ({source.kinds[1]}){new.text(narrow=True)};")
    new.name = source.gradient
    return [*text, f"    HN_COUNT(accumulators[{i}], {clipped.text(narrow=True)});", "}"]
