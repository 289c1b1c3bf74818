"""The largest network that a chip holds: placed by itself it fits, with a neuron more it does not."""

from __future__ import annotations

from typing import Any

import pytest
from needed import needs_arm

import hypr_neuro as hn
from hypr_neuro.errors import DoesNotFitError, InputError
from hypr_neuro.workflow.chip_room import ChipRoom, largest_on_chip
from hypr_neuro.workflow.chip_task import lif_parameters, settled_parameters

pytestmark = pytest.mark.once


def place_anew(profile: Any, shape: dict[str, Any], size: int, learning: bool) -> hn.Placement:
    """Place a float network of that size, quantized for the chip."""
    chip = hn.load_profile(profile)
    bias = "bias" not in settled_parameters(chip)
    layer = {"neuron": shape["neuron"], "size": size, "recurrent": shape.get("recurrent", True), "bias": bias}
    layer |= {"params": lif_parameters(chip)} if shape["neuron"] == "lif" else {}
    layers, readout = [layer] * shape.get("layers", 1), {"bias": bias}
    spec = {"inputs": shape["inputs"], "outputs": shape["outputs"], "layers": layers, "readout": readout}
    net = hn.Network.build(spec, seed=3)
    return hn.place(hn.quantize(net, chip, calibration={p.name: 4.0 for p in net.populations}), learning=learning)


@pytest.mark.parametrize(
    ("profile", "shape", "learns", "neurons", "stops"),
    [
        ("xylo", {"inputs": 16, "outputs": 8, "neuron": "lif", "recurrent": False}, "nothing", 1000, "chip.hidden)"),
        ("xylo", {"inputs": 2, "outputs": 8, "neuron": "lif"}, "nothing", 64, "chip.hidden_fan_out)"),
        ("reckon", {"inputs": 256, "outputs": 16, "neuron": "lif"}, "all", 256, "chip.hidden)"),
        ("brainscales2", {"inputs": 20, "outputs": 5, "neuron": "lif"}, "all", 108, "core.fan_in)"),
        ("loihi2", {"inputs": 64, "outputs": 10, "neuron": "brf", "layers": 2}, "all", None, "chip.cores)"),
        (
            hn.load_profile("spinnaker2", {"chip.cores": 2}),
            {"inputs": 16, "outputs": 4, "neuron": "brf"},
            "nothing",
            None,
            "chip.cores)",
        ),
    ],
)
def test_the_answer_is_placed_and_one_more_is_refused(
    profile: Any, shape: dict[str, Any], learns: str, neurons: int | None, stops: str
) -> None:
    if hn.load_profile(profile).core.sram is not None:
        needs_arm()
    found = largest_on_chip(profile, learns=(learns,), **shape)
    (room,) = found.rooms
    assert neurons in (None, room.neurons)
    assert stops in room.refused
    placement = place_anew(profile, shape, room.neurons, learns == "all")
    assert placement.fits is True
    assert placement.used == room.cores
    with pytest.raises(DoesNotFitError):
        place_anew(profile, shape, room.neurons + 1, learns == "all")


def test_where_not_even_one_neuron_fits() -> None:
    (room,) = largest_on_chip("xylo", inputs=17, outputs=8, learns=("nothing",)).rooms
    assert room == ChipRoom("nothing", 0, 0, 0, "network: 17 input channels, limit 16 (profile 'xylo', chip.inputs)")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"profile": "ideal"}, "nothing is known of its room"),
        ({"profile": "xylo"}, r"cannot learn \(learning.ability: none\); .*--no-learn"),
    ],
)
def test_what_cannot_be_answered_is_said(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        largest_on_chip(**({"inputs": 3, "outputs": 2} | given))
