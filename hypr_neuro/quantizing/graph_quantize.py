"""From a float graph to integers for a profile.

Weights, states and parameters become integers as in `quantize`: each population by its model's rule, each connection
mantissas and an exponent of its own. Trained weights often spread over more than a mantissa holds: a connection is then
split by size (`weight_groups`).

A constant current is a bias axon, an input that is always on. Its rounding error adds up step after step, so its
mantissas have an exponent apart from the weights', and a second axon brings what rounding left. A target without bias
axons takes it on the membrane (bias="membrane"):

    v ← v + b / du instead of u ← u + b      equal once u has settled, b (1 - du)^{t+1} / du more in step t before

Time. With a connection delay of h steps a population that lies k connections behind the input runs L = h·k steps behind
float time. Connections that skip populations get the delay that keeps them in step. A connection that leads back over k
populations arrives h·k steps later than in float: `notes` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypr_neuro.data.doubts import of_zeros, warn_of
from hypr_neuro.errors import InputError
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.checks import require_number
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.profiles.rules import check_names
from hypr_neuro.quantizing.abilities import require_runs
from hypr_neuro.quantizing.for_netx import require_one_width
from hypr_neuro.quantizing.graph_conversion import GraphConversion, Origin
from hypr_neuro.quantizing.network import OUTPUT_DECAY, QuantizedNetwork
from hypr_neuro.quantizing.ranges import Calibration, calibrated_ranges, known_weight_ranges
from hypr_neuro.quantizing.suited import suited
from hypr_neuro.quantizing.weight_calibration import WeightCalibration
from hypr_neuro.quantizing.weight_groups import ROW
from hypr_neuro.quantizing.weights import PLAIN, rounding_seed
from hypr_neuro.quantizing.width_plan import rule_names
from hypr_neuro.renamed import renamed_names
from hypr_neuro.run.graph_forward import state_ranges

__getattr__ = renamed_names(__name__, {"QuantizedGraph": "QuantizedNetwork"})
BIASES = ("line", "membrane")
GROUPS, MOST_GROUPS = 2, 4
"""Of one connection's weights: unless another number is given, and at most."""
NETX = "netx"


def quantize_graph(
    graph: Network,
    profile: Profile | str | Path,
    *,
    calibration: Calibration | None,
    weight_range: Mapping[str, float] | None = None,
    weight_groups: int | str | None = None,
    bias: str | None = None,
    target: str | None = None,
    largest_weight: float | None = None,
    rounding: str = "nearest",
    seed: int = 0,
    chosen: WeightCalibration = PLAIN,
) -> QuantizedNetwork:
    """Make the integers of a graph for a profile.

    Parameters
    ----------
    graph
        The float graph; its last population gives the outputs.
    profile
        A profile, its name or its file.
    calibration
        Data (its first 64 training samples are run in float), an array (sample, T, channel), or the largest state
        magnitude by population.
    weight_range
        Largest weight magnitude to make room for, by connection ("a -> b"), where it is larger than the network's own;
        learning needs it where weights shall grow.
    weight_groups
        Most groups of one connection, 1 to 4 (default 2, 1 where the profile has one exponent); a further one has to
        halve the weights' squared error. "row" gives each neuron an exponent of its own instead, that of the largest
        weight that leads to it.
    bias
        Where a constant current goes, to a bias axon ("line") or to the membrane ("membrane"), see above; by default to
        an axon, for netx to the membrane.
    target
        "netx" makes integers that a netx file can hold: one exponent for all that leads to a population, no groups,
        biases on the membrane in multiples of 2^6.
    largest_weight
        The exponent is that of weights up to this magnitude, in real units, and larger ones become the largest
        mantissa; a few strong inhibitory weights often cost the others their bits and could be weaker just as well.
        Clips are counted in the record.
    rounding, seed
        "nearest" or "stochastic", see `weights.rounded`, of weights and of biases on axons; its seed.
    chosen
        How far mantissas reach; bias axons of their own have the chip's width and reach as far as they need.

    Raises
    ------
    InputError
        Naming the population or connection, for a neuron without integer form, values outside the profile's range, and
        delays past 63 steps.
    DoesNotFitError
        For what the chip cannot run, see `abilities`.
    """
    options: dict[str, Any] = {
        "weight_range": weight_range,
        "weight_groups": weight_groups,
        "bias": bias,
        "target": target,
    }
    options |= {"largest_weight": largest_weight, "rounding": rounding, "seed": seed, "chosen": chosen}
    qnet, _ = convert_graph(graph, profile, calibration, **options)
    warn_of(of_zeros(qnet.record))
    return qnet


def convert_graph(
    graph: Network,
    profile: Profile | str | Path,
    calibration: Calibration | None,
    *,
    weight_range: Mapping[str, float] | None = None,
    weight_groups: int | str | None = None,
    bias: str | None = None,
    target: str | None = None,
    largest_weight: float | None = None,
    rounding: str = "nearest",
    seed: int = 0,
    chosen: WeightCalibration = PLAIN,
) -> tuple[QuantizedNetwork, tuple[Origin, ...]]:
    """Do what `quantize_graph` does, without warnings; return also where each connection of the chip comes from."""
    require("graph", graph, Network)
    chip = load_profile(profile)
    for p in graph.populations:
        p.model.require_integer(f"population '{p.name}'")
    require_runs(graph, chip)
    record: list[dict[str, Any]] = []
    graph = suited(graph, chip, record)
    ranges = calibrated_ranges(graph, calibration, state_ranges)
    bias = bias or ("membrane" if target == NETX else "line")
    if bias not in BIASES:
        raise InputError(f"bias = {bias!r}, rule: {' or '.join(BIASES)}")
    if weight_groups is None:
        exponents = chip.precision.weight_exponent_min.value, chip.precision.weight_exponent_max.value
        weight_groups = GROUPS if exponents[0] < exponents[1] else 1  # groups of one exponent are one group
    if isinstance(weight_groups, bool) or (weight_groups != ROW and weight_groups not in range(1, MOST_GROUPS + 1)):
        raise InputError(f"weight_groups = {weight_groups!r}, rule: 1 to {MOST_GROUPS}, or '{ROW}'")
    if target not in (None, NETX):
        raise InputError(f"target = {target!r}, rule: '{NETX}', or none given")
    netx = target == NETX
    if largest_weight is not None:
        require_number("largest_weight", largest_weight)
    if largest_weight is not None and not 0 < largest_weight < float("inf"):
        raise InputError(f"largest_weight = {largest_weight}, rule: positive and finite")
    check_names(chip, [p.name for p in graph.populations], rule_names(graph))
    conversion = GraphConversion(graph, chip, 1 if netx else weight_groups, bias, netx)
    conversion.record += record
    conversion.chosen = chosen
    if netx:
        require_one_width(graph, chip, chosen)
    conversion.weight_range = known_weight_ranges(graph, weight_range)
    conversion.seed = rounding_seed(rounding, seed)
    conversion.limit = float("inf") if largest_weight is None else float(largest_weight)
    conversion.choose_messages({name: ranges[name] for name in graph.clock.populations})
    for p in graph.populations:
        conversion.add(p, ranges[p.name])
    qnet = QuantizedNetwork(
        inputs=graph.inputs,
        populations=tuple(conversion.populations),
        connections=tuple(conversion.connections),
        profile=chip,
        dt=graph.dt,
        outputs=graph.outputs,
        record=conversion.record,
        notes=conversion.notes,
        output_decay=graph.notes.get("output decay", OUTPUT_DECAY),
    )
    return qnet, tuple(conversion.origins)
