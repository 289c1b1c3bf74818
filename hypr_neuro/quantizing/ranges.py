"""Ranges from which scales come: the largest state of each population, the largest weight of each connection.

Ranges decide whether states overflow, so what they are read from is looked at as closely as a file is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hypr_neuro.data.checks import holds_fractions, of_fractions
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_finite

CALIBRATION_SAMPLES = 64


class MeasuredRanges(dict[str, float]):
    """Ranges that `calibrated_ranges` measured: they are taken as they are, 0 of a population that did not move."""


Calibration = SequenceData | Array | Mapping[str, float]


def calibrated_ranges(
    net: Network, calibration: Calibration | None, measure: Callable[[Network, Array], dict[str, float]]
) -> dict[str, float]:
    """Return the largest state magnitude of each population, by name.

    Parameters
    ----------
    net
        The float network.
    calibration
        Data, of which the first 64 training samples are run; an array (sample, T, channel); or the ranges themselves.
    measure
        (net, samples) -> ranges by population.

    Raises
    ------
    InputError
        For data without training samples, samples that hold no step, no event or a number that is no integer, and
        ranges that are missing, of unknown populations, no numbers, not finite or not above 0.
    """
    if calibration is None:
        raise InputError("calibration is missing, rule: data, an array of samples, or the largest state by population")
    if isinstance(calibration, MeasuredRanges):
        return calibration
    if isinstance(calibration, Mapping):
        ranges = _given("calibration", calibration, [p.name for p in net.populations], "population")
        missing = [p.name for p in net.populations if p.name not in ranges]
        if missing:
            raise InputError(f"calibration lacks '{missing[0]}', has: {', '.join(ranges) or 'nothing'}")
        return ranges
    samples = _samples(net, calibration)
    ranges = measure(net, samples)
    if not any(ranges.values()):
        raise InputError(
            "calibration: no state of any population moves, its samples reach no neuron; calibrate on samples that "
            "hold spikes, or give the largest state by population"
        )
    return ranges


def known_weight_ranges(net: Network, weight_range: Mapping[str, float] | None) -> dict[str, float]:
    """Return the ranges by the names of the network's connections, "a -> b".

    Those of a chain may be named by layer as well, "layers.0.input" and "layers.0.recurrent". Raise InputError for an
    unknown connection, and for ranges that are not numbers above 0.
    """
    if weight_range is None:
        return {}
    if not isinstance(weight_range, Mapping):
        rule = "the largest weight magnitude by connection, such as {'readout.input': 2.0}"
        raise InputError(f"weight_range is a {type(weight_range).__name__}, rule: {rule}")
    by_layer = layer_connections(net)
    known = [*by_layer, *net.connection_names()]
    ranges = _given("weight_range", weight_range, known, "connection")
    return {by_layer.get(name, name): value for name, value in ranges.items()}


def layer_connections(net: Network) -> dict[str, str]:
    """Return the names of a chain's connections by those that say the layer, "layers.0.input"; {} of other networks."""
    if not net.is_chain:
        return {}
    named = zip(net.connections, net.connection_names(), strict=True)
    return {f"{c.target}.{'recurrent' if c.source == c.target else 'input'}": name for c, name in named}


def _samples(net: Network, calibration: Any) -> Array:
    """Return the samples to run; raise InputError for those that say nothing of a network."""
    where, data = "calibration", None
    if isinstance(calibration, SequenceData):
        data = calibration
        where = f"calibration on data '{calibration.name}'"
        if not np.any(calibration.split == "train"):
            raise InputError(f"{where}: no sample is of the part 'train', rule: at least one; give an array of samples")
        calibration = calibration.part("train").x[:CALIBRATION_SAMPLES]
    x = np.asarray(calibration)
    if x.dtype.kind not in "biuf":
        raise InputError(f"{where}: x of type {x.dtype}, rule: real numbers, or the largest state by population")
    if 0 in x.shape:
        raise InputError(f"{where}: x of shape {x.shape}, rule: at least one sample and one step")
    require_finite(f"{where}: x", x)
    if holds_fractions(x):
        raise InputError(f"{where}: {of_fractions(x, data)}; train the network again on those integers")
    silent = not any(np.any(bias) for p in net.populations for bias in p.biases.values())
    if silent and not np.any(x):
        raise InputError(f"{where}: x of shape {x.shape} holds no spike, rule: samples that drive the network")
    return x


def _given(option: str, ranges: Mapping[str, float], known: list[str], kind: str) -> dict[str, float]:
    for name, value in ranges.items():
        if name not in known:
            raise InputError(f"{option}: unknown {kind} {among(name, known)}")
        number = np.asarray(value)
        if isinstance(value, str | bool) or number.shape != () or number.dtype.kind not in "iuf":
            raise InputError(f"{option}: {name} = {value!r}, rule: a number above 0")
        if not 0 < number < np.inf:
            raise InputError(f"{option}: {name} = {value}, rule: above 0 and finite")
    return {name: float(value) for name, value in ranges.items()}
