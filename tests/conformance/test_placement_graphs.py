"""Any network is placed: counted anew synapse by synapse, every limit holds, and no fewer groups would do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import ceil, log2
from typing import Any

import numpy as np
import pytest
from limits_of_chips import drawn_limits, limited
from scipy.sparse import csr_array

from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.placement.learning_memory import learning_memory
from hypr_neuro.placement.place import CoreUse, Placement, place
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized, random_spikes, varied

SEEDS = range(40)
BASE = varied("loihi2")
DELAYED = varied("loihi2", learning__eligibility_alignment="delayed", time__error_latency=2)


def synapses(qnet: QuantizedNetwork) -> Iterator[tuple[int, QuantizedConnection, list[tuple[int, int]]]]:
    """Of each connection its place and (target, column) of each stored synapse, read off one by one."""
    for place_, c in enumerate(qnet.connections):
        matrix: Any = c.mantissa
        if isinstance(matrix, Convolution):
            matrix = matrix.tocsr()
        if isinstance(matrix, np.ndarray):
            pairs = [(i, j) for i in range(matrix.shape[0]) for j in range(matrix.shape[1])]
        else:
            pairs = [
                (i, int(j)) for i in range(matrix.shape[0]) for j in matrix.indices[slice(*matrix.indptr[i : i + 2])]
            ]
        yield place_, c, pairs


def counted(qnet: QuantizedNetwork, use: CoreUse) -> dict[str, int]:
    """Synapses, input axons and memory without learning of one entry of a placement, in plain Python."""
    held = range(use.first_neuron, use.first_neuron + use.neurons)
    axons: set[tuple[str, int]] = set()
    memory = total = 0
    for _, c, pairs in synapses(qnet):
        if c.target != use.layer:
            continue
        by_column: dict[int, int] = {}
        for i, j in pairs:
            if i in held:
                by_column[j] = by_column.get(j, 0) + 1
        bias = c.columns - 1 if c.bias_axon else None
        axons |= {("always on", 0) if j == bias else (c.source, j) for j in by_column}
        each = 8 + max(ceil(log2(max(len(held), 2))), 1) + ceil(log2(c.largest_delay + 1))
        for count in by_column.values():
            total += count
            for entry in range(0, count, 63):
                memory += ceil((min(count - entry, 63) * each + 10) / 64) * 64
    return {"synapses": total, "in_axons": len(axons), "memory": memory}


def assert_holds(qnet: QuantizedNetwork, placement: Placement, chip: Profile) -> None:
    """Every neuron is on one core, in order, and no core holds more than the chip allows."""
    for p in qnet.populations:
        ranges = [range(u.first_neuron, u.first_neuron + u.neurons) for u in placement.cores if u.layer == p.name]
        assert [i for r in ranges for i in r] == list(range(p.size)), p.name
    core_of = {(u.layer, u.first_neuron + i): u.core for u in placement.cores for i in range(u.neurons)}
    sends: dict[tuple[str, int], set[int]] = {}
    for _, c, pairs in synapses(qnet):
        for i, j in pairs:
            if c.source != INPUT and not (c.bias_axon and j == c.columns - 1):
                sends.setdefault((c.source, j), set()).add(core_of[c.target, i])
    sums: dict[int, dict[str, int]] = {}
    for use in placement.cores:
        found = counted(qnet, use)
        out = sum(len(sends.get((use.layer, use.first_neuron + i), ())) for i in range(use.neurons))
        assert (use.synapses, use.in_axons, use.out_axons) == (found["synapses"], found["in_axons"], out)
        assert use.memory_bits - use.learning_bits == found["memory"]
        assert sum(c.synapses for c in use.connections) == use.synapses
        assert sum(c.memory_bits for c in use.connections) == found["memory"]
        core = sums.setdefault(use.core, dict.fromkeys(("neurons", "in_axons", "out_axons", "synaptic_memory"), 0))
        for key, value in zip(core, (use.neurons, use.in_axons, out, use.memory_bits), strict=True):
            core[key] += value
    for key in ("neurons", "in_axons", "out_axons", "synaptic_memory"):
        limit = getattr(chip.core, key)
        assert limit is None or max(core[key] for core in sums.values()) <= limit.value, key
        if limit is not None and key != "in_axons":
            assert placement.used >= sum(core[key] for core in sums.values()) / limit.value
    assert chip.chip.cores is None or placement.used <= chip.chip.cores.value


def sparse(seed: int, n: int = 24) -> QuantizedNetwork:
    """One population with two sparse connections, some of its neurons with many synapses and some with few."""
    rng = np.random.default_rng([seed, 7])
    base = random_quantized("lif", 1, BASE, inputs=30, hidden=(n,), recurrent=False, bias=False, steps=5)
    density = rng.choice([0.02, 0.3], (n, 1))
    matrices: list[Any] = [csr_array((rng.random((n, pre)) < density).astype(np.int64)) for pre in (30, n)]
    connections = tuple(
        QuantizedConnection(mantissa=m, exponent=0, source=source, target="layers.0")
        for m, source in zip(matrices, (INPUT, "layers.0"), strict=True)
    )
    return QuantizedNetwork(30, base.populations[:1], connections, base.profile, base.dt)


@pytest.mark.parametrize("learning", [False, True])
def test_random_graphs_keep_to_every_limit(learning: bool) -> None:
    placed = 0
    for seed in SEEDS:
        qnet = random_learning_graph(seed, DELAYED if seed % 2 else BASE)
        seen = LearningPlan(qnet).qnet if learning else qnet
        for chip in (load_profile("loihi2"), limited(BASE, cores=6 + seed % 9, **drawn_limits(seed))):
            try:
                placement = place(qnet, chip, learning=learning)
            except DoesNotFitError:
                assert chip.name != "loihi2" or chip.core.neurons is not None
                continue
            assert_holds(seen, placement, chip)
            placed += 1
    assert placed > len(SEEDS) + 5


@pytest.mark.parametrize("key", ["neurons", "in_axons", "synaptic_memory"])
def test_no_smaller_number_of_groups_fits(key: str) -> None:
    """Each population alone, asked for with every smaller number of equal groups."""
    split = 0
    for seed in SEEDS:
        qnet = random_learning_graph(seed, BASE) if seed % 2 else sparse(seed)
        apart = place(qnet, limited(BASE))
        attribute = {"synaptic_memory": "memory_bits"}.get(key, key)
        least = {"neurons": 1, "in_axons": 9, "synaptic_memory": 1000}[key]
        limit = max(max(getattr(use, attribute) for use in apart.cores) * 2 // 3, least)
        try:
            placement = place(qnet, limited(BASE, **{key: limit}))
        except DoesNotFitError:
            continue
        for p in qnet.populations:
            groups = sum(use.layer == p.name for use in placement.cores)
            split += groups > 1
            for fewer in range(1, groups):
                bounds = np.cumsum([0, *(p.size // fewer + (g < p.size % fewer) for g in range(fewer))])
                parts = [
                    replace(placement.cores[0], layer=p.name, first_neuron=int(a), neurons=int(b - a))
                    for a, b in pairwise(bounds)
                ]
                most = max(
                    {"neurons": u.neurons, "memory": 0, **counted(qnet, u)}[key.replace("synaptic_", "")] for u in parts
                )
                assert most > limit, f"seed {seed}, {p.name}: {fewer} groups"
    assert split > 15


def test_learning_memory_is_what_a_learner_keeps() -> None:
    """Synapses, rings, waiting signals of every population; and parts of signals stay inside their widths."""
    several = 0
    for seed in SEEDS[:24]:
        qnet = random_learning_graph(seed, DELAYED if seed % 3 else BASE)
        options = LearnOptions(seed=seed, parameters=("all",) if seed % 2 else ())
        plan, memory = LearningPlan(qnet, options), learning_memory(qnet, options=options)
        learner = Learner(qnet.copy(), options)
        rng = np.random.default_rng(seed)
        x = random_spikes(seed, 1, 30, qnet.inputs)[0].astype(np.int32)
        learner.gradients(x, rng.integers(0, qnet.output_size, 30), np.ones(30, bool))
        queues = learner.signals._queue_of
        for layer, m in zip(plan.layers, memory, strict=True):
            tensors = [t for t in plan.tensors_of(layer.index) if not t.parameter]
            assert m.synapses == sum(t.rows * t.columns for t in tensors)
            assert m.parameters == len(layer.parameters)
            if not plan.active(layer.index):
                assert m.bits == 0
                continue
            assert m.per_synapse.get("waiting eligibilities", (0, 0))[0] == (layer.waiting if m.synapses else 0)
            signals = {k: v for k, v in m.per_neuron.items() if "signals" in k}
            waits = {wait: learner.signals.queues[at] for (i, wait), at in queues.items() if i == layer.index}
            assert sum(count for count, _ in signals.values()) == 1 + sum(waits)
            several += len(waits) > 1
            for wait, queue in waits.items():
                _, bits = signals.get(f"parts of signals, {wait} steps", signals["learning signals"])
                assert np.abs(queue).max(initial=0) < 1 << (bits - 1)
    assert several > 2


def test_learning_memory_of_cores_adds_up() -> None:
    """To the network's, but for the column means that each core keeps of a dense connection."""
    options = LearnOptions(rule="sgd")
    for seed in SEEDS:
        qnet = random_learning_graph(seed, DELAYED if seed % 2 else BASE)
        placement = place(qnet, limited(BASE, neurons=2), learning=options)
        whole = learning_memory(qnet, limited(BASE, neurons=2), options)
        assert sum(use.learning_bits for use in placement.cores) == sum(m.bits for m in whole)


