"""Write docs/formats.md, what each format can and cannot say, found by trying; a test compares it with the tree.

python tools/make_formats.py
"""

from __future__ import annotations

import inspect
import os
import re
import runpy
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import nir
import numpy as np

import hypr_neuro as hn
from hypr_neuro.compilers.lava.learning.network import check_learning
from hypr_neuro.compilers.lava.read_network import HARMLESS, RULE
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.exchange.checkpoints import READERS as CHECKPOINTS
from hypr_neuro.exchange.checkpoints.recurrent import KINDS
from hypr_neuro.exchange.netx.layers import KEYS
from hypr_neuro.exchange.netx.neurons import LIF, RF
from hypr_neuro.exchange.nir import read_nir, read_quantized_nir
from hypr_neuro.exchange.nir.agreement import RANDOM
from hypr_neuro.exchange.nir.flatten import INTEGRATORS, LINEAR, PASSAGE, SPIKING
from hypr_neuro.exchange.nir.options import DEFAULTS, WORDS
from hypr_neuro.exchange.nir.shapes import ELEMENTWISE
from hypr_neuro.exchange.nir.write import IN_FLOAT
from hypr_neuro.neurons import MODELS
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.reference import simulate_reference
from hypr_neuro.workflow.equal import require_equal_integers, require_equal_networks

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "formats.md"
sys.path.insert(0, str(ROOT / "tests" / "helpers"))  # records of neurons
CASES: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "format_cases.py"))
FIRES = 0.05
"""Share of neurons and steps with a spike, at least, in the networks of the table of agreement."""
REFUSALS = (InputError, DoesNotFitError, TypeError)
Case = Any


# ---------------------------------------------------------------- formats: each raises what a user would see


def nir_floats(case: Case, folder: Path, **options: Any) -> Sequence[str]:
    """Write and read back equal; return what standard nodes do not carry."""
    net, path = case.floats(), folder / "floats.nir"
    summary = hn.write_nir(net, path, **options)
    require_equal_networks(net, read_nir(path))
    return [text.split(": ", 1)[1] for text in summary.approximations]


def nir_integers(case: Case, folder: Path, **options: Any) -> Sequence[str]:
    """Write and read back equal; return what standard nodes do not carry."""
    # what layers cannot say is written as integers of any other network
    qnet: Any = case.quantized("loihi2") if case.layers else hn.quantize(case.integer(), "loihi2")
    summary = hn.write_nir(qnet, folder / "integers.nir", **options)
    require_equal_integers(qnet, read_quantized_nir(folder / "integers.nir"))
    return [text.split(": ", 1)[1] for text in summary.approximations if text != IN_FLOAT]


def compiled(target: str, network: Any, folder: Path, **options: Any) -> Sequence[str]:
    """Compile the network for a target."""
    with patch.dict(os.environ, PATH=""):  # no compiler, since nobody asks what memory it takes
        hn.compile(network, target=target, out=folder / target, **options)
    return ()


def netx(case: Case, folder: Path, **options: Any) -> Sequence[str]:
    """Write a netx file and read it."""
    compiled("netx", case.integer(), folder, **options)
    hn.read_netx(folder / "netx" / "network.net")
    return ()


def c99(case: Case, folder: Path, **options: Any) -> Sequence[str]:
    """Compile for C."""
    return compiled("c", case.quantized("loihi2") if "learn" in options else case.integer(), folder, **options)


def on_spinnaker2(network: hn.IntegerNetwork) -> hn.QuantizedNetwork:
    """Give integers a profile of SpiNNaker2 that overflows as they do."""
    lava = any(int(p.named().get("lava", 0)) for p in network.populations)
    values = (("precision__overflow", "lava" if lava else "hardware"),)
    return hn.quantize(network, CASES["chip"]("spinnaker2", values))


def spinnaker2(case: Case, folder: Path, **options: Any) -> Sequence[str]:
    """Compile for SpiNNaker2."""
    network = case.quantized("spinnaker2")
    if isinstance(network, hn.IntegerNetwork):
        network = on_spinnaker2(network)
    return compiled("spinnaker2", network, folder, **options)


def lava_alone(case: Case, folder: Path, **options: Any) -> Sequence[str]:
    """Compile a network of integers for Lava."""
    return compiled("lava", case.integer(), folder, **options)


