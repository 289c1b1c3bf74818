"""What neurons send to their synapses in a learning step."""

from __future__ import annotations

from dataclasses import dataclass

from hypr_neuro.numbers.arrays import Array


@dataclass(frozen=True)
class Message:
    """Rows (rows, n): the clamped Jacobian, A row by row, B, C, C', F; then g, then B·C g.

    Attributes
    ----------
    d : int
        States of a neuron.
    """

    d: int

    @property
    def entries(self) -> int:
        """Count the rows of the Jacobian."""
        return self.d * self.d + 4 * self.d

    @property
    def rows(self) -> int:
        """Count the rows of the message."""
        return self.entries + 2

    @property
    def signal(self) -> int:
        """Return the row of g."""
        return self.entries

    @property
    def weighted_signal(self) -> int:
        """Return the row of B·C g."""
        return self.entries + 1

    def split(self, rows: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Return views of the rows: A (d, d, n), B (d, n), C (d, n), C' (d, n), F (d, n)."""
        d = self.d
        B, C, C_prev, F = rows[d * d : self.entries].reshape(4, d, -1)
        return rows[: d * d].reshape(d, d, -1), B, C, C_prev, F
