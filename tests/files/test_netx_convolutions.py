"""Convolutions in netx files: the same sums as kernels, read back equal, run by lava-dl with the simulator's numbers.

Tests that need lava-dl run in its own environment (make test-lava-dl).
"""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convolutions import float_convolutional_network, matrix_by_definition, random_convolution
from netx_runs import STATES, ask, needs_lava_dl, networks, run, same, write

from hypr_neuro.compilers import compile_network
from hypr_neuro.compilers.netx import write_netx
from hypr_neuro.compilers.netx.images import WrittenOutError, image_convolution
from hypr_neuro.compilers.netx.write import NetxSummary
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.netx import read_netx
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.quantizing.graph_quantize import quantize_graph
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.integer import any_population
from hypr_neuro.testing.networks import random_spikes

NETWORKS: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "netx_networks.py"))
normal_form = NETWORKS["normal_form"]
Rng = np.random.Generator
STEPS = 40
ONE = Taps((2, 2), (1, 1), (0, 0), (0, 0), (1, 1))


# ---------------------------------------------------------------- one kernel


def test_a_kernel_of_the_file_sums_what_the_definition_sums() -> None:
    met: Counter[str] = Counter()
    for seed in range(400):
        rng = np.random.default_rng([seed, 31])
        c = random_convolution(rng, 1 + seed % 2)
        kind = f"{len(c.image)} axes, {'pool' if c.pool else 'no pool'}, {'c' if c.channels_first else 'xy'}"
        try:
            found = image_convolution(c)
        except WrittenOutError as reason:
            met[str(reason).split(" ")[0]] += 1
            continue
        met[kind] += 1
        met["groups"] += c.groups > 1
        met["sides"] += c.taps.before != c.taps.after
        assert found.kernel.output_shape(found.source.shape) == found.target.shape
        matrix = found.kernel.over(found.source.shape).toarray()
        rows, columns = found.target.order(), found.source.order()
        assert np.array_equal(matrix, matrix_by_definition(c)[np.ix_(rows, columns)]), seed
    kinds = {f"{n} axes, {pool}, {first}" for n in (1, 2) for pool in ("pool", "no pool") for first in ("c", "xy")}
    assert min(met[kind] for kind in kinds) >= 10
    assert min(met["groups"], met["sides"]) >= 50
    assert {key for key in met if key not in kinds} == {"groups", "sides", "zeros", "windows"}


def test_pooling_side_by_side_is_always_a_kernel() -> None:
    # windows as wide as their stride, no padding: what nir.SumPool2d and slayer's average pooling mostly are
    rng = np.random.default_rng(3)
    pool = Taps((2, 3), (2, 3), (0, 0), (0, 0), (1, 1))
    for around in (0, 1):
        c = Convolution(rng.integers(-9, 9, (3, 2, 3, 3)), (8, 12), Taps((3, 3), (1, 1), *[(around,) * 2] * 2, (1, 1)))
        c = replace(c, pool=pool)
        found = image_convolution(c)
        matrix = found.kernel.over(found.source.shape).toarray()
        assert np.array_equal(matrix, matrix_by_definition(c)[np.ix_(found.target.order(), found.source.order())])
        assert found.kernel.kernel.shape == (3, 2, 6, 9)


# ---------------------------------------------------------------- networks


