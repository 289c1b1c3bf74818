"""What the tables of a program hold, in words: the weights of a connection, the parameters of a population.

The names are those that `weights`, `network` and `learning.tables` write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from hypr_neuro.compilers.c.learning.field import Field
from hypr_neuro.compilers.c.learning.memory import fields
from hypr_neuro.compilers.c.learning.program import LearningProgram
from hypr_neuro.compilers.c.plan import Plan

WEIGHTS, PARAMETERS, STATES = "weights", "parameters", "states"
SHOWN = 3
"""Tables of one part that are named; the rest is an ellipsis."""


def parts_of(program: Tables, symbols: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Add up a program's tables by what they hold.

    Parameters
    ----------
    program
        What its names stand for.
    symbols
        Name and bytes of each table or function.

    Returns
    -------
    list of (name, bytes)
        The largest first; a function and a table of nothing in particular keep their names in C.
    """
    bytes_of: dict[str, int] = {}
    tables: dict[str, list[str]] = {}
    for symbol, size in symbols:
        for part, count in program.shares(symbol, size):
            bytes_of[part] = bytes_of.get(part, 0) + count
            tables.setdefault(part, []).append(symbol)
    named = [
        (part if tables[part] == [part] else f"{part} ({_listed(tables[part])})", bytes_of[part]) for part in tables
    ]
    return sorted(named, key=lambda entry: -entry[1])


def _listed(tables: list[str]) -> str:
    return ", ".join([*tables[:SHOWN], *["…"] * (len(tables) > SHOWN)])


class Tables(Protocol):
    """What the names of a program stand for."""

    def shares(self, symbol: str, size: int) -> Iterator[tuple[str, int]]:
        """Yield each part that a symbol holds, and how many of its bytes."""


def _connection(symbol: str, names: Sequence[str], stored: Mapping[int, int]) -> str:
    """Return the connection whose weights a table of `weights` holds, "" for another table."""
    found = re.fullmatch(r"w(\d+)(_start|_post|_line|_convolution)?", symbol)
    return names[stored[int(found[1])]] if found else ""


class InferenceTables:
    """The tables of `network.c`, or of a core's program, whose connections and population have names of their own."""

    def __init__(
        self, plan: Plan, connections: Sequence[str] | None = None, populations: Sequence[str] | None = None
    ) -> None:
        self.connections = [c.name for c in plan.network.synapses] if connections is None else connections
        self.populations = [p.name for p in plan.populations] if populations is None else populations
        self.stored = {d.number: d.place for group in plan.connections for d in group}

    def shares(self, symbol: str, size: int) -> Iterator[tuple[str, int]]:
        """Yield each part that a symbol holds, and how many of its bytes."""
        if connection := _connection(symbol, self.connections, self.stored):
            yield f"{WEIGHTS} {connection}", size
        elif found := re.fullmatch(r"p(\d+)_\w+", symbol):
            yield f"{PARAMETERS} {self.populations[int(found[1])]}", size
        elif found := re.fullmatch(r"\w+_p(\d+)", symbol):
            yield f"{STATES} {self.populations[int(found[1])]}", size
        else:
            yield symbol, size


class LearningTables:
    """The constants of `learn.c`; its variables are structs of everything."""

    def __init__(self, program: LearningProgram) -> None:
        self.program = program
        self.connections = [c.name for c in program.plan.qnet.connections]
        self.populations = [p.name for p in program.plan.qnet.populations]
        self.stored = {d.number: d.place for inputs in self.program.inputs for d in inputs.frozen}

    def shares(self, symbol: str, size: int) -> Iterator[tuple[str, int]]:
        """Yield each part that a symbol holds, and how many of its bytes."""
        if symbol == "start":
            learned: list[Field] = [f for f in fields(self.program) if f.struct == "learned"]
            for f in learned:
                yield from self._table(f.name, f.bytes)
            yield symbol, size - sum(f.bytes for f in learned)
        else:
            yield from self._table(symbol, size)

    def _table(self, name: str, size: int) -> Iterator[tuple[str, int]]:
        if found := re.fullmatch(r"(?:weight|start|column)_c(\d+)", name):
            yield f"{WEIGHTS} {self.connections[int(found[1])]}", size
        elif connection := _connection(name, self.connections, self.stored):
            yield f"{WEIGHTS} {connection}", size
        elif found := re.fullmatch(r"weight_(\d+)", name):
            inputs = self.program.inputs[int(found[1])]
            for row in inputs.rows:
                yield f"{WEIGHTS} {self.connections[row.incoming.place]}", size * (row.stop - row.first) // inputs.width
        elif found := re.fullmatch(r"(?:neuron|psi)_(\d+)", name):
            yield f"{PARAMETERS} {self.populations[int(found[1])]}", size
        elif found := re.fullmatch(r"feedback_(?:start|post|weight)_(\d+)(_\d+)?", name):
            yield f"random feedback of {self.populations[int(found[1])]}", size
        else:
            yield name, size
