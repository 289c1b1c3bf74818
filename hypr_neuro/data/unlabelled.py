"""Sequences without labels in an .npz: what a network answers is asked for, and there is nothing to score.

Keys: x, or x_train, x_validation and x_test, (sample, T, channel), with no y at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.checks import holds_fractions
from hypr_neuro.data.encode import ENCODERS
from hypr_neuro.data.encoding import Encoding, encoded_parts
from hypr_neuro.data.npz import read_arrays
from hypr_neuro.data.sequence import PARTS, SequenceData
from hypr_neuro.errors import InputError
from hypr_neuro.numbers.arrays import Array


def is_unlabelled(path: Path) -> bool:
    """Tell whether an .npz has sequences and no label; a damaged or missing file is for `load_data` to refuse."""
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
            keys = set(file.files)
    except Exception:  # zipfile, zlib and numpy raise many types on damaged files
        return False
    return bool(keys & {"x", *(f"x_{part}" for part in PARTS)}) and not any(key.startswith("y") for key in keys)


def unlabelled_sequences(
    path: Path,
    outputs: int,
    *,
    encode: Encoding | None = None,
    encoder: Mapping[str, Any] | None = None,
    per_step: bool = False,
    regression: bool = False,
    content: Mapping[str, Array] | None = None,
) -> SequenceData:
    """Return the sequences of a file with labels that stand for nothing, so that `predict` tells what is asked.

    Parameters
    ----------
    path
        Of the .npz; sequences under "x" are those of part "test".
    outputs
        Of the network.
    encode
        Encoder of real values, as of `load_npz`.
    encoder
        That of the network, which takes its place where the file holds fractions or vectors.
    per_step, regression
        Whether the network answers in every step, and with targets.
    content
        Arrays by key, of a file that is no .npz.

    Raises
    ------
    InputError
        For arrays that are no sequences.
    """
    content = read_arrays(path, ()) if content is None else dict(content)
    if "x" in content:
        content = {"x_test": content["x"]}
    names = [name for part in PARTS if (name := f"x_{part}") in content]
    if encode is None and encoder is not None and encoder.get("method") in ENCODERS and _are_real(content, names):
        encode = encoder
    if encode is not None:
        content, _ = encoded_parts(path, content, encode)
    for name in names:
        x = content[name]
        if x.ndim != 3 or x.dtype.kind not in "biuf" or x.shape[1:] != content[names[0]].shape[1:]:
            raise InputError(f"data '{path}': {name} {x.dtype} of shape {x.shape}, rule: numbers (sample, T, channel)")
    x = np.concatenate([content[name] for name in names])
    shape = x.shape[:2] if per_step else x.shape[:1]
    y = np.zeros((*shape, outputs)) if regression else np.zeros(shape, np.int64)
    split = np.concatenate([np.full(len(content[name]), name[2:], dtype="<U10") for name in names])
    return SequenceData(path.stem, x.astype(np.int8) if x.dtype == bool else x, y, split, outputs)


def _are_real(content: Mapping[str, Array], names: list[str]) -> bool:
    return any(content[name].ndim == 2 or holds_fractions(content[name]) for name in names)
