"""From float to integers: weights to mantissa · 2^exponent, states to fixed point, parameters by each model's rule.

Every step is recorded (value, scale, integer, rounding, clips); `QuantizedNetwork.explain` prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from hypr_neuro.data.doubts import of_zeros, warn_of
from hypr_neuro.errors import InputError
from hypr_neuro.graph.integer import INPUT, HasInteger, IntegerNetwork, as_integer
from hypr_neuro.graph.kinds import require
from hypr_neuro.graph.layer import Layer
from hypr_neuro.graph.network import Network
from hypr_neuro.neurons import integer_model
from hypr_neuro.numbers.arrays import Array, stack_rows
from hypr_neuro.profiles.profile import Profile, load_profile
from hypr_neuro.profiles.rules import check_names
from hypr_neuro.quantizing.abilities import require_runs
from hypr_neuro.quantizing.accumulators import check_width, with_accumulators
from hypr_neuro.quantizing.chosen_clipping import best_clipping
from hypr_neuro.quantizing.float_form import FloatForm
from hypr_neuro.quantizing.given_integers import take_integers
from hypr_neuro.quantizing.graph_conversion import Origin
from hypr_neuro.quantizing.graph_quantize import convert_graph
from hypr_neuro.quantizing.network import QuantizedNetwork
from hypr_neuro.quantizing.parts import QuantizedLayer
from hypr_neuro.quantizing.ranges import (
    Calibration,
    MeasuredRanges,
    calibrated_ranges,
    known_weight_ranges,
    layer_connections,
)
from hypr_neuro.quantizing.record import conversion_summary
from hypr_neuro.quantizing.suited import suited
from hypr_neuro.quantizing.weight_calibration import WeightCalibration, joint_range
from hypr_neuro.quantizing.weights import PLAIN, quantize_weights, rounding_seed
from hypr_neuro.quantizing.width_plan import WidthPlan, planned, rule_names, stored_bits
from hypr_neuro.run import graph_forward
from hypr_neuro.run.forward import LayerForward, readout


def quantize(
    net: Network | IntegerNetwork | HasInteger,
    profile: Profile | str | Path,
    *,
    calibration: Calibration | None = None,
    weight_range: Mapping[str, float] | None = None,
    weight_groups: int | str | None = None,
    bias: str | None = None,
    target: str | None = None,
    largest_weight: float | None = None,
    rounding: str = "nearest",
    seed: int = 0,
    state_scale: Mapping[str, float] | None = None,
    calibration_method: str | None = None,
    percentile: float | None = None,
    weight_headroom: float | None = None,
    plan: WidthPlan | Mapping[str, Any] | str | Path | None = None,
    accumulator_bits: int | None = None,
) -> QuantizedNetwork:
    """Make the integers of a network for a profile.

    A chain of layers has one exponent a connection, and a bias axon shares that of the input. Any other network, and a
    chain for which one of the options of `quantize_graph` is given, is converted by it. A network of integers, out of
    Lava or netx or written by hand, keeps them: it gets the profile, and a scale of 1 where it states none.

    Parameters
    ----------
    net
        The float network, or an integer network (`from_lava` and `read_netx` give one), which takes no option but
        `state_scale`.
    profile
        A profile, its name or its file.
    calibration
        Data (its first 64 training samples are run in float), an array (sample, T, channel), or the largest state
        magnitude of each layer by name, such as {"layers.0": 3.1, "readout": 6.0}.
    weight_range
        Largest weight magnitude to make room for, by connection ("layers.0.input"), where it is larger than the
        network's own. Learning from scratch needs it: exponents come from the range training reaches.
    weight_groups, bias, target, largest_weight
        As of `quantize_graph`.
    rounding, seed
        "nearest" or "stochastic", ⌊x + u⌋ with a seed: right on average, also for weights far below a step, all of
        which the nearest makes 0.
    state_scale
        Of an integer network, by population: the power of two for which state_int = state · scale, where its integers
        leave that open, as those of a readout `li` do. Errors of outputs are taken at it.
    calibration_method, percentile, weight_headroom
        How far mantissas reach, by default "max", 99.9 and 1; see `weight_calibration`. "accuracy" chooses by the
        accuracy on the validation samples of `calibration`, see `chosen_clipping`.
    plan
        Widths of single populations and connections, a `WidthPlan`, its file, or rules by name such as
        {"layers.0.recurrent": {"weight_bits": 4}}; they become rules of the profile. What a plan says of the options
        above holds where they are left out.
    accumulator_bits
        Width of a connection's sum, sign included: weights are made smaller where any spikes could leave it, see
        `accumulators`; the notes say how much. By default the profile's `precision.accumulator_bits`, if it has one.

    Raises
    ------
    InputError
        If a neuron is float only, the data hold fractions, a range is missing, a weight exponent leaves the profile's
        range, integers do not fit the profile's widths, time or formats, or a rule or a plan names what the network
        does not have.
    DoesNotFitError
        For neurons, connections and parameters that the chip cannot run (section `runs` of its profile).
    """
    reach: dict[str, Any] = {
        "calibration_method": calibration_method,
        "percentile": percentile,
        "weight_headroom": weight_headroom,
    }
    chip, planned_options = planned(net, profile, plan, {"weight_groups": weight_groups, **reach})
    options: dict[str, Any] = {
        "weight_groups": planned_options.pop("weight_groups"),
        "bias": bias,
        "target": target,
        "largest_weight": largest_weight,
    }
    reach = planned_options
    if isinstance(net, IntegerNetwork) or (hasattr(net, "integer") and not isinstance(net, (QuantizedNetwork, type))):
        more = {"calibration": calibration, "weight_range": weight_range, "accumulator_bits": accumulator_bits}
        _refuse_options({**options, **reach, **more})
        return take_integers(as_integer(cast("IntegerNetwork | HasInteger", net))[0], chip, state_scale)
    require("net", net, Network, IntegerNetwork)
    assert isinstance(net, Network)
    if state_scale is not None:
        net.check()
        raise InputError("state_scale is of integer networks, this is a float one; its scales come from calibration")
    options |= {"weight_range": weight_range, "rounding": rounding, "seed": seed, "accumulator_bits": accumulator_bits}
    chosen = WeightCalibration.of(**reach)
    if chosen.method == "accuracy":
        chosen = best_clipping(net, chip, calibration, chosen, partial(convert, **options))
    qnet, _ = convert(net, chip, calibration, chosen=chosen, **options)
    warn_of(of_zeros(qnet.record))
    return qnet


def convert(
    net: Network,
    profile: Profile | str | Path,
    calibration: Calibration | None,
    *,
    weight_range: Mapping[str, float] | None = None,
    rounding: str = "nearest",
    seed: int = 0,
    chosen: WeightCalibration = PLAIN,
    accumulator_bits: int | None = None,
    **options: Any,
) -> tuple[QuantizedNetwork, tuple[Origin, ...]]:
    """Do what `quantize` does of a float network, without warnings; return also where each connection comes from.

    Of a chain the column of a bias axon belongs to the connection that it stands in.
    """
    net.check()
    if accumulator_bits is not None:
        check_width(accumulator_bits)
    form = convert_graph if _as_graph(net, options) else _convert_chain
    qnet, origins = form(
        net, profile, calibration, weight_range=weight_range, rounding=rounding, seed=seed, chosen=chosen, **options
    )
    return with_accumulators(qnet, accumulator_bits), origins


def _convert_chain(
    net: Network,
    profile: Profile | str | Path,
    calibration: Calibration | None,
    *,
    weight_range: Mapping[str, float] | None,
    rounding: str,
    seed: int,
    chosen: WeightCalibration,
    **unused: None,
) -> tuple[QuantizedNetwork, tuple[Origin, ...]]:
    """Give each connection of a chain of layers one exponent; `unused` are options of graphs, none of them given."""
    for i, layer in enumerate(net.layers):
        layer.model.require_integer(net.name(i))
    profile = load_profile(profile)
    require_runs(net, profile)
    record: list[dict[str, Any]] = []
    net = suited(net, profile, record)
    check_names(profile, [p.name for p in net.populations], rule_names(net))
    ranges = calibrated_ranges(net, calibration, state_ranges)
    # a chain's own names are those of its places
    ranges = {net.name(i): ranges.get(p.name, ranges.get(net.name(i), 0.0)) for i, p in enumerate(net.populations)}
    weights = known_weight_ranges(net, weight_range)
    room = {key: weights[name] for key, name in layer_connections(net).items() if name in weights}
    draws, layers = rounding_seed(rounding, seed), []
    for i, layer in enumerate(net.layers):
        name = net.name(i)
        of_layer = {k.rsplit(".", 1)[1]: v for k, v in room.items() if k.rsplit(".", 1)[0] == name}
        layers.append(_quantize_layer(name, layer, profile, ranges[name], of_layer, record, draws, chosen))
    qnet = QuantizedNetwork.from_layers(layers, profile, net.dt, net.encoder, record)
    _freeze(net, qnet)
    return qnet, _origins(net, qnet)


def measured_ranges(net: Network, calibration: Calibration, **options: Any) -> MeasuredRanges:
    """Return the largest state magnitude of each population as `quantize` with these options measures it."""
    measure = graph_forward.state_ranges if _as_graph(net, options) else state_ranges
    return MeasuredRanges(calibrated_ranges(net, calibration, measure))


def _as_graph(net: Network, options: Mapping[str, Any]) -> bool:
    """Tell whether a network is converted by `quantize_graph`."""
    several = any(p.model.most_spikes for p in net.populations)  # spikes of 0 and 1 alone need no message
    return not net.is_chain or several or any(value is not None for value in options.values())


def _origins(net: Network, qnet: QuantizedNetwork) -> tuple[Origin, ...]:
    """Return the place of the float connection that each one of a chain comes from."""
    names = {INPUT: INPUT} | {q.name: p.name for p, q in zip(net.populations, qnet.populations, strict=True)}
    places = {(c.source, c.target): i for i, c in enumerate(net.connections)}
    return tuple(places[names[c.source], names[c.target]] for c in qnet.connections)


def _freeze(net: Network, qnet: QuantizedNetwork) -> None:
    """Freeze the connections of a chain that are frozen in float."""
    for layer, p in zip(net.layers, qnet.populations, strict=True):
        for c in qnet.incoming(p.name):
            c.trainable = ("recurrent" if c.source == p.name else "weight") not in layer.frozen


def _refuse_options(options: Mapping[str, Any]) -> None:
    """Raise InputError for options that decide how floats become integers."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise InputError(f"{', '.join(given)}: of float networks, rule: integers stay as they are; leave it out")


