"""SpiNNaker2: one C program a core, messages between them as tables, and a NIR file for py-spinnaker2.

cores     the network cut into cores, each a network of its own
text      C of the cores, of the messages and of a host program that runs all cores in lockstep
nir_file  what py-spinnaker2's NIR reader takes, with the settings that it needs
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypr_neuro.compilers import Emitted
from hypr_neuro.compilers.c import TEMPLATES, build, fixed_header, neurons_header
from hypr_neuro.compilers.c import network as single
from hypr_neuro.compilers.c.plan import Plan
from hypr_neuro.compilers.spinnaker2 import text
from hypr_neuro.compilers.spinnaker2.cores import CoreProgram, cores_of, placed
from hypr_neuro.compilers.spinnaker2.nir_file import write_readable
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.exchange.nir import write_nir
from hypr_neuro.files.store import write_text
from hypr_neuro.placement.place import Placement
from hypr_neuro.quantizing.network import QuantizedNetwork

PACKAGES = ("nir", "h5py")
SRAM_BYTES = 128 * 1024
"""Local code and data memory of a core (SpiNNaker2 datasheet 0.03, 2021)."""
STACK_BYTES = 2048
"""Left free for the stack. A program of the vendor's libraries around the network needs room, too, and is not here."""
COPIED = ("main.c", "hn_io.h", "hn_text.h", "host_io.c")
NETWORK = "network.nir"


def emit(
    qnet: QuantizedNetwork, folder: Path, *, placement: Placement | None = None, neurons_per_core: int | None = None
) -> Emitted:
    """Write a C program for each core, tables of their messages, a host program and NIR files into `folder`.

    The manifest tells what each core takes of its 128 KB, measured with arm-none-eabi-gcc, or why it was not measured.

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
    readable = write_readable(qnet, folder)
    names = [*files, *([readable["file"]] if readable["file"] else [])]
    whole: dict[str, Any] = {"file": NETWORK, "reason": None}
    try:
        write_nir(qnet, folder / NETWORK)
        names.append(NETWORK)
    except InputError as error:  # of some neurons no one knows the floats that these integers stand for
        whole = {"file": None, "reason": str(error)}
    return Emitted(names, {"cores": core_memory, "nir": whole, "py_spinnaker2": readable, "placement": split.as_dict()})


def memory(qnet: QuantizedNetwork, cores: list[CoreProgram], folder: Path) -> list[dict[str, Any]]:
    """Return what each core holds and takes; bytes are null, with a reason, where no compiler measures them."""
    reason = build.CORTEX_M4.missing()
    entries = []
    for core in cores:
        entry: dict[str, Any] = {
            "core": core.number,
            "layer": qnet.name(core.layer),
            "first_neuron": core.first,
            "neurons": core.stop - core.first,
            "messages": len(core.messages),
            "bytes": None,
            "reason": reason,
            "limit": SRAM_BYTES - STACK_BYTES,
        }
        if reason is None:
            entry["bytes"] = sum(build.sizes(folder, build.CORTEX_M4, (f"core_{core.number}.c",)).values())
            _check(entry)
        entries.append(entry)
    return entries


def _check(entry: dict[str, Any]) -> None:
    """Raise DoesNotFitError for a core that takes more memory than it has."""
    if entry["bytes"] > entry["limit"]:
        fits = max(entry["neurons"] * entry["limit"] // entry["bytes"], 1)
        raise DoesNotFitError(
            f"core {entry['core']} ({entry['layer']}, {entry['neurons']} neurons): {entry['bytes']} bytes of code and "
            f"data, limit {entry['limit']} (128 KB less {STACK_BYTES} for the stack); split the layer further with "
            f"neurons_per_core={fits}"
        )
