"""Checks of the options of data sets, and of what integers can take."""

from __future__ import annotations

import numpy as np

from hypr_neuro.data.encoding import suggestion
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array

FRACTIONS = "x holds fractions, rule: integers (spikes or graded values); encode it first (hn.encode)"


def check_whole(data: str, lowest: int, **options: int) -> None:
    """Raise InputError, naming data set and option, unless each option is a whole number of at least `lowest`."""
    for option, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
            raise InputError(f"data '{data}': {option} = {value!r}, rule: a whole number, {lowest} or more")


def holds_fractions(x: Array) -> bool:
    """Tell whether there is a number that is no whole one, which only a float network takes."""
    return x.dtype.kind == "f" and not bool(np.all(x == np.rint(x)))


def of_fractions(x: Array) -> str:
    """Return the error for fractions, with an encoder that takes them."""
    encoding = suggestion(x)
    return f"{FRACTIONS}: --encode {encoding}, or hn.load_data(file, encode='{encoding}')"


def require_integers(data: SequenceData) -> None:
    """Raise InputError, naming the data, unless x holds integers: a chip takes spikes or graded integers."""
    if holds_fractions(data.x):
        raise InputError(f"data '{data.name}': {of_fractions(data.x)}")
