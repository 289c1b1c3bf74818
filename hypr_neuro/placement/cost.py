"""What one sample costs: counted operations, each with the figures that a profile has for it."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from hypr_neuro.profiles.profile import Profile
from hypr_neuro.profiles.quantity import Quantity

if TYPE_CHECKING:
    from hypr_neuro.placement.accesses import MemoryAccesses

UNKNOWN = "unknown"
SAMPLE, STEP = "sample", "step at most"
WIDTH = 78
"""Columns of what is printed."""


@dataclass(frozen=True)
class Operations:
    """Operations of one kind, and what one of them takes.

    Attributes
    ----------
    name
        In words.
    count
        A sample, or a step where nothing is known of the activity.
    energy_pj, time_ns
        Of one, None where the profile has no figure.
    source
        Of these figures, "" without any.
    """

    name: str
    count: float
    energy_pj: float | None
    time_ns: float | None
    source: str = ""

    @classmethod
    def of(cls, name: str, count: float, chip: Profile, key: str, *, timed: bool = True) -> Operations:
        """Take the figures `key` and `key`_time of the profile; a kind that is not `timed` overlaps with others."""
        energy: Quantity[float] | None = getattr(chip.energy, key, None)
        time: Quantity[float] | None = getattr(chip.energy, f"{key}_time", None) if timed else None
        found = [q for q in (energy, time) if q is not None]
        return cls(
            name,
            count,
            None if energy is None else energy.value,
            None if time is None else time.value,
            "; ".join(dict.fromkeys(q.told_source for q in found)),
        )

    @property
    def energy_nj(self) -> float | None:
        """Energy of all of them in nJ, None if unknown."""
        return None if self.energy_pj is None else self.count * self.energy_pj / 1e3


@dataclass(frozen=True)
class Phase:
    """Inference or learning: what is counted, and the sums.

    Attributes
    ----------
    operations
        By kind.
    energy_nj, time_us
        The sum, None where a figure that it cannot do without is unknown.
    """

    operations: tuple[Operations, ...]
    energy_nj: float | None
    time_us: float | None


@dataclass(frozen=True, repr=False)
class Estimate:
    """Cost of one sample after published figures for one operation; an estimate, not a measurement.

    Attributes
    ----------
    profile
        Name of the chip's profile.
    per
        What the counts are of: "sample", or "step at most" where the activity is unknown: then all send.
    steps
        Device steps of one.
    inference
        Its operations and sums.
    learning
        What learning adds, None where the network does not learn.
    spikes_between_cores
        Messages a step.
    accesses
        Numbers read from memory and written to it: an estimate of its own, since figures of operations contain them.
    leaves_out
        What the sums do not contain, in words.
    chips
        Other chips whose figures are used.
    sources
        Of the figures.
    """

    profile: str
    per: str
    steps: int
    inference: Phase
    learning: Phase | None
    spikes_between_cores: float
    accesses: MemoryAccesses | None = None
    leaves_out: tuple[str, ...] = ()
    chips: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def energy_nj(self) -> float | None:
        """Energy of inference in nJ, None if unknown."""
        return self.inference.energy_nj

    @property
    def time_us(self) -> float | None:
        """Time of inference in µs, None if unknown."""
        return self.inference.time_us

    @property
    def synaptic_operations(self) -> float:
        """Weights read for a spike."""
        return self.count("synaptic operations")

    @property
    def note(self) -> str:
        """Where the figures come from and what the sums leave out, in one line."""
        if not self.sources:
            return f"profile '{self.profile}' has no published figures of energy and time"
        figures = f"figures of {', '.join(self.chips)}, not of this chip: " if self.chips else ""
        return f"estimate after {figures}{'; '.join(self.sources)}; leaves out {', '.join(self.leaves_out)}"

    def count(self, name: str) -> float:
        """Return how many operations of that name there are; 0 for one that is not counted."""
        learning = () if self.learning is None else self.learning.operations
        return sum(o.count for o in (*self.inference.operations, *learning) if o.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, "unknown" for what the profile has no figure of."""
        return {
            "profile": self.profile,
            "per": self.per,
            "steps": self.steps,
            "inference": _plain(self.inference),
            "learning": None if self.learning is None else _plain(self.learning),
            "spikes_between_cores_per_step": self.spikes_between_cores,
            "memory_accesses": None if self.accesses is None else self.accesses.section(),
            "leaves_out": list(self.leaves_out),
            "figures_of": list(self.chips),
            "sources": list(self.sources),
        }

    def figures(self) -> dict[str, Any]:
        """Return the sums of a sample alone, as a report shows them; "unknown" for what has no figure."""
        learning = Phase((), None, None) if self.learning is None else self.learning
        sums = {
            "energy_per_sample_nj": self.energy_nj,
            "time_per_sample_us": self.time_us,
            "learning_energy_per_sample_nj": learning.energy_nj,
            "learning_time_per_sample_us": learning.time_us,
        }
        return {
            "spikes_between_cores_per_step": self.spikes_between_cores,
            "synaptic_operations_per_sample": self.synaptic_operations,
            **{key: UNKNOWN if value is None else value for key, value in sums.items()},
            "estimate_note": self.note,
        }

    def __repr__(self) -> str:
        """Tell counts, figures, sums, sources and what is left out, on one screen."""
        of_what = f"a sample of {self.steps} device steps" if self.per == SAMPLE else "at most in a step"
        lines = [f"Estimate for '{self.profile}', {of_what}"]
        lines += _lines("inference", self.inference)
        lines += [] if self.learning is None else _lines("learning adds at least", self.learning)
        lines += [] if self.accesses is None else self.accesses.summary()
        for chip in self.chips:
            lines += [f"figures of {chip}, not of '{self.profile}'"]
        for title, entries in (("source", self.sources), ("left out", self.leaves_out)):
            if entries:
                lines += wrap(f"{title}: {'; '.join(entries)}", WIDTH, subsequent_indent="  ")
        return "\n".join(lines)


def known(value: float | None, unit: str = "") -> str:
    """Return a number as text, "unknown" for none."""
    return UNKNOWN if value is None else f"{value:.4g}{unit and ' '}{unit}"


def counted(value: float) -> str:
    """Return a count as text, a mean with six digits."""
    return f"{value:,.0f}" if value >= 100_000 or value == round(value) else f"{value:.6g}"


def _lines(title: str, phase: Phase) -> list[str]:
    lines = [f"{title}: energy {known(phase.energy_nj, 'nJ')}, time {known(phase.time_us, 'µs')}"]
    for o in phase.operations:
        each = f"{known(o.energy_pj, 'pJ')}, {known(o.time_ns, 'ns')} each"
        lines.append(f"  {o.name:<24}{counted(o.count):>14}  {each}")
    return lines


def _plain(phase: Phase) -> dict[str, Any]:
    operations = [
        {
            "name": o.name,
            "count": o.count,
            "energy_pj_each": UNKNOWN if o.energy_pj is None else o.energy_pj,
            "time_ns_each": UNKNOWN if o.time_ns is None else o.time_ns,
            "source": o.source or UNKNOWN,
        }
        for o in phase.operations
    ]
    return {
        "energy_nj": UNKNOWN if phase.energy_nj is None else phase.energy_nj,
        "time_us": UNKNOWN if phase.time_us is None else phase.time_us,
        "operations": operations,
    }
