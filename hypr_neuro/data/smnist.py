"""Sequential MNIST: the 70,000 handwritten digits of LeCun, Cortes and Burges, one pixel a step (Le et al. 2015).

Four idx files, gzip. The md5s are those of torchvision (torchvision/datasets/mnist.py), and the same in Tonic
(tonic/datasets/s_mnist.py); the address is torchvision's mirror.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from hypr_neuro.data.checks import check_whole
from hypr_neuro.data.download import PublicFile, data_folder, fetch
from hypr_neuro.data.sequence import SequenceData, hold_out_validation
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.numbers.arrays import Array

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
FILES = {
    part: tuple(PublicFile(name, MIRROR + name, md5) for name, md5 in files)
    for part, files in {
        "train": (
            ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ),
        "test": (
            ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ),
    }.items()
}
SIDE, CLASSES, PERMUTATION_SEED = 28, 10, 0


def load_smnist(
    folder: str | Path | None = None, *, permuted: bool = False, scored: int = SIDE, seed: int = 0
) -> SequenceData:
    """Return 784 steps of one float32 channel, the grey levels 0..1 of the pixels row by row; one class of 10 a sample.

    Files that are not in `folder` are downloaded, 11 MB.

    Parameters
    ----------
    folder
        The folder of the four idx files; None is the user's cache.
    permuted
        True puts the pixels into one fixed random order, the same for all (its seed is 0, whatever `seed` is).
    scored
        Last steps that count in loss and score; the whole image has passed only at the end.
    seed
        Draws the 10 % of the training images that become validation.
    """
    check_whole("smnist", 1, scored=scored)
    if scored > SIDE * SIDE:
        raise InputError(f"data 'smnist': scored = {scored}, rule: at most {SIDE * SIDE} steps")
    source = data_folder("smnist", folder)
    parts = [_part(*(fetch("smnist", file, source) for file in files)) for files in FILES.values()]
    images, y = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    if permuted:
        images = images[:, np.random.default_rng(PERMUTATION_SEED).permutation(SIDE * SIDE)]
    x = images[:, :, None].astype(np.float32)
    x /= 255.0
    split = np.concatenate([hold_out_validation(len(parts[0][0]), 0.1, seed), np.full(len(parts[1][0]), "test")])
    mask = np.zeros(x.shape[:2], bool)
    mask[:, -scored:] = True
    encoder = {"method": "pixels", "permuted": permuted}
    return SequenceData("smnist", x, y.astype(np.int64), split, CLASSES, mask, encoder=encoder)


def read_idx(path: Path, dimensions: int) -> Array:
    """Return the bytes of an idx file as an array.

    The file holds 0, 0, 8 (unsigned bytes), the number of dimensions, sizes (4 bytes each), values.
    """
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"data file '{path}' is damaged or no gzip file: {error}; delete it") from error
    magic, head = bytes([0, 0, 8, dimensions]), 4 + 4 * dimensions
    if len(content) < head or content[:4] != magic:
        raise FileFormatError(
            f"data file '{path}' starts with {content[:4].hex(' ') or 'nothing'}, rule: idx bytes {magic.hex(' ')}"
        )
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) - head != math.prod(shape):
        raise FileFormatError(
            f"data file '{path}' holds {len(content) - head} values, its head says {shape}; delete it"
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _part(images: Path, labels: Path) -> tuple[Array, Array]:
    """Return grey levels (sample, 784) and classes (sample,)."""
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if x.shape != (len(y), SIDE, SIDE):
        raise FileFormatError(
            f"data 'smnist': '{images}' has shape {x.shape}, '{labels}' {y.shape}, rule: (N, {SIDE}, {SIDE}), (N,)"
        )
    if y.size and y.max() >= CLASSES:
        raise FileFormatError(f"data 'smnist': '{labels}' has label {y.max()}, rule: 0..{CLASSES - 1}")
    return x.reshape(len(x), -1), y
