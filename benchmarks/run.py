"""Benchmarks: ratios measured side by side in one run, with the roofline each is held against.

    python benchmarks/run.py [--quick]

Every figure is the best of several repetitions in this process, on this machine, at this moment; only the ratios are
worth quoting. The roofline is what one core does in a loop of nothing but sums and products.
"""

from __future__ import annotations

import sys

from lava_learning import lava_learning
from learning import learning
from simulation import simulation
from studies import studies
from training import training


def main() -> None:
    """Run all of it."""
    quick = "--quick" in sys.argv[1:]
    simulation(quick)
    learning(quick)
    lava_learning(quick)
    training(quick)
    studies(quick)


if __name__ == "__main__":
    main()
