"""Integer simulation: any number of samples at once, in blocks of steps, so that memory does not grow with T.

Time. Recurrent connections deliver z_{t-1}. Feed-forward ones deliver in the same step (connection_delay 0) or in
the next (1, as Lava and Loihi): layer ℓ then runs ℓ steps behind float (the readout of L layers L+1), and a run
takes T + L + 1 steps. The always-on line of a biased layer fires in every step and travels like a spike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypr_neuro.errors import InputError
from hypr_neuro.forward import chunks, over_batch
from hypr_neuro.quantize import QuantizedLayer, QuantizedNetwork
from hypr_neuro.sim.kernels import layer_kernel

Array = NDArray[Any]
BLOCK = 256
MAX_INPUT = (1 << 31) - 1


class LayerRun:
    """One layer running for a batch; arrays as in `kernels.layer_kernel`.

    After `run`, `outputs` holds the block's outputs and, where asked for, `states` and `currents`.
    """

    def __init__(self, layer: QuantizedLayer, batch: int) -> None:
        self.layer, self.batch = layer, batch
        self.state = np.zeros((layer.model.d, batch * layer.size), np.int32)
        self.output = np.zeros(batch * layer.size, np.int32)
        self.events = np.zeros((batch, len(layer.model.events)), np.int64)
        self.late = np.zeros_like(self.output)
        self.load_weights()

    def load_weights(self) -> None:
        """Take over the layer's weights, after they were set or changed."""
        layer = self.layer
        matrix = layer.input.mantissa
        weights = matrix[:, :-1] if layer.bias_axon else matrix
        self.input_t = np.ascontiguousarray(weights.T, dtype=np.int32)
        self.bias_line = matrix[:, -1].astype(np.int64) if layer.bias_axon else np.zeros(layer.size, np.int64)
        recurrent = layer.recurrent.mantissa.T if layer.recurrent is not None else np.zeros((0, 0))
        self.recurrent_t = np.ascontiguousarray(recurrent, dtype=np.int32)
        exponent = layer.recurrent.exponent if layer.recurrent is not None else 0
        self.exponents = np.array([layer.input.exponent, exponent], dtype=np.int64)
        self.per_neuron = np.ascontiguousarray(layer.per_neuron, dtype=np.int64)

    def run(self, below: Array, bias_on: Array, keep_states: bool = False, keep_currents: bool = False) -> Array:
        """A block: below (steps, batch·inputs) int32 to outputs (steps, batch·n); state is carried on."""
        steps, width = below.shape[0], self.output.size
        self.outputs = np.empty((steps, width), np.int32)
        self.states = np.empty((steps if keep_states else 0, self.state.shape[0], width), np.int32)
        self.currents = np.empty((steps if keep_currents else 0, width), np.int32)
        kernel = layer_kernel(self.layer.model.name)
        synapses = (self.input_t, self.bias_line, bias_on, self.recurrent_t, self.exponents)
        neurons = (self.state, self.output, self.per_neuron, self.layer.constants)
        args = (below, *synapses, *neurons, self.outputs, self.states, self.currents, self.events)
        over_batch(self.batch, lambda b0, b1: kernel(*args, self.layer.size, b0, b1))
        return np.asarray(self.outputs)

    def delayed(self, delay: int) -> Array:
        """What the layer above receives in this block: the outputs, or those of one step before."""
        if delay == 0:
            return np.asarray(self.outputs)
        shifted = np.concatenate([self.late[None], self.outputs[:-1]])
        self.late = self.outputs[-1].copy()
        return np.asarray(shifted)


class Simulator:
    """A network running step after step, without an end in sight; `run` may be called again and again.

    Attributes: qnet, batch, time (steps done), layers (a `LayerRun` each).
    """

    def __init__(self, qnet: QuantizedNetwork, batch: int = 1) -> None:
        if batch < 1:
            raise InputError(f"batch = {batch}, rule: at least 1")
        self.qnet, self.batch = qnet, batch
        self.delay = int(qnet.profile.time.connection_delay.value)
        self.reset()

    def reset(self) -> None:
        """All states zero, time 0; event counts too."""
        self.time = 0
        self.layers = [LayerRun(layer, self.batch) for layer in self.qnet.layers]
        self._late_input = np.zeros(self.batch * self.qnet.inputs, np.int32)

    def run(self, x: Array, keep_states: Sequence[bool] = (), keep_currents: bool = False) -> Array:
        """A block of steps: x (steps, batch, channel) to the readout (steps, batch, outputs), integers."""
        steps = x.shape[0]
        if x.shape[1:] != (self.batch, self.qnet.inputs) or steps == 0:
            raise InputError(
                f"x of shape {x.shape}, rule: (steps, {self.batch}, {self.qnet.inputs}), at least one step"
            )
        arriving = np.ascontiguousarray(x, dtype=np.int32).reshape(steps, -1)
        if self.delay:
            arriving, self._late_input = np.concatenate([self._late_input[None], arriving[:-1]]), arriving[-1].copy()
        bias_on = (np.arange(self.time, self.time + steps) >= self.delay).astype(np.int64)
        for i, layer in enumerate(self.layers):
            layer.run(arriving, bias_on, bool(keep_states and keep_states[i]), keep_currents)
            arriving = np.ascontiguousarray(layer.delayed(self.delay))
        self.time += steps
        return np.asarray(self.layers[-1].outputs.reshape(steps, self.batch, -1))


