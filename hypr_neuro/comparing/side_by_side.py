"""Several devices that learn the same, beside the float rule and ordinary float training, over seeds.

Devices compute with the same integers, so that their columns must be equal, bit for bit: weights and neuron parameters
after every epoch, and the outputs of the learned network. Where they are not, the first difference is named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from hypr_neuro.comparing.device_run import DeviceRun, first_difference, run_on_device
from hypr_neuro.comparing.gap import figure_of, weight_distance
from hypr_neuro.comparing.kept import KeptRuns, run_key
from hypr_neuro.comparing.statistics import Interval, Paired, interval, paired
from hypr_neuro.comparing.twin import FloatTwin
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices import require_capability
from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.checks import whole
from hypr_neuro.progress import progress_bar
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import dequantize
from hypr_neuro.quantizing.same import check_same
from hypr_neuro.shown import Shown, as_html, as_text
from hypr_neuro.sim.learning.from_data import options_for
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.train.loop import evaluate, train

RULE, ADAM = "float, same rule", "float, Adam"
SEED_SAYS = (
    "A seed is that of the order of samples and of the random rounding of updates; the start, the data and their split "
    "are the same for all."
)


@dataclass(frozen=True)
class Side:
    """One side over all seeds.

    Attributes
    ----------
    name
        A device's, or one of the two float sides.
    scores
        By seed, after the last epoch: accuracy, or squared error of a regression.
    epochs
        By seed, the scores before learning and after each epoch; of Adam the last one alone.
    distance
        By seed, |w - w_float| / |w_float| to the float side of the same rule; NaN for Adam.
    seconds
        By seed, how long learning took here.
    link
        By seed, what the link to the device carried, see `link.requests.LinkStatistics`; empty of one without a link.
    """

    name: str
    scores: list[float] = field(default_factory=list)
    epochs: list[list[float]] = field(default_factory=list)
    distance: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    link: list[dict[str, float]] = field(default_factory=list)


@dataclass(repr=False)
class SideBySide:
    """Devices and float side by side.

    Attributes
    ----------
    columns
        The devices in the order given, then both float sides.
    seeds
        Those that were run.
    identical
        A sentence for each device but the first: equal to the first one bit for bit, or the first difference.
    differences
        Names of devices that are not equal to the first.
    regression
        Whether scores are squared errors.
    learned
        The network that the first device learned with the first seed.
    """

    columns: list[Side]
    seeds: list[int]
    identical: list[str]
    differences: list[str]
    regression: bool
    learned: QuantizedNetwork | None = None

    def column(self, name: str) -> Side:
        """Return a column by its name."""
        return next(c for c in self.columns if c.name == name)

    @property
    def means(self) -> dict[str, Interval]:
        """Scores over seeds by column."""
        return {c.name: interval(c.scores) for c in self.columns}

    @property
    def tests(self) -> dict[str, Paired]:
        """The first device against both float sides, seed by seed."""
        device, factor = self.columns[0], 1.0 if self.regression else 100.0
        unit = "" if self.regression else " points"
        ours = [factor * s for s in device.scores]
        return {
            name: paired(ours, [factor * s for s in self.column(name).scores], device.name, name, unit)
            for name in (RULE, ADAM)
            if any(c.name == name for c in self.columns)
        }

    def sentences(self) -> list[str]:
        """Return what the columns show, a line each."""
        return [*self.identical, *(test.sentence for test in self.tests.values()), SEED_SAYS]

    def table(self) -> Shown:
        """Return a row a column."""
        rows = [self._row(c) for c in self.columns]
        score = "squared error" if self.regression else "accuracy"
        headings = ("side", score, "95 %", "bootstrap", "distance of weights", "seconds")
        seeds = f"{len(self.seeds)} seed{'s' if len(self.seeds) > 1 else ''}"
        return Shown(f"Devices and float side by side, {seeds}", headings, rows)

    def _row(self, c: Side) -> tuple[str, ...]:
        told = interval(c.scores)

        def shown(value: float) -> str:
            if np.isnan(value):
                return "–"
            return f"{value:.4g}" if self.regression else f"{value:.1%}"

        student = "–" if np.isnan(told.low) else f"{shown(told.low)} to {shown(told.high)}"
        boot = "–" if np.isnan(told.bootstrap_low) else f"{shown(told.bootstrap_low)} to {shown(told.bootstrap_high)}"
        known = [d for d in c.distance if not np.isnan(d)]
        distance = f"{np.mean(known):.3g}" if known else "–"
        return c.name, shown(told.mean), student, boot, distance, f"{np.sum(c.seconds):.1f}"

    __repr__ = as_text
    _repr_html_ = as_html

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "columns": [asdict(c) for c in self.columns],
            "seeds": self.seeds,
            "means": {name: told.as_dict() for name, told in self.means.items()},
            "tests": {name: test.as_dict() for name, test in self.tests.items()},
            "identical": self.identical,
            "differences": self.differences,
            "sentences": self.sentences(),
            "regression": self.regression,
        }


def compare_devices(
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    *,
    devices: Sequence[str] = ("sim",),
    epochs: int = 1,
    options: LearnOptions | None = None,
    part: str = "test",
    seeds: int = 1,
    adam: Mapping[str, Any] | None = None,
    folder: str | Path | None = None,
    on_run: Callable[[int, int, str], None] | None = None,
    progress: bool | None = None,
) -> SideBySide:
    """Let a network learn on several devices, beside the float rule and ordinary float training from the same start.

    Parameters
    ----------
    net
        The float network that was quantized.
    qnet
        What learns.
    data
        What it learns from.
    devices
        Names as `open_device` takes them; each scores by its own runs.
    epochs, options
        Of learning, as of `learn`; the options' rate has to suit, none is searched for.
    part
        Part of the data on which all are scored.
    seeds
        How many, from `options.seed` on.
    adam
        Options of `train` for the column of ordinary training, such as {"rate": 0.01, "batch_size": 16}; the number of
        epochs is the same.
    folder
        Where finished runs are kept: a later call goes on from there and ends with the same numbers.
    on_run
        Called with (runs done, runs, name).
    progress
        Show a bar; None: in terminals and notebooks, unless `on_run` is given.

    Raises
    ------
    InputError
        For options, data or devices that do not fit.
    """
    require("net", net, Network)
    require("qnet", qnet, QuantizedNetwork)
    require("data", data, SequenceData)
    epochs, seeds, names = whole("epochs", epochs, 1), whole("seeds", seeds, 1), list(devices)
    if not names or len(set(names)) < len(names):
        raise InputError(f"devices = {names}, rule: at least one, each of them once")
    options = options_for(options or LearnOptions(), data)
    options.check(qnet)
    check_same(net, qnet)
    for name in names:
        require_capability(name, "learn")
    kept = None if folder is None else KeptRuns(Path(folder))
    columns = {name: Side(name) for name in (*names, RULE, ADAM)}
    result = SideBySide(list(columns.values()), [options.seed + k for k in range(seeds)], [], [], data.regression)
    equal: dict[str, str] = {}
    runs, done = seeds * len(columns), 0
    with progress_bar("compare", progress, on_run) as advance:

        def told(name: str) -> None:
            nonlocal done
            advance(done, runs, name)
            if on_run is not None:
                on_run(done, runs, name)
            done += 1

        for seed in result.seeds:
            seeded, first = replace(options, seed=seed), None
            told(RULE)
            real = _float_rule(columns[RULE], net, qnet, data, epochs, seeded, part, kept)
            for name in names:
                told(name)
                run = run_on_device(name, qnet, data, epochs, seeded, part, kept)
                _note(columns[name], net, qnet, run, real)
                first = first or run
                result.learned = result.learned or run.network(qnet)
                if run is not first and name not in equal:
                    apart = first_difference(first, run)
                    if apart:
                        equal[name] = f"{name} differs from {names[0]}, seed {seed}: {apart}"
            told(ADAM)
            _float_adam(columns[ADAM], net, qnet, data, epochs, seed, part, dict(adam or {}), kept)
    result.differences = list(equal)
    same = f"weights after every epoch ({epochs}), outputs of the learned network, in every seed ({seeds})"
    result.identical = [equal.get(name, f"{name} is identical to {names[0]} bit for bit: {same}") for name in names[1:]]
    return result


def _note(column: Side, net: Network, qnet: QuantizedNetwork, run: DeviceRun, real: dict[str, Any]) -> None:
    """Add a device's run to its column."""
    column.epochs.append(run.scores)
    column.scores.append(run.scores[-1])
    column.seconds.append(run.seconds)
    column.link.extend([run.link] if run.link else [])
    column.distance.append(weight_distance(FloatForm(net, run.network(qnet)).weights(), real))


