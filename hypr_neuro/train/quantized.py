"""Quantization-aware training: the chip's integers run inside the training loop, real numbers learn.

In every batch the network's weights and neuron parameters, the shadows, become integers by the rules of `quantize`;
these run (`integer_forward`), and the gradient at what they stand for changes the shadows. The scales of states come
from ranges that are measured in float at the start of each epoch, as `quantize` measures them on the same data; those
of weights follow the weights, batch by batch, inside limits that each epoch chooses anew (`weight_limits`). Validation
is that of the integers that `quantize` makes of the network at the end of an epoch, and so are those of the network
that is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.checks import optional_whole, require_number, said
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import convert, measured_ranges
from hypr_neuro.quantizing.ranges import CALIBRATION_SAMPLES
from hypr_neuro.quantizing.weight_calibration import WeightCalibration
from hypr_neuro.quantizing.width_plan import WidthPlan, planned
from hypr_neuro.train.integer_forward import IntegerForward
from hypr_neuro.train.shadow_weights import FEWEST_BITS, MOST_BITS, round_shadows
from hypr_neuro.train.weight_limits import clipped, weight_limits

OPTIONS = (
    "weight_groups",
    "largest_weight",
    "plan",
    "calibration_method",
    "percentile",
    "weight_headroom",
    "accumulator_bits",
)
"""Options of `quantize` that training follows."""


@dataclass(frozen=True)
class QuantizationAware:
    """How integers run inside training.

    Attributes
    ----------
    profile
        The chip: a profile, its name or its file.
    shadow_bits
        Width of the shadow weights, which are rounded stochastically after each update (`train.shadow_weights`), 4 to
        32, such as 16; None for real numbers.
    limit_weights
        Whether weights are clipped to limits at which clipping and rounding together err least, see
        `train.weight_limits`; few bits need it.
    weight_groups, largest_weight, plan, calibration_method, percentile, weight_headroom, accumulator_bits
        As of `quantize`, to which the same ones have to be given afterwards. `calibration_method` "accuracy" is none:
        exponents would have to be tried out in each batch.
    """

    profile: str | Path | Profile
    shadow_bits: int | None = None
    limit_weights: bool = True
    weight_groups: int | str | None = None
    largest_weight: float | None = None
    plan: WidthPlan | Mapping[str, Any] | str | Path | None = None
    calibration_method: str | None = None
    percentile: float | None = None
    weight_headroom: float | None = None
    accumulator_bits: int | None = None

    def __post_init__(self) -> None:
        bits = optional_whole("shadow_bits", self.shadow_bits, FEWEST_BITS)
        if bits is not None and bits > MOST_BITS:
            raise InputError(f"shadow_bits = {bits}, rule: {FEWEST_BITS} to {MOST_BITS}, None for real numbers")
        if self.largest_weight is not None:
            require_number("largest_weight", self.largest_weight)

    @property
    def options(self) -> dict[str, Any]:
        """Options of `quantize` that are given."""
        values = {name: getattr(self, name) for name in OPTIONS}
        return {name: value for name, value in values.items() if value is not None}

    def on(self, net: Network) -> tuple[Profile, dict[str, Any]]:
        """Return the chip with the rules of the plan, and options of `quantizing.convert`.

        Raise InputError for a plan of another network, and for a calibration method that training cannot follow.
        """
        reach = {name: getattr(self, name) for name in ("calibration_method", "percentile", "weight_headroom")}
        profile, options = planned(net, self.profile, self.plan, {"weight_groups": self.weight_groups, **reach})
        groups = options.pop("weight_groups")
        chosen = WeightCalibration.of(**options)
        if chosen.method == "accuracy":
            raise InputError(
                "calibration_method = 'accuracy' with quantized, rule: exponents that follow the weights, batch by "
                "batch; give 'mse', in the plan too if it says so"
            )
        held = {"largest_weight": self.largest_weight, "accumulator_bits": self.accumulator_bits}
        return profile, {"weight_groups": groups, "chosen": chosen, **held}


def quantization_aware(chosen: str | Path | Profile | QuantizationAware) -> QuantizationAware:
    """Return settings as they are, or those of a profile; InputError for what is neither."""
    if not isinstance(chosen, str | Path | Profile | QuantizationAware):
        raise InputError(f"{said('quantized', chosen)}, rule: a profile, its name or its file, or QuantizationAware")
    return chosen if isinstance(chosen, QuantizationAware) else QuantizationAware(chosen)


class Quantizer:
    """Makes the integers of a network in training.

    Parameters
    ----------
    settings : QuantizationAware
        The chip, and how.
    net : Network
        Looked at once, so that what cannot become integers is refused before anything runs.
    data : SequenceData
        Gives the samples on which ranges are measured, see `quantize`.
    """

    def __init__(self, settings: QuantizationAware, net: Network, data: SequenceData) -> None:
        train = np.flatnonzero(data.split == "train")[:CALIBRATION_SAMPLES]
        # all that `quantize` looks at, which may lie in a file larger than memory
        self.settings, self.data = settings, data.take(train) if len(train) else data
        self.profile, self.options = settings.on(net)
        self.limits: dict[int, float] = {}
        for i, p in enumerate(net.populations):
            p.model.require_integer(net.name(i))
        self.calibrate(net)
        self.at(net)

    def calibrate(self, net: Network) -> None:
        """Measure the ranges of states, and choose the limits of weights, with the weights as they are."""
        groups = self.options["weight_groups"]
        self.ranges = measured_ranges(
            net, self.data, weight_groups=groups, largest_weight=self.options["largest_weight"]
        )
        if self.settings.limit_weights:
            qnet, origins = convert(net, self.profile, self.ranges, **self.options)
            self.limits = weight_limits(net, qnet, origins, groups)

    def inside(self, net: Network) -> Network:
        """Return the network whose weights are inside their limits: that whose integers run, and which is kept."""
        return clipped(net, self.limits)

    def at(self, net: Network) -> IntegerForward:
        """Return the integers of the network as it is now, with the ranges that were measured last."""
        return IntegerForward.of(self.inside(net), self.profile, self.ranges, **self.options)

    def integers(self, net: Network) -> QuantizedNetwork:
        """Return the integers that `quantize` makes of the network `inside` now, ranges measured anew."""
        return convert(self.inside(net), self.profile, self.data, **self.options)[0]

    def round(self, net: Network, seed: int, update: int) -> None:
        """Round the shadows after an update, where they have a width."""
        if self.settings.shadow_bits is not None:
            round_shadows(net, self.settings.shadow_bits, seed, update)

    def described(self) -> dict[str, Any]:
        """Return what a checkpoint has to agree with."""
        settings = self.settings
        own = {"shadow_bits": settings.shadow_bits, "limit_weights": settings.limit_weights}
        given = {"weight_groups": self.options["weight_groups"], "largest_weight": settings.largest_weight}
        chosen = self.options["chosen"]
        reach = {} if chosen.plain else {"exponents": asdict(chosen)}
        bits = settings.accumulator_bits
        return {"profile": self.profile.dump()} | own | given | reach | ({} if bits is None else {"sums": bits})
