"""Integer simulation: any number of samples at once, in blocks of steps, so that memory does not grow with T.

Time is that of `hypr_neuro.graph.integer`. In a network of layers with connection_delay 1 (Lava, Loihi) layer ℓ runs ℓ
steps behind float, the readout of L layers L+1, and a run takes T + L + 1 steps. A bias axon fires in every step and
travels like a spike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hypr_neuro.data.checks import holds_fractions, of_fractions
from hypr_neuro.errors import FileFormatError, InputError
from hypr_neuro.files.store import load_arrays, save_arrays
from hypr_neuro.graph.integer import INPUT, HasInteger, IntegerNetwork, as_integer
from hypr_neuro.graph.synapses import Synapses
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.numbers.checks import require_finite, whole
from hypr_neuro.run.forward import chunks, over_batch
from hypr_neuro.sim.delivery import Delivery, deliveries
from hypr_neuro.sim.history import SourceHistory
from hypr_neuro.sim.population import PopulationRun
from hypr_neuro.sim.recorder import Recorder
from hypr_neuro.traces.trace import Trace

KIND = "hypr-neuro simulator state"
BLOCK = 4096
BLOCK_ENTRIES = 1 << 20
"""Steps of a block at most, and entries (step, sample, neuron) of its widest population: about one cache."""
MAX_INPUT = (1 << 31) - 1


class Simulator:
    """A network running step after step, without an end in sight; `run` may be called again and again.

    Attributes
    ----------
    network
        What runs.
    batch
        Samples at once.
    time
        Steps that it has run.
    populations
        A `PopulationRun` each.
    input
        The `SourceHistory` of the input.
    deliveries
        All connections, one a delay.
    longest
        Steps of the longest block.
    threaded
        Whether slices of the batch run on threads; False where the caller is one of them.
    counters
        Names of further arrays of `running_state`.
    """

    counters: tuple[str, ...] = ()

    def __new__(
        cls, network: IntegerNetwork | HasInteger | None = None, batch: int = 1, *, threaded: bool = True
    ) -> Simulator:
        """Make an `AnalogSimulator` of a network whose weights are analog cells."""
        if cls is Simulator and is_analog(network):
            from hypr_neuro.sim.crossbar.simulator import AnalogSimulator

            return super().__new__(AnalogSimulator)
        return super().__new__(cls)

    def __init__(self, network: IntegerNetwork | HasInteger, batch: int = 1, *, threaded: bool = True) -> None:
        batch = whole("batch", batch, 1)
        self._given, self.batch, self.threaded = network, batch, threaded
        self.reset()

    def __repr__(self) -> str:
        return f"Simulator of {self.batch} sample(s) side by side, step {self.time}; {self.network.table().title}"

    def reset(self) -> None:
        """Set all states zero, time 0; event counts too. Weights are taken over anew."""
        self.network, self.time = as_integer(self._given)[0], 0
        self.deliveries = delivered = self._sort(deliveries(self.network))
        depths = {name: max([d.lag for d in delivered if d.source == name], default=0) for name in self._sources()}
        self.input = SourceHistory(self.batch * self.network.inputs, max(depths[INPUT], 1), np.int32)
        self.populations = [
            PopulationRun(p, self.batch, self._recurrent[p.name], depths[p.name]) for p in self.network.populations
        ]

    def _sources(self) -> list[str]:
        return [INPUT, *(p.name for p in self.network.populations)]

    def _sort(self, delivered: list[Delivery]) -> list[Delivery]:
        """Sort by target into spikes of the population itself and others; find the longest block that cycles allow."""
        names = [p.name for p in self.network.populations]
        own = [d for d in delivered if d.source == d.target and d.message is None]
        self._recurrent = {n: [d for d in own if d.target == n] for n in names}
        self._incoming = {n: [d for d in delivered if d.target == n and d not in own] for n in names}
        rank = {name: i for i, name in enumerate([INPUT, *names])}
        back = [d.lag for d in delivered if rank[d.source] >= rank[d.target] and d not in own]
        widest = self.batch * max(self.network.inputs, *(p.size for p in self.network.populations))
        # what a later population sent must be there before the block starts
        self.longest = min([BLOCK, max(BLOCK_ENTRIES // widest, 32), *back])
        return delivered

    def run(self, x: Array) -> Array:
        """Run any number of steps; return the outputs (steps, batch, n) of the output populations, side by side.

        `x` is (steps, batch, channel). Raise InputError for a wrong shape, values that are no integers, or sums that
        could leave 32 bits.
        """
        data, parts = self._checked(x), []
        for part in chunks(len(data), self.longest):
            self.block(data[part])
            parts.append(np.concatenate(self.outputs(), axis=2))
        return np.concatenate(parts)

    def outputs(self) -> list[Array]:
        """Return what the output populations sent in the last block, each (steps, batch, n)."""
        runs = [self.populations[self.network.index(name)] for name in self.network.outputs]
        return [run.outputs.reshape(-1, self.batch, run.population.size) for run in runs]

    def trace(self, x: Array, record: Sequence[str] = ("spikes",)) -> Trace:
        """Run as `run`, with what `record` names of these steps (as in `engine.simulate`) in arrays (steps, batch, n).

        The trace's events are all since the start, its readout is (batch, steps, n).
        """
        data, recorder = self._checked(x), Recorder(self.network, self.batch, record)
        for part in chunks(len(data), self.longest):
            self.block(data[part], recorder.states, recorder.currents)
            recorder.take(self)
        return recorder.trace(self, 0)

    def events(self) -> dict[str, dict[str, int]]:
        """Count, by population, how often each of its events happened since the start, over the batch."""
        return {
            p.population.name: dict(zip(p.population.model.events, map(int, p.events.sum(axis=0)), strict=True))
            for p in self.populations
        }

    def doubts(self) -> list[str]:
        """Say what makes worthless what came out since the start, one line each with cause and remedy."""
        return []

    def _checked(self, x: Array) -> Array:
        data = check_values(self.network, x)
        if data.ndim != 3 or data.shape[1:] != (self.batch, self.network.inputs) or len(data) == 0:
            raise InputError(
                f"x of shape {data.shape}, rule: (steps, {self.batch}, {self.network.inputs}), at least one step"
            )
        return data

    def step(self, x: Array) -> Array:
        """Run one step, x (batch, channel), and return outputs (batch, n), for a loop that closes over the outputs.

        A call costs many times a step of a small network; give `run` as many steps as are known.
        """
        return np.asarray(self.run(np.asarray(x)[None])[0])

    def block(self, x: Array, keep_states: Sequence[bool] = (), keep_currents: Sequence[bool] = ()) -> None:
        """Run at most `longest` steps, x (steps, batch, channel), checked; the populations hold what they sent.

        Parameters
        ----------
        x : (steps, batch, channel)
            Integers.
        keep_states, keep_currents
            For each population whether its `states` and `currents` are filled; () none.
        """
        steps = len(x)
        self.input.begin(steps)
        self.input.delayed(0)[...] = x.reshape(steps, -1)
        rows = self.input.rows
        spikes = bool(rows.min() >= 0 and rows.max() <= 1)
        for i, p in enumerate(self.populations):
            p.begin(steps, bool(keep_states and keep_states[i]), bool(keep_currents and keep_currents[i]))
        for p in self.populations:
            self._run(p, spikes)
        self.time += steps

    def save(self, path: str | Path) -> None:
        """Write everything that the next step depends on, and the event counts, to a file that `restore` reads."""
        save_arrays(path, KIND, self._identity() | {"time": self.time}, self.running_state())

    def _identity(self) -> dict[str, Any]:
        """Return what a saved state must agree with."""
        return {"network": self.network.digest(), "batch": self.batch}

    def running_state(self) -> dict[str, Array]:
        """Return arrays that the next step depends on, and the event counts, by name."""
        arrays = {"input": self.input.tail}
        for i, p in enumerate(self.populations):
            arrays |= {f"{i}/state": p.state, f"{i}/sent": p.sent.tail, f"{i}/events": p.events}
        return arrays

    def restore(self, path: str | Path) -> None:
        """Go on where `save` was called: the next steps are the same, bit for bit.

        Raise FileFormatError for a damaged file, InputError for one of another network or batch; the simulator then
        stays as it is.
        """
        meta, arrays = load_arrays(path, KIND)
        identity = self._identity()
        for key, value in identity.items():
            if meta.get(key) != value:
                raise InputError(
                    f"file '{path}': {key} {meta.get(key)}, this simulator has {value}; rule: a state "
                    "fits the network and batch that it was saved from"
                )
        for name, array in self.running_state().items():
            stored = arrays.get(name)
            if stored is None or stored.shape != array.shape or stored.dtype != array.dtype:
                raise FileFormatError(f"file '{path}': '{name}' is missing or has another shape; save the state again")
        self.time, self.input.tail = int(meta["time"]), arrays["input"]
        for i, p in enumerate(self.populations):
            p.state[...], p.events[...] = arrays[f"{i}/state"], arrays[f"{i}/events"]
            p.sent.tail = arrays[f"{i}/sent"]
        for name in self.counters:
            getattr(self, name)[...] = arrays[name]

    def _run(self, p: PopulationRun, spikes: bool) -> None:
        """Run a population's block: what arrives from others, then its own steps; slices of the batch on threads."""
        work = [
            (d, d.messages(self.sent(d.source, d.lag)), self._carries_spikes(d, spikes))
            for d in self._incoming[p.population.name]
        ]

        def run_slice(first: int, stop: int) -> None:
            for delivery, sent, only_spikes in work:
                delivery.run(sent, self.time, p.arriving[delivery.current], only_spikes, first, stop)
            p.run(first, stop)

        if self.batch == 1 or not self.threaded:
            run_slice(0, self.batch)
        else:
            over_batch(self.batch, run_slice)

    @staticmethod
    def _carries_spikes(d: Delivery, input_spikes: bool) -> bool:
        return input_spikes if d.source == INPUT else d.message is None

    def sent(self, source: str, lag: int) -> Array:
        """Return what a source sent `lag` steps before each step of the last block, (steps, batch·n)."""
        history = self.input if source == INPUT else self.populations[self.network.index(source)].sent
        return history.delayed(lag)