def test_frozen_connections_keep_nothing() -> None:
    qnet = random_learning_graph(3, BASE)
    all_learn = place(qnet, learning=True)
    name = qnet.connection_names()[0]
    first = replace(qnet.connections[0], trainable=False)
    frozen = place(replace(qnet, connections=(first, *qnet.connections[1:])), learning=True)
    assert sum(u.learning_bits for u in frozen.cores) < sum(u.learning_bits for u in all_learn.cores)
    told = {c["connection"]: c["learns"] for c in frozen.by_connection()}
    assert told[name] is False
    assert any(told.values())


def convolutional(delay: int = 0, profile: str = "loihi2") -> QuantizedNetwork:
    """A convolution of 2 channels over 5 x 5 (3 x 3, 4 output channels) before a readout, from integers."""
    base = random_quantized("lif", 1, profile, inputs=50, hidden=(36,), recurrent=False, bias=False, steps=5)
    kernel = np.random.default_rng(1).integers(1, 50, (4, 2, 3, 3))
    taps = Taps((3, 3), (1, 1), (0, 0), (0, 0), (1, 1))
    first = replace(base.connections[0], mantissa=Convolution(kernel, (5, 5), taps), delays=delay)
    return replace(base, connections=(first, *base.connections[1:]))


def test_a_convolution_is_written_out_unless_cores_share_weights() -> None:
    qnet = convolutional()
    use = place(qnet).cores[0]
    assert (use.synapses, use.in_axons) == (36 * 18, 50)
    assert_holds(qnet, place(qnet, limited(BASE, neurons=7)), limited(BASE, neurons=7))
    shared = limited(BASE, shared_weights=True, neurons=9)
    kernels = [u.memory_bits for u in place(qnet, shared).cores if u.layer == "layers.0"]
    # 9 neurons are one output channel: 18 weights of 8 bits, in words of 64
    assert kernels == [192] * 4
    assert place(qnet, limited(BASE, shared_weights=False)).cores[0].memory_bits == use.memory_bits


