"""What connections of every kind have in common: two ends and a shape."""

from __future__ import annotations

from typing import Any


class Endpoints:
    """Endpoints of a connection from `source` to `target`."""

    source: str
    target: str

    @property
    def name(self) -> str:
        """'source -> target', as errors name it."""
        return f"{self.source} -> {self.target}"


class WeightedEnds(Endpoints):
    """Endpoints of a connection with one weight for each pair of neurons."""

    weights: Any

    @property
    def shape(self) -> tuple[int, int]:
        """(post, pre)."""
        post, pre = self.weights.shape
        return int(post), int(pre)
