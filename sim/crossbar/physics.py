"""What is known of single cells: fits of programming, relaxation, drift and reading, as functions of g = G / Gmax.

All take arrays of any shape and give arrays of the same; times are in seconds since a cell was last written. Standard
normal numbers come in from outside, so that a cell's history is its counter's alone.

    σ_programming(g) = Σ_k c_k g^k µS                                              [programming]
    ν ~ |N(μ(g), σ(g))|,  G(t) = G ((t + t0) / t0)^-ν                              [drift]
    μ, σ = clip(a ln g + b, low, high)
    σ_read(g, t) = G min(q_most, q / g^p) √ln((t + w) / 2w)                        [read_noise]
    G(t) = G + √((σ_relaxed² - σ_programming²) ln t / ln t_relaxed) ξ              [relaxation]

The last is an interpolation between two measured times, a random walk in ln t: the fits are those at 1 s and at
t_relaxed, before and after which nothing changes.
"""

from __future__ import annotations

import numpy as np

from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.analog import Analog

LEAST = 1e-6
"""Of g where its logarithm is taken: the clips of the fits are reached far above."""


def polynomial(coefficients: tuple[float, ...], g: Array) -> Array:
    """Return Σ_k c_k g^k, at least 0, g clipped to the fit's range 0..1."""
    x = np.clip(g, 0.0, 1.0)
    value = np.zeros_like(x)
    for c in reversed(coefficients):
        value = value * x + c
    return np.maximum(value, 0.0)


def programming_sigma(analog: Analog, g: Array) -> Array:
    """Return σ of a programmed conductance over Gmax."""
    return polynomial(analog.programming.value, g) / analog.conductance_max.value


def relaxed_sigma(analog: Analog, g: Array) -> Array:
    """Return σ of a conductance over Gmax at the time `relaxed_after`; that of programming where cells do not relax."""
    if analog.relaxed is None:
        return programming_sigma(analog, g)
    return polynomial(analog.relaxed.value, g) / analog.conductance_max.value


def relaxation_sigma(analog: Analog, g: Array, t: Array) -> Array:
    """Return σ over Gmax of what relaxation has added to programming after t seconds."""
    assert analog.relaxed_after is not None
    added = np.maximum(relaxed_sigma(analog, g) ** 2 - programming_sigma(analog, g) ** 2, 0.0)
    share = np.log(np.maximum(t, 1.0)) / np.log(analog.relaxed_after.value)
    return np.asarray(np.sqrt(added * np.clip(share, 0.0, 1.0)))


def clipped_line(line: tuple[float, float, float, float], logarithm: Array) -> Array:
    """Return clip(a ln g + b, low, high) of ln g."""
    a, b, low, high = line
    return np.minimum(np.maximum(a * logarithm + b, low), high)


def drift_exponent(analog: Analog, g: Array, normal: Array) -> Array:
    """Return ν of cells programmed to g."""
    assert analog.drift_mean is not None
    assert analog.drift_spread is not None
    logarithm = np.log(np.maximum(g, LEAST))
    mean, sigma = (clipped_line(line.value, logarithm) for line in (analog.drift_mean, analog.drift_spread))
    return np.abs(mean + sigma * normal)


def drift_factor(analog: Analog, exponent: Array, t: Array) -> Array:
    """Return G(t) / G."""
    assert analog.drift_start is not None
    start = analog.drift_start.value
    return np.asarray(np.exp(-exponent * np.log((np.maximum(t, 0.0) + start) / start)))


def read_sigma(analog: Analog, written: Array, g: Array, t: Array) -> Array:
    """Return σ over Gmax of one reading, of cells that were written to `written` and are at g now; 0 without a fit."""
    if analog.read_scale is None or analog.read_power is None or analog.read_most is None:
        return np.zeros_like(g)
    assert analog.read_window is not None
    quality = analog.read_scale.value / np.maximum(written, LEAST) ** analog.read_power.value
    window = analog.read_window.value
    spectrum = np.log(np.maximum((t + window) / (2.0 * window), 1.0))
    return np.asarray(g * np.minimum(quality, analog.read_most.value) * np.sqrt(spectrum))


def to_level(analog: Analog, g: Array) -> Array:
    """Return the nearest conductance that programming tells apart, in 0..1."""
    x, levels = np.clip(g, 0.0, 1.0), analog.levels.value
    return x if levels < 2 else np.floor(x * (levels - 1) + 0.5) / (levels - 1)
