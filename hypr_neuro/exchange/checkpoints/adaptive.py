"""Adaptive recurrent networks in the form of Yin et al. 2021: modules i2h, h2h and h2o, one or several layers.

Layer k of several has names that end in _k and its time constants in hk, a single one neither; H neurons, C inputs, K
outputs:

    i2h.weight (H, C), i2h.bias (H,)    from below         i2h_1, i2h_2, …
    h2h.weight (H, H), h2h.bias (H,)    from itself        h2h_1, …; a layer without it is not recurrent
    tau_m_h, tau_adp_h (H,)             time constants of membrane and adaptation in steps; tau_m_h1, …
    h2o.weight (K, H), h2o.bias (K,)    to the outputs     h2o, or h2o_k of any k
    tau_m_o (K,)                        of the leaky outputs
    tau_adp_o (K,)                      of outputs that adapt; left out

    a_t = ρ a_{t-1} + (1 - ρ) z_{t-1},  θ_t = 0.01 + 1.8 a_t                  `alif`, b0 and β as the program has them
    u_t = α u_{t-1} + (1 - α) I_t - θ_t z_{t-1},  z_t = Θ(u_t - θ_t)
    o_t = κ o_{t-1} + (1 - κ) (W_out z_t + b_out)                             `li`
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.checkpoints.content import Content
from hypr_neuro.exchange.checkpoints.reading import Reading
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array

MARK = re.compile(r"i2h(_\d+)?\.weight")
OUTPUT = re.compile(r"h2o(_\d+)?\.weight")
CONSTANTS = {"b0": 0.01, "beta": 1.8}
TRAINED = ("tau_u", "tau_a")
LEFT_OUT = "tau_adp_o"
EQUATIONS = (
    "a_t = ρ a_{t-1} + (1 - ρ) z_{t-1},  ρ = e^{-1/tau_adp},  θ_t = 0.01 + 1.8 a_t",
    "u_t = α u_{t-1} + (1 - α) I_t - θ_t z_{t-1},  α = e^{-1/tau_m},  z_t = Θ(u_t - θ_t)",
    "o_t = κ o_{t-1} + (1 - κ) (W_out z_t + b_out),  κ = e^{-1/tau_m_o}",
)
CAUTION = (
    "b0 = 0.01, β = 1.8 and a membrane resistance of 1 are the program's and not in the file; it starts from random "
    "potentials below 0.01 and a = 0.01, this network from 0; outputs are read as leaky ones"
)


def is_adaptive(content: Content) -> bool:
    """Tell whether the file holds such a network."""
    return any(MARK.fullmatch(name) for name in content.arrays)


def read(content: Content, dt: float) -> Reading:
    """Return the network; raise InputError naming file, array and rule."""
    arrays = _Arrays(content)
    if LEFT_OUT in content.arrays:
        content.left_out[LEFT_OUT] = "of outputs that adapt; here they are leaky"
        arrays.used.add(LEFT_OUT)
    layers: list[Layer] = []
    below: int | None = None
    for suffix in arrays.suffixes():
        layers.append(arrays.layer(suffix, below))
        below = layers[-1].weight.shape[0]
    layers.append(arrays.readout(below))
    arrays.check_used()
    try:
        return Reading(Network.from_layers(layers, dt), EQUATIONS, CAUTION)
    except InputError as error:
        raise InputError(f"checkpoint '{content.path}': {error}") from error


class _Arrays:
    """The arrays of a file, of which each has to be read."""

    def __init__(self, content: Content) -> None:
        self.path: Path = content.path
        with np.errstate(over="ignore"):  # a longer float beyond float64 becomes inf, refused where it is read
            self.values = {name: array.astype(np.float64) for name, array in content.arrays.items()}
        self.used: set[str] = set()

    def suffixes(self) -> list[str]:
        """Return "" of a single layer, or "_1", "_2", … of several."""
        found = [match[1] or "" for name in self.values if (match := MARK.fullmatch(name))]
        wanted = [""] if "" in found else [f"_{k}" for k in range(1, len(found) + 1)]
        if sorted(found) != sorted(wanted):
            names = ", ".join(f"i2h{s}.weight" for s in found)
            raise self._fault(f"layers {names}, rule: i2h.weight alone, or i2h_1.weight, i2h_2.weight and so on")
        return wanted

    def layer(self, suffix: str, below: int | None) -> Layer:
        place = f"h{suffix.removeprefix('_')}"
        weight = self._matrix(f"i2h{suffix}.weight", None, below)
        n = len(weight)
        own = f"h2h{suffix}.weight"
        recurrent = self._matrix(own, n, n) if own in self.values else None
        bias = self._optional(f"i2h{suffix}.bias", n) + self._optional(f"h2h{suffix}.bias", n)
        taus = {"tau_u": self._vector(f"tau_m_{place}", n), "tau_a": self._vector(f"tau_adp_{place}", n)}
        params = taus | {name: np.full(n, value) for name, value in CONSTANTS.items()}
        try:
            return Layer(get_model("alif"), weight, recurrent, bias, params, TRAINED)
        except InputError as error:
            raise self._fault(str(error)) from error

    def readout(self, below: int | None) -> Layer:
        names = [name for name in self.values if OUTPUT.fullmatch(name)]
        if len(names) != 1:
            raise self._fault(f"outputs {', '.join(names) or 'are missing'}, rule: one h2o.weight, or h2o_k.weight")
        weight = self._matrix(names[0], None, below)
        bias = self._optional(names[0].replace("weight", "bias"), len(weight))
        tau = self._vector("tau_m_o", len(weight))
        try:
            return Layer(get_model("li"), weight, None, bias, {"tau": tau}, ("tau",))
        except InputError as error:
            raise self._fault(str(error)) from error

    def check_used(self) -> None:
        """Raise InputError for an array that was not read."""
        for name, values in self.values.items():
            if name not in self.used:
                raise self._fault(
                    f"unknown array '{name}' of shape {values.shape}, rule: i2h, h2h, h2o, tau_m and tau_adp of each "
                    "layer; if the network does without it, drop it from the file"
                )

    def _fault(self, what: str) -> InputError:
        return InputError(f"checkpoint '{self.path}': {what}")

    def _matrix(self, name: str, rows: int | None, columns: int | None) -> Array:
        values = self._read(name)
        shape = rows or (values.shape[0] if values.ndim else 0), columns or (values.shape[-1] if values.ndim else 0)
        if values.shape != shape:
            raise self._fault(f"'{name}' of shape {values.shape}, rule: {shape}")
        return values

    def _vector(self, name: str, n: int) -> Array:
        values = self._read(name)
        if values.shape not in ((n,), (1,), ()):
            raise self._fault(f"'{name}' of shape {values.shape}, rule: ({n},)")
        return np.array(np.broadcast_to(values.reshape(-1), (n,)))

    def _optional(self, name: str, n: int) -> Array:
        return self._vector(name, n) if name in self.values else np.zeros(n)

    def _read(self, name: str) -> Array:
        if name not in self.values:
            raise self._fault(f"array '{name}' is missing, found: {', '.join(self.values)}")
        values = self.values[name]
        if not np.all(np.isfinite(values)):
            raise self._fault(f"'{name}' holds numbers that are not finite, rule: finite")
        self.used.add(name)
        return values
