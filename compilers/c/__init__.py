"""C99 for microcontrollers: static memory, integers only, no library beyond stdint.h.

translate   step functions and rules from their Python syntax tree to C, with `values`, `expression`, `names`, and over
            arrays `loops`, `loop_forms`
plan        what the program holds: rings of what was sent, weights in the smallest form
tables      constant arrays in the smallest type
weights     tables of weights, and the functions that add up what they bring
network     network.h and network.c
boards      flash and RAM of a board, held against what the compiler measures; `holds` names what takes the room
build       compilers, sizes by section, running on the computer and under qemu
link        the program that answers over a link: the learning network, or else the one that stays as it is
encoder     the encoder of the data, where it is made of integers
samples     samples of text and a program that answers them
learning    learn.h and learn.c: a network that learns on the device
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypr_neuro.compilers import Emitted
from hypr_neuro.compilers.c import boards, build
from hypr_neuro.compilers.c import network as text
from hypr_neuro.compilers.c.encoder import FILE as ENCODER
from hypr_neuro.compilers.c.encoder import encoder_facts, encoder_header
from hypr_neuro.compilers.c.plan import Plan
from hypr_neuro.compilers.c.translate import PRELUDE, module
from hypr_neuro.files.store import make_folder, write_text
from hypr_neuro.graph.integer import HasInteger, IntegerNetwork, as_integer
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers import fixed_point
from hypr_neuro.numbers.jit import tagged_functions
from hypr_neuro.sim.learning.from_data import options_for
from hypr_neuro.sim.learning.options import LearnOptions

if TYPE_CHECKING:
    from hypr_neuro.data.sequence import SequenceData
    from hypr_neuro.graph.integer import Population
    from hypr_neuro.placement.place import Placement
    from hypr_neuro.quantizing.network import QuantizedNetwork

PACKAGES: tuple[str, ...] = ()
TAKES_INTEGER = True
"""An `IntegerNetwork` will do."""
TEMPLATES = Path(__file__).with_name("templates")
COPIED = ("Makefile", "main.c", *build.PROGRAM_FILES)


def emit(
    network: IntegerNetwork | HasInteger,
    folder: Path,
    *,
    learn: LearnOptions | None = None,
    samples: SequenceData | None = None,
    flash: int | str | None = None,
    ram: int | str | None = None,
) -> Emitted:
    """Write the network as C99 into `folder`; the manifest tells what it takes of flash and RAM.

    network.h and network.c are what a program of your own takes, with hn_fixed.h and hn_neurons.h; the rest runs it
    over samples on a computer and on an emulated Cortex-M4. A compiler is needed for the sizes only.

    With `learn`, also write learn.h and learn.c, a quantized network that learns with these options, see
    `learning.learn`. `flash` and `ram` are the board's in bytes, "256K" and the like, in place of the profile's
    chip.flash and chip.ram.

    hn_link.c answers requests over a link of bytes, such as a serial line, for the devices of `hypr_neuro.devices`.

    With `samples`, also write these and answers.c, which answers them (`samples`); the manifest then tells the
    instructions of a step, counted under an emulator. Targets of a regression are set beside the outputs, and a program
    that learns then learns from them (targets "values").

    Raises
    ------
    DoesNotFitError
        For a program that is larger than the board's memory, as far as a compiler for it is installed.
    """
    from hypr_neuro.compilers.c import samples as beside
    from hypr_neuro.compilers.c.link import write_link

    if learn is not None:
        require("learn", learn, LearnOptions)
    board = boards.board_of(network, flash, ram)
    if samples is not None:
        beside.check_samples(network, samples, learn)
        learn = None if learn is None else options_for(learn, samples)
    names = write_program(network, folder, samples)
    facts: dict[str, Any] = {"memory": build.memory(folder), "tools": build.tools()}
    facts["encoder"] = encoder_facts(network)
    facts["instructions a step"] = beside.instruction_facts(folder, samples, as_integer(network)[1])
    if samples is not None:
        facts["samples"] = beside.answer_facts(network, samples)
    emitted = Emitted(names, facts)
    if learn is not None:
        emitted = _with_learning(network, folder, learn, emitted)
    serving = write_link(folder, learns=learn is not None)
    emitted = Emitted([*emitted.names, *(n for n in serving if n not in emitted.names)], emitted.facts)
    if board.stated:
        boards.check(boards.programs(network, folder, board, learn), board, network)
    return emitted


def with_programs(qnet: QuantizedNetwork, placement: Placement, options: LearnOptions | None) -> Placement:
    """Return the placement with what the program takes of flash and RAM, for a chip that runs one: see `boards`.

    Raise DoesNotFitError for a program that is larger than the memory that the profile states.
    """
    return boards.with_programs(qnet, placement, options)


def write_program(network: IntegerNetwork | HasInteger, folder: Path, samples: SequenceData | None = None) -> list[str]:
    """Write all files but those that learn; return their names."""
    from hypr_neuro.compilers.c import samples as beside

    integer, tail = as_integer(network)
    plan = Plan(integer, tail)
    files = {
        "network.h": text.header(plan),
        "network.c": text.source(plan),
        "hn_fixed.h": fixed_header(),
        "hn_neurons.h": neurons_header(integer.populations),
    }
    for name in COPIED:
        files[name] = (TEMPLATES / name).read_text(encoding="utf-8")
    if (encoder := encoder_header(network)) is not None:
        files[ENCODER] = encoder
    if samples is not None:
        answers = beside.answers_source(network, samples, TEMPLATES)
        files |= beside.sample_files(network, samples) | {beside.ANSWERS: answers}
    for name, content in files.items():
        make_folder((folder / name).parent)
        write_text(folder / name, content)
    return list(files)


def _with_learning(network: Any, folder: Path, options: LearnOptions, inference: Emitted) -> Emitted:
    from hypr_neuro.compilers.c.learning.learn import emit_learning

    learning = emit_learning(network, options, folder)
    names = [*inference.names, *(name for name in learning.names if name not in inference.names)]
    return Emitted(names, inference.facts | learning.facts | {"learn": options.described()})


def fixed_header() -> str:
    """Write hn_fixed.h: every rounding and overflow rule."""
    rules = [f for f in tagged_functions() if f.__module__ == fixed_point.__name__]
    about = "/* Every rounding and overflow rule, translated from hypr_neuro/numbers/fixed_point.py. */\n"
    return _header("HN_FIXED_H", "#include <stdint.h>\n", about, PRELUDE, module(rules))


def neurons_header(populations: tuple[Population, ...]) -> str:
    """Write hn_neurons.h: the steps of the models of these populations."""
    rules = [f for f in tagged_functions() if f.__module__ == fixed_point.__name__]
    steps = {p.model.name: p.model.fixed_step for p in populations}
    about = f"/* Steps of neurons, translated from their Python form: {', '.join(steps)}. */\n"
    return _header("HN_NEURONS_H", '#include "hn_fixed.h"\n', about, module(steps.values(), rules))


def _header(guard: str, include: str, *parts: str) -> str:
    return "\n".join([f"#ifndef {guard}\n#define {guard}\n\n{include}", *parts, "#endif\n"])
