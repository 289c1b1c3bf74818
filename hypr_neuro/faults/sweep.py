"""How accuracy falls with a fault, and how much of it learning wins back: values of one fault, several seeds each."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from hypr_neuro.data.score import Score, score_readout
from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.devices import Device
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.faults.device import check_faults, with_faults
from hypr_neuro.faults.kinds import COUNT, KINDS, Faults
from hypr_neuro.files.store import make_folder, write_text
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.shown import Shown, as_html, as_text, percent_or_error
from hypr_neuro.sim.learning.options import LearnOptions

LEVEL = 0.95


@dataclass(frozen=True)
class FaultPoint:
    """A network on a device with one value of a fault, one seed.

    Attributes
    ----------
    value, seed
        Of the fault; the seed is that of learning, too.
    accuracy, learned_accuracy
        On the device, before learning and after; None after where it did not learn. NaN for a regression.
    squared_error, learned_squared_error
        Of a regression.
    """

    value: float
    seed: int
    accuracy: float
    learned_accuracy: float | None = None
    squared_error: float | None = None
    learned_squared_error: float | None = None

    def figure(self, *, learned: bool) -> float | None:
        """Return the accuracy, or the squared error of a regression."""
        if self.squared_error is not None:
            return self.learned_squared_error if learned else self.squared_error
        return self.learned_accuracy if learned else self.accuracy


@dataclass(frozen=True)
class FaultSweep:
    """Result of `fault_sweep`.

    Attributes
    ----------
    kind, device, part, epochs
        What was varied, where, on which part of the data it was scored, and how long it learned.
    points
        By value, then seed.
    """

    kind: str
    device: str
    part: str
    epochs: int
    points: tuple[FaultPoint, ...]

    @property
    def values(self) -> list[float]:
        """Values of the fault, rising."""
        return sorted({p.value for p in self.points})

    def spread(self, value: float, *, learned: bool) -> tuple[float, float] | None:
        """Return mean and half the 95 % interval (Student's t over seeds, NaN for one) at a value; None if unknown."""
        figures = [p.figure(learned=learned) for p in self.points if p.value == value]
        known = [f for f in figures if f is not None]
        if not known:
            return None
        n = len(known)
        half = (
            float(student.ppf(0.5 + LEVEL / 2, n - 1) * np.std(known, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
        )
        return float(np.mean(known)), half

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a value: means over seeds with their intervals, before learning and after."""
        found = []
        for value in self.values:
            row: dict[str, Any] = {"value": value, "seeds": sum(p.value == value for p in self.points)}
            for name, learned in (("before", False), ("after", True)):
                spread = self.spread(value, learned=learned)
                row |= {name: None, f"{name}_interval": None} if spread is None else {}
                if spread is not None:
                    row |= {name: spread[0], f"{name}_interval": None if np.isnan(spread[1]) else spread[1]}
            found.append(row)
        return found

    @property
    def regression(self) -> bool:
        """Whether figures are squared errors."""
        return any(p.squared_error is not None for p in self.points)

    def table(self) -> Shown:
        """Return the rows in words."""
        score = "squared error" if self.regression else "accuracy"
        rows = [
            (
                f"{row['value']:g}",
                f"{row['seeds']}",
                _shown(row["before"], row["before_interval"], self.regression),
                _shown(row["after"], row["after_interval"], self.regression),
            )
            for row in self.rows()
        ]
        headings = (self.kind, "seeds", f"{score} before learning", f"after {self.epochs} epoch(s)")
        return Shown(f"Fault {self.kind} on {self.device}: {KINDS[self.kind].meaning}", headings, rows)

    __repr__ = as_text
    _repr_html_ = as_html

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "kind": self.kind,
            "meaning": KINDS[self.kind].meaning,
            "device": self.device,
            "part": self.part,
            "epochs": self.epochs,
            "regression": self.regression,
            "rows": self.rows(),
            "points": [asdict(p) for p in self.points],
        }


def _shown(mean: float | None, half: float | None, regression: bool) -> str:
    if mean is None:
        return "–"
    text = percent_or_error(float("nan") if regression else mean, mean if regression else None)
    if half is None:
        return text
    return f"{text} ± {half:.3g}" if regression else f"{text} ± {100 * half:.1f}"


def fault_sweep(
    qnet: QuantizedNetwork,
    data: SequenceData,
    kind: str,
    values: Sequence[float],
    *,
    seeds: int = 3,
    device: str = "sim",
    faults: Faults | None = None,
    epochs: int = 1,
    options: LearnOptions | None = None,
    part: str = "test",
    folder: str | Path | None = None,
    on_point: Callable[[int, int], None] | None = None,
) -> FaultSweep:
    """Score a network on a device with each value of a fault, and let it learn there; 0 is always among the values.

    Parameters
    ----------
    qnet : QuantizedNetwork
        Stays as it is.
    data : SequenceData
        Its training part is learned from, `part` scored.
    kind, values
        Of the fault, see `KINDS`.
    seeds : int
        How many; each draws the fault anew, and the order of samples.
    device : str
        Name, or name and address.
    faults : Faults, optional
        Others that are there all the time, such as save_every beside a brown-out.
    epochs : int
        0: it does not learn.
    options : LearnOptions, optional
        How it learns; its seed is the first.
    folder : path, optional
        A file for each point is written there, and not measured again by a later call.
    on_point : callable, optional
        Called with (points done, points in all).

    Raises
    ------
    InputError
        For faults that this device cannot have.
    """
    if kind not in KINDS or seeds < 1 or epochs < 0:
        raise InputError(
            f"kind = {kind!r:.40}, seeds = {seeds}, epochs = {epochs}, rule: a fault, at least 1, at least 0"
        )
    options, faults = options or LearnOptions(), faults or Faults()
    chosen = sorted({0.0, *(float(v) for v in values)})
    tasks = [(v, seed) for v in chosen for seed in range(options.seed, options.seed + seeds)]
    for value, seed in tasks:
        check_faults(device, with_value(faults, kind, value, seed), learns=epochs > 0)
    start = data_digest(
        data,
        json.dumps([kind, device, epochs, part, options.described(), faults.described()]),
        {**qnet.weights(), **{f"neurons {p.name}": p.per_neuron for p in qnet.populations}},
    )
    points = []
    for done, (value, seed) in enumerate(tasks):
        path = None if folder is None else make_folder(Path(folder)) / f"{kind}-{value:g}-{seed}.json"
        point = None if path is None else _held(path, start)
        if point is None:
            with with_faults(device, with_value(faults, kind, value, seed)) as chip:
                point = _measured(chip, qnet, data, value, epochs, replace(options, seed=seed), part)
            if path is not None:
                write_text(path, json.dumps({"start": start, **asdict(point)}) + "\n")
        points.append(point)
        if on_point is not None:
            on_point(done + 1, len(tasks))
    return FaultSweep(kind, device, part, epochs, tuple(points))


def with_value(faults: Faults, kind: str, value: float, seed: int) -> Faults:
    """Return the faults with this one; what a fault needs beside it is left out where it is 0."""
    number: Any = int(value) if KINDS[kind].rule == COUNT else value
    others = {"save_every": 0} if kind == "brownout" and not value else {}
    return replace(faults, **{**others, kind: number}, seed=seed)


def _measured(
    chip: Device,
    qnet: QuantizedNetwork,
    data: SequenceData,
    value: float,
    epochs: int,
    options: LearnOptions,
    part: str,
) -> FaultPoint:
    scored = data.part(part)
    chip.load(qnet)
    before = _score(chip, qnet, scored, learned=False)
    if not epochs:
        return FaultPoint(value, options.seed, before.accuracy, None, before.squared_error)
    chip.learn(data, epochs=epochs, options=options, progress=False)
    after = _score(chip, qnet, scored, learned=True)
    return FaultPoint(value, options.seed, before.accuracy, after.accuracy, before.squared_error, after.squared_error)


def _score(chip: Device, qnet: QuantizedNetwork, scored: SequenceData, *, learned: bool) -> Score:
    readout = qnet.for_score(chip.run(scored.x).readout, regression=scored.regression)
    return score_readout(readout, scored, learned=learned)


def _held(path: Path, start: str) -> FaultPoint | None:
    """Return the point that a file holds, None where there is none or where it is of something else."""
    if not path.is_file():
        return None
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        return FaultPoint(**entry) if entry.pop("start") == start else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise FileFormatError(f"'{path}': {type(error).__name__} {error}; delete it, it is measured again") from error
