"""The sections of a profile: which numbers there are, and the range of each."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveInt
from pydantic_core import PydanticCustomError

from hypr_neuro.errors import like
from hypr_neuro.numbers.registry import without_record
from hypr_neuro.profiles.quantity import Bits, Count, Positive, Quantity, Real, Section, Size, default
from hypr_neuro.profiles.rules import LEVEL_BITS, WeightLevels


def _errors_folder() -> Path:
    return Path(str(files("hypr_neuro.sim"))) / "learning" / "errors"


def error_names() -> list[str]:
    """List the errors that a profile may name: the files of `sim/learning/errors` that define ``ERROR``."""
    # read, not imported: errors are compiled code's, and a profile is needed long before
    modules = [entry for entry in _errors_folder().iterdir() if entry.name.endswith(".py")]
    return sorted(
        entry.name.removesuffix(".py")
        for entry in modules
        if re.search(r"^ERROR\b", entry.read_text(encoding="utf-8"), re.MULTILINE)
    )


def _known_error(name: str) -> str:
    if name not in error_names():
        file = without_record("hypr_neuro.sim.learning.errors", [str(_errors_folder())], name, "ERROR")
        told = {"file": file, "known": ", ".join(error_names())}
        raise PydanticCustomError("unknown_error", "unknown error{file}, known: {known}", told)
    return name


ErrorName = Annotated[str, AfterValidator(_known_error), Field(json_schema_extra={"enum": list(error_names())})]


def neuron_names() -> list[str]:
    """List the neurons that a profile may name: the files of `hypr_neuro/neurons` that define ``MODEL``."""
    folder = Path(str(files("hypr_neuro.neurons")))
    # read, not imported, as errors are
    return sorted(
        entry.stem for entry in folder.glob("*.py") if re.search(r"^MODEL\b", entry.read_text("utf-8"), re.MULTILINE)
    )


def _known_neuron(name: str) -> str:
    if name not in neuron_names():
        told = {"neuron": name, "like": like(name, neuron_names()), "known": ", ".join(neuron_names())}
        raise PydanticCustomError("unknown_neuron", "unknown neuron '{neuron}'{like}, known: {known}", told)
    return name


NeuronName = Annotated[str, AfterValidator(_known_neuron)]


class Time(Section):
    """When things arrive; see `graph.clock`."""

    connection_delay: Quantity[Literal[0, 1]]
    error_latency: Quantity[Annotated[int, Field(ge=0, le=64)]]


class Precision(Section):
    """Widths in bits (sign included unless said), rounding and overflow rules.

    With `decay_shift_bits` a step takes v >> k from a state v, k of so many bits: decays are powers of two. With
    `weight_sign` "source" all weights of one source have the same sign.
    """

    weight_bits: Quantity[Annotated[int, Field(ge=1, le=16)]]
    weight_levels: WeightLevels = default("integers", "-")
    weight_exponent_min: Quantity[Annotated[int, Field(ge=-32, le=0)]]
    weight_exponent_max: Quantity[Annotated[int, Field(ge=0, le=32)]]
    state_bits: Quantity[Annotated[int, Field(ge=8, le=32)]]
    state_headroom: Quantity[Annotated[float, Field(ge=1, le=64)]]
    state_rounding: Quantity[Literal["floor", "zero", "nearest"]]
    overflow: Quantity[Literal["lava", "hardware"]]
    coefficient_bits: Quantity[Annotated[int, Field(ge=12, le=17)]]
    decay_bits: Quantity[Annotated[int, Field(ge=4, le=12)]]
    threshold_bits: Bits
    threshold_shift: Quantity[Literal[6]]
    bias_mantissa_bits: Bits
    bias_exponent_max: Count
    message_bits: Quantity[Annotated[int, Field(ge=0, le=32)]] | None = None
    accumulator_bits: Quantity[Annotated[int, Field(ge=4, le=32)]] | None = None
    decay_shift_bits: Quantity[Annotated[int, Field(ge=1, le=5)]] | None = None
    weight_sign: Quantity[Literal["synapse", "source"]] | None = None

    @property
    def weight_top(self) -> int:
        """Largest magnitude of a weight's integer, see `quantizing.levels.top_of`."""
        return max((1 << (self.stored_weight_bits - 1)) - 1, 1)

    @property
    def stored_weight_bits(self) -> int:
        """Bits in which a weight is stored: `weight_bits`, of ternary weights 2, of binary ones 1."""
        return LEVEL_BITS.get(self.weight_levels.value, int(self.weight_bits.value))


