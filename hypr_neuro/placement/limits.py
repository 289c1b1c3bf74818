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
    cores, tiles
        Of the chip; tiles of analog cells.
    profile
        Its name.
    chips
        By limit the chip that the number was published for, where that is another one.
    whole
        Of the whole chip, by key: inputs, neurons and synapses, see `WHOLE`.
    analog
        Whether weights are cells of tiles.
    """

    neurons: int | None
    in_axons: int | None
    out_axons: int | None
    synaptic_memory: int | None
    fan_in: int | None
    delay: int | None
    cores: int | None
    tiles: int | None
    profile: str
    chips: dict[str, str] = field(default_factory=dict)
    whole: dict[str, int | None] = field(default_factory=dict)
    analog: bool = False

    @classmethod
    def of(cls, chip: Profile) -> Limits:
        """Read the limits off a profile."""
        core = {key: _limit(getattr(chip.core, key)) for key in CORE}
        stated = {key: getattr(chip.core, key) for key in CORE} | {"cores": chip.chip.cores, "tiles": chip.chip.tiles}
        stated |= {f"chip.{key}": getattr(chip.chip, key) for key in WHOLE}
        whole = {key: _limit(getattr(chip.chip, key)) for key in WHOLE}
        chips = {key: q.chip for key, q in stated.items() if q is not None and q.chip is not None}
        return cls(
            cores=_limit(chip.chip.cores),
            tiles=_limit(chip.chip.tiles),
            profile=chip.name,
            chips=chips,
            whole=whole,
            analog=chip.analog is not None,
            **core,
        )

    @property
    def unknown(self) -> list[str]:
        """Names of the limits that the profile does not state, as it would.

        Limits of the whole chip are missing where a chip is described by them, or by nothing at all: one whose cores
        and neurons of a core are stated has as many neurons as these hold, and its inputs are spikes like any others.
        """
        own = (*CORE, "cores", "tiles") if self.analog else (*CORE, "cores")
        missing = [self._key(key) for key in own if getattr(self, key) is None]
        stated = {key for key, limit in self.whole.items() if limit is not None}
        if not stated and self.cores is not None and self.neurons is not None:
            return missing
        wanted = WHOLE_OF_HIDDEN if "hidden" in stated else WHOLE_OF_ALL
        return missing + [f"chip.{key}" for key in wanted if key not in stated]

    @property
    def of_other_chips(self) -> dict[str, str]:
        """By a limit's name the chip that it is of, where that is another one."""
        return {self._key(key): chip for key, chip in self.chips.items()}

    @staticmethod
    def _key(key: str) -> str:
        if key.startswith("chip."):
            return key
        return f"{'chip' if key in ('cores', 'tiles') else 'core'}.{key}"

    def _limit(self, key: str) -> int | None:
        limit: int | None = self.whole[key[5:]] if key.startswith("chip.") else getattr(self, key)
        return limit

    def check(self, where: str, what: str, value: int, key: str, remedy: str) -> None:
        """Raise DoesNotFitError for a value above a limit.

        Parameters
        ----------
        where, what
            The population, connection or core, and what it has so many of.
        value
            How many.
        key
            The limit, an attribute of this class, or "chip." and a key of `whole`.
        remedy
            What would fit.
        """
        limit = self._limit(key)
        if limit is not None and value > limit:
            raise self.exceeded(where, what, value, key, remedy)

    def exceeded(self, where: str, what: str, value: int, key: str, remedy: str) -> DoesNotFitError:
        """Return the error for a value above a limit; arguments as of `check`."""
        whose = f", a figure of {self.chips[key]}" if key in self.chips else ""
        return DoesNotFitError(
            f"{where}: {value} {what}, limit {self._limit(key)} (profile '{self.profile}', {self._key(key)}{whose}); "
            f"{remedy}"
        )


CORE = ("neurons", "in_axons", "out_axons", "synaptic_memory", "fan_in", "delay")
"""Limits that stand under `core` in a profile."""
WHOLE_OF_HIDDEN = ("inputs", "hidden", "outputs", "synapses", "hidden_synapses", "hidden_fan_out")
"""Limits of a whole chip that has neurons of their own for outputs; `placement.whole_chip` counts them."""
WHOLE_OF_ALL = ("inputs", "outputs", "neurons", "synapses")
"""Those of one whose neurons may all be outputs."""
WHOLE = ("inputs", "hidden", "outputs", "neurons", "synapses", "hidden_synapses", "hidden_fan_out")
"""All that stand under `chip`."""
OTHER_CHIP = "or take a profile with a higher limit"


def _limit(quantity: Any) -> int | None:
    return None if quantity is None else int(quantity.value)