@dataclass
class Trace:
    """What a simulation recorded; device time, arrays (T + latency, sample, neuron).

    spikes : by layer name (hidden layers). states : by layer name, then state name
    readout : (sample, T, outputs), already shifted back to float time
    events : by layer name, {what: count}. rates : mean spikes a neuron and step, by layer name
    synaptic_operations : weights read for a spike, over the whole run
    """

    readout: Array
    spikes: dict[str, Array]
    states: dict[str, dict[str, Array]]
    events: dict[str, dict[str, int]]
    rates: dict[str, float]
    synaptic_operations: int


def simulate(
    qnet: QuantizedNetwork,
    x: Array,
    record: Sequence[str] = (),
    on_block: Callable[[int, int], None] | None = None,
) -> Trace:
    """Run x (sample, T, channel) integers through the integer network.

    record : "spikes" and names of states ("u", "v", …) to keep for every step; nothing else grows with T
    on_block : called with (steps done, steps in all)

    Raises InputError for a wrong shape, values that are no integers, or sums that could leave 32 bits.
    """
    data = check_input(qnet, x)
    known = {"spikes"} | {s for layer in qnet.layers for s in layer.model.state_names}
    for name in record:
        if name not in known:
            raise InputError(f"record: unknown '{name}', known: {', '.join(sorted(known))}")
    simulator = Simulator(qnet, data.shape[0])
    tail = simulator.delay * len(qnet.layers)
    padded = np.concatenate([data.transpose(1, 0, 2), np.zeros((tail, *data.shape[::2]), data.dtype)])
    keep = [any(s in record for s in layer.model.state_names) for layer in qnet.layers]
    recorder = _Recorder(qnet, data.shape[0], record)
    outputs = []
    for part in chunks(len(padded), BLOCK):
        outputs.append(simulator.run(padded[part], keep))
        recorder.take(simulator)
        if on_block is not None:
            on_block(part.stop, len(padded))
    readout = np.concatenate(outputs)[tail:].transpose(1, 0, 2)
    return recorder.trace(simulator, readout, _input_operations(qnet, data))


def check_input(qnet: QuantizedNetwork, x: Array) -> Array:
    """x as integers (sample, T, channel), after the checks that `simulate` documents."""
    data = np.asarray(x)
    if data.ndim != 3 or data.shape[2] != qnet.inputs or 0 in data.shape:
        raise InputError(f"x of shape {data.shape}, rule: (sample, T, {qnet.inputs}) for this network, none of them 0")
    if data.dtype.kind == "f":
        if not np.all(np.isfinite(data)):
            raise InputError("x holds NaN or infinity, rule: integers (spikes or graded values)")
        if not np.all(data == np.rint(data)):
            raise InputError("x holds fractions, rule: integers (spikes or graded values); encode it first (hn.encode)")
    elif data.dtype.kind not in "biu":
        raise InputError(f"x of type {data.dtype}, rule: integers")
    low, high = data.min(), data.max()
    if low < -MAX_INPUT or high > MAX_INPUT:
        raise InputError(f"x holds {low} to {high}, rule: at most 31 bits and sign; scale the input down")
    largest = max(abs(int(low)), abs(int(high)))
    for i, layer in enumerate(qnet.layers):
        magnitude = largest if i == 0 else 1
        total = int(np.abs(layer.input.mantissa).sum(axis=1).max()) * max(magnitude, 1)
        if total << max(layer.input.exponent, 0) >= 1 << 31:
            raise InputError(f"{qnet.name(i)}: inputs up to {magnitude} can sum to {total}·2^{layer.input.exponent}, "
                             "rule: below 2^31; scale the input down")  # fmt: skip
    return data.astype(np.int32)


class _Recorder:
    """Collects what was asked for, block by block."""

    def __init__(self, qnet: QuantizedNetwork, samples: int, record: Sequence[str]) -> None:
        self.qnet, self.samples, self.record = qnet, samples, record
        self.kept: dict[str, list[Array]] = {}
        self.totals = {qnet.name(i): 0 for i in range(len(qnet.layers) - 1)}
        self.steps = 0

    def take(self, simulator: Simulator) -> None:
        self.steps += simulator.layers[0].outputs.shape[0]
        for i, run in enumerate(simulator.layers):
            name, shape = self.qnet.name(i), (-1, self.samples, run.layer.size)
            if name in self.totals:
                self.totals[name] += int(np.count_nonzero(run.outputs))
                if "spikes" in self.record:
                    self.kept.setdefault(f"{name}/spikes", []).append(run.outputs.reshape(shape))
            for j, state in enumerate(run.layer.model.state_names):
                if state in self.record:
                    self.kept.setdefault(f"{name}/{state}", []).append(run.states[:, j].reshape(shape))

    def trace(self, simulator: Simulator, readout: Array, operations: int) -> Trace:
        spikes: dict[str, Array] = {}
        states: dict[str, dict[str, Array]] = {}
        for key, blocks in self.kept.items():
            name, what = key.split("/")
            if what == "spikes":
                spikes[name] = np.concatenate(blocks)
            else:
                states.setdefault(name, {})[what] = np.concatenate(blocks)
        events = {
            self.qnet.name(i): dict(zip(run.layer.model.events, map(int, run.events.sum(axis=0)), strict=True))
            for i, run in enumerate(simulator.layers)
        }
        rates = {}
        for i, (name, total) in enumerate(self.totals.items()):
            layer = self.qnet.layers[i]
            rates[name] = total / (self.steps * self.samples * layer.size)
            fan_out = self.qnet.layers[i + 1].size + (layer.size if layer.recurrent is not None else 0)
            operations += total * fan_out
        return Trace(readout, spikes, states, events, rates, operations)


def _input_operations(qnet: QuantizedNetwork, data: Array) -> int:
    return int(np.count_nonzero(data)) * qnet.layers[0].size
