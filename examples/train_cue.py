"""Delayed cue: which of two cues was shown before a long silence? In sub-sequences, so memory does not grow with it.

    python examples/train_cue.py            delay of 1,000 steps, a few minutes
    python examples/train_cue.py 4000       another delay
    python examples/train_cue.py --quick    delay of 60 steps, one epoch

A guess is right in half of the cases.
"""

from __future__ import annotations

import sys

import hypr_neuro as hn
from hypr_neuro.workflow.stages import fit
from hypr_neuro.workflow.tasks import TASKS


def main(delay: int, quick: bool) -> None:
    """Print test accuracy for λ = T and λ = 64: the same gradients up to rounding, in other memory."""
    data = hn.load_data("cue", delay=delay, **({"samples": 64} if quick else {}))
    for chunk in (None, 64):
        net, history = fit(data, TASKS["cue"], chunk=chunk, **({"epochs": 1} if quick else {}))
        print(
            f"delay {delay}, λ = {chunk or 'T'}: {hn.evaluate(net, data).accuracy:.1%} after {len(history.epochs)} "
            "epochs; guessing 50 %"
        )


if __name__ == "__main__":
    quick = "--quick" in sys.argv[1:]
    given = [argument for argument in sys.argv[1:] if argument.isdigit()]
    main(60 if quick else int(given[0]) if given else 1000, quick)
