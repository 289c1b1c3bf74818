"""A chip that learns in another room: every sample has a number and is applied there once, however often it is sent."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.remote.contents import numbers_in, numbers_out, samples_out
from hypr_neuro.remote.link import ServerLink
from hypr_neuro.remote.packing import Content
from hypr_neuro.sim.learning.chip_learner import ChipLearner, LearnCounts, LearnSample, Numbers
from hypr_neuro.sim.learning.options import LearnOptions

KIND = "hypr-neuro remote learner"
CHUNK = 32


class RemoteLearner(ChipLearner):
    """Learns on the device behind a link.

    Parameters
    ----------
    qnet, options
        As of a `ChipLearner`.
    link
        To the server.
    run
        Name of the run there.
    """

    chunk = CHUNK

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions, link: ServerLink, run: str) -> None:
        super().__init__(qnet, options)
        self.link = link
        self.run = run
        self.step, self.noted, self.keeps = 0, 0, False
        self.writer, self.calls = secrets.token_hex(8), 0

    def _call(self, method: str, meta: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> Content:
        """Call for this learner; the number tells calls that come late from those that are repeated."""
        self.calls += 1
        return self.link.call(method, {**meta, "run": self.run, "writer": self.writer, "call": self.calls}, arrays)

    def _learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        before = self.step, self.noted
        try:
            return [a for i in range(0, len(samples), CHUNK) for a in self._apply("learn", samples[i : i + CHUNK])]
        except BaseException:  # whoever hands them over again is answered, other samples take their place
            self.step, self.noted = before
            raise

    def _stream(self, part: LearnSample) -> Array:
        return self._apply("stream", [part])[0]

    def _apply(self, what: str, samples: Sequence[LearnSample]) -> list[Array]:
        """Apply samples; a run that is saved keeps the answers there until it is saved again."""
        meta, arrays = samples_out(samples)
        meta |= {"what": what, "first": self.step, "noted": self.noted}
        _, outputs = self._call("Apply", meta, arrays)
        self._advance(len(samples))
        return [outputs[str(i)].astype(np.int64) for i in range(len(samples))]

    def _advance(self, steps: int) -> None:
        self.step += steps
        if not self.keeps:
            self.noted = self.step

    def counts(self) -> LearnCounts:
        """Return what the chip counted."""
        told, _ = self._call("Look", {"at": self.step, "counts": True})
        return LearnCounts(**told["counts"])

    def _read(self, kinds: Sequence[str]) -> Numbers:
        return numbers_in(*self._call("Look", {"at": self.step, "kinds": list(kinds)}))

    def _write(self, numbers: Mapping[str, Mapping[str, Array]]) -> None:
        meta, arrays = numbers_out(numbers)
        meta |= {"what": "write", "first": self.step, "noted": self.noted}
        self._call("Apply", meta, arrays)
        self._advance(1)

    def save(self, path: Path) -> None:
        """Write the chip's state, the number of its run and how many steps it has made."""
        told, arrays = self._call("Save", {"at": self.step})
        meta = {"run": self.run, "step": self.step, "samples": self.samples, "seal": told["seal"]}
        save_arrays(path, KIND, meta, {"state": arrays["state"]})
        self.noted, self.keeps = self.step, True

    def restore(self, path: Path) -> None:
        """Go on with the run of the file from where it was saved; steps made since are answered as they were."""
        meta, arrays = load_arrays(path, KIND)
        digest = hashlib.sha256(np.ascontiguousarray(arrays["state"]).tobytes()).hexdigest()
        self.calls += 1
        told, _ = self.link.call(
            "Attach",
            {
                "run": str(meta["run"]),
                "own": self.run,
                "step": int(meta["step"]),
                "sha256": digest,
                "seal": str(meta.get("seal", "")),
                "writer": self.writer,
                "call": self.calls,
            },
            {"state": arrays["state"]},
        )
        self.run, self.step, self.samples = str(told["run"]), int(meta["step"]), int(meta["samples"])
        self.noted, self.keeps = self.step, True