def test_a_convolution_does_not_learn_and_all_else_does() -> None:
    placement = place(convolutional(), learning=True)
    assert [c["learns"] for c in placement.by_connection()] == [False, True]
    hidden, readout = placement.cores
    assert hidden.learning_bits == 0
    assert readout.learning_bits > 0


def test_delays_take_bits_and_are_limited() -> None:
    plain, late = place(convolutional()).cores[0], place(convolutional(delay=5)).cores[0]
    # 36 neurons: 8 + 6 bits a synapse, and 3 for delays up to 5
    assert late.memory_bits > plain.memory_bits
    assert late.memory_bits == counted(convolutional(delay=5), late)["memory"]
    with pytest.raises(
        DoesNotFitError, match=r"layers\.0, connection .*: 5 steps of delay, limit 4 .*core\.delay\); shorten"
    ):
        place(convolutional(delay=5), limited(BASE, delay=4))
    place(convolutional(delay=5), limited(BASE, delay=5))


def test_two_connections_from_one_source_share_its_axons() -> None:
    qnet = random_learning_graph(3, BASE)  # drawn with two groups of weights a neuron
    use = place(qnet).cores[0]
    assert sum(c.in_axons for c in use.connections) > use.in_axons


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"in_axons": 4},
            r"h\d: \d+ in axons of one neuron \(number \d+\), limit 4 .*core\.in_axons\); .* sources over ",
        ),
        (
            {"fan_in": 4},
            r"h\d: \d+ synapses of one neuron \(number \d+\), limit 4 .*core\.fan_in\); .*at most 4 synapses",
        ),
        ({"synaptic_memory": 100}, r"h\d: \d+ memory bits of one neuron .*limit 100 .*core\.synaptic_memory"),
        ({"out_axons": 1}, r"h\d: \d+ out axons of one neuron .*limit 1 .*core\.out_axons\); .*at most 1 cores"),
        (
            {"neurons": 1, "cores": 3},
            r"network: \d+ cores, limit 3 .*chip\.cores\); \d of them hold 'h\d', which core\.neurons",
        ),
    ],
)
def test_what_does_not_fit_is_named(limits: dict[str, Any], words: str) -> None:
    with pytest.raises(DoesNotFitError, match=words):
        place(random_learning_graph(3, BASE), limited(BASE, **limits))


