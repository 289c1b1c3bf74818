"""Gradients of every rule against automatic differentiation: JAX in float64, on the equations of the models' records.

Nothing of the package enters the oracle but weights and parameters. It is put together from three derivatives:

    errors     ∂L/∂o_t of the loss, all readouts o_t taken as independent
    signals    g_t = ∂L_t/∂z_t through the layers of step t, with everything that a step starts from held constant
    gradients  of Σ_t <g_t, z_t> through one layer's own states, its input held constant; for bptt, through the whole
               network of Σ_t <∂L/∂o_t, o_t>

A rule is the set of paths that stay open: the spike z_{t-1} inside the state update (`reset`), and in the recurrent
current. What is closed is a `stop_gradient`. For e-prop g_t is M ∂L/∂o_t, and z_t is filtered by the readout's leak.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from autodiff import LOSS, maths
from model_records import record_of

from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.run.forward import readout
from hypr_neuro.testing.networks import random_network, random_spikes, spiking_models
from hypr_neuro.train.gradients import RatePenalty, gradients
from hypr_neuro.train.initial import scale_to_rate

Array = Any
SAMPLES, STEPS = 2, 25
SEED = 7
CASES = {
    "recurrent": {},
    "feed-forward, no bias": {"recurrent": False, "bias": False},
    "two layers": {"hidden": (5, 4)},
}
FORMS = [(model, case) for model in spiking_models() for case in record_of(model).cases]
PAIRS = [(model, case) for model in spiking_models() for case in CASES] + [*FORMS, ("each model", "stack")]
RULES = ("bptt", "hypr", "ostl", "eprop")
LOCAL = RULES[1:]
IN_SINGLE = [(model, case, "hypr") for model, case in PAIRS] + [
    (model, case, ("bptt", "eprop", "ostl")[i % 3]) for i, model in enumerate(spiking_models()) for case in CASES
]
"""32 bits change a model's functions and not the paths of a rule: every model with HYPR and one rule more, in turn."""
RELATIVE = 1e-10
"""Of an array's largest entry; measured: up to 5e-13."""
SINGLE = 1e-4
"""The same in float32, where no spike flips; measured: up to 1.5e-5 with this seed, 5e-5 over six."""


# --- neurons: (states, spike of the previous step, current, parameters) -> (states, output); states are (d, batch, n)


def current(model: str, p: dict[str, Array], y: Array, z: Array) -> Array:
    """W y + V z + b; a bias on the state is in the equation instead."""
    total = y @ p["weight"].T
    if "recurrent" in p:
        total += z @ p["recurrent"].T
    return total + p["bias"] if "bias" in p and get_model(model).bias_on == "current" else total


def rate_penalty(spikes: list[Array], target: float, strength: float) -> Array:
    """Time-major spikes of the hidden layers."""
    return strength * sum(((z.mean(0) - target) ** 2).mean() for z in spikes)


TARGETS = {name: name for name in LOSS} | {"one squared_error target a sample": "squared_error"}


# --- the oracle; arrays are time-major


def gate(keep: float, z: Array) -> Array:
    """z, whose derivative counts if `keep` is 1 and not if it is 0."""
    return keep * z + (1 - keep) * jax.lax.stop_gradient(z)


def run(model: str, p: dict[str, Array], y: Array, reset: float, recurrent: float) -> tuple[Array, Array, Array]:
    """Outputs (T, batch, n), and what each step starts from: states (T, d, batch, n), outputs of the step before."""

    def step(before: tuple[Array, Array], y_t: Array) -> Any:
        s, z = before
        after, out = equation(s, gate(reset, z), current(model, p, y_t, gate(recurrent, z)), p, maths(model))
        return (jnp.stack(after), out), (out, s, z)

    equation = record_of(model).equation

    silent = jnp.zeros((y.shape[1], len(p["weight"])))
    return jax.lax.scan(step, (jnp.stack([silent] * get_model(model).d), silent), y)[1]


forward = jax.jit(run, static_argnums=0)


@partial(jax.jit, static_argnums=0)
def loss_and_errors(loss: str, o: Array, y: Array, mask: Array) -> tuple[Array, Array]:
    """The loss of o (sample, T, outputs), and ∂L/∂o."""
    return jax.value_and_grad(LOSS[loss])(o, y, mask.astype(float))


@partial(jax.jit, static_argnums=0)
def through_network(models: tuple[str, ...], params: list[dict[str, Array]], x: Array, signals: list[Array]) -> Any:
    """Gradient of Σ_t <signal_t, z_t>, summed over layers, every path open."""

    def objective(params: list[dict[str, Array]]) -> Array:
        y, total = x, 0.0
        for model, p, signal in zip(models, params, signals, strict=True):
            y = run(model, p, y, 1.0, 1.0)[0]
            total += jnp.sum(signal * y)
        return total

    return jax.grad(objective)(params)