def convolution(rng: Rng, image: tuple[int, ...], channels: int, first: bool) -> Convolution:
    """One that netx can hold, over an image of `channels`."""
    while True:
        groups = int(rng.choice([k for k in (1, 2, 3) if channels % k == 0]))
        c = random_convolution(rng, len(image), image, channels // groups)
        kernel = rng.integers(-20, 30, (groups * int(rng.integers(1, 3)), *c.kernel.shape[1:]))
        c = replace(c, kernel=kernel, groups=groups, channels_first=first)
        try:
            image_convolution(c)
        except WrittenOutError:
            continue
        return c


def neurons(rng: Rng, name: str, c: Convolution) -> Population:
    """Numbers for all, for each channel or for each neuron."""
    channels, n = c.kernel.shape[0], c.shape[0]

    def drawn(low: int, high: int) -> Any:
        kind = rng.integers(3)
        if kind == 0:
            return np.full(n, rng.integers(low, high))
        if kind == 1:
            each = rng.integers(low, high, channels)
            return np.repeat(each, n // channels) if c.channels_first else np.tile(each, n // channels)
        return rng.integers(low, high, n)

    return Population.of(
        name, "lif", n, **lif_parameters(drawn(500, 4096), drawn(0, 900), drawn(10, 90), drawn(-50, 90) << 6)
    )


def drawn_network(seed: int) -> IntegerNetwork:
    """Two convolutions in a row, then perhaps a dense layer behind a flatten, perhaps recurrent."""
    rng = np.random.default_rng([seed, 32])
    image = tuple(int(n) for n in rng.integers(4, 9, rng.integers(1, 3)))
    order = bool(rng.random() < 0.5)
    first = convolution(rng, image, int(rng.integers(1, 4)), order)
    second = convolution(rng, first.outputs, first.kernel.shape[0], order)
    populations = [neurons(rng, "a", first), neurons(rng, "b", second)]
    exponent = int(rng.choice([0, 1, -2]))
    whole = replace(first, kernel=first.kernel * 4) if exponent == -2 else first
    synapses = [
        Synapses(INPUT, "a", whole, exponent, message_bits=0),
        Synapses("a", "b", second),
    ]
    if rng.random() < 0.3:
        synapses.append(Synapses("a", "b", replace(second, kernel=second.kernel[::-1])))
    if rng.random() < 0.7:
        populations.append(Population.of("c", "lif", 5, **lif_parameters(900, 300, 60)))
        delays = rng.integers(0, 9, (5, second.shape[0])) if rng.random() < 0.5 else 0
        synapses.append(Synapses("b", "c", rng.integers(-60, 90, (5, second.shape[0])), delays=delays))
        if isinstance(delays, int):
            synapses.append(Synapses("c", "c", rng.integers(-60, 60, (5, 5))))
    return IntegerNetwork(whole.shape[1], tuple(populations), tuple(synapses))


def sample(network: IntegerNetwork, seed: int) -> np.ndarray:
    return (np.random.default_rng([seed, 33]).random((STEPS, network.inputs)) < 0.3).astype(np.int64)


@pytest.mark.parametrize("seed", range(30))
def test_what_is_read_back_computes_the_same(seed: int, tmp_path: Path) -> None:
    network, x = drawn_network(seed), sample(drawn_network(seed), seed)
    summary = write_netx(network, tmp_path / "a.net")
    assert not summary.written_out
    found = read_netx(summary.path)
    assert [c.convolution is not None for c in found.network.synapses[:2]] == [True, True]
    ours, theirs = run(network, x), run(found.network, summary.input(x))
    fired = 0.0
    for p in network.populations:
        group = summary.layers[p.name]
        fired += float(ours.spikes[p.name].mean())
        assert np.array_equal(ours.spikes[p.name], summary.spikes(p.name, theirs.spikes[group]))
        for state in ("u", "v"):
            assert np.array_equal(ours.states[p.name][state], summary.spikes(p.name, theirs.states[group][state]))
    assert fired > 0
    # and what was read is written as it is
    again = write_netx(found.network, tmp_path / "b.net")
    assert normal_form(read_netx(again.path).network) == normal_form(found.network)
    assert (tmp_path / "a.net").read_bytes() == (tmp_path / "b.net").read_bytes()


@pytest.mark.parametrize("name", ["convolution", "image", "integers convolved"])
def test_files_of_lava_dl_keep_their_convolutions(name: str, tmp_path: Path) -> None:
    case = networks(np.random.default_rng(0))[name]
    bits = case.get("bits", 0)
    read = read_netx(write(tmp_path / "a.net", case["layers"]), input_message_bits=bits)
    summary = write_netx(read, tmp_path / "b.net")
    assert not summary.written_out
    again = read_netx(summary.path, input_message_bits=summary.message_bits).network
    assert normal_form(again) == normal_form(read.network)
    pairs = list(zip(read.network.synapses, again.synapses, strict=True))
    # the identity in front of an input layer's neurons is a convolution, too
    kernels = [(a.convolution, b.convolution) for a, b in pairs if a.convolution is not None]
    assert kernels
    for ours, theirs in kernels:
        assert theirs is not None
        assert ours.kernel.size == 1 or np.array_equal(ours.kernel, theirs.kernel)


def test_pilotnet_goes_out_and_comes_back(shared_data: Path, tmp_path: Path) -> None:
    read = read_netx(shared_data / "netx" / "pilotnet_lif.net").network
    summary = write_netx(read, tmp_path / "a.net")
    assert not summary.written_out
    again = read_netx(summary.path, input_message_bits=summary.message_bits).network
    for p, other in zip(read.populations, again.populations, strict=True):
        assert {k: a.tolist() for k, a in p.named().items()} == {k: a.tolist() for k, a in other.named().items()}
    for ours, theirs in zip(read.synapses, again.synapses, strict=True):
        assert theirs.convolution is not None or isinstance(ours.weights, np.ndarray)
        different = ours.written_out().weights != theirs.written_out().weights
        assert not (different.any() if isinstance(different, np.ndarray) else different.nnz)


def test_a_float_convolution_behind_a_pooling_becomes_one_kernel(tmp_path: Path) -> None:
    net = float_convolutional_network()
    spiking = replace(
        net,
        populations=net.populations[:2],
        connections=tuple(c for c in net.connections if c.target != "out"),
        outputs=("hidden",),
    )
    x = random_spikes(0, 4, 30, 24)
    network = quantize_graph(spiking, "loihi2", calibration=x, target="netx")
    summary = write_netx(network, tmp_path / "a.net")
    assert not summary.written_out
    ours = simulate(network, x, record=("spikes",)).spikes
    sent = summary.input(np.pad(x, ((0, 0), (0, summary.tail), (0, 0))))
    theirs = simulate(read_netx(summary.path), sent, record=("spikes",)).spikes
    for name, group in summary.layers.items():
        assert ours[name].any()
        assert np.array_equal(summary.spikes(name, theirs[group]), ours[name])


def test_the_readout_outside_reads_the_spikes_in_the_networks_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    c = Convolution(rng.integers(-20, 40, (3, 2, 2, 2)), (4, 5), ONE)
    readout = any_population(rng, "out", "li", 2, 12.0)
    spiking = Population.of("a", "lif", c.shape[0], **lif_parameters(900, 300, 60))
    weights = rng.integers(-60, 60, (2, c.shape[0]))
    synapses = (Synapses(INPUT, "a", c, message_bits=0), Synapses("a", "out", weights))
    network = IntegerNetwork(c.shape[1], (spiking, readout), synapses)
    summary = write_netx(network, tmp_path / "a.net", readout="outside")
    x = sample(network, 6)
    expected = simulate(network, x[None])
    inside = simulate(read_netx(summary.path), summary.input(x)[None], record=("spikes",)).spikes["layer/1"]
    assert summary.readout is not None
    outside = simulate(summary.readout, summary.spikes("a", inside).transpose(1, 0, 2))
    assert expected.readout.any()
    assert np.array_equal(outside.readout, expected.readout)


# ---------------------------------------------------------------- what is written out


def one_layer(c: Convolution, model: str = "lif", **options: Any) -> IntegerNetwork:
    values = rf_parameters(9.0, 0.1, 90, state_exp=6) if model == "rf" else lif_parameters(900, 300, 60)
    currents = [{"current": k} for k in range(2)] if model == "rf" else [{}]
    synapses = [Synapses(INPUT, "a", c, **{"message_bits": 0} | options, **current) for current in currents]
    return IntegerNetwork(c.shape[1], (Population.of("a", model, c.shape[0], **values),), tuple(synapses))


def plain(**values: Any) -> Convolution:
    kernel = np.random.default_rng(7).integers(-20, 40, (2, 1, 2, 2))
    return Convolution(kernel, (4, 5), ONE, **values)


CASES: dict[str, tuple[IntegerNetwork, str]] = {
    "axes": (
        one_layer(Convolution(np.ones((1, 1, 2, 2, 2), int), (3, 3, 3), Taps(*((n,) * 3 for n in (2, 1, 0, 0, 1))))),
        "it lies over 3 axes, netx has two",
    ),
    "padding": (
        one_layer(Convolution(np.ones((1, 1, 2), int), (6,), Taps((2,), (1,), (0,), (1,), (2,)))),
        r"zeros \(0,\) before its axes, \(1,\) after them, netx: as many",
    ),
    "lengths": (
        one_layer(Convolution(np.ones((1, 1, 1), int), (400,), Taps((1,), (130,), (0,), (0,), (1,)))),
        "kernel, stride, padding, dilation or groups of 130, Lava: up to 127",
    ),
    "edges": (
        one_layer(
            Convolution(
                np.ones((1, 1, 3), int),
                (6,),
                Taps((3,), (1,), (1,), (1,), (1,)),
                pool=Taps((2,), (1,), (0,), (0,), (1,)),
            )
        ),
        "windows of its pooling at the edges see other places than one kernel would",
    ),
    "resonators": (one_layer(plain(), "rf"), "lava-dl runs no convolution into 'rf'"),
    "delay": (one_layer(plain(), delays=3), "it has a delay, which only a dense layer has"),
    "constant": (
        one_layer(plain(), always_on=np.arange(24)),
        "a constant current goes over a further neuron, which only a dense layer has",
    ),
    "sums": (
        one_layer(plain(), message_bits=20),
        r"its sums can reach \d+, Lava's Conv wraps at 2\^23",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_convolution_of_netx_cannot_be_is_written_out_and_said(name: str, tmp_path: Path) -> None:
    network, reason = CASES[name]
    summary = write_netx(network, tmp_path / "a.net", always_on="channel")
    (said,) = summary.written_out.values()
    assert re.fullmatch(reason, said)
    assert f"connection input -> a is written out as a matrix: {said}" in summary.lines()
    read = read_netx(summary.path, input_message_bits=summary.message_bits).network
    assert all(c.convolution is None for c in read.synapses)
    x = sample(network, 1)
    ours, theirs = run(network, x), run(read, summary.input(x))
    assert np.array_equal(ours.spikes["a"], theirs.spikes[summary.layers["a"]])


def test_convolutions_above_a_dense_layer_are_written_out(tmp_path: Path) -> None:
    rng, c = np.random.default_rng(8), plain()
    populations = tuple(Population.of(n, "lif", k, **lif_parameters(900, 300, 60)) for n, k in (("a", 20), ("b", 24)))
    dense = Synapses(INPUT, "a", rng.integers(-60, 90, (20, 6)), message_bits=0)
    network = IntegerNetwork(6, populations, (dense, Synapses("a", "b", c)))
    summary = write_netx(network, tmp_path / "a.net")
    assert summary.written_out == {"a -> b": "the layer below has no places in the file"}
    below = Synapses(
        INPUT, "a", Convolution(rng.integers(-9, 9, (20, 1, 1)), (1,), Taps(*((n,) for n in (1, 1, 0, 0, 1))))
    )
    network = IntegerNetwork(1, populations, (replace(below, message_bits=0), Synapses("a", "b", c)))
    summary = write_netx(network, tmp_path / "a.net")
    assert summary.written_out == {"a -> b": "it reads an image (x, y, channel) = (5, 4, 1), below it is (1, 1, 20)"}
    x = sample(network, 2)
    ours, theirs = run(network, x), run(read_netx(summary.path).network, summary.input(x))
    assert np.array_equal(ours.spikes["b"], theirs.spikes[summary.layers["b"]])


def test_a_fraction_in_a_kernel_is_refused_by_its_place(tmp_path: Path) -> None:
    c = plain()
    network = one_layer(replace(c, kernel=np.where(c.kernel == c.kernel[1, 0, 0, 1], 3, 4)), exponent=-1)
    with pytest.raises(InputError, match=r"input -> a: weight \[1, 0, 0, 1\] = 3 · 2\^-1, rule for netx: whole"):
        write_netx(network, tmp_path / "a.net")


def test_the_summary_checks_what_it_turns(tmp_path: Path) -> None:
    summary = write_netx(one_layer(plain()), tmp_path / "a.net")
    with pytest.raises(InputError, match=r"unknown population 'b'.*, known: a"):
        summary.spikes("b", np.zeros((2, 24)))
    with pytest.raises(InputError, match=r"'a' of shape \(2, 23\), rule: \(…, 24\)"):
        summary.spikes("a", np.zeros((2, 23)))
    graded = write_netx(one_layer(plain(), message_bits=None), tmp_path / "b.net")
    assert not graded.written_out
    assert graded.largest_input * int(plain().magnitudes().max()) < 1 << 23
    assert (1 << graded.message_bits) - 1 <= graded.largest_input


# ---------------------------------------------------------------- lava-dl itself


def cases(folder: Path) -> dict[str, tuple[IntegerNetwork, NetxSummary, np.ndarray]]:
    found = {}
    for seed in range(16):
        network = drawn_network(seed)
        found[f"seed {seed}"] = network, write_netx(network, folder / f"{seed}.net"), sample(network, seed)
    graded = one_layer(plain(), message_bits=7)
    x = sample(graded, 99) * np.random.default_rng(99).integers(-127, 128, (STEPS, graded.inputs))
    found["graded"] = graded, write_netx(graded, folder / "graded.net"), x
    return found


def sent(summary: NetxSummary, x: np.ndarray) -> np.ndarray:
    """What goes to lava-dl's first process: (x, y, channel, T)."""
    return np.moveaxis(summary.input(x).reshape(len(x), *summary.images[INPUT].shape), 0, -1)


@needs_lava_dl
def test_lava_dl_runs_convolutions_with_the_simulators_numbers(tmp_path: Path) -> None:
    found = cases(tmp_path)
    jobs = {
        name: {"path": s.path, "steps": STEPS, "names": list(s.layers), "bits": s.message_bits, "x": sent(s, x)}
        for name, (_, s, x) in found.items()
    }
    fired = 0
    for name, theirs in ask(tmp_path, jobs).items():
        network, summary, x = found[name]
        trace = run(network, x)
        for p in network.populations:
            spikes = trace.spikes[p.name][:, 0]
            fired += bool(0 < spikes.mean() < 1)
            same(f"{name}, {p.name}", summary.spikes(p.name, theirs[f"{p.name}/spikes"]), spikes)
            for state in STATES[p.model.name]:
                expected = trace.states[p.name][state][:, 0]
                if state == "v":  # ours is v before the reset, Lava's after it
                    expected = np.where(spikes != 0, 0, expected)
                same(f"{name}, {p.name} {state}", summary.spikes(p.name, theirs[f"{p.name}/{state}"]), expected)
    assert fired >= 2 * len(found)


@needs_lava_dl
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_compiled_folders_script_turns_images(seed: int, tmp_path: Path) -> None:
    network = drawn_network(seed)
    compile_network(network, target="netx", out=tmp_path)
    images = json.loads((tmp_path / "netx.json").read_text())["images"]
    assert set(images) == {INPUT, "a", "b"}
    x = sample(network, seed)
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, str(tmp_path / "run_netx.py"), "x.npy", "out.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    expected = run(network, x).spikes
    with np.load(tmp_path / "out.npz") as out:
        for p in network.populations:
            same(p.name, out[p.name], expected[p.name][:, 0])
