"""A gap split by cause: its runs, its parts, over seeds, as a table and as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from hypr_neuro.comparing.statistics import Interval, interval
from hypr_neuro.shown import Shown, as_html, as_text

FIGURES = ("score", "distance", "cosine")


@dataclass(frozen=True)
class Rung:
    """One run: float, or the integers with some causes on.

    Attributes
    ----------
    on
        Causes that are on; () for the widest integers.
    score
        Accuracy after the last epoch, or squared error of a regression.
    distance
        |w - w_float| / |w_float| of all weights after the last epoch, 0 for float.
    cosine
        Mean over connections and samples of the cosine between the first gradients and float's, 1 for float.
    digest
        sha256 of the learned integers, "" for float.
    """

    on: tuple[str, ...]
    score: float
    distance: float
    cosine: float
    digest: str = ""


@dataclass(frozen=True)
class GapPart:
    """What one cause adds.

    Attributes
    ----------
    name, words
        The cause.
    said
        What was switched.
    reason
        Why there is nothing to switch or no figure, "" where there is one.
    added
        By figure ("score", "distance", "cosine"): this rung minus the one below it, in the order of causes.
    alone
        Likewise, with this cause alone: that run minus the one without any.
    """

    name: str
    words: str
    said: str
    reason: str
    added: dict[str, float]
    alone: dict[str, float]


@dataclass(repr=False)
class GapSplit:
    """A gap split by cause, of one seed.

    Attributes
    ----------
    parts
        The rest first, then the causes in order; their `added` sum to `whole`.
    rungs
        All runs by name: "float", "rest", each cause's name for the rung it is switched on at, "only NAME".
    regression
        Whether scores are squared errors.
    seed
        Of the order of samples and of random rounding.
    """

    parts: list[GapPart]
    rungs: dict[str, Rung]
    regression: bool
    seed: int

    @property
    def device(self) -> Rung:
        """The rung with everything on: the device's own run."""
        ladder = (rung for name, rung in self.rungs.items() if not name.startswith(("only ", "float")))
        return max(ladder, key=lambda rung: len(rung.on))

    @property
    def whole(self) -> dict[str, float]:
        """The gap by figure: device minus float."""
        return difference(self.device, self.rungs["float"])

    def table(self) -> Shown:
        """Return a row a cause."""
        return split_table(self.parts, self.regression, f"Gap to float by cause, seed {self.seed}", self.whole)

    __repr__ = as_text
    _repr_html_ = as_html

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        rungs = {name: asdict(rung) for name, rung in self.rungs.items()}
        plain = {"parts": [asdict(p) for p in self.parts], "rungs": rungs, "whole": self.whole}
        return plain | {"regression": self.regression, "seed": self.seed}


@dataclass(repr=False)
class GapSplits:
    """Gaps split by cause over several seeds.

    Attributes
    ----------
    splits
        One a seed.
    """

    splits: list[GapSplit] = field(default_factory=list)

    def intervals(self, kind: str = "added") -> dict[str, dict[str, Interval]]:
        """Return mean and intervals of each part by name, then figure; `kind` "added" or "alone"."""
        names = [p.name for p in self.splits[0].parts]
        found = [{p.name: getattr(p, kind) for p in s.parts} for s in self.splits]
        return {n: {f: interval([s[n].get(f, np.nan) for s in found]) for f in FIGURES} for n in names}

    @property
    def whole(self) -> dict[str, Interval]:
        """The gap by figure."""
        return {f: interval([s.whole[f] for s in self.splits]) for f in FIGURES}

    def table(self) -> Shown:
        """Return a row a cause, means over seeds."""
        first, added, alone = self.splits[0], self.intervals(), self.intervals("alone")
        parts = [
            replace(
                p,
                added={f: i.mean for f, i in added[p.name].items()},
                alone={f: i.mean for f, i in alone[p.name].items()},
            )
            for p in first.parts
        ]
        spread = {name: figures["score"] for name, figures in added.items()}
        seeds = len(self.splits)
        title = f"Gap to float by cause, {seeds} seed{'s' if seeds > 1 else ''}"
        means = {f: i.mean for f, i in self.whole.items()}
        return split_table(parts, first.regression, title, means, spread, self.whole["score"])

    __repr__ = as_text
    _repr_html_ = as_html

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        told = {
            kind: {n: {f: i.as_dict() for f, i in figures.items()} for n, figures in self.intervals(kind).items()}
            for kind in ("added", "alone")
        }
        plain: dict[str, Any] = {"seeds": [s.seed for s in self.splits], "splits": [s.as_dict() for s in self.splits]}
        return plain | told | {"whole": {f: i.as_dict() for f, i in self.whole.items()}}


def difference(rung: Rung, below: Rung) -> dict[str, float]:
    """Return what one run has more than another, by figure."""
    return {figure: getattr(rung, figure) - getattr(below, figure) for figure in FIGURES}


def split_table(
    parts: list[GapPart],
    regression: bool,
    title: str,
    whole_gap: dict[str, float],
    spread: dict[str, Interval] | None = None,
    whole_spread: Interval | None = None,
) -> Shown:
    """Return parts as a table: points of accuracy or squared error, distance of weights, cosine of gradients."""

    def score(value: float | None, told: Interval | None = None) -> str:
        if value is None or np.isnan(value):
            return "–"
        text = f"{value:+.4g}" if regression else f"{100 * value:+.2f}"
        if told is None or np.isnan(told.high):
            return text
        return f"{text} ± {(told.high - told.mean) * (1 if regression else 100):.2g}"

    def plain(value: float | None) -> str:
        return "–" if value is None or np.isnan(value) else f"{value:+.4f}"

    rows = [
        (
            p.name,
            score(p.added["score"], (spread or {}).get(p.name)),
            score(p.alone.get("score")),
            plain(p.added["distance"]),
            plain(p.added["cosine"]),
            p.reason or p.said,
        )
        for p in parts
    ]
    gap = [score(whole_gap["score"], whole_spread), "", plain(whole_gap["distance"]), plain(whole_gap["cosine"]), ""]
    unit = "squared error" if regression else "points"
    headings = ("cause", unit, f"{unit} alone", "distance", "cosine", "switched")
    return Shown(title, headings, [*rows, ("whole gap", *gap)])
