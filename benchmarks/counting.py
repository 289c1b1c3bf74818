"""Arithmetic of a neuron and step, counted by running the step functions on numbers that count."""

from __future__ import annotations

from typing import Any

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.surrogates import SURROGATES
from hypr_neuro.numbers.unrolled import DOT, MAD, MATT, ROWS


class Counted(float):
    """A number whose sums, products, quotients, signs and comparisons are counted."""

    count = 0


def _counting(name: str) -> Any:
    plain = getattr(float, name)

    def operation(self: float, *others: Any) -> Any:
        Counted.count += 1
        result = plain(self, *others)
        return result if isinstance(result, bool) else Counted(result)

    return operation


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "neg", "abs", "gt", "lt", "ge", "le"):
    setattr(Counted, f"__{_name}__", _counting(f"__{_name}__"))


def operations(model_name: str) -> dict[str, int]:
    """Operations a neuron and step of each stage, weights apart: {"S": …, "P": …}."""
    model = get_model(model_name)
    p = tuple(Counted(v) for v in model.with_coefficients(tuple(q.default for q in model.params)))
    s, z, current = tuple(Counted(0.3) for _ in model.states), Counted(1.0), (Counted(0.5),)
    Counted.count = 0
    new, _ = model.float_step(s, z, current, p)
    new = tuple(Counted(v) for v in new)
    forward, Counted.count = Counted.count + 2 * model.d, 0  # two to flush each state
    psi = SURROGATES[model.surrogate](model.float_psi_arg(s, new, p)) if model.surrogate else Counted(0.0)
    A, B, C, Cp, P, E = model.float_jacobian(s, new, z, current, p, psi)
    d, m, g = model.d, len(model.trainable), Counted(1.0)
    r = MAD[d](s, C, g)
    DOT[d](B, r), DOT[d](B, C) * g
    ROWS[m, d](P, r, E, g), MAD[d](MATT[d](A, r), Cp, g)
    return {"S": forward, "P": Counted.count + 2 * d + m + 1}  # flushes, sums over time
