"""Everything that decides how a training run goes on, and how its rate falls."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import cos, pi
from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.checks import require_number
from hypr_neuro.train.losses import RatePenalty


@dataclass(frozen=True)
class Options:
    """Everything that decides how a run goes on; see `train`."""

    rule: str | dict[str, Any]
    epochs: int
    batch_size: int
    chunk: int | None
    seed: int
    optimizer: str | dict[str, Any]
    rate: float
    schedule: str
    loss: str
    clip: float | None
    patience: int | None
    average: float | None
    penalty: RatePenalty | None
    feedback: str
    dtype: str
    update_every: int | None
    quantized: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, str) or self.schedule not in SCHEDULES:
            raise InputError(f"schedule = {self.schedule!r:.60}, rule: one of {', '.join(SCHEDULES)}")
        for name in ("rate", "clip", "average"):
            if getattr(self, name) is not None:
                require_number(name, getattr(self, name))
        try:
            json.dumps(asdict(self))
        except TypeError as error:
            raise InputError(f"options of training are plain numbers and text: {error}") from error
        if self.clip is not None and not self.clip > 0:
            raise InputError(f"clip = {self.clip}, rule: positive")
        if self.average is not None and not 0 <= self.average < 1:
            raise InputError(f"average = {self.average}, rule: 0 <= average < 1")

    def described(self) -> dict[str, Any]:
        """Give what a checkpoint has to agree with, as it comes back from one.

        Options that 0.1 did not have stand in it only where they are set.
        """
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {k: v for k, v in values.items() if v is not None or k not in ("update_every", "quantized")}


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1.0 + cos(pi * done)),
    "linear": lambda done: 1.0 - done,
}
"""Factor on the rate when that share of all updates is done."""
