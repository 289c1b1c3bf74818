"""Sequences longer than memory: streams of parts, memory maps, and rows that are read when they are asked for."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.run.forward import Rows, readout
from hypr_neuro.testing.networks import random_network, random_spikes, spiking_models
from hypr_neuro.train.gradients import RatePenalty, gradients
from hypr_neuro.train.loop import evaluate, train
from hypr_neuro.train.losses import LOSSES
from hypr_neuro.train.rules import RULES
from hypr_neuro.train.stream import stream_gradients

Array = Any
SAMPLES, STEPS = 5, 30
FORWARD = [name for name, rule in RULES.items() if rule.forward]
CUTS = {"one part": (), "even parts": (10, 20), "uneven parts": (1, 4, 23), "a part without steps": (0, 12, 12)}
STREAMED = [name for name, loss in LOSSES.items() if not loss.last_only]


def problem(model: str = "lif", loss: str = "per_step_cross_entropy") -> tuple[Network, Array, Array, Array]:
    """(network of two hidden layers, x, y, mask)."""
    net = random_network(model, 4, hidden=(5, 3))
    rng = np.random.default_rng(11)
    targets = {
        "step": rng.integers(0, net.output_size, (SAMPLES, STEPS)),
        "sample": rng.integers(0, net.output_size, SAMPLES),
        "real": rng.standard_normal((SAMPLES, STEPS, net.output_size)),
    }
    mask = rng.random((SAMPLES, STEPS)) < 0.6
    mask[:, 10:20] &= np.arange(SAMPLES)[:, None] > 0  # no scored step in a part of the first sample
    return net, random_spikes(4, SAMPLES, STEPS, net.inputs), targets[LOSSES[loss].targets], mask


def cut(x: Array, y: Array, mask: Array | None, *edges: int) -> list[tuple[Array, Array, Array | None]]:
    """Parts that start at 0 and at these steps."""
    spans = [slice(a, b) for a, b in zip((0, *edges), (*edges, x.shape[1]), strict=True)]
    return [(x[:, s], y if y.ndim == 1 else y[:, s], None if mask is None else mask[:, s]) for s in spans]


def assert_close(
    expected: tuple[dict[str, Array], float], got: tuple[dict[str, Array], float], relative: float
) -> None:
    """Loss, and each array within `relative` of its largest entry, which is not 0."""
    assert abs(got[1] - expected[1]) <= relative * abs(expected[1])
    assert expected[0].keys() == got[0].keys()
    for name, value in expected[0].items():
        size = np.abs(value).max()
        assert size > 0, name
        assert np.abs(got[0][name] - value).max() <= relative * size, name


# --- streams


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("rule", FORWARD)
@pytest.mark.parametrize("model", spiking_models())
def test_a_stream_gives_what_the_joined_sequence_gives(model: str, rule: str, cuts: str) -> None:
    net, x, y, mask = problem(model)
    for scored in (mask, None):
        joined = gradients(net, x, y, scored, rule=rule)
        found = stream_gradients(net, cut(x, y, scored, *CUTS[cuts]), rule=rule, dtype=np.float64)
        assert_close(joined, found, 1e-10)


@pytest.mark.parametrize("cuts", CUTS)
@pytest.mark.parametrize("penalty", [None, RatePenalty(0.2, 2.0)], ids=["no penalty", "penalty"])
@pytest.mark.parametrize("loss", STREAMED)
@pytest.mark.parametrize("rule", FORWARD)
def test_every_loss_and_penalty_of_a_stream(rule: str, loss: str, penalty: RatePenalty | None, cuts: str) -> None:
    net, *batch = problem("alif", loss)
    options = {"rule": rule, "loss": loss, "penalty": penalty}
    found = stream_gradients(net, cut(*batch, *CUTS[cuts]), dtype=np.float64, **options)
    assert_close(gradients(net, *batch, **options), found, 1e-10)


@pytest.mark.parametrize("size", [1, 1 << 60])
@pytest.mark.parametrize("loss", ["per_step_cross_entropy", "sum_of_softmax"])
def test_a_stream_does_not_depend_on_blocks(loss: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net, *batch = problem("brf", loss)
    parts = cut(*batch, *CUTS["uneven parts"])
    expected = stream_gradients(net, parts, loss=loss)
    monkeypatch.setattr("hypr_neuro.run.forward.BLOCK_BYTES", size)
    monkeypatch.setattr("hypr_neuro.run.forward.threads", lambda: 1 if size > 1 else 3)
    assert_close(expected, stream_gradients(net, parts, loss=loss), 0.0)


def test_a_stream_runs_in_float32_unless_told_otherwise() -> None:
    net, *batch = problem()
    parts = cut(*batch, 10)
    exact, found = stream_gradients(net, parts, dtype=np.float64), stream_gradients(net, parts)
    assert_close(exact, found, 1e-4)
    assert_close(stream_gradients(net, parts, dtype=np.float32), found, 0.0)
    assert any(np.abs(found[0][name] - value).max() > 1e-12 for name, value in exact[0].items())


def test_feedback_of_a_stream() -> None:
    net, *batch = problem()
    options = {"rule": "eprop", "feedback": "random"}
    found = stream_gradients(net, cut(*batch, 10), dtype=np.float64, **options)
    assert_close(gradients(net, *batch, **options), found, 1e-10)
    symmetric = gradients(net, *batch, rule="eprop")[0]["layers.1.weight"]
    assert not np.allclose(symmetric, found[0]["layers.1.weight"])


class Again:
    """Starts anew each time it is iterated, as a file does that is opened again."""

    def __init__(self, parts: list) -> None:
        self.parts, self.passes = parts, 0

    def __iter__(self) -> Iterator:
        self.passes += 1
        yield from self.parts


TWO_PASSES = {
    "mean": {"loss": "mean_cross_entropy"},
    "softmax": {"loss": "sum_of_softmax"},
    "penalty": {"penalty": RatePenalty(0.1, 1.0)},
}


@pytest.mark.parametrize("options", TWO_PASSES.values(), ids=list(TWO_PASSES))
def test_what_looks_at_the_whole_sequence_takes_two_passes(options: dict[str, Any]) -> None:
    net, *batch = problem(loss=options.get("loss", "per_step_cross_entropy"))
    parts = cut(*batch, 7, 19)
    for once in (iter(parts), (part for part in parts)):
        with pytest.raises(InputError, match="needs two passes through the stream; give a list of parts, or an object"):
            stream_gradients(net, once, **options)
    again = Again(parts)
    assert_close(stream_gradients(net, parts, **options), stream_gradients(net, again, **options), 0.0)


def test_a_loss_of_single_steps_takes_one_pass() -> None:
    net, *batch = problem()
    again = Again(cut(*batch, 7, 19))
    expected = stream_gradients(net, again)
    assert again.passes == 1
    assert_close(expected, stream_gradients(net, iter(again.parts)), 0.0)


def test_memory_does_not_depend_on_the_number_of_parts() -> None:
    net = random_network("alif", 1, hidden=(20,), inputs=10)
    x, y = random_spikes(1, 4, 50, 10), np.zeros((4, 50), int)

    def peak(parts: int, **options: Any) -> int:
        stream = Again([(x, y if "loss" not in options else y[:, 0], None)] * parts)
        tracemalloc.start()
        stream_gradients(net, stream, **options)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    for options in ({}, {"loss": "mean_cross_entropy"}):
        peak(2, **options)  # kernels are loaded
        assert peak(40, **options) < peak(4, **options) + 300_000  # one part's states and eligibilities are more


def parts_that(name: str) -> Any:
    """A stream with one fault."""
    _, x, y, mask = problem()
    whole = cut(x, y, mask, 10)
    return {
        "has fewer samples": [whole[0], (x[:3, 10:], y[:3, 10:], None)],
        "has other channels": [whole[0], (x[:, 10:, :3], y[:, 10:], None)],
        "has labels of another length": [whole[0], (x[:, 10:], y[:, 11:], None)],
        "has a label out of range": [whole[0], (x[:, 10:], y[:, 10:] + 1, None)],
        "has no scored step": [(a, b, np.zeros(b.shape, bool)) for a, b, _ in whole],
        "has no part": [],
        "has no step": [(x[:, :0], y[:, :0], None)],
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("has fewer samples", "a part of the stream has 3 samples, rule: 5 as the first one"),
        ("has other channels", r"x of shape \(5, 20, 3\), rule: \(sample, T, 4\)"),
        ("has labels of another length", r"y of shape \(5, 19\), rule: \(5,\) or \(5, 20\)"),
        ("has a label out of range", "label 3, rule: 0 <= y < 3 outputs"),
        ("has no scored step", "the stream has no scored step"),
        ("has no part", "the stream has no scored step"),
        ("has no step", "the stream has no scored step"),
    ],
)
def test_faults_of_a_stream_are_named(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        stream_gradients(problem()[0], parts_that(name))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "bptt"}, "rule 'bptt' goes back through the whole sequence and cannot run on a stream"),
        ({"rule": "backprop"}, "unknown rule 'backprop'"),
        ({"loss": "last_step"}, "loss 'last_step' cannot tell the last step of a stream; mask the other steps"),
        ({"loss": "mse"}, "unknown loss 'mse'"),
        ({"rule": "eprop", "feedback": "none"}, "feedback = 'none'"),
    ],
)
def test_options_that_do_not_go_with_a_stream_are_named(options: dict[str, Any], message: str) -> None:
    net, *batch = problem()
    with pytest.raises(InputError, match=message):
        stream_gradients(net, cut(*batch, 10), **options)


# --- rows and memory maps


def test_rows_are_those_of_the_array() -> None:
    x = np.random.default_rng(0).random((6, 8, 3))
    rows = Rows(x, np.array([4, 0, 5]))
    assert (rows.shape, rows.ndim, len(rows)) == ((3, 8, 3), 3, 3)
    assert np.array_equal(rows[0:3, 2:7], x[[4, 0, 5], 2:7])
    assert np.array_equal(rows[1:2, 0:8], x[[0]])


@pytest.mark.parametrize(
    "run",
    [
        lambda net, x, y: gradients(net, x, y, chunk=7)[0],
        lambda net, x, y: gradients(net, x, y[:, 0], loss="mean_cross_entropy", chunk=7)[0],
        lambda net, x, y: gradients(net, x, y, rule="bptt")[0],
        lambda net, x, y: {"readout": readout(net, x, chunk=7)},
    ],
    ids=["gradients", "two passes", "bptt", "readout"],
)
def test_rows_stand_for_an_array(run: Callable[..., dict[str, Array]]) -> None:
    net, x, y, _ = problem()
    order = np.array([3, 1, 4])
    for name, value in run(net, x[order], y[order]).items():
        assert np.array_equal(run(net, Rows(x, order), y[order])[name], value), name


def mapped(folder: Path, x: Array) -> np.memmap:
    """The array as a file, read only."""
    path = folder / "x.bin"
    np.ascontiguousarray(x).tofile(path)
    return np.memmap(path, x.dtype, "r", shape=x.shape)


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.float64])
def test_training_from_a_memory_map_is_that_from_memory(dtype: type, tmp_path: Path) -> None:
    net, x, y, mask = problem()
    split = np.array(["train", "train", "validation", "train", "test"])
    options = {"epochs": 3, "batch_size": 2, "chunk": 7, "rate": 0.02}
    trained = []
    for form in (x.astype(dtype), mapped(tmp_path, x.astype(dtype))):
        data, own = SequenceData("random", form, y, split, net.output_size, mask), net.copy()
        history = train(own, data, **options, checkpoint=tmp_path / type(form).__name__)
        trained.append((asdict(history), own, asdict(evaluate(own, data))))
    (history, expected, score), (again, found, same) = trained
    assert again == history
    assert same == score
    assert all(np.array_equal(found.arrays()[name], value) for name, value in expected.arrays().items())
    assert any(np.any(net.arrays()[name] != value) for name, value in expected.arrays().items())


def test_a_memory_map_is_read_a_part_at_a_time(tmp_path: Path) -> None:
    """4 MB on disk, less than a quarter of it in memory at any time."""
    x = mapped(tmp_path, (np.random.default_rng(0).random((5, 10_000, 10)) < 0.3).astype(np.float64))
    net = random_network("lif", 1, inputs=10, hidden=(4,))
    data = SequenceData("long", x, np.arange(5) % 3, np.repeat(["train", "test"], [4, 1]), 3)
    options = {"epochs": 1, "batch_size": 4, "chunk": 50}
    run: dict[str, Callable[[str], Any]] = {
        "gradients": lambda time: gradients(net, x, data.y, chunk=50),
        "train": lambda time: train(net.copy(), data, **options, checkpoint=tmp_path / time),
        "evaluate": lambda time: evaluate(net, data),
    }
    for name, call in run.items():
        call("kernels are loaded")
        tracemalloc.start()
        call("measured")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < x.nbytes / 4, name


def test_labels_of_a_sample_that_change_from_part_to_part_are_refused() -> None:
    net, x, y, _ = problem()
    parts = [(x[:, :10], y[:, 0], None), (x[:, 10:], (y[:, 0] + 1) % net.output_size, None)]
    with pytest.raises(InputError, match="has other labels than the first"):
        stream_gradients(net, parts, loss="mean_cross_entropy")
