"""Weights say the same in whatever sparse form and with whatever index types they come: one digest, equal files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from hypr_neuro.exchange.loading import load
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.integer import IntegerNetwork, Population, Synapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.lif import lif_parameters

PRE, POST = 30, 20
LIF = get_model("lif")


def with_indices(matrix: Any, kind: type) -> Any:
    changed = matrix.copy()
    changed.indices, changed.indptr = matrix.indices.astype(kind), matrix.indptr.astype(kind)
    return changed


def backward(matrix: Any) -> Any:
    """The columns of each row in the opposite order."""
    changed = matrix.copy()
    for row in range(matrix.shape[0]):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        changed.indices[part], changed.data[part] = changed.indices[part][::-1], changed.data[part][::-1]
    changed.has_sorted_indices = False
    return changed


FORMS: dict[str, Callable[[Any], Any]] = {
    "64-bit indices": lambda m: with_indices(m, np.int64),
    "unsorted": backward,
    "array": sparse.csr_array,
    "coo": lambda m: m.tocoo(),
    "csc": lambda m: m.tocsc(),
}


def float_network(weights: Any) -> Network:
    a = FloatPopulation("a", LIF, {p.name: np.full(POST, p.default) for p in LIF.params})
    return Network(PRE, (a,), (FloatSynapses("input", "a", weights),), dt=1e-3, outputs=("a",))


def integer_network(weights: Any) -> IntegerNetwork:
    a = Population.of("a", "lif", POST, **lif_parameters(10, 10, 10))
    return IntegerNetwork(PRE, (a,), (Synapses("input", "a", weights),), 1)


def weights() -> Any:
    matrix = sparse.random(POST, PRE, density=0.2, random_state=1, format="csr")
    matrix.data = np.rint(matrix.data * 100).astype(np.int32)
    return with_indices(matrix, np.int32)


@pytest.mark.parametrize("make", [float_network, integer_network])
@pytest.mark.parametrize("form", FORMS)
def test_form_and_index_type_do_not_count(make: Callable[[Any], Any], form: str, tmp_path: Path) -> None:
    wanted, network = make(weights()), make(FORMS[form](weights()))
    assert network.digest() == wanted.digest()
    network.save(tmp_path / "n.h5")
    assert load(tmp_path / "n.h5").digest() == wanted.digest()


@pytest.mark.parametrize("make", [float_network, integer_network])
def test_the_numbers_do(make: Callable[[Any], Any]) -> None:
    changed = weights()
    changed.data[0] += 1
    moved = weights()
    moved.indices[0] = (set(range(PRE)) - set(moved.indices[: moved.indptr[1]])).pop()
    assert len({make(w).digest() for w in (weights(), changed, moved)}) == 3


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.uint8, np.uint32, ">i2"])
def test_magnitudes_are_those_of_python_integers(kind: Any) -> None:
    """At both ends of the type, with empty rows at the start, in the middle and at the end."""
    ends = np.iinfo(kind)
    dense = np.zeros((6, 4), kind)
    dense[1, 1:], dense[2, 0], dense[4, :2] = ends.min, ends.max, (ends.min, ends.max)
    expected = [sum(abs(value) for value in row) for row in dense.tolist()]
    for form in (dense, sparse.csr_array(dense)) if np.dtype(kind).isnative else (dense,):
        assert Synapses("input", "out", form, exponent=0).magnitudes.tolist() == expected
    empty = sparse.csr_array((3, 4), dtype=np.dtype(kind).newbyteorder("="))
    assert Synapses("input", "out", empty, exponent=0).magnitudes.tolist() == [0, 0, 0]
