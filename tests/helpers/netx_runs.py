"""What the tests of netx files share: lava-dl where it is installed, runs, and comparisons."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.sim.engine import Trace, simulate

LAVA_DL: dict[str, Any] = runpy.run_path(str(Path(__file__).resolve().parents[1] / "helpers" / "netx_oracle.py"))
ask, export, kept, needs_lava_dl, wheel_folder = (
    LAVA_DL[name] for name in ("ask", "export", "kept", "needs_lava_dl", "wheel_folder")
)
Arrays = dict[str, np.ndarray]
STATES = {"lif": ("u", "v"), "cuba_li_loihi": ("u", "v"), "rf": ("re", "im"), "rf_iz": ("re", "im")}


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
