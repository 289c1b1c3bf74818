"""Device 'loihi2': what it says without Intel's package, what it refuses, and the way to the run configuration.

Stand-ins for the adapters between host and chip let a network run by `Loihi2HwCfg` where there is no chip: Lava then
takes its CPU models. That the chip computes the same, only a chip can show.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import called
from needed import needs_lava

from hypr_neuro.compilers.lava import loihi2
from hypr_neuro.devices import open_device, require_capability
from hypr_neuro.devices.loihi2 import Loihi2Device
from hypr_neuro.errors import HyprError, InputError, MissingPackageError
from hypr_neuro.graph.float_population import FloatPopulation
from hypr_neuro.graph.float_synapses import FloatSynapses
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import get_model
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.testing.networks import random_network, random_spikes

ADAPTERS = """
from typing import Any

import lava.magma.core.run_configs as configs
import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

for name in ("CLoihiProcessModel", "AbstractNcProcessModel"):  # of Intel's package, too
    setattr(configs, name, getattr(configs, name, type(name, (), {})))


class PyToNxAdapter(AbstractProcess):
    def __init__(self, shape, num_message_bits=0):
        super().__init__(shape=shape)
        self.inp, self.out = InPort(shape=shape), OutPort(shape=shape)


class NxToPyAdapter(PyToNxAdapter):
    pass


class Passing(PyLoihiProcessModel):
    inp: Any = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    out: Any = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self):
        self.out.send(self.inp.recv())


@implements(proc=PyToNxAdapter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyPyToNxAdapter(Passing):
    pass


@implements(proc=NxToPyAdapter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyNxToPyAdapter(Passing):
    pass
"""


def lif_graph() -> tuple[QuantizedNetwork, np.ndarray]:
    """Two populations of Lava's LIF with a loop; the output spikes."""
    rng = np.random.default_rng(3)
    lif = {"du": 0.5, "dv": 0.2, "vth": 0.4, "bias": 0.0, "subtract": 0.0}
    populations = tuple(
        FloatPopulation(name, get_model("lif"), {k: np.full(n, v) for k, v in lif.items()})
        for name, n in (("a", 7), ("out", 3))
    )
    synapses = (
        FloatSynapses("input", "a", rng.normal(0.3, 0.5, (7, 4))),
        FloatSynapses("a", "a", rng.normal(0.0, 0.3, (7, 7)), delay=1),
        FloatSynapses("a", "out", rng.normal(0.2, 0.5, (3, 7))),
    )
    x = random_spikes(3, 2, 25, 4)
    return quantize(Network(4, populations, synapses, 1e-3, ("out",)), "loihi2", calibration=x), x


@needs_lava
@pytest.mark.skipif(loihi2._installed(loihi2.NEEDED[0]), reason="Intel's package is installed")
def test_without_intels_package_one_line_says_who_gives_it(tmp_path: Path) -> None:
    with pytest.raises(MissingPackageError) as caught:
        open_device("loihi2")
    said = str(caught.value)
    assert "\n" not in said
    for word in ("no lava.magma.compiler.subcompilers.nc", "lava-loihi", "INRC", "device 'lava' runs the same"):
        assert word in said
    qnet, x = lif_graph()
    qnet.save(tmp_path / "q.h5")
    np.savez(tmp_path / "x.npz", x=x)
    done = called("simulate", tmp_path / "q.h5", "--data", tmp_path / "x.npz", "--device", "loihi2")
    assert (done.returncode, done.stdout) == (2, "")
    lines = [line for line in done.stderr.splitlines() if line.startswith("hypr-neuro: error:")]
    assert lines == [f"hypr-neuro: error: {said}"]


def test_what_the_chip_does_not_compute_is_refused_before_it_is_opened() -> None:
    qnet, x = lif_graph()
    assert Loihi2Device().prepare(qnet).network is not qnet
    for neuron, words in (("brf", "Lava has no process for 'brf'"), ("lif", "rule for Lava: one for all neurons")):
        other = quantize(random_network(neuron, 3, hidden=(6,), bias=False), "loihi2", calibration=x)
        with pytest.raises(InputError, match=f"{words}.*only Lava's own neurons run.*'lava'"):
            Loihi2Device().prepare(other)
    with pytest.raises(InputError, match=r"device 'loihi2' cannot learn: .*learn on 'lava'"):
        require_capability("loihi2", "learn")


@needs_lava
def test_the_mapping_runs_by_the_configuration_of_the_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lava" / "proc" / "embedded_io"
    folder.mkdir(parents=True)
    (folder / "spike.py").write_text(ADAPTERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(loihi2, "require_chip", lambda: None)
    qnet, x = lif_graph()
    expected = simulate(qnet, x, ["spikes"])
    assert all(z.any() for z in expected.spikes.values())
    with open_device("loihi2") as chip:
        chip.load(qnet)
        found = chip.run(x, ["spikes"])
        assert np.array_equal(found.readout, expected.readout)
        for name, spikes in expected.spikes.items():
            assert np.array_equal(found.spikes[name], spikes), name
        assert found.synaptic_operations == expected.synaptic_operations
        with pytest.raises(InputError, match="device 'loihi2' cannot record states"):
            chip.run(x, ["v"])
        (folder / "spike.py").write_text("PyToNxAdapter = None")
        with pytest.raises(HyprError, match="device 'loihi2': TypeError"):
            chip.run(x)


@needs_lava
def test_the_configuration_is_lavas_own_for_the_chip() -> None:
    from lava.magma.core.run_configs import Loihi2HwCfg

    config = loihi2.run_configuration()
    assert isinstance(config, Loihi2HwCfg)
    assert config.select_tag == "fixed_pt"
