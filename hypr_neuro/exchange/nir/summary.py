"""What an import made of a graph, to print and to keep."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from hypr_neuro.exchange.nir.flatten import Flat
from hypr_neuro.exchange.nir.options import Choice


@dataclass(frozen=True)
class ImportSummary:
    """All that `import_nir` read, chose and made.

    Attributes
    ----------
    source
        The file, as errors name it.
    nodes
        Number of nodes of each kind, nested ones included.
    edges
        Number of edges between them.
    choices
        What NIR leaves open, each with its origin.
    became
        One line a population and output.
    remarks
        How parameters were read.
    warnings
        What to look at.
    """

    source: str
    nodes: dict[str, int]
    edges: int
    choices: tuple[Choice, ...]
    became: tuple[str, ...]
    remarks: tuple[str, ...]
    warnings: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return everything, one line each."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.nodes.items())
        return [
            f"{self.source}: {sum(self.nodes.values())} nodes ({kinds}), {self.edges} edges",
            *(f"chosen: {choice}" for choice in self.choices),
            *self.became,
            *(f"note: {text}" for text in self.remarks),
            *(f"warning: {text}" for text in self.warnings),
        ]

    def plain(self) -> dict[str, Any]:
        """Return what was chosen and said as plain data, for the graph's notes."""
        choices = [{"name": c.name, "value": c.value, "origin": c.origin} for c in self.choices]
        return {
            "choices": choices,
            "became": list(self.became),
            "remarks": list(self.remarks),
            "warnings": list(self.warnings),
        }


def count_kinds(flat: Flat) -> dict[str, int]:
    """Return the number of nodes of each kind, in alphabetical order; ends of nested graphs count as what they are."""
    return dict(sorted(Counter(type(place.node).__name__ for place in flat.places.values()).items()))
