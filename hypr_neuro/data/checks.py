"""Checks of the options of data sets, and of what integers can take."""

from __future__ import annotations

import warnings

import numpy as np

from hypr_neuro.data.encoding import suggestion
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import HyprWarning, InputError
from hypr_neuro.numbers.arrays import Array

WHOLE = "x holds fractions, rule: integers (spikes or graded values)"
FRACTIONS = f"{WHOLE}; encode it first (hn.encode)"


def check_whole(data: str, lowest: int, **options: int) -> None:
    """Raise InputError, naming data set and option, unless each option is a whole number of at least `lowest`."""
    for option, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
            raise InputError(f"data '{data}': {option} = {value!r}, rule: a whole number, {lowest} or more")


def holds_fractions(x: Array) -> bool:
    """Tell whether there is a number that is no whole one, which only a float network takes."""
    return x.dtype.kind == "f" and not bool(np.all(x == np.rint(x)))


def of_fractions(x: Array, data: SequenceData | None = None) -> str:
    """Return the error for fractions, with what makes integers of them: the loader's option, or an encoder."""
    if data is not None and data.whole_by:
        name, _, value = data.whole_by.partition("=")
        return f"{WHOLE}; take {integers_by(data)} (hn.load_data('{data.name}', {name}={value}))"
    encoding = suggestion(x)
    return f"{FRACTIONS}: --encode {encoding}, or hn.load_data(file, encode='{encoding}')"


def integers_by(data: SequenceData) -> str:
    """Return the command's option by which x holds integers: of the data set's loader, or an encoder's."""
    return f"--set {data.whole_by}" if data.whole_by else f"--encode {suggestion(data.x)}"


def only_class(data: SequenceData) -> str | None:
    """Say that all training labels that count are of one class; None of others, and of a regression."""
    if data.regression:
        return None
    members = data.split == "train"
    labels = data.y[members]
    if data.mask is not None and data.per_step:
        labels = labels[data.mask[members]]
    classes = np.unique(labels)
    if len(classes) != 1:
        return None
    return (
        f"data '{data.name}': all {labels.size:,} labels of part 'train' are class {classes[0]}, rule: two classes or "
        "more, since answering always the same is right otherwise; add training samples of another class"
    )


def require_two_classes(data: SequenceData) -> None:
    """Raise InputError, naming the data, where all training labels are of one class: there is nothing to learn."""
    if (said := only_class(data)) is not None:
        raise InputError(said)


def check_classes_to_learn(data: SequenceData) -> None:
    """Raise InputError for data of a single class; warn where a network that knows more of them is given one alone."""
    if (said := only_class(data)) is None:
        return
    if data.classes == 1:
        raise InputError(said)
    warnings.warn(said, HyprWarning, stacklevel=3)


def require_integers(data: SequenceData) -> None:
    """Raise InputError, naming the data, unless x holds integers: a chip takes spikes or graded integers."""
    if holds_fractions(data.x):
        raise InputError(f"data '{data.name}': {of_fractions(data.x, data)}")
