"""Learning in integers beside the same learning as Lava processes, under Lava's CPU runtime.

    python benchmarks/lava_learning.py [--quick]

Network, data, options and numbers are the same: the weights after every update are equal, or the program stops.
"""

from __future__ import annotations

import sys

import numpy as np
from timing import best

import hypr_neuro as hn
from hypr_neuro.compilers.lava.learning.run import LavaTask, learn_all_in_lava
from hypr_neuro.errors import MissingPackageError
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions, as_rate

INPUTS, SIZE, OUTPUTS, INPUT_RATE = 4, 36, 6, 0.3
UPDATE_EVERY = 100


def lava_learning(quick: bool) -> None:
    """Seconds a step of both, best of several blocks."""
    steps = 610 if quick else 4010
    qnet, x, label = _task(steps)
    options = LearnOptions(update_on="step", update_every=UPDATE_EVERY)
    weights = _weights_after_updates(qnet, x, label, options)
    before = _each(qnet, x, label, options)
    print(
        f"\nlearn, ECG network, BRF {SIZE} recurrent, {INPUTS} inputs, {OUTPUTS} outputs, batch 1, an update every "
        f"{UPDATE_EVERY} steps, beside Lava's CPU runtime; best blocks"
    )
    try:
        task = LavaTask(qnet, x[None], label[None], options=options, stream=True, record=False)
        lava = learn_all_in_lava({"ecg": task})["ecg"]
    except MissingPackageError:
        print(f"  {before * 1e6:.2f} µs a step; Lava is not installed here")
        return
    for name, after in lava.weights.items():
        assert np.array_equal(after, weights[name]), f"Lava and the simulator learn other weights: {name}"
    each, theirs, median = min(before, _each(qnet, x, label, options)), lava.seconds.min(), np.median(lava.seconds)
    print(
        f"  {each * 1e6:.2f} µs a step; Lava {theirs * 1e3:.2f} ms (median {median * 1e3:.2f}), {theirs / each:,.0f} "
        f"times as long; equal weights after each of {steps // UPDATE_EVERY} updates"
    )


def _task(steps: int) -> tuple[QuantizedNetwork, np.ndarray, np.ndarray]:
    """The network, about 5 % of whose neurons fire, input (steps, channel) and labels that change every 50 steps."""
    layer = {"neuron": "brf", "size": SIZE, "recurrent": True, "bias": True, "params": {"omega": [3, 5]}}
    net = hn.Network.build({"inputs": INPUTS, "outputs": OUTPUTS, "layers": [layer]}, seed=0)
    net.layers[0].weight *= 20.0
    rng = np.random.default_rng(0)
    x = (rng.random((steps, INPUTS)) < INPUT_RATE).astype(np.int32)
    label = np.repeat(rng.integers(0, OUTPUTS, -(-steps // 50)), 50)[:steps]
    return hn.quantize(net, "loihi2", calibration=x[None, :600]), x, label


def _weights_after_updates(
    qnet: QuantizedNetwork, x: np.ndarray, label: np.ndarray, options: LearnOptions
) -> dict[str, np.ndarray]:
    """(updates, n, m) of each connection, by the simulator's learner."""
    learner, seen = Learner(qnet.copy(), options), []
    # before an update stands what the last one left
    learner.before_update = lambda learner: seen.append({k: w.copy() for k, w in learner.qnet.weights().items()})
    learner.stream(x, label, np.ones(len(x), bool), as_rate(options.rate))
    after = [*seen[1:], learner.qnet.weights()]
    return {name: np.array([w[name] for w in after]) for name in qnet.weights()}


def _each(qnet: QuantizedNetwork, x: np.ndarray, label: np.ndarray, options: LearnOptions) -> float:
    """Seconds a step of a learner that goes on with the stream."""
    learner, scored, rate = Learner(qnet.copy(), options), np.ones(len(x), bool), as_rate(options.rate)
    return best(lambda: learner.stream(x, label, scored, rate), 10) / len(x)


if __name__ == "__main__":
    lava_learning("--quick" in sys.argv[1:])
