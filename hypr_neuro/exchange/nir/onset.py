"""Where a neuron fires from rest, found by running it: for models whose response to a current is no straight line.

A model that is linear below its threshold says by its Jacobian at rest what any impulse does. Another one, driven by I²
for instance, has a B that is 0 there. The response to an impulse I_0 = i, I_t = 0 after, is how far its states are from
those of a run without current.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array

HORIZON = 256
"""Steps after which an impulse has done what it does."""
PROBED = 4
"""Steps in which a response shows that it is no straight line."""
LINEAR = 1e-6
"""Part of a response by which it may be off a straight line and count as one: rounding, not the model."""
POWERS = range(-20, 21, 2)
"""Impulses that are tried, as powers of 2."""
HALVINGS = 40
JUST_BELOW = 0.99


@dataclass(frozen=True)
class Onset:
    """Smallest impulse that fires a neuron from rest, inf if none of those tried does, and how fast it is forgotten.

    Attributes
    ----------
    impulse : float
        Onset.
    decay : float
        ρ, ρ² = Σ_{t≥1} |s_t|² / Σ_{t≥0} |s_t|² of the response to an impulse just below the onset.
    """

    impulse: float
    decay: float


def is_linear(model: NeuronModel, p: tuple[float, ...], A: Array, b: Array, impulse: float) -> bool:
    """Tell whether states follow s_t = A s_{t-1}, s_0 = b · impulse, for a few steps, or until the neuron fires."""
    (rest, restless), (driven, fired) = _run(model, p, 0.0, PROBED), _run(model, p, impulse, PROBED)
    wanted = b * impulse
    for t in range(min(len(rest), len(driven))):
        away = driven[t] - rest[t]
        scale = max(float(np.abs(away).max()), float(np.abs(wanted).max()))
        if not float(np.abs(away - wanted).max()) <= LINEAR * scale:
            return False
        wanted = A @ wanted
    return restless or not fired


def find_onset(model: NeuronModel, p: tuple[float, ...]) -> Onset:
    """Return the onset among impulses of 2^-20 to 2^20 by trying them, to a part in 2^40."""
    fires = (2.0**k for k in POWERS if _run(model, p, 2.0**k, HORIZON)[1])
    high = next(fires, float("inf"))
    if high == float("inf"):
        return Onset(high, _decay(model, p, 1.0))
    low = high / 4.0 if high > 2.0 ** POWERS[0] else 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if _run(model, p, middle, HORIZON)[1] else (middle, high)
    return Onset(high, _decay(model, p, JUST_BELOW * high))


def _decay(model: NeuronModel, p: tuple[float, ...], impulse: float) -> float:
    (rest, _), (driven, _) = _run(model, p, 0.0, HORIZON), _run(model, p, impulse, HORIZON)
    steps = min(len(rest), len(driven))
    if steps < 2:
        return 0.0
    energy = np.sum((np.array(driven[:steps]) - np.array(rest[:steps])).reshape(steps, -1) ** 2, axis=1)
    # both sums over as many steps, so that a pure exponential gives its ρ for any horizon
    return float(np.sqrt(energy[1:].sum() / energy[:-1].sum())) if energy[:-1].any() else 0.0


def _run(model: NeuronModel, p: tuple[float, ...], impulse: float, steps: int) -> tuple[list[Array], bool]:
    """Return the states after each step, from rest, that come before the first spike, and whether there is one."""
    s: tuple[float, ...] = (0.0,) * model.d
    states: list[Array] = []
    silence = (0.0,) * model.currents
    for t in range(steps):
        s, z = model.float_step(s, 0.0, (impulse, *silence[1:]) if t == 0 else silence, p)
        if z > 0.0 or not np.all(np.isfinite(s)):
            return states, z > 0.0
        states.append(np.array(s, dtype=np.float64))
    return states, False