def state_ranges(net: Network, x: Array) -> dict[str, float]:
    """Return the largest magnitude of any state of each layer, over samples (sample, T, channel) run in float."""
    largest = {net.name(i): 0.0 for i in range(len(net.layers))}

    def visit(start: int, layers: Sequence[LayerForward]) -> None:
        for i, layer in enumerate(layers):
            largest[net.name(i)] = max(largest[net.name(i)], float(np.abs(layer.states).max()))

    readout(net, x, visit=visit)
    return largest


def weight_ranges(net: Network) -> dict[str, float]:
    """Return the largest weight magnitude by connection, bias included where it is an axon; see `quantize`.

    Connections whose weights are all 0 are left out.
    """
    require("net", net, Network)
    ranges = {}
    for i, layer in enumerate(net.layers):
        ranges[f"{net.name(i)}.input"] = float(np.abs(_input_matrix(layer)).max())
        if layer.recurrent is not None:
            ranges[f"{net.name(i)}.recurrent"] = float(np.abs(layer.recurrent).max())
    return {name: largest for name, largest in ranges.items() if largest}


def _input_matrix(layer: Layer) -> Array:
    return layer.weight if layer.bias is None else np.column_stack([layer.weight, layer.bias])


def _quantize_layer(
    name: str,
    layer: Layer,
    profile: Profile,
    state_range: float,
    weight_range: Mapping[str, float],
    record: list[dict[str, Any]],
    seed: int | None,
    chosen: WeightCalibration,
) -> QuantizedLayer:
    matrices = {"input": _input_matrix(layer)} | ({} if layer.recurrent is None else {"recurrent": layer.recurrent})
    own = {k: profile.of(f"{name}.{k}", name) for k in matrices}
    shift = {k: chosen.shifts.get(f"{name}.{k}", 0) for k in matrices}
    room = {k: chosen.room(m, weight_range.get(k, 0.0), own[k], shift[k]) for k, m in matrices.items()}
    of_neurons = profile.of(name)
    weights_reach = joint_range(((room[k], own[k]) for k in matrices), of_neurons)
    number_format = of_neurons.fixed_format(state_range, weights_reach)
    model = integer_model(layer.model, number_format)
    fixed = model.to_integers(layer.params, number_format)
    record += [conversion_summary(name, c) for c in fixed.conversions]
    connections = {
        k: quantize_weights(
            name,
            k,
            m,
            fixed.current_scale,
            room[k],
            own[k],
            record,
            seed,
            calibration=chosen,
            wanted=weight_range.get(k, 0.0),
            shift=shift[k],
        )
        for k, m in matrices.items()
    }
    for k, c in connections.items():
        c.weight_bits = stored_bits(own[k], profile)
    return QuantizedLayer(
        model=model,
        input=connections["input"],
        recurrent=connections.get("recurrent"),
        bias_axon=layer.bias is not None,
        per_neuron=stack_rows([fixed.per_neuron[k] for k in model.fixed_per_neuron], layer.size, np.int64),
        constants=np.array([fixed.constants[k] for k in model.fixed_constants], dtype=np.int64),
        psi_table=fixed.psi_table,
        state_scale=fixed.state_scale,
        current_scale=fixed.current_scale,
        trainable=layer.trainable,
    )


def dequantize(net: Network, qnet: QuantizedNetwork) -> Network:
    """Return a float network with the weights and neuron parameters that the integers stand for.

    Its connections are those of the chip, so that a connection that was split into groups is several, and its time is
    the chip's, see `float_form`. Parameters come from the integers where learning has changed these; those of which
    the integers are still what quantizing gave keep the exact numbers of `net`, as do parameters that do not learn on a
    chip. Raise InputError if the two do not have the same populations.
    """
    require("net", net, Network)
    require("qnet", qnet, QuantizedNetwork)
    form = FloatForm(net, qnet)
    for name, c in zip(form.names, qnet.connections, strict=True):
        for part in form.weight_parts[name]:
            form.net.connections[part.connection].trainable = c.trainable
    return form.net
