"""The record that a neuron model is, and the contract of its step functions.

Float functions work on real numbers, time in steps; integer functions on ints, built from `fixed_point` alone.
All are scalar: one neuron, one step, tuples in and out. ``s`` is the state (d numbers), ``z_prev`` the output of the
previous step, ``I`` the input currents (one entry for each), ``p`` the parameters in the record's order, in float
functions followed by the coefficients.

===================  ===========================================================================================
float_coefficients   (parameters) -> numbers that depend on them alone, such as κ = e^{-1/τ}: float64, once a neuron
                     when a layer starts to run, plain Python (None where `coefficients` is empty)
float_step           (s, z_prev, I, p) -> (s, z)
float_psi_arg        (s_prev, s, p) -> x, the argument of the surrogate ψ (None where the output is the state)
float_jacobian       (s_prev, s, z_prev, I, p, psi) -> (A, B, C, C', P, E)
float_spike_jacobian (s_prev, s, z_prev, I, p, psi) -> D (None where the previous spike does not enter the state)
fixed_step           (s, z_prev, I, p) -> (s, z, events); p = per-neuron integers, then the layer's constants;
                     events = bit mask in the order of `events`
psi_index            (s_prev, s, p) -> entry 0..511 of the layer's ψ table
fixed_jacobian       (s_prev, s, z_prev, I, p, psi) -> (A, B, C, C', P, E, F), see below
to_fixed             (params, FixedFormat) -> FixedParams
of_integers          (where, integers by name, FixedFormat, state scale or None) -> FixedParams of integers that nobody
                     quantized: what decides a step as it is, the scales that it has or the one that is given, ψ table
                     and numbers of learning as the format wants them; raises InputError, naming `where`, for integers
                     that the format has no room for. Without it they stand at scale 1, and only the width of states is
                     looked at
validate_fixed       (where, integers by name) raises InputError, naming `where`, for integers that the step cannot take
threshold            name of the float parameter or coefficient that decides whether a neuron fires and enters nothing
                     else: far above it none does, far below every one. A model whose spike enters the state of its own
                     step (F) needs it to run along spikes that are given
output_decay         (parameters by name) -> what a readout's output keeps of a step, (n,), between 0 and 1; rules that
                     feed errors straight back filter by its mean
after_reset          (states, outputs, parameters), arrays of a population -> states as `fixed_step` leaves them, for a
                     model whose float states are those before a reset and whose integers are those after it
stands_for           (per-neuron integers by name, constants by name, state scale) -> the float parameters that they
                     stand for, of a model none of whose parameters learns on chip
not_learned          (per-neuron integers by name, constants by name) -> the float parameters, by name, that do not
                     learn and differ from their default: what NIR writes of integers
operating_point      (p) -> integers (s, I) at which B·C stands for all others, see below
integer_form         (FixedFormat) -> name of the record whose integers stand for this neuron in that format, its own or
                     that of a `VARIANT` of the folder: a record with `variant_of`, the same states and float functions
===================  ===========================================================================================

A = ∂s_t/∂s_{t-1} (d×d), B = ∂s_t/∂I_t (d; of several input currents a row of d for each), C = ∂z_t/∂s_t (d),
C' = ∂z_t/∂s_{t-1} (d), P = ∂s_t/∂p (trainable × d), E = ∂z_t/∂p (trainable), D = ∂s_t/∂z_{t-1} (d). The previous spike
z_{t-1} is held constant in all but D; a spike that enters the state of its own step is differentiated through ψ, in D
too. Most spikes depend on one number, the argument of ψ; where they depend on more, C computes what is missing.

In integers, entries have the coefficients' fraction bits, P the state's. B is taken for the current as it arrives in
state units (the constant gain in front of it, like BRF's δ, lives in the weights' scale). A, B and P leave out what a
spike does to the state of its own step: that is F = ∂s_t/∂z_t (d), and what reaches the spike, e = C ε_t + C' ε_{t-1}
(+ E), reaches the state as F e. C is 0 where F is not. One number e then stands for as many products as F has rows.
P and E of a model without `learned` are 0: nothing takes them. C, C' and E times 2^`derivative_exponent` are the
derivatives: entries reach 4 on a chip, and those of a steep spike, or of one all but flat, are brought there.

Integers that only learning reads need not be a neuron's own: `fixed_jacobian` finds those in `fixed_learning` behind
``p``, "coefficient_fraction" (fraction bits of a coefficient) and "state_fraction" (log2 of a state's scale).

Nothing here supposes that a state is linear in the current: Jacobians are taken at the step's own states and currents.
Two numbers of a layer stand for all of its steps, the width of what goes down to the layer below and the scale of
gradients in comparisons: both take B·C at rest, s = 0 and I = 0, which is right wherever it is the same everywhere. A
model where it is not, such as one driven by I², names with `operating_point` states and currents where B·C is about as
large as it gets.

Integer functions may use all of `fixed_point`, functions tagged in the neuron's own file, `abs`, `min` and `max` of
two, `if`, `while` and `for … in range(…)`; no function calls itself. `structure` runs `fixed_jacobian` on symbols and
takes every branch that a comparison may take; functions of `fixed_point`, `min` and `max` then give a symbol, and loops
end. A spike is 0 or 1, and `psi_index` stays inside the table: `contract` tries one neuron of a population, the
definition looks at all.

Float functions have float literals only and call only `abs`, `sqrt`, `min`, `max` and tagged functions: kernels are
compiled in float32 as well. A model without integer functions trains and runs in float only; one without float
functions is what other formats bring along and runs in integers only; one without `fixed_jacobian` does not learn on
chip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, SupportsIndex

from hypr_neuro.errors import InputError, among
from hypr_neuro.neurons.parts import Learned, Param, StateVar, no_float_form, no_integer_form
from hypr_neuro.neurons.record_checks import check_record
from hypr_neuro.neurons.values import PSI_ENTRIES, Conversion, FixedFormat, FixedParams, check_integers, to_integer
from hypr_neuro.numbers.arrays import Array

__all__ = [
    "PSI_ENTRIES",
    "Conversion",
    "FixedFormat",
    "FixedParams",
    "Learned",
    "NeuronModel",
    "Param",
    "StateVar",
    "check_integers",
    "no_float_form",
    "no_integer_form",
    "to_integer",
]


@dataclass(frozen=True)
class NeuronModel:
    """Hold everything hypr-neuro knows of a neuron; equations and source stand in the docstring of its file.

    Attributes
    ----------
    name, source : str
        What users call it; publication or programme that it is taken from.
    states : tuple of StateVar
        In the order of ``s``; what counts and traces call them.
    params : tuple of Param
        In the order of ``p``; those that are trainable, in this order, are the rows of P and E.
    surrogate : str, optional
        Name in `surrogates`, of spiking models with a float form.
    bias_on : str
        "current": a trained bias is one more input; "state": it is the parameter ``bias``, which the step adds itself.
    coefficients : tuple of str
        Names of what `float_coefficients` computes.
    fixed_per_neuron, fixed_constants : tuple of str
        Names of the integers of ``p`` in integer functions: first those that each neuron has, then the layer's.
    events : tuple of str
        What `fixed_step` reports, bit by bit: states that saturated or wrapped.
    learned : Learned, optional
        Which of these integers learn on chip; without it weights alone do.
    constrain : callable, optional
        (params by name) -> None; brings parameters back, in place, after an update of float training.
    validate : callable, optional
        (params by name) -> None; raises InputError for parameters that do not go together.
    variant_of : str
        Name of the model of which this one is another integer form; it then stands as ``VARIANT`` in its file.
    currents : int
        Number of input currents, the entries of ``I``.
    membrane : str
        Name of the state that is compared with the threshold, of a readout its output; "" for the first.
    readout : bool
        Whether its output, what a step returns as ``z``, is a number and no spike.
    most_spikes : str
        Of a neuron that sends several spikes in a step: name of the parameter and integer constant that says how many
        at most, no more than 127; "" where a spike is 0 or 1.
    fixed_learning : tuple of str
        Names of the integers of learning that `fixed_jacobian` takes behind ``p``.
    derivative_exponent : int
        log2 of what 1 of C, C' and E in integers stands for; not 0 only where F is.
    lanes : bool
        Whether every intermediate result of `fixed_step` fits 32 bits, or wraps there as meant, see `lanes`.

    The functions stand in the table of the module.
    """

    name: str
    states: tuple[StateVar, ...]
    source: str
    params: tuple[Param, ...] = ()
    surrogate: str | None = None
    bias_on: str = "current"
    float_step: Callable[..., Any] = no_float_form
    float_psi_arg: Callable[..., Any] | None = None
    float_jacobian: Callable[..., Any] = no_float_form
    coefficients: tuple[str, ...] = ()
    float_coefficients: Callable[[tuple[float, ...]], tuple[float, ...]] | None = None
    float_spike_jacobian: Callable[..., Any] | None = None
    fixed_per_neuron: tuple[str, ...] = ()
    fixed_constants: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    fixed_step: Callable[..., Any] = no_integer_form
    psi_index: Callable[..., Any] | None = None
    fixed_jacobian: Callable[..., Any] = no_integer_form
    to_fixed: Callable[[Mapping[str, Array], FixedFormat], FixedParams] = no_integer_form
    of_integers: Callable[[str, Mapping[str, Array], FixedFormat, float | None], FixedParams] | None = None
    learned: Learned | None = None
    constrain: Callable[[dict[str, Array]], None] | None = None
    validate: Callable[[Mapping[str, Array]], None] | None = None
    validate_fixed: Callable[[str, Mapping[str, Array]], None] | None = None
    threshold: str | None = None
    output_decay: Callable[[Mapping[str, Array]], Array] | None = None
    after_reset: Callable[[tuple[Array, ...], Array, tuple[Array, ...]], tuple[Array, ...]] | None = None
    stands_for: Callable[[Mapping[str, Array], Mapping[str, int], float], dict[str, Array]] | None = None
    not_learned: Callable[[Mapping[str, Array], Mapping[str, int]], dict[str, Any]] | None = None
    operating_point: Callable[[tuple[int, ...]], tuple[tuple[int, ...], tuple[int, ...]]] | None = None
    integer_form: Callable[[FixedFormat], str] | None = None
    variant_of: str = ""
    fixed_learning: tuple[str, ...] = ()
    derivative_exponent: int = 0
    currents: int = 1
    membrane: str = ""
    readout: bool = False
    most_spikes: str = ""
    lanes: bool = False

    def __post_init__(self) -> None:
        check_record(self)

    @property
    def neuron(self) -> str:
        """Return the neuron's name as users know it: of a variant that of the model which it stands for."""
        return self.variant_of or self.name

    @property
    def d(self) -> int:
        """Return the number of states."""
        return len(self.states)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Return the names of the states, in the order of ``s``."""
        return tuple(v.name for v in self.states)

    @property
    def membrane_state(self) -> int:
        """Return which state, in the order of ``s``, is the membrane."""
        return self.state_names.index(self.membrane) if self.membrane else 0

    @property
    def param_names(self) -> tuple[str, ...]:
        """Return the names of the float parameters, in the order of ``p``."""
        return tuple(p.name for p in self.params)

    @property
    def float_count(self) -> int:
        """Count the entries of `p` in float functions: parameters and coefficients."""
        return len(self.params) + len(self.coefficients)

    @property
    def sends_numbers(self) -> bool:
        """Tell whether its output may be other than 0 and 1, and travels as a message between integers."""
        return self.readout or bool(self.most_spikes)

    @property
    def learning_count(self) -> int:
        """Count the entries of `p` in `fixed_jacobian`: integers of a neuron and its layer, then those of learning."""
        return len(self.fixed_per_neuron) + len(self.fixed_constants) + len(self.fixed_learning)

    def message_bits(self, constants: Array) -> int:
        """Return the bits that hold the most spikes of a step, by the integer constants in the record's order."""
        return int(constants[self.fixed_constants.index(self.most_spikes)]).bit_length()

    @property
    def integer(self) -> bool:
        """Tell whether the model has an integer form."""
        return self.fixed_step is not no_integer_form

    @property
    def has_float(self) -> bool:
        """Tell whether the model has a float form."""
        return self.float_step is not no_float_form

    def require_integer(self, where: str) -> None:
        """Raise InputError, naming the layer `where`, for a model that is float only."""
        if not self.integer:
            raise InputError(
                f"{where}: neuron '{self.name}' has no integer form, it trains and runs in float only; build the layer "
                "of a neuron that has one (docs/models.md)"
            )

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Pickle and copy a model that is registered by its name: there is one of each name in a process."""
        from hypr_neuro.neurons import MODELS, VARIANTS, get_model

        if any(known.get(self.name) is self for known in (MODELS, VARIANTS)):
            return get_model, (self.name,)
        return super().__reduce_ex__(protocol)

    def require_float(self, where: str) -> None:
        """Raise InputError, naming the layer `where`, for a model that is integer only."""
        if not self.has_float:
            raise InputError(
                f"{where}: neuron '{self.name}' has no float form, it runs in integer networks only; build the layer "
                "of a neuron that has one (docs/models.md)"
            )

    def to_integers(self, params: Mapping[str, Array], fmt: FixedFormat) -> FixedParams:
        """Convert parameters by `to_fixed`; InputError unless it gives just the integers that the record names."""
        fixed = self.to_fixed(params, fmt)
        for kind, given, stated in (
            ("per_neuron", fixed.per_neuron, self.fixed_per_neuron),
            ("constants", fixed.constants, self.fixed_constants),
        ):
            if set(given) != set(stated):
                raise InputError(
                    f"neuron '{self.name}': to_fixed gives {kind} {', '.join(given) or '(none)'}, rule: those of "
                    f"fixed_{kind}, {', '.join(stated) or '(none)'}; name the same in both"
                )
        return fixed

    @property
    def learns_on_chip(self) -> bool:
        """Tell whether the model has an integer Jacobian, so that learning signals can reach it on a chip."""
        return self.fixed_jacobian is not no_integer_form

    def require_learning(self, where: str) -> None:
        """Raise InputError, naming the layer `where`, for a model that cannot learn in integers."""
        if not self.learns_on_chip:
            raise InputError(f"{where}: neuron '{self.name}' has no integer Jacobian, it cannot learn on chip")

    def gain_point(self, p: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return states and currents, in integers, at which B·C is taken: at rest, or as the model states."""
        if self.operating_point is not None:
            return self.operating_point(p)
        return (0,) * self.d, (0,) * self.currents

    def with_coefficients(self, p: tuple[float, ...]) -> tuple[float, ...]:
        """Append its coefficients to the parameters of one neuron, as float functions take them."""
        return p if self.float_coefficients is None else p + self.float_coefficients(p)

    @property
    def trainable(self) -> tuple[str, ...]:
        """Return the trainable parameters, in the order of P and E."""
        return tuple(p.name for p in self.params if p.trainable)

    def param(self, name: str) -> Param:
        """Find a parameter's record; InputError for an unknown name, listing those that are known."""
        for p in self.params:
            if p.name == name:
                return p
        raise InputError(f"neuron '{self.name}': unknown parameter {among(name, self.param_names)}")
