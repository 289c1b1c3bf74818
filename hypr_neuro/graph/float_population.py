"""Neurons of one model in a network of real numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError
from hypr_neuro.graph.synapses import LARGEST_DELAY
from hypr_neuro.neurons.base import NeuronModel
from hypr_neuro.numbers.arrays import Array, stack_rows

MOST_NEURONS = 1 << 26
"""Of one population: 512 MB a parameter."""
OF_THE_MODEL = ("of the model",)
"""Stands for the trainable parameters that the model names."""


@dataclass(eq=False, repr=False)
class FloatPopulation:
    """n neurons of one model.

    Attributes
    ----------
    params
        Each (n,), every parameter of the model; one number stands for all.
    biases
        Constant currents (n,) by the first step in which they act; of a model with several input currents (currents,
        n), a row for each.
    shape
        Of the neurons, in C order; (n,) if not given.
    trainable
        Names of `params` that training changes; those that the model names if not given.
    """

    name: str
    model: NeuronModel
    params: dict[str, Array]
    biases: Mapping[int, Array] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    trainable: tuple[str, ...] = OF_THE_MODEL

    def __post_init__(self) -> None:
        where = f"population '{self.name}'"
        self.model.require_float(where)
        self.trainable = self.model.trainable if self.trainable == OF_THE_MODEL else tuple(self.trainable)
        given = {key: real_array(f"{where}: {key}", value).reshape(-1) for key, value in self.params.items()}
        for key in (*given, *self.trainable):
            self.model.param(key)
        sizes = {len(values) for values in given.values()} | ({prod(self.shape)} if self.shape else set())
        n = max(sizes, default=1)
        if n < 1 or not sizes <= {1, n} or (self.shape and (prod(self.shape) != n or min(self.shape) < 1)):
            raise InputError(
                f"{where}: parameters of sizes {sorted(sizes)}, shape {self.shape}, rule: one number or one a neuron"
            )
        if n > MOST_NEURONS:
            raise InputError(f"{where}: {n} neurons, rule: at most {MOST_NEURONS}; split the population")
        self.shape = self.shape or (n,)
        self.params = {
            p.name: np.array(np.broadcast_to(given.get(p.name, np.array([p.default])), (n,))) for p in self.model.params
        }
        self.biases = {int(k): real_array(f"{where}: bias", v) for k, v in sorted(self.biases.items())}
        for first, bias in self.biases.items():
            if bias.shape != self.current_shape or not np.all(np.isfinite(bias)) or not 0 <= first <= LARGEST_DELAY:
                each = "" if self.model.currents == 1 else f", a row for each input current of '{self.model.name}'"
                raise InputError(
                    f"{where}: bias of shape {bias.shape} from step {first}, rule: {self.current_shape}{each}, finite, "
                    f"from step 0..{LARGEST_DELAY}"
                )
        self.check()

    def __repr__(self) -> str:
        return f"FloatPopulation('{self.name}', {self.model.name}, {self.size} neurons)"

    @property
    def size(self) -> int:
        """Neurons."""
        return prod(self.shape)

    @property
    def current_shape(self) -> tuple[int, ...]:
        """Shape of what arrives in a step: (n,), of a model with several input currents (currents, n)."""
        return (self.size,) if self.model.currents == 1 else (self.model.currents, self.size)

    def bias_of(self, first: int, current: int = 0) -> Array:
        """Return the constant current (n,) of one input current that acts from step `first` on, not copied."""
        bias = self.biases[first]
        return bias if self.model.currents == 1 else np.asarray(bias[current])

    def summed_bias(self, first: int) -> Array:
        """Return the constant currents (n,) from step `first` on, those of several input currents added."""
        bias = self.biases[first]
        return bias if self.model.currents == 1 else np.asarray(bias.sum(axis=0))

    def bias_name(self, first: int) -> str:
        """Name the constant current that acts from step `first` on."""
        own = "bias" if self.model.bias_on == "current" else "current bias"
        return f"{self.name}.{own}" + (f" from {first}" if first else "")

    def check(self) -> None:
        """Raise InputError, naming the entry, if a bias is not finite or a parameter out of range."""
        check_params(f"population '{self.name}'", self.model, self.params)
        for first, bias in self.biases.items():
            if not np.all(np.isfinite(bias)):
                raise InputError(
                    f"{self.bias_name(first)} holds a number that is not finite, rule: currents are finite"
                )

    def param_matrix(self) -> Array:
        """Return (parameters, n) in the model's order."""
        return stack_rows([self.params[name] for name in self.model.param_names], self.size)

    def float_matrix(self) -> Array:
        """Return (parameters and coefficients, n) float64, each column the `p` of one neuron's float functions.

        Raise InputError, as `check` does, where parameters were changed to values that have no coefficients.
        """
        try:
            columns = [self.model.with_coefficients(tuple(p)) for p in self.param_matrix().T.tolist()]
        except (ArithmeticError, ValueError):
            self.check()
            raise
        return np.array(columns).T.copy()


def check_params(where: str, model: NeuronModel, params: Mapping[str, Array]) -> None:
    """Raise InputError, naming the entry, if a parameter is out of the model's range."""
    for param in model.params:
        param.check(where, params[param.name])
    if model.validate is not None:
        model.validate(params)


def real_array(where: str, value: Any) -> Array:
    """Return a float64 copy; raise InputError for anything but real numbers."""
    try:
        raw = np.asarray(value)
    except ValueError as error:  # lists of different lengths
        raise InputError(f"{where} is no array ({error}), rule: real numbers") from error
    require_real(where, raw.dtype)
    with np.errstate(over="ignore"):  # a longer float beyond float64 becomes inf, refused by its range
        return np.array(raw, dtype=np.float64)


def require_real(where: str, dtype: Any) -> None:
    """Raise InputError for numbers with more than a real part, and for what are no numbers."""
    if dtype.kind not in "biuf":
        raise InputError(f"{where} of type {dtype}, rule: real numbers")
