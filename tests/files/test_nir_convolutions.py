"""Convolutions through NIR: in as maps, out as Conv nodes, and the same graph and numbers back."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from commands import called
from convolutions import random_convolution

import hypr_neuro as hn
from hypr_neuro.exchange.nir import read_nir
from hypr_neuro.exchange.nir.compose import product
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.run.graph_forward import run_graph

Array = Any


def fire(shape: tuple[int, ...]) -> nir.IF:
    return nir.IF(r=np.ones(shape), v_threshold=np.ones(shape))


def pool(kind: type, size: int, stride: int) -> Any:
    return kind(kernel_size=np.array([size] * 2), stride=np.array([stride] * 2), padding=np.array([0, 0]))


def lenet(rng: np.random.Generator, average: bool = True) -> nir.NIRGraph:
    def drawn(*shape: int) -> Array:
        return rng.normal(0.05, 0.3, shape)

    one = {"stride": 1, "dilation": 1, "groups": 1}
    return nir.NIRGraph.from_list(
        nir.Input(np.array([2, 12, 14])),
        nir.Conv2d(input_shape=(12, 14), weight=drawn(4, 2, 3, 3), padding=1, bias=drawn(4), **one),
        fire((4, 12, 14)),
        pool(nir.AvgPool2d if average else nir.SumPool2d, 2, 2),
        nir.Conv2d(input_shape=(6, 7), weight=drawn(6, 4, 2, 2), padding="same", bias=np.zeros(6), **one),
        fire((6, 6, 7)),
        pool(nir.SumPool2d, 2, 2),
        nir.Flatten({"input": np.array([6, 3, 3])}, 0, 2),
        nir.Affine(drawn(5, 54), np.zeros(5)),
        fire((5,)),
        nir.Output(np.array([5])),
    )


def imported(graph: Any) -> Network:
    return hn.import_nir(graph, dt=1.0, reset="zero").graph


def unnamed(path: Path) -> nir.NIRGraph:
    """The graph of a file without our metadata, as others read it."""
    graph = nir.read(path)
    for node in graph.nodes.values():
        node.metadata = {}
    return graph


@pytest.mark.parametrize("average", [True, False])
def test_convolutions_and_poolings_come_in_as_maps_and_go_out_as_nodes(average: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    given = lenet(rng, average)
    net = imported(deepcopy(given))
    first, second = (c.weights for c in net.connections[:2])
    assert isinstance(first, Convolution)
    assert isinstance(second, Convolution)
    assert np.array_equal(first.kernel, given.nodes["conv2d"].weight)
    assert np.array_equal(second.kernel * (4.0 if average else 1.0), given.nodes["conv2d_1"].weight)
    assert second.pool == Taps((2, 2), (2, 2), (0, 0), (0, 0), (1, 1))
    hn.write_nir(net, tmp_path / "n.nir")
    written = nir.read(tmp_path / "n.nir")
    kinds = sorted(type(node).__name__ for node in written.nodes.values())
    assert kinds == ["Affine", "Conv2d", "Conv2d", "Flatten", "IF", "IF", "IF", "Input", "Output", "SumPool2d"]
    assert hn.import_nir(tmp_path / "n.nir").graph.digest() == net.digest()
    x = (rng.random((3, 20, 2, 12, 14)) < 0.2).astype(float)
    runs = [run_graph(n, x).readout for n in (net, imported(unnamed(tmp_path / "n.nir")))]
    assert runs[0].any()
    assert np.array_equal(*runs)


def test_imported_graph_is_exported_by_command(tmp_path: Path) -> None:
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([1, 12, 12])),
        nir.Conv2d((12, 12), np.ones((2, 1, 3, 3), np.float32), 1, 1, 1, 1, np.zeros(2)),
        fire((2, 12, 12)),
        nir.Output(np.array([2, 12, 12])),
    )
    nir.write(tmp_path / "a.nir", graph)
    imported_file = called("import", tmp_path / "a.nir", "--dt", "1", "--reset", "zero", "--out", tmp_path / "a")
    exported = called("export", tmp_path / "a" / "network.h5", "--out", tmp_path / "b.nir")
    assert (imported_file.returncode, exported.returncode) == (0, 0), imported_file.stderr + exported.stderr
    assert hn.import_nir(tmp_path / "b.nir").graph.digest() == imported(tmp_path / "a.nir").digest()
    assert type(nir.read(tmp_path / "b.nir").nodes["if_from_input"]).__name__ == "Conv2d"


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("groups", [2, 4])
def test_groups_come_in_and_go_out_as_a_node(groups: int, axes: int, tmp_path: Path) -> None:
    """nir counts the channels of groups wrong, in its own reader only; ours goes out over all channels."""
    rng = np.random.default_rng([groups, axes])
    image, out = (7, 5)[:axes], 2 * groups
    weight, bias = rng.normal(0.1, 0.5, (out, 4 // groups, *(3, 3)[:axes])), rng.normal(0.2, 0.1, out)
    node: Any = (nir.Conv1d, nir.Conv2d)[axes - 1]
    size = tuple(n - 2 for n in image)
    nodes = {
        "input": nir.Input(np.array([4, *image])),
        "conv": node(image if axes == 2 else image[0], weight, 1, 0, 1, groups, bias),
        "cells": fire((out, *size)),
        "output": nir.Output(np.array([out, *size])),
    }
    nir.write(tmp_path / "theirs.nir", nir.NIRGraph(nodes, list(pairwise(nodes)), type_check=False))
    with pytest.raises(ValueError, match="mismatch"):
        nir.read(tmp_path / "theirs.nir")
    net = imported(tmp_path / "theirs.nir")
    c: Any = net.connections[0].weights
    assert isinstance(c, Convolution)
    assert c.groups == groups
    assert np.array_equal(c.kernel, weight)
    hn.write_nir(net, tmp_path / "ours.nir")
    written = nir.read(tmp_path / "ours.nir").nodes["cells_from_input"]
    assert isinstance(written, node)
    assert (written.groups, written.weight.shape[:2]) == (1, (out, 4))
    again = read_nir(tmp_path / "ours.nir")
    assert again.digest() == net.digest()
    x = (rng.random((2, 12, net.inputs)) < 0.3).astype(float)
    runs = [run_graph(n, x).readout for n in (net, imported(unnamed(tmp_path / "ours.nir")))]
    assert runs[0].any()
    assert np.array_equal(*runs)


def test_a_kernel_that_is_not_square_goes_out_as_a_matrix(tmp_path: Path) -> None:
    """nir takes the length of its first axis for both."""
    one = Taps((3, 2), (1, 1), (0, 0), (0, 0), (1, 1))
    c = Convolution(np.random.default_rng(1).normal(size=(2, 3, 3, 2)), (6, 5), one)
    params = {"du": 1.0, "dv": 0.1, "vth": 1.0, "bias": 0.0}
    cells = FloatPopulation("a", get_model("lif"), {k: np.full(32, v) for k, v in params.items()}, {}, (2, 4, 4))
    net = Network(90, (cells,), (FloatSynapses(INPUT, "a", c),), 1e-3, ("a",), (3, 6, 5))
    hn.write_nir(net, tmp_path / "n.nir")
    assert nir.read(tmp_path / "n.nir").nodes["a_from_input_flat"].weight.shape == (32, 90)
    assert read_nir(tmp_path / "n.nir").digest() == net.digest()


def drawn(seed: int) -> Network:
    """A convolution and one of the population with itself, then another, in shapes that NIR can say or cannot."""
    rng = np.random.default_rng([seed, 51])
    first = random_convolution(rng, 1 + seed % 2)
    around = Taps(*((k,) * len(first.outputs) for k in (3, 1, 1, 1, 1)))
    channels = first.kernel.shape[0]
    own = Convolution(
        rng.normal(0, 0.2, (channels, channels, *around.kernel)), first.outputs, around, 1, first.channels_first
    )
    second = random_convolution(rng, len(first.image), first.outputs, channels)

    def population(name: str, c: Convolution, each: bool) -> FloatPopulation:
        shape = (c.kernel.shape[0], *c.outputs)
        bias = rng.normal(0.1, 0.1, shape if each else (c.kernel.shape[0], *(1,) * len(c.outputs)))
        params = {"du": 1.0, "dv": 0.1, "vth": 1.0, "bias": 0.0, "subtract": 0.0}
        given = {k: np.full(int(np.prod(shape)), v) for k, v in params.items()}
        biases = {0: np.broadcast_to(bias, shape).reshape(-1).copy()}
        return FloatPopulation(name, get_model("lif"), given, biases, shape)

    delays = rng.integers(0, 3, 2)
    shape = (first.channels, *first.image)
    return Network(
        first.shape[1],
        (population("a", first, False), population("b", second, seed % 4 == 3)),
        (
            FloatSynapses(INPUT, "a", first.astype(np.float64)),
            FloatSynapses("a", "a", own, int(delays[0])),
            FloatSynapses("a", "b", second.with_data(rng.normal(0, 0.5, second.kernel.size)), int(delays[1])),
        ),
        1e-3,
        ("b",),
        shape,
    )


@pytest.mark.parametrize("seed", range(24))
def test_any_graph_with_convolutions_comes_back_as_it_was(seed: int, tmp_path: Path) -> None:
    net = drawn(seed)
    hn.write_nir(net, tmp_path / "n.nir")
    again = hn.import_nir(tmp_path / "n.nir").graph
    assert again.digest() == net.digest()
    other = hn.import_nir(unnamed(tmp_path / "n.nir"), dt=1e-3, reset="zero").graph
    x = (np.random.default_rng(seed).random((2, 15, net.inputs)) < 0.3).astype(float)
    one, two = run_graph(net, x, ("current",)), run_graph(other, x, ("current",))
    for p in net.populations:
        assert np.abs(one.states[p.name]["current"][:8] - two.states[p.name]["current"][:8]).max() < 1e-9


@pytest.mark.parametrize("seed", range(20))
def test_product_of_maps_is_that_of_their_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = (int(rng.integers(4, 8)), int(rng.integers(4, 8)))
    window = Taps((2, 2), (2, 2), (0, 0), (0, 0), (1, 1))
    one = Taps((1, 1), (1, 1), (0, 0), (0, 0), (1, 1))
    before = Convolution(np.full((3, 1, 1, 1), 0.25), image, one, 3, pool=window)
    if seed % 4 == 3:  # a factor a channel: no plain pooling
        before = before.with_data(rng.normal(size=3))
    after = random_convolution(rng, 2, before.outputs, 3).astype(np.float64)
    while (after.pool is None) != (seed % 2 == 0) or not after.channels_first:
        after = random_convolution(rng, 2, before.outputs, 3).astype(np.float64)
    found = product(after, before)
    assert isinstance(found, Convolution) == (after.pool is None and seed % 4 != 3)
    assert np.allclose(found.toarray(), after.toarray() @ before.toarray(), atol=1e-12)
