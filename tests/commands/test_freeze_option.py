"""`hypr-neuro train --freeze`: connections whose start weights stay."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from commands import answer as answer_of
from commands import called
from commands import refusal as refusal_of

import hypr_neuro as hn
from hypr_neuro.files.run_folder import RunFolder

answer, refusal = partial(answer_of, run=called), partial(refusal_of, run=called)


def test_frozen_weights_stay_from_training_to_the_chip(data: Path, tmp_path: Path) -> None:
    options = ["--data", data, "--epochs", 2, "--freeze", "layers.0.recurrent", "--freeze", "readout"]
    answer("train", *options, "--out", tmp_path / "a")
    answer("train", *options, "--epochs", 4, "--out", tmp_path / "b")
    short, longer = (hn.Network.load(tmp_path / run / "network.h5") for run in "ab")
    same = {
        a.name: np.array_equal(a.stored(), b.stored())
        for a, b in zip(short.connections, longer.connections, strict=True)
    }
    assert same == {"input -> layers.0": False, "layers.0 -> layers.0": True, "layers.0 -> readout": True}
    described = RunFolder(tmp_path / "a").read("network")["connections"]
    assert [c.get("frozen", False) for c in described] == [False, True, True]
    # what goes on from the file keeps it, and so does learning on the chip
    answer("train", "--from", tmp_path / "a/network.h5", "--data", data, "--epochs", 1, "--out", tmp_path / "c")
    further = hn.Network.load(tmp_path / "c" / "network.h5")
    assert [
        np.array_equal(a.stored(), b.stored()) for a, b in zip(short.connections, further.connections, strict=True)
    ] == [
        False,
        True,
        True,
    ]
    answer("quantize", tmp_path / "a/network.h5", "--data", data)
    answer("learn", tmp_path / "a/quantized.h5", "--data", data, "--rate", 2, "--out", tmp_path / "d")
    before, after = (hn.QuantizedNetwork.load(tmp_path / path) for path in ("a/quantized.h5", "d/learned.h5"))
    moved = [not np.array_equal(a, b) for a, b in zip(before.weights().values(), after.weights().values(), strict=True)]
    assert moved == [True, False, False]


def test_what_cannot_be_frozen_is_refused(data: Path, tmp_path: Path) -> None:
    run = ["train", "--data", data, "--epochs", 1, "--out", tmp_path]
    assert "unknown connection 'layers.9' (did you mean 'layers.0'?), known: input -> layers.0" in refusal(
        *run, "--freeze", "layers.9"
    )
    assert "--freeze readout: only with --arithmetic float" in refusal(
        *run, "--arithmetic", "fixed", "--freeze", "readout"
    )
