"""A time step that does not suit a graph's time constants is told with the one that would."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import HyprWarning


def graph(kind: str, tau: float = 0.02) -> nir.NIRGraph:
    n = 3
    ones, zeros = np.ones(n), np.zeros(n)
    spiking: dict[str, Any] = {"v_threshold": ones, "v_reset": zeros}
    nodes: dict[str, nir.NIRNode] = {
        "LIF": nir.LIF(tau=tau * np.array([1.0, 1.5, 2.0]), r=ones, v_leak=zeros, **spiking),
        "LI": nir.LI(tau=tau * np.array([1.0, 1.5, 2.0]), r=ones, v_leak=zeros),
        "CubaLIF": nir.CubaLIF(tau_mem=np.full(n, tau), tau_syn=np.full(n, tau), r=ones, v_leak=zeros, **spiking),
        "IF": nir.IF(r=ones, **spiking),
        "I": nir.I(r=ones),
    }
    nodes = {"in": nir.Input({"input": np.array([2])}), "w": nir.Linear(np.ones((n, 2))), "cell": nodes[kind]}
    return nir.NIRGraph(
        nodes | {"out": nir.Output({"output": np.array([n])})}, [("in", "w"), ("w", "cell"), ("cell", "out")]
    )


def imported(kind: str, dt: float, **options: Any) -> Any:
    reset = {} if kind in ("LI", "I") else {"reset": "zero"}
    return hn.import_nir(graph(kind), dt=dt, **reset, **options)


@pytest.mark.parametrize("kind", ["LIF", "CubaLIF"])
def test_a_step_far_below_the_time_constants_is_told(kind: str) -> None:
    longest = 0.02 if kind == "CubaLIF" else 0.04
    constants = f"time constants of the membranes are 0.02 to {longest} s"
    with pytest.warns(
        HyprWarning, match=rf"dt = 1e-07 s, {constants}: no state leaks .* dt near 0.001 s suits"
    ) as told:
        imported(kind, 1e-7)
    assert len(told) == 1
    assert Path(told[0].filename).name != "doubts.py"


def test_a_step_far_above_the_time_constants_is_told() -> None:
    with pytest.warns(HyprWarning, match=r"dt = 0.5 s, .* every state is forgotten within a step; dt near 0.001 s"):
        imported("LIF", 0.5, integrator="exact")


@pytest.mark.parametrize("kind", ["IF", "I"])
def test_integrators_in_steps_are_told(kind: str) -> None:
    with pytest.warns(HyprWarning, match=r"node 'cell'.* integrates with r = 1, .* counts in steps wants dt = 1"):
        imported(kind, 1e-4)


@pytest.mark.parametrize(("kind", "dt"), [("LIF", 1e-3), ("LIF", 2e-2), ("LI", 1e-8), ("CubaLIF", 1e-5), ("IF", 1.0)])
def test_a_step_that_suits_is_not_told(kind: str, dt: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        imported(kind, dt)
