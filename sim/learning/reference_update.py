"""This is the definition of an update in integers: from a gradient to changed weights and neuron parameters.

Update u of a connection of n neurons and m synapses, with gradient G, rate (16 fraction bits) and tensor number t: the
rule makes a step of each entry, with 16 fraction bits as well,

    factored  R_i ← avg(R_i, ⌊Σ_j ⌊G_ij²/2^s⌋ / m⌋), C_j ← avg(C_j, ⌊Σ_i ⌊G_ij²/2^s⌋ / n⌋)      s = dropped(max(n, m))
              D_ij = 2^(s/2) max(⌊⌊√R_i⌋ ⌊√C_j⌋ / max(⌊√⌊Σ R / n⌋⌋, 1)⌋, 1)
              step = clip(⌊G_ij rate / D_ij⌋, ±limit rate)
    layer     R ← avg(R, ⌊Σ_ij ⌊G_ij²/2^s⌋ / (n m)⌋)                                          s = dropped(n m)
              step = clip(⌊G_ij rate / (2^(s/2) max(⌊√R⌋, 1))⌋, ±limit rate)
    sgd       step = clip(nearest(G_ij rate / 2^19), ±2^16 limit)
    sign      step = rate sign(G_ij)

where avg(old, x) = old + ⌊(x - old) / 2^average_shift⌋, or x for an average that is 0. Then, with momentum μ > 0,

    M ← sat(M + nearest((step - M) / 2^μ)) in momentum_bits,  step = M

and, with r = residual_bits, the change in units of 2^-r of a mantissa, by the draw of (seed, u, t, i m + j):

    change = stochastic(step / 2^(16 - r))
    r = 0:  w ← sat(w - change)
    r > 0:  a = clip(w 2^r + residual - change, ±top 2^r),  w ← nearest(a / 2^r),  residual ← a - w 2^r

The gradient of one neuron parameter is a connection of one synapse a neuron, without a residual. All changes of one
neuron then act at once, by the model's `learned.change`.
"""

from __future__ import annotations

from collections.abc import Callable

from hypr_neuro.errors import WidthError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.fixed_point import draw32, isqrt, quotient, sat, shr_floor, shr_nearest, shr_stochastic
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.sim.learning.options import LearnOptions

Matrix = list[list[int]]
PRODUCT_BITS = 64
"""Sums and products of the kernels are 64 bits wide; nothing here may need more."""

STEP_FRACTION, GRADIENT_FRACTION = 16, 19
"""Of a step in mantissas, and of a gradient in signals of full scale on eligibilities of 1."""


def held(value: int, bits: int, what: str) -> int:
    """`value`, if a signed word of `bits` bits holds it; otherwise WidthError naming what it is."""
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise WidthError(f"{what} = {value} leaves its {bits} bits; a rule that keeps it inside is missing")
    return value


