"""Convolutions in C: loops over kernels that stay kernels, with the numbers of the reference and the simulator."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from c_programs import assert_c_equals, compiled
from convolutions import random_convolutional_network
from needed import needs

from hypr_neuro.compilers.c import build
from hypr_neuro.compilers.c.build import CORTEX_M4, HOST, SANITIZERS
from hypr_neuro.compilers.c.plan import KernelTable, Plan
from hypr_neuro.exchange.netx import read_netx
from hypr_neuro.graph.convolution import Convolution, Taps
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters

FLASH = 300_000
"""Bytes that PilotNet may take; 233 KB are its weights, each one time. Written out they were 37 MB."""


@pytest.mark.parametrize("seed", range(300, 316))
def test_random_convolutions(seed: int, tmp_path: Path) -> None:
    network, x = random_convolutional_network(np.random.default_rng(seed), ("lif", "rf")[seed % 2])
    assert any(isinstance(d.weights, KernelTable) for group in Plan(network).connections for d in group)
    assert_c_equals(network, [x[0], x[0, :7]], tmp_path, SANITIZERS if seed % 3 else HOST, seed=seed)


@pytest.mark.once
@pytest.mark.parametrize("seed", range(320, 324))
def test_random_convolutions_on_a_cortex_m4(seed: int, tmp_path: Path) -> None:
    network, x = random_convolutional_network(np.random.default_rng(seed))
    assert_c_equals(network, [x[0]], tmp_path, CORTEX_M4, seed=seed)


def test_three_axes_are_written_out(tmp_path: Path, rng: np.random.Generator) -> None:
    taps = Taps(*((n,) * 3 for n in (2, 1, 1, 0, 1)))
    convolution = Convolution(rng.integers(-9, 20, (2, 2, 2, 2, 2)), (3, 2, 4), taps)
    neurons = Population.of("a", "lif", convolution.shape[0], **lif_parameters(du=4095, dv=100, vth=20))
    network = IntegerNetwork(48, (neurons,), (Synapses(INPUT, "a", convolution),))
    assert assert_c_equals(network, [rng.integers(0, 2, (30, 48))], tmp_path, SANITIZERS, seed=0) > 0


@pytest.mark.parametrize("channels_first", [True, False])
def test_parameters_of_channels_are_stored_once(channels_first: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    taps = Taps((3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    convolution = Convolution(rng.integers(-9, 20, (4, 2, 3, 3)), (5, 6), taps, channels_first=channels_first)
    bias = np.array([10, -20, 30, 5])
    each = np.repeat(bias, 30) if channels_first else np.tile(bias, 30)
    neurons = Population.of("a", "lif", 120, **lif_parameters(du=4095, dv=100, vth=20, bias=each))
    network = IntegerNetwork(60, (neurons,), (Synapses(INPUT, "a", convolution),))
    assert assert_c_equals(network, [rng.integers(0, 2, (30, 60))], tmp_path, SANITIZERS, seed=0) > 0
    assert "p0_bias[4]" in (tmp_path / "network.c").read_text()


def test_pilotnet_keeps_its_kernels(shared_data: Path, tmp_path: Path) -> None:
    needs(HOST)
    netx = read_netx(shared_data / "netx" / "pilotnet_lif.net")
    assert netx.scale is not None
    assert netx.offset is not None
    with np.load(shared_data / "netx" / "pilotnet_lif.npz") as file:
        image = file["image"].astype(np.int64).reshape(1, -1)
    start = time.perf_counter()
    folder = compiled(netx.network, tmp_path)
    build.build(folder, HOST)
    assert time.perf_counter() - start < 20  # 2 s where nothing else runs
    sizes = build.sizes(folder, HOST)
    assert sizes["text"] + sizes["rodata"] + sizes["data"] < FLASH
    tables = re.findall(r"static const int8_t w\d+\[", (folder / "network.c").read_text())
    assert len(tables) == len(netx.network.synapses)
    x = np.repeat(netx.scale * image + netx.offset, 14, axis=0)
    assert assert_c_equals(netx.network, [x], tmp_path, HOST, seed=0, fast=True) > 100_000
