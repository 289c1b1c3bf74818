"""Where a step of the C program finds what each source sent in earlier steps.

A population keeps what it sent last (`sent`) and before (`sent_before`); what is read later still stands in a ring
buffer behind these two. Of the input the program keeps what is read one step later or more.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypr_neuro.compilers.c.learning.field import Field, advance
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.sim.learning.plan import LearningPlan

Read = tuple[str, int]
"""Source, and steps from sending to arriving."""


class SentHistory:
    """How far back each source is read.

    Parameters
    ----------
    plan : LearningPlan
        Of the network.
    reads : list of list of Read
        Of each population, all that it reads.
    """

    def __init__(self, plan: LearningPlan, reads: Sequence[Sequence[Read]]) -> None:
        self._places = {INPUT: -1} | {name: i for i, name in enumerate(plan.clock.populations)}
        self.inputs, self.reads = plan.qnet.inputs, [list(dict.fromkeys(some)) for some in reads]
        self._rows = dict.fromkeys(self._places, 0)
        for i, some in enumerate(self.reads):
            for source, lag in some:
                self._rows[source] = max(self._rows[source], self._back(source, lag, i))

    def _back(self, source: str, lag: int, target: int) -> int:
        """Count rows from the newest: a population that comes later has not sent in this step yet."""
        return lag if self._places[source] <= target else lag - 1

    @property
    def reads_input(self) -> bool:
        """Whether anything reads the input."""
        return any(source == INPUT for some in self.reads for source, _ in some)

    @property
    def input_rows(self) -> int:
        """Steps of the input that are kept."""
        return self._rows[INPUT]

    def ring_rows(self, i: int) -> int:
        """Rows of population i's ring buffer."""
        return max(self._rows[next(name for name, place in self._places.items() if place == i)] - 1, 0)

    def row(self, read: Read, target: int) -> str:
        """Write what a population reads, in C."""
        source, lag = read
        back, i = self._back(source, lag, target), self._places[source]
        if source == INPUT:
            return self._ring("coming", self.input_rows, lag - 1) if lag else "input"
        if back < 2:
            return f"run->{('sent', 'sent_before')[back]}_{i}"
        return self._ring(f"past_{i}", self.ring_rows(i), back - 2)

    @staticmethod
    def _ring(name: str, rows: int, back: int) -> str:
        """Write the row so far behind the newest; the slot is that of the oldest."""
        if rows == 1:
            return f"run->{name}"
        slot = f"run->{name}_slot"
        return f"run->{name}[{slot}]" if back == rows - 1 else f"run->{name}[({slot} + {rows - 1 - back}) % {rows}]"

    def parameters(self, i: int) -> list[Read]:
        """Return what a population reads of others."""
        return [read for read in self.reads[i] if self._places[read[0]] != i]

    def last_reader(self) -> int:
        """Place of the last population that reads what the input sent before."""
        return max(i for i, some in enumerate(self.reads) for source, lag in some if source == INPUT and lag)

    def keep_input(self) -> list[str]:
        """Write the lines that keep the input of this step."""
        return self._kept("coming", self.input_rows, "input", "run->coming")

    def keep_sent(self, i: int) -> list[str]:
        """Write the lines that keep what population i sent two steps before."""
        return self._kept(f"past_{i}", self.ring_rows(i), f"run->sent_before_{i}", f"run->sent_before_{i}")

    @staticmethod
    def _kept(name: str, rows: int, values: str, measured: str) -> list[str]:
        if not rows:
            return []
        if rows == 1:
            return [f"memcpy(run->{name}, {values}, sizeof {measured});"]
        slot = f"run->{name}_slot"
        size = f"run->{name}[0]"
        return [f"memcpy(run->{name}[{slot}], {values}, sizeof {size});", advance(slot, rows)]

    def fields(self, sent_kinds: Sequence[str], sizes: Sequence[int]) -> list[Field]:
        """Return the ring buffers of populations and their slots."""
        result = []
        for i, (kind, size) in enumerate(zip(sent_kinds, sizes, strict=True)):
            rows = self.ring_rows(i)
            if rows:
                result.append(Field("run", "signals", f"past_{i}", kind, (rows, size) if rows > 1 else (size,)))
            if rows > 1:
                result.append(Field("run", "counters", f"past_{i}_slot", "int32_t"))
        return result
