"""What the tests share: random networks that spike, and comparisons whose failures arrive ready to debug."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.errors import MismatchError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import MODELS, get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile, load_profile, parse_profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.run.forward import readout

LOWEST_RATE = 0.05


def spiking_models() -> list[str]:
    """Return every model with a float form that can stand in a hidden layer of a chain."""
    return [name for name in graph_models() if MODELS[name].currents == 1]


def graph_models() -> list[str]:
    """Return every model with a float form that spikes: those of `spiking_models`, and those of several currents."""
    return [name for name, model in MODELS.items() if not model.readout and model.has_float]


def integer_models() -> list[str]:
    """Return those of `spiking_models` that have an integer form and send 0 or 1.

    Those of several spikes in a step send messages, which a chain of layers does not have:
    `tests/conformance/test_several_spikes.py` and `test_learning_of_all_neurons.py` are theirs.
    """
    return [name for name in spiking_models() if MODELS[name].integer and not MODELS[name].most_spikes]


def random_spikes(seed: int, samples: int, steps: int, channels: int, rate: float = 0.3) -> Array:
    """Draw (sample, T, channel) int8, on with probability `rate`."""
    return (np.random.default_rng([seed, 1]).random((samples, steps, channels)) < rate).astype(np.int8)


def random_network(
    model: str,
    seed: int,
    *,
    hidden: tuple[int, ...] = (5,),
    inputs: int = 4,
    outputs: int = 3,
    recurrent: bool = True,
    bias: bool = True,
    params: dict[str, float] | None = None,
) -> Network:
    """Draw weights, biases and parameters; the weights of each layer are scaled up until its neurons spike.

    `params` gives parameters that are not drawn, for all hidden layers.
    """
    spec = {"neuron": model, "recurrent": recurrent, "bias": bias, "params": _ranges(model) | (params or {})}
    net = Network.build(
        {
            "inputs": inputs,
            "outputs": outputs,
            "layers": [spec | {"size": n} for n in hidden],
            "readout": {"tau": (5.0, 25.0), "bias": bias},
        },
        seed,
    )
    rng = np.random.default_rng([seed, 2])
    for layer in net.layers:
        if layer.bias is not None:
            layer.bias[...] = rng.uniform(-0.3, 0.3, layer.size)
        if bias and layer.model.bias_on == "state":
            layer.params["bias"][...] = rng.uniform(-0.1, 0.1, layer.size)
    _wake(net, random_spikes(seed, 4, 60, inputs).astype(np.float64), seed)
    return net


def _ranges(model: str) -> dict[str, Any]:
    """Return ranges of trainable parameters, 0.3 to 1.3 times their default, of either sign, inside bounds."""
    ends = {
        p.name: [float(np.clip(share * p.default, p.low, p.high)) for share in (0.3, 1.3)]
        for p in get_model(model).params
        if p.trainable and p.name != "bias"
    }
    return {name: (min(values), max(values)) for name, values in ends.items()}


def _wake(net: Network, x: Array, seed: int) -> None:
    """Double a layer's weights until it spikes, from the input up, half of the negative ones turned positive."""
    rng = np.random.default_rng([seed, 4])
    rates = [0.0] * len(net.layers)

    def visit(start: int, layers: Any) -> None:
        for i, run in enumerate(layers):
            rates[i] = float(np.count_nonzero(run.outputs) / run.outputs.size)

    for i, layer in enumerate(net.layers[:-1]):
        for doubled in range(10):
            readout(net, x, visit=visit)
            if rates[i] >= LOWEST_RATE:
                break
            layer.weight *= 2.0
            layer.weight[(layer.weight < 0) & (rng.random(layer.weight.shape) < 0.5)] *= -1.0
            if layer.recurrent is not None and doubled < 4:
                layer.recurrent *= 2.0
        else:
            raise MismatchError(
                f"neuron '{layer.model.name}' never fires in tests: {net.name(i)} of a random network is silent with "
                f"1024 times the weights (seed {seed}); give its parameters defaults at which currents of either sign "
                "make it fire, also at 0.3 and 1.3 times each"
            )


def varied(profile: str | Profile, **values: Any) -> Profile:
    """Return a profile with single values changed: ``varied("ideal", learning__error_bits=4)``."""
    given = profile if isinstance(profile, Profile) else load_profile(profile)
    data = given.dump()
    for key, value in values.items():
        section, name = key.split("__")
        data[section][name]["value"] = value
    return parse_profile(data, f"{given.name} varied")


def random_quantized(
    model: str, seed: int, profile: str | Profile, *, steps: int = 60, **options: Any
) -> QuantizedNetwork:
    """Quantize a `random_network`, ranges from its own run on `random_spikes`; options as there."""
    net = random_network(model, seed, **options)
    return quantize(net, profile, calibration=random_spikes(seed, 4, steps, net.inputs))


def assert_equal_traces(
    expected: Array,
    got: Array,
    *,
    seed: int,
    layer: str,
    what: str,
    axes: tuple[str, ...] = ("step", "sample", "neuron"),
    case: tuple[QuantizedNetwork, Array] | None = None,
) -> None:
    """Raise MismatchError if two arrays differ anywhere, naming the first entry in the order of `axes`.

    `case` is network and input, written to a folder that the message names, so that the failure can be repeated.
    """
    where = f"seed {seed}, {layer}, {what}"
    if expected.shape != got.shape:
        raise MismatchError(f"{where}: expected shape {expected.shape}, got {got.shape}")
    differs = np.argwhere(expected != got)
    if not len(differs):
        return
    first = tuple(int(i) for i in differs[0])
    names = ", ".join(f"{axis} {i}" for axis, i in zip(axes, first, strict=True))
    saved = f"; case in {keep_case(*case, seed)}" if case else ""
    raise MismatchError(
        f"{where}: first difference at {names}: expected {expected[first]}, got {got[first]} "
        f"({len(differs)} of {expected.size} entries differ){saved}"
    )


def keep_case(qnet: QuantizedNetwork | IntegerNetwork, x: Array, seed: int) -> Path:
    """Write network and input to a new folder: ``network.h5`` (`load` of its class) and ``x.npy``."""
    folder = Path(tempfile.mkdtemp(prefix=f"hypr-neuro-seed{seed}-"))
    qnet.save(folder / "network.h5")
    np.save(folder / "x.npy", x, allow_pickle=False)
    return folder
