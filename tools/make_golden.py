"""Random integer networks and, from Lava's own run of some of them, the golden files that every Python replays.

    python tools/make_golden.py        (Python 3.10 with lava-nc 0.10.0)

A file tests/golden/lava_*.npz holds one network in integers, its input and what Lava computed: spikes and states of
every step. `random_network` also serves the tests that run networks under Lava.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import load_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import Connection, QuantizedLayer

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
K = 15
"""Fraction bits of coefficients."""


@dataclass(frozen=True)
class Recipe:
    """What a random network is like.

    Attributes
    ----------
    neuron
        Model of the hidden layers.
    sizes
        Of the hidden layers.
    inputs
        Channels of the input.
    recurrent
        Whether hidden layers have recurrent weights.
    bias_axon
        Whether layers have a bias axon.
    rate
        Probability of an input spike.
    graded
        Largest input, 1 for spikes.
    weights
        Largest mantissa.
    exponent
        Of input and recurrent weights, None = random in -7..7.
    du1, dv
        Decays of LIF, None = random.
    vth
        Largest threshold mantissa.
    bias
        Largest bias exponent, -1 for none.
    """

    neuron: str = "lif"
    sizes: tuple[int, ...] = (20,)
    inputs: int = 8
    recurrent: bool = True
    bias_axon: bool = False
    rate: float = 0.3
    graded: int = 1
    weights: int = 127
    exponent: int | None = 3
    du1: int | None = None
    dv: int | None = None
    vth: int = 1 << 12
    bias: int = 0


LIF_RECIPES = {
    "plain": Recipe(),
    "no recurrence": Recipe(recurrent=False, bias=-1),
    "always-on line": Recipe(bias_axon=True, vth=1 << 14),
    "two layers": Recipe(sizes=(16, 12), bias_axon=True, exponent=4, vth=1 << 13),
    "random exponents": Recipe(sizes=(18, 9), exponent=None),
    "floors": Recipe(exponent=-7, vth=40, weights=128, bias_axon=True),
    "floors, graded": Recipe(exponent=-3, vth=300, graded=200, sizes=(12, 12)),
    "current never decays": Recipe(exponent=7, du1=1, dv=0, vth=(1 << 17) - 1),
    "nothing is kept": Recipe(du1=4096, dv=4095, exponent=5),
    "current wraps": Recipe(exponent=7, graded=60, du1=300, dv=20, vth=1 << 16, weights=128, bias_axon=True),
    "sums leave 32 bits": Recipe(exponent=7, graded=15000, rate=0.7, weights=128, vth=(1 << 17) - 1, bias=7),
    "potential saturates": Recipe(exponent=7, du1=2, dv=0, vth=(1 << 17) - 1, bias=7, sizes=(24, 8)),
    "large bias": Recipe(exponent=0, bias=7, vth=1 << 15, dv=10),
    "threshold zero": Recipe(exponent=2, vth=0, bias=3),
}
BRF_RECIPES = {
    "brf": Recipe("brf", sizes=(24,), exponent=5, bias_axon=True, bias=-1),
    "brf, two layers": Recipe("brf", sizes=(16, 10), exponent=6, bias=-1),
    "brf, saturated": Recipe("brf", sizes=(20,), exponent=7, graded=3000, bias=-1),
}


def random_network(recipe: Recipe, seed: int) -> QuantizedNetwork:
    """Return a network drawn directly in integers, extremes included, with an LI readout; profile loihi2."""
    rng = np.random.default_rng(seed)
    profile = load_profile("loihi2")
    layers, presynaptic = [], recipe.inputs
    for size in recipe.sizes:
        layers.append(_hidden(recipe, rng, presynaptic, size))
        presynaptic = size
    readout = _layer("li", _li(rng, 5), rng, recipe, presynaptic, 5, recurrent=False)
    return QuantizedNetwork.from_layers([*layers, readout], profile, 1e-3)


def random_input(recipe: Recipe, seed: int, samples: int, steps: int) -> Array:
    """Return (sample, T, channel): spikes at `rate`, times values of either sign up to `graded`."""
    rng = np.random.default_rng([seed, 1])
    spikes = rng.random((samples, steps, recipe.inputs)) < recipe.rate
    if recipe.graded == 1:
        return spikes.astype(np.int64)
    return spikes * rng.integers(-recipe.graded, recipe.graded, spikes.shape, endpoint=True)


def _hidden(recipe: Recipe, rng: np.random.Generator, presynaptic: int, size: int) -> QuantizedLayer:
    """Return a hidden layer."""
    params = _lif(recipe, rng, size) if recipe.neuron == "lif" else _brf(rng, size)
    return _layer(recipe.neuron, params, rng, recipe, presynaptic, size, recipe.recurrent)


def _layer(
    neuron: str,
    params: tuple[dict[str, Array], dict[str, int]],
    rng: np.random.Generator,
    recipe: Recipe,
    presynaptic: int,
    size: int,
    recurrent: bool,
) -> QuantizedLayer:
    """Return a layer with random weights."""
    model, (per_neuron, constants) = get_model(neuron), params
    input_connection = _connection(recipe, rng, size, presynaptic + recipe.bias_axon)
    return QuantizedLayer(
        model=model,
        input=input_connection,
        recurrent=_connection(recipe, rng, size, size) if recurrent else None,
        bias_axon=recipe.bias_axon,
        per_neuron=np.stack([np.broadcast_to(per_neuron[k], size) for k in model.fixed_per_neuron]).astype(np.int64),
        constants=np.array([constants[k] for k in model.fixed_constants], dtype=np.int64),
        psi_table=np.zeros(512, dtype=np.int64),
        state_scale=1.0,
        current_scale=1.0,
    )


def _connection(recipe: Recipe, rng: np.random.Generator, post: int, pre: int) -> Connection:
    """Return random weights (post, pre) of a layer."""
    exponent = int(rng.integers(-7, 8)) if recipe.exponent is None else recipe.exponent
    # some rows are all of one sign: Lava would take another grid for a matrix without negative weights
    low = -recipe.weights if rng.random() < 0.8 else 0
    mantissa = rng.integers(low, recipe.weights, (post, pre), endpoint=recipe.weights < 128)
    return Connection(mantissa.astype(np.int64), exponent)


def _lif(recipe: Recipe, rng: np.random.Generator, size: int) -> tuple[dict[str, Array], dict[str, int]]:
    """Return integers of LIF neurons and of their layer."""
    vth = int(rng.integers(recipe.vth // 2, recipe.vth, endpoint=True)) << 6
    bias = np.zeros(size, np.int64)
    if recipe.bias >= 0:
        bias = rng.integers(-4095, 4095, size, endpoint=True) << rng.integers(0, recipe.bias, size, endpoint=True)
    per_neuron = {
        "du1": np.array(rng.integers(1, 4097) if recipe.du1 is None else recipe.du1),
        "dv": np.array(rng.integers(0, 4096) if recipe.dv is None else recipe.dv),
        "vth": np.array(vth),
        "bias": bias,
        "inv_vth": np.array((1 << 24) // max(vth, 1)),
    }
    return per_neuron, {"lava": 1, "subtract": 0, "k": K, "scale_log2": 12}


def _brf(rng: np.random.Generator, size: int) -> tuple[dict[str, Array], dict[str, int]]:
    """Return integers of BRF neurons and of their layer."""
    one, fraction = 1 << K, 16
    per_neuron = {
        "wd": rng.integers(0, one // 4, size),
        "cd": -rng.integers(0, one // 50, size),
        "dp": -rng.integers(0, one // 4, size),
        "gamma": rng.integers(0, one, size),
        "theta": rng.integers(1 << 10, 1 << fraction, size),
    }
    constants = {
        "dlt": 10486,
        "qs": fraction + 20 - K,
        "k": K,
        "one": 1 << fraction,
        "bits": 24,
        "psi_shift": 11,
        "i_shift": int(rng.integers(0, 4)),
        "rounding": int(rng.integers(0, 3)),
    }
    return per_neuron, constants


def _li(rng: np.random.Generator, size: int) -> tuple[dict[str, Array], dict[str, int]]:
    """Return integers of a readout and of its layer."""
    kappa = rng.integers(0, 1 << K, size, endpoint=True)
    constants = {"k": K, "i_shift": int(rng.integers(0, 10)), "bits": 24, "rounding": int(rng.integers(0, 3))}
    return {"kappa": kappa, "gain": (1 << K) - kappa}, constants


CASES = {
    "plain": (LIF_RECIPES["plain"], 0),
    "floors": (LIF_RECIPES["floors"], 1),
    "wraps": (LIF_RECIPES["current wraps"], 2),
    "32_bits": (LIF_RECIPES["sums leave 32 bits"], 3),
    "two_layers": (LIF_RECIPES["two layers"], 4),
    "brf": (BRF_RECIPES["brf"], 5),
}


def main() -> None:
    """Write the golden files."""
    from hypr_neuro.devices import open_device

    GOLDEN.mkdir(exist_ok=True)
    with open_device("lava") as device:
        for name, (recipe, seed) in CASES.items():
            qnet, x = random_network(recipe, seed), random_input(recipe, seed, samples=2, steps=60)
            states = {s for layer in qnet.layers for s in layer.model.state_names}
            device.load(qnet)
            trace = device.run(x, ["spikes", *sorted(states)])
            arrays = {"x": x.astype(np.int32), "readout": trace.readout}
            arrays |= {f"{layer}/spikes": z.astype(np.int8) for layer, z in trace.spikes.items()}
            arrays |= {f"{layer}/{s}": a for layer, by_state in trace.states.items() for s, a in by_state.items()}
            path = GOLDEN / f"lava_{name}.npz"
            np.savez_compressed(path, **_network_arrays(qnet), **arrays)
            print(f"{path.name}: {path.stat().st_size} bytes, rates {trace.rates}")


def _network_arrays(qnet: QuantizedNetwork) -> dict[str, Array]:
    """Return the arrays from which a test builds the network."""
    arrays, layers = {}, []
    for i, layer in enumerate(qnet.layers):
        arrays |= {f"network/{i}/{k}": c.mantissa.astype(np.int16) for k, c in layer.connections().items()}
        arrays |= {f"network/{i}/{k}": getattr(layer, k) for k in ("per_neuron", "constants")}
        exponents = {k: c.exponent for k, c in layer.connections().items()}
        layers.append({"neuron": layer.model.name, "exponents": exponents, "bias_axon": layer.bias_axon})
    meta = {"profile": qnet.profile.name, "layers": layers, "made_by": "lava-nc 0.10.0, tag fixed_pt"}
    return arrays | {"meta": np.array(json.dumps(meta))}


if __name__ == "__main__":
    main()