def _float_rule(
    column: Side,
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    epochs: int,
    options: LearnOptions,
    part: str,
    kept: KeptRuns | None,
) -> dict[str, Any]:
    """Run the device's rule in float; return its weights."""
    key = run_key("float", qnet, data, epochs, part, options)
    held = None if kept is None else kept.read(key)
    if held is None:
        started = time.perf_counter()
        states = FloatTwin(net, qnet, options).learn(data, epochs, part)
        figures: dict[str, Any] = {
            "epochs": [figure_of(s.score) for s in states],
            "seconds": time.perf_counter() - started,
        }
        held = figures, states[-1].weights
        if kept is not None:
            kept.write(key, *held)
    column.epochs.append(held[0]["epochs"])
    column.scores.append(held[0]["epochs"][-1])
    column.seconds.append(held[0]["seconds"])
    column.distance.append(0.0)
    return held[1]


def _float_adam(
    column: Side,
    net: Network,
    qnet: QuantizedNetwork,
    data: SequenceData,
    epochs: int,
    seed: int,
    part: str,
    settings: dict[str, Any],
    kept: KeptRuns | None,
) -> None:
    """Train the float network from the same start as usual: HYPR gradients, Adam, everything that is trainable."""
    key = run_key(f"adam {sorted(settings.items())}", qnet, data, epochs, part, seed)
    held = None if kept is None else kept.read(key)
    if held is None:
        started, real = time.perf_counter(), dequantize(net, qnet)
        folder = None if kept is None else kept.unfinished(key)
        train(real, data, epochs=epochs, seed=seed, checkpoint=folder, progress=False, **settings)
        score = figure_of(evaluate(real, data, part))
        held = {"score": score, "seconds": time.perf_counter() - started}, {}
        if kept is not None:
            kept.write(key, *held)
            rmtree(kept.unfinished(key))
    column.scores.append(held[0]["score"])
    column.epochs.append([held[0]["score"]])
    column.seconds.append(held[0]["seconds"])
    column.distance.append(float("nan"))
