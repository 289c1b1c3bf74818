"""What a chip can and cannot, in sentences, as its profile states it."""

from __future__ import annotations

from typing import Any

from hypr_neuro.profiles.chip import Profile
from hypr_neuro.profiles.quantity import told_value

LEARNS = {
    "native": "circuits of the chip",
    "microcode": "microcode",
    "arm": "its Arm cores",
    "embedded": "embedded processors",
}
"""By ability what learns."""
MEMORY = {
    "current_decay": "synaptic currents that last longer than a step",
    "membrane_decay": "a leak that is a share of the potential",
}
"""By key what a chip without it cannot."""


def in_words(profile: Profile) -> str:
    """Return what a chip can and what it cannot: neurons, connections, learning; only what its profile states."""
    can: list[str] = []
    cannot: list[str] = []
    models = _says(profile, "models")
    can.append("any neuron with an integer form" if models is None else f"neurons {told_value(models)}")
    for key, words in (("recurrence", "connections that lead back"), ("own_bias", "a constant current of each neuron")):
        value = _says(profile, key)
        if value is not None:
            (can if value else cannot).append(words)
    cannot += [words for key, words in MEMORY.items() if _says(profile, key) is False]
    if _says(profile, "reset") is not None:
        can.append({"zero": "reset to zero", "subtract": "reset by subtraction"}[_says(profile, "reset")])
    if profile.precision.decay_shift_bits is not None:
        cannot.append("decays that are no powers of two")
    if profile.precision.weight_sign is not None and profile.precision.weight_sign.value == "source":
        cannot.append("weights of both signs from one source")
    if _says(profile, "kernel") is not None:
        cannot.append(f"kernels longer than {_says(profile, 'kernel')} a side")
    ability = profile.learning.ability.value
    if ability == "none":
        cannot.append("learning")
    else:
        alone = profile.learning.neuron_parameters
        of = "" if alone is None or alone.value else ", of weights alone"
        can.append(f"learning by {LEARNS[ability]}{of}")
    return f"It can: {'; '.join(can)}." + (f" It cannot: {'; '.join(cannot)}." if cannot else "")


def _says(profile: Profile, key: str) -> Any:
    quantity = getattr(profile.runs, key)
    return None if quantity is None else quantity.value
