"""A checkpoint of training is that of one network: not arrays alone belong to it, but what decides how it computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

import hypr_neuro as hn
from hypr_neuro.errors import FileFormatError
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.neurons import get_model

RNG = np.random.default_rng(4)
X = (RNG.random((6, 12, 4)) < 0.5).astype(np.int8)
DATA = hn.SequenceData("toy", X, np.arange(6) % 2, np.full(6, "train"), 2)


def population(name: str, model: str, size: int) -> hn.FloatPopulation:
    record = get_model(model)
    return hn.FloatPopulation(name, record, {p.name: np.full(size, p.default) for p in record.params}, {}, (size,))


def graph(
    delay: int = 0,
    current: int = 0,
    outputs: tuple[str, ...] = ("x",),
    dt: float = 1e-3,
    column: int = 0,
    padding: int = 0,
) -> hn.Network:
    """Two readouts beside each other behind an rf, a lif and a convolution; arrays do not depend on the arguments."""
    sparse = csr_array((np.full(3, 2.0), (np.arange(3), np.full(3, column))), shape=(3, 4))
    taps = Taps((2,), (1,), (padding,), (1 - padding,), (1,))
    populations = tuple(
        population(name, model, size)
        for name, model, size in (("a", "rf", 3), ("b", "lif", 4), ("x", "li", 2), ("y", "li", 2))
    )
    to_readouts = [hn.FloatSynapses(s, t, np.full((2, n), 0.1)) for t in "xy" for s, n in (("a", 3), ("b", 4))]
    connections = (
        hn.FloatSynapses("input", "a", sparse, delay=delay, current=current),
        hn.FloatSynapses("input", "b", Convolution(np.ones((1, 1, 2)), (4,), taps)),
        *to_readouts,
    )
    return hn.Network(4, populations, connections, dt, outputs)


CHANGES: dict[str, dict[str, Any]] = {
    "delay": {"delay": 3},
    "current": {"current": 1},
    "outputs": {"outputs": ("y",)},
    "dt": {"dt": 5e-3},
    "places of sparse weights": {"column": 2},
    "padding of a convolution": {"padding": 1},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_graph_of_the_same_arrays_is_refused(change: str, tmp_path: Path) -> None:
    other = graph(**CHANGES[change])
    for name, array in graph().arrays().items():
        assert np.array_equal(array, other.arrays()[name])
    hn.train(graph(), DATA, epochs=2, schedule="constant", checkpoint=tmp_path)
    with pytest.raises(FileFormatError, match=r"is of another run \(data or start weights differ\)"):
        hn.train(other, DATA, epochs=2, schedule="constant", checkpoint=tmp_path)


def test_the_same_graph_goes_on(tmp_path: Path) -> None:
    whole, cut = graph(), graph()
    hn.train(whole, DATA, epochs=2, schedule="constant")
    hn.train(cut, DATA, epochs=2, schedule="constant", checkpoint=tmp_path)
    hn.train(again := graph(), DATA, epochs=2, schedule="constant", checkpoint=tmp_path)
    for name, array in whole.arrays().items():
        assert np.array_equal(array, again.arrays()[name])
