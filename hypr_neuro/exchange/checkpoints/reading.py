"""What a reader of checkpoints gives: the network, and what the summary says of it."""

from __future__ import annotations

from dataclasses import dataclass

from hypr_neuro.graph.network import Network


@dataclass
class Reading:
    """A network with the equations of its source and what the file cannot tell, or ""."""

    network: Network
    equations: tuple[str, ...]
    caution: str = ""

    @property
    def neuron(self) -> str:
        """The models of the populations that spike, or of all where none does."""
        models = [p.model for p in self.network.populations]
        spiking = [m.name for m in models if not m.readout] or [m.name for m in models]
        return ", ".join(dict.fromkeys(spiking))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, then the neurons of each population."""
        return (self.network.inputs, *(p.size for p in self.network.populations))
