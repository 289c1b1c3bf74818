"""What was read from a checkpoint, in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Summary:
    """What was read from a checkpoint.

    Attributes
    ----------
    file, container
        The file's name, and "npz" or "torch".
    neuron
        The model of the hidden layer.
    sizes
        Inputs, hidden neurons, outputs.
    epoch
        Epoch at which it was saved, None where the file does not say.
    equations
        What the source computes, as read here.
    left_out
        Name and reason of what the network does not hold.
    caution
        What the file cannot tell, or "".
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
        """Return plain data, for the network's notes."""
        return asdict(self) | {"sizes": list(self.sizes), "equations": list(self.equations)}

    def lines(self) -> list[str]:
        """Return lines to print: what was read, what it computes, what was left out."""
        saved = "" if self.epoch is None else f", saved at epoch {self.epoch}"
        text = [f"{self.file} ({self.container}): {'-'.join(map(str, self.sizes))}, neuron {self.neuron}{saved}"]
        text += [f"  {equation}" for equation in self.equations]
        text += [f"left out: {name}: {reason}" for name, reason in self.left_out.items()]
        return text + ([f"caution: {self.caution}"] if self.caution else [])
