"""Learning rules: found by name, and independent of blocks, threads and sub-sequences; feedback matrices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.registry import load_records
from hypr_neuro.testing.networks import random_network, random_spikes, spiking_models
from hypr_neuro.train import rules
from hypr_neuro.train.feedback import feedback_ways, random_feedback
from hypr_neuro.train.gradients import RatePenalty, gradients
from hypr_neuro.train.loop import train
from hypr_neuro.train.rules import RULES, get_rule
from hypr_neuro.train.rules.base import Rule

Array = Any
SAMPLES, STEPS = 7, 25
DTYPES = (np.float32, np.float64)
OTHERS = sorted(set(RULES) - {"hypr"})
TRIPLES = [
    (model, rule, dtype)
    for i, model in enumerate(spiking_models())
    for rule in RULES
    for dtype in DTYPES
    if dtype is np.float64 or rule in ("hypr", OTHERS[i % len(OTHERS)])
]
"""In 64 bits every model with every rule. 32 bits change a model's functions and not the paths of a rule: every model
with HYPR and one rule more, each rule in its turn."""
FORWARD = [name for name, rule in RULES.items() if rule.forward]
SPLITS = {"one sample a block": (1, 2), "one block": (1 << 60, 1), "five threads": (1 << 60, 5)}
"""(BLOCK_BYTES, cores)."""


def problem(model: str, seed: int = 5) -> tuple[Network, Array, Array, Array]:
    """(network of layers with 5 and 3 neurons, x, y, mask)."""
    net = random_network(model, seed, hidden=(5, 3))
    rng = np.random.default_rng([seed, 8])
    y, mask = rng.integers(0, net.output_size, (SAMPLES, STEPS)), rng.random((SAMPLES, STEPS)) < 0.7
    return net, random_spikes(seed, SAMPLES, STEPS, net.inputs), y, mask


def hidden(found: dict[str, Array]) -> dict[str, Array]:
    return {k: v for k, v in found.items() if not k.startswith("readout")}


def assert_close(expected: dict[str, Array], got: dict[str, Array], relative: float) -> None:
    """Each array within `relative` of its largest entry, which is not 0."""
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        size = np.abs(value).max()
        assert size > 0, name
        assert np.abs(got[name] - value).max() <= relative * size, name


# --- the records


def test_the_four_rules_are_known_by_name() -> None:
    assert {"bptt", "eprop", "hypr", "ostl"} <= RULES.keys()
    for name, rule in RULES.items():
        assert get_rule(name) is rule
        assert rule.name == name
        assert rule.source
    assert "bptt" not in FORWARD
    assert {"eprop", "hypr", "ostl"} <= set(FORWARD)


def test_an_unknown_rule_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"unknown rule 'nonsense'.*, known: {', '.join(sorted(RULES))}"):
        get_rule("nonsense")


@pytest.mark.parametrize("path", ["own_spike", "recurrent", "above"])
def test_error_feedback_goes_with_no_other_path(path: str) -> None:
    with pytest.raises(InputError, match="rule 'mixed': error_feedback goes with none of own_spike, recurrent, above"):
        Rule("mixed", source="none", error_feedback=True, **{path: True})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as part of the rules' own."""
    monkeypatch.setattr(rules, "__path__", [*rules.__path__, str(tmp_path)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


RULE_FILE = """from hypr_neuro.train.rules.base import Rule
RULE = Rule({name!r}, source="here")
"""


def test_a_rule_is_found_by_its_file(folder: Path) -> None:
    (folder / "local_only.py").write_text(RULE_FILE.format(name="local_only"))
    (folder / "no_rule.py").write_text("")
    found = load_records(rules.__name__, rules.__path__, "RULE", Rule)
    assert found.keys() == RULES.keys() | {"local_only"}
    assert found["local_only"].source == "here"


# --- sub-sequences, blocks and threads


@pytest.mark.parametrize("chunk", [1, STEPS - 1])
def test_bptt_refuses_a_part_of_the_sequence(chunk: int) -> None:
    net, x, y, mask = problem("lif")
    with pytest.raises(InputError, match=f"chunk = {chunk}, rule: 'bptt' goes back through the whole sequence"):
        gradients(net, x, y, mask, rule="bptt", chunk=chunk)


@pytest.mark.parametrize("chunk", [STEPS, STEPS + 9])
def test_bptt_takes_a_chunk_that_holds_the_whole_sequence(chunk: int) -> None:
    net, x, y, mask = problem("lif")
    whole, loss = gradients(net, x, y, mask, rule="bptt")
    found, again = gradients(net, x, y, mask, rule="bptt", chunk=chunk)
    assert again == loss
    assert_close(whole, found, 0.0)


@pytest.mark.parametrize("rule", FORWARD)
def test_late_signals_do_not_depend_on_the_chunk(rule: str) -> None:
    net, x, y, mask = problem("alif")
    whole, _ = gradients(net, x, y, mask, rule=rule, signal_delay=(2, 5))
    for chunk in (1, 7):
        assert_close(whole, gradients(net, x, y, mask, rule=rule, chunk=chunk, signal_delay=(2, 5))[0], 1e-10)
    in_time, _ = gradients(net, x, y, mask, rule=rule)
    for name, value in hidden(in_time).items():
        assert not np.allclose(value, whole[name], rtol=1e-3, atol=1e-9), name


@pytest.mark.parametrize("delay", [(1,), (1, 2, 3), (1, -1)])
def test_delays_that_do_not_fit_are_named(delay: tuple[int, ...]) -> None:
    net, x, y, mask = problem("lif")
    with pytest.raises(InputError, match=r"signal_delay = .*, rule: 2 whole numbers, 0 to 65536"):
        gradients(net, x, y, mask, signal_delay=delay)


def split(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    block_bytes, cores = SPLITS[name]
    monkeypatch.setattr("hypr_neuro.run.forward.BLOCK_BYTES", block_bytes)
    monkeypatch.setattr("hypr_neuro.run.forward.threads", lambda: cores)


@pytest.mark.parametrize(("model", "rule", "dtype"), TRIPLES)
def test_gradients_do_not_depend_on_blocks_and_threads(
    model: str, rule: str, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x, y, mask = problem(model)
    chunk = 7 if get_rule(rule).forward else None
    options = [{}, {"loss": "mean_cross_entropy", "penalty": RatePenalty(0.1, 2.0)}]

    def found() -> list[tuple[dict[str, Array], float]]:
        labels = [y, y[:, 0]]
        return [gradients(net, x, labels[i], mask, rule=rule, chunk=chunk, dtype=dtype, **options[i]) for i in (0, 1)]

    expected = found()
    assert all(np.any(value) for grads, _ in expected for value in grads.values())
    for name in SPLITS:
        split(monkeypatch, name)
        for (wanted, loss), (got, got_loss) in zip(expected, found(), strict=True):
            assert got_loss == loss, name
            assert_close(wanted, got, 0.0)


@pytest.mark.parametrize(("model", "rule", "dtype"), TRIPLES)
def test_training_does_not_depend_on_blocks_and_threads(
    model: str, rule: str, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x, y, mask = problem(model)
    data = SequenceData("random", x, y, np.array(["train"] * 6 + ["validation"]), net.output_size, mask)
    chunk = 7 if get_rule(rule).forward else None

    def trained() -> Network:
        own = net.copy()
        train(own, data, rule=rule, epochs=2, batch_size=3, chunk=chunk, rate=0.02, dtype=dtype)
        return own

    expected = trained().arrays()
    assert all(np.any(value != net.arrays()[name]) for name, value in expected.items())
    for name in SPLITS:
        split(monkeypatch, name)
        for array, value in trained().arrays().items():
            assert np.array_equal(value, expected[array]), (name, array)


# --- feedback


def eprop(net: Network, x: Array, y: Array, mask: Array, feedback: Any) -> dict[str, Array]:
    return gradients(net, x, y, mask, rule="eprop", feedback=feedback)[0]


def test_each_layer_learns_by_its_own_matrix() -> None:
    """The gradient of a hidden layer is linear in its matrix, and no other layer's matrix enters it."""
    net, *batch = problem("alif")
    matrices = random_feedback(net, seed=1)
    found = eprop(net, *batch, matrices)
    doubled = eprop(net, *batch, [matrices[0], 2.0 * matrices[1]])
    for name, value in found.items():
        assert np.array_equal(doubled[name], (2.0 if name.startswith("layers.1") else 1.0) * value), name
        assert value.any(), name
    silent = eprop(net, *batch, [0.0 * m for m in matrices])
    assert not any(value.any() for value in hidden(silent).values())


def test_random_feedback_has_the_range_of_start_weights() -> None:
    net = random_network("lif", 1, hidden=(60, 50))
    first, again, other = random_feedback(net), random_feedback(net), random_feedback(net, seed=3)
    for layer, matrix, same, different in zip(net.layers, first, again, other, strict=False):
        limit = np.sqrt(6.0 / (layer.size + net.output_size))
        assert matrix.shape == (layer.size, net.output_size)
        assert np.array_equal(matrix, same)
        assert not np.array_equal(matrix, different)
        assert 0.9 * limit < np.abs(matrix).max() <= limit
        assert abs(matrix.mean()) < 0.2 * limit
    assert not np.array_equal(first[0][:50], first[1])


def test_symmetric_feedback_is_that_of_the_readout_for_the_layer_below_it() -> None:
    net = problem("lif")[0]
    below, last = (way.matrix for way in feedback_ways(net, "symmetric", leak=0.75))
    assert np.array_equal(last, 0.25 * net.layers[-1].weight)
    assert np.array_equal(below, 0.25 * random_feedback(net)[0].T)
    assert np.array_equal(feedback_ways(net, "random", leak=0.0)[1].matrix, random_feedback(net)[1].T)


@pytest.mark.parametrize(
    ("feedback", "message"),
    [
        ("sym", "feedback = 'sym', rule: 'symmetric', 'random' or a matrix for each hidden layer"),
        ([np.zeros((5, 3))], r"feedback of shapes \[\(5, 3\)\], rule: \[\(5, 3\), \(3, 3\)\]"),
        ([np.zeros((3, 5)), np.zeros((3, 3))], r"feedback of shapes \[\(3, 5\), \(3, 3\)\]"),
    ],
)
def test_feedback_that_does_not_fit_is_named(feedback: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        eprop(*problem("lif"), feedback)


def test_the_loss_of_a_regression_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    net = random_network("lif", 3)
    found = []
    for size in (1, 1 << 60):
        monkeypatch.setattr("hypr_neuro.run.forward.BLOCK_BYTES", size)
        losses = []
        for seed in range(20):
            y = np.random.default_rng(seed).standard_normal((8, net.output_size))
            losses.append(gradients(net, random_spikes(seed, 8, 28, net.inputs), y, loss="squared_error")[1])
        found.append(losses)
    assert found[0] == found[1]


def test_arrays_that_cannot_be_written_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    net = random_network("lif", 3)
    x = random_spikes(3, 1, 12, net.inputs).astype(np.float64)
    expected = gradients(net, x, np.zeros(1, int))
    x.setflags(write=False)
    got = gradients(net, x, np.zeros(1, int))
    assert all(np.array_equal(got[0][name], value) for name, value in expected[0].items())
