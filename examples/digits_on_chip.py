"""From handwritten digits to learning on a chip, in Python: train, quantize, simulate, learn.

    python examples/digits_on_chip.py            about a minute
    python examples/digits_on_chip.py --quick    a few seconds, accuracy does not matter

Reference: logistic regression on the pixels reaches 90 % on the same test images (other writers).
"""

from __future__ import annotations

import sys

import numpy as np

import hypr_neuro as hn

SPEC = {
    "inputs": 64,
    "outputs": 10,
    "layers": [{"neuron": "brf", "size": 96, "params": {"omega": [5, 30], "b_offset": [0.1, 1]}}],
    "readout": {"neuron": "li", "tau": [7, 13]},
}


def main(quick: bool) -> None:
    """Print the accuracy of each stage."""
    data = hn.load_data("digits")
    net = hn.Network.build(SPEC, seed=0)
    hn.train(net, data, rule="hypr", epochs=1 if quick else 25, batch_size=16, rate=0.01)
    print(f"float          {hn.evaluate(net, data).accuracy:.1%}")

    qnet = hn.quantize(net, "loihi2", calibration=data)
    print(*qnet.explain(), sep="\n")
    test = data.part("test")
    trace = hn.simulate(qnet, test.x, record=("spikes",))
    scores = (trace.readout * test.mask[:, :, None]).sum(axis=1)
    print(f"integer        {(scores.argmax(axis=1) == test.y).mean():.1%}, spikes {trace.spikes['layers.0'].shape}")
    print(f"cores          {hn.place(qnet, learning=True).used}")

    if quick:
        train = np.flatnonzero(data.split == "train")
        data = data.take(train[:40])
    run = hn.learn(qnet, data, epochs=1, rate=0.2, seed=0)
    scores = (hn.simulate(run.qnet, test.x).readout * test.mask[:, :, None]).sum(axis=1)
    print(f"after learning {(scores.argmax(axis=1) == test.y).mean():.1%}")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