def lava_ours(case: Case, folder: Path, **options: Any) -> Sequence[str]:
    """Compile layers for Lava, or check that they may learn there."""
    network = case.quantized("loihi2")
    if "learn" not in options:
        return compiled("lava", network, folder, **options)
    check_learning(network, options["learn"])
    return ()


def simulator(case: Case, folder: Path, **options: Any) -> Sequence[str]:
    """Set up, and run by the definition that it equals, which compiles nothing."""
    if "learn" in options:
        Learner(case.quantized("loihi2"), options["learn"])
    network = case.integer()
    running = hn.Simulator(network)
    if "state" in options:
        running.save(folder / options["state"])
        running.restore(folder / options["state"])
    simulate_reference(network, np.ones((1, 6, network.inputs), np.int64))
    return ()


@dataclass(frozen=True)
class Format:
    """A column of the tables.

    Attributes
    ----------
    heading
        Of the column.
    about
        What is written, for the list above the tables.
    form
        Of the case that it takes; where that is missing there is nothing to say.
    say
        Tries a case, returns what is approximate.
    ways
        Options that are tried where the case alone is refused.
    """

    heading: str
    about: str
    form: str
    say: Callable[..., Sequence[str]]
    ways: tuple[Mapping[str, str], ...] = ()


FORMATS = (
    Format(
        "NIR, floats",
        "`hn.write_nir` of a network or graph. Approximate: standard nodes only resemble the neuron; "
        "`read_nir` and `hn.import_nir` give back the exact one all the same",
        "floats",
        nir_floats,
    ),
    Format(
        "NIR, integers",
        "`hypr-neuro export` of integers. Other programs get the floats that the integers stand "
        "for, `read_quantized_nir` the integers themselves",
        "integer",
        nir_integers,
    ),
    Format(
        "netx",
        'target `netx`, `hn.write_netx`. `readout="outside"` leaves the readout to the host',
        "integer",
        netx,
        ({"always_on": "channel"}, {"readout": "outside"}),
    ),
    Format("C", "target `c`", "integer", c99),
    Format("SpiNNaker2", "target `spinnaker2`", "integer", spinnaker2),
    Format(
        "Lava alone",
        "target `lava` and `lava_integer_network` of an integer network: Lava's own processes and nothing else",
        "integer",
        lava_alone,
    ),
    Format(
        "Lava with ours",
        "target `lava` and `lava_network` of a network that `hn.quantize` made: neurons that Lava "
        "lacks run in a process of ours. Tried here with layers; graphs go the same way",
        "layers",
        lava_ours,
    ),
    Format("simulator", "`hn.simulate`, `hn.Simulator` and `hn.learn`", "integer", simulator),
)


# ---------------------------------------------------------------- cells


