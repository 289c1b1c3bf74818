"""What a network must keep to so that Lava computes the simulator's numbers. Nothing here needs Lava."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any

from hypr_neuro.errors import InputError, MissingPackageError
from hypr_neuro.graph.clock import INPUT
from hypr_neuro.quantizing.network import QuantizedNetwork

LAVA = "lava-nc"
WEIGHT_BITS = 8
DECAY_TOP, THRESHOLD_TOP = 4095, (1 << 17) - 1


def require_lava() -> None:
    """Raise MissingPackageError, with the way to get it, if Lava is not installed."""
    try:
        installed = find_spec("lava.magma") is not None
    except ModuleNotFoundError:
        installed = False
    if not installed:
        raise MissingPackageError(
            "Lava is not installed; it exists for Python 3.10 only: there, pip install lava-nc==0.10.0"
        )


def check_delay(qnet: QuantizedNetwork) -> None:
    """Raise InputError, naming the profile, unless connections take the one step that they take in Lava."""
    delay = qnet.clock.connection_delay
    if delay != 1:
        raise InputError(
            f"profile '{qnet.profile.name}': time.connection_delay = {delay}, rule for Lava: 1 (its "
            "connections deliver one step later); quantize for a profile such as loihi2"
        )


def check_reached(populations: Sequence[str], connections: Iterable[Any]) -> None:
    """Refuse a population apart from the input: Lava runs what hangs together, it would never take a step.

    Each of the connections has `source` and `target`.
    """
    reached, links = {INPUT}, [{c.source, c.target} for c in connections]
    for _ in populations:
        reached |= {end for ends in links if ends & reached for end in ends}
    for name in populations:
        if name not in reached:
            raise InputError(
                f"population '{name}': no connections lead from it to the input, rule for Lava: at "
                "least one, over others or not; connect it with weights 0"
            )
