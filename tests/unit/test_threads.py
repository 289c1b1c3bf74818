"""How many threads kernels take, and that it can be said."""

from __future__ import annotations

import os
import re

import pytest

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.threads import VARIABLE, threads


def test_cores_that_the_process_may_use_unless_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert 1 <= threads() <= (os.cpu_count() or 1)
    if hasattr(os, "sched_setaffinity"):
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(before)})
            assert threads() == 1
        finally:
            os.sched_setaffinity(0, before)
    monkeypatch.setenv(VARIABLE, "3")
    assert threads() == 3


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_number_that_is_none_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(InputError, match=re.escape(f"{VARIABLE} = '{value}', rule: a whole number, at least 1")):
        threads()
