"""What a program takes of the memory of the processor that runs it, as the compiler measured it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.placement.cost import UNKNOWN


@dataclass(frozen=True)
class MemoryUse:
    """One memory of a processor.

    Attributes
    ----------
    name
        In words.
    used
        Bytes, None where nothing measured them.
    limit
        Its size in bytes, None where the profile has none.
    key
        Key of the profile that says so.
    largest
        What takes most of it, (name, bytes), the largest first.
    """

    name: str
    used: int | None
    limit: int | None
    key: str
    largest: tuple[tuple[str, int], ...] = field(default=())

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
    reason
        Why it was not measured, None if it was.
    """

    name: str
    memories: tuple[MemoryUse, ...]
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
                    "largest": [list(entry) for entry in m.largest],
                }
                for m in self.memories
            ],
            "reason": self.reason,
        }


def check_programs(programs: Iterable[ProgramUse], profile: str, remedy: str) -> None:
    """Raise DoesNotFitError for programs that are too large: each memory, what takes most of it, and a remedy."""
    found = []
    exceeded = [(program, m) for program in programs for m in program.memories if m.exceeded]
    for program, m in exceeded:
        most = ", ".join(f"{name} {size:,}" for name, size in m.largest)
        found.append(
            f"{program.name}: {m.used:,} bytes of {m.name}, limit {m.limit:,} (profile '{profile}', {m.key})"
            f"{most and '; the most take '}{most}"
        )
    if found:
        raise DoesNotFitError(f"{'; '.join(found)}; {remedy}")
