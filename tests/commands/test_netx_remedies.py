"""What the netx compiler refuses on the command line, and its remedies, which are tried as they are written."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import answer, called, refusal, small_data

import hypr_neuro as hn
from hypr_neuro.compilers.netx.constant_currents import REQUANTIZE
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.testing.networks import random_spikes

here, refused = partial(answer, run=called), partial(refusal, run=called)


def options_of(message: str) -> list[str]:
    """Return the words of the first option in parentheses that a message names."""
    found = re.search(r"\((--[a-z-]+ [a-z0-9]+)\)", message)
    assert found is not None, message
    return found.group(1).split()


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_each_remedy_leads_on_to_a_file(recurrent: bool, bias: bool, tmp_path: Path) -> None:
    data, out = small_data(tmp_path), tmp_path / "netx"
    layer = {"neuron": "lif", "size": 6, "recurrent": recurrent, "bias": bias}
    net = hn.Network.build({"inputs": 8, "outputs": 2, "layers": [layer]}, seed=1)
    hn.scale_to_rate(net, random_spikes(0, 4, 40, 8), 0.2)
    net.save(tmp_path / "network.h5")
    quantize = ["quantize", tmp_path / "network.h5", "--data", data, "--profile", "loihi2"]
    here(*quantize)
    compiled = ["compile", tmp_path / "quantized.h5", "--target", "netx", "--out", out]
    words = options_of(refused(*compiled))
    assert words == ["--readout", "outside"]
    told = refused(*compiled, *words)
    assert REQUANTIZE in told
    assert "quantize to 8 bits" not in told
    here(*quantize, "--target", "netx")
    assert "network.net" in here(*compiled, *words)["files"]
    assert hn.read_netx(out / "network.net").network.populations[0].size == 6


def test_constant_currents_become_channels(tmp_path: Path) -> None:
    hidden = Population.of("a", "lif", 2, **lif_parameters(100, 100, 10))
    current = Synapses(INPUT, "a", np.array([[2, 4], [6, -8]]), always_on=np.array([4, 8]))
    IntegerNetwork(2, (hidden,), (current,)).save(tmp_path / "integer.h5")
    compiled = ["compile", tmp_path / "integer.h5", "--target", "netx", "--out", tmp_path / "netx"]
    words = options_of(refused(*compiled))
    assert words == ["--always-on", "channel"]
    assert "network.net" in here(*compiled, *words)["files"]
