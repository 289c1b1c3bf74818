"""`lif_multispike` against Sinabs' formula, and against `lif` where both are the same neuron."""

from __future__ import annotations

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.lif_multispike import whole

N = 5
Array = np.ndarray


def run(model: str, values: dict[str, float], x: Array) -> tuple[Array, Array]:
    """Return spikes and v (T, sample, neuron) of neurons that get a channel each."""
    neurons = FloatPopulation("n", MODELS[model], {k: np.full(N, v) for k, v in values.items()})
    readout = FloatPopulation("out", MODELS["li"], {"tau": np.full(1, 5.0)})
    synapses = FloatSynapses(INPUT, "n", np.eye(N)), FloatSynapses("n", "out", np.ones((1, N)))
    recorded = hn.run_float(Network(N, (neurons, readout), synapses, 1e-3, ("out",)), x, record=("spikes", "v"))
    return recorded.spikes["n"], recorded.states["n"]["v"]


def sinabs(x: Array, alpha: float, threshold: float, most: int) -> Array:
    """Step as Sinabs 3.1.3 does: LIF with norm_input off, MultiSpike inside MaxSpike, MembraneSubtract."""
    v, sent = np.zeros(x.shape[::2]), []
    for arriving in x.swapaxes(0, 1):
        v = alpha * v + arriving
        spikes = np.where(v > 0, np.trunc(v / threshold), 0.0)
        spikes = np.minimum(spikes, most)
        v = v - spikes * threshold
        sent.append(spikes)
    return np.array(sent)


@pytest.mark.parametrize("threshold", [0.25, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("most", [1, 2, 15, 127])
def test_it_is_sinabs_neuron(threshold: float, most: int) -> None:
    # eighths of a threshold: v often stands exactly on a multiple of it
    x = np.random.default_rng(most).integers(-16, 40, (4, 60, N)) / 8 * threshold
    for alpha in (0.5, 1.0, 0.9):
        dv = 1.0 - alpha
        got, _ = run("lif_multispike", {"du": 1.0, "dv": dv, "vth": threshold, "max_spikes": most}, x)
        expected = sinabs(x, 1.0 - dv, threshold, most)
        assert np.array_equal(got, expected)
        assert most == 1 or got.max() > 1


def test_one_spike_at_most_is_lif_by_subtraction() -> None:
    x = np.random.default_rng(3).normal(0.4, 1.0, (4, 60, N))
    values = {"du": 0.6, "dv": 0.2, "vth": 0.7, "bias": 0.1}
    one, several = run("lif", values | {"subtract": 1.0}, x), run("lif_multispike", values | {"max_spikes": 1.0}, x)
    for ours, theirs in zip(several, one, strict=True):
        assert np.array_equal(ours, theirs)


def test_a_spike_at_the_threshold() -> None:
    x = np.array([1.0, 2.0, 2.999, 0.999, -5.0])[None, None]
    sent, _ = run("lif_multispike", {"du": 1.0, "dv": 1.0, "vth": 1.0}, x)
    assert sent[0, 0].tolist() == [1, 2, 2, 0, 0]


def test_the_whole_part_of_every_number() -> None:
    for x in (*np.arange(0.0, 127.0, 0.25), *np.nextafter(np.arange(1.0, 128.0), 0.0)):
        assert whole(x) == np.floor(x)
    assert (whole(-3.5), whole(127.0), whole(1e9)) == (0.0, 127.0, 127.0)


@pytest.mark.parametrize("threshold", [0.3, 1.0, 4.0])
def test_the_surrogate_is_the_same_at_every_step_of_every_threshold(threshold: float) -> None:
    model = MODELS["lif_multispike"]
    p = model.with_coefficients((1.0, 0.1, threshold, 0.0, 3.0))
    at = [model.float_psi_arg((0.0, 0.0), (0.0, x * threshold), p) for x in (-2, 0.7, 1.2, 1.7, 2.4, 3.3, 5.0)]
    np.testing.assert_allclose(at, [-3.0, -0.3, 0.2, -0.3, 0.4, 0.3, 2.0], atol=1e-12)


def test_rates_count_spikes_and_operations_messages() -> None:
    x = np.full((1, 10, N), 3.0)
    neurons = FloatPopulation("n", MODELS["lif_multispike"], {"du": np.ones(N), "dv": np.ones(N)})
    readout = FloatPopulation("out", MODELS["li"], {"tau": np.full(2, 5.0)})
    synapses = FloatSynapses(INPUT, "n", np.eye(N)), FloatSynapses("n", "out", np.ones((2, N)))
    net = Network(N, (neurons, readout), synapses, 1e-3, ("out",))
    recorded = hn.run_float(net, x)
    assert (recorded.counts["n"].tolist(), recorded.fired["n"].tolist()) == ([10 * N], [30 * N])
    qnet = hn.quantize(net, "ideal", calibration=x)
    trace = hn.simulate(qnet, x.astype(np.int64), record=["spikes"])
    assert trace.rates["n"] == trace.spikes["n"].sum() / trace.spikes["n"].size > 1
