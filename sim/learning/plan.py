"""What learning on a device is made of, before anything runs: every time, width, shift, tensor and random word.

A `LearningPlan` follows from a quantized network and its learning options alone. Simulator, reference, the C and Lava
compilers, placement and the float side read it; none of them works out such a number by itself.

Random numbers come from a counter, folded over four words: seed, update, tensor, entry (`numbers.fixed_point.draw32`).
The third is the number of a `Tensor`, of a layer's fixed feedback weights or of its noise (`counter`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from math import log2

from hypr_neuro.errors import InputError
from hypr_neuro.graph.clock import INPUT, SignalTerm
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.integer import SUM_BITS
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.output_traces import is_trace, with_output_traces
from hypr_neuro.sim.learning.counter import MOST_LAYERS, PARAMETER_TENSORS
from hypr_neuro.sim.learning.feedback import random_feedback
from hypr_neuro.sim.learning.incoming import Incoming, incoming_name
from hypr_neuro.sim.learning.layer_plan import LayerPlan, Tensor, check_neurons, parameter_plans
from hypr_neuro.sim.learning.options import LearnOptions
from hypr_neuro.sim.learning.reach import learnable_connections, reached_populations
from hypr_neuro.sim.learning.signal_plan import SignalScales
from hypr_neuro.sim.learning.value_error import as_values
from hypr_neuro.sim.learning.widths import PRODUCT_BITS, layer_widths

LARGEST_ERROR_SHIFT = 29
"""Places by which output less target, 33 bits, may be shifted left in 63."""


class LearningPlan:
    """Everything that follows from a quantized network and how it learns.

    Parameters
    ----------
    qnet : QuantizedNetwork
        As it is when learning starts: feedback shifts come from its neuron parameters.
    options : LearnOptions
        How it learns.

    Attributes
    ----------
    clock : Clock
        When things happen.
    layers : tuple of LayerPlan
        The populations, of a chain the layers from the input to the readout.
    lowest : int
        First layer of a chain whose weights learn; no signal goes below it.
    signal_scales : SignalScales
        How the parts of each population's signal become one integer.
    tensors : tuple of Tensor
        All that learns, layer by layer, connections before parameters.
    signal_shifts : tuple of int
        For each population but the last the shift after which the feedback fits its signals.
    error : str
        Name of the outputs' error.
    weight_bits, momentum_bits, residual_bits : int
        Of the connection that has most, and of the profile.

    Raises
    ------
    InputError
        For options that do not fit the network, neurons that cannot learn, more layers than have random words of
        their own, and feedback sums that leave 63 bits.
    """

    def __init__(self, qnet: QuantizedNetwork, options: LearnOptions | None = None) -> None:
        options = options or LearnOptions()
        options.check(qnet)
        for count, most, what in (
            (len(qnet.populations), MOST_LAYERS, "layers" if qnet.is_chain else "populations"),
            (len(qnet.connections), PARAMETER_TENSORS, "connections"),
        ):
            if count > most:
                raise InputError(
                    f"network of {count} {what}, rule: at most {most} to learn, since the parameters of "
                    f"each have random words of their own; use fewer {what}"
                )
        chosen = options.learning_parameters(qnet)
        qnet = with_output_traces(qnet)
        chosen += ((),) * (len(qnet.populations) - len(chosen))
        widths = layer_widths(qnet.profile, readout=True)
        self.qnet, self.options, self.clock = qnet, options, qnet.clock
        self.error = str(qnet.profile.learning.error.value)
        self.weight_bits = max(qnet.weight_bits(c) for c in qnet.connections)
        self.momentum_bits = widths.momentum_bits
        self.residual_bits = widths.residual_bits
        self._reached = reached_populations(qnet)
        layers: list[LayerPlan] = []
        for i in range(len(qnet.populations)):
            layers.append(self._layer(i, chosen[i], layers))
        self.layers = tuple(layers)
        self.lowest = min((layer.index for layer in self.layers if layer.learns), default=len(self.layers))
        if self.lowest == len(self.layers):
            raise InputError("no connection learns, rule: at least one, on a way to an output; choose other layers")
        self.tensors = tuple(t for layer in self.layers for t in self._tensors(layer))
        self.signal_scales = SignalScales(self.layers, qnet.connections, self.error_bits)
        self.signal_shifts = tuple(self.signal_scales.of(i).shift for i in range(len(self.layers) - 1))
        if options.targets != "labels":
            self.check_free_errors()
        if options.targets == "values" and self.error_bits - 1 - self.value_fraction > LARGEST_ERROR_SHIFT:
            raise InputError(
                f"error_exponent = {options.error_exponent} with errors of {self.error_bits} bits and outputs of "
                f"{self.error_fraction} fraction bits, rule: at least "
                f"{self.error_bits - 1 - self.error_fraction - LARGEST_ERROR_SHIFT}"
            )

    @property
    def last(self) -> int:
        """Place of the last output, of a chain the readout."""
        return max(self.outputs)

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """Places of the output populations, in the order of the outputs."""
        names = [p.name for p in self.qnet.populations]
        return tuple(names.index(name) for name in self.qnet.outputs)

    @cached_property
    def noise(self) -> tuple[int, ...]:
        """Amplitude of the noise on each population's currents, () for none anywhere."""
        amplitudes = self.options.noise
        return amplitudes and amplitudes + (0,) * (len(self.layers) - len(amplitudes))

    @property
    def error_bits(self) -> int:
        """Bits of an error: of the signals that reach an output."""
        return self.layers[self.last].widths.signal_bits

    @property
    def weight_top(self) -> int:
        """Largest magnitude of a weight of any connection."""
        return max(self.qnet.weight_top(c) for c in self.qnet.connections)

    @cached_property
    def error_fraction(self) -> int:
        """Fraction bits of the outputs' states, of which errors are taken; the same for all."""
        fractions = {self.layers[i].widths.state_fraction for i in self.outputs}
        if len(fractions) > 1:
            raise InputError(
                f"outputs {', '.join(self.qnet.outputs)}: state scales {sorted(2.0**f for f in fractions)}, rule: one "
                "for all where they learn together; quantize with the same calibration range for each"
            )
        return fractions.pop()

    def active(self, i: int) -> bool:
        """Tell whether signals reach layer i for it or for what lies below, so that its Jacobian is computed."""
        return self.layers[i].active

    def passes_down(self, i: int) -> bool:
        """Tell whether something below i learns."""
        return any(self.returns(c) for c in self.layers[i].incoming)

    def returns(self, c: Incoming) -> bool:
        """Tell whether signals go back over a connection: forward, between populations that they reach."""
        ends = (c.source, c.connection.target)
        return c.forward and INPUT not in ends and all(self.active(self.clock.populations.index(p)) for p in ends)

    def tensors_of(self, i: int) -> tuple[Tensor, ...]:
        """Return the tensors of layer i."""
        return tuple(t for t in self.tensors if t.layer == i)

    @staticmethod
    def connection_number(layer: int, key: str) -> int:
        """Give the number of a chain's tensor, whether it learns or not: 2 · layer, + 1 for "recurrent"."""
        return 2 * layer + int(key == "recurrent")

    def _incoming(self, i: int) -> tuple[Incoming, ...]:
        """Return the connections to population i; InputError for those that cannot learn and shall."""
        qnet, target = self.qnet, self.qnet.populations[i].name
        names, result = qnet.connection_names(), list[Incoming]()
        for place, c in enumerate(qnet.connections):
            if c.target != target:
                continue
            key = incoming_name(c) if qnet.is_chain else names[place]
            learns = (
                c.trainable
                and bool(c.entries().size)
                and self._reached[i]
                and self.options.learns(target, names[place])
            )
            if learns and isinstance(c.mantissa, Convolution):
                raise InputError(_said_of_kernels(names[place], names, qnet))
            incoming = Incoming(
                place=place,
                connection=c,
                name=names[place],
                key=key,
                number=self.connection_number(i, key) if qnet.is_chain else place,
                source_size=qnet.size(c.source),
                lag=self.clock.lag(c.source, target),
                forward=self.clock.forward(c.source, target),
                learns=learns,
                first=0,
                scale=round(log2(qnet.message_scale(c))),
                weight_bits=qnet.weight_bits(c),
            )
            result.append(incoming)
        return _side_by_side(result)

    def _layer(self, i: int, places: tuple[int, ...], before: Sequence[LayerPlan]) -> LayerPlan:
        qnet, neurons, name = self.qnet, self.qnet.populations[i], self.qnet.name(i)
        incoming = self._incoming(i)
        learns = any(c.learns for c in incoming)
        if not self._reached[i] and name in self.options.layers:
            raise InputError(f"{name}: no way over forward connections leads to an output, so it cannot learn")
        forward = {c.source for c in incoming if c.forward}
        active = self._reached[i] and (learns or any(p.active and p.name in forward for p in before))
        if active:
            self._check_neurons(i, learns)
        output = name in qnet.outputs
        # a trace behind an output has the chip's own widths
        profile = qnet.profile if is_trace(name) else qnet.profile.of(name)
        widths = layer_widths(profile, readout=output, state_scale=neurons.state_scale)
        return LayerPlan(
            i,
            name,
            neurons,
            incoming,
            output,
            learns,
            parameter_plans(name, neurons, places if learns else (), widths),
            widths,
            self.clock.waiting(i),
            self.clock.signal_wait(i),
            tuple(t for t in self.clock.signal_terms(i) if self._reached_over(t)) if self._reached[i] else (),
            active,
            qnet,
            self.options.seed,
        )

    def _check_neurons(self, i: int, learns: bool) -> None:
        """Raise InputError, naming what could learn instead, unless the neurons of population i can."""
        name, neurons = self.qnet.name(i), self.qnet.populations[i]
        if not neurons.model.learns_on_chip:
            need = "it learns" if learns else "signals to populations before it pass through it"
            raise InputError(
                f"{name}: neuron '{neurons.model.name}' has no integer Jacobian, it cannot learn on chip, and {need}; "
                f"{_said_of_others(learnable_connections(self.qnet))}"
            )
        check_neurons(name, neurons)

    def _reached_over(self, term: SignalTerm) -> bool:
        """Tell whether a part of a signal can come from an output."""
        if term.connection is None:
            return True
        target = self.qnet.connections[term.connection].target
        return self._reached[self.clock.populations.index(target)]

    def _tensors(self, layer: LayerPlan) -> list[Tensor]:
        if not layer.learns:
            return []
        i, tensors = layer.index, []
        for k, c in enumerate(layer.incoming):
            if c.learns:
                rows, columns = c.shape
                tensors.append(
                    Tensor(
                        i,
                        c.name,
                        c.key,
                        c.number,
                        rows,
                        columns,
                        c.first,
                        None,
                        self.residual_bits,
                        k,
                        c.weight_bits,
                    )
                )
        for q, p in enumerate(layer.parameters):
            number = layer.first_parameter_number + p.place
            tensors.append(Tensor(i, f"{layer.name}.{p.name}", p.name, number, layer.size, 1, q, p.place))
        return tensors

    @property
    def value_fraction(self) -> int:
        """Fraction bits of the error of real targets: the outputs', and the exponent of what full scale stands for."""
        return self.error_fraction + self.options.error_exponent

    def as_values(self, targets: Array) -> Array:
        """Convert targets in the outputs' units to integers in their fixed-point format; InputError beyond 32 bits."""
        return as_values(targets, self.error_fraction)

    def check_free_errors(self) -> None:
        """Raise InputError where errors other than those of classes could let feedback sums leave 63 bits."""
        if not self.free_errors_fit:
            raise InputError(
                f"errors, targets or reward with {self.qnet.output_size} outputs: feedback sums could leave 63 bits; "
                "lower learning.error_bits or precision.weight_bits in the profile"
            )

    @cached_property
    def free_errors_fit(self) -> bool:
        """Tell whether feedback sums fit 63 bits even where every error is as large as its width allows.

        Those of the profile's rules are not: their magnitudes sum to 2 at most.
        """
        readouts = [self.layers[i] for i in self.outputs if self.active(i)]
        sums = (self.signal_scales.largest_feedback(r, r.size, self.weight_top) for r in readouts)
        return all(largest.bit_length() <= PRODUCT_BITS for largest in sums)

    @cached_property
    def largest_input(self) -> int:
        """Largest input magnitude for which no sum can leave 32 bits, whatever the weights become.

        Raises
        ------
        InputError
            Naming the layer, where spikes alone could do that.
        """
        limits = []
        for i, layer in enumerate(self.layers):
            room, each = (1 << SUM_BITS) - 1, 0
            room -= 2 * self.noise[i] if self.noise else 0
            for c in layer.incoming:
                reach, bias = c.largest_sum(c.weight_top)
                if c.source == INPUT:
                    each += reach
                    room -= bias
                else:
                    room -= reach * c.largest_message + bias + c.half
            if room < each or room < 0:
                raise InputError(
                    f"{layer.name}: weights of up to {self.weight_top} · 2^exponent would let sums reach "
                    f"2^{SUM_BITS}, rule: below, as learning may raise any weight; use fewer inputs or a narrower "
                    "precision.weight_bits"
                )
            if each:
                limits.append(room // each)
        return min(limits, default=(1 << SUM_BITS) - 1)

    @cached_property
    def feedback(self) -> tuple[Array, ...] | None:
        """Fixed (n above, n below) numbers over which signals reach each hidden layer; None: the weights themselves.

        Of a chain of layers. Uniform over the range of a mantissa, see `feedback.feedback_weight`.
        """
        if self.options.feedback == "symmetric":
            return None
        return tuple(
            random_feedback(self.options.seed, above.index, above.size, above.layer.inputs, above.bits_from_below)
            for above in self.layers[1:]
        )

    def fixed_feedback(self, c: Incoming) -> Array | None:
        """Return the fixed numbers over which signals go back over a connection; None for its weights themselves."""
        return None if self.options.feedback == "symmetric" else self.random_weights(c)

    def random_weights(self, c: Incoming) -> Array:
        """Draw the fixed numbers over which signals go back over a connection, in the form of its weights."""
        post, pre = c.connection.mantissa.shape
        pre -= int(c.connection.bias_axon)
        if self.qnet.is_chain:
            number = self.clock.populations.index(c.connection.target)
        else:
            number = c.place
        listed = c.written_out() if isinstance(c.connection.mantissa, Convolution) else c
        rows, columns = (post, pre) if c.connection.dense else (1, listed.weights().size)
        return random_feedback(self.options.seed, number, rows, columns, c.weight_bits)


def _side_by_side(incoming: Sequence[Incoming]) -> tuple[Incoming, ...]:
    """Give synapses that learn their places among those of a neuron, those of an input current behind each other."""
    firsts, place = dict[int, int](), 0
    for c in sorted(incoming, key=lambda c: c.connection.current):
        firsts[c.place] = place
        place += c.synapses if c.learns else 0
    return tuple(replace(c, first=firsts[c.place]) for c in incoming)


def _said_of_others(names: Sequence[str]) -> str:
    """Tell how connections learn that can."""
    if not names:
        return "nothing in this network can learn, train it in float"
    return f"let others learn alone, layers={tuple(names)!r} ({' '.join(f'--layer {n!r}' for n in names)})"


def _said_of_kernels(name: str, names: Sequence[str], qnet: QuantizedNetwork) -> str:
    """Tell that a convolution does not learn, and how the others do."""
    dense = [n for n, c in zip(names, qnet.connections, strict=True) if not isinstance(c.mantissa, Convolution)]
    said = (
        f"{name}: the weights of a convolution are shared by many synapses, rule: none of those that learn on a chip is"
    )
    if not dense:
        return f"{said}; this network has no others, train it in float"
    return f"{said}; let the others learn alone, layers={tuple(dense)!r} ({' '.join(f'--layer {n!r}' for n in dense)})"
