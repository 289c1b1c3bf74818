"""Networks that learn under Lava: chains of layers and graphs, and what they learn from."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from convolutions import quantized_convolutional_network
from resonators import with_resonators

from hypr_neuro.compilers.lava.learning.run import LavaTask
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import quantize
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.options import LearnOptions, as_rate
from hypr_neuro.testing.graphs import random_learning_graph
from hypr_neuro.testing.networks import random_spikes, varied

Array = Any
SEED = int(os.environ.get("HYPR_SEED", "0"))
INPUTS, OUTPUTS = 4, 3
SAMPLES, STEPS = 2, 18
DELAYED = varied("loihi2", learning__eligibility_alignment="delayed", learning__residual_bits=3)
SHADOWED = varied("loihi2", precision__weight_bits=12, learning__residual_bits=4)
"""Shadow weights of 16 bits of weights of 12."""
LATE = varied("loihi2", time__error_latency=3)
NARROW = varied(
    "loihi2",
    learning__error_bits=12,
    learning__signal_bits=5,
    learning__eligibility_bits=14,
    learning__accumulator_bits=12,
)


def network(neurons: tuple[str, ...], profile: Profile | str = "loihi2", **params: float) -> QuantizedNetwork:
    """A layer of each neuron, recurrent and biased, its weights raised until more than a share of 0.03 fires.

    params : of the last layer's neurons
    """
    layers: list[dict[str, Any]] = [{"neuron": n, "size": 5, "recurrent": True, "bias": True} for n in neurons]
    layers[-1]["params"] = params
    net = Network.build({"inputs": INPUTS, "outputs": OUTPUTS, "layers": layers, "readout": {"bias": True}}, SEED)
    x = random_spikes(SEED, 4, 60, INPUTS)
    for i, layer in enumerate(net.layers[:-1]):
        for _ in range(12):
            qnet = quantize(net, profile, calibration=x)
            if simulate(qnet, x, ["spikes"]).rates[net.name(i)] > 0.03:
                break
            layer.weight[...] = 2 * np.abs(layer.weight)
    return qnet


def chain_tasks() -> dict[str, LavaTask]:
    """1,000 device steps of four neurons, by sample and by step; then everything else at once; then a stream."""
    rng = np.random.default_rng(SEED)
    x = random_spikes(SEED + 1, 4, 247, INPUTS)
    label = rng.integers(0, OUTPUTS, (4, 247))
    # no width is large enough for what happens
    narrow = varied(
        "loihi2",
        learning__eligibility_alignment="delayed",
        learning__momentum_bits=20,
        learning__residual_bits=4,
        learning__error="linear",
        learning__eligibility_bits=14,
        learning__accumulator_bits=14,
        learning__signal_bits=8,
        learning__error_bits=12,
        time__error_latency=2,
    )
    all_of_it = LearnOptions(
        rate=4.0,
        rule="layer",
        momentum=2,
        feedback="random",
        update_on="step",
        update_every=9,
        parameters=("all",),
        parameter_rate=8.0,
        seed=4,
    )
    some = LearnOptions(
        rate=2.0,
        rule="sign",
        update_on="step",
        update_every=17,
        layers=("layers.0", "readout"),
        parameters=("layers.0.tau_u",),
    )
    return {
        "samples": LavaTask(
            network(("brf", "alif")),
            x,
            label[:, 0],
            rng.random((4, 247)) < 0.7,
            rates=[(as_rate(r), as_rate(1.0)) for r in (4.0, 2.0, 1.0, 0.5)],
        ),
        "steps": LavaTask(
            network(("lif", "se_adlif"), SHADOWED),
            x,
            label,
            options=LearnOptions(rate=1.0, update_on="step", update_every=40),
        ),
        "everything": LavaTask(
            network(("brf", "lif"), narrow, vth=0.05), x[:2, :90] * 3, label[:2, :90], options=all_of_it
        ),
        "stream": LavaTask(
            network(("se_adlif", "brf"), varied("loihi2", learning__error="sign")),
            x[:1, :200],
            label[:1, :200],
            options=some,
            stream=True,
        ),
    }


def task(qnet: QuantizedNetwork, seed: int = 0, stream: bool = False, **options: Any) -> LavaTask:
    samples, steps = (1, 2 * STEPS) if stream else (SAMPLES, STEPS)
    rng = np.random.default_rng([seed, 3])
    chosen = LearnOptions(**{"rate": 3.0, "parameter_rate": 5.0, "seed": seed} | options)
    return LavaTask(
        qnet,
        random_spikes(seed, samples, steps, qnet.inputs),
        rng.integers(0, qnet.output_size, (samples, steps)),
        rng.random((samples, steps)) < 0.8,
        chosen,
        stream=stream,
    )


def graph_tasks() -> dict[str, LavaTask]:
    everything: dict[str, Any] = {"parameters": ("all",)}
    alone = random_learning_graph(3, DELAYED)
    return {
        "delayed": task(random_learning_graph(24, DELAYED), 24, feedback="random", rule="layer", **everything),
        "late errors": task(random_learning_graph(7, LATE), 7, update_every=7, update_on="step", **everything),
        "narrow": task(random_learning_graph(30, NARROW), 30, rule="sgd", rate=500.0),
        "stream of a graph": task(
            random_learning_graph(36, DELAYED), 36, True, update_every=5, update_on="step", **everything
        ),
        "one connection": task(alone, 3, layers=(alone.connection_names()[0],)),
        "convolution": task(quantized_convolutional_network(), layers=("hidden", "image -> out"), feedback="random"),
        "numbers": task(random_learning_graph(1, LATE, graded=True), 1, **everything),
        "numbers, delayed": task(random_learning_graph(5, DELAYED, graded=True), 5, feedback="random", rule="layer"),
        "aside": task(with_resonators(random_learning_graph(33, LATE)), 33),
    }
