"""Networks and data of others, with known answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hypr_neuro.compare import compare_inference, gradient_fidelity, spike_agreement
from hypr_neuro.data import load_data
from hypr_neuro.network import Layer, Network
from hypr_neuro.neurons import get_model
from hypr_neuro.quantize import dequantize, quantize
from hypr_neuro.sim.learn import LearnOptions

PUBLISHED_BRF = 0.8621876  # accuracy that the authors' log states for this checkpoint


def brf_checkpoint(folder: Path) -> Network:
    """The ECG network that Higuchi et al. trained, BRF 36."""
    arrays = np.load(folder / "brf_checkpoints" / "ecg_brf.npz")
    model = get_model("brf")
    weights = arrays["hidden_linear_weight"].astype(np.float64)
    params = {"omega": arrays["hidden_omega"], "b_offset": arrays["hidden_b_offset"]}
    hidden = Layer(model, weights[:, :4], weights[:, 4:], None, params, ())
    tau = {"tau": np.abs(arrays["out_tau_mem"])}
    return Network([hidden, Layer(get_model("li"), arrays["out_linear_weight"], None, None, tau, ())])


@pytest.fixture(scope="module")
def ecg(shared_data: Path):
    return load_data("ecg", shared_data / "ecg")


def test_published_brf_network_keeps_its_accuracy_in_float_and_integers(shared_data: Path, ecg) -> None:
    net = brf_checkpoint(shared_data)
    found = compare_inference(net, quantize(net, "loihi2", calibration=ecg), ecg)
    # float32 sums in another order flip a few spikes that sit at the threshold
    assert found.float_score.accuracy == pytest.approx(PUBLISHED_BRF, abs=5e-4)
    assert found.integer_score.accuracy > found.float_score.accuracy - 0.01
    assert all(count == 0 for events in found.events.values() for count in events.values())


def test_integer_gradients_follow_the_float_rule_until_spike_trains_part(shared_data: Path, ecg) -> None:
    # Over 1300 steps this network is chaotic: float and integer spikes part, whatever the widths, and gradients with
    # them. Over the first 60 steps they agree, so what differs is the arithmetic of learning alone.
    net = brf_checkpoint(shared_data)
    qnet = quantize(net, "loihi2", calibration=ecg)
    start = ecg.part("train").take(np.arange(4))
    start = replace(start, x=start.x[:, :60], y=start.y[:, :60], labelled=None)
    assert spike_agreement(dequantize(net, qnet), qnet, start.x)["layers.0"] > 0.99
    cosine, ratio = gradient_fidelity(net, qnet, start, LearnOptions())
    assert all(0.97 < value < 1.03 for value in ratio.values()), ratio
    assert min(cosine.values()) > 0.998, cosine
