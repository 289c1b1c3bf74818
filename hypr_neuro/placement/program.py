"""What a program takes of the memory of the processor that runs it, as the compiler measured it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.placement.cost import UNKNOWN


@dataclass(frozen=True)
class MemoryUse:
    """Bytes of one memory: used, None where nothing measured them, and its size, None where the profile has none."""

    name: str
    used: int | None
    limit: int | None
    key: str

    @property
    def exceeded(self) -> bool:
        """Whether it is known not to hold what it has to."""
        return self.used is not None and self.limit is not None and self.used > self.limit

    def told(self) -> str:
        """Tell used and size, "unknown" for what is not known."""
        used = UNKNOWN if self.used is None else f"{self.used:,}"
        if self.used is None or self.limit is None:
            return f"{used} of {UNKNOWN if self.limit is None else f'{self.limit:,}'} bytes"
        return f"{used} of {self.limit:,} bytes ({self.used / self.limit:.1%})"


@dataclass(frozen=True)
class ProgramUse:
    """One program, of a core or of the whole chip.

    Attributes
    ----------
    name
        In words.
    memories
        What it takes of each.
    largest
        Its largest tables and functions, (name, bytes), the largest first.
    reason
        Why it was not measured, None if it was.
    """

    name: str
    memories: tuple[MemoryUse, ...]
    largest: tuple[tuple[str, int], ...] = field(default=())
    reason: str | None = None

    @property
    def checked(self) -> bool:
        """Whether a size was held against a limit."""
        return any(m.used is not None and m.limit is not None for m in self.memories)

    def section(self) -> dict[str, Any]:
        """Return plain data, "unknown" for what is not known."""
        return {
            "name": self.name,
            "memories": [
                {
                    "name": m.name,
                    "bytes": UNKNOWN if m.used is None else m.used,
                    "limit": UNKNOWN if m.limit is None else m.limit,
                }
                for m in self.memories
            ],
            "largest": [list(entry) for entry in self.largest],
            "reason": self.reason,
        }


def check_program(program: ProgramUse, profile: str, remedy: str) -> None:
    """Raise DoesNotFitError, naming the memory, what takes most of it and a remedy, for a program that is too large."""
    for m in program.memories:
        if m.exceeded:
            most = ", ".join(f"{name} {size:,}" for name, size in program.largest)
            raise DoesNotFitError(
                f"{program.name}: {m.used:,} bytes of {m.name}, limit {m.limit:,} (profile '{profile}', {m.key})"
                f"{most and '; the most take '}{most}; {remedy}"
            )
