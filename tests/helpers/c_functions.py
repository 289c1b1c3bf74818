"""A function with every kind of statement, for tests of the translator to C."""

from __future__ import annotations

from hypr_neuro.numbers.jit import jitable

# --- functions that use what the neurons' do not


@jitable
def branching(x, y):
    if x > y:
        low, high = y, x
    else:
        low, high = x, y
    low, high = high, low
    pair = (low - high, (x, 3))
    total = 0
    for i in range(1, 5):
        total += i * pair[0]
        if total < -100 and not (x == 3 or y == 5):
            return total, pair[1][0]
    return total | 1, -pair[1][1] - -x - (0 <= x < 10)
