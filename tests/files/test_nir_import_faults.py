"""NIR graphs: what NIR leaves open is asked for, taken from metadata or said; faults are named by node and edge."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from commands import answer, called, refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir import import_nir
from hypr_neuro.graph.network import Network
from hypr_neuro.run.graph_forward import run_graph

GRAPHS: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "nir_graphs.py"))
DT: float = GRAPHS["DT"]
lif, li, chain = (GRAPHS[name] for name in ("lif", "li", "chain"))


# ---------------------------------------------------------------- choices


def test_choices_and_where_they_come_from() -> None:
    graph = chain(lif(2), li(2))
    lines = import_nir(graph, dt=DT, reset="subtract", order="membrane_first").summary.lines()
    assert [line for line in lines if line.startswith("chosen")] == [
        "chosen: dt = 0.001 (argument)",
        "chosen: integrator = euler (default)",
        "chosen: reset = subtract (argument)",
        "chosen: max_spikes = none (default: one spike in a step; Sinabs' MultiSpike sends several, max_spikes=N "
        "(--max-spikes N) at most N)",
        "chosen: order = membrane_first (argument, nothing depends on it)",
        "chosen: start = v at v_reset (LI, CubaLI, I: at 0), synaptic currents at 0 (fixed)",
    ]
    graph.nodes["in"].metadata = {"dt": np.float32(DT), "reset": b"zero"}
    graph.nodes["n0"].metadata = {"integrator": "exact"}
    choices = [str(choice) for choice in import_nir(graph).summary.choices]
    assert choices[1:4] == [
        "integrator = exact (metadata of node 'n0' (LIF))",
        "reset = zero (metadata of node 'in' (Input))",
        "integrator = euler (default)",
    ]
    assert re.fullmatch(r"dt = 0\.00100\d+ \(metadata of node 'in' \(Input\)\)", choices[0])
    exact = import_nir(graph, dt=DT).graph.population("n0").params["dv"]
    np.testing.assert_allclose(exact, 1 - np.exp(-0.25), rtol=1e-9)


def test_metadata_of_the_nearest_graph_come_first() -> None:
    """Three graphs inside each other: the neuron's own word, then the graphs around it, then the ends of the whole."""

    def around(inner: Any, **metadata: Any) -> nir.NIRGraph:
        graph = chain(inner)
        graph.metadata = metadata
        return graph

    first, second = lif(2), lif(2)
    deep = around(chain(first, second), reset="subtract")
    graph = around(around(deep, integrator="exact"), integrator="euler", dt=DT)
    graph.nodes["in"].metadata = {"reset": "zero", "order": "membrane_first"}
    first.metadata = {"reset": "zero"}
    found = import_nir(graph)
    names = ["n0.n0.n0.n0", "n0.n0.n0.n1"]
    assert [p.name for p in found.graph.populations] == names
    assert [p.params["subtract"][0] for p in found.graph.populations] == [0.0, 1.0]
    np.testing.assert_allclose([p.params["dv"][0] for p in found.graph.populations], 1 - np.exp(-0.25))
    origins = {str(choice) for choice in found.summary.choices}
    assert "reset = subtract (metadata of graph 'n0.n0')" in origins
    assert "integrator = exact (metadata of graph 'n0')" in origins
    assert "dt = 0.001 (metadata of graph)" in origins


@pytest.mark.parametrize(
    ("metadata", "arguments", "match"),
    [
        ({}, {}, r"'n0' \(LIF\) depends on time.*pass dt \(--dt\), in seconds"),
        ({}, {"dt": DT}, r"'n0' \(LIF\): NIR does not say how a spike resets v; pass reset \(--reset\)"),
        (
            {"dt": DT},
            {"dt": 2 * DT, "reset": "zero"},
            r"dt = 0.002 \(argument\), but metadata of node 'n0' \(LIF\) says",
        ),
        ({"reset": "zero"}, {"dt": DT, "reset": "subtract"}, r"reset = 'subtract' was passed, metadata of node 'n0'"),
        ({"dt": "fast"}, {"reset": "zero"}, r"metadata of node 'n0' \(LIF\): dt = 'fast', rule: seconds"),
        ({"order": 3}, {"dt": DT, "reset": "zero"}, None),
        (
            {"integrator": "rk4"},
            {"dt": DT, "reset": "zero"},
            r"metadata of node 'n0' \(LIF\): integrator = 'rk4', rule",
        ),
        ({}, {"dt": 1e-320, "reset": "zero"}, "dt = 1e-320 s, rule: 1e-15 to 1e\\+15 s"),
        ({"dt": 1e300}, {"reset": "zero"}, r"metadata of node 'n0' \(LIF\): dt = 1e\+300 s, rule: 1e-15 to"),
        ({}, {"dt": DT, "reset": "zero", "recurrent_delay": 1.5}, "recurrent_delay = 1.5, rule: whole steps"),
        ({}, {"dt": DT, "reset": "zero", "integrator": "heun"}, "integrator = 'heun', rule: one of euler, exact"),
    ],
)
def test_choices_that_contradict_or_are_missing(
    metadata: dict[str, Any], arguments: dict[str, Any], match: str | None
) -> None:
    graph = chain(lif(2), li(2))
    graph.nodes["n0"].metadata = metadata
    if match is None:  # of no neuron with a synaptic current, so nobody asks
        assert import_nir(graph, **arguments).graph.output_size == 2
        return
    with pytest.raises(InputError, match=match):
        import_nir(graph, **arguments)


