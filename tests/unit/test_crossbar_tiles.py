"""Tiles of analog cells: counted anew synapse by synapse, held against the chip's number, in fit, map and report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import hypr_neuro as hn
from hypr_neuro.errors import DoesNotFitError
from hypr_neuro.placement.learning_memory import learning_memory, pulse_bits
from hypr_neuro.placement.place import place
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.report.core_map import core_map
from hypr_neuro.sim.crossbar.cells import Cells
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_quantized
from hypr_neuro.workflow.chip_room import largest_on_chip

ANALOG = ("pcm_crossbar", "reram", "reram_neohebbian")


def small_tiles(rows: int, columns: int, **more: Any) -> Any:
    return load_profile("pcm_crossbar", {"analog.rows": rows, "analog.columns": columns, **more})


def synapses(qnet: QuantizedNetwork) -> list[list[tuple[int, int, int]]]:
    """Of each connection neuron, row and delay of each synapse, read off one by one."""
    found = []
    for c in qnet.connections:
        matrix: Any = c.mantissa if c.dense else c.mantissa.tocoo()
        pairs = list(np.ndindex(matrix.shape)) if c.dense else list(zip(*matrix.coords, strict=True))
        one = isinstance(c.delays, int)
        delays: Any = c.delays if one or isinstance(c.delays, np.ndarray) else c.delays.toarray()
        found.append([(int(i), int(j), 0 if one else int(delays[i, j])) for i, j in pairs])
    return found


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 2), (256, 256)])
def test_tiles_are_counted_anew(size: tuple[int, int]) -> None:
    rows, columns = size
    chip = small_tiles(rows, columns)
    for seed in range(12):
        qnet = random_learning_graph(seed, load_profile("ideal"))
        crossbars = place(qnet, chip).crossbars
        assert crossbars is not None
        for use, listed in zip(crossbars.uses, synapses(qnet), strict=True):
            assert use.tiles == len({(j // rows, i // columns, d) for i, j, d in listed}), use.connection
            assert use.pairs == len(listed)
            assert use.conversions == len({(j // rows, i, d) for i, j, d in listed})
        assert crossbars.fewest <= crossbars.tiles
        assert crossbars.fewest * rows * columns >= crossbars.pairs
        if size == (1, 1):
            assert crossbars.fewest == crossbars.tiles == crossbars.pairs
        assert crossbars.adcs == crossbars.tiles * columns
        assert crossbars.dacs is None


def test_delays_of_their_own_take_tiles_of_their_own() -> None:
    qnet = random_quantized("lif", 1, "ideal", inputs=4, hidden=(6,), recurrent=False, bias=False, steps=5)
    first = qnet.connections[0]
    delays = np.arange(24).reshape(6, 4) % 3
    late = replace(qnet, connections=(replace(first, delays=delays), *qnet.connections[1:]))
    tiles = [place(q, "pcm_crossbar").crossbars for q in (qnet, late)]
    assert [t.uses[0].tiles for t in tiles if t is not None] == [1, 3]


@pytest.mark.parametrize("profile", ANALOG)
def test_weights_take_cells_and_no_memory(profile: str) -> None:
    qnet = random_quantized("lif", 1, profile, inputs=40, hidden=(300,), steps=5)
    placement = place(qnet)
    assert placement.crossbars is not None
    assert [use.tiles for use in placement.crossbars.uses] == [2, 4, 2]
    assert {use.memory_bits for use in placement.cores} == {0}
    assert all("weights" not in part.network for part in learning_memory(qnet))
    assert placement.fits is None
    assert "chip.tiles" in placement.unknown_limits
    assert "8 tiles of 256 x 256 pairs of cells" in repr(placement).replace("\n", " ")
    assert (placement.crossbars.adcs is None) == (profile != "pcm_crossbar")


def test_what_just_fits_and_one_tile_fewer() -> None:
    qnet = random_quantized("lif", 1, "pcm_crossbar", inputs=40, hidden=(300,), steps=5)
    assert place(qnet, load_profile("pcm_crossbar", {"chip.tiles": 8})).fits is True
    with pytest.raises(
        DoesNotFitError, match=r"network: 8 tiles, limit 7 \(profile .*chip\.tiles\); make .* 7 tiles of 256"
    ):
        place(qnet, load_profile("pcm_crossbar", {"chip.tiles": 7}))


def test_fit_asks_for_tiles() -> None:
    """Three tiles: the readout has the neurons' rows and one of its bias, which are 256 with 255 neurons."""
    chip = load_profile("pcm_crossbar", {"chip.tiles": 3})
    for room in largest_on_chip(chip, inputs=20, outputs=4, neuron="lif").rooms:
        assert room.neurons == 255
        assert "tiles, limit 3" in room.refused


@pytest.mark.parametrize(("profile", "bits"), [("pcm_crossbar", 21), ("reram", 16)])
def test_steps_that_wait_are_counted_and_stay_inside_their_width(profile: str, bits: int) -> None:
    qnet = random_quantized("lif", 1, profile, inputs=4, hidden=(6,), steps=5)
    at_once, waiting = load_profile(profile), load_profile(profile, {"analog.update": "accumulated"})
    assert (pulse_bits(at_once), pulse_bits(waiting)) == (0, bits)
    more = [
        m.synapse_bits - n.synapse_bits
        for m, n in zip(*(learning_memory(qnet, c) for c in (waiting, at_once)), strict=True)
    ]
    assert set(more) == {bits}
    assert waiting.analog is not None
    rng, top = np.random.default_rng(0), waiting.precision.weight_top
    cells = Cells(waiting.analog, top, 0, rng.integers(-top, top + 1, 500))
    most = 0
    for k in range(40):
        cells.write(rng.integers(-(top << 16), top << 16, 500), float(k), 1, (0, k, 0))
        most = max(most, int(np.abs(cells.state["pending"]).max()))
    assert most.bit_length() < bits


def test_the_map_shows_tiles() -> None:
    qnet = random_quantized("lif", 1, "pcm_crossbar", inputs=40, hidden=(300,), steps=5)
    drawn = core_map(place(qnet).section())
    assert drawn is not None
    assert "8 tiles hold weights" in drawn.caption
    section = hn.place(qnet, load_profile("pcm_crossbar", {"chip.tiles": 20})).section()
    assert section["crossbars"]["tile_limit"] == 20
    drawn = core_map(section)
    assert drawn is not None
    assert "8 of 20 tiles" in drawn.caption
