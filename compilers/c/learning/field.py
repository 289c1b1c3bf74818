"""Arrays of the three structs in which a learning network keeps all its numbers, and the types of C that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

STRUCTS = ("learned", "memory", "run")
BYTES = {"int8_t": 1, "int16_t": 2, "int32_t": 4, "int64_t": 8, "uint8_t": 1, "uint32_t": 4}


@dataclass(frozen=True)
class Field:
    """One array of a struct, or one number where `shape` is empty.

    Attributes
    ----------
    struct : str
        One of `STRUCTS`.
    section : str
        Of the memory report.
    name, kind : str
        In C.
    shape : tuple of int
        Lengths.
    """

    struct: str
    section: str
    name: str
    kind: str
    shape: tuple[int, ...] = ()

    @property
    def bytes(self) -> int:
        """Count the bytes of all entries."""
        return BYTES[self.kind] * prod(self.shape)

    @property
    def text(self) -> str:
        """Write its declaration in C."""
        return f"{self.kind} {self.name}{''.join(f'[{n}]' for n in self.shape)};"


def word(bits: int) -> str:
    """Return the smallest signed type that holds numbers of so many bits, sign included."""
    return next(f"int{size}_t" for size in (8, 16, 32, 64) if bits <= size)


def smallest(low: int, high: int) -> str:
    """Return the smallest signed type that holds all numbers from low to high."""
    return word(max((x if x >= 0 else ~x).bit_length() + 1 for x in (low, high)))


def advance(slot: str, length: int) -> str:
    """Write the line that moves a place in a ring buffer of so many rows on."""
    return f"{slot} = {slot} + 1 == {length} ? 0 : {slot} + 1;"
