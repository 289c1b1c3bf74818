"""An update in integers on Python's own: from a gradient to changed weights and neuron parameters, every width checked.

The arithmetic is that of the definitions themselves: the rule's `steps` (`updates`), then `momentum_step`,
`weight_step` and `rounded_step` (`update`), run on words, which raise where 64 bits would wrap. The gradient of one
neuron parameter is a connection of one synapse a neuron, without a residual. All changes of one neuron then act at
once, by the model's `learned.change`.
"""

from __future__ import annotations

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.words import Table, Word, check_width, error_context, on_words
from hypr_neuro.sim.learning.layer_plan import Tensor
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.sim.learning.update import momentum_step, rounded_step, weight_step
from hypr_neuro.sim.learning.updates import UPDATES

Matrix = list[list[int]]


class ReferenceRule:
    """One connection, or one parameter of a layer, and what it keeps from update to update.

    averages : state of the update rule, by name. momentum, residual : (n, m), empty where there is none
    """

    def __init__(self, tensor: Tensor, plan: LearningPlan) -> None:
        self.name, self.shape, self.tensor, self.options = tensor.name, tensor.shape, tensor.number, plan.options
        self.residual_bits, self.momentum_bits = tensor.residual_bits, plan.momentum_bits
        self.weight_bits = tensor.weight_bits
        (n, m), rule = self.shape, UPDATES[plan.options.rule]
        self.rule_steps = on_words(rule.steps)
        state = rule.state(n, m, plan.layers[tensor.layer].widths.accumulator_bits)
        self.averages = {key: Table(array.shape).numbers() for key, array in state.items()}
        self.average_bits = {key: array.word_bits for key, array in state.items()}
        self.momentum: Matrix = [[0] * m for _ in range(n)] if plan.options.momentum else []
        self.residual: Matrix = [[0] * m for _ in range(n)] if self.residual_bits else []

    def change_parameters(self, gradient: Matrix, rate: int, update: int) -> Matrix:
        """Return what to take off neuron parameters, (n, 1)."""
        return [
            [rounded_step(step, 0, *self._random(update, i, j)) for j, step in enumerate(row)]
            for i, row in enumerate(self._steps(gradient, rate))
        ]

    def change_weights(self, weights: Array, gradient: Matrix, rate: int, update: int) -> None:
        """Change mantissas (n, m) and residuals in place."""
        r = self.residual_bits
        for i, row in enumerate(self._steps(gradient, rate)):
            for j, step in enumerate(row):
                left, old = self.residual[i][j] if r else 0, Word(weights[i, j])
                new, left, _ = weight_step(old, left, step, self.weight_bits, r, *self._random(update, i, j))
                weights[i, j] = check_width(new, max(self.weight_bits, 2), f"{self.name}, weight ({i}, {j})")
                if r:
                    self.residual[i][j] = check_width(int(left), r, f"{self.name}, residual ({i}, {j})")

    def _random(self, update: int, i: int, j: int) -> tuple[int, int, int, int]:
        """Return the words of the random counter for an entry."""
        return self.options.seed, update, self.tensor, i * self.shape[1] + j

    def _steps(self, gradient: Matrix, rate: int) -> list[list[Word]]:
        """Compute steps (n, m) with 16 fraction bits, momentum included."""
        (n, m), o = self.shape, self.options
        state = {
            key: Table.of(values, self.average_bits[key], f"{self.name}, {key}")
            for key, values in self.averages.items()
        }
        step = Table(self.shape, name=f"{self.name}, step")
        with error_context(self.name):
            self.rule_steps(
                Table.of(gradient), tuple(state.values()), Word(rate), Word(o.limit), Word(o.average_shift), step
            )
        for key, table in state.items():
            self.averages[key][:] = table.numbers()
        return [[self._after_momentum(i, j, step[i, j]) for j in range(m)] for i in range(n)]

    def _after_momentum(self, i: int, j: int, step: Word) -> Word:
        if not self.options.momentum:
            return step
        new = momentum_step(step, self.momentum[i][j], self.options.momentum, self.momentum_bits)
        self.momentum[i][j] = check_width(int(new), self.momentum_bits, f"{self.name}, momentum ({i}, {j})")
        return Word(new)
