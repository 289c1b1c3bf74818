"""Feedback matrices M of rules with error feedback: the learning signal of a layer is M ∂L_t/∂o_t."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.train.kernels import add_product
from hypr_neuro.train.rules.base import Rule

Feedback = str | Sequence[Array]
SEED = 2020


def random_feedback(net: Network, seed: int = SEED) -> list[Array]:
    """Draw an (n, outputs) matrix for each hidden layer, uniform in ±√(6/(n + outputs)), the range of start weights."""
    matrices = []
    for i, layer in enumerate(net.layers[:-1]):
        limit = np.sqrt(6.0 / (layer.size + net.output_size))
        matrices.append(np.random.default_rng([seed, i]).uniform(-limit, limit, (layer.size, net.output_size)))
    return matrices


def feedback_matrices(net: Network, feedback: Feedback) -> tuple[Array, ...]:
    """Make Mᵀ (outputs, n) for each hidden layer: "symmetric" takes the readout's weights for the layer below it."""
    if isinstance(feedback, str):
        if feedback not in ("symmetric", "random"):
            raise InputError(f"feedback = '{feedback}', rule: 'symmetric', 'random' or a matrix for each hidden layer")
        matrices = random_feedback(net)
        if feedback == "symmetric":
            matrices[-1] = net.layers[-1].weight.T
    else:
        matrices = [np.asarray(m, dtype=np.float64) for m in feedback]
    wanted = [(layer.size, net.output_size) for layer in net.layers[:-1]]
    if [m.shape for m in matrices] != wanted:
        raise InputError(f"feedback of shapes {[m.shape for m in matrices]}, rule: {wanted}, (neurons, outputs) each")
    return tuple(np.ascontiguousarray(m.T) for m in matrices)


def check_feedback(rule: Rule, feedback: Feedback) -> None:
    """Refuse matrices, random or given, with a rule whose errors do not go over them."""
    if not rule.error_feedback and not (isinstance(feedback, str) and feedback == "symmetric"):
        shown = f"'{feedback}'" if isinstance(feedback, str) else "matrices"
        way = "its hook 'error' gives learning signals itself" if rule.uses("error") else "errors go over the weights"
        raise InputError(
            f"feedback = {shown} with rule '{rule.name}', rule: 'symmetric', as {way}; leave feedback out, or take a "
            "rule with error feedback, such as 'eprop'"
        )


@cache
def _project_kernel() -> Callable[..., None]:
    def kernel(error: Any, matrix: Any, out: Any) -> None:
        steps, batch, outputs = error.shape
        n = np.uintp(matrix.shape[1])
        for t in range(steps):
            row = error[t].reshape(batch * outputs)
            for b in range(np.uintp(batch)):
                add_product(out[t], b * n, row, b * np.uintp(outputs), matrix)

    return compile_kernel(kernel, disjoint=True)


def project(error: Array, matrix: Array, out: Array) -> None:
    """Add error (λ, batch, outputs) · matrix (outputs, n) to `out` (λ, batch·n)."""
    _project_kernel()(error, matrix.astype(error.dtype), out)
