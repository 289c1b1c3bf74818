"""What was read from a checkpoint, in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Summary:
    """file, container : the file's name, and "npz" or "torch"
    neuron : the model of the hidden layer. sizes : inputs, hidden neurons, outputs
    epoch : epoch at which it was saved, None where the file does not say
    equations : what the source computes, as read here. left_out : name and reason of what the network does not hold
    caution : what the file cannot tell, or ""
    """

    file: str
    container: str
    neuron: str
    sizes: tuple[int, ...]
    epoch: int | None
    equations: tuple[str, ...]
    left_out: dict[str, str]
    caution: str = ""

    def note(self) -> dict[str, Any]:
        """Plain data, for the network's notes."""
        return asdict(self) | {"sizes": list(self.sizes), "equations": list(self.equations)}

    def lines(self) -> list[str]:
        """For printing: what was read, what it computes, what was left out."""
        saved = "" if self.epoch is None else f", saved at epoch {self.epoch}"
        found = [f"{self.file} ({self.container}): {'-'.join(map(str, self.sizes))}, neuron {self.neuron}{saved}"]
        found += [f"  {equation}" for equation in self.equations]
        found += [f"left out: {name}: {reason}" for name, reason in self.left_out.items()]
        return found + ([f"caution: {self.caution}"] if self.caution else [])
