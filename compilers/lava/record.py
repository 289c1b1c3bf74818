"""Reads the files of a run under Lava back into the simulator's terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.rules import builtin_lif
from hypr_neuro.errors import MismatchError
from hypr_neuro.neurons.lif import STATE_BITS
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.fixed_point import sat, scale_zero, wrap
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedLayer


@dataclass
class Recorded:
    """As `traces.trace.Trace`: arrays (T + latency, sample, neuron), readout (sample, T, outputs) in float time."""

    readout: Array
    spikes: dict[str, Array]
    states: dict[str, dict[str, Array]]
    events: dict[str, dict[str, int]]


def read_recorded(
    qnet: QuantizedNetwork, samples: int, record: Sequence[str], folder: Path, events: dict[str, list[int]]
) -> Recorded:
    """Read what `run.run_network` left in `folder`."""
    names = [qnet.name(i) for i in range(len(qnet.layers))]
    outputs = {name: _by_sample(folder / f"{name}.output.npy", samples) for name in names}
    readout = outputs.pop(names[-1])[qnet.tail :].transpose(1, 0, 2)
    states = {}
    for i, layer in enumerate(qnet.layers):
        name = qnet.name(i)
        names_recorded = [s for s in layer.model.state_names if s in record]
        if names_recorded:
            by_name = _states(name, layer, samples, folder)
            states[name] = {s: by_name[s] for s in names_recorded}
    counted = {
        qnet.name(i): dict(zip(layer.model.events, events[qnet.name(i)], strict=True))
        for i, layer in enumerate(qnet.layers)
        if qnet.name(i) in events
    }
    return Recorded(readout, outputs, states, counted)


def _by_sample(path: Path, samples: int) -> Array:
    """Turn (sample · steps, …) of the file into (steps, sample, …)."""
    rows = np.load(path, allow_pickle=False)
    return np.ascontiguousarray(rows.reshape(samples, -1, *rows.shape[1:]).swapaxes(0, 1))


def _states(name: str, layer: QuantizedLayer, samples: int, folder: Path) -> dict[str, Array]:
    """Return each state (steps, sample, n) by its name."""
    state = _by_sample(folder / f"{name}.state.npy", samples)
    states = {s: np.ascontiguousarray(state[:, :, j]) for j, s in enumerate(layer.model.state_names)}
    if builtin_lif(layer) is not None:
        spikes = _by_sample(folder / f"{name}.output.npy", samples)
        states["v"] = potential_before_reset(name, layer, states["u"], states["v"], spikes)
    return states


@cache
def membrane_kernel() -> Callable[..., None]:
    """Make the kernel (u, v_after, dv, bias, v) of the second equation of `neurons.lif`, where v is 0 after a spike.

    u, v_after : (steps, sample, n) int32. dv, bias : (n,). v : (steps, sample, n) int32, filled
    """

    def kernel(u: Any, v_after: Any, dv: Any, bias: Any, v: Any) -> None:
        for t in range(u.shape[0]):
            for b in range(u.shape[1]):
                for i in range(u.shape[2]):
                    before = v_after[t - 1, b, i] if t > 0 else 0
                    full = scale_zero(before, 4096 - dv[i], 12) + u[t, b, i] + bias[i]
                    v[t, b, i] = sat(wrap(full, 32), STATE_BITS)

    return compile_kernel(kernel)


def potential_before_reset(name: str, layer: QuantizedLayer, u: Array, v_after: Array, spikes: Array) -> Array:
    """Compute our v_t, before the reset, from Lava's u_t and its v_{t-1} after the reset; all (steps, sample, n) int32.

        v_t = sat24(zero(v_{t-1} (4096 - dv) / 4096) + u_t + bias), the sum in 32 bits

    Lava's own v_t must be v_t (1 - z_t) with z_t = v_t > vth; raise MismatchError if it is not.
    """
    numbers = dict(zip(layer.model.fixed_per_neuron, layer.per_neuron, strict=True))
    v: Array = np.zeros_like(u)
    membrane_kernel()(u, v_after, numbers["dv"], numbers["bias"], v)
    z = v > numbers["vth"]
    bad = np.argwhere((z != spikes) | (np.where(z, 0, v) != v_after))
    if len(bad):
        step, sample, neuron = (int(i) for i in bad[0])
        at = step, sample, neuron
        raise MismatchError(
            f"{name}, sample {sample}, neuron {neuron}, step {step}: Lava's v after the reset = "
            f"{v_after[at]}, z = {spikes[at]}; its u gives v = {v[at]} before the reset"
        )
    return v
