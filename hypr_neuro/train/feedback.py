"""Feedback matrices M of rules with error feedback: the learning signal of a layer is M ∂L_t/∂o_t."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.train.kernels import add_product
from hypr_neuro.train.networks import hidden_places, returning
from hypr_neuro.train.rules.base import Rule

Feedback = str | Sequence[Array]
SEED = 2020


class FeedbackWay(NamedTuple):
    """One way of errors to a population.

    Attributes
    ----------
    place : int
        Of the population.
    matrix : (outputs, n)
        Mᵀ, times the share of a step that goes into each output, the filter's other factor.
    delay : int
        Steps by which what the population sent was older.
    """

    place: int
    matrix: Array
    delay: int


def random_feedback(net: Network, seed: int = SEED) -> list[Array]:
    """Draw an (n, outputs) matrix for each hidden layer, uniform in ±√(6/(n + outputs)), the range of start weights."""
    matrices = []
    for i in hidden_places(net):
        size = net.populations[i].size
        limit = np.sqrt(6.0 / (size + net.output_size))
        matrices.append(np.random.default_rng([seed, i]).uniform(-limit, limit, (size, net.output_size)))
    return matrices


def feedback_ways(net: Network, feedback: Feedback, leak: float) -> tuple[FeedbackWay, ...]:
    """Return the ways of errors to the hidden populations, from the first to the last.

    "symmetric" takes the weights of the forward connections that lead straight to outputs, one way each, and random
    numbers for a population that has none. leak : κ of the outputs on average
    """
    shares = output_shares(net, leak)[:, None]
    hidden, ways = hidden_places(net), list[FeedbackWay]()
    given = random_feedback(net) if isinstance(feedback, str) else [np.asarray(m, np.float64) for m in feedback]
    wanted = [(net.populations[i].size, net.output_size) for i in hidden]
    if [m.shape for m in given] != wanted:
        raise InputError(f"feedback of shapes {[m.shape for m in given]}, rule: {wanted}, (neurons, outputs) each")
    for i, matrix in zip(hidden, given, strict=True):
        straight = (
            [c for c in returning(net) if c.source == net.populations[i].name and c.target in net.outputs]
            if isinstance(feedback, str) and feedback == "symmetric"
            else []
        )
        ways += [FeedbackWay(i, np.ascontiguousarray(shares * _to_outputs(net, c)), c.delay) for c in straight]
        if not straight:
            ways.append(FeedbackWay(i, np.ascontiguousarray(shares * matrix.T), 0))
    return tuple(ways)


def output_shares(net: Network, leak: float) -> Array:
    """Return for each output the share of a step that goes into it: 1 - κ of a readout, 1 of a trace of spikes."""
    readouts = [(net.population(name).size, net.population(name).model.readout) for name in net.outputs]
    return np.concatenate([np.full(n, 1.0 - leak if readout else 1.0) for n, readout in readouts])


def _to_outputs(net: Network, c: FloatSynapses) -> Array:
    """Return the weights of a connection to an output as a matrix (outputs, n) of all outputs."""
    weights: Any = c.weights
    dense = weights if c.dense else weights.toarray()
    first = sum(net.population(name).size for name in net.outputs[: net.outputs.index(c.target)])
    result = np.zeros((net.output_size, dense.shape[1]))
    result[first : first + len(dense)] = dense
    return result


def check_feedback(rule: Rule, feedback: Feedback) -> None:
    """Refuse an unknown name, and matrices, random or given, with a rule whose errors do not go over them."""
    if isinstance(feedback, str) and feedback not in ("symmetric", "random"):
        raise InputError(f"feedback = '{feedback}', rule: 'symmetric', 'random' or a matrix for each hidden layer")
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
