"""State of a training run between epochs, and the checkpoint that holds all of it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import FileFormatError, HyprWarning, InputError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.shown import Shown, as_html, as_text, percent
from hypr_neuro.train.code_digest import CODE
from hypr_neuro.train.losses import Loss
from hypr_neuro.train.networks import digest_parts
from hypr_neuro.train.optimizers import Optimizer
from hypr_neuro.train.quantized import Quantizer
from hypr_neuro.train.rules.base import Means, Rule

CHECKPOINT = "training.h5"
KIND = "hypr-neuro training checkpoint"
START = "data or start weights"
"""Option of a checkpoint that holds their digest."""


@dataclass
class Epoch:
    """Figures of one epoch; validation : accuracy, of a regression minus the squared error, NaN without such a part."""

    epoch: int
    rate: float
    loss: float
    validation: float


def in_words(figure: float) -> str:
    """Return a figure of validation: accuracies as percentages, squared errors, which count below 0, as numbers."""
    return percent(figure) if isnan(figure) or figure >= 0 else f"squared error {-figure:.4g}"


@dataclass(repr=False)
class History:
    """Epochs of one training run; `best` is the epoch whose weights were kept."""

    epochs: list[Epoch] = field(default_factory=list)
    best: int = -1

    def table(self) -> Shown:
        """Return the epochs, and which one was kept."""
        rows = [(f"{e.epoch}", f"{e.rate:.3g}", f"{e.loss:.4g}", in_words(e.validation)) for e in self.epochs]
        best = [in_words(e.validation) for e in self.epochs if e.epoch == self.best]
        kept = [f"; best {self.best}, validation {figure}" for figure in best]
        headings = ("epoch", "rate", "loss", "validation")
        return Shown(f"History: {len(rows)} epoch(s){''.join(kept)}", headings, rows)

    __repr__ = as_text
    _repr_html_ = as_html


@dataclass
class Run:
    """State of a training run between epochs.

    Attributes
    ----------
    best : dict of ndarray
        Weights of the best epoch so far.
    mean : dict of ndarray
        Running mean of the weights, empty if there is none.
    means : dict of ndarray or None
        Running means of the rule.
    quantizer : Quantizer or None
        Of quantization-aware training.
    """

    net: Network
    optimizer: Optimizer
    rule: Rule
    loss: Loss
    history: History
    best: dict[str, Array]
    mean: dict[str, Array]
    means: Means | None
    quantizer: Quantizer | None = None

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the network hold the running mean of its weights, if there is one, for the time of the block."""
        arrays = self.net.arrays()
        saved = copies({name: arrays[name] for name in self.mean})
        for name, mean in self.mean.items():
            arrays[name][...] = mean
        try:
            yield
        finally:
            for name, value in saved.items():
                arrays[name][...] = value

    def done(self, epochs: int, patience: int | None) -> bool:
        """Tell whether all epochs are run, or the last `patience` of them brought no higher validation."""
        figures = [e.validation for e in self.history.epochs]
        if len(figures) >= epochs:
            return True
        if patience is None or not figures or np.isnan(figures[-1]):
            return False
        return len(figures) - 1 - int(np.argmax(figures)) >= patience

    def note(self, entry: Epoch) -> None:
        """Append the epoch and keep its weights if it is the best so far (or there is nothing to judge by).

        Small validation parts reach their top early: of epochs with the same figure the one of lower loss is kept.
        """
        epochs = self.history.epochs
        epochs.append(entry)
        best = epochs[max(self.history.best, 0)]
        tied = entry.validation == best.validation and entry.loss < best.loss
        if self.history.best < 0 or tied or not entry.validation <= best.validation:
            self.history.best = entry.epoch
            kept = self.net if self.quantizer is None else self.quantizer.inside(self.net)
            self.best = copies(kept.arrays())

    def save(self, path: Path, options: dict[str, Any]) -> None:
        """Write everything that the next epoch depends on, and the options."""
        meta = {"options": options, "epochs": [asdict(e) for e in self.history.epochs], "best": self.history.best}
        arrays = {f"net/{k}": v for k, v in self.net.arrays().items()}
        arrays |= {f"best/{k}": v for k, v in self.best.items()}
        arrays |= {f"mean/{k}": v for k, v in self.mean.items()}
        arrays |= {f"state/{k}": v for k, v in self.optimizer.state.items()}
        arrays |= {f"means/{k}": v for k, v in (self.means or {}).items()}
        save_arrays(path, KIND, meta, arrays)

    def restore(self, path: Path, options: dict[str, Any], *, by_length: bool) -> None:
        """Take up a checkpoint if there is one; one of another run is refused, not overwritten.

        A run that was shorter goes on. `by_length` tells that rates depend on the number of epochs: those of a run of
        another length are of no use, and it starts again, with a warning.
        """
        if not path.exists():
            return
        meta, arrays = load_arrays(path, KIND)
        held = meta["options"]
        # one that was written before there were digests of code tells nothing of it
        options = {k: v for k, v in options.items() if k in held or not k.startswith(CODE)}
        differs = [k for k in held | options if k not in held or k not in options or held[k] != options[k]]
        others = [name for name in differs if name != "epochs"]
        if others:
            raise FileFormatError(
                f"checkpoint '{path}' is of another run ({', '.join(others)} differ{_values(held, options, others)}); "
                "delete it or choose another folder"
            )
        if differs and not _goes_on(path, len(meta["epochs"]), held, options, by_length=by_length):
            return
        self.history = History([Epoch(**e) for e in meta["epochs"]], meta["best"])
        for name, value in self.net.arrays().items():
            value[...] = arrays[f"net/{name}"]
            self.best[name] = arrays[f"best/{name}"]
            if name in self.mean:
                self.mean[name] = arrays[f"mean/{name}"]
        self.optimizer.state = {k[6:]: v for k, v in arrays.items() if k.startswith("state/")}
        if self.means is not None:
            self.means = {k[6:]: v for k, v in arrays.items() if k.startswith("means/")}


def _values(held: Mapping[str, Any], options: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return what both sides say of the options that a user sets, for a message; "" where there is nothing to show."""
    plain = str | int | float | None
    shown = [n for n in names if n != START and not n.startswith(CODE) and n in held and n in options]
    told = [
        f"{n} {held[n]} there, {options[n]} here"
        for n in shown
        if isinstance(held[n], plain) and isinstance(options[n], plain)
    ]
    return f": {', '.join(told)}" if told else ""


def _goes_on(path: Path, done: int, held: Mapping[str, Any], options: Mapping[str, Any], *, by_length: bool) -> bool:
    """Tell whether a run of another length goes on from this checkpoint; InputError where it is longer already."""
    asked = options["epochs"]
    if done > asked:
        raise InputError(
            f"checkpoint '{path}' holds {done} epochs, asked for {asked}; ask for {done} or more, delete it, or choose "
            "another folder"
        )
    if by_length:
        warnings.warn(
            f"schedule '{options['schedule']}' goes by the number of epochs: those of '{path}' ran at the rates of "
            f"{held['epochs']}, so that training starts again with those of {asked}; schedule 'constant' goes on",
            HyprWarning,
            stacklevel=4,
        )
    return not by_length


def copies(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Copy the arrays."""
    return {name: array.copy() for name, array in arrays.items()}


def start_digest(net: Network, data: SequenceData) -> str:
    """Hash the start weights and the data, so that a checkpoint is not continued with others."""
    models, arrays = digest_parts(net)
    return data_digest(data, json.dumps(models), arrays)
