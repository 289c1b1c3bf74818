"""ECG-QTDB: two ECG leads as level-crossing events, one of six heart-beat segments a step (Yin et al. 2021).

Files QTDB_train.mat (618 sequences) and QTDB_test.mat (141) of github.com/AdaptiveAILab/brf-neurons. 8 to 10 % of
the steps carry no label; published scores count them as class 0, and so does the default here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hypr_neuro.data.sequence import SequenceData, hold_out_validation
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.numbers.arrays import Array

CLASSES = 6


def load_ecg(
    folder: str | Path | None = None, *, keep_last: bool = False, unlabelled: str = "class0", seed: int = 0
) -> SequenceData:
    """Return 1300 steps of 4 binary channels, one class of 6 a step.

    Parameters
    ----------
    folder
        The folder that holds QTDB_train.mat and QTDB_test.mat.
    keep_last
        True keeps step 1301, which holds -1 in channel 0.
    unlabelled
        "class0" scores unlabelled steps as class 0 (as published), "masked" leaves them out.
    seed
        Draws the 10 % of the training sequences that become validation.
    """
    if folder is None:
        raise InputError("data 'ecg' needs a folder with QTDB_train.mat and QTDB_test.mat; pass --data-dir FOLDER")
    if unlabelled not in ("class0", "masked"):
        raise InputError(f"unlabelled = '{unlabelled}', rule: 'class0' or 'masked'")
    parts = [_read(Path(folder) / f"QTDB_{name}.mat") for name in ("train", "test")]
    x, one_hot = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    if not keep_last:
        x, one_hot = x[:, :-1], one_hot[:, :-1]
    labelled = one_hot.any(axis=2)
    split = hold_out_validation(len(parts[0][0]), 0.1, seed)
    split = np.concatenate([split, np.full(len(parts[1][0]), "test")])
    y = one_hot.argmax(axis=2).astype(np.int64)
    mask = labelled if unlabelled == "masked" else None
    return SequenceData("ecg", np.ascontiguousarray(x, dtype=np.int8), y, split, CLASSES, mask, labelled)


def _read(path: Path) -> tuple[Array, Array]:
    """Read x (sample, T, 4) and one-hot y (sample, T, 6) of one file."""
    from scipy.io import loadmat

    if not path.is_file():
        raise InputError(
            f"data 'ecg': file '{path}' does not exist; the folder must hold QTDB_train.mat and QTDB_test.mat"
        )
    try:
        content = loadmat(str(path))
        x, y = np.asarray(content["x"]), np.asarray(content["y"])
    except Exception as error:  # scipy raises many types on damaged files
        raise FileFormatError(f"data 'ecg': file '{path}' is damaged or not of this data set: {error}") from error
    if x.ndim != 3 or x.shape[2] != 4 or y.shape != (*x.shape[:2], CLASSES):
        raise FileFormatError(f"data 'ecg': file '{path}' has x {x.shape} and y {y.shape}, rule: (N, T, 4), (N, T, 6)")
    return x, y
