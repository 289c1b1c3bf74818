"""The gap between learning on a device and in float, split by cause.

Every rung of the ladder is the same integer learner: the network with some causes on and all others as wide as the
integers can be. The lowest rung has none of them on, the highest is the device's own run, bit for bit. What is between
float and the lowest rung has a name, too: the rest. So the parts add up to the whole gap, whatever they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from hypr_neuro.comparing.causes import REST, Ladder, Switch
from hypr_neuro.comparing.gap_split import FIGURES, GapPart, GapSplit, GapSplits, Rung, difference
from hypr_neuro.comparing.kept import KeptRuns, integer_digest, run_key
from hypr_neuro.comparing.probes import by_value, cosine_of, integer_gradients
from hypr_neuro.comparing.scales import scales_of
from hypr_neuro.comparing.twin import FloatTwin, arrays_of
from hypr_neuro.comparing.widening import Widening
from hypr_neuro.data.score import Score, score_readout
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import whole
from hypr_neuro.progress import progress_bar
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.from_data import options_for
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.sim.learning.learner import Learner
from hypr_neuro.sim.learning.options import LearnOptions

PROBED = 8
"""Training samples over which gradients are compared."""
Told = Callable[[int, int, str], None]


def split_gap(
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    *,
    epochs: int = 1,
    options: LearnOptions | None = None,
    part: str = "test",
    seeds: int = 1,
    alone: bool = True,
    folder: str | Path | None = None,
    on_run: Told | None = None,
    progress: bool | None = None,
) -> GapSplits:
    """Split the gap between learning in a device's integers and in float by cause.

    Parameters
    ----------
    net
        The float network that was quantized.
    qnet
        Its integers as quantizing made them.
    data
        What both learn from.
    epochs, options
        Of learning, as of `compare`.
    part
        Part of the data on which all are scored.
    seeds
        How many, from `options.seed` on; a seed is that of the order of samples and of random rounding.
    alone
        Whether each cause is measured by itself, too, which takes twice as many runs.
    folder
        Where finished runs are kept: a later call goes on from there and ends with the same numbers.
    on_run
        Called with (runs done, runs, name).
    progress
        Show a bar; None: in terminals and notebooks, unless `on_run` is given.

    Returns
    -------
    GapSplits

    Raises
    ------
    InputError
        For options or data that do not fit, and for networks that cannot be made wider, see `widening.Widening`.
    """
    require("net", net, Network)
    require("qnet", qnet, QuantizedNetwork)
    require("data", data, SequenceData)
    epochs, seeds = whole("epochs", epochs, 1), whole("seeds", seeds, 1)
    options = options_for(options or LearnOptions(), data)
    options.check(qnet)
    widening = Widening(net, qnet)
    splits: list[GapSplit] = []
    with progress_bar("causes", progress, on_run) as advance:

        def told(done: int, total: int, name: str) -> None:
            advance(len(splits) * total + done, seeds * total, name)
            if on_run is not None:
                on_run(len(splits) * total + done, seeds * total, name)

        for k in range(seeds):
            seeded = replace(options, seed=options.seed + k)
            kept = None if folder is None else KeptRuns(Path(folder) / f"seed_{seeded.seed}")
            splits.append(_Split(net, widening, data, epochs, seeded, part, kept).run(alone, told))
    return GapSplits(splits)


class _Split:
    """The runs of one seed."""

    def __init__(
        self,
        net: Network,
        widening: Widening,
        data: SequenceData,
        epochs: int,
        options: LearnOptions,
        part: str,
        kept: KeptRuns | None,
    ) -> None:
        self.net, self.data, self.epochs, self.options = net, data, epochs, options
        self.part, self.kept, self.ladder = part, kept, Ladder(widening, options)
        self.train = data.part("train").take(np.arange(min(PROBED, len(data.part("train")))))
        self.widest, self.wide_options = self.ladder.at(())
        self.done: dict[tuple[str, ...], Rung] = {}

    def run(self, alone: bool, told: Told) -> GapSplit:
        active = self.ladder.active
        total, count = 2 + len(active) * (1 + alone), 0

        def next_run(name: str) -> None:
            nonlocal count
            told(count, total, name)
            count += 1

        next_run("float")
        self.gradients = self._float_gradients()
        self.weights, float_score = self._float()
        rungs = {"float": Rung((), float_score, 0.0, 1.0)}
        next_run(REST)
        rungs[REST] = below = self._rung(())
        parts = [_rest(difference(below, rungs["float"]))]
        on: tuple[str, ...] = ()
        for switch in self.ladder.switches:
            name = switch.cause.name
            if switch.reason:
                parts.append(_part(switch, switch.reason, {}, {}))
                continue
            on = (*on, name)
            next_run(name)
            try:
                rung = self._rung(on)
            except InputError as error:
                # with this cause on and the later ones wide the integers do not go together; it counts with the next
                parts.append(_part(switch, f"not by itself: {error}; it counts with the next cause", {}, {}))
                continue
            rungs[name], added = rung, difference(rung, below)
            below, by_itself = rung, {}
            if alone:
                next_run(f"only {name}")
                try:
                    rungs[f"only {name}"] = only = self._rung((name,))
                    by_itself = difference(only, rungs[REST])
                except InputError:
                    by_itself = {}
            parts.append(_part(switch, "", added, by_itself))
        told(total, total, "")
        return GapSplit(parts, rungs, self.data.regression, self.options.seed)

    def _float(self) -> tuple[dict[str, Array], float]:
        """Return weights and score of the float rule, which nothing delays."""
        key = self._key("float", self.widest, self.wide_options)
        held = None if self.kept is None else self.kept.read(key)
        if held is None:
            twin = FloatTwin(self.net, self.widest, replace(self.wide_options, noise=()))
            last = twin.learn(self.data, self.epochs, self.part)[-1]
            held = {"score": figure_of(last.score)}, last.weights
            if self.kept is not None:
                self.kept.write(key, *held)
        return held[1], float(held[0]["score"])

    def _rung(self, on: tuple[str, ...]) -> Rung:
        if on in self.done:
            return self.done[on]
        qnet, options = self.ladder.at(on)
        key = self._key("+".join(on) or REST, qnet, options)
        held = None if self.kept is None else self.kept.read(key)
        if held is None:
            checkpoint = None if self.kept is None else self.kept.unfinished(key)
            run = learn(qnet, self.data, epochs=self.epochs, options=options, checkpoint=checkpoint, progress=False)
            figures: dict[str, Any] = {
                "on": list(on),
                "score": self._score(run.qnet),
                "distance": weight_distance(FloatForm(self.net, run.qnet).weights(), self.weights),
                "cosine": self._cosine(qnet, options),
                "digest": integer_digest(run.qnet),
            }
            held = figures, {}
            if self.kept is not None:
                self.kept.write(key, *held)
                rmtree(self.kept.unfinished(key))
        told = held[0]
        rung = Rung(tuple(told["on"]), told["score"], told["distance"], told["cosine"], told["digest"])
        self.done[on] = rung
        return rung

    def _key(self, name: str, qnet: QuantizedNetwork, options: LearnOptions) -> str:
        return run_key(name, qnet, self.data, self.epochs, self.part, options)

    def _score(self, qnet: QuantizedNetwork) -> float:
        chosen = self.data.part(self.part)
        readout = qnet.for_score(simulate(qnet, chosen.x).readout, regression=self.data.regression)
        return figure_of(score_readout(readout, chosen))

    def _float_gradients(self) -> list[dict[str, Array]]:
        twin = FloatTwin(self.net, self.widest, replace(self.wide_options, update_on="sample", noise=()))
        samples = (self.train.take(np.array([i])) for i in range(len(self.train)))
        return [by_value(twin.form, twin.plan, twin.gradients(sample)) for sample in samples]

    def _cosine(self, qnet: QuantizedNetwork, options: LearnOptions) -> float:
        """Compare the first gradients with float's."""
        learner = Learner(qnet.copy(), replace(options, update_on="sample", update_every=len(self.train) + 1))
        scales = scales_of(FloatForm(self.net, learner.plan.qnet), learner.plan)
        found = []
        for i, real in enumerate(self.gradients):
            ours = integer_gradients(learner, *arrays_of(self.train.take(np.array([i]))))
            found += [cosine_of(g.reshape(len(g), -1), real[k], 1 / scales[k]) for k, g in ours.items()]
        known = [c for c in found if not np.isnan(c)]
        return float(np.mean(known)) if known else float("nan")


def figure_of(score: Score) -> float:
    """Return the accuracy, or the squared error of a regression."""
    return score.accuracy if score.squared_error is None else score.squared_error


def weight_distance(ours: dict[str, Array], real: dict[str, Array]) -> float:
    """Return |ours - real| / |real| over all connections, NaN where all are 0."""
    apart = sum(float(np.sum((w - real[name]) ** 2)) for name, w in ours.items())
    total = sum(float(np.sum(w**2)) for w in real.values())
    return float(np.sqrt(apart / total)) if total > 0 else float("nan")


def _rest(added: dict[str, float]) -> GapPart:
    words = "what is left with everything as wide as the integers can be"
    return GapPart(REST, words, "float to integers of the widest form", "", added, {})


def _part(switch: Switch, reason: str, added: dict[str, float], alone: dict[str, float]) -> GapPart:
    nothing = dict.fromkeys(FIGURES, 0.0)
    return GapPart(switch.cause.name, switch.cause.words, switch.said, reason, added or nothing, alone)
