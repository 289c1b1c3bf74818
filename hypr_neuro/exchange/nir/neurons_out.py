"""Neurons as nodes of NIR.

LIF, LI and CUBA LI are exact under forward Euler with the network's dt (equations in `nodes`):

    lif: dt/τ_syn = du, w_in = 1/du, dt/τ_mem = dv, r = 1/dv, v_leak = bias/dv, v_threshold = vth, v_reset = 0
    li:  dt/τ = 1 - κ, r = 1, v_leak = 0
    cuba_li: CubaLI with the values of lif, without threshold and reset

Neurons that have no synaptic current, never leak and have no bias (du = 1, dv = 0) are IF and I with r = 1/dt. LIF and
LI would do for du = 1, but Norse 1.1 ignores their r, and gives the right spikes for CubaLIF.

NIR has no node for the other models. They are written as the LIF that forgets an input impulse at the same rate and
fires from rest on the same impulse: with the local derivatives A, B, C, C' of the model at rest (no spike, no input),

    s_t = A^t B,   h_t = C s_t + C' s_{t-1},   ρ² = Σ_{t≥1} |s_t|² / Σ_{t≥0} |s_t|²  (256 steps)
    dt/τ = 1 - ρ,  r = τ/dt,  v_threshold = θ / max_t h_t,  -θ = argument of the surrogate at rest

Where a model is not linear in its current or below its threshold, derivatives at rest do not say what an impulse does.
Its onset and ρ are then those of the neuron itself, run with impulses (`onset`); v_threshold is that onset. So it is
with neurons of several input currents, run with impulses on the first one; in the standard node all currents are one.

Oscillation, adaptation and refractoriness are lost there; the summary of `write_nir` says so, and so does
`approximate` in the node's metadata. Our own reader takes the exact neuron from the metadata.
"""

from __future__ import annotations

from typing import Any, Protocol

import nir
import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.onset import HORIZON, Onset, find_onset, is_linear
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.neurons.lif_reset import NO_FLOOR
from hypr_neuro.numbers.arrays import Array

MIN_RATE = 1e-9
"""Smallest dt/τ that is written: NIR divides by the rates, so a state that never leaks has no finite τ."""
EULER = "lif", "lif_reset", "lif_multispike", "cuba_li"
"""Models that a node of NIR computes by forward Euler; it says no reset but v_reset, no floor and one spike a step."""
NEVER = 1e30
"""Threshold of a neuron that no impulse brings to fire."""


class NeuronGroup(Protocol):
    """A layer or a population: n neurons of one model, params (n,) each."""

    @property
    def model(self) -> NeuronModel:
        """Return the neurons' model."""

    @property
    def params(self) -> dict[str, Array]:
        """Return the parameters by name, (n,) each."""

    @property
    def size(self) -> int:
        """Return the number of neurons n."""


def reset_of(layer: NeuronGroup) -> str:
    """Return a word of `options`, 'mixed', or 'model' where the reset is part of the model's own dynamics."""
    if "subtract" not in layer.params:
        return "model"
    subtract = layer.params["subtract"]
    delayed = layer.params.get("delayed", np.zeros(layer.size))
    if np.any((subtract != subtract[0]) | (delayed != delayed[0])):
        return "mixed"
    return ("subtract" if subtract[0] else "zero") + ("_delayed" if delayed[0] else "")


def neuron_node(layer: NeuronGroup, dt: float) -> tuple[nir.NIRNode, list[str]]:
    """Return the standard node of a layer's neurons, and what it does not carry."""
    name, n = layer.model.name, layer.size
    if name == "li":
        with np.errstate(over="ignore"):
            rate = -np.expm1(-1.0 / layer.params["tau"])
        return nir.LI(tau=dt / rate, r=np.ones(n), v_leak=np.zeros(n)), []
    if name not in EULER:
        return _linearised(layer, dt)
    kind, values, losses = _euler(layer, dt)
    if name == "cuba_li":
        return getattr(nir, kind)(**values), losses
    if layer.model.most_spikes:
        losses.append(
            "NIR cannot say that a neuron sends several spikes in a step and takes a threshold off for each; other "
            "readers send one and reset to 0 unless they are told"
        )
    elif reset_of(layer) != "zero":
        losses.append(
            f"NIR cannot say that the reset is '{reset_of(layer)}'; other readers reset to 0 unless they are told"
        )
    if np.any(layer.params.get("floor", NO_FLOOR) > NO_FLOOR):
        losses.append("NIR cannot say the floor under v; other readers have none unless they are told")
    threshold = layer.params["vth"].copy()
    return getattr(nir, f"{kind}F")(**values, v_threshold=threshold, v_reset=np.zeros(n)), losses


def _euler(layer: NeuronGroup, dt: float) -> tuple[str, dict[str, Array], list[str]]:
    """Return CubaLI or I, the node's values but threshold and reset, and what these do not carry."""
    du, dv, bias = (layer.params[name] for name in ("du", "dv", "bias"))
    if np.all(du == 1.0) and not dv.any() and not bias.any():
        return "I", {"r": np.full(layer.size, 1.0 / dt)}, []
    losses = [
        f"{name} below {MIN_RATE} is written as {MIN_RATE}; NIR needs finite time constants"
        for name in ("du", "dv")
        if np.any(layer.params[name] < MIN_RATE)
    ]
    fast, slow = np.maximum(du, MIN_RATE), np.maximum(dv, MIN_RATE)
    rates = {"tau_syn": dt / fast, "tau_mem": dt / slow, "r": 1.0 / slow, "w_in": 1.0 / fast}
    return "CubaLI", rates | {"v_leak": bias / slow}, losses