class Learning(Section):
    """What learns and in which widths; see `sim.learning`.

    Where `neuron_parameters` is false weights alone learn.
    """

    ability: Quantity[Literal["native", "microcode", "arm", "embedded", "none"]]
    eligibility_bits: Quantity[Annotated[int, Field(ge=4, le=32)]]
    eligibility_fraction: Quantity[Annotated[int, Field(ge=0, le=24)]]
    eligibility_rounding: Quantity[Literal["floor", "zero", "nearest"]]
    psi_bits: Quantity[Annotated[int, Field(ge=2, le=16)]]
    error_bits: Quantity[Annotated[int, Field(ge=2, le=16)]]
    signal_bits: Quantity[Annotated[int, Field(ge=4, le=24)]]
    accumulator_bits: Quantity[Annotated[int, Field(ge=8, le=32)]]
    error: Quantity[ErrorName] = default("softmax", "-")
    eligibility_alignment: Quantity[Literal["none", "delayed"]] = default("none", "-")
    momentum_bits: Quantity[Annotated[int, Field(ge=0, le=32)]] = default(0, "bit")
    residual_bits: Quantity[Annotated[int, Field(ge=0, le=16)]] = default(0, "bit")
    neuron_parameters: Quantity[bool] | None = None


class Core(Section):
    """Limits of one core; an absent one is not published, not checked, and said to be unknown.

    `delay` is the largest delay of a synapse, `shared_weights` says whether a core keeps a convolution's kernel once
    instead of a weight for each synapse. `sram` is the memory of a core that runs a program, code and data together,
    of which `stack` stays free for the stack.
    """

    neurons: Positive | None = None
    in_axons: Positive | None = None
    out_axons: Positive | None = None
    synaptic_memory: Positive | None = None
    fan_in: Positive | None = None
    delay: Count | None = None
    shared_weights: Quantity[bool] | None = None
    sram: Size | None = None
    stack: Size | None = None


class Chip(Section):
    """Limits of the whole chip; `flash` and `ram` of one that runs the network as one program, in bytes.

    `inputs` are channels from outside, `neurons` all neurons; `hidden` are those that are no outputs, on chips that
    have neurons of their own for either. `synapses` are weights in all, `hidden_synapses` those between hidden
    neurons, of which one hidden neuron sends to `hidden_fan_out`. `layer_cores` are cores that hold one population
    each, as pairs of weights and neurons. `tiles` are crossbars of analog cells.
    """

    cores: Positive | None = None
    tiles: Positive | None = None
    inputs: Positive | None = None
    hidden: Positive | None = None
    outputs: Positive | None = None
    neurons: Positive | None = None
    synapses: Positive | None = None
    hidden_synapses: Positive | None = None
    hidden_fan_out: Positive | None = None
    layer_cores: Quantity[tuple[tuple[PositiveInt, PositiveInt], ...]] | None = None
    flash: Size | None = None
    ram: Size | None = None


class Abilities(Section):
    """What a chip can run; an absent key is not stated, and nothing is refused for it.

    `models` are neurons by name. `recurrence` says whether connections may lead back, `own_bias` whether a neuron has a
    constant current of its own, without which it takes an input channel that is always on. `current_decay` and
    `membrane_decay` say whether synaptic currents and membranes of the LIF family forget, `reset` how they are reset.
    `kernel` is the longest side of a convolution's kernel, `destinations` how many populations one may send to.
    """

    models: Quantity[Annotated[tuple[NeuronName, ...], Field(min_length=1)]] | None = None
    recurrence: Quantity[bool] | None = None
    own_bias: Quantity[bool] | None = None
    current_decay: Quantity[bool] | None = None
    membrane_decay: Quantity[bool] | None = None
    reset: Quantity[Literal["subtract", "zero"]] | None = None
    kernel: Positive | None = None
    destinations: Positive | None = None


class Energy(Section):
    """Energy and time of one operation, where published.

    `neuron_update` is one neuron in one step, `spike_out` a spike as it leaves its neuron, `axon_out` its message to
    one core, `synapse` one weight read for a spike, `weight_update` one weight changed by learning, `barrier_time` what
    all cores wait for each other in a step. `memory_access` is one access of `memory_word` bits to a core's memory.
    """

    neuron_update: Real | None = None
    spike_out: Real | None = None
    synapse: Real | None = None
    axon_out: Real | None = None
    weight_update: Real | None = None
    memory_access: Real | None = None
    memory_word: Positive | None = None
    neuron_update_time: Real | None = None
    spike_out_time: Real | None = None
    synapse_time: Real | None = None
    weight_update_time: Real | None = None
    barrier_time: Real | None = None
