"""The result of an import: a graph, what the import says of it, and the network that trains where it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.chain import chain_network
from hypr_neuro.exchange.nir.flatten import Place
from hypr_neuro.exchange.nir.summary import ImportSummary
from hypr_neuro.graph.float_graph import FloatGraph
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
        The node that became each population, by name.
    exact
        The network of a file of hypr-neuro.
    """

    graph: FloatGraph
    summary: ImportSummary
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)
    exact: Network | None = field(default=None, repr=False)

    def network(self) -> Network | None:
        """Return the graph as a Network, which trains, if it is a chain of layers that ends in a readout; else None."""
        try:
            return self.require_network()
        except InputError:
            return None

    def require_network(self) -> Network:
        """Return the same; raise InputError, naming the node, for a graph that is no such chain."""
        return self.exact if self.exact is not None else chain_network(self.graph, self.places)
