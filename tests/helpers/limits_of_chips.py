"""Profiles with other limits than those of their chip."""

from __future__ import annotations

from typing import Any

import numpy as np

from hypr_neuro.profiles.profile import Profile, parse_profile


def limited(base: Profile, cores: int | None = None, **limits: Any) -> Profile:
    """`base` with other limits of a core and of the chip; None takes one away."""
    data = base.dump()
    for key, value in limits.items():
        data["core"][key] = {"value": value, "unit": "-", "source": "test"}
        if value is None:
            del data["core"][key]
    data["chip"] = {"cores": {"value": cores, "unit": "-", "source": "test"}} if cores else {}
    return parse_profile(data, "test")


def drawn_limits(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, 5])
    limits: dict[str, Any] = {"neurons": int(rng.integers(1, 5))}
    limits |= {"in_axons": int(rng.integers(8, 20))} if rng.random() < 0.5 else {}
    limits |= {"synaptic_memory": int(rng.integers(600, 6000))} if rng.random() < 0.5 else {}
    limits |= {"out_axons": int(rng.integers(6, 30))} if rng.random() < 0.5 else {}
    return limits
