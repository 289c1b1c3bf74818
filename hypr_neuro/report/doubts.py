"""What of a run's figures is worthless or doubtful, from what its results hold."""

from __future__ import annotations

from hypr_neuro.data import doubts
from hypr_neuro.report.regression import doubts_of_errors
from hypr_neuro.report.values import Data, lookup, number, pairs, rows

STUDIES = {"scratch": "learning from random weights", "fine_tuning": "fine-tuning"}
LOSS = 0.01
"""Accuracy that learning may cost without a word."""


def doubts_of(results: Data) -> list[str]:
    """Return the sentences of `hypr_neuro.data.doubts` that hold for these results."""
    return [*_of_scores(results), *doubts_of_errors(results), *_of_integers(results), *_of_learning(results)]


def _of_scores(results: Data) -> list[str]:
    majority = number(lookup(results, "accuracy", "majority"))
    samples = number(lookup(results, "data", "test")) or 1
    sentences = []
    for name, title in (("float", "Float network"), ("integer", "In integers")):
        accuracy = number(lookup(results, "accuracy", name))
        if accuracy is not None and majority is not None:
            sentences += [f"{title}: {text}" for text in doubts.of_score(accuracy, majority, int(samples))]
    return sentences


def _of_integers(results: Data) -> list[str]:
    rates = {name: value for name, value in pairs(lookup(results, "quantization", "rates")) if isinstance(value, dict)}
    real, integer = (
        {name: rate for name, value in rates.items() if (rate := number(value.get(kind))) is not None}
        for kind in ("float", "integer")
    )
    record = [
        entry
        for entry in rows(lookup(results, "quantization", "record"))
        if all(number(entry.get(key)) is not None for key in ("zeroed", "nonzero"))
    ]
    driven = lookup(results, "data", "events_per_sample") != 0
    updates = {
        str(layer.get("name")): (number(layer.get("size")) or 0.0)
        * (number(lookup(results, "data", "test")) or 0.0)
        * (number(lookup(results, "data", "steps")) or 0.0)
        for layer in rows(lookup(results, "network", "layers"))
    }
    events = {
        name: {event: int(count) for event, count in pairs(counts) if number(count) is not None}
        for name, counts in pairs(lookup(results, "quantization", "events"))
    }
    return [
        *doubts.of_rates(integer, driven=driven),
        *doubts.of_changed_rates(real, integer),
        *doubts.of_zeros(record),
        *doubts.of_saturations(events, updates),
    ]


def _of_learning(results: Data) -> list[str]:
    sentences = []
    majority = number(lookup(results, "accuracy", "majority"))
    samples = number(lookup(results, "data", "test")) or 1
    for key, title in STUDIES.items():
        study = lookup(results, "learning", key)
        epochs = rows(lookup(study, "epochs"))
        before = number(lookup(study, "start_accuracy"))
        after = number(epochs[-1].get("device_accuracy")) if epochs else None
        if before is not None and after is not None:
            told = doubts.of_learning(before, after, LOSS)
            told += [] if majority is None else doubts.of_score(after, majority, int(samples))
            sentences += [f"{title.capitalize()}: {text}" for text in told]
    return sentences
