"""A convolution as a map: products, gradient and counts are those of the matrix that its definition gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convolutions import matrix_by_definition, random_convolution, random_convolutional_network

from hypr_neuro.compilers.lava.integers.network import lava_weights
from hypr_neuro.compilers.netx import write_netx
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.netx import read_netx
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.sim import delivery
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.integer import assert_same_run, run_of_reference, run_of_simulator

SEEDS = range(30)
ONE = Taps((2, 2), (1, 1), (0, 0), (0, 0), (1, 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_products_and_counts_are_those_of_the_matrix(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = random_convolution(rng, 1 + seed % 2)
    matrix = matrix_by_definition(c)
    x, g = rng.integers(-9, 9, (3, 2, c.shape[1])), rng.integers(-9, 9, (3, 2, c.shape[0]))
    assert np.array_equal(c.toarray(), matrix)
    assert np.array_equal(c.apply(x), x @ matrix.T)
    assert np.array_equal(c.transpose_apply(g), g @ matrix)
    assert np.array_equal(c.apply(x[0, 0]), matrix @ x[0, 0])
    positive = c.with_data(np.abs(c.data))
    assert np.array_equal(c.magnitudes(), matrix_by_definition(positive).sum(axis=1))
    ways = matrix_by_definition(c.with_data(c.data != 0).astype(np.int64))
    assert np.array_equal(c.fan_in, ways.sum(axis=1))
    assert np.array_equal(c.fan_out, ways.sum(axis=0))
    assert c.nnz == ways.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_gradient_is_that_of_every_kernel_entry(seed: int) -> None:
    # g · W x is linear in the kernel: its derivative is its value for a kernel of one entry 1
    rng = np.random.default_rng(seed)
    c = random_convolution(rng, 1 + seed % 2)
    x, g = rng.integers(-9, 9, (4, c.shape[1])), rng.integers(-9, 9, (4, c.shape[0]))
    units = np.eye(c.kernel.size, dtype=np.int64)
    expected = [int((g * (x @ matrix_by_definition(c.with_data(unit)).T)).sum()) for unit in units]
    assert np.array_equal(c.gradient(g, x).reshape(-1), expected)


@pytest.mark.parametrize("small", [0, delivery.SMALL_MATRIX])
@pytest.mark.parametrize("seed", SEEDS)
def test_simulator_gives_the_numbers_of_the_reference_and_of_the_matrix(
    seed: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SMALL_MATRIX", small)
    rng = np.random.default_rng(seed)
    network, x = random_convolutional_network(rng, "lif" if seed % 2 else "rf")
    got = run_of_simulator(network, x)
    assert_same_run(network, x, run_of_reference(network, x), got, seed=seed, who=("reference", "simulator"))
    out = network.written_out()
    assert all(c.sparse for c in out.synapses)
    assert_same_run(network, x, run_of_simulator(out, x), got, seed=seed, who=("matrix", "convolution"))
    for c, matrix in zip(network.synapses, out.synapses, strict=True):
        assert c.convolution is not None
        # where windows overlap, entries of both signs may become one
        assert np.all(c.magnitudes >= matrix.magnitudes)
        assert c.convolution.pool is not None or np.array_equal(c.magnitudes, matrix.magnitudes)


def test_batch_and_synaptic_operations_are_those_of_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "SMALL_MATRIX", 0)
    rng = np.random.default_rng(5)
    c = Convolution(rng.integers(1, 9, (4, 2, 2, 2)), (7, 6), ONE)
    neurons = Population.of("a", "lif", c.shape[0], **LIF)
    network = IntegerNetwork(c.shape[1], (neurons,), (Synapses(INPUT, "a", c, message_bits=0),))
    x = (rng.random((9, 30, c.shape[1])) < 0.2).astype(np.int64)
    one, other = (simulate(n, x, record=("spikes",)) for n in (network, network.written_out()))
    assert one.spikes["a"].any()
    assert np.array_equal(one.spikes["a"], other.spikes["a"])
    assert one.synaptic_operations == other.synaptic_operations > 0


LIF = {
    "du1": 4096,
    "dv": 400,
    "vth": 9 << 6,
    "bias": 0,
    "inv_vth": 1,
    "lava": 1,
    "subtract": 0,
    "k": 15,
    "scale_log2": 6,
}


@pytest.mark.parametrize("seed", range(6))
def test_file_keeps_the_kernel(seed: int, tmp_path: Path) -> None:
    network, _ = random_convolutional_network(np.random.default_rng(seed))
    network.save(tmp_path / "n.h5")
    again = IntegerNetwork.load(tmp_path / "n.h5")
    assert again.digest() == network.digest()
    for a, b in zip(network.synapses, again.synapses, strict=True):
        assert a.convolution is not None
        assert b.convolution is not None
        assert np.array_equal(a.convolution.kernel, b.convolution.kernel)
        assert b.convolution.described() == a.convolution.described()


@pytest.mark.parametrize("change", ["kernel", "stride", "groups", "order"])
def test_digest_tells_what_the_convolution_is(change: str) -> None:
    kernel = np.ones((2, 2, 2, 2), np.int64)
    first = Convolution(kernel, (5, 5), ONE)
    other = {
        "kernel": Convolution(2 * kernel, (5, 5), ONE),
        "stride": Convolution(kernel, (5, 5), Taps((2, 2), (1, 1), (0, 1), (0, 0), (1, 2))),
        "groups": Convolution(kernel[:, :1], (5, 5), ONE, groups=2),
        "order": Convolution(kernel, (5, 5), ONE, channels_first=False),
    }[change]
    neurons = Population.of("a", "lif", first.shape[0], **LIF)
    one, two = (IntegerNetwork(50, (neurons,), (Synapses(INPUT, "a", c),)).digest() for c in (first, other))
    assert one != two


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": (5,)}, "kernel of shape"),
        ({"image": (5, 0)}, "lengths of at least 1"),
        ({"groups": 3}, "divides the 2 output channels"),
        ({"kernel": np.ones((2, 2, 3, 2))}, r"rule: \(out, in / groups\) and \(2, 2\)"),
        ({"image": (1, 5)}, "fits at least once"),
        ({"taps": Taps((2, 2), (0, 1), (0, 0), (0, 0), (1, 1))}, "stride = .*at least 1"),
        ({"pool": Taps((9, 9), (1, 1), (0, 0), (0, 0), (1, 1))}, "pooling: .*fits at least once"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"kernel": np.ones((2, 2, 2, 2)), "image": (5, 5), "taps": ONE} | options
    with pytest.raises(InputError, match=message):
        Convolution(**given)


def test_delays_of_their_own_are_refused() -> None:
    c = Convolution(np.ones((2, 2, 2, 2), np.int64), (5, 5), ONE)
    with pytest.raises(InputError, match=r"one delay for all weights of a convolution; .*tocsr"):
        Synapses(INPUT, "a", c, delays=np.zeros(c.shape, np.int64))
    with pytest.raises(InputError, match="weights are float64"):
        Synapses(INPUT, "a", c.astype(np.float64))


def test_lava_gets_the_matrix_and_netx_the_kernel(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    c = Convolution(rng.integers(-9, 9, (3, 2, 2, 2)), (4, 5), ONE, channels_first=False)
    values = LIF | {"inv_vth": 0, "k": 12, "scale_log2": 12}
    neurons = Population.of("layer/0", "lif", c.shape[0], **values)
    network = IntegerNetwork(c.shape[1], (neurons,), (Synapses(INPUT, "layer/0", c, message_bits=0),))
    lava = lava_weights(network.synapses[0])
    assert np.array_equal(lava.weights.toarray() * 2.0**lava.exponent, c.toarray())
    write_netx(network, tmp_path / "n.net")
    again = read_netx(tmp_path / "n.net").network.synapses[0].convolution
    assert again is not None
    assert np.array_equal(again.kernel, c.kernel)
    assert np.array_equal(again.toarray(), c.toarray())