@partial(jax.jit, static_argnums=0)
def through_layer(model: str, p: dict[str, Array], y: Array, signal: Array, reset: float, kappa: float) -> Any:
    """Gradient of Σ_t <signal_t, x_t>, x_t = κ x_{t-1} + (1-κ) z_t; recurrent currents count as given."""

    def objective(p: dict[str, Array]) -> Array:
        z = run(model, p, y, reset, 0.0)[0]

        def leak(x: Array, z_t: Array) -> tuple[Array, Array]:
            x = kappa * x + (1 - kappa) * z_t
            return x, x

        return jnp.sum(signal * jax.lax.scan(leak, jnp.zeros_like(z[0]), z)[1])

    return jax.grad(objective)(p)


@partial(jax.jit, static_argnums=0)
def through_step(model: str, p: dict[str, Array], y: Array, states: Array, before: Array, signal: Array) -> Array:
    """∂<signal_t, z_t>/∂y_t, what the step starts from held constant."""

    def one(y_t: Array, s: Array, z: Array, g: Array) -> Array:
        def output(y_t: Array) -> Array:
            return record_of(model).equation(s, z, current(model, p, y_t, z), p, maths(model))[1]

        return jax.vjp(output, y_t)[1](g)[0]

    return jax.vmap(one)(y, states, before, signal)


class Trace(NamedTuple):
    """A network's run: models and parameters, and for each layer input, outputs and what its steps start from."""

    models: tuple[str, ...]
    params: list[dict[str, Array]]
    inputs: list[Array]
    outputs: list[Array]
    states: list[Array]
    before: list[Array]

    @property
    def readout(self) -> Array:
        """(sample, T, outputs)."""
        return self.outputs[-1].transpose(1, 0, 2)


def trace_of(net: Network, x: Array) -> Trace:
    trace = Trace(tuple(layer.model.name for layer in net.layers), [], [], [], [], [])
    y = jnp.asarray(x.transpose(1, 0, 2), jnp.float64)
    for layer, model in zip(net.layers, trace.models, strict=True):
        own = {"weight": layer.weight, "recurrent": layer.recurrent, "bias": layer.bias}
        trace.params.append(layer.params | {k: a for k, a in own.items() if a is not None})
        trace.inputs.append(y)
        for kept, a in zip(trace[3:], forward(model, trace.params[-1], y, 0.0, 0.0), strict=True):
            kept.append(a)
        y = trace.outputs[-1]
    return trace


def oracle(
    net: Network,
    trace: Trace,
    y: Array,
    mask: Array,
    rule: str,
    loss: str,
    feedback: list[Array] | None = None,
    penalty: RatePenalty | None = None,
) -> tuple[dict[str, Array], float]:
    """What `gradients` returns; feedback: a matrix (n, outputs) for each hidden layer, W_outᵀ for the last if None."""
    value, error = loss_and_errors(loss, trace.readout, y, mask)
    error, direct = error.transpose(1, 0, 2), [jnp.zeros_like(z) for z in trace.outputs[:-1]]
    if penalty is not None:
        more, direct = jax.value_and_grad(rate_penalty)(trace.outputs[:-1], penalty.target, penalty.strength)
        value += more
    if rule == "bptt":
        found = through_network(trace.models, trace.params, trace.inputs[0], [*direct, error])
    else:
        found = [through_layer(*_of(trace, -1), error, 0.0, 0.0)]
        signal = error
        for i in range(len(trace.models) - 2, -1, -1):
            kappa = 0.0
            if rule == "eprop":
                kappa = float(np.mean(np.exp(-1 / net.layers[-1].params["tau"])))
                matrix = net.layers[-1].weight.T if feedback is None else feedback[i]
                signal = error @ matrix.T
            else:
                below = through_step(*_of(trace, i + 1), trace.states[i + 1], trace.before[i + 1], signal)
                signal = direct[i] + below
            found.insert(0, through_layer(*_of(trace, i), signal, float(rule == "ostl"), kappa))
    every = {f"{net.name(i)}.{k}": np.asarray(g) for i, layer in enumerate(found) for k, g in layer.items()}
    return {name: every[name] for name in net.arrays()}, float(value)


def _of(trace: Trace, i: int) -> tuple[str, dict[str, Array], Array]:
    return trace.models[i], trace.params[i], trace.inputs[i]


# --- problems


class Problem(NamedTuple):
    net: Network
    x: Array
    mask: Array
    targets: dict[str, Array]
    feedback: list[Array]
    trace: Trace


def stack(seed: int) -> Network:
    """Four hidden layers of different models, sizes 5, 4, 5, 4, in the shapes that the other cases compile."""
    nets = [random_network(model, seed, **CASES["two layers"]) for model in ("lif", "alif", "brf", "se_adlif")]
    net = Network.from_layers([net.layers[i % 2] for i, net in enumerate(nets)] + [nets[-1].layers[-1]])
    scale_to_rate(net, random_spikes(seed, SAMPLES, STEPS, net.inputs), 0.05)
    return net


