"""What a neuron's record promises beyond its fields: its functions do not call themselves, its integers run as stated.

Executors meet a broken promise each in its own way, or not at all: compiled code reads a table outside its ends. So it
is looked for here, once, outside of kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random
from types import FunctionType
from typing import TYPE_CHECKING, Any

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.jit import is_tagged

if TYPE_CHECKING:
    from hypr_neuro.neurons.base import NeuronModel

MOST_SPIKES = 127
"""Of a step; records of spikes have 8 bits."""
STEPS = 60
"""Steps of a trial; its currents grow to 2^30."""


def check_calls(where: str, *functions: Callable[..., Any] | None) -> None:
    """Raise InputError, naming the function, where one of these or a tagged one that they reach calls itself."""
    done: set[Any] = set()
    for function in functions:
        if isinstance(function, FunctionType):
            _follow(where, function, (), done)


def _follow(where: str, function: FunctionType, callers: tuple[FunctionType, ...], done: set[Any]) -> None:
    if function in callers:
        circle = " -> ".join(f.__name__ for f in (*callers[callers.index(function) :], function))
        raise InputError(
            f"{where}: {function.__name__} calls itself ({circle}), rule: no step function does, C and compiled code "
            "have no stack for it; write a loop"
        )
    if function in done:
        return
    for called in _tagged_names(function):
        _follow(where, called, (*callers, function), done)
    done.add(function)


def _tagged_names(function: FunctionType) -> Iterator[FunctionType]:
    """Yield the tagged functions that a function names."""
    named = [function.__globals__.get(name) for name in function.__code__.co_names]
    for cell in function.__closure__ or ():
        try:
            named.append(cell.cell_contents)
        except ValueError:  # a function of a function that has not returned yet
            continue
    yield from (value for value in named if isinstance(value, FunctionType) and is_tagged(value))


def check_spike(where: str, model: NeuronModel, z: int) -> int:
    """Return the output of a step; InputError, naming neurons by `where`, for a spike that is not 0 or 1.

    A neuron of several spikes sends up to 127.
    """
    if not model.sends_numbers and z not in (0, 1):
        raise InputError(
            f"{where}: fixed_step of '{model.name}' gives an output of {z}, rule: a spike is 0 or 1; a neuron that "
            "sends numbers is a readout, one of several spikes in a step has most_spikes"
        )
    if model.most_spikes and not 0 <= z <= MOST_SPIKES:
        raise InputError(f"{where}: fixed_step of '{model.name}' gives {z} spikes, rule: 0 to {MOST_SPIKES} in a step")
    return int(z)


def check_psi_index(where: str, model: NeuronModel, index: int, entries: int) -> int:
    """Return the entry of the ψ table; InputError, naming neurons by `where`, for one that the table lacks."""
    if not 0 <= index < entries:
        raise InputError(
            f"{where}: psi_index of '{model.name}' gives {index}, rule: 0..{entries - 1}; end it with "
            f"min(max(…, 0), {entries - 1})"
        )
    return int(index)


@lru_cache(maxsize=4096)
def check_steps(where: str, model: NeuronModel, p: tuple[int, ...], entries: int) -> None:
    """Run one neuron from rest on random currents of growing size; InputError where its integers leave the contract.

    Parameters
    ----------
    where : str
        Name of the neurons, for errors.
    model : NeuronModel
        With an integer form.
    p : tuple of int
        Its parameters, then the layer's constants.
    entries : int
        Length of the ψ table.

    Raises
    ------
    InputError
        For another number of states, a spike that is not 0 or 1, and a `psi_index` outside of the table.
    """
    draw, state, z = Random(0), (0,) * model.d, 0
    for step in range(STEPS):
        size = 1 << (30 * step // (STEPS - 1))
        current = tuple(draw.randint(-size, size) * (draw.random() < 0.8) for _ in range(model.currents))
        try:
            new, z, _ = model.fixed_step(state, z, current, p)
            index = None if model.psi_index is None else model.psi_index(state, tuple(new), p)
        except (ArithmeticError, ValueError):  # the definition says it where it happens, with neuron and step
            return
        if len(new) != model.d:
            raise InputError(
                f"{where}: fixed_step of '{model.name}' gives {len(new)} states, rule: {model.d}, those of its record"
            )
        check_spike(where, model, z)
        if index is not None:
            check_psi_index(where, model, index, entries)
        state = tuple(new)