def dropped(count: int) -> int:
    """Even number of bits, at least 10, that squares lose so that a sum of `count` of them fits."""
    return 10 + 2 * max(0, (count.bit_length() - 10) // 2)


def clip(value: int, top: int) -> int:
    """`value` between -top and top."""
    return max(-top, min(top, value))


class Rule:
    """One connection, or one parameter of a layer, and what it keeps from update to update.

    averages : "row" and "column", "mean" or nothing, by rule. momentum, residual : (n, m), empty where there is none
    """

    def __init__(
        self,
        name: str,
        shape: tuple[int, int],
        tensor: int,
        options: LearnOptions,
        profile: Profile,
        residual_bits: int,
    ) -> None:
        self.name, self.shape, self.tensor, self.options = name, shape, tensor, options
        self.residual_bits, self.momentum_bits = residual_bits, profile.learning.momentum_bits.value
        self.weight_bits = profile.precision.weight_bits.value
        n, m = shape
        kept = {"factored": {"row": n, "column": m}, "layer": {"mean": 1}}.get(options.rule, {})
        self.averages = {key: [0] * count for key, count in kept.items()}
        self.momentum: Matrix = [[0] * m for _ in range(n)] if options.momentum else []
        self.residual: Matrix = [[0] * m for _ in range(n)] if residual_bits else []

    def changes(self, gradient: Matrix, rate: int, update: int) -> Matrix:
        """(n, m) what to take off, in units of 2^-residual_bits."""
        steps = STEPS[self.options.rule](self, gradient, rate)
        n, m = self.shape
        found = [[0] * m for _ in range(n)]
        for i in range(n):
            for j in range(m):
                step = self._after_momentum(i, j, steps[i][j])
                draw = draw32(self.options.seed, update, self.tensor, i * m + j)
                found[i][j] = shr_stochastic(step, STEP_FRACTION - self.residual_bits, draw)
        return found

    def apply(self, weights: Array, changes: Matrix) -> None:
        """Changed mantissas, in place, and residuals."""
        r, top = self.residual_bits, (1 << (self.weight_bits - 1)) - 1
        for i, row in enumerate(changes):
            for j, change in enumerate(row):
                residual = self.residual[i][j] if r else 0
                exact = clip((int(weights[i, j]) << r) + residual - change, top << r)
                weights[i, j] = held(shr_nearest(exact, r), self.weight_bits, f"{self.name}, weight ({i}, {j})")
                if r:
                    left = exact - (int(weights[i, j]) << r)
                    self.residual[i][j] = held(left, r, f"{self.name}, residual ({i}, {j})")

    def _after_momentum(self, i: int, j: int, step: int) -> int:
        if not self.options.momentum:
            return step
        old = self.momentum[i][j]
        new = sat(old + shr_nearest(step - old, self.options.momentum), self.momentum_bits)
        self.momentum[i][j] = held(new, self.momentum_bits, f"{self.name}, momentum ({i}, {j})")
        return new

    def average(self, key: str, index: int, value: int) -> None:
        """Take `value` into a running average over about 2^average_shift of them; one that is 0 takes the value."""
        old = self.averages[key][index]
        new = old + shr_floor(value - old, self.options.average_shift) if old else value
        self.averages[key][index] = held(new, PRODUCT_BITS, f"{self.name}, {key} average {index}")

    def normalised(self, gradient: int, rate: int, norm: int) -> int:
        """⌊G rate / norm⌋, between ±limit rate."""
        product = held(gradient * rate, PRODUCT_BITS, f"{self.name}: G rate")
        return clip(quotient(product, norm), self.options.limit * rate)


def factored_steps(rule: Rule, gradient: Matrix, rate: int) -> Matrix:
    """Each entry by the roots of its row's and its column's mean square, over that of all."""
    (n, m), lost = rule.shape, dropped(max(rule.shape))
    squares = [[shr_floor(g * g, lost) for g in row] for row in gradient]
    for i in range(n):
        total = held(sum(squares[i]), PRODUCT_BITS, f"{rule.name}, row {i}: sum of squares")
        rule.average("row", i, quotient(total, m))
    for j in range(m):
        total = held(sum(row[j] for row in squares), PRODUCT_BITS, f"{rule.name}, column {j}: sum of squares")
        rule.average("column", j, quotient(total, n))
    rows, columns = ([isqrt(v) for v in rule.averages[key]] for key in ("row", "column"))
    total = held(sum(rule.averages["row"]), PRODUCT_BITS, f"{rule.name}: sum of row averages")
    mean = max(isqrt(quotient(total, n)), 1)
    return [
        [
            rule.normalised(g, rate, max(quotient(rows[i] * columns[j], mean), 1) << (lost // 2))
            for j, g in enumerate(row)
        ]
        for i, row in enumerate(gradient)
    ]


def layer_steps(rule: Rule, gradient: Matrix, rate: int) -> Matrix:
    """All entries by the root of their mean square."""
    n, m = rule.shape
    lost = dropped(n * m)
    total = sum(shr_floor(g * g, lost) for row in gradient for g in row)
    rule.average("mean", 0, quotient(held(total, PRODUCT_BITS, f"{rule.name}: sum of squares"), n * m))
    norm = max(isqrt(rule.averages["mean"][0]), 1) << (lost // 2)
    return [[rule.normalised(g, rate, norm) for g in row] for row in gradient]


def sgd_steps(rule: Rule, gradient: Matrix, rate: int) -> Matrix:
    """The gradient times the rate: 2^19 is one unit at rate 1."""
    product = [[held(g * rate, PRODUCT_BITS, f"{rule.name}: G rate") for g in row] for row in gradient]
    return [
        [clip(shr_nearest(p, GRADIENT_FRACTION), rule.options.limit << STEP_FRACTION) for p in row] for row in product
    ]


def sign_steps(rule: Rule, gradient: Matrix, rate: int) -> Matrix:
    """The rate, against the gradient's sign."""
    return [[rate * ((g > 0) - (g < 0)) for g in row] for row in gradient]


STEPS: dict[str, Callable[[Rule, Matrix, int], Matrix]] = {
    "factored": factored_steps,
    "layer": layer_steps,
    "sgd": sgd_steps,
    "sign": sign_steps,
}
