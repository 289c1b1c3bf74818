"""Timing, and the rate at which one core does arithmetic."""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
import numpy as np


def best(call: Callable[[], object], repeat: int = 5) -> float:
    """Shortest time of `call` in seconds, after one call that is not counted."""
    call()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@numba.njit(error_model="numpy")
def _horner(x: np.ndarray, c: float, rounds: int) -> None:
    for _ in range(rounds):
        for i in range(x.size):
            v = x[i]
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            v = v * c + c
            x[i] = v


def arithmetic_rate(dtype: type) -> float:
    """Sums and products a second of one core, numbers in registers: 32 for each number loaded and stored."""
    x = np.ones(1024, dtype)
    return 1024 * 32 * 500 / best(lambda: _horner(x, dtype(0.5), 500))
