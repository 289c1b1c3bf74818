"""What every device offers, in three phases: prepare, run, analyse.

Prepare: `prepare` checks a network and compiles what the device needs of it; no open device is needed, so it can happen
while another network runs. Run: `open`, `load`, then `run` samples, or let the network learn with `learn` or, sample by
sample, with `learner`; `read` and `write` what the device holds. Analyse: what comes back (`Trace`, `LearnRun`) stands
by itself, the device can be closed before it is looked at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np

from hypr_neuro.devices.prepared import Loadable, Prepared, weights_of, with_weights
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.kinds import require, wrong_kind
from hypr_neuro.link.faults import MessageFaults
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.simulator import is_analog
from hypr_neuro.traces.trace import Trace

if TYPE_CHECKING:
    from hypr_neuro.data.sequence import SequenceData
    from hypr_neuro.sim.learning.chip_learner import ChipLearner
    from hypr_neuro.sim.learning.learn import LearnRun

Progress = Callable[[int, int], None]
D = TypeVar("D", bound="DeviceBase")

CAPABILITIES = {
    "simulate": "runs samples; readout and spikes of every step",
    "integers": "runs networks of integers without a profile",
    "states": "records the states of every neuron in every step",
    "events": "counts saturations and wraps in every layer",
    "learn": "goes on learning in integers",
    "stream": "learns from a stream without end",
    "inspect": "while it learns, reads and writes weights, neuron parameters and eligibilities, reads states",
    "resume": "saves all that learning depends on and goes on from there, bit for bit",
    "functions": "calls functions of the user's while it learns: regularizers, errors, probes",
}
"""All there are, by name, with what they mean."""


class Device(Protocol):
    """A place that runs a network of integers; all devices give the same numbers for the same network and samples."""

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

    def prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None = None) -> Prepared:
        """Check the network and make of it what the device needs; nothing is loaded."""
        ...

    def load(self, network: Loadable, options: LearnOptions | None = None) -> None:
        """Put a copy of the network on the device, with options to learn with."""
        ...

    def run(self, x: Array, record: Sequence[str] = (), on_block: Progress | None = None) -> Trace:
        """Run x (sample, T, channel), each sample from zero states."""
        ...

    def learn(self, data: SequenceData, **options: Any) -> LearnRun:
        """Learn from the training part of `data`; the device then holds the learned network."""
        ...

    def learner(self) -> ChipLearner:
        """Return what learns the loaded network sample by sample."""
        ...

    def read(self) -> dict[str, Any]:
        """Return the integers that the device holds."""
        ...

    def write(self, weights: Mapping[str, Array]) -> None:
        """Put other weights in place of those that the device holds."""
        ...

    def close(self) -> None:
        """Give back what the device uses."""
        ...

    def __enter__(self) -> Device: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class DeviceBase(ABC):
    """What devices share; a device defines `name`, `missing`, `_run` and, if it learns, `_learner`.

    Attributes
    ----------
    name
        Name under which `open_device` finds it.
    address
        Form of what stands behind the name of a device that is somewhere, such as "host:port"; "" for one that is here.
    place
        That address, as it was given.
    has_link
        Whether messages travel between it and this program.
    link_faults
        What happens to them, set before it is opened.
    missing
        The capabilities that it lacks, each with the reason and the remedy.
    has_crossbars
        Whether it runs networks whose weights are analog cells.
    """

    name: str
    address: ClassVar[str] = ""
    has_link: ClassVar[bool] = False
    missing: Mapping[str, str] = {}
    has_crossbars: bool = False

    def __init__(self, address: str = "") -> None:
        self.place = address
        self.link_faults: MessageFaults | None = None
        self._open = False
        self._loaded: Prepared | None = None
        self._trace: Trace | None = None
        self._learning: ChipLearner | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """Names of what the device can do, of `CAPABILITIES`."""
        return frozenset(CAPABILITIES) - frozenset(self.missing)

    # --- prepare

    def prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None = None) -> Prepared:
        """Check the network and make of it what the device needs; the device need not be open, nothing is loaded.

        Parameters
        ----------
        network : QuantizedNetwork or IntegerNetwork
            Is copied.
        options : LearnOptions, optional
            How it learns; None: it does not.

        Raises
        ------
        InputError
            For what the device cannot do.
        """
        require("network", network, QuantizedNetwork, IntegerNetwork)
        if is_analog(network) and not self.has_crossbars:
            assert isinstance(network, QuantizedNetwork)
            raise InputError(
                f"device '{self.name}': profile '{network.profile.name}' has analog weights (section analog), rule: "
                "digital ones on this device; use device 'sim', or quantize for another profile"
            )
        if isinstance(network, IntegerNetwork) and "integers" in self.missing:
            raise self.lacks("integers", "run a network of integers without a profile")
        if options is not None:
            require("options", options, LearnOptions)
            if "learn" in self.missing:
                raise self.lacks("learn")
            if not isinstance(network, QuantizedNetwork):
                raise wrong_kind("network", network, "QuantizedNetwork")
            options.check(network)
        own = network.copy() if isinstance(network, QuantizedNetwork) else network
        return Prepared(self.name, own, options, self._prepare(own, options))

    def _prepare(self, network: QuantizedNetwork | IntegerNetwork, options: LearnOptions | None) -> Any:
        """Return what this device makes of both, with a method `discard` if something must be given back."""
        return None

    # --- run

    def open(self) -> None:
        """Start what the device needs; an open device stays open. Raise MissingPackageError if it is not installed."""
        self._open = True

    def load(self, network: Loadable, options: LearnOptions | None = None) -> None:
        """Put a copy of the network on the device, with options to learn with; or what `prepare` made.

        Raises
        ------
        InputError
            For what the device cannot do.
        """
        self._need_open("load")
        if not isinstance(network, Prepared):
            network = self.prepare(network, options)
        elif network.device != self.name:
            raise InputError(
                f"network prepared for device '{network.device}', rule: '{self.name}'; prepare it with this device"
            )
        self._unload()
        self._load(network)
        self._loaded = network

    def _load(self, prepared: Prepared) -> None:  # noqa: B027  # a device may have nothing to do before it runs
        """Put it on the device."""

    def _unload(self) -> None:
        """Forget what is loaded."""
        if self._loaded is not None:
            self._loaded.discard()
        self._loaded, self._trace, self._learning = None, None, None

    def run(self, x: Array, record: Sequence[str] = (), on_block: Progress | None = None) -> Trace:
        """Run x (sample, T, channel) integers, each sample from zero states; arguments as in `sim.engine.simulate`.

        After a learner has learned, its network runs as it is now.
        """
        self._trace = self._run(self._current("run"), x, record, on_block)
        return self._trace

    @abstractmethod
    def _run(self, prepared: Prepared, x: Array, record: Sequence[str], on_block: Progress | None) -> Trace:
        """Run as `run` says; what a device is."""

    def learn(self, data: SequenceData, **options: Any) -> LearnRun:
        """Learn from the training part of `data`, as `sim.learning.learn.learn`, which documents the options.

        The device then holds the learned network.
        """
        if "learn" in self.missing:
            raise self.lacks("learn")
        if options.get("checkpoint") is not None and "resume" in self.missing:
            raise self.lacks("resume", "learn with a checkpoint")
        from hypr_neuro.sim.learning.learn import learn

        return learn(self._current("learn").quantized, data, chip=self._start, **options)

    def _start(self, qnet: QuantizedNetwork, options: LearnOptions) -> ChipLearner:
        """Load a network to learn and return its learner, which brings what it learned into `qnet`."""
        self.load(qnet, options)
        return self._begin(qnet)

    def learner(self) -> ChipLearner:
        """Return what learns the network that the device holds, sample by sample; a later `load` ends it.

        Raises
        ------
        InputError
            For a device that cannot learn, and where no options were loaded.
        """
        if "learn" in self.missing:
            raise self.lacks("learn")
        loaded = self._current("learner")
        if loaded.options is None:
            raise InputError(
                f"device '{self.name}': learner of a network that was loaded to run; call load(qnet, options) first"
            )
        return self._begin(loaded.quantized.copy())

    def _begin(self, qnet: QuantizedNetwork) -> ChipLearner:
        loaded = self._held("learn")
        assert loaded.options is not None
        self._learning = self._learner(loaded, qnet)
        if self.name != "sim":
            self._learning.where = {"device": self.name, **self._learning.where}
        return self._learning

    def _learner(self, prepared: Prepared, qnet: QuantizedNetwork) -> ChipLearner:
        """Begin to learn what is loaded; what is learned is brought into `qnet`."""
        raise self.lacks("learn")

    def read(self) -> dict[str, Any]:
        """Return the integers that the device holds.

        Returns
        -------
        dict
            "weights", mantissas by connection name; "states", by layer, then state, (sample, neuron) after the last
            step of the last run, for recorded states; "counters", events of the last run by layer, {name: count}.
        """
        network = self._current("read").network
        states, counters = {}, {}
        if self._trace is not None:
            counters = self._trace.events
            states = {
                layer: {name: steps[-1] for name, steps in by_name.items()}
                for layer, by_name in self._trace.states.items()
            }
        return {"weights": weights_of(network), "states": states, "counters": counters}

    def write(self, weights: Mapping[str, Array]) -> None:
        """Put other weights, by connection name, in place of those that the device holds.

        Raises
        ------
        InputError
            For unknown names, other shapes and numbers beyond their width; the device then holds what it held.
        """
        current = self._current("write")
        changed = with_weights(current.network, {name: np.asarray(a) for name, a in weights.items()})
        if self._learning is not None and "inspect" in self.capabilities:
            self._learning.write({"weights": weights})
            return
        self.load(changed, current.options)

    def close(self) -> None:
        """Give back what the device uses; closing twice does nothing."""
        self._unload()
        self._open = False

    def lacks(self, capability: str, words: str = "") -> InputError:
        """Return the error for a call that needs a capability which the device has not."""
        return InputError(f"device '{self.name}' cannot {words or capability}: {self.missing[capability]}")

    def _need_open(self, call: str) -> None:
        if not self._open:
            raise InputError(f"device '{self.name}': {call} on a closed device; call open() first")

    def _held(self, call: str) -> Prepared:
        self._need_open(call)
        if self._loaded is None:
            raise InputError(f"device '{self.name}': {call} without a network; call load(qnet) first")
        return self._loaded

    def _current(self, call: str) -> Prepared:
        """Return what is loaded, with the numbers that it has learned since."""
        loaded = self._held(call)
        if self._learning is None:
            return loaded
        self._loaded = loaded.with_network(self._learning.fetch().copy())
        return self._loaded

    def __enter__(self: D) -> D:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