def _linearised(layer: NeuronGroup, dt: float) -> tuple[nir.NIRNode, list[str]]:
    """Return the LIF (LI for a readout) nearest to any other model; see the module's docstring."""
    try:
        rest = [_at_rest(layer, j) for j in range(layer.size)]
    except (ArithmeticError, ValueError) as error:
        text = f"neuron '{layer.model.name}' cannot run with these parameters ({error})"
        raise InputError(
            f"{text}, rule: its step is defined at rest; see the equations of neurons/{layer.model.name}.py"
        ) from error
    A, B, C, C_prev, threshold = (np.array([r[k] for r in rest]) for k in range(5))
    s, h = B, np.einsum("nd,nd->n", C, B)
    peak, first, energy, after_first = h.copy(), h.copy(), np.sum(B * B, axis=1), np.zeros(layer.size)
    with np.errstate(all="ignore"):
        for _ in range(HORIZON - 1):
            previous, s = s, np.einsum("nij,nj->ni", A, s)
            after_first += np.sum(s * s, axis=1)
            peak = np.maximum(peak, np.einsum("nd,nd->n", C, s) + np.einsum("nd,nd->n", C_prev, previous))
        # both sums over as many steps, so that a pure exponential gives its ρ for any horizon
        decay = np.sqrt(after_first / (energy + after_first - np.sum(s * s, axis=1)))
        rate = np.clip(1.0 - np.nan_to_num(decay), MIN_RATE, 1.0)
        fires_at = np.nan_to_num(threshold / peak, nan=NEVER, posinf=NEVER, neginf=-NEVER)
    zeros = np.zeros(layer.size)
    if layer.model.readout:
        return nir.LI(tau=dt / rate, r=first / rate, v_leak=zeros), ["written as LI, linearised at rest"]
    v_threshold = np.where(peak > 0.0, np.clip(fires_at, -NEVER, NEVER), NEVER)
    onsets = _onsets(layer, A, B, v_threshold)
    for j, onset in onsets.items():
        v_threshold[j] = min(onset.impulse, NEVER)
        rate[j] = np.clip(1.0 - onset.decay, MIN_RATE, 1.0)
    node = nir.LIF(tau=dt / rate, r=1.0 / rate, v_leak=zeros, v_threshold=v_threshold, v_reset=zeros.copy())
    said = _what_a_lif_keeps(layer.size, onsets)
    if layer.model.currents > 1:
        said.append(f"its {layer.model.currents} input currents are one in other readers, their sum")
    return node, said


def _onsets(layer: NeuronGroup, A: Array, B: Array, v_threshold: Array) -> dict[int, Onset]:
    """Return by number the neurons whose response is no straight line, each with its onset.

    A spike of a neuron with several input currents depends on more than one number: it is run, too.
    """
    found = {}
    for j in range(layer.size):
        p = _parameters(layer, j)
        impulse = 0.99 * v_threshold[j] if 0.0 < v_threshold[j] < NEVER else 1.0
        with np.errstate(all="ignore"):
            if layer.model.currents > 1 or not is_linear(layer.model, p, A[j], B[j], impulse):
                found[j] = find_onset(layer.model, p)
    return found


def _what_a_lif_keeps(size: int, onsets: dict[int, Onset]) -> list[str]:
    """Return what the summary says of neurons that are written as LIF, the linear ones and the others."""
    said = []
    never = [j for j, onset in onsets.items() if not np.isfinite(onset.impulse)]
    if len(onsets) < size:
        said.append(
            "NIR has no such neuron; written as the LIF of equal decay that fires from rest on the same impulse, "
            "other readers run that LIF"
        )
    if len(never) < len(onsets):
        said.append(
            "NIR has no such neuron, and it is not linear in its current or state; written as the LIF that fires from "
            "rest on the same impulse and forgets the one just below it as fast, other readers run that LIF, which "
            "answers smaller and larger currents otherwise"
        )
    if never:
        said.append(
            f"neuron {never[0]} fires from rest on no impulse up to 2^20 ({len(never)} of {size}); written as a LIF "
            "that never fires"
        )
    return said


def _parameters(layer: NeuronGroup, j: int) -> tuple[float, ...]:
    """Return the parameters and coefficients of neuron j."""
    return layer.model.with_coefficients(tuple(float(layer.params[name][j]) for name in layer.model.param_names))


def _at_rest(layer: NeuronGroup, j: int) -> tuple[Any, Any, Any, Any, float]:
    """Return A (d, d), B (d), C (d), C' (d) of neuron j at rest, through states only, and -(surrogate's argument)."""
    model = layer.model
    p = _parameters(layer, j)
    rest, current = (0.0,) * model.d, (0.0,) * model.currents
    s, _ = model.float_step(rest, 0.0, current, p)
    A, B = model.float_jacobian(rest, s, 0.0, current, p, 0.0)[:2]
    C, C_prev = model.float_jacobian(rest, s, 0.0, current, p, 1.0)[2:4]
    argument = 0.0 if model.float_psi_arg is None else float(model.float_psi_arg(rest, s, p))
    by_first_current: Array = np.asarray(B, dtype=np.float64).reshape(model.currents, model.d)[0]
    return A, by_first_current, C, C_prev, -argument
