"""How many threads kernels take."""

from __future__ import annotations

import os

from hypr_neuro.errors import InputError

VARIABLE = "HYPR_NEURO_THREADS"


def threads() -> int:
    """Return the number that ``HYPR_NEURO_THREADS`` states, else that of the cores which this process may use.

    Results are the same for every number.

    Raises
    ------
    InputError
        For a variable that states none.
    """
    stated = os.environ.get(VARIABLE)
    if not stated:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not stated.isdecimal() or int(stated) < 1:
        raise InputError(f"{VARIABLE} = {stated!r:.40}, rule: a whole number, at least 1; set it so, or not at all")
    return int(stated)
