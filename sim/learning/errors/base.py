"""The record that an error is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from random import Random

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.words import Table, Word, check_width, on_words

TRIED = tuple(product((4, 12), (8, 16), (0, 6, 12, 20, 30)))
"""Fraction bits, bits of an error and bits of the outputs with which a record's function is run once."""
CLASSES = 4
"""Outputs in these runs."""


def whole(bits: int) -> int:
    """Return 2^(bits - 1), the integer error that stands for 1 where full scale is just not reached."""
    return 1 << (bits - 1)


@dataclass(frozen=True)
class OutputError:
    """One error of a step, in integers and in real numbers.

    Attributes
    ----------
    name : str
        That of its file.
    description : str
        What it is, as tables of the docs say it.
    integer : callable
        Jitable (output, label, table, fraction, bits, error) -> None; output (classes,) the readout's integers with
        `fraction` fraction bits, error (classes,) filled with numbers of `bits` bits. The simulator and Lava compile
        it, C is its syntax tree, and the reference runs it on words.
    real : callable
        The same in real numbers, (output, target) -> error, each (…, classes), target 1 for the label, else 0.
    one : callable
        Integer error, by its width in bits, where the real one is 1.
    table : ndarray
        Constants that `integer` takes (entries,) int64, its indices 0 to entries - 1; empty for none.
    loss : str
        Training loss with this derivative, times `loss_scale` of the number of outputs; "" for none: comparisons then
        train with `real` itself.
    loss_scale : callable
        (outputs) -> factor of that loss.
    """

    name: str
    description: str
    integer: Callable[..., None]
    real: Callable[[Array, Array], Array]
    one: Callable[[int], int] = whole
    table: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    loss: str = ""
    loss_scale: Callable[[int], float] = lambda outputs: 1.0

    def __post_init__(self) -> None:
        """Raise InputError for a table that is none, and where the integers leave it or their width."""
        if not isinstance(self.table, np.ndarray) or self.table.dtype != np.int64 or self.table.ndim != 1:
            kind = getattr(self.table, "dtype", type(self.table).__name__)
            raise InputError(
                f"error '{self.name}': table is {kind} of shape {np.shape(self.table)}, rule: int64 of shape "
                "(entries,); give np.array(…, dtype=np.int64)"
            )
        integer, table = on_words(self.integer), Table.of(self.table.tolist(), name="table")
        for number, (fraction, bits, size) in enumerate(TRIED):
            draw, label = Random(number), number % CLASSES
            output = [draw.randint(-(1 << size), 1 << size) for _ in range(CLASSES)]
            error = Table((CLASSES,), name="error")
            try:
                integer(Table.of(output, name="output"), label, table, Word(fraction), Word(bits), error)
                for k, value in enumerate(error.numbers()):
                    check_width(value, bits, f"error [{k}]")
            except (TypeError, ArithmeticError, ValueError) as fault:
                raise InputError(
                    f"error '{self.name}': of outputs {output} with {fraction} fraction bits and label {label}, "
                    f"{fault}; rule: integers, indices from 0 to the last, errors of {bits} bits: sat(…, bits)"
                ) from fault
