"""Adding: the sum of two values, each given with a marker somewhere in the sequence; a regression.

    python examples/train_adding.py            100 steps, some minutes: SE-adLIF
    python examples/train_adding.py --quick    one epoch on few samples

Reference: the best constant answer has a mean squared error of 0.167; 0 would be perfect.
"""

from __future__ import annotations

import sys

import hypr_neuro as hn
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import TASKS


def main(quick: bool) -> None:
    """Print the test error of each rule."""
    data = hn.load_data("adding", **({"samples": 64} if quick else {}))
    for rule in ("hypr", "bptt"):
        net, _ = fit(data, TASKS["adding"], rule=rule, **({"epochs": 1} if quick else {}))
        error = hn.evaluate(net, data).squared_error
        print(f"{rule:5} mean squared error {error:.4f}; the best constant has 0.167")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
