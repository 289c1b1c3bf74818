"""docs/formats.md is fresh, and what it says holds when it is tried in another way."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from needed import needs_lava

import hypr_neuro as hn
from hypr_neuro.compilers import targets
from hypr_neuro.compilers.lava.integers.network import check_integer_network
from hypr_neuro.compilers.lava.read_network import RULE
from hypr_neuro.errors import HyprError, InputError, MismatchError
from hypr_neuro.exchange.importing import READERS
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.layer import Layer
from hypr_neuro.neurons import MODELS
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.lif_refractory import lif_refractory_parameters
from hypr_neuro.run.forward import readout
from hypr_neuro.testing.integer import run_of_reference
from hypr_neuro.testing.networks import random_network, random_spikes, varied

ROOT = Path(__file__).resolve().parents[2]
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "make_formats.py"))
INTERPRETER: Any = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "nir_interpreter.py"))[
    "Interpreter"
]
TEXT = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
NOTES = {
    int(number): " ".join(text.split()) for number, text in re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", TEXT, re.MULTILINE)
}
LINES = [[part.strip() for part in line.strip("|").split(" | ")] for line in TEXT.splitlines() if line.startswith("|")]
HEAD = next(line for line in LINES if line[0] == "neuron")
BODY = [line for line in LINES if len(line) == len(HEAD) and line[1] not in (HEAD[1], "---")]
CELLS = {(line[0], column): value for line in BODY for column, value in zip(HEAD[1:], line[1:], strict=True)}
ROWS = {case.name: case for case in [*map(TOOL["CASES"]["of_model"], MODELS), *TOOL["CASES"]["features"]()]}
ONES = np.ones((2, 2), np.int64)


def note_of(row: str, column: str) -> str:
    found = re.fullmatch(r"(?:no|approximate) \((\d+)\)", CELLS[row, column])
    assert found is not None, CELLS[row, column]
    return NOTES[int(found.group(1))]


def test_the_page_is_fresh() -> None:
    for name, make in TOOL["PAGES"].items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == make(), "run: python tools/make_formats.py"


def test_nothing_is_left_out() -> None:
    for target in targets():
        assert f"target `{target}`" in TEXT
    assert {row for row, _ in CELLS if row.startswith("`")} == {f"`{name}`" for name in MODELS}
    arguments = {line[1].strip("`") for line in LINES if len(line) == 4}
    assert {choice for _, choices in READERS.values() for choice in choices} <= arguments
    used = {int(number) for value in CELLS.values() for number in re.findall(r"\((\d+)\)", value)}
    assert used == set(NOTES) == set(range(1, len(NOTES) + 1))


# ---------------------------------------------------------------- refusals, by networks of another make


def lif(*more: hn.Synapses, names: str = "a", delay: int = 1, **values: Any) -> hn.IntegerNetwork:
    numbers = lif_parameters(50, 60, 3) | values
    populations = [hn.Population.of(name, "lif", 2, **numbers) for name in names]
    return hn.IntegerNetwork(2, tuple(populations), (hn.Synapses(INPUT, names[0], ONES), *more), delay)


def refractory() -> hn.IntegerNetwork:
    p = hn.Population.of("p", "lif_refractory", 2, **lif_refractory_parameters(50, 60, 3, 4))
    return hn.IntegerNetwork(2, (p,), (hn.Synapses(INPUT, "p", ONES),))


def quantized(neuron: str, chip: str = "loihi2", **profile: Any) -> hn.QuantizedNetwork:
    net = hn.Network.build({"inputs": 2, "outputs": 2, "layers": [{"neuron": neuron, "size": 3}]})
    return hn.quantize(net, varied(chip, **profile), calibration={"layers.0": 3.0, "readout": 3.0})


LEARNING = "learning, changes rounded stochastically (`learn=`)"
REFUSED: dict[tuple[str, str], Callable[[Path], Any]] = {
    ("`lif_refractory`", "NIR, floats"): lambda path: hn.Network.build(
        {"inputs": 2, "outputs": 2, "layers": [{"neuron": "lif_refractory", "size": 2}]}
    ),
    ("`brf`", "netx"): lambda path: hn.write_netx(quantized("brf"), path, always_on="channel", readout="outside"),
    ("`alif`", "Lava alone"): lambda path: check_integer_network(quantized("alif").integer()),
    ("`lif_refractory`", "netx"): lambda path: hn.write_netx(refractory(), path),
    ("`lif_refractory`", "Lava alone"): lambda path: check_integer_network(refractory()),
    ("connections within a step (connection_delay 0)", "SpiNNaker2"): lambda path: hn.compile(
        quantized("lif", "spinnaker2", time__connection_delay=0), target="spinnaker2", out=path
    ),
    ("delay of a recurrent connection", "netx"): lambda path: hn.write_netx(
        lif(hn.Synapses("a", "a", ONES, delays=2)), path
    ),
    ("reset by subtraction", "netx"): lambda path: hn.write_netx(lif(subtract=1), path),
    ("reset by subtraction", "Lava alone"): lambda path: check_integer_network(lif(subtract=1)),
    ("connections within a step (connection_delay 0)", "netx"): lambda path: hn.write_netx(lif(delay=0), path),
    ("connections within a step (connection_delay 0)", "Lava alone"): lambda path: check_integer_network(lif(delay=0)),
    ("connections within a step (connection_delay 0)", "Lava with ours"): lambda path: hn.compile(
        quantized("lif", time__connection_delay=0), target="lava", out=path
    ),
    (LEARNING, "netx"): lambda path: hn.compile(lif(), target="netx", out=path, learn=hn.LearnOptions()),
    (LEARNING, "NIR, floats"): lambda path: hn.write_nir(random_network("lif", 0), path, learn=True),
}


@pytest.mark.parametrize("where", REFUSED, ids=" in ".join)
def test_a_refusal_is_what_a_user_sees(where: tuple[str, str], tmp_path: Path) -> None:
    text = note_of(*where).replace("'…'", f"'{where[0].strip('`')}'")
    with pytest.raises((HyprError, TypeError)) as raised:
        REFUSED[where](tmp_path / "file")
    # quantized networks name their populations
    seen, said = (re.sub(r"population '[^']*'", "population", t) for t in (str(raised.value), text))
    assert seen.startswith(said)


# ---------------------------------------------------------------- what is said to be exact


def with_readout(net: hn.Network, name: str) -> hn.Network:
    last = Layer(MODELS[name], net.layers[-1].weight, None, None, {}, ())
    return hn.Network.from_layers([*net.layers[:-1], last], net.dt)


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.has_float and model.currents == 1])
def test_nir_is_exact_where_its_equations_give_the_same_readout(name: str, tmp_path: Path) -> None:
    """An interpreter runs the standard nodes; the readout's values show any spike that differs."""
    is_readout = MODELS[name].readout
    net = random_network("lif" if is_readout else name, 3, recurrent=False, bias=False)
    net = with_readout(net, name if is_readout else "li")
    hn.write_nir(net, tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")
    shapes = {key: tuple(int(n) for n in node.output_type["output"]) for key, node in graph.nodes.items()}
    x = random_spikes(3, 1, 60, net.inputs).astype(np.float64)
    values = INTERPRETER(graph, shapes, {"input": x[0]}, set(), net.dt).run(60)["output"]
    same = bool(np.allclose(values, readout(net, x, dtype=np.float64)[0], rtol=0, atol=1e-9 * np.abs(values).max()))
    # a neuron that is written as the nearest LIF may happen to be one
    assert CELLS[f"`{name}`", "NIR, floats"].split()[0] in (("yes", "approximate") if same else ("approximate",))


def test_lif_and_readouts_are_exact_in_nir() -> None:
    assert [CELLS[f"`{name}`", "NIR, floats"] for name in ("lif", "li", "cuba_li")] == ["yes"] * 3


EXACT = [row for (row, column), value in CELLS.items() if column == "netx" and not value.startswith("no")]


@pytest.mark.parametrize("row", EXACT)
def test_netx_files_hold_networks_that_run_the_same(row: str, tmp_path: Path) -> None:
    network = ROWS[row].integer()
    options = dict(re.findall(r'(\w+)="(\w+)"', CELLS[row, "netx"]))
    summary = hn.write_netx(network, tmp_path / "file.net", **options)
    back = hn.read_netx(tmp_path / "file.net", input_message_bits=summary.message_bits).network
    x = random_spikes(4, 1, 80, network.inputs, rate=0.6).astype(np.int64)
    names = [p.name for p in back.populations]
    theirs = dict(zip(names, run_of_reference(back, summary.input(x)), strict=True))
    for p, ours in zip(network.populations, run_of_reference(network, x), strict=True):
        if not p.model.readout:
            assert np.array_equal(ours, summary.spikes(p.name, theirs[summary.layers[p.name]]))
            assert ours.any()


# ---------------------------------------------------------------- a cell


def one_cell(say: Callable[..., Any], **form: Any) -> tuple[str, list[str]]:
    notes = TOOL["Notes"]()
    column = TOOL["Format"]("heading", "about", "integer", say, **form)
    return TOOL["cell"](ROWS["`lif`"], column, notes, Path("/there")), notes.texts


def refuse(*_: Any, **options: Any) -> tuple[str, ...]:
    if options:
        return ()
    raise InputError("file '/there/x.h5': neuron 'lif', rule: 0.5. Longer; do this")


def test_a_cell_says_what_happened() -> None:
    assert one_cell(lambda *_: ()) == ("yes", [])
    assert one_cell(lambda *_: ("nearly",)) == ("approximate (1)", ["nearly"])
    assert one_cell(refuse) == ("no (1)", ["file 'x.h5': neuron '…', rule: 0.5"])
    assert one_cell(refuse, ways=({"with": "this"},)) == ('`with="this"`', [])
    assert TOOL["cell"](ROWS["negative weight exponents"], TOOL["FORMATS"][0], TOOL["Notes"](), Path()) == "–"


@pytest.mark.parametrize("error", [MismatchError("differs"), TypeError("no number"), AttributeError("dt"), OSError(28)])
def test_a_fault_is_no_refusal(error: Exception) -> None:
    def fail(*_: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        one_cell(fail)


@needs_lava
def test_lava_processes_that_are_named_are_those_that_are_read() -> None:
    code = """
from hypr_neuro.compilers.lava.read_integers import kinds
neurons, connections = kinds()
print(*(name for kind, name in neurons.items() if kind.__module__.startswith("lava.")), *connections.values())
"""  # in a process of its own: Lava sets how processes start
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == RULE.removesuffix(" of Lava").split(", ")
    assert RULE in TEXT.replace("\n", " ")
