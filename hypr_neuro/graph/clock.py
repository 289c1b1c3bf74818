"""When things happen on a device: the one answer for executors, compilers, placement and the float side.

Time is counted in device steps. In a step every population computes once, in its order; a spike needs
`connection_delay` steps along a connection that leads forward in this order, and one along any other, which finds its
target computed already. So a population runs behind the input, and what it has to learn comes back later still:

    lag          from sending to arriving: delay + connection_delay forward, delay + 1 backward
    latency      steps by which a population runs behind the input: connection_delay times the longest chain of
                 forward connections that lead to it
    signal lag   steps by which the learning signal that reaches a population is behind what the population did: the
                 longest way from an output back over forward connections
    waiting      of the signal lag, what eligibilities wait for: all of it where they are aligned, else nothing
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

INPUT = "input"
"""Source of the connections that come from outside."""


def layer_name(index: int, count: int) -> str:
    """Return the name of a layer: 'layers.0', …, 'readout' for the last of `count`."""
    return "readout" if index == count - 1 else f"layers.{index}"


@dataclass(frozen=True)
class SignalTerm:
    """A part of the learning signal that reaches a population.

    Attributes
    ----------
    connection : int or None
        Place of the forward connection over which it comes back; None for the error of an output.
    wait : int
        Steps that it waits in front of the population.
    """

    connection: int | None
    wait: int


@dataclass(frozen=True)
class LearningWindow:
    """Steps of a sample in which a layer learns.

    Attributes
    ----------
    first : int
        Device step of the sample in which the layer's own step 0 falls.
    steps : int or inf
        How many device steps it learns from there on.
    """

    first: int
    steps: float

    def holds(self, step: int) -> bool:
        """Tell whether the layer learns in this device step of the sample, and sends something down."""
        return 0 <= step - self.first < self.steps

    def part(self, start: int, steps: int) -> slice:
        """Return which of so many device steps from `start` on are inside."""
        end = min(max(self.first + self.steps - start, 0), steps)
        return slice(max(self.first - start, 0), int(end))


@dataclass(frozen=True)
class Clock:
    """The time rules of a device applied to populations and the connections between them.

    Parameters
    ----------
    populations : tuple of str
        Names in the order in which a step computes them; the last one is the output that errors are taken of.
    connections : tuple of (str, str)
        Source and target of each connection, the source a population or `INPUT`.
    connection_delay : int
        Steps that a forward connection adds to its own delay.
    error_latency : int
        Steps by which an error reaches the populations in front of the output later than the connections alone make
        it.
    aligned : bool
        Whether eligibilities wait for the signal that judges them.
    outputs : tuple of str
        Populations whose outputs are the network's; () for the last one.
    delays : tuple of int
        Of each connection its own delay, the largest where its weights have several; () for none.
    """

    populations: tuple[str, ...]
    connections: tuple[tuple[str, str], ...]
    connection_delay: int
    error_latency: int = 0
    aligned: bool = False
    outputs: tuple[str, ...] = ()
    delays: tuple[int, ...] = ()
    _place: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {INPUT: -1} | {name: i for i, name in enumerate(self.populations)}
        object.__setattr__(self, "_place", places)
        object.__setattr__(self, "outputs", self.outputs or self.populations[-1:])
        object.__setattr__(self, "delays", self.delays or (0,) * len(self.connections))

    # --- connections and populations

    def forward(self, source: str, target: str) -> bool:
        """Tell whether a connection leads from the input or an earlier population to a later one."""
        return self._place[source] < self._place[target]

    def lag(self, source: str, target: str, delay: int = 0) -> int:
        """Count the steps from sending to arriving over a connection of that delay."""
        return delay + (self.connection_delay if self.forward(source, target) else 1)

    def shift(self, source: str, target: str) -> int:
        """Count the steps by which the target runs further behind the input than the source does."""
        return self.latencies[target] - (0 if source == INPUT else self.latencies[source])

    def delay_in_step(self, source: str, target: str, delay: int = 0) -> int:
        """Return the delay of a connection over which everything arrives as on a device without latencies.

        There, what a source sends in its own step t arrives in the target's own step t + delay, over a connection that
        leads forward. One that leads backward has no time to give: it keeps its delay, and arrives -shift steps later.
        """
        if not self.forward(source, target):
            return delay
        return delay + self.shift(source, target) - self.connection_delay

    @cached_property
    def latencies(self) -> dict[str, int]:
        """Steps by which each population runs behind the input, by name."""
        latencies = {INPUT: 0}
        for name in self.populations:
            below = (latencies[s] for s, target in self.connections if target == name and self.forward(s, name))
            latencies[name] = max(below, default=0) + self.connection_delay
        return {name: latencies[name] for name in self.populations}

    def latency(self, index: int) -> int:
        """Count the steps by which the population at this place runs behind the input."""
        return self.latencies[self.populations[index]]

    @property
    def output(self) -> int:
        """Place of the population that errors are taken of."""
        return len(self.populations) - 1

    # --- runs

    @property
    def tail(self) -> int:
        """Steps without input after which every output has seen a whole sample."""
        return max(self.latencies[name] for name in self.outputs)

    def run_steps(self, steps: int) -> int:
        """Count the device steps of a sample of `steps` steps that is only run."""
        return steps + self.tail

    # --- learning

    def signal_wait(self, index: int) -> int:
        """Count the steps that the signals of a population in a chain wait before they meet anything there.

        `error_latency` for those that the output's own signal reaches over a connection, 0 for all others.
        """
        return max((term.wait for term in self.signal_terms(index) if term.connection is not None), default=0)

    def signal_lag(self, index: int) -> int:
        """Count the steps by which the last part of the signal that reaches a population is behind what it did."""
        return self._signal_lags[self.populations[index]]

    @cached_property
    def _signal_lags(self) -> dict[str, int]:
        lags: dict[str, int] = {}
        for name in reversed(self.populations):
            parts = [lag for _, lag in self._parts(name, lags)]
            lags[name] = max(parts, default=0)
        return lags

    def _parts(self, name: str, lags: Mapping[str, int]) -> list[tuple[int | None, int]]:
        """Return of each part of a population's signal its connection, None of the error, and how late it is."""
        parts: list[tuple[int | None, int]] = []
        if name in self.outputs:
            parts.append((None, self.tail - self.latencies[name]))
        for k, ((source, target), delay) in enumerate(zip(self.connections, self.delays, strict=True)):
            if source == name and self.forward(source, target):
                late = self.error_latency if target in self.outputs else 0
                parts.append((k, lags[target] + self.lag(source, target, delay) + late))
        return parts

    def signal_terms(self, index: int) -> tuple[SignalTerm, ...]:
        """Return what the signal of a population is made of, and how long each part waits in front of it.

        What comes from an output waits for `error_latency`; where eligibilities are aligned, what comes on a shorter
        way waits until that on the longest has come.
        """
        name = self.populations[index]
        terms = []
        for k, lag in self._parts(name, self._signal_lags):
            late = self.error_latency if k is not None and self.connections[k][1] in self.outputs else 0
            early = self._signal_lags[name] - lag if self.aligned else 0
            terms.append(SignalTerm(k, late + early))
        return tuple(terms)

    def signal_step(self, index: int) -> int:
        """Count the steps by which a layer's signal is later, in its own time, than that of the layer above it."""
        return self.signal_lag(index) - (self.signal_lag(index + 1) if index != self.output else 0)

    def waiting(self, index: int) -> int:
        """Count the steps for which eligibilities of a population wait for their signal."""
        return self.signal_lag(index) if self.aligned else 0

    @property
    def learning_tail(self) -> int:
        """Steps without input after which every population has learned from a whole sample."""
        return max(self.latency(i) + self.waiting(i) for i in range(len(self.populations)))

    def learning_steps(self, steps: int) -> int:
        """Count the device steps of a sample of `steps` steps that is learned from."""
        return steps + self.learning_tail

    def window(self, index: int, steps: float) -> LearningWindow:
        """Tell when a population learns in a sample of `steps` steps, inf for a stream."""
        return LearningWindow(self.latency(index), steps + self.waiting(index))


@lru_cache
def clock_of_layers(layers: int, connection_delay: int, error_latency: int = 0, aligned: bool = False) -> Clock:
    """Make the clock of a chain of so many layers, the readout included; arguments as of `Clock`."""
    names = tuple(layer_name(i, layers) for i in range(layers))
    return Clock(names, tuple(zip((INPUT, *names), names, strict=False)), connection_delay, error_latency, aligned)
