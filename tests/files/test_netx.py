"""netx files and lava-dl's ground truth: every recorded number is met exactly.

The ground truth lies in the folder of shared data and, with more arrays, in lava-dl's wheel; tests that need lava-dl
run in its own environment (make test-lava-dl).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from netx_runs import Arrays, constant, needs_lava_dl, run, same, wheel_folder
from scipy.sparse import eye_array

from hypr_neuro.exchange.netx import Netx, read_netx
from hypr_neuro.exchange.netx.convolution import NetxConvolution
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.sim.engine import Trace

LIF = {"inv_vth": 0, "lava": 1, "subtract": 0, "k": 12, "scale_log2": 12}


class Truth:
    """Arrays and files of the ground truth by lava-dl's names, whatever folder they lie in."""

    def __init__(self, shared: Path | None, wheel: Path | None) -> None:
        self.shared, self.wheel = shared, wheel

    def arrays(self, name: str) -> Arrays:
        """All arrays of a network, integers as int64; "-" in names is "_"."""
        if self.wheel is not None:
            files = sorted((self.wheel / "gts" / name).glob("*.npy"))
            found = {path.stem.replace("-", "_"): np.load(path) for path in files}
        else:
            assert self.shared is not None
            with np.load(self.shared / f"{name}.npz") as file:
                found = {key: file[key] for key in file.files}
        assert found
        for key, array in found.items():
            assert np.array_equal(array, np.rint(array)), key
        return {key: array.astype(np.int64) for key, array in found.items()}

    def file(self, in_wheel: str, in_shared: str) -> Path:
        if self.wheel is not None:
            return self.wheel / in_wheel
        assert self.shared is not None
        return self.shared / in_shared

    def pilotnet(self, connection_delay: int) -> Netx:
        return read_netx(
            self.file("gts/pilotnet_lif/network.net", "pilotnet_lif.net"), connection_delay=connection_delay
        )

    def tiny(self, connection_delay: int) -> Netx:
        return read_netx(self.file("tiny.net", "tiny.net"), connection_delay=connection_delay)


@pytest.fixture(scope="module", params=["shared data", pytest.param("wheel", marks=needs_lava_dl)])
def truth(request: pytest.FixtureRequest) -> Truth:
    if request.param == "wheel":
        return Truth(None, wheel_folder())
    return Truth(request.getfixturevalue("shared_data") / "netx", None)


def test_dense_block(truth: Truth) -> None:
    # the arrays are those of a run under Lava: index t is step t
    gts = truth.arrays("dense")
    neurons = Population.of("block", "lif", 256, du1=4096, dv=415, vth=6 << 6, bias=0, **LIF)
    synapses = Synapses(INPUT, "block", gts["weight"])
    trace = run(IntegerNetwork(200, (neurons,), (synapses,)), gts["in"].T)
    assert gts["out"].sum() == 1826
    same("spikes", trace.spikes["block"][:, 0], gts["out"].T)
    same("u", trace.states["block"]["u"][:, 0], 64 * gts["current"].T)


def test_complex_dense_block(truth: Truth) -> None:
    gts = truth.arrays("complex_dense")
    values = rf_parameters(period=11, alpha=0.05, vth=25, state_exp=6, decay_bits=12)
    synapses = [Synapses(INPUT, "block", gts[key], current=i) for i, key in enumerate(("weight_r", "weight_img"))]
    trace = run(IntegerNetwork(200, (Population.of("block", "rf", 256, **values),), tuple(synapses)), gts["in"].T)
    assert gts["out"].sum() > 40_000
    same("spikes", trace.spikes["block"][:, 0], gts["out"].T)


def test_complex_input_block(truth: Truth) -> None:
    # the input reaches these neurons without synapses, so in the same step, as real and as imaginary part
    gts = truth.arrays("complex_dense")
    values = rf_parameters(period=7, alpha=0.05, vth=1.1, state_exp=6, decay_bits=12)
    synapses = [Synapses(INPUT, "block", eye_array(200, dtype=np.int32).tocsr(), current=i) for i in (0, 1)]
    neurons = Population.of("block", "rf_iz", 200, **values)
    trace = run(IntegerNetwork(200, (neurons,), tuple(synapses), connection_delay=0), gts["in"].T)
    assert gts["current"].sum() == 13548
    same("spikes", trace.spikes["block"][:, 0], gts["current"].T)


def channel_first(netx: Netx, name: str, array: np.ndarray) -> np.ndarray:
    """(steps, 1, n) as (channel, y, x, steps), the order of tinynet's arrays."""
    return netx.shaped(name, array[:, 0]).transpose(3, 2, 1, 0)


def test_tinynet(truth: Truth) -> None:
    # recorded in slayer, layers in step; index 0 is a step in which nothing has happened yet
    gts, netx = truth.arrays("tinynet"), truth.tiny(connection_delay=0)
    assert (netx.scale, netx.offset) == (36, 34)
    trace = run(netx.network, constant(gts["input_bias"], 15))
    for name, key in (("layer/0", "input"), ("layer/1", "layer1"), ("layer/2", "output")):
        assert gts[key][0, ..., 1:].any()
        assert not gts[key][0, ..., 0].any()
        same(key, channel_first(netx, name, trace.spikes[name]), gts[key][0, ..., 1:])
    same("current", channel_first(netx, "layer/1", trace.states["layer/1"]["u"]), 64 * gts["current"][0, ..., 1:])


