"""Handwritten digits, row by row, in float: every rule on the same network.

    python examples/train_digits.py            some minutes
    python examples/train_digits.py --quick    one epoch on few samples

Reference: logistic regression on the pixels reaches 90 % on the same test images (other writers).
"""

from __future__ import annotations

import sys

import hypr_neuro as hn
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import TASKS


def main(quick: bool) -> None:
    """Print test accuracy at the best validation epoch."""
    data = hn.load_data("digits")
    if quick:
        data = data.few(24)
    for rule in ("hypr", "ostl", "eprop", "bptt"):
        net, _ = fit(data, TASKS["digits"], rule=rule, **({"epochs": 1} if quick else {}))
        print(f"{rule:5} {hn.evaluate(net, data).accuracy:.1%}; logistic regression 90 %")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
