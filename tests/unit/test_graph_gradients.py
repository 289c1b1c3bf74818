"""Gradients of graphs: by automatic differentiation, of a chain, in sub-sequences, in 32 bits; training with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from graph_oracle import Found, graph_oracle
from learning_rules import FLUSHED

import hypr_neuro as hn
from hypr_neuro.errors import InputError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.run import forward
from hypr_neuro.run.graph_forward import state_ranges
from hypr_neuro.testing.graphs import random_graph
from hypr_neuro.testing.networks import graph_models, random_spikes, spiking_models
from hypr_neuro.train.gradients import gradients
from hypr_neuro.train.graph_engine import circles, horizons

Array = Any
SAMPLES, STEPS = 3, 24
GRAPHS = int(os.environ.get("HYPR_GRAPHS", "8"))
"""Random graphs that are held against automatic differentiation; 300 of them take a quarter of an hour of one core."""
GRADED = 1000
"""From this seed on, populations whose output is a number feed others."""
TWO_CURRENTS = 2000
"""From this seed on, neurons of several input currents are drawn, too."""
SEVERAL = [name for name in graph_models() if get_model(name).currents > 1]
FOUND = {
    135: "every ψ of three steps at its floor: the gradient is 1e-25, parts of it below what kernels set to 0",
    1124: "all gradients of a window far below 1e-20",
    1143: "`lif_reset` at v = 0, where the derivative by vth is 0",
    2112: "every slope of `rf` in three steps at its floor",
}
"""Graphs of longer runs that no shorter one is like, and what is in them."""
DRAWN = [
    *range(GRAPHS),
    *range(GRADED, GRADED + (GRAPHS + 1) // 2),
    *range(TWO_CURRENTS, TWO_CURRENTS + (GRAPHS + 1) // 2),
]
SEEDS = [*DRAWN, *(seed for seed in FOUND if seed not in DRAWN)]
RULES = ("hypr", "ostl", "eprop", "bptt")
FORWARD = RULES[:3]
LOSSES = ("per_step_cross_entropy", "mean_cross_entropy", "sum_of_softmax", "last_step", "squared_error")
RELATIVE = 1e-9
"""Of an array's largest entry."""
EQUAL = 1e-10
"""The same between sub-sequences of different lengths."""
SINGLE = 2e-3
"""The same in float32, of the gradient's largest entry, where no spike flips."""


class Problem(NamedTuple):
    graph: Network
    x: Array
    y: Array
    mask: Array
    window: Array
    """Three steps in the middle: over whole sequences an error in a rule can hide."""
    loss: str


@cache
def problem(seed: int) -> Problem:
    rng = np.random.default_rng([seed, 32])
    spiking = () if seed < TWO_CURRENTS else [*graph_models(), *SEVERAL * 5]
    graph, loss = random_graph(seed, spiking=spiking, graded=GRADED <= seed < TWO_CURRENTS), LOSSES[seed % len(LOSSES)]
    graph.notes["output decay"] = [1.0, 0.9][seed % 2]
    x, mask = random_spikes(seed, SAMPLES, STEPS, graph.inputs), rng.random((SAMPLES, STEPS)) < 0.7
    # the least likely class: of an answer that is all but certain and right only rounding is left
    answer = hn.run_float(graph, x).readout
    y = answer.sum(axis=1).argmin(axis=1)
    if loss == "sum_of_softmax" and np.ptp(answer, axis=2).max() > 10:  # the same of every step's own softmax
        loss = "mean_cross_entropy"
    if loss == "squared_error":
        y = rng.standard_normal((SAMPLES, STEPS, graph.output_size))
    window = np.zeros_like(mask)
    window[:, 11:14] = True
    return Problem(graph, x, y, mask, window, loss)


def found(at: Problem, rule: str, mask: Array | None = None, **options: Any) -> tuple[dict[str, Array], float]:
    mask = at.mask if mask is None else mask
    got, loss = gradients(at.graph, at.x, at.y, mask, rule=rule, loss=at.loss, **options)
    names = {id(array): name for name, array in at.graph.graph_arrays().items()}
    return {names[id(array)]: got[name] for name, array in at.graph.arrays().items()}, loss