def test_a_network_that_cannot_learn_is_placed_without_learning() -> None:
    qnet = random_learning_graph(3, BASE)
    frozen = replace(qnet, connections=tuple(replace(c, trainable=False) for c in qnet.connections))
    with pytest.raises(InputError, match=r"no connection learns.*learning=False, on the command line --no-learning"):
        place(frozen, learning=True)
    assert place(frozen).used > 0


def test_twenty_thousand_sparse_neurons_are_placed() -> None:
    """100 synapses a neuron from anywhere: input axons split it, counted anew for some cores."""
    import scipy.sparse as sp

    n, rng = 20_000, np.random.default_rng(13)
    net = random_quantized("lif", 1, "loihi2", inputs=100, hidden=(2,), recurrent=False, bias=False, steps=5)
    p = net.populations[0]
    repeat = {"per_neuron": np.repeat(p.per_neuron[:, :1], n, axis=1)}
    columns = np.sort(rng.integers(0, n, (n, 100)), axis=1)
    matrix: Any = sp.csr_array(
        (np.ones(n * 100, np.int64), columns.ravel(), np.arange(0, n * 100 + 1, 100)), shape=(n, n)
    )
    matrix.sum_duplicates()
    inputs: Any = sp.csr_array(sp.random(n, 100, 0.08, "csr", random_state=rng).astype(bool).astype(np.int64))
    qnet = QuantizedNetwork(
        100,
        (replace(p, name="e", **repeat),),
        (
            QuantizedConnection(mantissa=inputs, exponent=0, source=INPUT, target="e"),
            QuantizedConnection(mantissa=matrix, exponent=0, source="e", target="e"),
        ),
        net.profile,
        net.dt,
    )
    placement = place(qnet, limited(BASE))
    assert 400 < placement.used < 500
    for use in (placement.cores[0], placement.cores[-1]):
        rows = slice(use.first_neuron, use.first_neuron + use.neurons)
        distinct = sum(len(np.unique(m[rows].indices)) for m in (inputs, matrix))
        assert use.in_axons == distinct <= 4096
    assert sum(u.neurons for u in placement.cores) == n
    assert max(u.out_axons for u in placement.cores) <= 4096
    with pytest.raises(
        DoesNotFitError, match=r"network: \d+ cores, limit 120 .* hold 'e', which core\.in_axons splits"
    ):
        place(qnet)
