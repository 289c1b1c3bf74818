"""netx files and lava-dl's ground truth: every recorded number is met exactly.

The ground truth lies in the folder of shared data and, with more arrays, in lava-dl's wheel; tests that need lava-dl
run in its own environment (make test-lava-dl).
"""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from commands import answer, called
from scipy.sparse import eye_array

from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.exchange.netx import Netx, read_netx
from hypr_neuro.exchange.netx.convolution import Convolution
from hypr_neuro.exchange.netx.weights import check_range
from hypr_neuro.graph.integer import INPUT, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.rf import rf_parameters
from hypr_neuro.sim.engine import Trace, simulate

LAVA_DL: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "netx_oracle.py"))
ask, export, kept, needs_lava_dl, wheel_folder = (
    LAVA_DL[name] for name in ("ask", "export", "kept", "needs_lava_dl", "wheel_folder")
)
Arrays = dict[str, np.ndarray]
LIF = {"inv_vth": 0, "lava": 1, "subtract": 0, "k": 12, "scale_log2": 12}
STATES = {"lif": ("u", "v"), "rf": ("re", "im"), "rf_iz": ("re", "im")}
LAVA_NAMES = {"u": "u", "v": "v", "re": "real", "im": "imag"}


def run(network: IntegerNetwork, x: np.ndarray) -> Trace:
    """One sample x (T, channel), all states kept."""
    names = {name for p in network.populations for name in STATES[p.model.name]}
    return simulate(network, x[None], record=("spikes", *sorted(names)))


def constant(image: np.ndarray, steps: int) -> np.ndarray:
    """An image as input of every step, (steps, n)."""
    return np.broadcast_to(image.reshape(1, -1), (steps, image.size))


def same(what: str, found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape, what
    wrong = np.argwhere(found != expected)
    assert not len(wrong), f"{what}: {len(wrong)} of {found.size} differ, first at {wrong[0]}: " + (
        f"{found[tuple(wrong[0])]}, expected {expected[tuple(wrong[0])]}"
    )


# ---------------------------------------------------------------- ground truth


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
    expected = Convolution(kernel, (2, 2), (0, 0), (1, 1), 1).matrix((16, 16, 3))
    assert (netx.network.synapses[1].weights != expected).nnz == 0
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
    if "input_s" not in gts:
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


# ---------------------------------------------------------------- lava-dl itself


def write(path: Path, layers: list[dict[str, Any]]) -> Path:
    """A netx file; entries of a layer may be groups (dicts)."""

    def fill(group: h5py.Group, content: dict[str, Any]) -> None:
        for key, value in content.items():
            if isinstance(value, dict):
                fill(group.create_group(key), value)
            elif key == "type" and group.name.count("/") == 2:
                group.create_dataset(key, (1,), "S10", [value.encode()])
            else:
                group.create_dataset(key, data=value)

    with h5py.File(path, "w") as file:
        for i, layer in enumerate(layers):
            fill(file.create_group(f"layer/{i}"), layer)
    return path


def cuba(**values: Any) -> dict[str, Any]:
    return {"type": "CUBA", "iDecay": 1024, "vDecay": 400, "vThMant": 90, "refDelay": 1, "gradedSpike": False} | values


def dense(
    rng: np.random.Generator, n: int, inputs: int, low: int = -40, high: int = 60, **values: Any
) -> dict[str, Any]:
    weight = rng.integers(low, high, (n, inputs), endpoint=True).astype(np.float32)
    return {"type": "dense", "shape": [n, 1, 1], "weight": weight, "neuron": cuba()} | values


def conv(rng: np.random.Generator, kernel: tuple[int, ...], shape: list[int], **values: Any) -> dict[str, Any]:
    weight = rng.integers(-30, 40, kernel, endpoint=True).astype(np.float32)
    place = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1}
    return {"type": "conv", "shape": shape, "weight": weight, "neuron": cuba()} | place | values


def resonate(rng: np.random.Generator, n: int, inputs: int, kind: str) -> dict[str, Any]:
    weight = {part: rng.integers(-40, 50, (n, inputs)).astype(np.float32) for part in ("real", "imag")}
    angle, size = rng.uniform(0.2, 2.0, n), rng.uniform(3600, 4000, n)
    decays = {"sinDecay": (size * np.sin(angle)).astype(int), "cosDecay": (size * np.cos(angle)).astype(int)}
    neuron = {"type": kind, "vThMant": 60, "gradedSpike": False} | decays
    return {"type": "dense", "shape": [n, 1, 1], "weight": weight, "neuron": neuron}


