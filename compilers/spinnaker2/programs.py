"""What each core's program takes of its memory, as the compiler measured it, and placements that fit."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypr_neuro.compilers.c import build, fixed_header, neurons_header
from hypr_neuro.compilers.c.holds import InferenceTables, parts_of
from hypr_neuro.compilers.c.plan import Plan
from hypr_neuro.compilers.spinnaker2 import text
from hypr_neuro.compilers.spinnaker2.cores import CoreProgram, cores_of, placed
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.files.store import write_text
from hypr_neuro.placement.place import Placement, place
from hypr_neuro.placement.program import MemoryUse, ProgramUse
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.profiles.quantity import Quantity
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions

SRAM_BYTES = 128 * 1024
"""Of a core whose profile does not say (SpiNNaker2 datasheet 0.03, 2021): local memory of code and data."""
STACK_BYTES = 2048
"""Left free for the stack. A program of the vendor's libraries around the network needs room, too, and is not here."""
KEY = "core.sram"
LARGEST = 3
"""Parts that an error names."""


def limit_of(chip: Profile) -> int:
    """Return the bytes that a core has for code and data."""
    sram = SRAM_BYTES if chip.core.sram is None else chip.core.sram.value
    return sram - (STACK_BYTES if chip.core.stack is None else chip.core.stack.value)


def memory(qnet: QuantizedNetwork, cores: Sequence[CoreProgram], folder: Path) -> list[dict[str, Any]]:
    """Return what each core holds and takes; bytes are null, with a reason, where no compiler measures them."""
    reason = build.CORTEX_M4.missing()
    return [
        {
            "core": core.number,
            "layer": qnet.name(core.layer),
            "first_neuron": core.first,
            "neurons": core.stop - core.first,
            "messages": len(core.messages),
            "bytes": None if reason is not None else _bytes(folder, core.number),
            "reason": reason,
            "limit": limit_of(qnet.profile),
        }
        for core in cores
    ]


def check(qnet: QuantizedNetwork, split: Placement, core: CoreProgram, entry: dict[str, Any], folder: Path) -> None:
    """Raise DoesNotFitError for a core that takes more memory than it has, with a number of neurons that fits."""
    if entry["bytes"] is None or entry["bytes"] <= entry["limit"]:
        return
    try:
        largest = max(use.neurons for use in fitting(qnet, split, None).cores)
        remedy = f"split the layer further with neurons_per_core={largest}"
    except DoesNotFitError:
        remedy = "a single neuron takes more; give it fewer synapses"
    chip = qnet.profile
    symbols = [(name, size) for name, size, _ in build.measured(folder, _source(core.number))[1]]
    connections = [c.name for c in qnet.incoming(entry["layer"])]
    plan = core.plan(Plan(qnet.integer(), qnet.tail).largest_input)
    parts = parts_of(InferenceTables(plan, connections, [entry["layer"]]), symbols)
    most = ", ".join(f"{name} {size:,}" for name, size in parts[:LARGEST])
    raise DoesNotFitError(
        f"core {entry['core']} ({entry['layer']}, {entry['neurons']} neurons): {entry['bytes']} bytes of code and "
        f"data, limit {entry['limit']} (profile '{chip.name}', {KEY} less the stack); the most take {most}; {remedy}"
    )


