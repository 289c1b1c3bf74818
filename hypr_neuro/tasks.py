"""Settings that suit a data set: network, training, learning on the chip. What the command line uses by default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.sim.learn import LearnOptions


@dataclass(frozen=True)
class Task:
    """network : spec without inputs and outputs. epochs, batch_size, rate : float training with Adam, falling rate

    training : other options of `train`, such as the loss
    start_rate : firing rate to which start weights are scaled, 0 to leave them (see `train.initial`)
    scratch, fine_tuning : learning on the chip, with the epochs of each. simulate_in_lava : samples run in Lava
    """

    network: dict[str, Any]
    epochs: int
    batch_size: int
    rate: float
    training: dict[str, Any] = field(default_factory=dict)
    start_rate: float = 0.0
    scratch: LearnOptions = field(default_factory=lambda: LearnOptions(rate=0.5, decay=0.6))
    scratch_epochs: int = 3
    fine_tuning: LearnOptions = field(default_factory=lambda: LearnOptions(rate=0.1, decay=0.5))
    fine_tuning_epochs: int = 3
    simulate_in_lava: int = 2

    def spec(self, data: SequenceData) -> dict[str, Any]:
        """The network's spec for this data."""
        return {"inputs": data.channels, "outputs": data.classes} | self.network


def _brf(size: int, omega: list[float], tau: list[float]) -> dict[str, Any]:
    layer = {"neuron": "brf", "size": size, "recurrent": True, "bias": True}
    return {"layers": [layer | {"params": {"omega": omega, "b_offset": [0.1, 1.0]}}], "readout": {"tau": tau}}


TASKS: dict[str, Task] = {
    # period of ω: 2π/(δω) steps; 5..30 is 126..21 steps, the time an image takes down to a few rows
    "digits": Task(_brf(96, [5.0, 30.0], [7.0, 13.0]), epochs=25, batch_size=16, rate=0.01, scratch_epochs=2),
    # network and optimizer of Higuchi et al. 2024, fewer epochs
    "ecg": Task(_brf(36, [3.0, 5.0], [15.0, 25.0]), epochs=100, batch_size=16, rate=0.1,
                scratch=LearnOptions(rate=0.5, decay=0.75), scratch_epochs=5,
                fine_tuning=LearnOptions(rate=0.2, decay=0.5), fine_tuning_epochs=2, simulate_in_lava=1),
}  # fmt: skip

OWN_DATA = Task(_brf(64, [4.0, 30.0], [10.0, 20.0]), epochs=40, batch_size=16, rate=0.02, start_rate=0.03)


def task_for(data: SequenceData) -> Task:
    """The settings for a known data set, or those for a user's own sequences."""
    return TASKS.get(data.name, OWN_DATA)