def test_tinynet_kernel_and_bias_are_those_of_the_block_test(truth: Truth) -> None:
    # the kernel there is flipped: Lava's Conv is a true convolution
    gts, netx = truth.arrays("tinynet"), truth.tiny(connection_delay=0)
    kernel = gts["layer1_kernel"].transpose(0, 3, 2, 1)[:, :, ::-1, ::-1]
    expected = NetxConvolution(kernel, (2, 2), (0, 0), (1, 1), 1).over((16, 16, 3))
    found = netx.network.synapses[1].convolution
    assert found is not None
    assert found.described() == expected.described()
    same("kernel", found.kernel, expected.kernel)
    bias = netx.network.population("layer/1").per_neuron[3]
    same("bias", netx.shaped("layer/1", bias), np.broadcast_to(64 * gts["layer1_bias"], (6, 6, 24)))


PILOTNET = {"input": 0} | {f"conv_{i}": i + 1 for i in range(5)} | {f"fc_{i}": i + 7 for i in range(4)}
AT_REST = 128
"""What Loihi shows as v of a neuron that has just fired: it counts the refractory period there."""


class Recording:
    """PilotNet on Loihi, as its arrays show it: every layer is reset, one step after the layer before, again and again.

    Layer ℓ, counted without `flatten`, is reset before step ℓ + first + k · period. Before its first reset it runs as
    under Lava; from then on as a layer of the network without delays, whose step 0 is the step of the reset.
    """

    def __init__(self, truth: Truth, image: np.ndarray, steps: int, period: int, first: int = 0) -> None:
        aligned, lava = truth.pilotnet(connection_delay=0), truth.pilotnet(connection_delay=1)
        x = constant(image, period).copy()
        x[: max(-first, 0)] = 0  # layer 0 would have been reset before the recording began
        self.start = run(lava.with_input_bias(image), np.zeros((12, image.size), np.int64))
        self.first_period, self.later = run(aligned.network, x), run(aligned.network, constant(image, period))
        self.names = [p.name for p in aligned.network.populations]
        self.steps, self.period, self.first = steps, period, first

    def spikes(self, layer: int) -> np.ndarray:
        """(n, steps)"""
        return self._assembled(layer, lambda trace, name: trace.spikes[name])

    def state(self, layer: int, state: str) -> np.ndarray:
        """(n, steps)"""
        return self._assembled(layer, lambda trace, name: trace.states[name][state])

    def _assembled(self, layer: int, of: Callable[[Trace, str], np.ndarray]) -> np.ndarray:
        name, reset = self.names[layer], max(layer + self.first, 0)
        pieces = [of(self.start, name)[:reset], of(self.first_period, name)[reset - layer - self.first :]]
        while sum(map(len, pieces)) < self.steps:
            pieces.append(of(self.later, name))
        return np.concatenate(pieces)[: self.steps, 0].T


def same_layer(gts: Arrays, key: str, recording: Recording, layer: int) -> int:
    """Compare spikes, u and v of a layer, as far as they were recorded; how many numbers."""
    spikes, count = recording.spikes(layer), 0
    expected = {
        key: spikes,
        f"{key}_s": spikes,
        f"{key}_u": recording.state(layer, "u"),
        f"{key}_v": np.where(spikes != 0, AT_REST, recording.state(layer, "v")),
    }
    for name, array in expected.items():
        if name in gts:
            same(name, array, gts[name].reshape(-1, recording.steps))
            count += array.size
    return count


def test_pilotnet(truth: Truth) -> None:
    gts = truth.arrays("pilotnet_lif")
    recording = Recording(truth, gts["image"], steps=24, period=17)
    layers = [key for key in PILOTNET if key != "fc_3"]
    compared = {
        key: same_layer({k: a for k, a in gts.items() if k != "input_s"}, key, recording, i)
        for i, key in enumerate(layers)
    }
    assert all(compared.values()), compared
    assert all(gts[key].any() for key in layers)
    # every array but those of the two other runs
    others = ("image", "input_s", "fc_3_s", "fc_3_u", "fc_3_v")
    assert sum(compared.values()) == sum(array.size for key, array in gts.items() if key not in others)


def test_pilotnet_output_layer(truth: Truth) -> None:
    # another run: 25 steps, and each layer is reset a step earlier, every 16 steps
    gts = truth.arrays("pilotnet_lif")
    recording = Recording(truth, gts["image"], steps=25, period=16, first=-1)
    assert same_layer(gts, "fc_3", recording, 9) == 75
    assert gts["fc_3_u"].any()


def test_pilotnet_input_layer(truth: Truth) -> None:
    gts = truth.arrays("pilotnet_lif")
    if "input_s" not in gts:  # packed without it; make test-lava-dl has the wheel's own
        pytest.skip("input-s is in lava-dl's wheel only")
    recording = Recording(truth, gts["image"], steps=24, period=16)
    assert same_layer({"input_s": gts["input_s"]}, "input", recording, 0) == 950_400


@needs_lava_dl
def test_ntidigits() -> None:
    # axonal delays of up to 62 steps; the recorded output is a step ahead of Lava's. lava-dl's own test compares its
    # last column with column 1
    truth = Truth(None, wheel_folder())
    gts, netx = truth.arrays("ntidigits"), read_netx(truth.file("gts/ntidigits/ntidigits.net", ""), layers=5)
    assert netx.shapes[INPUT] == (64, 1, 1)
    trace = run(netx.network, gts["input"].T)
    assert gts["output"].sum() == 22572
    same("output", trace.spikes["layer/4"][:-1, 0], gts["output"].T[1:])
    assert not gts["output"][:, 0].any()


@needs_lava_dl
@pytest.mark.parametrize("name", ["dense", "complex_dense", "tinynet", "pilotnet_lif"])
def test_shared_data_are_those_of_the_wheel(name: str, shared_data: Path) -> None:
    shared, wheel = Truth(shared_data / "netx", None).arrays(name), Truth(None, wheel_folder()).arrays(name)
    for key, array in shared.items():
        assert np.array_equal(array, wheel[key]), key
