"""What a check of a network's integers found: a bound for each number, inputs that overflow some, the table of both."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from hypr_neuro.bounds.network import NetworkBounds, bits_of
from hypr_neuro.bounds.search import Seen
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.shown import Shown, as_html, as_text

SAFE, SHOWN, OPEN = "cannot overflow", "overflows", "not proved"
MOST_BITS = 32
"""Of a signed word of any executor."""


@dataclass(frozen=True)
class Bound:
    """What is known of one number of a population or connection, over all its neurons.

    Attributes
    ----------
    population, connection
        Whose it is; connection is "" of what is the population's own.
    quantity
        "sum" of a connection's mantissas, "current" of all that arrives, a state, or a register of the step function.
    declared
        Bits, sign included; None where no width is declared.
    proved
        Fewest bits for which it is proved that it cannot overflow, None where no number bounds it.
    low, high
        Ends for any input, None where there is none.
    seen_low, seen_high
        Ends of what was seen, on data or in the search; None of what is not recorded.
    verdict
        One of "cannot overflow", "overflows", "not proved".
    neurons, endless
        For how many of them it is not proved, and how many of these nothing bounds.
    example
        Place among `Check.examples`, None where there is none.
    """

    population: str
    connection: str
    quantity: str
    declared: int | None
    proved: int | None
    low: int | None
    high: int | None
    seen_low: int | None
    seen_high: int | None
    verdict: str
    neurons: int = 0
    example: int | None = None
    endless: int = 0

    @property
    def name(self) -> str:
        """Name of the number in tables."""
        return f"{self.connection or self.population}.{self.quantity}"

    @property
    def seen_bits(self) -> int | None:
        """Bits that hold all that was seen."""
        if self.seen_low is None or self.seen_high is None:
            return None
        return int(bits_of(np.array([self.seen_low]), np.array([self.seen_high]))[0])


@dataclass(frozen=True)
class Example:
    """An input that overflows something.

    Attributes
    ----------
    population, event
        What the simulator counts, or "sum" of a connection.
    count
        How often.
    x : (T, channel)
        The input.
    """

    population: str
    event: str
    count: int
    x: Array


@dataclass
class Check:
    """Bounds of a network for any input between `inputs`, and examples of what overflows.

    Attributes
    ----------
    bounds
        One for each number.
    examples
        Inputs that overflow something; `hn.simulate(network, example.x[None])` counts it.
    inputs
        Smallest and largest number of an input channel.
    notes
        What is not covered, one sentence each.
    """

    bounds: list[Bound]
    examples: list[Example]
    inputs: tuple[int, int]
    notes: list[str] = field(default_factory=list)
    network: NetworkBounds | None = None

    def of(self, verdict: str) -> list[Bound]:
        """Return the bounds with that verdict."""
        return [b for b in self.bounds if b.verdict == verdict]

    @property
    def safe(self) -> bool:
        """Whether nothing can overflow, whatever the input."""
        return all(b.verdict == SAFE for b in self.bounds)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, examples without their inputs."""
        return {
            "inputs": list(self.inputs),
            "safe": self.safe,
            "bounds": [asdict(b) | {"seen_bits": b.seen_bits} for b in self.bounds],
            "examples": [{"population": e.population, "event": e.event, "count": e.count} for e in self.examples],
            "notes": self.notes,
        }

    def table(self) -> Shown:
        """Return a row for each number."""
        rows = [(b.name, _bits(b.declared), _bits(b.proved), _bits(b.seen_bits), b.verdict) for b in self.bounds]
        counts = ", ".join(f"{len(self.of(v))} {v}" for v in (SAFE, SHOWN, OPEN) if self.of(v))
        title = f"Any input of {self.inputs[0]}..{self.inputs[1]}: {counts}"
        return Shown(title, ("number", "bits", "proved", "seen", "verdict"), rows)

    __repr__ = as_text
    _repr_html_ = as_html


def _bits(bits: int | None) -> str:
    return "–" if bits is None else str(bits)


def row_of(
    population: str,
    quantity: str,
    declared: int | None,
    lo: Array,
    hi: Array,
    seen: Seen | None,
    proved: Array,
    overflows: bool = False,
    example: int | None = None,
    connection: str = "",
) -> Bound:
    """Make a row of ends (n,), and whether each neuron is proved to fit."""
    bits = bits_of(lo, hi)
    finite = bool((bits >= 0).all())
    verdict = SAFE if proved.all() else SHOWN if overflows else OPEN
    return Bound(
        population,
        connection,
        quantity,
        declared,
        int(bits.max()) if finite else None,
        int(lo.min()) if finite else None,
        int(hi.max()) if finite else None,
        None if seen is None else int(seen.least.min()),
        None if seen is None else int(seen.most.max()),
        verdict,
        int(np.count_nonzero(~proved)),
        example,
        int(np.count_nonzero(bits < 0)),
    )