class Notes:
    """Footnotes, each text once, in the order in which they come up."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def number(self, text: str) -> int:
        """Return the number of a footnote, a new one for a new text."""
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


def reason(error: Exception, neuron: str, folder: Path) -> str:
    """Return what an error says up to the first semicolon or full stop, without this run's folder and row's neuron."""
    text = str(error).replace(f"{folder}{os.sep}", "")
    return re.split(r"; |\. ", text.replace(f"'{neuron}'", "'…'") if neuron else text)[0]


def cell(case: Case, form: Format, notes: Notes, folder: Path) -> str:
    """Return yes, approximate, the option that it takes, no, or – where there is nothing to say; with footnotes."""
    if getattr(case, form.form) is None:
        return "–"
    refusal = ""
    for option in ({}, *form.ways):
        try:
            remarks = form.say(case, folder, **case.options, **option)
        except REFUSALS as error:
            if isinstance(error, TypeError) and "unexpected keyword argument" not in str(error):
                raise
            refusal = refusal or reason(error, case.neuron, folder)
            continue
        if remarks:
            return "approximate " + ", ".join(f"({notes.number(text)})" for text in remarks)
        return "".join(f'`{key}="{value}"`' for key, value in option.items()) or "yes"
    return f"no ({notes.number(refusal)})"


def markdown_table(head: Sequence[str], body: Iterable[Sequence[Any]]) -> list[str]:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *body]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]


def table_by_trying(corner: str, cases: Iterable[Case], notes: Notes) -> list[str]:
    """Return a table of a row a case, a column a format."""
    with TemporaryDirectory() as name:
        body = [[case.name, *(cell(case, form, notes, Path(name)) for form in FORMATS)] for case in cases]
    return markdown_table([corner, *(form.heading for form in FORMATS)], body)


# ---------------------------------------------------------------- readers


def neuron_of_node(kind: str) -> str:
    """Return the neuron that a node of NIR becomes."""
    values = {name: np.full(2, 2e-3 if "tau" in name else 0.5) for name in ELEMENTWISE[kind]}
    values |= {name: np.zeros(2) for name in ("v_leak", "v_reset") if name in values}
    node, weight = getattr(nir, kind)(**values), nir.Linear(np.ones((2, 2)))
    nodes = {"input": nir.Input(np.array([2])), "weight": weight, "node": node, "output": nir.Output(np.array([2]))}
    edges = [("input", "weight"), ("weight", "node"), ("node", "output")]
    imported = hn.import_nir(nir.NIRGraph(nodes, edges), dt=1e-4, reset="zero")
    return str(imported.graph.population("node").model.name)


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return the lines of a paragraph."""
    return textwrap.wrap(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def named(names: Iterable[str]) -> str:
    """Return names as code, with commas between them."""
    return ", ".join(f"`{name}`" for name in names)


def what_readers_take() -> list[str]:
    """Return what each reader knows, from the tables that it reads by."""
    kinds = [(named([kind]), f"`{neuron_of_node(kind)}`") for kind in sorted(SPIKING | INTEGRATORS)]
    arrays = [
        (f"`{k.neuron}`", named(k.arrays), ", ".join(f"{a} = {b:g}" for a, b in k.constants.items())) for k in KINDS
    ]
    return [
        *wrapped(
            "**NIR** (`hn.import_nir`, [nir.md](nir.md)): `Input`, `Output`, graphs inside graphs. "
            f"{named(sorted(LINEAR - {PASSAGE}))} become weights, delays and constant currents, "
            "and of neurons"
        ),
        "",
        *markdown_table(["node", "neuron"], kinds),
        "",
        *wrapped(
            "**netx** (`hn.read_netx`, [simulator.md](simulator.md)): the neurons "
            f"{', '.join(f'`{a}` ({b})' for a, b in (dict.fromkeys(LIF, 'lif') | RF).items())}, and layers with "
            "these keys. Any other neuron, layer or key is refused."
        ),
        "",
        *markdown_table(["layer", "keys"], [(f"`{kind}`", named(keys)) for kind, keys in KEYS.items()]),
        "",
        *wrapped(
            f"**Checkpoints** (`hn.import_checkpoint`, {named(CHECKPOINTS)}, [import.md](import.md)): one "
            "recurrent layer and a leaky readout (below), adaptive layers named i2h, h2h and h2o, and state dicts of "
            "snnTorch and Sinabs with linear modules."
        ),
        "",
        *markdown_table(["neuron", "its arrays", "not in the file"], arrays),
        "",
        *wrapped(
            f"**Lava** (`hn.from_lava`, [lava.md](lava.md)): {RULE}, and what hypr-neuro itself makes of "
            f"networks. {named(HARMLESS)} may look on."
        ),
    ]


UNSAID = {
    "reset_delay": "`True`, of snnTorch",
    "reset": "`subtract`, of Sinabs",
    "norm_input": "of each class of Sinabs its own",
    "max_spikes": "one spike, of Sinabs",
}
"""Defaults of choices that a file of one program leaves open, by name."""
NIR_UNSAID = {"floor": "no floor", "max_spikes": "one spike"}
"""The same of NIR, where no format says them and nothing is asked."""


def choices() -> list[str]:
    """Return the arguments of the readers with their defaults."""
    table_rows = []
    for call in (hn.import_nir, hn.import_checkpoint, hn.read_netx, hn.from_lava):
        for p in list(inspect.signature(call).parameters.values())[1:]:
            default = DEFAULTS.get(p.name, p.default) if call is hn.import_nir else p.default
            values = named(WORDS[p.name]) if p.name in WORDS and call is hn.import_nir else ""
            none = (
                NIR_UNSAID.get(p.name, "none, asked for where it matters")
                if call is hn.import_nir
                else UNSAID.get(p.name, "what the file holds")
            )
            table_rows.append(
                (f"`{call.__name__}`", f"`{p.name}`", values, none if default is None else f"`{default}`")
            )
    return markdown_table(["reader", "argument", "values", "default"], table_rows)


# ---------------------------------------------------------------- agreement


def agreement(neuron: str, folder: Path, **params: float) -> tuple[Any, ...]:
    """Return a row of the table of agreement; weights are doubled until the neurons fire, see `FIRES`."""
    net = CASES["layered"](neuron, **params)
    for _ in range(20):
        figures = hn.write_nir(net, folder / "net.nir").agreement["layers_0"]
        if figures["rate"] >= FIRES:
            break
        net.layers[0].weight *= 2.0
    heading = ", ".join([f"`{neuron}`", *(f"{name} = {value:g}" for name, value in params.items())])
    return heading, *(f"{100 * figures[key]:.0f} %" for key in ("equal", "coincidence", "rate", "rate_standard"))


def agreements() -> list[str]:
    """Return the table of how near the approximations are."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        spiking = [m for m in MODELS.values() if m.has_float and not m.readout and m.currents == 1]
        body = [
            agreement(m.name, folder)
            for m in spiking
            if hn.write_nir(CASES["layered"](m.name), folder / "net.nir").approximations
        ]
        body.append(agreement("lif", folder, subtract=1.0))
    return markdown_table(
        ["neuron", "equal entries", "coincident spikes", "spikes", "spikes of the standard node"], body
    )


# ---------------------------------------------------------------- page


def prose(text: str) -> list[str]:
    """Return paragraphs with their lines broken anew, a blank line after each; headings stay as they are."""
    lines: list[str] = []
    for paragraph in textwrap.dedent(text).strip().split("\n\n"):
        lines += [*([paragraph] if paragraph.startswith("#") else wrapped(" ".join(paragraph.split()))), ""]
    return lines


def page() -> str:
    """Return the whole page."""
    notes = Notes()
    neuron_table = table_by_trying("neuron", [CASES["of_model"](name) for name in MODELS], notes)
    feature_table = table_by_trying("feature", CASES["features"](), notes)
    parts = [
        *prose("""
            # What each format can and cannot say

            Generated by `python tools/make_formats.py`, which tries it: for every row it makes a small network and
            writes it in every format. What it writes to NIR it also reads back, and that has to be equal.

            ## What goes out
        """),
        *(line for form in FORMATS for line in wrapped(f"- {form.heading}: {form.about}", "  ")),
        "",
        *prose("""
            yes: as it is. `key="value"`: as it is, with this option of the writer. approximate, no: the numbers below
            say why. –: what is written there cannot have it to begin with; floats have no exponents, layers no delays
            and only neurons that have a float form.

            ### Neurons

            The neuron alone, `li` and `cuba_li` behind `lif`. Where layers are written (NIR, SpiNNaker2, Lava with
            ours), with a readout.
        """),
        *neuron_table,
        "",
        *prose("""
            ### Features

            On `lif`.
        """),
        *feature_table,
        "",
        *prose("""
            ### Why

            What the writers say, to the first full stop or semicolon; most messages go on with what to do instead. '…'
            stands for the row's neuron.
        """),
        *(line for i, note in enumerate(notes.texts, 1) for line in wrapped(f"{i}. {note}", "   ")),
        "",
        *prose(f"""
            ## How near the approximations are

            What other programs make of NIR's standard nodes, against the network that was written: {CASES["SIZE"]}
            neurons, weights doubled until {100 * FIRES:.0f} % of all entries are spikes; {RANDOM}. Equal entries: spike
            or none, of all neurons and steps. Coincident spikes: 2 |A and B| / (|A| + |B|).
            `hn.write_nir(…).agreement` and the metadata of a file's nodes say the same of your own network, on your own
            data with `sample=`.
        """),
        *agreements(),
        "",
        "## What goes in",
        "",
        *what_readers_take(),
        "",
        *prose("""
            ### What a file leaves open

            Arguments of the readers. The metadata of a NIR graph may say its own; an argument that contradicts them is
            refused.
        """),
        *choices(),
    ]
    return "\n".join(parts) + "\n"


PAGES = {PAGE.name: page}


def main() -> None:
    """Write the page."""
    for name, make in PAGES.items():
        (PAGE.parent / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
