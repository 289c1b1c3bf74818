"""Braille: seven letters read by the fingertip of an iCub robot (Mueller-Cleve et al. 2022), as sigma-delta events.

File braille_7class.npz: 1158 samples of the set that the NIR paper trains on (Pedersen et al. 2024), from
github.com/neuromorphic-polito/L2MU-Braille, data/braille_splitted/ds_val_0..9.pt. Arrays: x uint8 (N, 32, 12), bits
packed along time; y uint8 (N,), 0..6 for Space, A, E, I, O, U, Y; in_val bool (N, 10), member of the source's
validation split 0..9. The papers' own test samples are not among them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hypr_neuro.data.npz import read_arrays
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.numbers.checks import whole

FILE = "braille_7class.npz"
CLASSES, REPEATS = 7, 10


def load_braille(folder: str | Path | None = None, *, seed: int = 0, repeat: int = 0) -> SequenceData:
    """Return 256 steps of 5 ms of 12 binary channels, one letter of 7 a sample.

    Test is one of the source's ten validation splits, validation the next one (of the last the first) without those,
    train the rest.

    Parameters
    ----------
    folder
        The folder that holds braille_7class.npz.
    seed
        Not used, since the split is the source's; every loader takes one.
    repeat
        Which split is the test part, 0 to 9: test samples of several repeats tell small differences better than one.
    """
    if whole("repeat", repeat, 0) >= REPEATS:
        raise InputError(f"data 'braille': repeat = {repeat}, rule: 0 to {REPEATS - 1}, the source's splits")
    if folder is None:
        raise InputError(f"data 'braille' needs a folder with {FILE}; pass --data-dir FOLDER")
    path = Path(folder) / FILE
    content = read_arrays(path, ("x", "y", "in_val"))
    x, y, in_val = content["x"], content["y"], content["in_val"]
    shapes = ((y.size, 32, 12), (y.size,), (y.size, REPEATS))
    kinds = (x.dtype.str, y.dtype.kind in "iu", in_val.dtype.kind)
    if (x.shape, y.shape, in_val.shape) != shapes or kinds != ("|u1", True, "b"):
        raise FileFormatError(
            f"data 'braille': file '{path}' has x {x.dtype} {x.shape}, y {y.dtype} {y.shape}, in_val {in_val.dtype} "
            f"{in_val.shape}, rule: uint8 (N, 32, 12), integers (N,), bool (N, 10)"
        )
    if not y.size or y.min() < 0 or y.max() >= CLASSES:
        raise FileFormatError(f"data 'braille': file '{path}' has labels {np.unique(y).tolist()}, rule: 0..6")
    test, validation = in_val[:, repeat], in_val[:, (repeat + 1) % REPEATS]
    split = np.select([test, validation], ["test", "validation"], "train")
    return SequenceData("braille", np.unpackbits(x, axis=1).view(np.int8), y.astype(np.int64), split, CLASSES)
