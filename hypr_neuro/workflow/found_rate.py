"""The rate that a search found, kept beside a checkpoint: what is asked for again is not searched again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

from hypr_neuro.data.sequence import SequenceData, data_digest
from hypr_neuro.errors import FileFormatError
from hypr_neuro.files.run_folder import RunFolder
from hypr_neuro.files.store import load_arrays, make_folder, write_text
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.network_file import contents
from hypr_neuro.sim.learning.learn import KIND, PROGRESS
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.search_rate import RateSearch, search_rate

FILE = "rate.json"


def found_rate(
    folder: RunFolder,
    qnet: QuantizedNetwork,
    data: SequenceData,
    options: LearnOptions,
    on_rate: Callable[[int, int], None] | None = None,
) -> tuple[float, RateSearch | None]:
    """Return a rate to learn at and, where the folder remembers it, how it was found.

    A folder that holds learning under way gives the rate of that: another one could not go on from it.

    Parameters
    ----------
    folder
        Run folder; searches are kept beside its checkpoint.
    qnet, data, options
        As of `search_rate`; the rate of `options` counts for nothing.
    on_rate
        Called with (rates done, rates in all), not at all where nothing is searched.
    """
    path, asked = folder.file("checkpoint") / FILE, _digest(qnet, data, options)
    known = _searches(path)
    search = _remembered(known.get(asked))
    if search is not None:
        return search.rate, search
    under_way = _rate_of(path.with_name(PROGRESS))
    if under_way is not None:
        return under_way, None
    search = search_rate(qnet, data, options, on_rate)
    make_folder(path.parent)
    write_text(path, json.dumps(known | {asked: asdict(search)}, indent=1))
    return search.rate, search


def _digest(qnet: QuantizedNetwork, data: SequenceData, options: LearnOptions) -> str:
    """Return the digest of all that a search depends on."""
    meta, arrays = contents(qnet)
    described = {key: value for key, value in options.described().items() if key != "rate"}
    return data_digest(data, json.dumps([meta, described], sort_keys=True), arrays)


def _searches(path: Path) -> dict[str, Any]:
    """Return what is kept, by digest; nothing where the file is missing or damaged."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _remembered(kept: Any) -> RateSearch | None:
    """Return a search as it was kept, None where there is none or it is damaged."""
    try:
        found = RateSearch(**kept | {"tried": tuple((rate, score) for rate, score in kept["tried"])})
    except (TypeError, KeyError, ValueError):
        return None
    numbers = (found.rate, found.before, *(number for pair in found.tried for number in pair))
    truths = (found.idle, found.regression)
    whole = all(type(number) in (int, float) and isfinite(number) for number in numbers)
    fits = whole and type(found.samples) is int and all(type(truth) is bool for truth in truths)
    return found if fits and found.rate > 0 else None


def _rate_of(checkpoint: Path) -> float | None:
    """Return the rate at which a checkpoint learns, None where there is none; `learn` refuses a damaged one."""
    try:
        rate = load_arrays(checkpoint, KIND)[0]["options"]["rate"]
    except (FileFormatError, KeyError, TypeError):
        return None
    return rate if isinstance(rate, float) else None
