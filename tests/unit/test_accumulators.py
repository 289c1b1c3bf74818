"""Weights under the width of an accumulator: no sum can leave it, and what is taken off is as little as it can be."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.bounds.network import bits_of
from hypr_neuro.bounds.sums import connection_sums
from hypr_neuro.errors import InputError
from hypr_neuro.quantizing.accumulators import projected


def network(**layer: object) -> hn.Network:
    spec = {"neuron": "lif", "size": 12, "recurrent": True, "bias": True} | layer
    return hn.Network.build({"inputs": 30, "outputs": 3, "layers": [spec]}, seed=1)


def quantized(bits: int | None, profile: object = "loihi2") -> hn.QuantizedNetwork:
    return hn.quantize(network(), profile, calibration={"layers.0": 4.0, "readout": 4.0}, accumulator_bits=bits)


def widest(qnet: hn.QuantizedNetwork) -> int:
    """Bits that hold the sums of all connections for any spikes, partial ones too."""
    network = qnet.integer()
    sources = {"input": (np.zeros(network.inputs), np.ones(network.inputs))}
    sources |= {p.name: (np.zeros(p.size), np.ones(p.size)) for p in network.populations}
    sums = [s for i, c in enumerate(network.synapses) for s in connection_sums(i, c, sources)]
    return max(int(bits_of(s.least, s.most).max()) for s in sums)


@pytest.mark.parametrize("bits", [8, 9, 10])
def test_no_sum_can_leave_the_accumulator(bits: int) -> None:
    free, limited = quantized(None), quantized(bits)
    assert widest(limited) == bits < widest(free)
    for before, after in zip(free.connections, limited.connections, strict=True):
        assert (np.abs(after.entries()) <= np.abs(before.entries())).all()
        assert (after.entries() * before.entries() >= 0).all()
    assert any(f"so that sums fit {bits} bits" in note for note in limited.notes)


def test_a_width_that_all_sums_fit_changes_nothing() -> None:
    free, limited = quantized(None), quantized(24)
    assert not limited.notes
    for before, after in zip(free.connections, limited.connections, strict=True):
        assert np.array_equal(before.entries(), after.entries())


def test_the_profile_may_state_the_width() -> None:
    profile = hn.load_profile("loihi2", {"precision.accumulator_bits": 9})
    by_profile, given = quantized(None, profile), quantized(9)
    for one, other in zip(by_profile.connections, given.connections, strict=True):
        assert np.array_equal(one.entries(), other.entries())
    declared = {b.declared for b in hn.check(by_profile).bounds if b.quantity == "sum"}
    assert declared == {9}


def test_a_graph_of_sparse_weights_fits_too() -> None:
    limited = hn.quantize(
        network(), "loihi2", calibration={"layers.0": 4.0, "readout": 4.0}, weight_groups="row", accumulator_bits=9
    )
    assert widest(limited) == 9


def test_a_projection_is_the_nearest_whole_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        sizes = rng.integers(0, 6, 4)
        room = int(rng.integers(0, 14))
        found = projected(sizes, room)
        assert found.sum() <= room or np.array_equal(found, sizes)
        allowed = [np.array(c) for c in product(*(range(int(s) + 1) for s in sizes)) if sum(c) <= room]
        least = min(float(((c - sizes) ** 2).sum()) for c in allowed)
        assert float(((found - sizes) ** 2).sum()) == least, (sizes, room, found)


@pytest.mark.parametrize("bits", [3, 33, 8.5, True])
def test_a_width_out_of_range_is_refused(bits: object) -> None:
    with pytest.raises(InputError, match="accumulator_bits"):
        quantized(bits)  # type: ignore[arg-type]


def test_integers_keep_their_weights() -> None:
    integer = quantized(None).integer()
    with pytest.raises(InputError, match="accumulator_bits: of float networks, rule: integers stay as they are"):
        hn.quantize(integer, "loihi2", accumulator_bits=9)