@cache
def problem(model: str, case: str, seed: int = SEED) -> Problem:
    if case == "stack":
        net = stack(seed)
    else:
        options = CASES[case] if case in CASES else {"params": record_of(model).cases[case]}
        net = random_network(model, seed, **options)
    x = random_spikes(seed, SAMPLES, STEPS, net.inputs)
    rng = np.random.default_rng([seed, 6])
    each_step, one = rng.integers(0, net.output_size, (SAMPLES, STEPS)), rng.integers(0, net.output_size, SAMPLES)
    mask = rng.random((SAMPLES, STEPS)) < 0.6
    mask[0, -4:] = False  # the last scored step is not the last one
    targets = dict.fromkeys(TARGETS, one) | {
        "per_step_cross_entropy": each_step,
        "squared_error": rng.standard_normal((SAMPLES, STEPS, net.output_size)),
        "one squared_error target a sample": rng.standard_normal((SAMPLES, net.output_size)),
    }
    feedback = [rng.standard_normal((layer.size, net.output_size)) for layer in net.layers[:-1]]
    return Problem(net, x, mask, targets, feedback, trace_of(net, x))


@cache
def expected(model: str, case: str, rule: str, target: str, seed: int = SEED) -> tuple[dict[str, Array], float]:
    at = problem(model, case, seed)
    return oracle(at.net, at.trace, at.targets[target], at.mask, rule, TARGETS[target], _feedback(at))


def found(
    model: str, case: str, rule: str, target: str = "per_step_cross_entropy", *, seed: int = SEED, **options: Any
) -> tuple[dict[str, Array], float]:
    at = problem(model, case, seed)
    if rule == "eprop" and _feedback(at) is not None:
        options = {"feedback": _feedback(at)} | options
    return gradients(at.net, at.x, at.targets[target], at.mask, rule=rule, loss=TARGETS[target], **options)


def _feedback(at: Problem) -> list[Array] | None:
    """Matrices are given where a layer does not feed the readout."""
    return at.feedback if len(at.feedback) > 1 else None


def difference(expected: dict[str, Array], got: dict[str, Array]) -> tuple[float, str]:
    """(largest difference of an array relative to its largest entry, its name)."""
    assert {k: v.shape for k, v in expected.items()} == {k: v.shape for k, v in got.items()}
    assert all(np.all(np.isfinite(v)) for v in (*expected.values(), *got.values()))
    size = {k: float(np.abs(v).max()) or np.finfo(float).tiny for k, v in expected.items()}
    return max((float(np.abs(got[k] - v).max()) / size[k], k) for k, v in expected.items())


def assert_close(expected: dict[str, Array], got: dict[str, Array], relative: float = RELATIVE) -> None:
    """Each array within `relative` of its largest entry, which is not 0."""
    assert all(np.any(v) for v in expected.values()), [k for k, v in expected.items() if not np.any(v)]
    worst, name = difference(expected, got)
    assert worst <= relative, f"{name}: off by {worst:.3g} of its largest entry"


def hidden(arrays: dict[str, Array]) -> dict[str, Array]:
    return {k: v for k, v in arrays.items() if not k.startswith("readout")}


# --- tests


@pytest.mark.parametrize(("model", "case"), PAIRS)
def test_the_oracle_runs_the_same_network(model: str, case: str) -> None:
    at = problem(model, case)
    outputs = spikes_of(at, np.float64)
    for i, wanted in enumerate(at.trace.outputs[:-1]):
        assert np.array_equal(outputs[i], wanted), at.net.name(i)
        assert wanted.any(), at.net.name(i)
    np.testing.assert_allclose(outputs[-1], at.trace.outputs[-1], rtol=1e-10, atol=1e-12)


def spikes_of(at: Problem, dtype: type) -> list[Array]:
    """The package's outputs of each layer, (T, sample, n)."""
    kept: list[Array] = []
    readout(
        at.net,
        at.x,
        dtype=dtype,
        visit=lambda start, runs: kept.extend(run.outputs[1:].reshape(STEPS, SAMPLES, run.n) for run in runs),
    )
    return kept


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("model", "case"), PAIRS)
def test_gradients_equal_automatic_differentiation(model: str, case: str, rule: str, target: str) -> None:
    wanted, loss = expected(model, case, rule, target)
    for chunk in (None, STEPS) if rule == "bptt" else (None, 1, 7):
        got, got_loss = found(model, case, rule, target, chunk=chunk)
        assert_close(wanted, got)
        assert got_loss == pytest.approx(loss, rel=1e-11)


