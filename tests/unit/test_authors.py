"""The numbers of the HYPR authors' own implementation (Baronig et al. 2025), in float64.

Four files: weights, data, spikes, loss, and the gradients of their HYPR and of their BPTT. Forward pass and BPTT are
the same functions as here. Their HYPR gradients differ from the rule as published in two ways:

1. The local derivatives A, B, P of step t are those of the step with this step's spikes in the recurrent current,
   I~_t = W y_t + V z_t + b, everything that ψ needs computed again from I~_t, and z_t is what comes in through V.
2. BRF's ∂z_t/∂q is applied at q_t instead of q_{t-1}: C = (ψ, 0, -ψ), C' = 0.

A recursion over explicit eligibilities, written with the package's own step functions, gives their numbers with both
changes and those of `gradients` without. C and C' are taken at the true state in both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.surrogates import SURROGATES
from hypr_neuro.run.forward import readout
from hypr_neuro.train.gradients import gradients

Array = Any
RELATIVE = 1e-9
FILES = {"brf_1layer": "brf", "brf_2layer": "brf", "alif_1layer": "alif", "adlif_1layer": "se_adlif"}
RENAMED = {"thr": "theta"}
FRACTIONS = {"se_adlif": {"tau_u": (5.0, 20.0), "tau_w": (60.0, 240.0)}}
"""Their τ = low + range · value: values are trained, so that gradients have a factor `range`."""
STOPPED = {"se_adlif": ("theta",)}
"""They stop the gradient of the threshold."""


@pytest.fixture(scope="module", params=FILES)
def authors(request: pytest.FixtureRequest, shared_data: Path) -> tuple[Network, dict[str, Array]]:
    """A file's network and its content."""
    with np.load(shared_data / "hypr_reference" / f"{request.param}.npz", allow_pickle=False) as file:
        content = dict(file)
    return network(FILES[request.param], content), content


def network(model: str, content: dict[str, Array]) -> Network:
    layers, index = [], 0
    while f"param.layers.{index}.linear.kernel" in content:
        own = f"param.layers.{index}"
        params = {RENAMED.get(k, k): content[f"{own}.params.{k}"] for k in own_params(content, f"{own}.params.")}
        for name, (low, span) in FRACTIONS.get(model, {}).items():
            params[name] = low + span * params[name]
        trainable = tuple(k for k in params if k not in STOPPED.get(model, ()))
        layers.append(
            Layer(
                get_model(model),
                content[f"{own}.linear.kernel"].T,
                content[f"{own}.recurrent.kernel"].T,
                content[f"{own}.linear.bias"],
                params,
                trainable,
            )
        )
        index += 1
    out = "param.output_layer"
    layers.append(
        Layer(
            get_model("li"),
            content[f"{out}.linear.kernel"].T,
            None,
            content[f"{out}.linear.bias"],
            {"tau": content[f"{out}.params.tau_u"]},
            ("tau",),
        )
    )
    return Network.from_layers(layers)


def own_params(content: dict[str, Array], prefix: str) -> list[str]:
    return [k.removeprefix(prefix) for k in content if k.startswith(prefix)]


def their_gradients(net: Network, content: dict[str, Array], kind: str) -> dict[str, Array]:
    """Those of `grad_hypr` or `grad_bptt` that have a counterpart, by the names and in the units of our own."""
    found = {}
    for i, layer in enumerate(net.layers):
        own = f"{kind}.{'output_layer' if layer.model.readout else f'layers.{i}'}"
        found[f"{net.name(i)}.weight"] = content[f"{own}.linear.kernel"].T
        if layer.recurrent is not None:
            found[f"{net.name(i)}.recurrent"] = content[f"{own}.recurrent.kernel"].T
        found[f"{net.name(i)}.bias"] = content[f"{own}.linear.bias"]
        for theirs in own_params(content, f"{own}.params."):
            name = "tau" if layer.model.readout else RENAMED.get(theirs, theirs)
            if name in layer.trainable:
                span = FRACTIONS.get(layer.model.name, {}).get(name, (0.0, 1.0))[1]
                found[f"{net.name(i)}.{name}"] = content[f"{own}.params.{theirs}"] / span
    return found