@cache
def expected(seed: int) -> dict[str, list[Found]]:
    at = problem(seed)
    return graph_oracle(at.graph, at.x, at.y, [at.mask, at.window], at.loss)


@cache
def flushed(seed: int) -> float:
    """Return what of a gradient kernels may lose: `FLUSHED` times the largest number that it is multiplied by."""
    at = problem(seed)
    largest = max(state_ranges(at.graph, at.x).values())
    return FLUSHED * max(1.0, largest, *(float(np.abs(z).max()) for z in hn.run_float(at.graph, at.x).spikes.values()))


def assert_close(got: dict[str, Array], wanted: dict[str, Array], tolerance: float, flushed: float = FLUSHED) -> float:
    """Return the largest deviation."""
    assert got.keys() == wanted.keys()
    largest = max(np.abs(value).max(initial=0.0) for value in wanted.values())
    deviations = [0.0]
    for name, value in wanted.items():
        # sums that cancel to 0 are rounding of what they are made of
        scale = max(np.abs(value).max(initial=0.0), 1e-6 * largest)
        np.testing.assert_allclose(got[name], value, rtol=0, atol=tolerance * scale + flushed, err_msg=name)
        if scale > flushed:
            deviations.append(float(np.abs(got[name] - value).max(initial=0.0) / scale))
    return max(deviations)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_equal_automatic_differentiation(
    seed: int, rule: str, record_property: Callable[[str, float], None]
) -> None:
    """Over whole sequences and through a window of three steps; in sub-sequences too."""
    at = problem(seed)
    for mask, (wanted, value) in zip((at.mask, at.window), expected(seed)[rule], strict=True):
        for chunk in (None,) if rule == "bptt" else (None, 3):
            got, loss = found(at, rule, mask, chunk=chunk)
            record_property("deviation", assert_close(got, wanted, RELATIVE, flushed(seed)))
            assert loss == pytest.approx(value, rel=1e-12)
            assert all(got[name].shape == array.shape for name, array in at.graph.graph_arrays().items())


@pytest.mark.parametrize("rule", FORWARD)
@pytest.mark.parametrize("seed", [first + k for first in (0, GRADED, TWO_CURRENTS) for k in range(max(13, GRAPHS))])
def test_sub_sequences_of_any_length_give_the_same(
    seed: int, rule: str, record_property: Callable[[str, float], None]
) -> None:
    whole = found(problem(seed), rule)[0]
    for chunk in (1, 7, STEPS):
        got = found(problem(seed), rule, chunk=chunk)[0]
        record_property("deviation", assert_close(got, whole, EQUAL, flushed(seed)))


def test_rules_are_told_apart() -> None:
    """Each of them from every other one, on half of the graphs at least."""
    for i, one in enumerate(RULES):
        for other in RULES[:i]:
            apart = 0
            for seed in range(12):
                a, b = (found(problem(seed), rule, problem(seed).window)[0] for rule in (one, other))
                apart += any(not np.allclose(a[name], b[name], rtol=1e-3, atol=1e-12) for name in a)
            assert apart >= 6, (one, other)


def test_what_is_drawn_meets_every_kind() -> None:
    graphs = [problem(seed).graph for seed in range(13)]
    links = [(g, c) for g in graphs for c in g.connections]
    order = [{p.name: i for i, p in enumerate(g.populations)} for g in graphs]
    assert {p.model.name for g in graphs for p in g.populations} >= {*spiking_models(), "li"}
    assert any(c.source == c.target for _, c in links)
    assert any(not g.forward(c) and c.source != c.target for g, c in links)
    assert any(g.forward(c) and c.delay for g, c in links)
    assert any(not isinstance(c.weights, np.ndarray) for _, c in links)
    assert any(len(set(g.connection_names())) > len({c.name for c in g.connections}) for g in graphs)
    assert any(first > 0 for g in graphs for p in g.populations for first in p.biases)
    assert any(not g.population(name).model.readout for g in graphs for name in g.outputs)
    assert any(at[g.outputs[0]] < len(at) - 1 for g, at in zip(graphs, order, strict=True))
    assert {len(g.outputs) for g in graphs} == {1, 2}


