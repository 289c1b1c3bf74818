"""Exponents chosen by accuracy: each connection's so many halvings below the one at which its largest weight fits.

Connections are tried one after the other, in the network's order. Each keeps the number of halvings with which the
validation samples are answered best, the fewest where several are equal. What is scored is the float network with the
weights and neuron parameters that the integers stand for, so that nothing but their rounding and clipping is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypr_neuro.data.score import predict, score_answers
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.ranges import Calibration
from hypr_neuro.quantizing.weight_calibration import WeightCalibration, few_levels
from hypr_neuro.quantizing.width_plan import rule_names
from hypr_neuro.run.run_float import run_float

if TYPE_CHECKING:
    from hypr_neuro.quantizing.network import QuantizedNetwork

MOST_SHIFT = 3
"""Halvings below the largest weight that are tried."""
Convert = Callable[..., "tuple[QuantizedNetwork, Any]"]


def best_clipping(
    net: Network, profile: Profile, calibration: Calibration | None, chosen: WeightCalibration, convert: Convert
) -> WeightCalibration:
    """Return how exponents are chosen with which the validation samples of `calibration` are answered best.

    Parameters
    ----------
    net, profile
        What is converted, and for which chip.
    calibration
        Data with the parts "train", from which ranges of states come, and "validation".
    chosen
        Of method "accuracy".
    convert
        As `quantize.convert`.

    Raises
    ------
    InputError
        Unless `calibration` is data with validation samples.
    """
    if not isinstance(calibration, SequenceData) or not (calibration.split == "validation").any():
        raise InputError(
            "calibration_method = 'accuracy', rule: calibration is data with samples of the part 'validation'; give "
            "such data, or calibration_method='mse'"
        )
    samples = calibration.part("validation")
    plain = replace(chosen, method="max")

    def score(shifts: dict[str, int]) -> float:
        qnet, _ = convert(net, profile, calibration, chosen=replace(plain, shifts=shifts))
        seen = FloatForm(net, qnet, rounded=True).seen
        return score_answers(predict(run_float(seen, samples.x, ()).readout, samples), samples).figure

    shifts: dict[str, int] = {}
    best = score(shifts)
    for names in rule_names(net):
        if few_levels(profile.of(*names)):
            continue
        for shift in range(1, MOST_SHIFT + 1):
            trial = {**shifts, **dict.fromkeys(names[:-1], shift)}
            figure = score(trial)
            if figure > best:
                best, shifts = figure, trial
    return replace(plain, shifts=shifts)