INPUT_NEURONS = cuba(iDecay=4096, vDecay=300, vThMant=30)
STEPS = 40


def networks(rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Networks of all kinds: layers of the file, names of those with neurons, shape of the input, options."""

    def case(layers: list[dict[str, Any]], shape: tuple[int, ...], **options: Any) -> dict[str, Any]:
        skipped = ("flatten", *(() if "neuron" in layers[0] else ("input",)))
        names = [f"layer/{i}" for i, layer in enumerate(layers) if layer["type"] not in skipped]
        return {"layers": layers, "shape": shape, "names": names, **options}

    each = cuba(iDecay=rng.integers(0, 4096, 9), vDecay=rng.integers(200, 900, 9), vThMant=rng.integers(60, 200, 9))
    delayed = dense(rng, 9, 9, delay=rng.integers(0, 62, 9).astype(np.float32), bias=rng.integers(-5, 9, 9))
    without_neuron = {k: v for k, v in dense(rng, 4, 9).items() if k != "neuron"}
    recurrent = dense(rng, 9, 6, -90, 120) | {"type": "dense_rec", "weight_rec": rng.integers(-90, 60, (9, 9))}
    image = {"type": "input", "shape": [2, 7, 8]}
    first = conv(
        rng,
        (6, 1, 3, 2),
        [6, 4, 6],
        stride=[2, 1],
        padding=[1, 2],
        dilation=[1, 3],
        groups=2,
        bias=rng.integers(-9, 9, 6),
        neuron=cuba(iDecay=rng.integers(900, 4096, 6)),
    )
    first["shape"] = [6, 4, 9]
    second = conv(rng, (3, 6, 3, 3, 1), [3, 2, 7])
    flatten = {"type": "flatten", "shape": [1, 1, 42]}
    wide = {"type": "flatten", "shape": [112, 1, 1]}
    return {
        "dense": case([dense(rng, 9, 12, neuron=each), delayed, dense(rng, 5, 9)], (12,)),
        "delays of inputs": case([dense(rng, 9, 12, delay=rng.integers(0, 9, 12).astype(float))], (12,)),
        "delays of weights": case([dense(rng, 9, 12, delay=rng.integers(0, 9, (9, 12)).astype(float))], (12,)),
        "one delay": case([dense(rng, 9, 12, delay=3.0)], (12,)),
        "no neuron": case([dense(rng, 9, 12), without_neuron], (12,)),
        "positive": case([dense(rng, 9, 12, 0, 255, neuron=cuba(vThMant=3000))], (12,)),
        "negative": case([dense(rng, 9, 12, -255, -1, bias=np.full(9, 1250)), dense(rng, 3, 9, -127, 0)], (12,)),
        "widest": case([dense(rng, 9, 12, -256, 254, neuron=cuba(vThMant=900))], (12,)),
        "recurrent": case([recurrent, dense(rng, 4, 9)], (6,)),
        "convolution": case([image, first, second, flatten, dense(rng, 5, 42)], (8, 7, 2)),
        "flat input": case([image, wide, dense(rng, 5, 112, -9, 12)], (8, 7, 2), channel_first=True),
        "image": case(
            [
                image | {"neuron": INPUT_NEURONS, "weight": [36.0], "bias": [34.0]},
                first,
                second,
                flatten,
                dense(rng, 5, 42),
            ],
            (8, 7, 2),
            bias=True,
        ),
        "integers": case([dense(rng, 9, 12, -20, 30, neuron=cuba(vThMant=3000))], (12,), bits=7),
        "integers convolved": case([image, first], (8, 7, 2), bits=7),
        "resonate": case(
            [resonate(rng, 20, 12, "RF_PHASE"), resonate(rng, 15, 20, "RF_IZHIKEVICH"), dense(rng, 4, 15)], (12,)
        ),
    }


CASES = tuple(networks(np.random.default_rng(0)))


def prepared(path: Path, case: dict[str, Any], rng: np.random.Generator) -> tuple[dict[str, Any], Netx, Trace]:
    """The job for lava-dl, what was read, and our run of it."""
    bits = case.get("bits", 0)
    netx = read_netx(path, input_message_bits=bits)
    job = {"path": path, "steps": STEPS, "names": case["names"], "bits": bits}
    x = rng.random((STEPS, *case["shape"])) < 0.2
    if case.get("bias"):
        image = rng.integers(0, 90, case["shape"])
        network, ours = netx.with_input_bias(image), np.zeros((STEPS, image.size), np.int64)
        return job | {"bias": image}, netx, run(network, ours)
    values = x * rng.integers(-127, 128, x.shape) if bits else x.astype(np.int64)
    theirs = values.transpose(0, 3, 2, 1).reshape(STEPS, -1) if case.get("channel_first") else values
    return job | {"x": np.moveaxis(theirs, 0, -1)}, netx, run(netx.network, values.reshape(STEPS, -1))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Netx, Trace, Arrays]]:
    """Of each case and of the networks that slayer exports: what was read, our run and lava-dl's."""
    folder = tmp_path_factory.mktemp("lava-dl")
    rng = np.random.default_rng(0)
    cases = networks(rng)
    paths = {name: write(folder / f"{i}.net", case["layers"]) for i, (name, case) in enumerate(cases.items())}
    export(folder)
    cases["exported"] = {"names": [f"layer/{i}" for i in (0, 1, 3, 4, 5)], "shape": (9, 8, 2), "bias": True}
    cases["exported, resonating"] = {"names": ["layer/0", "layer/1"], "shape": (6,)}
    wheel = wheel_folder()
    assert wheel is not None
    cases["tiny"] = {"names": [f"layer/{i}" for i in range(3)], "shape": (16, 16, 3), "bias": True}
    cases["mnist"] = {"names": [f"layer/{i}" for i in range(4)], "shape": (784,), "bias": True}
    paths |= {
        "exported": folder / "spiking.net",
        "exported, resonating": folder / "resonating.net",
        "tiny": wheel / "tiny.net",
        "mnist": wheel / "mnist.net",
    }
    ours = {name: prepared(paths[name], case, rng) for name, case in cases.items()}
    theirs = ask(folder, {name: job for name, (job, _, _) in ours.items()})
    return {name: (netx, trace, theirs[name]) for name, (_, netx, trace) in ours.items()}


@needs_lava_dl
@pytest.mark.parametrize("name", [*CASES, "exported", "exported, resonating", "tiny", "mnist"])
def test_every_state_is_that_of_lava_dl(name: str, answers: dict[str, tuple[Netx, Trace, Arrays]]) -> None:
    netx, trace, theirs = answers[name]
    for p in netx.network.populations:
        spikes = trace.spikes[p.name][:, 0]
        same(f"{p.name} spikes", spikes, theirs[f"{p.name}/spikes"])
        for state in STATES[p.model.name]:
            found = trace.states[p.name][state][:, 0]
            if state == "v":  # ours is v before the reset, Lava's after it
                found = np.where(spikes != 0, 0, found)
            same(f"{p.name} {state}", found, theirs[f"{p.name}/{LAVA_NAMES[state]}"])
    first, last = netx.network.populations[0], netx.network.populations[-1]
    assert 0.01 < trace.spikes[first.name].mean() < 0.9
    assert trace.states[last.name][STATES[last.model.name][0]].any()


def accepted(parts: tuple[np.ndarray, ...]) -> bool:
    try:
        check_range("weight", *parts)
    except InputError:
        return False
    return True


@needs_lava_dl
def test_weights_are_refused_where_lava_dl_changes_them(tmp_path: Path) -> None:
    # ranges around all edges: both signs, one sign, powers of two; recurrent weights beside input weights
    rng = np.random.default_rng(0)
    edges = np.array([0, 1, 2, 3, 64, 127, 128, 129, 254, 255, 256, 257])
    matrices = []
    for _ in range(1500):
        parts = []
        for _ in range(rng.integers(1, 3)):
            low, high = np.sort(rng.choice(np.concatenate([-edges, edges]), 2))
            parts.append(rng.choice([low, high, rng.integers(low, high, endpoint=True)], (2, 3)))
        if any(part.any() for part in parts):  # lava-dl raises OverflowError on zeros alone
            matrices.append(tuple(parts))
    found = [accepted(parts) for parts in matrices]
    assert 0.2 < np.mean(found) < 0.9
    for parts, ours, theirs in zip(matrices, found, kept(tmp_path, matrices), strict=True):
        assert ours == theirs, parts


# ---------------------------------------------------------------- rules of the reader


@pytest.mark.parametrize("seed", range(6))
def test_convolution_is_its_sum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    stride, padding, dilation = (tuple(map(int, rng.integers(low, 4, 2))) for low in (1, 0, 1))
    kernel, shape = rng.integers(-9, 9, (2 * groups, 2, 3, 2)), (7, 8, 2 * groups)
    convolution = Convolution(kernel, stride, padding, dilation, groups)
    image, out = rng.integers(0, 9, shape), convolution.output_shape(shape)
    expected = np.zeros(out, np.int64)
    for x, y, o in np.ndindex(*out):
        for c, j, i in np.ndindex(*kernel.shape[1:]):
            at = x * stride[1] - padding[1] + i * dilation[1], y * stride[0] - padding[0] + j * dilation[0]
            if 0 <= at[0] < shape[0] and 0 <= at[1] < shape[1]:
                expected[x, y, o] += kernel[o, c, j, i] * image[(*at, o // 2 * 2 + c)]
    same("convolution", (convolution.matrix(shape) @ image.reshape(-1)).reshape(out), expected)


def small(**changes: Any) -> list[dict[str, Any]]:
    """image → conv → flatten → dense; `changes` replace entries "layer key" or "layer neuron key", None removes."""
    rng = np.random.default_rng(0)
    layers = [
        {"type": "input", "shape": [2, 5, 6], "neuron": dict(INPUT_NEURONS), "weight": [36.0], "bias": [34.0]},
        conv(rng, (3, 2, 2, 2), [3, 4, 5]),
        {"type": "flatten", "shape": [60, 1, 1]},
        dense(rng, 4, 60),
    ]
    for path, value in changes.items():
        *groups, key = path.split()
        content: Any = layers
        for group in groups:
            content = content[int(group) if content is layers else group]
        content[key] = value
        if value is None:
            del content[key]
    return layers


def test_input_and_input_bias_are_the_same_a_step_apart(tmp_path: Path) -> None:
    netx = read_netx(write(tmp_path / "a.net", small()))
    image = np.random.default_rng(0).integers(0, 90, (6, 5, 2))
    by_input = run(netx.network, constant(image, 30))
    by_bias = run(netx.with_input_bias(image), np.zeros((30, 60), np.int64))
    assert by_input.spikes["layer/3"].any()
    assert netx.shapes == {INPUT: (6, 5, 2), "layer/0": (6, 5, 2), "layer/1": (5, 4, 3), "layer/3": (4,)}
    for name in by_input.spikes:
        same(name, by_input.spikes[name][1:], by_bias.spikes[name][:-1])
    same("v", by_input.states["layer/0"]["v"][1:], by_bias.states["layer/0"]["v"][:-1])
    aligned = read_netx(tmp_path / "a.net", connection_delay=0)
    together = run(aligned.network, constant(image, 30))
    for lag, name in enumerate(together.spikes):
        same(name, together.spikes[name][: 29 - lag], by_input.spikes[name][lag + 1 :])


def test_the_program_computes_scale_and_offset(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = {part: rng.integers(0, 3, (n, 20, 60)) for part, n in (("train", 6), ("test", 3))}
    np.savez(
        tmp_path / "d.npz",
        **{f"x_{part}": v for part, v in x.items()},
        **{f"y_{part}": np.arange(len(v)) % 4 for part, v in x.items()},
    )
    netx = read_netx(write(tmp_path / "a.net", small()))
    read = answer("import", tmp_path / "a.net", "--out", tmp_path, run=called)
    assert read["input"].startswith("36 · data + 34")
    told = answer("simulate", read["file"], "--data", tmp_path / "d.npz", "--trace", tmp_path / "t.h5", run=called)
    assert told["input"] == "36 · data + 34"
    wanted, found = simulate(netx, 36 * x["test"] + 34, ("spikes", "v")), Trace.load(tmp_path / "t.h5")
    for name, spikes in wanted.spikes.items():
        assert spikes.any()
        assert np.array_equal(spikes, found.spikes[name])
    with pytest.raises(InputError, match=r"notes: input = \{'scale': 1\}, rule: whole numbers 'scale' and 'offset'"):
        replace(netx.network, notes={"input": {"scale": 1}})


@pytest.mark.parametrize("bits", [-3, 33, 1.5, True])
def test_message_bits_out_of_range_are_refused(bits: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "a.net", small())
    with pytest.raises(InputError, match=r"input_message_bits = .*, rule: 0 to 32"):
        read_netx(path, input_message_bits=bits)


def test_scale_and_offset_default_to_those_of_lava_dl(tmp_path: Path) -> None:
    netx = read_netx(write(tmp_path / "a.net", small(**{"0 weight": None, "0 bias": None})))
    assert (netx.scale, netx.offset) == (64, 0)


def test_fewer_layers_are_read(tmp_path: Path) -> None:
    netx = read_netx(write(tmp_path / "a.net", small(**{"3 type": "average"})), layers=3)
    assert [p.name for p in netx.network.populations] == ["layer/0", "layer/1"]


def test_a_file_may_start_with_a_convolution(tmp_path: Path) -> None:
    path = write(tmp_path / "a.net", small()[1:])
    with pytest.raises(InputError, match=r"layer/0: a convolution over shape None, rule: .*; give input_shape"):
        read_netx(path)
    netx = read_netx(path, input_shape=(6, 5, 2))
    assert netx.network.inputs == 60
    assert netx.scale is None
    with pytest.raises(InputError, match="no neurons"):
        netx.with_input_bias(np.zeros(60))


REFUSED = {
    "average": ({"3 type": "average"}, r"layer/3/type = 'average' is not supported, rule: .*; layers=3 reads"),
    "SDNN": ({"3 neuron type": "SDNN"}, r"layer/3/neuron/type = 'SDNN' is not supported, rule: LOIHI, CUBA, RF_PHASE"),
    "refractory": ({"3 neuron refDelay": 2}, r"layer/3/neuron/refDelay = 2, rule: 1"),
    "graded": ({"3 neuron gradedSpike": True}, r"layer/3/neuron/gradedSpike = 1, rule: 0"),
    "messages": ({"3 neuron messageBits": 8}, r"layer/3/neuron/messageBits = 8, rule: 0"),
    "weight exponent": ({"3 neuron weight_exp": [1.0]}, r"layer/3/neuron/weight_exp = 1, rule: 0"),
    "unknown key": ({"3 neuron tau": 1}, r"layer/3/neuron/tau is not supported, rule: .*remove it"),
    "delayed convolution": ({"1 delay": [1, 2, 3]}, r"layer/1/delay is not supported"),
    "fraction": ({"3 weight": np.full((4, 60), 2.5)}, r"layer/3/weight\[0, 0\] = 2.5, rule: whole numbers"),
    "not a number": ({"3 weight": np.full((4, 60), np.nan)}, r"layer/3/weight\[0, 0\] = nan, rule: whole numbers"),
    "clipped": (
        {"3 weight": np.eye(4, 60) * 300 - 1},
        r"layer/3/weight: weights -1..299, rule: -256..254 .*change 299",
    ),
    "too large": ({"3 weight": np.full((4, 60), 256)}, r"layer/3/weight: weights 256..256, rule: -255..255"),
    "-2^k": ({"3 weight": np.full((4, 60), -1)}, r"layer/3/weight: no positive weight and least -1, rule: not a power"),
    "odd": ({"3 weight": -np.eye(4, 60) * 201}, r"layer/3/weight: odd weights in a range -201..0, .*, rule: even ones"),
    "columns": ({"3 weight": np.zeros((4, 59))}, r"layer/3: 59 weights a neuron, rule: 60"),
    "rows": ({"3 weight": np.zeros((5, 60))}, r"layer/3/weight has shape \(5, 60\), rule: \(4, inputs\)"),
    "delay": ({"3 delay": 63.0}, r"layer/3/delay = 63.0, rule: whole numbers 0..62"),
    "delay's shape": ({"3 delay": np.zeros(7)}, r"layer/3/delay has shape \(7,\), rule: one number, \(4,\)"),
    "bias": ({"3 bias": [1, 2, 3, 40000]}, r"layer/3/bias\[3\] = 40000, rule: whole numbers -32768..32767"),
    "bias's shape": ({"1 bias": [1, 2, 3, 4]}, r"layer/1/bias has shape \(4,\), rule: one number, or \(3,\)"),
    "decay": ({"3 neuron vDecay": 4097}, r"layer/3/neuron/vDecay = 4097, rule: whole numbers 0..4096"),
    "no decay": ({"3 neuron vDecay": None}, r"layer/3/neuron has no entry 'vDecay'"),
    "not flat": ({"2 type": "input"}, r"layer/2: an input layer, rule: only the first layer is one"),
    "flattened": ({"2 shape": [59, 1, 1]}, r"layer/2/shape, rule: 60 neurons"),
    "stated shape": ({"1 shape": [3, 5, 5]}, r"layer/1: shape \(5, 5, 3\) in the file, rule: \(5, 4, 3\)"),
    "channels": ({"1 groups": 2}, r"layer/1: weight of shape \(3, 2, 2, 2\) in 2 groups over 2 input channels"),
    "kernel": ({"1 dilation": 9}, r"layer/1: a kernel \(y, x\) = \(2, 2\) over an image \(5, 6\), rule: fits"),
    "padding": ({"1 padding": 60000}, r"layer/1: output: shape .*neurons"),
    "conv sum": (
        {"1 weight": np.full((3, 2, 2, 2), 1 << 21)},
        r"layer/1: its sums can reach 16777216, rule: below 2\^23",
    ),
    "input current": ({"0 neuron iDecay": 100}, r"layer/0/neuron/iDecay, rule: 4096 in an input layer"),
    "input RF": ({"0 neuron": {"type": "RF_PHASE"}}, r"layer/0: an input layer of RF neurons"),
    "RF": ({"3 neuron": {"type": "RF_PHASE"}}, r"layer/3/weight is no group"),
    "complex": ({"3 weight": {"real": np.ones((4, 60))}}, r"layer/3/weight holds no numbers"),
    "no type": ({"1 type": None}, r"layer/1 has no entry 'type'"),
    "empty": ({"3 weight": np.zeros((4, 0))}, r"layer/3/weight holds no numbers"),
    "text": ({"3 weight": "none"}, r"layer/3/weight holds no numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_layer_key_and_rule(name: str, tmp_path: Path) -> None:
    changes, message = REFUSED[name]
    path = write(tmp_path / "a.net", small(**changes))
    with pytest.raises(InputError, match=message) as refusal:
        read_netx(path)
    assert str(refusal.value).startswith(f"file '{path}': ")
    assert "\n" not in str(refusal.value)


def test_flattening_is_not_guessed(tmp_path: Path) -> None:
    layers = small()
    with pytest.raises(InputError, match=r"layer/2: dense after shape \(5, 4, 3\), rule: a layer 'flatten' between"):
        read_netx(write(tmp_path / "a.net", [*layers[:2], layers[3]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 5}, r"layers = 5, rule: 1..4 for this file"),
        ({"input_shape": (5, 5, 2)}, r"input_shape = \(5, 5, 2\), rule: that of the file's input layer, \(6, 5, 2\)"),
        ({"connection_delay": 2}, r"connection_delay = 2"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_netx(write(tmp_path / "a.net", small()), **options)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="does not exist"):
        read_netx(tmp_path / "none.net")
    (tmp_path / "text.net").write_text("layer")
    with pytest.raises(FileFormatError, match=r"text.net': damaged or no HDF5 file"):
        read_netx(tmp_path / "text.net")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["layer/1/type"] = "dense"
    with pytest.raises(FileFormatError, match="holds no netx network"):
        read_netx(tmp_path / "other.h5")


def test_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    # HDF5 crashes or hangs on some of them; flipped bytes first, then cuts
    whole = write(tmp_path / "whole.net", small()).read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / "damaged.net"
    refused = 0
    for trial in range(14):
        data = bytearray(whole)
        if trial < 9:
            for at in rng.integers(0, len(data), 60):
                data[at] ^= int(rng.integers(1, 256))
        else:
            del data[int(rng.integers(1, len(data))) :]
        path.write_bytes(data)
        try:
            read_netx(path)
        except FileFormatError:
            refused += 1
    assert refused >= 10


@pytest.mark.parametrize(("sin", "cos", "expected"), [(1538, 1270, (1537, 1269)), (1171, 3902, (1171, 3902))])
def test_rf_coefficients_go_through_period_and_decay(
    sin: int, cos: int, expected: tuple[int, int], tmp_path: Path
) -> None:
    layer = resonate(np.random.default_rng(0), 3, 4, "RF_PHASE")
    layer["neuron"] |= {"sinDecay": sin, "cosDecay": cos}
    (population,) = read_netx(write(tmp_path / "a.net", [layer])).network.populations
    cos_decay, sin_decay, vth = population.per_neuron
    assert (sin_decay[0], cos_decay[0], vth[0]) == (*expected, 60 << 6)


def test_flat_and_recurrent_networks_survive_saving(tmp_path: Path) -> None:
    case = networks(np.random.default_rng(1))["recurrent"]
    network = read_netx(write(tmp_path / "a.net", case["layers"])).network
    network.save(tmp_path / "a.h5")
    x = (np.random.default_rng(2).random((40, 6)) < 0.3).astype(np.int64)
    again = run(IntegerNetwork.load(tmp_path / "a.h5"), x)
    same("spikes", again.spikes["layer/1"], run(network, x).spikes["layer/1"])
