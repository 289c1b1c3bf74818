"""The record that an error is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hypr_neuro.numbers.arrays import Array


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
        Constants that `integer` takes (entries,), integers; empty for none.
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
