"""What every device offers: open, load a network, run samples, perhaps learn, read what it holds, close."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.traces.trace import Trace

if TYPE_CHECKING:
    from hypr_neuro.data.sequence import SequenceData
    from hypr_neuro.sim.learning.learn import LearnRun

Progress = Callable[[int, int], None]
D = TypeVar("D", bound="DeviceBase")

CAPABILITIES = {
    "simulate": "runs samples; readout and spikes of every step",
    "states": "records the states of every neuron in every step",
    "events": "counts saturations and wraps in every layer",
    "learn": "goes on learning in integers",
}
"""All there are, by name, with what they mean."""


class Device(Protocol):
    """A place that runs a quantized network; all devices give the same numbers for the same network and samples."""

    @property
    def name(self) -> str:
        """Name under which `open_device` finds it."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """Names of what the device can do, of `CAPABILITIES`."""
        ...

    def open(self) -> None:
        """Start what the device needs."""
        ...

    def load(self, qnet: QuantizedNetwork) -> None:
        """Put a copy of the network on the device."""
        ...

    def run(self, x: Array, record: Sequence[str] = (), on_block: Progress | None = None) -> Trace:
        """Run x (sample, T, channel), each sample from zero states."""
        ...

    def learn(self, data: SequenceData, **options: Any) -> LearnRun:
        """Learn from the training part of `data`; the device then holds the learned network."""
        ...

    def read(self) -> dict[str, Any]:
        """Return the integers that the device holds."""
        ...

    def close(self) -> None:
        """Give back what the device uses."""
        ...

    def __enter__(self) -> Device: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class DeviceBase(ABC):
    """What devices share; a device defines `name`, `missing` and `_run`, and more where it needs to.

    Attributes
    ----------
    name
        Name under which `open_device` finds it.
    missing
        The capabilities that it lacks, each with the reason and the remedy.
    """

    name: ClassVar[str]
    missing: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self._open = False
        self._qnet: QuantizedNetwork | None = None
        self._trace: Trace | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """Names of what the device can do, of `CAPABILITIES`."""
        return frozenset(CAPABILITIES) - frozenset(self.missing)

    def open(self) -> None:
        """Start what the device needs; an open device stays open. Raise MissingPackageError if it is not installed."""
        self._open = True

    def load(self, qnet: QuantizedNetwork) -> None:
        """Put a copy of the network on the device. Raise InputError for what the device cannot do."""
        self._need_open("load")
        require("qnet", qnet, QuantizedNetwork)
        self._qnet, self._trace = qnet.copy(), None

    def run(self, x: Array, record: Sequence[str] = (), on_block: Progress | None = None) -> Trace:
        """Run x (sample, T, channel) integers, each sample from zero states; arguments as in `sim.engine.simulate`."""
        qnet = self._network("run")
        self._trace = self._run(qnet, x, record, on_block)
        return self._trace

    @abstractmethod
    def _run(self, qnet: QuantizedNetwork, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        """Run as `run` says; what a device is."""

    def learn(self, data: SequenceData, **options: Any) -> LearnRun:
        """Learn from the training part of `data`; the device then holds the learned network."""
        raise self.lacks("learn")

    def read(self) -> dict[str, Any]:
        """Return the integers that the device holds.

        Returns
        -------
        dict
            "weights", mantissas by connection name; "states", by layer, then state, (sample, neuron) after the last
            step of the last run, for recorded states; "counters", events of the last run by layer, {name: count}.
        """
        qnet = self._network("read")
        states, counters = {}, {}
        if self._trace is not None:
            counters = self._trace.events
            states = {
                layer: {name: steps[-1] for name, steps in by_name.items()}
                for layer, by_name in self._trace.states.items()
            }
        return {"weights": {k: v.copy() for k, v in qnet.weights().items()}, "states": states, "counters": counters}

    def close(self) -> None:
        """Give back what the device uses; closing twice does nothing."""
        self._open, self._qnet, self._trace = False, None, None

    def lacks(self, capability: str) -> InputError:
        """Return the error for a call that needs a capability which the device has not."""
        return InputError(f"device '{self.name}' cannot {capability}: {self.missing[capability]}")

    def _need_open(self, call: str) -> None:
        if not self._open:
            raise InputError(f"device '{self.name}': {call} on a closed device; call open() first")

    def _network(self, call: str) -> QuantizedNetwork:
        self._need_open(call)
        if self._qnet is None:
            raise InputError(f"device '{self.name}': {call} without a network; call load(qnet) first")
        return self._qnet

    def __enter__(self: D) -> D:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
