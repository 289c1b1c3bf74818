"""Widths of single tensors: what each loses in fewer bits, and the cheapest plan within so many points of accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.doubts import warn_of
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.quantizing.width_plan import WidthPlan, described
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.studies.width_choice import ChosenWidths, choose, measured_of, widths_of
from hypr_neuro.studies.width_sensitivity import Sensitivities, measure, tensors_of
from hypr_neuro.studies.width_trials import COSTS, PLACED, Memory, PairedLoss, WidthTrials, loss_of

KIBIBIT = 8 * 1024


@dataclass(frozen=True, repr=False)
class FoundWidths:
    """What `find_widths` found.

    Attributes
    ----------
    plan
        The chosen widths, for `quantize`.
    steps
        Of each tensor what every width that was tried loses and saves.
    chosen
        The widths with what they lose together.
    before, after
        Memory at the chip's widths and at the chosen ones.
    accuracy, samples, part
        Of the chip's widths, on how many samples of which part.
    test
        What the chosen widths lose on test samples, None where there are none.
    within
        Points that could be lost.
    """

    plan: WidthPlan
    steps: Sensitivities
    chosen: ChosenWidths
    before: Memory
    after: Memory
    accuracy: float
    samples: int
    part: str
    test: PairedLoss | None
    within: float

    headings = ("tensor", "bits", "loss, points", "KiB saved", "chosen")

    def rows(self) -> list[list[str]]:
        """Return one row for each width of each tensor that was tried."""
        return [
            [
                f"{tensor.name}, {tensor.key.removesuffix('_bits')}",
                f"{step.bits}",
                "–" if k == 0 else str(step.loss),
                f"{step.saved / KIBIBIT:.3g}",
                "*" if self.chosen.choice.get(tensor, 0) == k else "",
            ]
            for tensor, steps in self.steps.items()
            for k, step in enumerate(steps)
        ]

    def told_samples(self) -> str:
        """Name the samples that were scored."""
        return f"{self.samples} samples of '{self.part}'"

    def summary(self) -> list[str]:
        """Tell the chosen widths in lines."""
        after, before = self.after.bits(), self.before.bits()
        share = 100.0 * after / max(before, 1)
        weights = 100.0 * self.after.weights / max(self.before.weights, 1)
        lines = [
            f"together: {self.chosen.loss} points lost of {100 * self.accuracy:.2f} % (the program's choice: single "
            f"losses of {self.chosen.predicted:.2f} in all; then {self.chosen.repaired} steps taken back, "
            f"{self.chosen.narrowed} added)",
            f"memory: {after / KIBIBIT:.4g} of {before / KIBIBIT:.4g} KiB ({share:.1f} %), weights "
            f"alone {self.after.weights / KIBIBIT:.4g} of {self.before.weights / KIBIBIT:.4g} KiB ({weights:.1f} %)",
        ]
        if self.test is not None:
            lines.append(f"on test samples, which chose nothing: {self.test} points lost")
        if not any(self.chosen.choice.values()):
            lines.append("no narrower width holds; these are the chip's own")
        return lines

    def doubts(self) -> list[str]:
        """Say where the samples are too few to tell a loss as small as may be lost."""
        error = self.chosen.loss.error
        if not error > self.within:
            return []
        return [
            f"{self.samples} samples tell a loss to ± {error:.2f} points, more than the {self.within:g} that may be "
            "lost: what holds here may not hold elsewhere; choose by more samples (--part train) or a larger --within"
        ]

    def table(self) -> Shown:
        """Return the rows, what came out in the title."""
        return Shown("; ".join(self.summary()), self.headings, [tuple(row) for row in self.rows()])

    __repr__ = as_text
    _repr_html_ = as_html

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON and the report."""
        tensors = [
            {
                "tensor": tensor.name,
                "key": tensor.key,
                "bits": step.bits,
                "loss": step.loss.points,
                "standard_error": step.loss.error,
                "saved_bits": step.saved,
                "chosen": self.chosen.choice.get(tensor, 0) == k,
            }
            for tensor, steps in self.steps.items()
            for k, step in enumerate(steps)
        ]
        test = None if self.test is None else {"loss": self.test.points, "standard_error": self.test.error}
        told = {"summary": self.summary(), "doubts": self.doubts()}
        return {"plan": self.plan.as_dict(), "tensors": tensors, "test": test, **told}


def find_widths(
    net: Network,
    data: SequenceData,
    profile: Profile | str | Path,
    *,
    within: float = 0.5,
    tensors: tuple[str, ...] = ("weight_bits", "state_bits"),
    options: Mapping[str, Any] | None = None,
    part: str = "validation",
    learning: LearnOptions | None = None,
    epochs: int = 1,
    cost: str = PLACED,
    file: str | Path | None = None,
    on_trial: Callable[[int, int], None] | None = None,
) -> FoundWidths:
    """Find what each tensor loses in fewer bits, and the cheapest widths that lose at most so many points together.

    Parameters
    ----------
    net
        The float network.
    data
        With training samples, from which ranges come, and those of `part`.
    profile
        The chip, whose own widths are the widest; rules that it has are kept.
    within
        Points of accuracy that may be lost on the samples of `part`, of a regression of the explained share.
    tensors
        What is made narrower: "weight_bits" of connections; "state_bits", "coefficient_bits" and, with `learning`,
        "eligibility_bits" and "accumulator_bits" of populations.
    options
        How the network is converted, see `width_plan.OPTIONS`; by default with exponents of least squared error.
    part
        Of the data, by which widths are chosen. Where it is not "test", what the choice loses on test samples is told.
    learning, epochs
        How the network learns before each score, and for how many passes; None for not at all.
    cost
        What memory is: "placed", as cores store it, or "numbers", those of weights, states and parameters alone.
    file
        Where trials are kept, so that an interrupted search goes on.
    on_trial
        Called with trials that are done and those that there will be at most before the choice.

    Returns
    -------
    FoundWidths

    Raises
    ------
    InputError
        For data without samples of the part, unknown tensors and options, and what `quantize` refuses.
    """
    require("net", net, Network)
    require("data", data, SequenceData)
    if cost not in COSTS:
        raise InputError(f"cost = {cost!r}, rule: {' or '.join(COSTS)}")
    chip = load_profile(profile)
    total = [0]
    trials = WidthTrials(
        net,
        data,
        chip,
        options={"calibration_method": "mse"} if options is None else options,
        part=part,
        learning=learning,
        epochs=epochs,
        file=None if file is None else Path(file),
        on_trial=None if on_trial is None else lambda done: on_trial(done, total[0]),
    )
    chosen_tensors = tensors_of(trials, tuple(tensors))
    total[0] = 1 + sum(len(t.widths(chip)) - 1 for t in chosen_tensors)
    steps = measure(trials, chosen_tensors, cost)
    chosen = choose(trials, steps, within)
    widths = widths_of(steps, chosen.choice)
    test = None
    if part != "test" and bool(np.any(data.split == "test")):
        test = loss_of(trials.score(trials.integers({}), "test"), trials.score(trials.integers(widths), "test"))
    measured = measured_of(trials, steps, chosen, within)
    if test is not None:
        measured["test"] = {"loss": round(test.points, 4), "standard_error": round(test.error, 4)}
    plan = replace(trials.plan(widths), network=described(net), measured=measured)
    found = FoundWidths(
        plan,
        steps,
        chosen,
        trials.memory({}),
        trials.memory(widths),
        float(trials.figures({}).mean()),
        len(trials.samples),
        part,
        test,
        within,
    )
    warn_of(found.doubts())
    return found
