"""A chip of your own in one YAML file: how much accuracy do narrower weights cost?

python examples/own_chip.py            about half a minute
python examples/own_chip.py --quick    a few seconds
"""

from __future__ import annotations

import sys
from pathlib import Path

import hypr_neuro as hn
from hypr_neuro.comparing.compare import compare_inference
from hypr_neuro.workflow.tasks import TASKS

CHIP = Path(__file__).with_name("own_chip.yaml")


def main(quick: bool) -> None:
    """Print float and integer accuracy and the cores used, for Loihi 2 and the own chip."""
    data, task = hn.load_data("digits"), TASKS["digits"]
    net = hn.Network.build(task.spec(data), seed=0)
    hn.train(net, data, epochs=1 if quick else 15, rate=task.rate)
    for chip in ("loihi2", CHIP):
        qnet = hn.quantize(net, chip, calibration=data)
        both = compare_inference(net, qnet, data)
        print(
            f"{qnet.profile.name:9} {qnet.profile.precision.weight_bits.value} bit weights: "
            f"float {both.float_score.accuracy:.1%}, integer {both.integer_score.accuracy:.1%}, "
            f"{hn.place(qnet).used} cores"
        )


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
