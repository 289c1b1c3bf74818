"""A network that learns under Lava sample by sample: its processes wait, in a worker, for what comes next."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.compilers.lava.hosted import HostedWorker
from hypr_neuro.compilers.lava.learning.live_schedule import control_rows
from hypr_neuro.compilers.lava.learning.network import check_learning
from hypr_neuro.compilers.lava.learning.records import KEPT, WRITTEN, record_paths
from hypr_neuro.compilers.lava.learning.run import clips_of
from hypr_neuro.compilers.lava.learning.synapse_inputs import SynapseInputs
from hypr_neuro.compilers.lava.worker import LEARNING
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.chip_learner import (
    ELIGIBILITIES,
    PARAMETERS,
    STATES,
    WEIGHTS,
    ChipLearner,
    LearnCounts,
    LearnSample,
    Numbers,
)
from hypr_neuro.sim.learning.options import LearnOptions

STREAM = -1
"""Steps of a sample that does not end."""


class LavaLearner(ChipLearner):
    """Learns in Lava's processes; a step of the device is one of Lava's.

    Parameters
    ----------
    qnet, options
        As of a `ChipLearner`.
    timeout
        Seconds without a sign of life from Lava after which it is ended.
    """

    chunk: int = 4

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions, timeout: float) -> None:
        super().__init__(qnet, options)
        self._lava = check_learning(qnet, options)
        self._steps = self._at = 0
        self._streams = self._written = False
        self._tail = np.zeros((self._lava.clock.tail, self._told_width), np.int32)
        self._held = self._at_first()
        self._worker: HostedWorker | None = HostedWorker(timeout)
        folder = self._worker.folder
        self._files = record_paths(self._lava, folder / LEARNING, "held")
        try:
            qnet.save(folder / "learning.h5")
            self._worker.ask({"learn": str(folder / "learning.h5"), "options": options.described()})
        except BaseException:
            self.end()
            raise

    @property
    def _told_width(self) -> int:
        return 2 if self._lava.options.targets == "labels" else self._lava.qnet.output_size + 1

    def _at_first(self) -> dict[str, dict[str, Array]]:
        """Return what the processes hold before the first step, by population or connection."""
        held: dict[str, dict[str, Array]] = {}
        for layer in self._lava.layers:
            n, d = layer.size, layer.model.d
            held[layer.name] = {
                "state": np.zeros((d, n), np.int32),
                "per_neuron": layer.neurons.per_neuron.copy(),
                "eligibility": np.zeros((d, n, len(layer.parameters)), np.int64),
                "clips": np.zeros(4, np.int64),
                "events": np.zeros(len(layer.model.events), np.int64),
            }
            for c in layer.incoming:
                shape = (d, n, c.synapses) if c.learns else (d, 1, 1)
                held[c.name] = {
                    "weights": np.asarray(c.weights(), np.int64).copy(),
                    "eligibility": np.zeros(shape, np.int64),
                    "clips": np.zeros(2, np.int64),
                    "counts": np.zeros(4, np.int64),
                }
        return held

    # --- what comes

    def _learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        clock, parts = self._lava.clock, []
        lengths: list[int] = []
        for i, s in enumerate(samples):
            steps, length = len(s.x), clock.learning_steps(len(s.x))
            numbers = np.arange(self._steps + sum(lengths) + 1, self._steps + sum(lengths) + length + 1)
            updates = np.array([self.options.due("step", int(number)) for number in numbers])
            updates[-1] |= self.options.due("sample", self.samples + i + 1)
            x, told = np.zeros((length, s.x.shape[1]), np.int32), np.zeros((length, self._told_width), np.int32)
            x[:steps], told[clock.tail : clock.tail + steps] = s.x, self._told(s)
            load = self._written and not i
            parts.append((x, told, control_rows(length, 0, steps, updates, s.rates, load=load)))
            lengths.append(length)
        if not parts:
            return []
        self._streams = False
        outputs = np.split(self._run(*map(np.concatenate, zip(*parts, strict=True))), np.cumsum(lengths)[:-1])
        return [rows[clock.tail : clock.tail + len(s.x)] for rows, s in zip(outputs, samples, strict=True)]

    def _stream(self, part: LearnSample) -> Array:
        steps = len(part.x)
        if not self._streams:
            self._streams, self._at = True, 0
            self._tail = np.zeros((self._lava.clock.tail, self._told_width), np.int32)
        joined = np.concatenate([self._tail, self._told(part)])
        updates = np.array([self.options.due("step", self._steps + k + 1) for k in range(steps)])
        control = control_rows(steps, self._at, STREAM, updates, part.rates, load=self._written)
        outputs = self._run(np.asarray(part.x, np.int32), joined[:steps], control)
        self._tail, self._at = joined[steps:], self._at + steps
        return outputs

    def _told(self, sample: LearnSample) -> Array:
        """Return what comes with each step, (T, numbers): label or targets, and whether the step counts."""
        scored = np.asarray(sample.scored, bool)
        free = sample.errors if sample.errors is not None else sample.values
        if self._lava.options.targets == "labels":
            if sample.label is None:
                raise InputError(
                    "targets or errors for options with targets='labels', rule: labels; give options those"
                )
            free = np.asarray(sample.label)[:, None]
        assert free is not None
        # what is not scored may hold any number, as a dataset marks steps without a label
        told = [np.where(scored[:, None], free, 0), scored[:, None]]
        return np.asarray(np.concatenate(told, axis=1), np.int32)

    def _run(self, x: Array, told: Array, control: Array) -> Array:
        """Let Lava go on; return the readout of each device step."""
        worker = self._alive()
        try:
            with tempfile.TemporaryDirectory(dir=worker.folder) as name:
                steps, out = Path(name) / "steps.npz", Path(name) / "out.npy"
                np.savez(steps, x=x, told=told, control=control)
                worker.ask({"steps": str(steps), "out": str(out)})
                outputs: Array = np.load(out, allow_pickle=False)
            for name, path in self._files.items():
                with np.load(str(path) + KEPT, allow_pickle=False) as kept:
                    self._held[name] = {key: kept[key] for key in kept.files}
        except BaseException:
            # Lava's processes may be in the middle of a step
            self.end()
            raise
        for path in self._files.values() if self._written else ():
            Path(str(path) + WRITTEN).unlink(missing_ok=True)
        self._written, self._steps = False, self._steps + len(x)
        return outputs

    def _alive(self) -> HostedWorker:
        if self._worker is None:
            raise HyprError(
                "device 'lava': the processes that learned have ended; load the network again, read() still gives what "
                "was learned"
            )
        return self._worker

    # --- what is held

    def counts(self) -> LearnCounts:
        """Return the sums over all processes."""
        names = [c.name for layer in self._lava.layers for c in layer.incoming if c.learns]
        steps = sum((self._held[name]["counts"] for name in names), np.zeros(4, np.int64))
        clips = clips_of(self._lava, {f"clips/{name}": arrays["clips"] for name, arrays in self._held.items()})
        events = {
            f"{layer.name} {event}": int(count)
            for layer in self._lava.layers
            for event, count in zip(layer.model.events, self._held[layer.name]["events"], strict=True)
        }
        saturated, changed, small, seen = map(int, steps)
        return LearnCounts(saturated, changed, small, seen, clips, events)

    def _read(self, kinds: Sequence[str]) -> Numbers:
        parts = {
            WEIGHTS: self._weights,
            PARAMETERS: self._parameters,
            STATES: lambda: {p.name: self._held[p.name]["state"].copy() for p in self._lava.layers},
            ELIGIBILITIES: self._eligibilities,
        }
        return {kind: parts[kind]() for kind in kinds}

    def _weights(self) -> dict[str, Array]:
        learns = {c.name for layer in self._lava.layers for c in layer.incoming if c.learns}
        weights = {name: held.copy() for name, held in self.given.weights().items()}
        for name in learns & weights.keys():
            # Lava has no empty arrays: one weight where there is none
            held = self._held[name]["weights"].reshape(-1)[: weights[name].size]
            weights[name] = held.reshape(weights[name].shape).astype(weights[name].dtype)
        return weights

    def _parameters(self) -> dict[str, Array]:
        return {p.name: self._held[p.name]["per_neuron"].copy() for p in self._lava.layers if p.parameters}

    def _places(self) -> dict[str, tuple[str, Any]]:
        """Return process and index of the eligibilities of all that learns, by name."""
        places: dict[str, tuple[str, Any]] = {}
        for layer in self._lava.layers:
            for c in layer.incoming:
                if c.learns:
                    inputs = SynapseInputs(c, layer.size)
                    listed = (slice(None), inputs.post, inputs.slot) if c.listed else ...
                    places[c.name] = (c.name, listed)
            for column, place in enumerate(layer.places):
                name = f"{layer.name}.{layer.model.trainable[place]}"
                places[name] = (layer.name, (slice(None), slice(None), column))
        return places

    def _eligibilities(self) -> dict[str, Array]:
        places = self._places()
        return {name: self._held[process]["eligibility"][at].copy() for name, (process, at) in places.items()}

    def _write(self, numbers: Mapping[str, Mapping[str, Array]]) -> None:
        self._alive()
        changed: set[tuple[str, str]] = set()
        for name, array in numbers.get(WEIGHTS, {}).items():
            held = self._held[name]["weights"].reshape(-1)
            held[: array.size] = array.reshape(-1)
            changed.add((name, "weights"))
        for name, array in numbers.get(PARAMETERS, {}).items():
            self._held[name]["per_neuron"][...] = array
            changed.add((name, "per_neuron"))
        places = self._places()
        for name, array in numbers.get(ELIGIBILITIES, {}).items():
            process, at = places[name]
            self._held[process]["eligibility"][at] = array
            changed.add((process, "eligibility"))
        for process in {process for process, _ in changed}:
            arrays = {key: self._held[process][key] for name, key in changed if name == process}
            path = Path(str(self._files[process]) + WRITTEN)
            if path.exists():
                with np.load(path, allow_pickle=False) as earlier:
                    arrays = {key: earlier[key] for key in earlier.files} | arrays
            np.savez(path, **arrays)
        self._written |= bool(changed)

    # --- the end

    def save(self, path: Path) -> None:
        """Refuse: not all that waits in Lava's processes can be read."""
        raise InputError("device 'lava' cannot save all that learning depends on; use 'sim', which goes on bit for bit")

    def restore(self, path: Path) -> None:
        """Refuse, as `save`."""
        self.save(path)

    def end(self) -> None:
        """End the worker and Lava's processes; what was learned can still be read."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None
