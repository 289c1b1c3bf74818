"""Networks on crossbars for tests: profiles without any noise and converters wide enough, or with all of it."""

from __future__ import annotations

from typing import Any

from hypr_neuro.profiles.analog import SWITCHES
from hypr_neuro.profiles.profile import Profile, load_profile

PROFILES = ("pcm_crossbar", "reram", "reram_neohebbian")
WIDE = {
    "analog.adc_bits": 32,
    "analog.adc_range": 1 << 24,
    "analog.dac_bits": 24,
    "analog.levels": 0,
    "precision.weight_bits": 8,
}
FINE = {"analog.adc_range": 256.0}
"""An ADC of 32 bits whose step is far below a mantissa."""
OFF = {f"analog.{name}": False for name in SWITCHES}


def noiseless(name: str, **values: Any) -> Profile:
    """Return a profile with wide converters and every term off; values : of the section `analog`."""
    return load_profile(name, {**WIDE, **OFF, **{f"analog.{key}": value for key, value in values.items()}})


def noisy(name: str, **values: Any) -> Profile:
    """Return a profile with 8-bit weights and everything on."""
    changes = {"precision.weight_bits": 8, "analog.levels": 0}
    return load_profile(name, {**changes, **{f"analog.{key}": value for key, value in values.items()}})
