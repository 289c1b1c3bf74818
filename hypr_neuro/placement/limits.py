"""Limits of a core and of a chip, and the error that says which one a network does not keep to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.profiles.profile import Profile


@dataclass(frozen=True)
class Limits:
    """What a profile allows, None where it states no limit: then none is known, and nothing is checked.

    Attributes
    ----------
    neurons, in_axons, out_axons, synaptic_memory
        Of one core; memory in bits.
    fan_in, delay
        Synapses of one neuron, and steps of delay of one synapse.
    cores
        Of the chip.
    profile
        Its name.
    chips
        By limit the chip that the number was published for, where that is another one.
    """

    neurons: int | None
    in_axons: int | None
    out_axons: int | None
    synaptic_memory: int | None
    fan_in: int | None
    delay: int | None
    cores: int | None
    profile: str
    chips: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, chip: Profile) -> Limits:
        """Read the limits off a profile."""
        core = {key: _limit(getattr(chip.core, key)) for key in CORE}
        stated = {key: getattr(chip.core, key) for key in CORE} | {"cores": chip.chip.cores}
        chips = {key: q.chip for key, q in stated.items() if q is not None and q.chip is not None}
        return cls(cores=_limit(chip.chip.cores), profile=chip.name, chips=chips, **core)

    @property
    def unknown(self) -> list[str]:
        """Names of the limits that the profile does not state, as it would."""
        return [self._key(key) for key in (*CORE, "cores") if getattr(self, key) is None]

    @property
    def of_other_chips(self) -> dict[str, str]:
        """By a limit's name the chip that it is of, where that is another one."""
        return {self._key(key): chip for key, chip in self.chips.items()}

    @staticmethod
    def _key(key: str) -> str:
        return f"{'chip' if key == 'cores' else 'core'}.{key}"

    def check(self, where: str, what: str, value: int, key: str, remedy: str) -> None:
        """Raise DoesNotFitError for a value above a limit.

        Parameters
        ----------
        where, what
            The population, connection or core, and what it has so many of.
        value
            How many.
        key
            The limit, an attribute of this class.
        remedy
            What would fit.
        """
        limit = getattr(self, key)
        if limit is not None and value > limit:
            raise self.exceeded(where, what, value, key, remedy)

    def exceeded(self, where: str, what: str, value: int, key: str, remedy: str) -> DoesNotFitError:
        """Return the error for a value above a limit; arguments as of `check`."""
        whose = f", a figure of {self.chips[key]}" if key in self.chips else ""
        return DoesNotFitError(
            f"{where}: {value} {what}, limit {getattr(self, key)} (profile '{self.profile}', {self._key(key)}{whose}); "
            f"{remedy}"
        )


CORE = ("neurons", "in_axons", "out_axons", "synaptic_memory", "fan_in", "delay")
"""Limits that stand under `core` in a profile."""
OTHER_CHIP = "or take a profile with a higher limit"


def _limit(quantity: Any) -> int | None:
    return None if quantity is None else int(quantity.value)