def test_readouts_are_drawn_that_feed_every_kind() -> None:
    """Spiking populations, other readouts, themselves, over delays and backward; some are outputs at the same time."""
    graphs = [problem(seed).graph for seed in range(GRADED, GRADED + 12)]
    links = [(g, c) for g in graphs for c in g.connections if c.source != "input"]
    sends = [(g, c) for g, c in links if g.population(c.source).model.readout]
    assert {g.population(c.source).model.name for g, c in sends} == {"li", "cuba_li"}
    assert any(not g.population(c.target).model.readout for g, c in sends)
    assert any(g.population(c.target).model.readout and c.source != c.target for g, c in sends)
    assert any(c.source == c.target for _, c in sends)
    assert any(g.forward(c) and c.delay for g, c in sends)
    assert any(not g.forward(c) and c.source != c.target for g, c in sends)
    assert any(c.source in g.outputs for g, c in sends)


@pytest.mark.parametrize("seed", range(4))
def test_float32_is_as_exact_as_its_numbers(seed: int) -> None:
    at = problem(seed)
    single, double = found(at, "hypr", dtype=np.float32), found(at, "hypr")
    assert single[1] == pytest.approx(double[1], rel=1e-4)
    assert_close(single[0], double[0], SINGLE)


def test_threads_and_blocks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(1)
    x, y = random_spikes(1, 40, STEPS, graph.inputs), np.arange(40) % graph.output_size
    many = gradients(graph, x, y)
    monkeypatch.setattr(forward, "threads", lambda: 1)
    one = gradients(graph, x, y)
    assert all(np.array_equal(many[0][name], one[0][name]) for name in many[0])
    assert many[1] == one[1]


def test_a_signal_meets_what_was_sent_when_it_was_sent() -> None:
    """By hand: one spike in step 1 over delay 2; the error of step 3 alone reaches the weight below it."""
    hidden = FloatPopulation("h", get_model("lif"), {})
    graph = Network(
        1,
        (hidden, FloatPopulation("o", get_model("li"), {})),
        (FloatSynapses("input", "h", np.array([[3.0]])), FloatSynapses("h", "o", np.array([[1.0]]), 2)),
        1e-3,
        ("o",),
    )
    x = np.zeros((1, 6, 1), np.int8)
    x[0, 1] = 1
    norms = []
    for t in range(6):
        errors = np.zeros((1, 6, 1))
        errors[0, t] = 1.0
        norms.append(abs(hn.gradients(graph, x, errors=errors)[0]["input -> h"]).sum())
    assert norms[0] == norms[1] == norms[2] == 0.0
    assert norms[3] > 0.0


def test_circles_and_horizons() -> None:
    def population(name: str) -> FloatPopulation:
        return FloatPopulation(name, get_model("lif"), {})

    links = [("input", "a", 0), ("a", "b", 1), ("b", "a", 2), ("b", "c", 3), ("c", "c", 0), ("input", "c", 2)]
    synapses = tuple(FloatSynapses(s, t, np.ones((1, 1)), d) for s, t, d in links)
    graph = Network(1, tuple(map(population, "abc")), synapses, 1e-3, ("c",))
    assert circles(graph) == [(["a", "b"], 3), (["c"], 1)]
    assert horizons(graph) == {"a": 4, "b": 3, "c": 0}


# --- training


