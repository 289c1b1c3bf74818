"""What devices share that are a program in C behind a link: the network's own, or one that learns."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hypr_neuro.compilers.c.learning.held import HeldStructs
from hypr_neuro.compilers.rows import recorded_states, trace_of_rows
from hypr_neuro.devices.device import DeviceBase, Progress
from hypr_neuro.devices.linked_learner import LinkedLearner, input_bytes
from hypr_neuro.devices.prepared import Prepared
from hypr_neuro.devices.programs import BuiltProgram
from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.graph.integer import IntegerNetwork, as_integer
from hypr_neuro.link.faults import FaultyFrames
from hypr_neuro.link.requests import LinkLostError, LinkStatistics, RequestKind, Requests, ServedProgram
from hypr_neuro.link.transport import Transport
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.engine import check_input
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.plan import LearningPlan
from hypr_neuro.traces.trace import Trace

FUNCTIONS = "its program runs by itself and cannot call into this one; learn on 'sim'"
PATIENCE = 20.0
ATTEMPTS = 3
"""Times that a device is started anew in one call."""


@dataclass
class LinkedProgram:
    """A program in C, and what is known of it here.

    Attributes
    ----------
    digest : bytes
        What it says it is.
    built : BuiltProgram or None
        The program, which is there as long as this is; None where the board holds it already.
    plan, held : LearningPlan and HeldStructs, or None
        Of one that learns.
    """

    digest: bytes
    built: BuiltProgram | None = None
    plan: LearningPlan | None = None
    held: HeldStructs | None = field(default=None, repr=False)


class LinkedDevice(DeviceBase):
    """Runs and learns in a program behind a link.

    Parameters
    ----------
    address : str
        Where it is, "" for one that is started here.
    timeout : float
        Seconds without an answer after which the device is started anew; a request is sent again before.

    Attributes
    ----------
    link : LinkStatistics
        What the link has carried.
    """

    has_link = True
    missing: Mapping[str, str] = {"functions": FUNCTIONS}

    def __init__(self, address: str = "", *, timeout: float = PATIENCE) -> None:
        super().__init__(address)
        if not 0 < timeout < float("inf"):
            raise InputError(f"device '{self.name}': timeout = {timeout}, rule: above 0 seconds")
        self.timeout = timeout
        self.link = LinkStatistics()
        self._faulty: FaultyFrames | None = None
        self._requests: Requests | None = None
        self._program: ServedProgram | None = None

    # --- the other side

    @abstractmethod
    def _transport(self, program: LinkedProgram) -> Transport:
        """Return the way to this program."""

    def _connect(self) -> None:
        """Reach the program that is loaded, and begin a session; InputError if it is another one."""
        made = self._made("load")
        if self._requests is None:
            name = f"device '{self.name}'"
            if self.link_faults is not None and self._faulty is None:
                self._faulty = FaultyFrames(self.link_faults, name)
            self._requests = Requests(self._transport(made), name, timeout=self.timeout, changed=self._faulty)
            self._requests.statistics = self.link
        self._requests.transport.open()
        self._program = self._requests.begin()
        if self._program.digest != made.digest:
            raise InputError(self._another(self._program.digest, made.digest))

    def _another(self, found: bytes, wanted: bytes) -> str:
        return (
            f"device '{self.name}': its program is {found.hex()[:12]}, rule: {wanted.hex()[:12]}, which this network "
            "and these options give; build the folder that `hypr-neuro compile --target c` writes for them (make "
            "serve-board) and flash it"
        )

    def _made(self, call: str) -> LinkedProgram:
        made = self._held(call).made
        assert isinstance(made, LinkedProgram)
        return made

    def ask(self, kind: RequestKind, body: bytes = b"") -> bytes:
        """Return the answer to a request; raise LinkLostError where the device has to be started anew."""
        if self._requests is None or self._program is None:
            raise LinkLostError(f"device '{self.name}': not reached")
        return self._requests.ask(kind, body)

    @property
    def room(self) -> int:
        """Largest body of a request and of an answer, in bytes."""
        assert self._program is not None
        return self._program.room

    def read_region(self, region: int) -> bytes:
        """Read what stands in a region."""
        assert self._program is not None
        size, parts = self._program.regions[region], []
        for at in range(0, size, self.room):
            parts.append(self.ask(RequestKind.READ, struct.pack("<BII", region, at, min(self.room, size - at))))
        return b"".join(parts)

    def write_region(self, region: int, image: bytes | bytearray) -> None:
        """Write a region."""
        most = self.room - 5
        for at in range(0, len(image), most):
            self.ask(RequestKind.WRITE, struct.pack("<BI", region, at) + bytes(image[at : at + most]))

    # --- loading

    def _load(self, prepared: Prepared) -> None:
        self._loaded = prepared
        try:
            self._again(self._connect)
        except BaseException:
            self._loaded = None
            raise

    def _again(self, begin: Any) -> None:
        """Call it until it succeeds, a few times: a board may be starting."""
        for attempt in range(ATTEMPTS):
            try:
                begin()
                return
            except LinkLostError as error:
                if attempt + 1 == ATTEMPTS:
                    raise HyprError(f"{error}; started {ATTEMPTS} times") from error

    def _unload(self) -> None:
        if self._requests is not None:
            self._requests.transport.close()
        self._requests, self._program = None, None
        super()._unload()

    # --- running

    def _run(self, prepared: Prepared, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        network, tail = as_integer(prepared.network)
        data = check_input(network, x)
        states = recorded_states(network, record)
        keeps = any(states.values())
        padded = np.pad(data, ((0, 0), (0, tail), (0, 0)))
        if self._learning is None and prepared.options is not None:
            self.learner()  # a program that learns runs samples through its learner
        learning = self._learning if isinstance(self._learning, LinkedLearner) else None
        done: list[list[Array]] = []
        events: list[dict[str, dict[str, int]]] = []

        def whole() -> None:
            done.clear()
            events.clear()
            for sample in padded:
                rows, counted = self._sample(network, sample, keeps, learning)
                done.append(rows)
                events.append(counted)
                if on_block is not None:
                    on_block(len(done), len(padded))

        self._with_restarts(whole, learning)
        total = {
            p.name: {event: sum(each[p.name][event] for each in events) for event in p.model.events}
            for p in network.populations
        }
        return trace_of_rows(network, data, tail, record, lambda i: np.stack([rows[i] for rows in done]), total)

    def _with_restarts(self, call: Any, learning: LinkedLearner | None) -> None:
        """Call it; where the device starts anew on the way, once more from the beginning."""
        if learning is not None:
            learning.run_aside(call)
            return
        for attempt in range(ATTEMPTS):
            try:
                call()
                return
            except LinkLostError as error:
                if attempt + 1 == ATTEMPTS:
                    raise HyprError(f"{error}; started {ATTEMPTS} times") from error
                self._again(self._connect)

    def _sample(
        self, network: IntegerNetwork, sample: Array, keeps: bool, learning: LinkedLearner | None
    ) -> tuple[list[Array], dict[str, dict[str, int]]]:
        """Run one sample: for each population (steps, states + 1, n), what it sends last; and its events."""
        if learning is not None:
            return learning.infer(network, sample, keeps)
        self.ask(RequestKind.BEGIN_RUN, bytes([keeps]))
        assert self._program is not None
        bytes_out = self._program.sent + keeps * self._program.states
        steps = self._steps(RequestKind.STEPS, sample, bytes_out)
        counted = struct.unpack(f"<{self._program.event_count}I", self.ask(RequestKind.EVENTS))
        rows, left = self._split(network, steps, keeps), iter(counted)
        events = {}
        for p in network.populations:
            # one that counts nothing has an entry all the same, as arrays in C do
            of_one = [next(left) for _ in p.model.events or ("none",)]
            events[p.name] = dict(zip(p.model.events, of_one, strict=False))
        return rows, events

    def _steps(self, kind: RequestKind, sample: Array, bytes_out: int) -> Array:
        """Run the steps of a sample, as many at a time as fit; return (steps, bytes) of what comes back."""
        width, packed = input_bytes(sample)
        count = min((self.room - 1) // (width * sample.shape[1]), self.room // max(bytes_out, 1))
        if count < 1:
            need = max(1 + width * sample.shape[1], bytes_out)
            raise InputError(
                f"device '{self.name}': a step takes {need} bytes, rule: at most {self.room}, the room of its program; "
                f"build it with HN_LINK_ROOM={need}u, or record fewer states"
            )
        parts = []
        for first in range(0, len(sample), count):
            part = packed[first : first + count]
            answer = self.ask(kind, bytes([width]) + part.tobytes())
            parts.append(np.frombuffer(answer, np.uint8).reshape(len(part), bytes_out))
        return np.concatenate(parts)

    @staticmethod
    def _split(network: IntegerNetwork, steps: Array, keeps: bool) -> list[Array]:
        """Cut what came back into populations."""
        sent, at = [], 0
        for p in network.populations:
            kind = np.dtype(np.int32 if p.model.sends_numbers else np.int8)
            stop = at + p.size * kind.itemsize
            sent.append(np.ascontiguousarray(steps[:, at:stop]).view(kind).astype(np.int32))
            at = stop
        rows = []
        for p, each in zip(network.populations, sent, strict=True):
            values = np.zeros((len(steps), p.model.d + 1, p.size), np.int32)
            values[:, -1] = each
            if keeps:
                stop = at + p.model.d * p.size * 4
                held = np.ascontiguousarray(steps[:, at:stop]).view(np.int32)
                values[:, :-1] = held.reshape(len(steps), p.model.d, p.size)
                at = stop
            rows.append(values)
        return rows

    # --- learning

    def _learner(self, prepared: Prepared, qnet: QuantizedNetwork) -> LinkedLearner:
        assert prepared.options is not None
        return LinkedLearner(qnet, prepared.options, self)

    @staticmethod
    def _plan(network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> dict[str, Any]:
        """Return what a `LinkedProgram` knows of learning."""
        if options is None:
            return {}
        assert isinstance(network, QuantizedNetwork)
        plan = LearningPlan(network, options)
        return {"plan": plan, "held": HeldStructs(plan)}