def batch(content: dict[str, Array]) -> tuple[Array, Array, Array]:
    """x, y, mask; every sample has as many scored steps, so that their mean over samples of means is the mean."""
    mask = content["mask"].astype(bool)
    assert np.ptp(mask.sum(axis=1)) == 0
    return content["x"], content["y"].astype(int), mask


def assert_close(expected: dict[str, Array], got: dict[str, Array], relative: float = RELATIVE) -> None:
    """Each array within `relative` of its largest entry, which is not 0."""
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        size = np.abs(value).max()
        assert size > 0, name
        assert np.abs(got[name] - value).max() <= relative * size, name


class Eligibilities:
    """One layer's explicit recursion, all samples and neurons side by side, forward in time.

    state : (d, sample, n). eligibility : (d, sample, n, entries), entries = inputs, neurons, bias, parameters
    as_authors : with the two changes of the module's docstring
    """

    def __init__(self, layer: Layer, samples: int, as_authors: bool) -> None:
        self.layer, self.model, self.as_authors = layer, layer.model, as_authors
        self.state, self.output = np.zeros((layer.model.d, samples, layer.size)), np.zeros((samples, layer.size))
        self.columns = layer.float_matrix()
        entries = layer.inputs + layer.size * (layer.recurrent is not None) + 1 + len(layer.model.trainable)
        self.eligibility = np.zeros((layer.model.d, samples, layer.size, entries))
        self.sum = np.zeros((layer.size, entries))

    def step(self, below: Array) -> Array:
        """(sample, inputs) to (sample, n); keeps what `learn` needs."""
        spikes = self.output
        before, state, self.output = self.state, np.zeros_like(self.state), np.zeros_like(spikes)
        current = self._current(below, spikes)
        for b, i in np.ndindex(spikes.shape):
            state[:, b, i], self.output[b, i] = self.model.float_step(
                tuple(before[:, b, i]), spikes[b, i], (current[b, i],), tuple(self.columns[:, i])
            )
        self.state = state
        seen = self.output if self.as_authors else spikes
        self.at = before, spikes, self._current(below, seen)
        self.pre = (
            [below, seen, np.ones((len(below), 1))]
            if self.layer.recurrent is not None
            else [below, np.ones((len(below), 1))]
        )
        return self.output

    def learn(self, signal: Array) -> Array:
        """Eligibilities of this step, and the gradient with g_t (sample, n); returns g_t for the layer below."""
        down = np.zeros((len(signal), self.layer.inputs))
        for b, i in np.ndindex(signal.shape):
            A, B, C, Cp, P, E = self._derivatives(b, i)
            old = self.eligibility[:, b, i]
            pre = np.concatenate([rows[b] for rows in self.pre])
            new = A @ old + np.hstack([np.outer(B, pre), P.T])
            direct = np.concatenate([np.zeros(len(pre)), E])
            self.sum[i] += signal[b, i] * (C @ new + Cp @ old + direct)
            self.eligibility[:, b, i] = new
            down[b] += signal[b, i] * (C @ B) * self.layer.weight[i]
        return down

    def gradients(self) -> dict[str, Array]:
        """By the names of `Layer.arrays`."""
        layer, found, first = self.layer, {}, 0
        widths = {"weight": layer.inputs, "recurrent": layer.size * (layer.recurrent is not None), "bias": 1}
        for name, width in widths.items():
            found[name] = self.sum[:, first : first + width]
            first += width
        found["bias"] = found["bias"][:, 0]
        found |= dict(zip(self.model.trainable, self.sum[:, first:].T, strict=True))
        return {name: found[name] for name, _ in layer.arrays()}

    def _current(self, below: Array, spikes: Array) -> Array:
        recurrent = 0.0 if self.layer.recurrent is None else spikes @ self.layer.recurrent.T
        return below @ self.layer.weight.T + recurrent + self.layer.bias

    def _derivatives(self, b: int, i: int) -> list[Array]:
        """A, B, P at the current of `at`; C, C', E at the true state."""
        before, spikes, current = self.at
        s_prev, z_prev, I, p = tuple(before[:, b, i]), spikes[b, i], (current[b, i],), tuple(self.columns[:, i])
        moved = self.model.float_step(s_prev, z_prev, I, p)[0]
        true = tuple(self.state[:, b, i])
        A, B, _, _, P, _ = self.model.float_jacobian(s_prev, moved, z_prev, I, p, self._psi(s_prev, moved, p))
        psi = self._psi(s_prev, true, p)
        _, _, C, Cp, _, E = self.model.float_jacobian(s_prev, true, z_prev, I, p, psi)
        if self.as_authors and self.model.name == "brf":
            C, Cp = (psi, 0.0, -psi), (0.0, 0.0, 0.0)
        return [np.array(entries) for entries in (A, B, C, Cp, P, E)]

    def _psi(self, s_prev: tuple, s: tuple, p: tuple) -> float:
        if self.model.surrogate is None:
            return 0.0
        return SURROGATES[self.model.surrogate](self.model.float_psi_arg(s_prev, s, p))


