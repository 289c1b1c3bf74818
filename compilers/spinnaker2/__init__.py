"""SpiNNaker2: one C program a core, messages between them as tables, and a NIR file for py-spinnaker2.

cores     the network cut into cores, each a network of its own
programs  what each core's program takes of its memory, and placements that fit it
text      C of the cores, of the messages and of a host program that runs all cores in lockstep
nir_file  what py-spinnaker2's NIR reader takes, with the settings that it needs
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypr_neuro.compilers import Emitted
from hypr_neuro.compilers.c import TEMPLATES, fixed_header, neurons_header
from hypr_neuro.compilers.c import network as single
from hypr_neuro.compilers.c.plan import Plan
from hypr_neuro.compilers.spinnaker2 import programs, text
from hypr_neuro.compilers.spinnaker2.cores import cores_of, placed
from hypr_neuro.compilers.spinnaker2.nir_file import write_readable
from hypr_neuro.compilers.spinnaker2.programs import memory
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir import write_nir
from hypr_neuro.files.store import write_text
from hypr_neuro.placement.place import Placement
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions

PACKAGES = ("nir", "h5py")
COPIED = ("main.c", "hn_io.h", "hn_text.h", "host_io.c")
NETWORK = "network.nir"


def emit(
    qnet: QuantizedNetwork, folder: Path, *, placement: Placement | None = None, neurons_per_core: int | None = None
) -> Emitted:
    """Write a C program for each core, tables of their messages, a host program and NIR files into `folder`.

    The manifest tells what each core takes of its memory (core.sram of the profile less core.stack, 128 KB less 2 KB
    where it does not say), measured with arm-none-eabi-gcc, or why it was not measured.

    Parameters
    ----------
    qnet
        The quantized network.
    folder
        Where the files go.
    placement
        By default as few cores as the profile's limits allow, at most `neurons_per_core` neurons each.
    neurons_per_core
        Limit of neurons on a core, beside the profile's.

    Returns
    -------
    Emitted
        Names of the files and what the manifest says of them.

    Raises
    ------
    DoesNotFitError
        For a core that takes more, naming it.
    InputError
        For a network that has connections within a step, and for populations that share cores.
    """
    split = placed(qnet, placement, neurons_per_core)
    cores = cores_of(qnet, split)
    network_plan = Plan(qnet.integer(), qnet.tail)
    files = {
        "network.h": single.header(network_plan),
        "network.c": text.lockstep(network_plan, cores),
        "messages.h": text.messages_header(cores),
        "Makefile": text.makefile(cores),
        "hn_fixed.h": fixed_header(),
        "hn_neurons.h": neurons_header(network_plan.populations),
    }
    for core in cores:
        files |= text.core_files(core, network_plan.largest_input)
    files |= {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in COPIED}
    for name, content in files.items():
        write_text(folder / name, content)
    core_memory = memory(qnet, cores, folder)
    for core, entry in zip(cores, core_memory, strict=True):
        programs.check(qnet, split, core, entry, folder)
    readable = write_readable(qnet, folder)
    names = [*files, *([readable["file"]] if readable["file"] else [])]
    whole: dict[str, Any] = {"file": NETWORK, "reason": None}
    try:
        write_nir(qnet, folder / NETWORK)
        names.append(NETWORK)
    except InputError as error:  # of some neurons no one knows the floats that these integers stand for
        whole = {"file": None, "reason": str(error)}
    return Emitted(names, {"cores": core_memory, "nir": whole, "py_spinnaker2": readable, "placement": split.as_dict()})


def with_programs(qnet: QuantizedNetwork, placement: Placement, options: LearnOptions | None) -> Placement:
    """Return a placement whose programs fit the cores' memory, where the profile states it: see `programs`.

    Raise DoesNotFitError for a single neuron that does not fit.
    """
    return placement if qnet.profile.core.sram is None else programs.fitting(qnet, placement, options)