# ---------------------------------------------------------------- faults


Change = Callable[[nir.NIRGraph], Any]


def nested(inner: dict[str, Any], *edges: tuple[str, str]) -> Change:
    return lambda g: g.nodes.__setitem__("n1", nir.NIRGraph(inner, list(edges), type_check=False))


def node(name: str, value: Any) -> Change:
    return lambda g: g.nodes.__setitem__(name, value)


def edges(*pairs: tuple[str, str]) -> Change:
    return lambda g: g.edges.extend(pairs)


def both(*changes: Change) -> Change:
    return lambda g: [change(g) for change in changes]


TWO = nir.Input(np.array([2]))
FAULTS: list[tuple[str, Change, list[str]]] = [
    ("edge to nowhere", edges(("n1", "ghost")), ["edge ('n1', 'ghost')", "'ghost' does not exist"]),
    ("edge twice", edges(("n1", "n2")), ["edge ('n1', 'n2') stands twice"]),
    ("edge into Input", edges(("n1", "in")), ["edge ('n1', 'in')", "into an Input"]),
    ("inner edge", nested({"a": TWO}, ("a", "b")), ["'n1' (NIRGraph)", "inner edge ('a', 'b')", "'b' does not exist"]),
    ("no inner Input", nested({"o": nir.Output(np.array([2]))}), ["'n1' (NIRGraph): 0 nodes of type Input"]),
    ("two inner Inputs", nested({"a": TWO, "b": TWO}), ["'n1' (NIRGraph): 2 nodes of type Input ('a', 'b')"]),
    (
        "same name",
        both(nested({"a": TWO, "o": nir.Output(np.array([2]))}, ("a", "o")), node("n1.a", li(2))),
        ["'n1.a' stands twice"],
    ),
    (
        "linear loop",
        both(node("n1", nir.Scale(np.ones(2))), edges(("n2", "n0"))),
        ["nodes 'n0' → 'n1' → 'n2' → 'n0'", "a loop without a neuron"],
    ),
    ("Delay of half a step", node("n0", nir.Delay(np.array([0.0, DT / 2]))), ["'n0' (Delay)", "delay[1]", "0.5 steps"]),
    ("negative Delay", node("n0", nir.Delay(np.array([-DT]))), ["'n0' (Delay)", "delay[0]", "0 or more"]),
    ("long Delay", node("n0", nir.Delay(np.array([100 * DT]))), ["'n0' (Delay)", "input is 100 steps late", "0..63"]),
    ("other size", node("n0", nir.Linear(np.ones((3, 2)))), ["'n1' (LIF)", "shape [2]", "'n0' (Linear) sends [3]"]),
    ("Output too large", node("out", nir.Output(np.array([3]))), ["'out' (Output)", "[3]", "'n2' (Scale) sends [2]"]),
    ("huge shape", node("in", nir.Input(np.array([10**12]))), ["'in' (Input)", "[1000000000000]", "at most"]),
    ("no shape", node("in", nir.Input(None)), ["'in' (Input)", "shape None"]),
    ("threshold below reset", node("n1", lif(2, v_reset=0.7)), ["'n1' (LIF)", "v_threshold[0] = 0.5", "v_reset = 0.7"]),
    ("tau below dt", node("n1", lif(2, tau=DT / 2)), ["'n1' (LIF)", "tau[0]", "integrator='exact'"]),
    ("text", node("n0", nir.Scale(np.array(["a", "b"]))), ["'n0' (Scale)", "real numbers"]),
    ("NaN", node("n0", nir.Scale(np.array([1.0, np.nan]))), ["'n0' (Scale)", "scale[1] = nan"]),
    ("dead end", both(node("w", nir.Scale(np.ones(2))), edges(("n1", "w"))), ["'w' (Scale) leads to no node"]),
    ("silent source", both(node("w", nir.Scale(np.ones(2))), edges(("w", "n1"))), ["'w' (Scale) hears no node"]),
    ("kernel", node("n0", nir.Conv1d(None, np.ones((1, 1, 5)), 1, 0, 1, 1, np.ones(1))), ["'n0' (Conv1d)", "[2]"]),
    (
        "wide kernel",
        both(
            node("in", nir.Input(np.array([1, 4, 4]))),
            node("n0", nir.SumPool2d(*(np.array([k, k]) for k in (9000, 1, 4500)))),
        ),
        ["'n0' (SumPool2d)", "more than 134217728 synapses"],
    ),
    (
        "flat image",
        node("n0", nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))),
        ["'n0' (AvgPool2d)", "shape [2] arrives", "channels and 2 axes"],
    ),
    ("the input's name", both(node("input", lif(2)), edges(("in", "input"))), ["'input' (LIF)", "rename it"]),
]


