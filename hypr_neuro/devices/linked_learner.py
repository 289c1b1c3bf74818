"""Learning in a program behind a link, exactly once: where the device starts anew, it goes on from what was saved.

After every `save_every` samples, and before anything that cannot be repeated, the structs of the program are read; they
and the samples since then give the same state again, bit for bit, on a device that has lost its own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hypr_neuro.compilers.c.learning.held import COUNTED, LEARNED, MEMORY, RUN, HeldStructs, region_of
from hypr_neuro.errors import FileFormatError, HyprError, InputError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.link.requests import LinkLostError, RequestKind
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.chip_learner import WEIGHTS, ChipLearner, LearnCounts, LearnSample, Numbers
from hypr_neuro.sim.learning.options import LearnOptions

if TYPE_CHECKING:
    from hypr_neuro.devices.linked import LinkedDevice

KIND = "hypr-neuro state of a learning program"
REGIONS = {LEARNED: "learned", MEMORY: "memory", RUN: "run", COUNTED: "counted"}
SAVE_EVERY = 64
"""Samples between readings of the whole state."""
RESTARTS = 50
"""Times that a device may start anew while one call lasts."""


def input_bytes(values: Array) -> tuple[int, Array]:
    """Return bytes of an input value and the values in that type, the narrowest that holds them all."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return np.dtype(kind).itemsize, np.ascontiguousarray(values, kind)
    raise InputError(f"input of {low}..{high}, rule: 32 bits")


