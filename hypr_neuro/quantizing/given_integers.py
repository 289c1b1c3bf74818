"""Integers that nobody quantized, from Lava, netx or written by hand, for a profile: as they are, or refused by name.

What a step computes stays as it is. Scales are 1 where the integers do not say another one, so that traces, errors and
learning count in integers; `state_scale` gives a population another one. Neurons with a threshold have their scale from
it (`NeuronModel.of_integers`), and ψ its width.

Time. A network whose connections take another time than the profile's (`connection_delay`) arrives in the same steps:
delays of forward connections become longer or shorter by one.

Weights. A mantissa that is too wide for the profile and even is halved, its exponent raised, as often as that is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import frexp
from typing import Any

import numpy as np

from hypr_neuro.errors import InputError, among
from hypr_neuro.graph.convolution import Convolution
from hypr_neuro.graph.encoder import AFFINE
from hypr_neuro.graph.integer import LARGEST_DELAY, IntegerNetwork, Population, Synapses
from hypr_neuro.neurons.base import PSI_ENTRIES, Conversion, FixedParams
from hypr_neuro.neurons.given_integers import require_state_bits
from hypr_neuro.numbers.arrays import Array, stack_rows
from hypr_neuro.numbers.checks import require_number
from hypr_neuro.profiles.profile import Profile
from hypr_neuro.profiles.rules import check_names
from hypr_neuro.quantizing.abilities import require_runs
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedConnection, QuantizedPopulation
from hypr_neuro.quantizing.psi import psi_table_at
from hypr_neuro.quantizing.record import conversion_summary
from hypr_neuro.quantizing.width_plan import rule_names, stored_bits

DT = 1e-3
"""Of a step in seconds: integers do not say it, and nothing that they compute depends on it."""
AS_IT_IS = "integers as given"


def take_integers(
    network: IntegerNetwork, profile: Profile, state_scale: Mapping[str, float] | None = None
) -> QuantizedNetwork:
    """Return the network of these integers for a profile; see the module.

    Parameters
    ----------
    network
        The integers.
    profile
        Its widths, time and formats are held to.
    state_scale
        By population a power of two, state_int = state · scale, where the integers leave it open.

    Raises
    ------
    InputError
        Naming population or connection, value, rule and remedy, for integers that the profile has no room for.
    DoesNotFitError
        For what the chip cannot run, see `abilities`.
    """
    scales = _checked(network, state_scale or {})
    record: list[dict[str, Any]] = []
    check_names(profile, [p.name for p in network.populations], rule_names(network))
    populations = tuple(
        _population(p, network, profile.of(p.name), scales.get(p.name), record) for p in network.populations
    )
    current_scale = {p.name: p.current_scale for p in populations}
    connections = []
    for c in network.synapses:
        _check_message(c, profile)
        own = profile.of(c.name, c.target)
        fitted = _fitted(_in_step(c, network, profile), own)
        record.append(_weight_record(fitted, current_scale[c.target], own))
        connections.append(replace(QuantizedConnection.of(fitted), weight_bits=stored_bits(own, profile)))
    encoding = network.notes.get("input")
    taken = QuantizedNetwork(
        inputs=int(network.inputs),
        populations=populations,
        connections=tuple(connections),
        profile=profile,
        dt=DT,
        outputs=network.outputs,
        encoder=None if encoding is None else {"method": AFFINE, **encoding},
        record=record,
    )
    require_runs(taken, profile)
    return taken


def _checked(network: IntegerNetwork, scales: Mapping[str, float]) -> Mapping[str, float]:
    """Return the scales; InputError for a name that no population has, and what is no power of two."""
    known = [p.name for p in network.populations]
    if not isinstance(scales, Mapping):
        raise InputError(f"state_scale = {scales!r:.60}, rule: a power of two by population, such as {{'out': 4096.0}}")
    for name, scale in scales.items():
        if name not in known:
            raise InputError(f"state_scale: unknown population {among(name, known)}")
        require_number(f"state_scale: '{name}'", scale)
        if not 0 < scale < float("inf") or frexp(scale)[0] != 0.5:
            raise InputError(f"state_scale: '{name}' = {scale}, rule: a power of two, such as 2.0 ** 12")
    return scales


def _population(
    p: Population, network: IntegerNetwork, profile: Profile, scale: float | None, record: list[dict[str, Any]]
) -> QuantizedPopulation:
    model, where = p.model, f"population '{p.name}' on profile '{profile.name}'"
    fmt = profile.fixed_format(1.0, 1.0)
    if model.of_integers is None:
        require_state_bits(where, network.state_bits, fmt)
        fixed = _at_scale(p, profile, 1.0 if scale is None else float(scale))
    else:
        fixed = model.of_integers(where, p.named(), fmt, scale)
    record += [conversion_summary(p.name, _unchanged(name, values, 1.0)) for name, values in fixed.per_neuron.items()]
    return QuantizedPopulation(
        name=p.name,
        model=model,
        per_neuron=stack_rows([fixed.per_neuron[k] for k in model.fixed_per_neuron], p.size, np.int64),
        constants=np.array([fixed.constants[k] for k in model.fixed_constants], dtype=np.int64),
        psi_table=fixed.psi_table,
        state_scale=fixed.state_scale,
        current_scale=fixed.current_scale,
        trainable=model.trainable,
    )


def _at_scale(p: Population, profile: Profile, scale: float) -> FixedParams:
    """Return integers whose model does not say what they stand for, with the ψ table of the scale if it has one."""
    table = np.zeros(PSI_ENTRIES, dtype=np.int64)
    if p.model.psi_index is not None:
        table = psi_table_at(p.model, scale, profile)
    named = p.named()
    constants = {name: int(named[name]) for name in p.model.fixed_constants}
    return FixedParams({k: named[k] for k in p.model.fixed_per_neuron}, constants, scale, scale, table)


# ---------------------------------------------------------------- connections


def _check_message(c: Synapses, profile: Profile) -> None:
    limit = profile.precision.message_bits
    if limit is not None and c.message_bits is not None and c.message_bits > limit.value:
        raise InputError(
            f"connection {c.name}: messages of {c.message_bits} bits, rule: at most {limit.value} on profile "
            f"'{profile.name}' (precision.message_bits); give a profile with graded spikes, such as 'loihi2'"
        )


def _in_step(c: Synapses, network: IntegerNetwork, profile: Profile) -> Synapses:
    """Return the connection so that it arrives on the profile when it arrived in the network."""
    wanted = profile.graph_clock(network.clock.populations, network.clock.connections).connection_delay
    longer = network.connection_delay - wanted if network.forward(c) else 0
    if longer == 0:
        return c
    low, high = c.delay_range
    if low + longer < 0 or high + longer > LARGEST_DELAY:
        raise InputError(
            f"connection {c.name}: delays {low} to {high} where connections take {network.connection_delay} steps, "
            f"rule: {max(-longer, 0)} to {min(LARGEST_DELAY - longer, LARGEST_DELAY)} on profile '{profile.name}', "
            f"whose connections take {wanted} (time.connection_delay); change the delay, or give a profile with "
            f"connection_delay {network.connection_delay}"
        )
    return replace(c, delays=c.delays + longer if isinstance(c.delays, int) else _added(c.delays, longer))


def _added(delays: Any, steps: int) -> Any:
    """Return a matrix of delays, each longer by so many steps; of CSR the stored ones."""
    if isinstance(delays, np.ndarray):
        return delays + steps
    return type(delays)((delays.data + steps, delays.indices, delays.indptr), shape=delays.shape)


def _fitted(c: Synapses, profile: Profile) -> Synapses:
    """Return the connection with mantissas and exponent inside the profile's ranges, moved by as little as need be."""
    p, exponent = profile.precision, int(c.exponent)
    low, high = int(p.weight_exponent_min.value), int(p.weight_exponent_max.value)
    entries = _entries(c.weights)
    given = entries if c.always_on is None else np.concatenate([entries, c.always_on.astype(np.int64)])
    largest = int(np.abs(given).max()) if given.size else 0
    spare = _trailing_zeros(given)
    for raised in sorted(range(low - exponent, high - exponent + 1), key=abs):
        if raised <= spare and _shifted(largest, raised) <= p.weight_top:
            return c if raised == 0 else _moved(c, raised)
    raise InputError(
        f"connection {c.name}: weights {given.min()}..{given.max()} · 2^{exponent}, rule: ±{p.weight_top} "
        f"(precision.weight_bits {p.stored_weight_bits}) times 2^{low}..2^{high} (precision.weight_exponent_min, "
        f"precision.weight_exponent_max) on profile '{profile.name}'; scale weights and threshold, or give a profile "
        f"of your own, which extends '{profile.name}' (precision.weight_bits {_needed_bits(largest, spare)} holds them)"
    )


