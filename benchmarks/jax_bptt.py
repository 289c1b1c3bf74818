"""BPTT of a BRF network with LI readout in JAX, the usual way: one scan over time, jit, float32."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from hypr_neuro import Network


@jax.custom_jvp
def spike(x: jax.Array) -> jax.Array:
    return (x > 0).astype(x.dtype)


@spike.defjvp
def _spike_jvp(primals: tuple, tangents: tuple) -> tuple:
    (x,), (dx,) = primals, tangents
    narrow = jnp.exp(-2.0 * x * x) * 0.7978845608028654
    wide = jnp.exp(-x * x / 18.0) * 0.1329807601338109
    return spike(x), 0.5 * (1.15 * narrow - 0.3 * wide) * dx


def loss_of(p: dict, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean per-step cross-entropy; x (T, batch, channel), y (T, batch)."""
    omega, offset = jnp.abs(p["omega"]), jnp.abs(p["b_offset"])
    bound = (jnp.sqrt(1.0 - (0.01 * omega) ** 2) - 1.0) / 0.01
    kappa = jnp.exp(-1.0 / p["tau"])

    def step(carry: tuple, x_t: jax.Array) -> tuple:
        u, v, q, z, o = carry
        current = x_t @ p["weight"].T + z @ p["recurrent"].T + p["bias"]
        c = bound - offset - q
        u, v = u + 0.01 * (c * u - omega * v + current), v + 0.01 * (omega * u + c * v)
        z = spike(u - 1.0 - q)
        q = 0.9 * q + z
        o = kappa * o + (1.0 - kappa) * (z @ p["out"].T)
        return (u, v, q, z, o), o

    hidden, out = jnp.zeros((x.shape[1], omega.size)), jnp.zeros((x.shape[1], kappa.size))
    _, outputs = jax.lax.scan(step, (hidden, hidden, hidden, hidden, out), x)
    return -jnp.take_along_axis(jax.nn.log_softmax(outputs), y[:, :, None], axis=2).mean()


def make_step(net: Network, x: np.ndarray, y: np.ndarray) -> Callable[[], float]:
    """A call that computes loss and gradients of one batch, and returns the loss."""
    hidden, readout = net.layers
    p = {
        "weight": hidden.weight,
        "recurrent": hidden.recurrent,
        "bias": hidden.bias,
        "omega": hidden.params["omega"],
        "b_offset": hidden.params["b_offset"],
        "out": readout.weight,
        "tau": readout.params["tau"],
    }
    p = {name: jnp.asarray(value, jnp.float32) for name, value in p.items()}
    inputs, labels = jnp.asarray(x.transpose(1, 0, 2), jnp.float32), jnp.asarray(y.T)
    compiled = jax.jit(jax.value_and_grad(loss_of))
    return lambda: float(jax.block_until_ready(compiled(p, inputs, labels))[0])
