"""Flash and RAM of a board, held against what the compiler makes of the program: no second formula.

A program is compiled for a Cortex-M4 as `build.memory` does for the manifest. Flash is code, constants and start
values, RAM is variables; the stack and the firmware around the network are not in it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.holds import PARAMETERS, STATES, WEIGHTS, InferenceTables, LearningTables, Tables, parts_of
from hypr_neuro.compilers.c.plan import Plan
from hypr_neuro.errors import InputError
from hypr_neuro.files.sizes import parse_size
from hypr_neuro.graph.integer import as_integer
from hypr_neuro.placement.program import MemoryUse, ProgramUse, check_programs
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork

if TYPE_CHECKING:
    from hypr_neuro.placement.place import Placement
    from hypr_neuro.sim.learning.options import LearnOptions

INFERENCE, LEARNING = "network.c", "learn.c"
FLASH, RAM = "flash", "RAM"
BYTE, BYTE_TOP = 8, 127
LARGEST = 3
"""Parts that an error names."""
Parts = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Board:
    """Bytes of flash and RAM, None where unknown, and the profile that says so."""

    flash: int | None
    ram: int | None
    profile: str

    @property
    def stated(self) -> bool:
        """Whether anything can be checked."""
        return self.flash is not None or self.ram is not None


def board_of(network: Any, flash: int | str | None = None, ram: int | str | None = None) -> Board:
    """Return the board of a network's profile, with these sizes in place of the profile's.

    Raise InputError for a size that is none.
    """
    profile: Profile | None = getattr(network, "profile", None)
    given = {"flash": flash, "ram": ram}
    sizes = {name: None if value is None else size_of(name, value) for name, value in given.items()}
    if profile is not None:
        stated = {"flash": profile.chip.flash, "ram": profile.chip.ram}
        for name, q in stated.items():
            if sizes[name] is None and q is not None:
                sizes[name] = q.value
    return Board(sizes["flash"], sizes["ram"], "given" if profile is None else profile.name)


def size_of(name: str, value: int | str) -> int:
    """Return bytes of a number or of a text such as "256K"; raise InputError for others."""
    size = parse_size(value)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InputError(f"{name} = {value!r:.40}, rule: bytes, such as 262144, 256K or 1M")
    return size


def runs_one_program(chip: Profile) -> bool:
    """Tell whether a chip runs the whole network as one C program: one that states its memory, or no cores at all."""
    cores = [q for _, q in chip.core if q is not None]
    return bool(chip.chip.flash or chip.chip.ram) or (not cores and chip.chip.cores is None)


def with_programs(qnet: QuantizedNetwork, placement: Placement, options: LearnOptions | None) -> Placement:
    """Return the placement with what the program takes of flash and RAM, for a chip that runs one.

    Raises
    ------
    DoesNotFitError
        For a program that is larger than the memory that the profile states.
    """
    if not runs_one_program(qnet.profile):
        return placement
    board = board_of(qnet)
    with tempfile.TemporaryDirectory(prefix="hypr-neuro-") as scratch:
        found = programs(qnet, Path(scratch), board, options, write=True)
    check(found, board, qnet)
    return replace(placement, programs=found)


def programs(
    network: Any, folder: Path, board: Board, options: LearnOptions | None, *, write: bool = False
) -> list[ProgramUse]:
    """Measure the program that infers, and with options the one that learns; `write` writes both to `folder` first."""
    from hypr_neuro.compilers.c import write_program
    from hypr_neuro.compilers.c.learning.learn import write_learning

    found = []
    for source in (INFERENCE, LEARNING)[: 1 if options is None else 2]:
        reason = build.CORTEX_M4.missing()
        try:
            if write and reason is None and source == INFERENCE:
                write_program(network, folder)
            elif write and reason is None and options is not None:
                write_learning(network, options, folder)
            found.append(_program(network, folder, source, board, options, reason))
        except InputError as error:
            found.append(_program(network, folder, source, board, options, str(error)))
    return found


def check(found: Sequence[ProgramUse], board: Board, network: Any) -> None:
    """Raise DoesNotFitError, with what would help, for programs that are larger than the board's memory."""
    exceeded = [(program, m) for program in found for m in program.memories if m.exceeded]
    larger = " and ".join(dict.fromkeys(m.name for _, m in exceeded))
    remedies = [remedy for program, m in exceeded for remedy in _remedies(program.name, m, network)]
    remedies = [*dict.fromkeys(remedies), f"take a board with more {larger}"]
    check_programs(found, board.profile, " or ".join(filter(None, (", ".join(remedies[:-1]), remedies[-1]))))


def _remedies(name: str, memory: MemoryUse, network: Any) -> list[str]:
    """Return what makes the largest tables smaller; nothing does where most is code.

    A number takes 1, 2 or 4 bytes: one of fewer bits helps where it crosses such a step.
    """
    parts = [part.partition(" ")[0] for part, _ in memory.largest]
    learns_in_ram = name == LEARNING and memory.name == RAM
    found = ["learn in fewer connections or parameters"] if learns_in_ram else []
    if not learns_in_ram:
        found += ["fewer synapses"] * (WEIGHTS in parts)
        found += ["fewer neurons"] * any(part in (PARAMETERS, STATES) for part in parts)
        if WEIGHTS in parts and isinstance(network, QuantizedNetwork):
            wide = max(network.weight_top(c) for c in network.connections) > BYTE_TOP
            found += ["weights of a byte (precision.weight_bits: 8)"] * wide
    if name == LEARNING:
        found.append("leave learning out")
    if learns_in_ram:
        bits = network.profile.learning.eligibility_bits.value
        if "eligibilities" in parts and bits > BYTE:
            narrower = 2 * BYTE if bits > 2 * BYTE else BYTE
            found.append(f"eligibilities of {narrower} bits (learning.eligibility_bits: {narrower})")
    return found


def _program(
    network: Any, folder: Path, source: str, board: Board, options: LearnOptions | None, reason: str | None
) -> ProgramUse:
    used: dict[str, int] = {}
    flash: Parts = ()
    ram: Parts = ()
    if reason is None:
        used, symbols = build.measured(folder, source)
        learn = options if source == LEARNING else None
        tables = _tables(network, learn)
        flash, ram = (
            tuple(parts_of(tables, [(name, size) for name, size, lies in symbols if lies == in_ram])[:LARGEST])
            for in_ram in (False, True)
        )
        if learn is not None:
            ram = _purposes(network, learn)
    memories = (
        MemoryUse(FLASH, used.get("flash"), board.flash, "chip.flash", flash),
        MemoryUse(RAM, used.get("ram"), board.ram, "chip.ram", ram),
    )
    return ProgramUse(source, memories, reason)


def _tables(network: Any, options: LearnOptions | None) -> Tables:
    """Tell what the names of a program stand for: of one that learns with these options, or of one that does not."""
    from hypr_neuro.compilers.c.learning.program import LearningProgram
    from hypr_neuro.sim.learning.plan import LearningPlan

    if options is not None:
        return LearningTables(LearningProgram(LearningPlan(network, options)))
    return InferenceTables(Plan(*as_integer(network)))


def _purposes(network: QuantizedNetwork, options: LearnOptions) -> Parts:
    """Return what takes most of the RAM of a program that learns, by purpose: its symbols are structs of everything."""
    from hypr_neuro.compilers.c.learning.learn import learning_memory_bytes

    by_size = sorted(learning_memory_bytes(network, options).items(), key=lambda entry: -entry[1])
    return tuple(by_size[:LARGEST])
