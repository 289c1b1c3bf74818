"""What neurons send to their synapses in a learning step."""

from __future__ import annotations

from dataclasses import dataclass

from hypr_neuro.numbers.arrays import Array


@dataclass(frozen=True)
class Message:
    """Rows (rows, n): the clamped Jacobian, A row by row, B, C, C', F; then g, then B·C g.

    Of a model with several input currents B of the others stand behind g, then B·C g of all.

    Attributes
    ----------
    d, currents : int
        States and input currents of a neuron.
    """

    d: int
    currents: int = 1

    @property
    def entries(self) -> int:
        """Count the rows of the Jacobian."""
        return self.d * self.d + 4 * self.d

    @property
    def rows(self) -> int:
        """Count the rows of the message."""
        return self.entries + 2 + (self.currents - 1) * (self.d + 1)

    @property
    def signal(self) -> int:
        """Return the row of g."""
        return self.entries

    def weighted_signal(self, input_current: int = 0) -> int:
        """Return the row of B·C g of an input current."""
        return self.rows - self.currents + input_current

    def split(self, rows: Array, input_current: int = 0) -> tuple[Array, Array, Array, Array, Array]:
        """Return views of the rows: A (d, d, n), B of an input current (d, n), C (d, n), C' (d, n), F (d, n)."""
        d = self.d
        B, C, C_prev, F = rows[d * d : self.entries].reshape(4, d, -1)
        if input_current:
            first = self.entries + 1 + (input_current - 1) * d
            B = rows[first : first + d]
        return rows[: d * d].reshape(d, d, -1), B, C, C_prev, F
