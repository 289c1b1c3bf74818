"""Braille with 27 letters, felt by the fingertip of an iCub robot (Mueller-Cleve et al. 2022), as spikes of 24 neurons.

File braille_mn_315x24.npz: 8100 recordings of 315 steps of 10 ms, 300 of each of A to Z and Space, of which a trained
layer of Mihalas-Niebur neurons, two a taxel, made spikes, from github.com/ferqui/tactile_encoding, commit c0c9298,
MN_output/Braille. Arrays: x_train uint8 (6480, 315, 3), x_test (1620, 315, 3), bits packed along channels; y_train and
y_test 0..26 for A to S, Space, T to Z. 70 test samples have no spike at all, so that 98.6 % is the best possible.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hypr_neuro.data.checks import check_whole
from hypr_neuro.data.npz import read_arrays
from hypr_neuro.data.sequence import SequenceData, hold_out_validation
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.numbers.arrays import Array

FILE = "braille_mn_315x24.npz"
CLASSES, STEPS, BYTES = 27, 315, 3
KEYS = ("x_train", "y_train", "x_test", "y_test")


def load_braille27(folder: str | Path | None = None, *, steps: int = STEPS, seed: int = 0) -> SequenceData:
    """Return 315 steps of 24 binary channels, or fewer and longer ones, one letter of 27 a sample.

    Test are the source's test samples, validation 10 % of its training samples.

    Parameters
    ----------
    folder
        The folder that holds braille_mn_315x24.npz.
    steps
        A divisor of 315: with 63, five steps become one, in which a channel fires if it did in any of them.
    seed
        Draws the training samples that become validation.
    """
    check_whole("braille27", 1, steps=steps)
    check_whole("braille27", 0, seed=seed)
    if STEPS % steps:
        raise InputError(f"data 'braille27': steps = {steps}, rule: a divisor of {STEPS}, as 63, 105 or {STEPS}")
    if folder is None:
        raise InputError(f"data 'braille27' needs a folder with {FILE}; pass --data-dir FOLDER")
    path = Path(folder) / FILE
    content = read_arrays(path, KEYS)
    for part in ("train", "test"):
        _check(path, part, content[f"x_{part}"], content[f"y_{part}"])
    x, y = (np.concatenate([content[f"{key}_train"], content[f"{key}_test"]]) for key in "xy")
    train = len(content["y_train"])
    split = np.concatenate([hold_out_validation(train, 0.1, seed), np.full(len(y) - train, "test")])
    # bits of one byte are channels of one step, so steps are merged while they are packed
    merged = np.bitwise_or.reduce(x.reshape(len(x), steps, STEPS // steps, BYTES), axis=2)
    return SequenceData("braille27", np.unpackbits(merged, axis=2).view(np.int8), y.astype(np.int64), split, CLASSES)


def _check(path: Path, part: str, x: Array, y: Array) -> None:
    """Raise FileFormatError, naming file and arrays, for shapes, types and labels that are not the source's."""
    shapes = ((y.size, STEPS, BYTES), (y.size,))
    if (x.shape, y.shape) != shapes or x.dtype != np.uint8 or y.dtype.kind not in "iu" or not y.size:
        raise FileFormatError(
            f"data 'braille27': file '{path}' has x_{part} {x.dtype} {x.shape}, y_{part} {y.dtype} {y.shape}, rule: "
            f"uint8 (N, {STEPS}, {BYTES}), integers (N,), N above 0"
        )
    if y.min() < 0 or y.max() >= CLASSES:
        raise FileFormatError(
            f"data 'braille27': file '{path}' has y_{part} {y.min()}..{y.max()}, rule: labels 0..{CLASSES - 1}"
        )
