"""What makes a result worthless, in words that name the likely cause and the remedy.

Each function takes figures and returns sentences, none where there is nothing to say. Python users meet them as a
`HyprWarning`, the command line prints each as one line, the report shows them above its figures.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypr_neuro.errors import HyprWarning

ALWAYS = 0.999
"""Spikes a neuron and step from which on a population says nothing: it fires whatever it is given."""
CHANGED = 2.0
"""Factor between the firing rates in float and in integers."""
SATURATED = 0.1
"""Share of a population's updates from which on saturations are told."""
LOST = 0.5
"""Share of a connection's weights that became 0."""
UNDRIVEN = "x is 0 everywhere; give samples that drive the network"
"""Why nothing fires where no input does."""
FEW = 1e-3
"""Rate below which a factor between two rates is chance."""


def warn_of(doubts: Iterable[str], stacklevel: int = 3) -> None:
    """Give each sentence as a `HyprWarning`."""
    for doubt in doubts:
        warnings.warn(doubt, HyprWarning, stacklevel=stacklevel)


def of_score(accuracy: float, majority: float, samples: int) -> list[str]:
    """Say that an accuracy is not above the share of the most frequent class, both 0 to 1.

    Where all labels are of one class, nothing can be above it.
    """
    if not samples or not accuracy <= majority or majority >= 1.0:
        return []
    return [
        f"accuracy {accuracy:.1%} of {samples} sample(s) is not above that of always answering the most frequent class "
        f"({majority:.1%}): the outputs say nothing of the input; train longer or at another rate, and look at the "
        "firing rates"
    ]


def of_squared_error(error: float, mean: float, samples: int) -> list[str]:
    """Say that the squared error of a regression is not below that of always answering the mean target."""
    if not samples or not error >= mean or mean <= 0.0:
        return []
    return [
        f"squared error {error:.4g} of {samples} sample(s) is not below that of always answering the mean target "
        f"({mean:.4g}): the outputs say nothing of the input; train longer or at another rate, and look at the firing "
        "rates"
    ]


def of_rates(rates: Mapping[str, float], *, driven: bool = True) -> list[str]:
    """Say which populations never fire and which always do; rates are spikes a neuron and step, by population.

    `driven` tells whether any input is not 0.
    """
    silent = [name for name, rate in rates.items() if rate == 0.0]
    always = [name for name, rate in rates.items() if rate >= ALWAYS]
    doubts = []
    if silent:
        remedy = (
            "nothing passes on; give larger weights to what feeds it (hn.scale_to_rate before training), lower "
            "thresholds, or check dt and the input's scale"
        )
        doubts.append(f"{_listed(silent)} never fired: {remedy if driven else UNDRIVEN}")
    if always:
        doubts.append(
            f"{_listed(always)} fired in every step, whatever the input: give smaller weights to what feeds it, higher "
            "thresholds, or check dt and the input's scale"
        )
    return doubts


def of_changed_rates(real: Mapping[str, float], integer: Mapping[str, float]) -> list[str]:
    """Say which populations fire more than twice or less than half as often in integers as in float."""
    doubts = []
    for name, before in real.items():
        after = integer.get(name, before)
        if max(before, after) < FEW or max(before, after) < CHANGED * min(before, after):
            continue
        doubts.append(
            f"'{name}' fires at {before:.3g} spikes a neuron and step in float and at {after:.3g} in integers: "
            "rounding changed what it does; take more weight bits or --weight-groups, calibrate on data that drive it"
        )
    return doubts


def of_zeros(record: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say of which connections at least half of the weights became 0; `record` is that of a conversion."""
    doubts = []
    for name, zeroed, weights in _zeroed(record):
        if zeroed >= LOST * weights:
            doubts.append(
                f"{name}: {zeroed} of {weights} weights that are not 0 became 0, their steps are too coarse for them; "
                "take more weight bits, weight_groups (--weight-groups row), or a smaller largest_weight"
            )
    return doubts


def of_saturations(events: Mapping[str, Mapping[str, int]], updates: Mapping[str, float]) -> list[str]:
    """Say which states saturated or wrapped in a tenth of all steps of their neurons, or more.

    events, updates : counts by population and event ("v saturated"); neurons times steps by population
    """
    doubts = []
    for name, counts in events.items():
        for event, count in counts.items():
            share = count / updates[name] if updates.get(name) else 0.0
            if share >= SATURATED:
                doubts.append(
                    f"'{name}': {event} in {share:.0%} of its neurons' steps, so its states are mostly the ends of "
                    "their range; take a chip with more state_bits or a larger state_headroom, calibrate on data that "
                    "drive it, and look at what quantizing changed of its decays and weights"
                )
    return doubts


def of_learning(before: float, after: float, tolerance: float = 0.0) -> list[str]:
    """Say that learning ended lower than it began; accuracies 0 to 1."""
    if not after < before - tolerance:
        return []
    return [
        f"learning took the accuracy from {before:.1%} to {after:.1%}: a smaller rate or a larger update_every changes "
        "less at once"
    ]


def of_learning_error(before: float, after: float, tolerance: float = 0.0) -> list[str]:
    """Say that learning ended with a larger squared error than it began; tolerance : share of the first."""
    if not after > before * (1.0 + tolerance):
        return []
    return [
        f"learning took the squared error from {before:.4g} to {after:.4g}: a smaller rate or a larger update_every "
        "changes less at once"
    ]


def _zeroed(record: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """Return name, weights that became 0 and weights that were not 0, by connection; its groups count together."""
    sums: dict[str, list[int]] = {}
    for entry in record:
        weights = str(entry.get("rule")).startswith("weight") and not str(entry.get("name")).startswith("bias")
        weights = weights and not str(entry.get("rounding")).startswith("stochastic")  # right on average
        if weights and entry.get("nonzero"):
            total = sums.setdefault(f"{entry.get('layer')}.{entry.get('name')}", [0, 0])
            total[0] += int(entry["zeroed"])
            total[1] += int(entry["nonzero"])
    return [(name, zeroed, nonzero) for name, (zeroed, nonzero) in sums.items()]


def _listed(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return f"population {quoted[0]}" if len(names) == 1 else f"populations {', '.join(quoted)} (each)"