def _trailing_zeros(values: Array) -> int:
    """Return how often all of them can be halved; 64 where all are 0."""
    together = int(np.bitwise_or.reduce(np.abs(values.astype(np.int64)), axis=None)) if values.size else 0
    return 64 if together == 0 else (together & -together).bit_length() - 1


def _needed_bits(largest: int, spare: int) -> int:
    """Return the width of the narrowest mantissas, sign included."""
    return (largest >> min(spare, 63)).bit_length() + 1


def _shifted(values: Any, raised: int) -> Any:
    return values >> raised if raised >= 0 else values << -raised


def _moved(c: Synapses, raised: int) -> Synapses:
    """Return the same sums: mantissas shifted down, the exponent raised."""
    matrix: Any = c.weights.astype(np.int64)
    data = _shifted(_entries(matrix), raised)
    if isinstance(matrix, Convolution):
        moved: Any = matrix.with_data(data)
    elif isinstance(matrix, np.ndarray):
        moved = data.reshape(matrix.shape)
    else:
        moved = type(matrix)((data, matrix.indices, matrix.indptr), shape=matrix.shape)
    bias = None if c.always_on is None else _shifted(c.always_on.astype(np.int64), raised)
    return replace(c, weights=moved, always_on=bias, exponent=int(c.exponent) + raised)


def _entries(matrix: Any) -> Array:
    """Return all entries, of CSR the stored ones, of a convolution the kernel's; (entries,) int64."""
    stored = matrix if isinstance(matrix, np.ndarray) else matrix.data
    return np.asarray(stored, dtype=np.int64).reshape(-1)


# ---------------------------------------------------------------- record


def _unchanged(name: str, values: Array, scale: float, rule: str = AS_IT_IS) -> Conversion:
    integers = np.asarray(values, np.int64)
    return Conversion(name, integers / scale, scale, integers, "none", 0, rule)


def _weight_record(c: Synapses, current_scale: float, profile: Profile) -> dict[str, Any]:
    entries = _entries(c.weights)
    if not entries.size:
        entries = np.zeros(1, np.int64)
    rule = f"weight as given, {profile.precision.stored_weight_bits} bits, exponent {c.exponent}"
    return conversion_summary(c.target, _unchanged(c.source, entries, current_scale / 2.0 ** int(c.exponent), rule))
