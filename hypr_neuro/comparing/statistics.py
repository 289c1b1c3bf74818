"""Figures over several seeds: means, their intervals, and whether two sides differ, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan, sqrt
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError

LEVEL = 0.95
RESAMPLES = 10_000
FEWEST = 3
"""Seeds below which no interval is worth telling."""
MOST_SIGNS = 16
"""Pairs up to which a permutation test counts all signs."""


@dataclass(frozen=True)
class Interval:
    """A mean over seeds with its 95 % intervals; NaN where there are too few seeds.

    Attributes
    ----------
    n
        Seeds that have a number.
    mean, deviation
        Of them; the deviation that of a sample.
    low, high
        By Student's t.
    bootstrap_low, bootstrap_high
        By resampling seeds, percentiles of the mean.
    """

    n: int
    mean: float
    deviation: float
    low: float
    high: float
    bootstrap_low: float
    bootstrap_high: float

    @property
    def covers_zero(self) -> bool:
        """Tell whether 0 lies in Student's interval, or whether there is none."""
        return isnan(self.low) or self.low <= 0 <= self.high

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Paired:
    """Differences of two sides, seed by seed: their interval, and p of three tests that their mean is 0.

    Attributes
    ----------
    difference
        Of the first side minus the second.
    t, wilcoxon, permutation
        Two-sided p of the paired t test, of Wilcoxon's signed ranks and of a permutation of signs (all of them up to 16
        pairs); NaN where a test has nothing to go by.
    sentence
        What may be said, in words.
    """

    difference: Interval
    t: float
    wilcoxon: float
    permutation: float
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def interval(values: Sequence[float]) -> Interval:
    """Return mean and intervals of one number a seed; NaN are left out. The bootstrap repeats itself exactly."""
    known = np.array([v for v in values if v is not None and not isnan(v)], np.float64)
    n = len(known)
    mean = float(known.mean()) if n else nan
    if n < 2:
        return Interval(n, mean, nan, nan, nan, nan, nan)
    deviation = float(known.std(ddof=1))
    if n < FEWEST:
        return Interval(n, mean, deviation, nan, nan, nan, nan)
    from scipy.stats import t

    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * deviation / sqrt(n)
    means = known[np.random.default_rng(0).integers(0, n, (RESAMPLES, n))].mean(axis=1)
    low, high = np.percentile(means, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(n, mean, deviation, mean - half, mean + half, float(low), float(high))


def paired(ours: Sequence[float], theirs: Sequence[float], first: str, second: str, unit: str = "") -> Paired:
    """Compare two sides seed by seed; `first` and `second` name them in the sentence.

    Raise InputError where one side has another number of seeds.
    """
    if len(ours) != len(theirs):
        raise InputError(
            f"{len(ours)} and {len(theirs)} seeds, rule: a pair for each seed; run both with the same ones"
        )
    differences = np.subtract(np.asarray(ours, np.float64), np.asarray(theirs, np.float64))
    differences = differences[~np.isnan(differences)]
    told = interval(differences.tolist())
    p_t = p_ranks = nan
    if told.n >= 2 and told.deviation > 0:
        from scipy.stats import ttest_1samp, wilcoxon

        p_t = float(ttest_1samp(differences, 0.0).pvalue)
        p_ranks = float(wilcoxon(differences).pvalue) if np.any(differences) else nan
    return Paired(told, p_t, p_ranks, permuted(differences), _sentence(told, first, second, unit))


def permuted(differences: Any) -> float:
    """Return how often signs given at random make a mean as far from 0, of two sides that do not differ."""
    n = len(differences)
    if not n:
        return nan
    if n <= MOST_SIGNS:
        signs = 1.0 - 2.0 * ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (RESAMPLES, n))
    means = np.abs(signs @ differences)
    return float(np.mean(means >= abs(float(np.sum(differences))) * (1 - 1e-12)))


def _sentence(told: Interval, first: str, second: str, unit: str) -> str:
    """Say what the seeds show, and what they do not."""
    if told.n < FEWEST:
        seeds = f"{told.n} seed{'s' if told.n != 1 else ''}"
        return f"{seeds} cannot tell whether {first} and {second} differ; give at least {FEWEST}, better 5 or more"
    if told.deviation == 0 and told.mean == 0:
        return f"{first} and {second} are equal in each of {told.n} seeds"
    if told.deviation == 0:
        same = f"{first} minus {second}: {told.mean:+.4g}{unit} in each of {told.n} seeds"
        return f"{same}, which are too much alike for an interval; more samples to score on would tell them apart"
    spread = f"{told.mean:+.4g}{unit} (95 % interval {told.low:+.4g} to {told.high:+.4g}, {told.n} seeds)"
    if told.covers_zero:
        return f"{first} minus {second}: {spread}; the interval covers 0, so that these seeds show no difference"
    few = "; the tests of ranks and signs cannot go below 0.05 with fewer than 6 seeds" if told.n < 6 else ""
    return f"{first} minus {second}: {spread}; the interval does not cover 0{few}"
