"""Integer learning: time a step and synapse, against what one core's vectors can do."""

from __future__ import annotations

import numpy as np
from timing import best

import hypr_neuro as hn
from hypr_neuro.neurons import get_model
from hypr_neuro.neurons.structure import structure
from hypr_neuro.numbers.compiling import compile_kernel
from hypr_neuro.numbers.lanes import lane32
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate


def _lanes(x: np.ndarray, c: int, rounds: int) -> None:
    for _ in range(rounds):
        for i in range(np.uintp(x.shape[0])):
            v, w = lane32(x[i]), lane32(x[i]) + 1
            for _ in range(8):
                v = (v * c + w) ^ (w >> 1)
                w = (w * c + v) ^ (v >> 1)
            x[i] = v ^ w


def lane_rate() -> float:
    """Operations a second of one core on 32-bit integers in registers: a product to a sum, a shift and an xor, about
    the mix of learning."""
    kernel, x = compile_kernel(_lanes, disjoint=True), np.ones(1024, np.int32)
    return 1024 * 64 * 500 / best(lambda: kernel(x, 3, 500))


def operations(name: str) -> int:
    """32-bit operations a synapse and step, loads and stores left out.

    Two products and sums for each entry that meets an eligibility in two parts, a sum and product for b·pre, two for
    g·e; numbers are split (2), and rows, e and gradient rounded (3), clamped (2) and compared (1).
    """
    found = structure(get_model(name))
    rows, effects, spikes = len(found.A), sum(found.C), sum(found.F)
    products = 2 * (sum(map(sum, found.A)) + spikes + effects + sum(found.C_prev)) + sum(found.B) + 2
    return 2 * products + 2 * (rows + effects + (spikes > 0) + 1) + 6 * (rows + 2)


def network(neuron: str, inputs: int, size: int, outputs: int) -> hn.QuantizedNetwork:
    """A recurrent network that fires, in integers of profile loihi2."""
    params = {"omega": [3, 5]} if neuron == "brf" else {}
    layer = {"neuron": neuron, "size": size, "recurrent": True, "bias": neuron != "lif", "params": params}
    net = hn.Network.build({"inputs": inputs, "outputs": outputs, "layers": [layer]}, seed=0)
    ranges = {"layers.0.input": 24.0, "layers.0.recurrent": 12.0, "readout.input": 8.0}
    states = {"layers.0": 30.0, "readout": 12.0}
    qnet = hn.quantize(net, "loihi2", calibration=states, weight_range=ranges)
    rng = np.random.default_rng(1)
    for weights in qnet.weights().values():
        weights[...] = rng.integers(-40, 41, weights.shape)
    return qnet


def learning(quick: bool) -> None:
    """Samples of the ECG task's shape and wider ones, updates included."""
    rng, peak = np.random.default_rng(0), lane_rate()
    steps = 130 if quick else 1300
    print(
        f"\nlearn in integers, one core, batch 1, profile loihi2: weights 8 bits, states 24, coefficients 16, "
        f"eligibilities 24 (nearest), error and signal 16, accumulators 31; roofline {peak / 1e9:.0f} G operations "
        "a second (32 bit)"
    )
    cases = [
        ("brf", 4, 36),
        ("brf", 64, 96),
        ("brf", 139, 256),
        ("lif", 140, 256),
        ("alif", 139, 256),
        ("se_adlif", 139, 256),
    ]
    for neuron, inputs, size in cases:
        qnet = network(neuron, inputs, size, 6)
        x = (rng.random((steps, inputs)) < 0.1).astype(np.int8)
        label, scored = rng.integers(0, 6, steps), np.ones(steps, bool)
        chip = Learner(qnet, LearnOptions())
        each = best(lambda c=chip, x=x, y=label, s=scored: c.sample(x, y, s, as_rate(0.01)), 9) / steps
        synapses, fan_in = size * chip.plan.layers[0].synapses, chip.plan.layers[0].synapses
        share = operations(neuron) * synapses / each / peak
        firing = chip.simulator.populations[0].outputs.mean()
        print(
            f"  {neuron:9} {size:4} neurons, fan-in {fan_in:4}, firing {firing:5.1%}: {each * 1e6:7.2f} µs a step, "
            f"{each / synapses * 1e9:5.2f} ns a synapse, {operations(neuron)} operations each: "
            f"{share:.0%} of the roofline"
        )
