"""What ranges of a conversion are read from is looked at: samples, states and weights, on both routes of `quantize`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.quantize import weight_ranges
from hypr_neuro.quantizing.ranges import layer_connections

RNG = np.random.default_rng(22)
X = (RNG.random((8, 30, 6)) < 0.4).astype(np.int8)
Y = np.arange(8) % 2
CHAIN = hn.Network.build({"inputs": 6, "outputs": 2, "layers": [{"neuron": "lif", "size": 5, "recurrent": True}]}, 0)
RANGES = {"layers.0": 5.0, "readout": 5.0}
ROUTES: dict[str, dict[str, Any]] = {"by layer": {}, "in groups": {"weight_groups": 2}}


def spoilt(value: float) -> np.ndarray:
    x = X.astype(float)
    x[3, 5, 2] = value
    return x


def data(part: str, x: np.ndarray = X) -> hn.SequenceData:
    return hn.SequenceData("mine", x, Y, np.full(8, part), 2)


BAD_CALIBRATIONS = {
    "nothing": (None, "calibration is missing, rule: data, an array of samples, or the largest state by population"),
    "no sample": (X[:0], r"calibration: x of shape (0, 30, 6), rule: at least one sample and one step"),
    "no step": (X[:, :0], r"calibration: x of shape (8, 0, 6), rule: at least one sample and one step"),
    "no training part": (data("test"), "calibration on data 'mine': no sample is of the part 'train', rule: at least"),
    "NaN": (spoilt(np.nan), "rule: finite numbers; repair or drop it"),
    "infinity": (spoilt(np.inf), "rule: finite numbers; repair or drop it"),
    "fractions": (spoilt(0.5), "calibration: x holds fractions, rule: integers (spikes or graded values); encode it"),
    "no spikes": (np.zeros_like(X), "calibration: x of shape (8, 30, 6) holds no spike, rule: samples that drive"),
    "no numbers": (np.full((8, 30, 6), "a"), "calibration: x of type <U1, rule: real numbers, or the largest state"),
    "below 0": (RANGES | {"readout": -5.0}, "calibration: readout = -5.0, rule: above 0 and finite"),
    "0": (RANGES | {"readout": 0}, "calibration: readout = 0, rule: above 0 and finite"),
    "range infinite": (RANGES | {"readout": np.inf}, "calibration: readout = inf, rule: above 0 and finite"),
    "range NaN": (RANGES | {"readout": np.nan}, "calibration: readout = nan, rule: above 0 and finite"),
    "text": (RANGES | {"readout": "5"}, "calibration: readout = '5', rule: a number above 0"),
    "truth": (RANGES | {"readout": True}, "calibration: readout = True, rule: a number above 0"),
    "unknown": (
        RANGES | {"layers.7": 3.0},
        "calibration: unknown population 'layers.7' (did you mean 'layers.0'?), known: layers.0, readout",
    ),
    "missing": ({"readout": 3.0}, "calibration lacks 'layers.0', has: readout"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fault", BAD_CALIBRATIONS)
def test_a_calibration_that_says_nothing_is_refused(fault: str, route: str) -> None:
    calibration, message = BAD_CALIBRATIONS[fault]
    with pytest.raises(InputError, match=re.escape(message)):
        hn.quantize(CHAIN, "loihi2", calibration=calibration, **ROUTES[route])


BAD_WEIGHT_RANGES = {
    "misspelt": ({"readout.imput": 2.0}, "unknown connection 'readout.imput' (did you mean 'readout.input'?), known: "),
    "of no layer": ({"layer.0.recurrent": 2.0}, "(did you mean 'layers.0.recurrent'?), known: layers.0.input, "),
    "below 0": ({"readout.input": -3.0}, "readout.input = -3.0, rule: above 0 and finite"),
    "NaN": ({"input -> layers.0": float("nan")}, "input -> layers.0 = nan, rule: above 0 and finite"),
    "no mapping": ([2.0], "is a list, rule: the largest weight magnitude by connection, such as {'readout.input': 2"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fault", BAD_WEIGHT_RANGES)
def test_a_weight_range_of_nothing_is_refused(fault: str, route: str) -> None:
    ranges, message = BAD_WEIGHT_RANGES[fault]
    with pytest.raises(InputError, match="weight_range.*" + re.escape(message)):
        hn.quantize(CHAIN, "loihi2", calibration=X, weight_range=ranges, **ROUTES[route])


@pytest.mark.filterwarnings("ignore:.* became 0, their steps are too coarse")
@pytest.mark.parametrize("route", ROUTES)
def test_a_connection_has_its_layers_name_or_that_of_its_ends(route: str) -> None:
    names = layer_connections(CHAIN)
    assert names["layers.0.recurrent"] == "layers.0 -> layers.0"
    networks = [
        hn.quantize(CHAIN, "loihi2", calibration=X, weight_range=dict.fromkeys(named, 99.0), **ROUTES[route])
        for named in (names, names.values())
    ]
    networks.append(hn.quantize(CHAIN, "loihi2", calibration=X, **ROUTES[route]))
    by_layer, by_ends, free = (
        [2.0**c.exponent / q.population(c.target).current_scale for c in q.connections] for q in networks
    )
    assert by_layer == by_ends
    assert max(by_layer) > 0.3  # 99 / 127 at least halved; a group of small weights has smaller steps
    assert max(free) < 0.1


def test_weights_that_are_all_0_have_no_range() -> None:
    net = CHAIN.copy()
    net.layers[1].weight[...] = 0.0
    assert set(weight_ranges(net)) == {"layers.0.input", "layers.0.recurrent"}


def test_a_constant_current_drives_a_network_without_spikes() -> None:
    spec = {"inputs": 6, "outputs": 2, "layers": [{"neuron": "alif", "size": 5, "bias": True}]}
    net = hn.Network.build(spec, 0)
    net.layers[0].bias[...] = 3.0
    assert hn.quantize(net, "loihi2", calibration=np.zeros_like(X)).populations[0].state_scale > 0