class LinkedLearner(ChipLearner):
    """Learns on a device behind a link.

    Parameters
    ----------
    qnet, options
        As of a `ChipLearner`.
    device : LinkedDevice
        With the program loaded.
    save_every : int
        Samples after which the state is read.

    Attributes
    ----------
    restarts : int
        Times that the device had to go on from what was saved.
    """

    def __init__(
        self, qnet: QuantizedNetwork, options: LearnOptions, device: LinkedDevice, *, save_every: int = SAVE_EVERY
    ) -> None:
        super().__init__(qnet, options)
        self.device, self.save_every, self.restarts = device, save_every, 0
        self.held = HeldStructs(self.plan)
        self._since: list[Callable[[], Any]] = []
        self._streaming = False
        self._half = False
        self._kept: dict[int, bytes] = {LEARNED: bytes(self.held.start())}
        self._certain(self._put_kept)
        self._keep()

    # --- once, whatever happens to the device

    def _certain(self, call: Callable[[], Any]) -> Any:
        """Return what a call gives that leaves the device's state as it would be had it been called once.

        A call that does not end, as one that Ctrl-C interrupts, counts as not made.
        """
        for _ in range(RESTARTS):
            try:
                if self._half:
                    self._go_on()
                self._half = True
                result = call()
                self._half = False
                return result
            except LinkLostError as error:
                last: HyprError = error
        raise HyprError(f"{last}; started {RESTARTS} times, learning stopped after {self.samples} samples") from last

    def _go_on(self) -> None:
        """Bring a device that has started anew, or was left in the middle of a call, to where this side is."""
        self.restarts += 1
        self.device._connect()
        self._put_kept()
        for call in self._since:
            call()

    def _put_kept(self) -> None:
        self.device.ask(RequestKind.RESET)
        for region, image in self._kept.items():
            self.device.write_region(region, image)

    def _keep(self) -> None:
        """Read everything that the device holds, as what it goes on from."""
        self._kept = self._certain(lambda: {region: self.device.read_region(region) for region in REGIONS})
        self._since.clear()

    def _done(self, call: Callable[[], Any]) -> Any:
        """Do what changes the device's state; it is done again where the state is lost."""
        result = self._certain(call)
        self._since.append(call)
        if len(self._since) >= self.save_every:
            self._keep()
        return result

    # --- learning

    def _learn(self, samples: Sequence[LearnSample]) -> list[Array]:
        self._streaming = False
        tail = self.qnet.tail
        outputs = []
        packed = [self._packed(sample) for sample in samples]
        for sample, told in zip(samples, packed, strict=True):
            whole = self._done(partial(self._sample, *told))
            outputs.append(whole[tail : tail + len(sample.x)])
        return outputs

    def _sample(self, rates: bytes, steps: Array) -> Array:
        self.device.ask(RequestKind.RATE, rates)
        self.device.ask(RequestKind.BEGIN)
        parts = [self._steps(steps)]
        bytes_out = 4 * self.plan.qnet.output_size
        most = max(1, (self.device.room - 4) // bytes_out)
        over = False
        while not over:
            answer = self.device.ask(RequestKind.TAIL, struct.pack("<I", most))
            over = answer[0] == 1
            parts.append(self._outputs(answer[4:]))
        return np.concatenate(parts)

    def _stream(self, part: LearnSample) -> Array:
        rates, steps = self._packed(part)
        first = not self._streaming

        def go() -> Array:
            if first:
                self.device.ask(RequestKind.BEGIN)
            self.device.ask(RequestKind.RATE, rates)
            return self._steps(steps)

        outputs: Array = self._done(go)
        self._streaming = True
        return outputs

    def _packed(self, sample: LearnSample) -> tuple[bytes, Array]:
        """Return the rates, and (steps, bytes) of what each step takes, with the bytes of an input value in front."""
        targets = sample.checked(self.plan, self.network)
        self._check_inputs(sample.x, "learn on 'sim', or scale the input down")
        outputs = self.plan.qnet.output_size
        if self.options.targets == "labels":
            if sample.label is None:
                raise InputError(f"device '{self.device.name}': values or errors, rule: targets of the options say so")
            told = np.where(targets.scored, targets.label, 0)[:, None]
        else:
            given = sample.values if self.options.targets == "values" else sample.errors
            if given is None:
                raise InputError(
                    f"device '{self.device.name}': no {self.options.targets}, rule: targets of the options"
                )
            told = np.asarray(given).reshape(len(sample.x), outputs)
        width, x = input_bytes(sample.x)
        rows = [x.view(np.uint8).reshape(len(x), -1), np.ascontiguousarray(told, "<i4").view(np.uint8)]
        steps = np.concatenate([*rows, targets.scored.astype(np.uint8)[:, None]], axis=1)
        return struct.pack("<ii", *sample.rates), np.pad(steps, ((0, 0), (1, 0)), constant_values=width)

    def _check_inputs(self, x: Array, remedy: str) -> None:
        """Raise InputError for inputs beyond those that the program takes, which may be fewer than the simulator."""
        largest, limit = max(int(x.max()), -int(x.min())), self.held.program.input_limit
        if largest > limit:
            raise InputError(
                f"device '{self.device.name}': x holds magnitudes up to {largest}, rule: at most {limit}, the "
                f"HN_LEARN_INPUT_LIMIT of its program; {remedy}"
            )

    def _steps(self, steps: Array) -> Array:
        """Learn in steps, as many at a time as fit; return the outputs (steps, outputs)."""
        width, rows = bytes(steps[:1, 0]), steps[:, 1:]
        bytes_out = 4 * self.plan.qnet.output_size
        count = min((self.device.room - 1) // rows.shape[1], self.device.room // bytes_out)
        if count < 1:
            need = max(1 + rows.shape[1], bytes_out)
            raise InputError(
                f"device '{self.device.name}': a step takes {need} bytes, rule: at most {self.device.room}, the room "
                f"of its program; build it with HN_LINK_ROOM={need}u"
            )
        parts = []
        for first in range(0, len(rows), count):
            answer = self.device.ask(RequestKind.LEARN_STEPS, width + rows[first : first + count].tobytes())
            parts.append(self._outputs(answer))
        return np.concatenate(parts)

    def _outputs(self, answer: bytes) -> Array:
        return np.frombuffer(answer, "<i4").reshape(-1, self.plan.qnet.output_size).astype(np.int32)

    # --- reading and writing

    def counts(self) -> LearnCounts:
        """Return what the device has counted."""
        image: bytes = self._certain(lambda: self.device.read_region(COUNTED))
        return self.held.counts(image)

    def _read(self, kinds: Sequence[str]) -> Numbers:
        regions = {region_of(kind) for kind in kinds}
        images = self._certain(lambda: {region: self.device.read_region(region) for region in regions})
        found = {kind: self.held.numbers(kind, images[region_of(kind)]) for kind in kinds}
        if WEIGHTS in found:
            # those that stay as they are stand in the program, not in what it learns
            held = self.given.weights()
            found[WEIGHTS] = {name: found[WEIGHTS].get(name, held[name]).copy() for name in held}
        return found

    def _write(self, numbers: Mapping[str, Mapping[str, Array]]) -> None:
        learning = {t.name for t in self.plan.tensors}
        frozen = sorted(set(numbers.get(WEIGHTS, {})) - learning)
        if frozen:
            raise InputError(
                f"device '{self.device.name}': weights of {frozen[0]} do not learn, they are part of its program; load "
                "a network with other ones"
            )
        self._done(partial(self._write_now, numbers))
        self._keep()

    def _write_now(self, numbers: Mapping[str, Mapping[str, Array]]) -> None:
        for kind, values in numbers.items():
            image = bytearray(self.device.read_region(region_of(kind)))
            self.held.put(image, kind, values)
            self.device.write_region(region_of(kind), image)

    # --- running what was learned

    def run_aside(self, call: Callable[[], None]) -> None:
        """Run samples with what was learned so far; what is under way goes on behind it as if nothing had been."""

        def aside() -> None:
            before = {region: self.device.read_region(region) for region in (RUN, COUNTED)}
            call()
            for region, image in before.items():
                self.device.write_region(region, image)

        self._certain(aside)

    def infer(
        self, network: IntegerNetwork, sample: Array, keeps: bool
    ) -> tuple[list[Array], dict[str, dict[str, int]]]:
        """Run one sample: for each population (steps, states + 1, n), what it sends last; and its events."""
        self._check_inputs(sample, "load the learned network without options to run it, or scale the input down")
        sending = [self.held.place(f"sent_{i}") for i in range(len(self.plan.layers))]
        places = sending + [self.held.place(f"state_{i}") for i in range(len(self.plan.layers)) if keeps]
        self.device.ask(RequestKind.WATCH, b"".join(struct.pack("<II", *place) for place in places))
        counted = self.device.read_region(COUNTED)
        self.device.ask(RequestKind.BEGIN)
        steps = self.device._steps(RequestKind.INFER, sample, sum(size for _, size in places))
        after = self.device.read_region(COUNTED)
        images = np.split(steps, np.cumsum([size for _, size in places])[:-1], axis=1)
        sent, states = images[: len(sending)], images[len(sending) :]
        kinds = {f.name: np.dtype(f.kind.removesuffix("_t")) for f in self.held._fields if f.struct == "run"}
        rows = []
        for p in network.populations:
            i = next(i for i, layer in enumerate(self.plan.layers) if layer.name == p.name)
            values = np.zeros((len(sample), p.model.d + 1, p.size), np.int32)
            values[:, -1] = np.ascontiguousarray(sent[i]).view(kinds[f"sent_{i}"])
            if keeps:
                held = np.ascontiguousarray(states[i]).view(kinds[f"state_{i}"])
                values[:, :-1] = held.reshape(len(sample), p.size, p.model.d).swapaxes(1, 2)
            rows.append(values)
        return rows, self.held.population_events(counted, after)

    # --- saving

    def save(self, path: Path) -> None:
        """Write the structs of the program, and how far it is."""
        self._keep()
        arrays = {REGIONS[region]: np.frombuffer(image, np.uint8) for region, image in self._kept.items()}
        meta = {"samples": self.samples, "digest": self.device._made("save").digest.hex(), "streaming": self._streaming}
        save_arrays(path, KIND, meta, arrays)

    def restore(self, path: Path) -> None:
        """Go on where `save` was called, on a device with the same program."""
        meta, arrays = load_arrays(path, KIND)
        wanted = self.device._made("restore").digest.hex()
        if meta.get("digest") != wanted:
            raise InputError(
                f"file '{path}': of another network or of other options; rule: those that it was saved with"
            )
        try:
            kept = {region: arrays[name].tobytes() for region, name in REGIONS.items()}
            samples, streaming = int(meta["samples"]), bool(meta["streaming"])
            if tuple(len(kept[region]) for region in REGIONS) != self.held.bytes:
                raise ValueError("sizes")
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"file '{path}': {type(error).__name__} {error}; save the state again") from error
        self._kept, self.samples, self._streaming = kept, samples, streaming
        self._since.clear()
        self._certain(self._put_kept)
