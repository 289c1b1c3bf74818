"""One network in integers at many widths, scored on the same samples: what `widths` measures.

Of a trial the figure of every sample is kept: the share of its scored steps that are right, 0 or 1 where a sample has
one label, and of a regression 1 minus its squared error over that of the mean answer. The loss of a trial against
another is the mean of the differences sample by sample, in points of 100, and its standard error that of these
differences: what is hard for both cancels.

    loss = 100 · mean_i(f_i - g_i),   se = 100 · std_i(f_i - g_i) / sqrt(n)

Trials are kept in a file as they end. One that stands there is not run again, so that an interrupted search goes on
where it was, with the same numbers.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.score import mean_error, predict
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, HyprWarning, InputError
from hypr_neuro.files.store import write_text
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.placement.learning_memory import neuron_bits
from hypr_neuro.placement.place import place
from hypr_neuro.profiles.override import overridden
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.quantize import measured_ranges, quantize
from hypr_neuro.quantizing.width_plan import WidthPlan
from hypr_neuro.sim.engine import simulate
from hypr_neuro.sim.learning.learn import learn
from hypr_neuro.sim.learning.options import LearnOptions

Widths = Mapping[tuple[str, str], int]
"""Bits by (name of a population or connection, key), such as ("layers.0.recurrent", "weight_bits")."""
FILE_VERSION = 1
PLACED, NUMBERS = "placed", "numbers"
COSTS = (PLACED, NUMBERS)
"""What memory is: as cores store it, or the numbers alone."""


@dataclass(frozen=True)
class PairedLoss:
    """Points of accuracy that are lost against another trial, with the standard error over samples."""

    points: float
    error: float

    def __str__(self) -> str:
        return f"{self.points:.2f} ± {self.error:.2f}"


@dataclass(frozen=True)
class Memory:
    """Bits that a network takes on a chip.

    Attributes
    ----------
    weights
        Of the weights alone.
    placed
        Of synapses as cores store them, with indices and headers, and of learning where it is counted.
    neurons
        Of states and parameters of neurons.
    """

    weights: int
    placed: int
    neurons: int

    def bits(self, cost: str = PLACED) -> int:
        """Count all of it as placed, or the numbers alone, without indices, headers and whole words."""
        return (self.placed if cost == PLACED else self.weights) + self.neurons


class WidthTrials:
    """Makes integers of a network at given widths and scores them.

    Parameters
    ----------
    net
        The float network.
    data
        Ranges of states come from its first training samples.
    profile
        The chip; its own widths are the widest.
    options
        How the network is converted, see `width_plan.OPTIONS`.
    part
        Of the data, whose samples are scored.
    learning
        How it learns before it is scored, None for not at all.
    epochs
        Passes of learning.
    seed
        Of the order of samples in learning.
    file
        Where trials are kept, None for nowhere.
    on_trial
        Called with the number of trials that were run so far.

    Attributes
    ----------
    ran, reused
        Trials that were run, and those that the file held.
    """

    def __init__(
        self,
        net: Network,
        data: SequenceData,
        profile: Profile,
        *,
        options: Mapping[str, Any],
        part: str = "validation",
        learning: LearnOptions | None = None,
        epochs: int = 1,
        seed: int = 0,
        file: Path | None = None,
        on_trial: Callable[[int], None] | None = None,
    ) -> None:
        if options.get("calibration_method") == "accuracy":
            raise InputError(
                "calibration_method = 'accuracy', rule for widths: max, percentile or mse, since accuracy is what is "
                "measured here; choose one of these"
            )
        self.net, self.data, self.profile, self.options = net, data, profile, dict(options)
        self.samples = data.part(part)
        if not len(self.samples):
            raise InputError(
                f"data '{data.name}' has no sample of the part '{part}', rule: at least one; choose another part"
            )
        self.part, self.learning, self.epochs, self.seed = part, learning, epochs, seed
        groups = options.get("weight_groups")
        self.ranges = measured_ranges(net, data, weight_groups=groups)
        self.file, self.on_trial, self.ran, self.reused = file, on_trial, 0, 0
        self._memory: dict[str, Memory] = {}
        self._figures: dict[str, Array] = {}
        self._seen: set[str] = set()
        if file is not None and file.exists():
            self._figures = self._read(file)

    def plan(self, widths: Widths) -> WidthPlan:
        """Return the plan of these widths."""
        rules: dict[str, dict[str, int]] = {}
        for (name, key), bits in sorted(widths.items()):
            rules.setdefault(name, {})[key] = bits
        return WidthPlan(rules, self.options)

    def integers(self, widths: Widths) -> QuantizedNetwork:
        """Return the network at these widths, before it learns."""
        changes = self.plan(widths).changes()
        with warnings.catch_warnings():  # of weights that become 0: their loss is what is measured here
            warnings.simplefilter("ignore", HyprWarning)
            return quantize(self.net, overridden(self.profile, changes), calibration=self.ranges, **self.options)

    def figures(self, widths: Widths) -> Array:
        """Return the figure of each sample at these widths."""
        key = _key(widths)
        if key not in self._figures:
            self._figures[key] = self.score(self.integers(widths))
            self.ran += 1
            self._write()
        elif key not in self._seen:
            self.reused += 1
        if key not in self._seen and self.on_trial is not None:
            self._seen.add(key)
            self.on_trial(self.ran + self.reused)
        self._seen.add(key)
        return self._figures[key]

    def score(self, qnet: QuantizedNetwork, part: str | None = None) -> Array:
        """Return the figure of each sample of a part, after learning where the trials learn."""
        if self.learning is not None:
            qnet = learn(qnet, self.data, epochs=self.epochs, options=self.learning).qnet
        samples = self.samples if part is None else self.data.part(part)
        readout = qnet.for_score(simulate(qnet, samples.x).readout, regression=samples.regression)
        return sample_figures(readout, samples)

    def loss(self, widths: Widths, against: Widths) -> PairedLoss:
        """Return what these widths lose against others."""
        return loss_of(self.figures(against), self.figures(widths))

    def memory(self, widths: Widths) -> Memory:
        """Count the memory at these widths, that of learning where the trials learn."""
        key = _key(widths)
        if key not in self._memory:
            self._memory[key] = memory_of(self.integers(widths), self.learning)
        return self._memory[key]

    def _header(self) -> dict[str, Any]:
        """Return what trials of one file have in common."""
        digest = sha256()
        for name, array in sorted(self.net.arrays(frozen=True).items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        for array in (self.samples.x, self.samples.y):
            digest.update(np.ascontiguousarray(array).tobytes())
        learning = None if self.learning is None else self.learning.described() | {"epochs": self.epochs}
        profile = {key: value for key, value in self.profile.dump().items() if key != "name"}
        content = {"profile": profile, "options": self.options, "learning": learning, "ranges": self.ranges}
        digest.update(json.dumps(content, sort_keys=True).encode())
        return {"version": FILE_VERSION, "part": self.part, "of": digest.hexdigest()}

    def _read(self, file: Path) -> dict[str, Array]:
        """Return the figures in a file; none where it holds those of something else."""
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content["of"] != self._header():
                return {}
            return {key: np.array(values, np.float64) for key, values in content["trials"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileFormatError(f"file '{file}': {error}; remove it, trials are then run again") from error

    def _write(self) -> None:
        if self.file is not None:
            trials = {key: values.tolist() for key, values in self._figures.items()}
            write_text(self.file, json.dumps({"of": self._header(), "trials": trials}))


def sample_figures(readout: Array, samples: SequenceData) -> Array:
    """Return the figure of each sample, (sample,) float64; see the module."""
    answers = predict(readout, samples)
    rows = range(len(samples))
    if samples.regression:
        whole = mean_error(samples) or 1.0
        errors = [_counted((answers[i] - samples.y[i]) ** 2, samples, i) for i in rows]
        return 1.0 - np.array(errors) / whole
    correct = (answers == samples.y).astype(np.float64)
    return np.array([_counted(correct[i], samples, i) for i in rows])


def _counted(values: Array, samples: SequenceData, i: int) -> float:
    """Return the mean over the steps of a sample that count."""
    if samples.per_step and samples.mask is not None:
        values = values[samples.mask[i]]
    return float(np.mean(values)) if np.size(values) else 0.0


def loss_of(before: Array, after: Array) -> PairedLoss:
    """Return the points that are lost from one set of figures to another of the same samples."""
    difference = 100.0 * (before - after)
    n = len(difference)
    return PairedLoss(float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"))


def memory_of(qnet: QuantizedNetwork, learning: LearnOptions | None = None) -> Memory:
    """Count the bits that a network takes on its chip, those of learning where it learns."""
    placed = place(qnet, learning=False if learning is None else learning)
    weights = sum(qnet.weight_bits(c) * int(c.entries().size) for c in qnet.connections)
    neurons = sum(neuron_bits(p.model, p.size, qnet.profile.of(p.name)) for p in qnet.populations)
    return Memory(weights, sum(use.memory_bits for use in placed.cores), neurons)


def _key(widths: Widths) -> str:
    return ",".join(f"{key}@{name}={bits}" for (name, key), bits in sorted(widths.items()))