@pytest.mark.parametrize(("change", "parts"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_faults_are_named(change: Change, parts: list[str]) -> None:
    graph = chain(nir.Scale(np.ones(2)), lif(2), nir.Scale(np.ones(2)))
    change(graph)
    with pytest.raises(InputError) as caught:
        import_nir(graph, dt=DT, reset="zero")
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


JUNK: list[Any] = [
    None,
    "x",
    b"y",
    np.nan,
    np.inf,
    -1,
    0,
    True,
    1e300,
    10**12,
    object(),
    {},
    (),
    [[1], [1, 2]],
    np.array([]),
    np.array(["a"]),
    np.array([None]),
    np.ones((2, 2, 2)),
    np.ones(3, complex),
    np.array([-3, 4]),
    np.zeros((0, 3)),
    np.array([[1e308]]),
    np.float32(1e-30),
    np.array(2.5),
    np.full(3, 1e200),
]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_damaged_graphs_are_read_or_refused_on_one_line(seed: int) -> None:
    """A field, an edge or an entry of the metadata replaced by junk."""
    graph, rng = GRAPHS["random_graph"](seed)[0], np.random.default_rng([seed, 1])
    names, junk = list(graph.nodes), JUNK[rng.integers(len(JUNK))]
    name = names[rng.integers(len(names))]
    fields = [field for field in vars(graph.nodes[name]) if field not in ("nodes", "edges")]
    what = rng.integers(4)
    if what < 2:
        setattr(graph.nodes[name], fields[rng.integers(len(fields))], junk)
    elif what == 2:
        graph.edges.append((name, names[rng.integers(len(names))]))
    else:
        graph.nodes[name].metadata = {["dt", "reset", "order", "integrator"][rng.integers(4)]: junk}
    try:
        lines = import_nir(graph, dt=DT, reset="zero").summary.lines()
    except InputError as error:
        lines = [str(error)]
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize("blocks", [7, 60])
def test_delays_that_add_up_past_the_limit_are_refused_at_once(blocks: int) -> None:
    """Each block doubles the ways; the node at which they become too late is named before they are made."""
    graph, last = chain(lif(2)), "in"
    graph.edges.remove(("in", "n0"))
    for i in range(blocks):
        graph.nodes |= {f"d{i}": nir.Delay(np.full(2, 2 ** min(i, 30) * DT)), f"s{i}": nir.Scale(np.ones(2))}
        graph.edges += [(last, f"s{i}"), (last, f"d{i}"), (f"d{i}", f"s{i}")]
        last = f"s{i}"
    graph.edges.append((last, "n0"))
    with pytest.raises(InputError, match=r"'d6' \(Delay\): what it hears of input is 127 steps late, rule: 0\.\.63"):
        import_nir(graph, dt=DT, reset="zero")


def test_the_command_takes_what_the_function_takes(tmp_path: Path) -> None:
    """recurrent_delay = 0 where a loop has a Delay, and no dt with which the network could not be written again."""
    graph = chain(lif(2), nir.Linear(np.eye(2)), li(2))
    graph.nodes["d"] = nir.Delay(np.full(2, 3 * DT))
    graph.edges += [("n0", "d"), ("d", "n0")]
    nir.write(tmp_path / "g.nir", graph)
    chosen = (tmp_path / "g.nir", "--reset", "zero", "--out", tmp_path / "out", "--dt")
    made = answer("import", *chosen, DT, "--recurrent-delay", "0", run=called)["file"]
    assert [c.delay for c in Network.load(made).connections] == [0, 2, 0]
    assert "dt = 1e-320 s, rule: 1e-15 to 1e+15 s" in refusal("import", *chosen, "1e-320", run=called)
    np.savez(tmp_path / "brf.npz", weight=np.ones(2))
    assert "dt = 1e-320 s, rule: 1e-15" in refusal("import", tmp_path / "brf.npz", "--dt", "1e-320", run=called)


def test_a_late_bias_and_numbers_that_hear_nothing() -> None:
    """A bias is as late as its Delay nodes say; a channel on which nothing arrives may have any delay."""
    graph = chain(nir.Affine(np.eye(2), np.ones(2)), nir.Delay(np.full(2, 70 * DT)), li(2))
    graph.nodes["n0"].weight[:] = 0.0
    with pytest.raises(InputError, match=r"'n1' \(Delay\): what it hears of a bias is 70 steps late"):
        import_nir(graph, dt=DT)
    graph = chain(nir.Linear(np.diag([1.0, 0.0])), nir.Delay(np.array([DT, 1e5 * DT])), li(2))
    assert [c.delay for c in import_nir(graph, dt=DT).graph.connections] == [1]


def test_a_loop_of_64_steps_may_take_all_of_them() -> None:
    """With recurrent_delay = 0 a connection that closes a loop counts one step less than its Delay nodes."""
    graph = chain(lif(2, tau=DT))
    graph.nodes["d"] = nir.Delay(np.full(2, 64 * DT))
    graph.edges += [("n0", "d"), ("d", "n0")]
    found = import_nir(graph, dt=DT, reset="zero", recurrent_delay=0).graph
    assert [c.delay for c in found.connections] == [0, 63]
    with pytest.raises(InputError, match=r"n0 -> n0: delay of 64 steps, rule: 0\.\.63"):
        import_nir(graph, dt=DT, reset="zero")


def test_a_graph_may_not_be_larger_than_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters of one number make as many neurons as arrive: a small file could ask for any amount."""
    cells = {f"n{i}": lif(1) for i in range(4)}
    nodes = {"in": nir.Input(np.array([1 << 22])), **cells, "out": nir.Output(np.array([1 << 22]))}
    graph = nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False)
    match = r"6 nodes send 25165824 numbers together, node 'out' \(Output\) alone 4194304, rule: at most 16777216"
    with pytest.raises(InputError, match=match):
        import_nir(graph, dt=DT, reset="zero")
    monkeypatch.setattr("hypr_neuro.exchange.nir.expressions.MOST_SYNAPSES", 100)
    rows = nir.Linear(np.ones((7, 7)))
    graph = chain(rows, rows, lif(7), inputs=7, outs=7)
    with pytest.raises(InputError, match=r"'n2' \(LIF\): with it the graph has 147 synapses, rule: at most 100"):
        import_nir(graph, dt=DT, reset="zero")
    monkeypatch.setattr("hypr_neuro.exchange.nir.expressions.MOST_SYNAPSES", 97)
    with pytest.raises(InputError, match=r"'n1' \(Linear\): with it the graph has 98 synapses, rule: at most 97"):
        import_nir(graph, dt=DT, reset="zero")


def test_what_looks_odd_is_a_warning() -> None:
    graph = chain(nir.Scale(np.ones(2)), lif(2))
    graph.nodes |= {"alone": lif(3, v_leak=1.0), "deaf": nir.LI(*(np.ones(()) for _ in range(3)))}
    graph.edges.append(("alone", "deaf"))
    found = import_nir(graph, dt=DT, reset="zero")
    assert found.summary.warnings == (
        "node 'alone' (LIF) hears no node, it runs on its own parameters",
        "node 'deaf' (LI): nothing reads its output, it is computed all the same",
    )
    assert found.graph.population("deaf").size == 3


def test_feedback_without_delay_needs_a_step() -> None:
    graph = chain(lif(2, tau=DT))
    graph.edges.append(("n0", "n0"))
    with pytest.raises(InputError, match=r"n0 -> n0 closes a loop without a Delay, recurrent_delay = 0"):
        import_nir(graph, dt=DT, reset="zero", recurrent_delay=0)
    graph.edges.pop()
    graph.nodes["d"] = nir.Delay(np.full(2, 3 * DT))
    graph.edges += [("n0", "d"), ("d", "n0")]
    x = (np.eye(8)[:, :1] * [1.0, 0.0])[None]
    for extra, rows in ((0, [0, 3, 6]), (1, [0, 4])):
        run = run_graph(import_nir(graph, dt=DT, reset="zero", recurrent_delay=extra).graph, x)
        assert np.flatnonzero(run.spikes["n0"][:, 0, 0]).tolist() == rows
