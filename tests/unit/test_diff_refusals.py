"""Traces that cannot be compared are refused, in one line that says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made_traces import copied, made

from hypr_neuro.comparing.diff import diff
from hypr_neuro.errors import InputError
from hypr_neuro.traces.trace import Trace


def planted_input() -> tuple[Trace, Trace]:
    a = made(7, 12, 2, (4, 2), 1)
    b = copied(a)
    b.input = a.input.copy()
    b.input[1, 5, 2] ^= 1
    return a, b


def nameless() -> tuple[Trace, Trace]:
    a, b = made(7, 12, 2, (4, 2), 0, "float"), made(7, 12, 2, (4, 2), 1)
    return a, replace(b, origin=None)


def wider() -> tuple[Trace, Trace]:
    return replace(made(7, 12, 2, (4, 2), 1), input=None), made(7, 12, 2, (5, 2), 1)


def renamed() -> tuple[Trace, Trace]:
    a = made(7, 12, 2, (2,), 1)
    b = copied(a)
    return a, Trace(b.readout, {}, {}, {}, {}, 0, replace(b.origin, layers=("other",), latency={}, state_scale={}))


def elsewhere() -> tuple[Trace, Trace]:
    a = made(7, 12, 2, (4, 2), 1)
    return a, replace(a, origin=replace(a.origin, samples=(5, 6)))


def states_alone() -> tuple[Trace, Trace]:
    a, b = made(7, 12, 2, (4, 2), 0, "float"), made(7, 12, 2, (4, 2), 1)
    return replace(a, spikes={}), b


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (planted_input, {}, "different input: sample 1, step 5, channel 2: "),
        (nameless, {}, "got trace: does not say where it comes from"),
        (wider, {}, r"layers\.0, u: 4 neurons in the expected trace, 5 in the other"),
        (renamed, {}, r"nothing in common: expected has readout \(u\), .*; got has other \(output\)"),
        (elsewhere, {}, "no sample in common: expected has 0, 1, got has 5, 6"),
        (states_alone, {}, "nothing to decide on"),
        (lambda: (made(1, 5, 2, (4, 2), 1),) * 2, {"tolerance": 0.1}, "tolerance = 0.1: both traces hold integers"),
        (lambda: (made(1, 5, 2, (4, 2), 1),) * 2, {"tolerance": -1.0}, "tolerance = -1.0, rule: 0 or more"),
        (lambda: (made(1, 5, 2, (4, 2), 1),) * 2, {"window": -1}, "window = -1, rule: 0 or more"),
    ],
)
def test_what_cannot_be_compared_is_refused(make, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        diff(*make(), **options)
    assert "\n" not in str(raised.value)
