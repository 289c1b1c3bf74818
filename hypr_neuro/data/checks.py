"""Checks of the options of data sets."""

from __future__ import annotations

import numpy as np

from hypr_neuro.errors import InputError


def check_whole(data: str, lowest: int, **options: int) -> None:
    """Raise InputError, naming data set and option, unless each option is a whole number of at least `lowest`."""
    for option, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
            raise InputError(f"data '{data}': {option} = {value!r}, rule: a whole number, {lowest} or more")
