"""Files of other programs as networks of hypr-neuro: which reader a file needs, by its ending.

A reader takes (path, choices) and returns an `ImportedFile`; a new format is one more entry of READERS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.checks import require_path
from hypr_neuro.shown import COLUMNS, Shown, as_html, as_text

if TYPE_CHECKING:
    from hypr_neuro.graph.integer import IntegerNetwork
    from hypr_neuro.graph.network import Network
    from hypr_neuro.graph.synapses import Synapses
    from hypr_neuro.quantizing.network import QuantizedNetwork

    Imported = Network | QuantizedNetwork | IntegerNetwork


@dataclass(frozen=True, repr=False)
class ImportedFile:
    """A file of another program as a network, with what a command says of it and keeps.

    Attributes
    ----------
    network
        The network that was read.
    file_name
        Name under which a run folder keeps it.
    holds
        What it holds, in words.
    facts
        Sizes and settings by name, for the table that a command prints.
    lines
        How the file was read, one line each.
    """

    network: Imported
    file_name: str
    holds: str
    facts: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        """Tell what the file holds and how it was read, on one screen."""
        return "\n".join([as_text(self), *(_cut(line) for line in self.lines[:SHOWN]), *_left_out(self.lines)])

    def _repr_html_(self) -> str:
        return as_html(self)

    def table(self) -> Shown:
        """Return sizes and settings, and the populations one by one."""
        rows: list[tuple[str, str]] = []
        for name, fact in self.facts.items():
            rows += (
                [(f"{name} {key}", str(one)) for key, one in fact.items()]
                if isinstance(fact, dict)
                else [(name, str(fact))]
            )
        return Shown(f"{self.file_name}: {self.holds}", ("what", "value"), rows)


SHOWN = 10
"""Lines on how a file was read that are printed; `lines` holds all."""


def _cut(line: str) -> str:
    return line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…"


def _left_out(lines: list[str]) -> list[str]:
    return [f"… {len(lines) - SHOWN} more in .lines"] if len(lines) > SHOWN else []


def import_file(path: str | Path, **choices: Any) -> ImportedFile:
    """Return the network in a file of another program.

    Parameters
    ----------
    path
        Of the file; its ending decides which reader takes it, see `READERS`.
    **choices
        What the format leaves open, by the names of the reader's arguments, such as dt and reset of NIR; None leaves it
        open.

    Raises
    ------
    InputError
        For an ending that no reader takes, for a choice that the reader does not know, and what the reader raises.
    """
    require_path("path", path, "a file of another program")
    path, chosen = Path(path), {name: value for name, value in choices.items() if value is not None}
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give the file in it: {', '.join(READERS)}")
    if (ending := path.suffix.lower()) not in READERS:
        raise InputError(f"file '{path}': ending '{ending}', rule: {', '.join(READERS)}; rename the file or convert it")
    read, known = READERS[ending]
    for name, value in chosen.items():
        if name not in known:
            rule = f"rule: {', '.join(known)}" if known else "rule: none, the file says everything"
            raise InputError(f"{name} = {value!r}: no choice of a {ending} file, {rule}; leave it out")
    return read(path, chosen)


def _nir(path: Path, choices: dict[str, Any]) -> ImportedFile:
    """Read integers of hypr-neuro as they are, a chain that ends in a readout as layers, any other graph as it is."""
    from hypr_neuro.exchange.nir import holds_integers, import_nir, is_own, read_quantized_nir

    imported = import_nir(path, **choices)
    lines = imported.summary.lines()
    own = is_own(path)
    if own and holds_integers(path):
        qnet = read_quantized_nir(path)
        facts = {"profile": qnet.profile.name, "dt": qnet.dt, **_sizes(qnet)}
        return ImportedFile(qnet, "quantized.h5", QUANTIZED, facts, lines)
    return _float(imported.graph if own else imported.network() or imported.graph, lines)


def _float(net: Network, lines: list[str]) -> ImportedFile:
    """Return a float network, with what can be done with it."""
    facts = {"dt": net.dt} if net.is_chain else {"dt": net.dt, **_sizes(net)}
    holds = LAYERS if net.is_chain else GRAPH
    if any(p.model.most_spikes for p in net.populations):
        holds = SEVERAL_SPIKES
    return ImportedFile(net, "network.h5", holds, facts, lines)


def _sizes(net: Network | QuantizedNetwork) -> dict[str, Any]:
    populations = {p.name: f"{p.size} {p.model.name}" for p in net.populations}
    return {"inputs": net.inputs, "outputs": net.output_size, "populations": populations}


def _checkpoint(path: Path, choices: dict[str, Any]) -> ImportedFile:
    """Read a checkpoint as a network that trains."""
    from hypr_neuro.exchange.checkpoints import import_checkpoint

    net, summary = import_checkpoint(path, **choices)
    origin = "argument" if "dt" in choices else "default"
    lines = [*summary.lines(), f"chosen: dt = {net.dt} ({origin}; a record only, all here counts in steps)"]
    return _float(net, lines)


def _netx(path: Path, choices: dict[str, Any]) -> ImportedFile:
    """Read a netx file as a network of integers."""
    from hypr_neuro.exchange.netx import read_netx
    from hypr_neuro.graph.membranes import membranes

    netx = read_netx(path, **choices)
    network = netx.network
    facts = {"inputs": network.inputs, "populations": {p.name: f"{p.size} {p.model.name}" for p in network.populations}}
    if netx.scale is not None:
        facts["input"] = f"{netx.scale} · data + {netx.offset}; simulate computes it, a program of your own has to"
    lines = [
        "{}: {}, exponent {}, delays {} to {}".format(c.name, _weights(c), c.exponent, *c.delay_range)
        for c in network.synapses
    ]
    lines += [f"output: no threshold that '{name}' can reach, so its membrane is read" for name in membranes(network)]
    return ImportedFile(
        network, "integer.h5", "integers, for simulate and compile; quantize gives them a profile", facts, lines
    )


def _weights(c: Synapses) -> str:
    """Return the size of what a connection stores: a matrix, or a kernel and the image that it moves over."""
    if c.convolution is None:
        return "{} × {} weights".format(*c.shape)
    kernel = " × ".join(map(str, c.convolution.kernel.shape))
    return f"convolution, kernel {kernel} over {' × '.join(map(str, c.convolution.image))}"


LAYERS = "layers, which train, quantize and learn"
GRAPH = "a graph, which trains, quantizes, simulates, learns on chip and compiles to C"
SEVERAL_SPIKES = (
    "several spikes in a step: trains in float, quantizes where a chip has messages, simulates and compiles"
)
QUANTIZED = "integers for a profile, which simulate, learn on chip and compile"
Reader = Callable[[Path, dict[str, Any]], ImportedFile]
CHECKPOINT = (_checkpoint, ("neuron", "dt", "reset_delay", "reset", "norm_input", "max_spikes"))
READERS: dict[str, tuple[Reader, tuple[str, ...]]] = {
    ".nir": (_nir, ("dt", "reset", "integrator", "order", "recurrent_delay", "floor", "max_spikes")),
    ".npz": CHECKPOINT,
    ".pt": CHECKPOINT,
    ".pth": CHECKPOINT,
    ".net": (_netx, ("layers", "input_shape", "input_message_bits", "connection_delay")),
}
"""By ending: the reader and the choices that it takes."""