def explicit_gradients(net: Network, x: Array, y: Array, mask: Array, *, as_authors: bool) -> dict[str, Array]:
    """Per-step cross-entropy, mean over scored steps; signals go down within a step."""
    layers = [Eligibilities(layer, len(x), as_authors) for layer in net.layers]
    for t in range(x.shape[1]):
        values = x[:, t].astype(float)
        for layer in layers:
            values = layer.step(values)
        chance = np.exp(values - values.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        signal = (chance - np.eye(net.output_size)[y[:, t]]) * mask[:, t, None] / mask.sum()
        for layer in reversed(layers):
            signal = layer.learn(signal)
    return {f"{net.name(i)}.{k}": g for i, layer in enumerate(layers) for k, g in layer.gradients().items()}


def hidden(arrays: dict[str, Array]) -> dict[str, Array]:
    return {k: a for k, a in arrays.items() if not k.startswith("readout")}


def cosine(a: dict[str, Array], b: dict[str, Array]) -> float:
    one, other = (np.concatenate([v.ravel() for v in arrays.values()]) for arrays in (a, b))
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_spikes_and_readout_equal_the_authors(authors: tuple) -> None:
    net, content = authors
    spikes = {}

    def visit(start: int, layers: list) -> None:
        for i, run in enumerate(layers[:-1]):
            spikes[i] = run.outputs[1:].reshape(-1, len(content["x"]), run.n).transpose(1, 0, 2)

    output = readout(net, content["x"], dtype=np.float64, visit=visit)
    for i, found in spikes.items():
        assert np.array_equal(found, content[f"spikes.{i}"]), f"layer {i}"
        assert found.any()
    np.testing.assert_allclose(output, content["readout"], rtol=RELATIVE, atol=1e-12)


def test_bptt_equals_the_authors(authors: tuple) -> None:
    net, content = authors
    found, loss = gradients(net, *batch(content), rule="bptt")
    assert loss == pytest.approx(float(content["loss_bptt"]), rel=RELATIVE)
    assert_close(their_gradients(net, content, "grad_bptt"), found)


def test_hypr_of_the_readout_equals_the_authors(authors: tuple) -> None:
    net, content = authors
    found, loss = gradients(net, *batch(content), rule="hypr")
    assert loss == pytest.approx(float(content["loss_hypr"]), rel=RELATIVE)
    theirs = their_gradients(net, content, "grad_hypr")
    own = [k for k in theirs if k.startswith("readout")]
    assert own
    assert_close({k: theirs[k] for k in own}, {k: found[k] for k in own})


def test_the_recursion_with_the_changes_equals_the_authors(authors: tuple) -> None:
    net, content = authors
    assert_close(their_gradients(net, content, "grad_hypr"), explicit_gradients(net, *batch(content), as_authors=True))


def test_the_recursion_without_the_changes_is_the_rule(authors: tuple) -> None:
    net, content = authors
    ours, _ = gradients(net, *batch(content), rule="hypr")
    assert_close(explicit_gradients(net, *batch(content), as_authors=False), ours)
    theirs = their_gradients(net, content, "grad_hypr")
    assert 0.9 < cosine(hidden(theirs), hidden(ours)) < 0.99999
