"""Arrays of a state dict by the module that they belong to, in the order of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.checkpoints.content import Content
from hypr_neuro.numbers.arrays import Array

LINEAR = ("weight", "bias")


@dataclass
class Module:
    """One module: `name` in the state dict, its arrays float64 by their names in the module."""

    path: Path
    name: str
    arrays: dict[str, Array] = field(default_factory=dict)

    @property
    def is_linear(self) -> bool:
        """Whether it holds weights and at most a bias beside them."""
        return "weight" in self.arrays and set(self.arrays) <= set(LINEAR)

    def fault(self, what: str) -> InputError:
        """Return an error that names file and module."""
        return InputError(f"checkpoint '{self.path}': module '{self.name}': {what}")

    def of_neurons(self, name: str, n: int) -> Array:
        """Return an array as one number a neuron, (n,); raise InputError for one that is missing or of another size."""
        if name not in self.arrays:
            raise self.fault(f"'{name}' is missing, found: {', '.join(self.arrays)}")
        values = self.arrays[name]
        if values.size not in (1, n):
            raise self.fault(f"'{name}' of shape {values.shape}, rule: one number, or one for each of {n} neurons")
        return np.array(np.broadcast_to(values.reshape(-1), (n,)))

    def matrix(self, name: str, shape: tuple[int | None, int | None] = (None, None)) -> Array:
        """Return weights (post, pre); raise InputError for another number of axes or another shape."""
        values = self.arrays[name]
        fits = values.ndim == 2 and all(b in (None, a) for a, b in zip(values.shape, shape, strict=True))
        if not fits:
            kind = (
                ", the weights of a convolution, which a state dict does not tell enough of; export the network to NIR"
            )
            rule = f"({', '.join('any' if n is None else str(n) for n in shape)})"
            raise self.fault(f"'{name}' of shape {values.shape}{kind if values.ndim > 2 else ''}, rule: {rule}")
        return values

    def require_known(self, known: Sequence[str]) -> None:
        """Raise InputError for an array that none of these names is."""
        for name, values in self.arrays.items():
            if name not in known:
                raise self.fault(
                    f"unknown array '{name}' of shape {values.shape}, known for these neurons: {', '.join(known)}; "
                    "export the network to NIR, which tells what it computes"
                )


def modules_of(content: Content, parts: Sequence[str]) -> list[Module]:
    """Return the modules in the order of the file.

    Parameters
    ----------
    content
        The file.
    parts
        Names of modules inside neurons, whose arrays belong to these as "part.array".

    Raises
    ------
    InputError
        For an array outside of any module, and numbers that are not finite.
    """
    modules: dict[str, Module] = {}
    for full, array in content.arrays.items():
        name, _, key = full.rpartition(".")
        if not name:
            raise InputError(
                f"checkpoint '{content.path}': array '{full}', rule: 'module.array', as state_dict() names it"
            )
        outer, _, part = name.rpartition(".")
        if part in parts and outer:
            name, key = outer, f"{part}.{key}"
        with np.errstate(over="ignore"):  # a longer float beyond float64 becomes inf, refused here
            values = array.astype(np.float64)
        if not np.all(np.isfinite(values)):
            raise InputError(f"checkpoint '{content.path}': '{full}' holds numbers that are not finite, rule: finite")
        modules.setdefault(name, Module(content.path, name)).arrays[key] = values
    return list(modules.values())