@pytest.mark.parametrize(("model", "case", "rule"), IN_SINGLE)
def test_float32_is_as_exact_as_its_numbers(model: str, case: str, rule: str) -> None:
    at = problem(model, case)
    for i, spikes in enumerate(spikes_of(at, np.float32)[:-1]):
        assert np.array_equal(spikes, at.trace.outputs[i]), at.net.name(i)
    for target in TARGETS:
        wanted, loss = expected(model, case, rule, target)
        got, got_loss = found(model, case, rule, target, chunk=None if rule == "bptt" else 7, dtype=np.float32)
        assert_close(wanted, got, SINGLE)
        assert got_loss == pytest.approx(loss, rel=SINGLE)
        assert difference(wanted, got)[0] > RELATIVE


@pytest.mark.parametrize("rule", ["bptt", "hypr", "ostl"])
@pytest.mark.parametrize(("model", "case"), [pair for pair in PAIRS if pair[1] in ("two layers", "stack")])
def test_a_penalty_on_rates_equals_automatic_differentiation(model: str, case: str, rule: str) -> None:
    at, penalty = problem(model, case), RatePenalty(target=0.2, strength=3.0)
    for target in ("per_step_cross_entropy", "mean_cross_entropy"):
        args = at.targets[target], at.mask
        wanted, loss = oracle(at.net, at.trace, *args, rule, TARGETS[target], penalty=penalty)
        for chunk in (None, STEPS) if rule == "bptt" else (None, 1, 7):
            got, got_loss = found(model, case, rule, target, chunk=chunk, penalty=penalty)
            assert_close(wanted, got)
            assert got_loss == pytest.approx(loss, rel=1e-11)
        assert difference(hidden(expected(model, case, rule, target)[0]), hidden(wanted))[0] > 0.01


@pytest.mark.parametrize("model", spiking_models())
def test_bptt_takes_the_whole_sequence(model: str) -> None:
    with pytest.raises(InputError, match="chunk"):
        found(model, "recurrent", "bptt", chunk=7)


@pytest.mark.parametrize("model", spiking_models())
def test_rules_that_drop_a_path_differ(model: str) -> None:
    own = {rule: hidden(found(model, "recurrent", rule)[0]) for rule in RULES}
    assert difference(own["hypr"], own["bptt"])[0] > 0.01
    assert difference(own["hypr"], own["eprop"])[0] > 0.01
    if get_model(model).float_spike_jacobian is None:  # it reaches the state by the recurrent current alone
        assert difference(own["hypr"], own["ostl"])[0] < 1e-12
    else:
        assert difference(own["hypr"], own["ostl"])[0] > 0.01


@pytest.mark.parametrize("model", spiking_models())
def test_the_readout_learns_the_same_by_every_rule(model: str) -> None:
    wanted = found(model, "two layers", "bptt")[0]
    for rule in LOCAL:
        got = found(model, "two layers", rule)[0]
        assert_close(*({k: a[k] for k in a if k.startswith("readout")} for a in (wanted, got)))


@pytest.mark.parametrize("target", TARGETS)
def test_hypr_is_bptt_for_a_feed_forward_layer_and_a_readout_without_memory(target: str) -> None:
    """BRF's state sees its own spikes through q alone, which hypr keeps."""
    at = problem("brf", "feed-forward, no bias")
    net = at.net.copy()
    net.layers[-1].params["tau"][...] = 0.02
    rules = {"rule": "hypr", "chunk": 7}, {"rule": "bptt"}
    ours, whole = (gradients(net, at.x, at.targets[target], at.mask, loss=TARGETS[target], **r)[0] for r in rules)
    assert_close(hidden(whole), hidden(ours))
    assert difference(hidden(whole), hidden(found("brf", "feed-forward, no bias", "bptt", target)[0]))[0] > 0.01


@pytest.mark.parametrize("model", spiking_models())
def test_symmetric_feedback_is_the_readouts_own_weights(model: str) -> None:
    at = problem(model, "two layers")
    own = [at.feedback[0], at.net.layers[-1].weight.T]
    given, symmetric = (found(model, "two layers", "eprop", feedback=f)[0] for f in (own, "symmetric"))
    fed = [k for k in given if not k.startswith("layers.0")]
    assert_close({k: given[k] for k in fed}, {k: symmetric[k] for k in fed}, 1e-14)
    assert difference(given, symmetric)[0] > 0.01  # layer 0 does not feed the readout: its matrix stays random


@pytest.mark.parametrize("model", spiking_models())
def test_random_feedback_is_repeatable_and_not_symmetric(model: str) -> None:
    first, again, symmetric = (
        found(model, "recurrent", "eprop", feedback=f)[0] for f in ("random", "random", "symmetric")
    )
    assert_close(first, again, 0.0)
    assert difference(hidden(symmetric), hidden(first))[0] > 0.01