@pytest.fixture(scope="module")
def data() -> hn.SequenceData:
    """Two classes: the first or the second half of 6 channels is busy."""
    rng = np.random.default_rng(5)
    y = np.arange(60) % 2
    busy = (np.arange(6) // 3)[None, :] == y[:, None]
    x = (rng.random((60, 20, 6)) < np.where(busy, 0.5, 0.05)[:, None]).astype(np.int8)
    split = np.array(["train"] * 40 + ["validation"] * 10 + ["test"] * 10)
    return hn.SequenceData("halves", x, y, split, 2)


def loop_with_spiking_outputs(seed: int = 0) -> Network:
    """Two populations that feed each other over delays, and an output of spikes before the last of them."""
    rng = np.random.default_rng(seed)

    def lif(name: str, n: int) -> FloatPopulation:
        return FloatPopulation(name, get_model("lif"), {}, {0: np.zeros(n)}, (n,))

    def link(source: str, target: str, n: int, m: int, delay: int = 0) -> FloatSynapses:
        return FloatSynapses(source, target, rng.normal(0.2, 1.0, (n, m)), delay)

    links = (
        link("input", "a", 8, 6),
        link("a", "out", 2, 8),
        link("b", "out", 2, 5, 1),
        link("a", "b", 5, 8, 1),
        link("b", "a", 8, 5),
    )
    return Network(6, (lif("a", 8), lif("out", 2), lif("b", 5)), links, 1e-3, ("out",))


@pytest.mark.parametrize("rule", RULES)
def test_a_loop_with_spiking_outputs_learns(data: hn.SequenceData, rule: str) -> None:
    graph = loop_with_spiking_outputs()
    before = hn.evaluate(graph, data, "train").accuracy
    history = hn.train(graph, data, rule=rule, epochs=20, rate=0.05)
    assert hn.evaluate(graph, data, "train").accuracy > max(0.9, before)
    assert history.epochs[-1].loss < 0.7 * history.epochs[0].loss


def test_training_goes_on_bit_for_bit(data: hn.SequenceData, tmp_path: Path) -> None:
    whole, halves = loop_with_spiking_outputs(), loop_with_spiking_outputs()
    hn.train(whole, data, epochs=3, checkpoint=tmp_path / "whole")

    class Stop(Exception):
        pass

    def after(count: int) -> Iterator[None]:
        for _ in range(count):
            yield
        raise Stop

    steps = after(1)
    with pytest.raises(Stop):
        hn.train(halves, data, epochs=3, checkpoint=tmp_path / "halves", on_epoch=lambda epoch: next(steps))
    fresh = loop_with_spiking_outputs()
    hn.train(fresh, data, epochs=3, checkpoint=tmp_path / "halves")
    assert all(np.array_equal(whole.arrays()[name], array) for name, array in fresh.arrays().items())


def test_a_published_network_regains_what_a_changed_sensor_cost(shared_data: Path) -> None:
    """NIR paper's Braille network, outputs of spikes, two pairs of taxels swapped: 42 %, after two epochs over 75."""
    path = shared_data / "nir_paper" / "03_rnn" / "braille_noDelay_bias_zero.nir"
    graph = hn.import_nir(path, dt=1e-4, reset="zero").graph
    letters = hn.load_data("braille", shared_data / "braille")
    swapped = np.arange(12)
    swapped[[2, 9, 0, 5]] = swapped[[9, 2, 5, 0]]
    shifted = hn.SequenceData("shifted", letters.x[:, :, swapped], letters.y, letters.split, letters.classes)
    assert hn.evaluate(graph, letters).accuracy == pytest.approx(0.968, abs=0.001)
    assert hn.evaluate(graph, shifted).accuracy < 0.5
    hn.train(graph, shifted, epochs=2, rate=0.01)
    assert hn.evaluate(graph, shifted).accuracy > 0.75


@pytest.mark.parametrize("rule", RULES)
def test_a_population_of_numbers_between_spiking_ones_learns(data: hn.SequenceData, rule: str) -> None:
    """All that reaches the output goes through numbers; what leads to them learns, too."""
    rng = np.random.default_rng(2)
    populations = tuple(
        FloatPopulation(name, get_model(model), {}, {}, (n,))
        for name, model, n in (("a", "lif", 8), ("m", "li", 4), ("b", "lif", 8), ("out", "li", 2))
    )
    sizes = {"input": 6} | {p.name: p.size for p in populations}
    links = (("input", "a"), ("a", "m"), ("m", "b"), ("m", "m"), ("b", "out"))
    synapses = tuple(FloatSynapses(a, b, rng.normal(0.3, 1.0, (sizes[b], sizes[a]))) for a, b in links)
    graph = Network(6, populations, synapses, 1e-3, ("out",))
    graph.connections[3].weights[...] *= 0.1
    before = {name: array.copy() for name, array in graph.arrays().items()}
    history = hn.train(graph, data, rule=rule, epochs=20, rate=0.02)
    assert history.epochs[-1].loss < 0.8 * history.epochs[0].loss
    assert hn.evaluate(graph, data, "train").accuracy > 0.9
    assert all(not np.array_equal(before[name], graph.arrays()[name]) for name in before)


# --- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "bptt", "chunk": 3}, "chunk = 3, rule: 'bptt' goes back through the whole sequence"),
        ({"dtype": np.float16}, "dtype = float16, rule: float64 or float32"),
        ({"loss": "nothing"}, "nothing"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    at = problem(0)
    with pytest.raises(InputError, match=message):
        gradients(at.graph, at.x, np.zeros(SAMPLES, int), **options)


def test_training_refuses_numbers_that_are_none(data: hn.SequenceData) -> None:
    graph = loop_with_spiking_outputs()
    graph.connections[0].weights[0, 0] = np.nan
    with pytest.raises(InputError, match="input -> a holds a number that is not finite"):
        hn.train(graph, data, epochs=1)


def test_silence_is_said_with_a_remedy_that_graphs_have(data: hn.SequenceData) -> None:
    graph = loop_with_spiking_outputs()
    for c in graph.connections:
        c.weights[...] *= 0.0 if c.source == "input" else 1.0
    mute = "no output moved from 0 in"
    silent = "'a' and 'b' did not spike once .*: call hn.scale_to_rate.*, or give larger weights"
    with pytest.warns(UserWarning, match=mute), pytest.warns(UserWarning, match=silent):
        hn.train(graph, data, epochs=1)


def test_populations_are_scaled_until_they_fire(data: hn.SequenceData) -> None:
    """By powers of two, forward connections alone."""
    graph = loop_with_spiking_outputs()
    for c in graph.connections:
        c.weights[...] = np.abs(c.weights) / 64.0
    before = graph.copy()
    rates = hn.scale_to_rate(graph, data.x, 0.05)
    run = hn.run_float(graph, data.x)
    for p in graph.populations:
        assert rates[p.name] >= 0.05
    last = graph.populations[-1]
    assert rates[last.name] == float((run.spikes[last.name] != 0).mean())
    for was, c in zip(before.connections, graph.connections, strict=True):
        factor = c.weights / was.weights
        assert (factor == factor.flat[0]).all()
        assert float(np.log2(factor.flat[0])).is_integer()
        assert graph.forward(c) or factor.flat[0] == 1.0
    assert any(
        not np.array_equal(a.weights, b.weights) for a, b in zip(before.connections, graph.connections, strict=True)
    )


def test_outputs_that_never_spike_are_told(data: hn.SequenceData, recwarn: pytest.WarningsRecorder) -> None:
    graph = loop_with_spiking_outputs()
    hn.evaluate(graph, data)
    assert not [w for w in recwarn if "no output moved" in str(w.message)]
    graph.population("out").params["vth"][...] = 1e6
    with pytest.warns(UserWarning, match=r"no output moved from 0 in \d+ sample\(s\), so every answer is the same"):
        hn.evaluate(graph, data)


def test_outputs_that_the_input_alone_feeds_are_not_called_silent(
    data: hn.SequenceData, recwarn: pytest.WarningsRecorder
) -> None:
    out = FloatPopulation("out", get_model("li"), {}, {}, (2,))
    graph = Network(6, (out,), (FloatSynapses("input", "out", np.ones((2, 6))),), 1e-3, ("out",))
    hn.train(graph, data, epochs=1)
    assert not [w for w in recwarn if "spike" in str(w.message)]


def test_a_note_sets_the_trace_of_spiking_outputs() -> None:
    at = next(
        p for p in map(problem, range(12)) if not any(p.graph.population(n).model.readout for n in p.graph.outputs)
    )
    noted = at.graph.copy()
    noted.notes["output decay"] = 0.5
    y = np.zeros(SAMPLES, int)
    assert hn.gradients(noted, at.x, y)[1] != hn.gradients(at.graph, at.x, y)[1]
    noted.notes["output decay"] = "slow"
    with pytest.raises(InputError, match="output decay = 'slow', rule: a number from 0 to 1; 1 counts spikes"):
        hn.gradients(noted, at.x, y)
