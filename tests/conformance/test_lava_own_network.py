"""Our Lava processes inside a user's own Lava network: ports in, ports out, loops; and the docs' Lava scripts run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from needed import needs_lava

from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.lif import lif_parameters
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.networks import random_quantized, random_spikes

DOCS = Path(__file__).resolve().parents[2] / "docs"
STEPS, INPUTS = 60, 4


pytestmark = needs_lava

OWN = """
import sys
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF
from hypr_neuro.compilers.lava.build import lava_network
from hypr_neuro.compilers.lava.from_lava import from_lava
from hypr_neuro.quantizing.network import QuantizedNetwork

way = sys.argv[1]
given = np.load("given.npz")
x = given["x"]
ours = lava_network(QuantizedNetwork.load("network.h5"))
source = Source(data=x.T)
before = Dense(weights=given["before"], name="before")
source.s_out.connect(before.s_in)
after = Dense(weights=given["after"], name="after")
ours.s_out.connect(after.s_in)
last = LIF(shape=(3,), du=900, dv=300, vth=40, name="last")
after.a_out.connect(last.a_in)
watched = {"last": last.s_out, "readout": ours.readout, **ours.spikes}
if way == "weights":  # sums of the user's Dense, integers of any size, are the network's input
    before.a_out.connect(ours.s_in)
else:  # spikes of the user's neurons; and of others, in a loop over the network
    first = LIF(shape=(before.a_out.shape[0],), du=4095, dv=500, vth=30, bias_mant=2, bias_exp=6, name="first")
    before.a_out.connect(first.a_in)
    first.s_out.connect(ours.s_in)
    back = Dense(weights=given["back"], name="back")
    second = LIF(shape=first.s_out.shape, du=4095, vth=20, name="second")
    last.s_out.connect(back.s_in)
    back.a_out.connect(second.a_in)
    second.s_out.connect(ours.s_in)  # a port of ours takes what several of a user's send
    watched |= {"first": first.s_out, "second": second.s_out}
    from_lava(last).network.save("read.h5")
sinks = {name: Sink(shape=port.shape, buffer=len(x)) for name, port in watched.items()}
for name, port in watched.items():
    port.connect(sinks[name].a_in)
last.run(condition=RunSteps(num_steps=len(x)), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
found = {name: sink.data.get().astype(np.int64).T for name, sink in sinks.items()}
last.stop()
np.savez("found.npz", **found)
"""
"""As a user would write it: the models are Lava's choice."""


@pytest.fixture(params=["lif", "brf"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    # layers of 'lif' become Lava's LIF where they can, the others run as processes of this package
    params = {"subtract": 0.0, "du": 0.3, "dv": 0.1, "vth": 1.0} if request.param == "lif" else None
    qnet = random_quantized(request.param, 1, "loihi2", hidden=(6, 5), inputs=INPUTS, params=params)
    qnet.save(tmp_path / "network.h5")
    rng = np.random.default_rng(5)
    matrices = {"before": (INPUTS, 7), "after": (3, 5), "back": (INPUTS, 3)}
    drawn = {name: 2 * rng.integers(-10, 30, shape) for name, shape in matrices.items()}
    x = random_spikes(1, 1, STEPS, 7)[0].astype(np.int64)
    np.savez(tmp_path / "given.npz", x=x, **drawn)
    return tmp_path


def run(folder: Path, way: str) -> dict[str, np.ndarray]:
    command = [sys.executable, "-W", "ignore", "-c", OWN, way]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "found.npz") as file:
        return {name: file[name] for name in file.files}


def sent(network: IntegerNetwork, x: np.ndarray) -> dict[str, np.ndarray]:
    """What each population sends (T, n) in device time: spikes, or the state of a readout."""
    trace = simulate(network, x[None], record=("spikes", "readout/u"))
    spikes = {name: array[:, 0] for name, array in trace.spikes.items()}
    return spikes | {"readout": trace.states["readout"]["u"][:, 0]}


def test_a_users_weights_feed_the_network_and_its_spikes_feed_his_neurons(folder: Path) -> None:
    from hypr_neuro.quantizing.network import QuantizedNetwork

    found = run(folder, "weights")
    with np.load(folder / "given.npz") as given:
        arrays = dict(given)
    # a Dense sends one step later; the network's layers, too
    arriving = np.vstack([np.zeros((1, INPUTS), np.int64), arrays["x"][:-1] @ arrays["before"].T])
    network = QuantizedNetwork.load(folder / "network.h5").integer()
    for name, expected in sent(network, arriving).items():
        assert np.array_equal(found[name], expected), name
        assert expected.any(), name
    last = Population.of("last", "lif", 3, **lif_parameters(900, 300, 40))
    after = IntegerNetwork(5, (last,), (Synapses(INPUT, "last", arrays["after"]),))
    spikes = simulate(after, found["layers.1"][None], record=("spikes",)).spikes["last"][:, 0]
    assert 0 < spikes.mean() < 1
    assert np.array_equal(found["last"], spikes)


def test_the_whole_of_a_users_network_runs_here_too(folder: Path) -> None:
    found = run(folder, "neurons")
    network = IntegerNetwork.load(folder / "read.h5")
    with np.load(folder / "given.npz") as given:
        x = given["x"]
    assert {p.name for p in network.populations} == {"first", "second", "last", "layers.0", "layers.1", "readout"}
    ends = {(c.source, c.target) for c in network.synapses}
    assert ends >= {("first", "layers.0"), ("second", "layers.0"), ("layers.1", "last"), ("last", "second")}
    for name, expected in sent(network, x).items():
        assert np.array_equal(found[name], expected), name
        assert expected.any(), name


def scripts() -> list[tuple[str, str]]:
    """Python blocks of the docs that use Lava."""
    blocks = []
    for page in sorted(DOCS.glob("*.md")):
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            if "from lava" in block or "compilers.lava" in block:
                blocks.append((page.name, block))
    return blocks


@pytest.mark.parametrize(("page", "block"), scripts())
def test_the_docs_lava_scripts_run(page: str, block: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", block]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{page}: {done.stderr}"
