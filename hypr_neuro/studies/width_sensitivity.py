"""What each tensor loses in fewer bits, one tensor at a time, all others as wide as the chip is.

Tensors are the weights of every connection and, of every population, its states and its coefficients; where the network
learns before it is scored, eligibilities and accumulators as well, which change nothing without learning.

Widths of a tensor are tried from the chip's downward, one step at a time. Two in a row that lose more than `stop`
points, by more than twice the standard error, end its row: what is narrower is not tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypr_neuro.errors import InputError
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.profiles.rules import RULE_KEYS
from hypr_neuro.quantizing.width_plan import SHORT, rule_names
from hypr_neuro.studies.width_trials import PLACED, PairedLoss, WidthTrials

LEAST = {"weight_bits": 1, "state_bits": 8, "coefficient_bits": 12, "eligibility_bits": 4, "accumulator_bits": 8}
"""Fewest bits of each kind of tensor that a profile may have."""
STEP = {"state_bits": 2, "eligibility_bits": 2, "accumulator_bits": 2}
"""Bits that a step takes away, where it is not 1."""
OF_LEARNING = ("eligibility_bits", "accumulator_bits")
KINDS = tuple(LEAST)
STOP_POINTS, STOP_AFTER = 5.0, 2
assert all(SHORT[key] in RULE_KEYS for key in KINDS)


@dataclass(frozen=True)
class NarrowedTensor:
    """One tensor whose width may be chosen: the name of a connection or population, and the key of its bits."""

    name: str
    key: str

    @property
    def id(self) -> tuple[str, str]:
        """As `WidthTrials` names it."""
        return self.name, self.key

    def widths(self, profile: Profile) -> list[int]:
        """Return the widths from the chip's own downward."""
        section, name = SHORT[self.key].split(".")
        precision = profile.precision
        own = precision.stored_weight_bits if name == "weight_bits" else getattr(getattr(profile, section), name).value
        return list(range(int(own), LEAST[self.key] - 1, -STEP.get(self.key, 1)))


@dataclass(frozen=True)
class Step:
    """One tensor at one width.

    Attributes
    ----------
    bits
        Of the tensor.
    loss
        Points that the network loses against the chip's own widths.
    saved
        Bits of memory that it takes less.
    """

    bits: int
    loss: PairedLoss
    saved: int


Sensitivities = dict[NarrowedTensor, list[Step]]


def tensors_of(trials: WidthTrials, kinds: tuple[str, ...]) -> list[NarrowedTensor]:
    """Return the tensors of these kinds; InputError for an unknown kind, or one of learning without learning."""
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"tensors: unknown '{kind}', known: {', '.join(KINDS)}")
        if kind in OF_LEARNING and trials.learning is None:
            raise InputError(
                f"tensors: '{kind}' matters only where the network learns; give the rate at which it learns (--rate)"
            )
    found = [NarrowedTensor(names[0], "weight_bits") for names in rule_names(trials.net) if "weight_bits" in kinds]
    populations = [p.name for p in trials.net.populations]
    found += [NarrowedTensor(name, kind) for kind in kinds if kind != "weight_bits" for name in populations]
    return found


def measure(
    trials: WidthTrials, tensors: list[NarrowedTensor], cost: str = PLACED, stop: float = STOP_POINTS
) -> Sensitivities:
    """Return the steps of each tensor, its own width first, which loses and saves nothing."""
    return {tensor: list(_steps(trials, tensor, cost, stop)) for tensor in tensors}


def _steps(trials: WidthTrials, tensor: NarrowedTensor, cost: str, stop: float) -> Iterator[Step]:
    own, beyond = trials.memory({}).bits(cost), 0
    for i, bits in enumerate(tensor.widths(trials.profile)):
        if i == 0:
            yield Step(bits, PairedLoss(0.0, 0.0), 0)
            continue
        widths = {tensor.id: bits}
        try:
            loss = trials.loss(widths, {})
        except InputError:
            return  # integers of this width do not exist, such as exponents beyond the chip's
        yield Step(bits, loss, own - trials.memory(widths).bits(cost))
        beyond = beyond + 1 if loss.points - 2 * loss.error > stop else 0
        if beyond == STOP_AFTER:
            return
