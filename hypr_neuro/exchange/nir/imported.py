"""The result of an import: a graph, what the import says of it, and the network that trains where it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.chain import ANY, chain_network
from hypr_neuro.exchange.nir.flatten import Place
from hypr_neuro.exchange.nir.summary import ImportSummary
from hypr_neuro.graph.network import Network


@dataclass(frozen=True)
class Imported:
    """A graph and what the import says of it.

    Attributes
    ----------
    graph
        The graph, which runs and quantizes.
    summary
        What was read, chosen and made.
    places
        The node that became each population, by name; none in a file of hypr-neuro.
    """

    graph: Network
    summary: ImportSummary
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)

    def network(self) -> Network | None:
        """Return the graph as a chain of layers, if it is one that ends in a readout; else None."""
        try:
            return self.require_network()
        except InputError:
            return None

    def require_network(self) -> Network:
        """Return the same; raise InputError, naming the node, for a graph that is no such chain."""
        if self.places:
            return chain_network(self.graph, self.places)
        if self.graph.chain_fault:
            raise InputError(f"{self.graph.chain_fault}, rule: a chain of layers; {ANY}")
        return self.graph
