"""What a device learned, epoch by epoch, kept in a folder beside the checkpoint that it goes on from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from hypr_neuro.comparing.kept import KeptRuns, run_key
from hypr_neuro.data.sequence import SequenceData
from hypr_neuro.devices.device import Device
from hypr_neuro.files.store import load_arrays
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.weight_entries import with_entries
from hypr_neuro.sim.learning.learn import KIND, PROGRESS
from hypr_neuro.sim.learning.options import LearnOptions


class KeptEpochs:
    """The epochs of one run of learning on one device.

    Parameters
    ----------
    folder
        Where they are kept.
    device
        The device's name.
    qnet, data, epochs, part, options
        What the run starts from; a run that starts from anything else finds none of them.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        qnet: QuantizedNetwork,
        data: SequenceData,
        epochs: int,
        part: str,
        options: LearnOptions,
    ) -> None:
        self.kept, self.start, self.epochs = KeptRuns(folder), qnet, epochs
        self.key = run_key(f"on {device}", qnet, data, epochs, part, options)

    def before(self) -> list[QuantizedNetwork]:
        """Return the networks after each epoch that the checkpoint goes on from.

        A run that was stopped between the checkpoint of an epoch and its network starts anew.
        """
        found: list[QuantizedNetwork] = []
        while len(found) < self.epochs and (held := self.kept.read(self._name(len(found) + 1))) is not None:
            found.append(with_integers(self.start, held[1]))
        folder = self.kept.unfinished(self.key)
        path = folder / PROGRESS
        there = len(load_arrays(path, KIND)[0]["epochs"]) if path.is_file() else 0
        if there == len(found):
            return found
        rmtree(folder)
        return []

    def keep(self, epoch: int, learned: QuantizedNetwork) -> None:
        """Keep the network after an epoch, the first is 1."""
        self.kept.write(self._name(epoch), {}, integers_of(learned))

    def checkpoint(self, device: Device) -> dict[str, Any]:
        """Return the option of `learn` with which a device goes on, {} for one that cannot."""
        return {"checkpoint": self.kept.unfinished(self.key)} if "resume" in device.capabilities else {}

    def drop(self) -> None:
        """Throw everything away."""
        for epoch in range(1, self.epochs + 1):
            self.kept.drop(self._name(epoch))
        rmtree(self.kept.unfinished(self.key))

    def _name(self, epoch: int) -> str:
        return f"{self.key}-epoch-{epoch}"


def integers_of(qnet: QuantizedNetwork) -> dict[str, Array]:
    """Return copies of all integers that learning may change."""
    weights = {name: np.array(m, np.int64) for name, m in qnet.weights().items()}
    return weights | {f"{p.name}, neurons": np.array(p.per_neuron, np.int64) for p in qnet.populations}


def with_integers(start: QuantizedNetwork, integers: dict[str, Array]) -> QuantizedNetwork:
    """Return a network with other weights and neuron parameters."""
    names = start.connection_names()
    return replace(
        start,
        populations=tuple(replace(p, per_neuron=integers[f"{p.name}, neurons"].copy()) for p in start.populations),
        connections=tuple(
            replace(c, mantissa=with_entries(c.mantissa, integers[n].reshape(c.entries().shape).copy()))
            for n, c in zip(names, start.connections, strict=True)
        ),
    )