def fitting(qnet: QuantizedNetwork, placement: Placement, options: LearnOptions | None) -> Placement:
    """Return the placement if all programs fit, else one with fewer neurons a core, with what each program takes.

    No program that learns is written for these cores: the memory that learning takes is counted beside the program, as
    `learning_memory` does. Without a compiler that part alone is held against the limit.

    Raises
    ------
    DoesNotFitError
        For a single neuron that takes more than a core has, and more parts of populations than the chip has cores.
    """
    given = placement
    while True:
        _check_alone(qnet, placement)
        found, total = _programs(qnet, placement)
        fullest = max(placement.cores, key=lambda use: total[use.core])
        limit = limit_of(qnet.profile)
        if total[fullest.core] <= limit:
            shown = [replace(use, neuron_limit=given.cores[0].neuron_limit) for use in placement.cores]
            return replace(given, cores=shown, programs=found)
        if fullest.neurons == 1:
            counted = -(-fullest.learning_bits // 8)
            raise DoesNotFitError(
                f"{fullest.layer}: {total[fullest.core]:,} bytes of one neuron (number {fullest.first_neuron}), limit "
                f"{limit:,} (profile '{qnet.profile.name}', {KEY} less the stack), {counted:,} of "
                "them counted for learning; give it fewer synapses, or let fewer connections learn"
            )
        most = max(min(fullest.neurons * limit // total[fullest.core], fullest.neurons - 1), 1)
        placement = place(qnet, _with_most(qnet.profile, most), learning=False if options is None else options)


def _check_alone(qnet: QuantizedNetwork, placement: Placement) -> None:
    """Raise DoesNotFitError where populations would have to share cores, each of which runs the program of one."""
    if not placement.shared:
        return
    most = max(use.neurons for use in placement.cores)
    raise DoesNotFitError(
        f"network: {len(placement.cores)} parts of populations on {placement.used} cores, limit {placement.core_limit} "
        f"cores of one part each (profile '{qnet.profile.name}', chip.cores), of {most} neurons at most so that {KEY} "
        f"holds their programs; make populations smaller or sparser, or take a profile with more cores"
    )


def _programs(qnet: QuantizedNetwork, placement: Placement) -> tuple[list[ProgramUse], Counter[int]]:
    """Return each core's program, and by core the bytes that are known: measured, and counted for learning."""
    learning: Counter[int] = Counter()
    for use in placement.cores:
        learning[use.core] += -(-use.learning_bits // 8)
    names: dict[int, str] = {}
    for use in placement.cores:
        names[use.core] = f"{names[use.core]}, {use.layer}" if use.core in names else f"core {use.core}, {use.layer}"
    reason, measured = build.CORTEX_M4.missing(), {}
    if reason is None:
        try:
            measured = dict(_measured(qnet, placement))
        except InputError as error:
            reason = str(error)
    found, limit = [], limit_of(qnet.profile)
    for core, name in names.items():
        size = measured.get(core)
        counted = f", {learning[core]:,} bytes counted for learning" if learning[core] else ""
        used = None if size is None else size + learning[core]
        why = None if used is not None else reason or "a trace of outputs, of which no program is written"
        found.append(
            ProgramUse(
                name, (MemoryUse(f"code and data{counted}:", used, limit, KEY),), None if used is not None else why
            )
        )
    return found, Counter({core: measured.get(core, 0) + learning[core] for core in names})


def _measured(qnet: QuantizedNetwork, placement: Placement) -> Iterator[tuple[int, int]]:
    """Yield each core of the network's own populations and the bytes of its program, as the compiler makes it."""
    known = {p.name for p in qnet.populations}
    own = replace(placement, cores=[use for use in placement.cores if use.layer in known])
    split = placed(qnet, own, None)
    plan = Plan(qnet.integer(), qnet.tail)
    with tempfile.TemporaryDirectory(prefix="hypr-neuro-") as scratch:
        folder = Path(scratch)
        write_text(folder / "hn_fixed.h", fixed_header())
        write_text(folder / "hn_neurons.h", neurons_header(plan.populations))
        for core in cores_of(qnet, split):
            for name, content in text.core_files(core, plan.largest_input).items():
                write_text(folder / name, content)
            yield core.number, _bytes(folder, core.number)


def _bytes(folder: Path, core: int) -> int:
    return sum(build.sizes(folder, build.CORTEX_M4, (_source(core),)).values())


def _source(core: int) -> str:
    return f"core_{core}.c"


def _with_most(chip: Profile, neurons: int) -> Profile:
    limit = Quantity(value=neurons, unit="neuron", source=f"what fits {KEY}")
    return chip.model_copy(update={"core": chip.core.model_copy(update={"neurons": limit})})
