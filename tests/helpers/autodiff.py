"""What oracles by automatic differentiation share: models' equations under JAX, and the losses, in float64."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
from model_records import Maths, record_of

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_disable_most_optimizations", True)  # half the time to compile; the arrays are tiny

Array = Any


def spike(psi: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Θ with derivative ψ."""

    @jax.custom_jvp
    def theta(x: Array) -> Array:
        return (x > 0).astype(x.dtype)

    @theta.defjvp
    def _(at: tuple[Array], along: tuple[Array]) -> tuple[Array, Array]:
        return theta(at[0]), psi(at[0]) * along[0]

    return theta


def relaxed(value: Array, smooth: Array) -> Array:
    """The value, with the derivative of a smooth function."""
    return jax.lax.stop_gradient(value - smooth) + smooth


@cache
def maths(model: str) -> Maths:
    """Functions for the equation of a model, its spike with the derivative that its record states."""
    psi = record_of(model).psi
    plain = Maths(jnp.exp, jnp.sqrt, jnp.abs, jnp.where, lambda x: x, jnp.cos, jnp.sin, relaxed)
    return plain if psi is None else plain._replace(spike=spike(lambda x: psi(x, plain)))


# --- losses of the outputs o (sample, T, outputs); m (sample, T) is 1 where a step is scored, else 0


def cross_entropy(o: Array, label: Array) -> Array:
    return -jnp.take_along_axis(jax.nn.log_softmax(o), label[..., None], axis=-1)[..., 0]


def per_step_cross_entropy(o: Array, y: Array, m: Array) -> Array:
    return (m * cross_entropy(o, y)).sum() / m.sum()


def mean_cross_entropy(o: Array, y: Array, m: Array) -> Array:
    return cross_entropy((m[..., None] * o).sum(1) / m.sum(1)[:, None], y).mean()


def sum_of_softmax(o: Array, y: Array, m: Array) -> Array:
    return cross_entropy((m[..., None] * jax.nn.softmax(o)).sum(1), y).mean()


def last_step(o: Array, y: Array, m: Array) -> Array:
    last = m.shape[1] - 1 - jnp.argmax(m[:, ::-1], axis=1)
    return cross_entropy(o[jnp.arange(len(o)), last], y).mean()


def squared_error(o: Array, y: Array, m: Array) -> Array:
    target = y if y.ndim == 3 else y[:, None]
    return (m * ((o - target) ** 2).mean(-1)).sum() / m.sum()


LOSS = {f.__name__: f for f in (per_step_cross_entropy, mean_cross_entropy, sum_of_softmax, last_step, squared_error)}