def is_analog(network: object) -> bool:
    """Tell whether the network is quantized for a profile whose weights are analog cells."""
    profile = getattr(network, "profile", None)
    return getattr(profile, "analog", None) is not None


def check_values(network: IntegerNetwork, x: Array) -> Array:
    """Return x as integers of 32 bits or fewer, if no sum can leave 32 bits and all fit the connections' messages."""
    data = np.asarray(x)
    if data.size == 0:
        raise InputError(f"x of shape {data.shape}, rule: no length is 0")
    if data.dtype.kind == "f":
        require_finite("x", data)
        if holds_fractions(data):
            raise InputError(of_fractions(data))
    elif data.dtype.kind not in "biu":
        raise InputError(f"x of type {data.dtype}, rule: integers")
    low, high = int(data.min()), int(data.max())
    if low < -MAX_INPUT or high > MAX_INPUT:
        raise InputError(f"x holds {low} to {high}, rule: at most 31 bits and sign; scale the input down")
    largest = max(abs(low), abs(high))
    for p in network.populations:
        limit = network.largest_input(p.name)
        if largest > limit:
            raise InputError(
                f"{p.name}: inputs up to {largest} can sum to 2^31 and more, rule: at most {limit} for this network; "
                "scale the input down"
            )
    for c in network.synapses:
        if c.source == INPUT and c.message_range is not None:
            _check_messages(c, data, low, high)
    narrow = data.dtype.kind in "iu" and np.can_cast(data.dtype, np.int32)
    return data if narrow else data.astype(np.int8 if data.dtype.kind == "b" else np.int32)


def _check_messages(c: Synapses, data: Array, low: int, high: int) -> None:
    """Raise InputError for values, `low` to `high` in all channels, that a connection reads and does not take."""
    smallest, largest = c.message_range or (low, high)
    if smallest <= low and high <= largest:
        return
    where = ""
    if data.shape[-1] == c.reads.size and not c.reads.all():
        read = data[..., c.reads]
        low, high = (int(read.min()), int(read.max())) if read.size else (0, 0)
        where = " in the channels that it reads"
    if low < smallest or high > largest:
        raise InputError(
            f"{c.name}: x holds {low} to {high}{where}, rule: {smallest} to {largest}, message_bits = {c.message_bits}"
        )
