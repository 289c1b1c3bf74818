"""Rows of the report's tables."""

from __future__ import annotations

from typing import Any

from hypr_neuro.report.values import (
    NOTHING,
    UNKNOWN,
    Data,
    bytes_text,
    lookup,
    number,
    out_of,
    pairs,
    percent,
    rows,
    span,
    whole_cores,
)


def accuracy_rows(accuracy: Data) -> list[Data]:
    """Return float, integers and baselines: name, share of all, share of the labelled steps."""
    table = [
        {"name": "Float network", "share": accuracy.get("float"), "labelled": accuracy.get("float_labelled")},
        {"name": "Integers", "share": accuracy.get("integer"), "labelled": accuracy.get("integer_labelled")},
    ]
    table += [{"name": f"Baseline: {name}", "share": share} for name, share in pairs(accuracy.get("baselines"))]
    table = [row for row in table if number(row["share"]) is not None]
    return [{**row, "differs": number(row.get("labelled")) not in (None, row["share"])} for row in table]


def structure_rows(network: Data) -> list[Data]:
    """Return the connections of a network with skips, loops, delays or other weights than dense, [] of others."""
    connections = rows(network.get("connections"))
    sources = [population.get("from") for population in rows(network.get("layers"))]
    plain = all(isinstance(names, list) and len(names) == 1 for names in sources)
    told = all(c.get("form") == "dense" and not c.get("delay") for c in connections)
    return [] if plain and told else connections


def record_rows(quantization: Data) -> list[Data]:
    """Return how each number became an integer, ranges and counts in one text each."""
    return [
        {
            **row,
            "range": span(row.get("low"), row.get("high")),
            "integers": span(row.get("integer_low"), row.get("integer_high")),
            "clips": out_of(row.get("clipped"), row.get("count")),
        }
        for row in rows(quantization.get("record"))
    ]


def activity_rows(quantization: Data) -> list[Data]:
    """Return one row a layer: rates of float and integers, share of equal spikes."""
    rates, agreement = quantization.get("rates"), quantization.get("spike_agreement")
    names = dict.fromkeys([name for name, _ in pairs(rates)] + [name for name, _ in pairs(agreement)])
    return [
        {
            "layer": name,
            "float": lookup(rates, name, "float"),
            "integer": lookup(rates, name, "integer"),
            "agreement": lookup(agreement, name),
        }
        for name in names
    ]


def event_rows(events: Any) -> list[Data]:
    """Return {layer: {event: count}} as rows."""
    return [
        {"layer": layer, "event": event, "count": count}
        for layer, counts in pairs(events)
        for event, count in pairs(counts)
    ]


def core_rows(placement: Data) -> list[Data]:
    """Return one row a core, each resource as "used of limit"."""
    return [
        {
            "core": core.get("core"),
            "layer": core.get("layer"),
            "neurons": out_of(core.get("neurons"), core.get("neuron_limit")),
            "synapses": core.get("synapses"),
            "memory": f"{bytes_text(core.get('memory_bits'))} of {_limit_text(core.get('memory_limit'))}",
            "axons": out_of(core.get("in_axons"), core.get("in_axon_limit")),
            "out_axons": out_of(core.get("out_axons"), core.get("out_axon_limit")),
            "learning": bytes_text(core.get("learning_bits")),
        }
        for core in whole_cores(placement)
    ]


def _limit_text(bits: Any) -> str:
    return UNKNOWN if bits == UNKNOWN else bytes_text(bits)


def program_rows(placement: Data) -> list[Data]:
    """Return one row for each memory of each program."""
    return [
        {
            "program": program.get("name"),
            "memory": entry.get("name"),
            "bytes": entry.get("bytes"),
            "limit": entry.get("limit"),
            "reason": program.get("reason"),
        }
        for program in rows(placement.get("programs"))
        for entry in rows(program.get("memories"))
    ]


def operation_rows(placement: Data) -> list[Data]:
    """Return the counted operations of inference and learning, with the figures of one."""
    phases = (lookup(placement, "estimate", name) for name in ("inference", "learning"))
    return [row for phase in phases for row in rows(lookup(phase, "operations"))]


def complexity_rows(placement: Data) -> list[Data]:
    """Return what NeuroBench compares networks by: name and value."""
    found = placement.get("complexity")
    operations = lookup(found, "synaptic_operations")
    footprint = number(lookup(found, "footprint_bytes"))
    values = (
        ("Footprint of weights, parameters, states", None if footprint is None else bytes_text(8 * footprint)),
        ("Connection sparsity", percent(number(lookup(found, "connection_sparsity")))),
        ("Activation sparsity", percent(number(lookup(found, "activation_sparsity")))),
        ("Synaptic operations, dense", lookup(operations, "dense")),
        ("Effective accumulations", lookup(operations, "effective_acs")),
        ("Effective multiplications", lookup(operations, "effective_macs")),
        ("Membrane updates", lookup(found, "membrane_updates")),
    )
    return [{"name": name, "value": value} for name, value in values if value is not None and value != NOTHING]


def connection_rows(placement: Data) -> list[Data]:
    """Return one row a connection, what it takes on all cores together."""
    return [
        {
            "connection": row.get("connection"),
            "learns": row.get("learns"),
            "synapses": row.get("synapses"),
            "memory": bytes_text(row.get("memory_bits")),
            "cores": row.get("cores"),
        }
        for row in rows(placement.get("connections"))
    ]


def epoch_rows(study: Data) -> list[Data]:
    """Return the epochs of a learning study, clips added up, equal spikes averaged over layers."""
    return [
        {**row, "clipped": _total(row.get("clips")), "agreement": _mean(row.get("spike_agreement"))}
        for row in rows(study.get("epochs"))
    ]


def gradient_rows(study: Data) -> list[Data]:
    """Return cosines and norm ratio of each connection and parameter, and weights at their limit, in the last epoch."""
    epochs = [row for row in rows(study.get("epochs")) if pairs(row.get("cosine"))]
    if not epochs:
        return []
    return [
        {
            "name": name,
            "what": lookup(study.get("connections"), name),
            "cosine": value,
            "ratio": lookup(epochs[-1], "norm_ratio", name),
            "free": lookup(epochs[-1], "free_cosine", name),
            "hypr": lookup(epochs[-1], "hypr_cosine", name),
            "bptt": lookup(epochs[-1], "bptt_cosine", name),
            "saturated": lookup(epochs[-1], "saturated", name),
        }
        for name, value in pairs(epochs[-1].get("cosine"))
    ]


def agreement_rows(study: Data) -> list[Data]:
    """Return the share of equal spikes by population, in the first and in the last epoch."""
    epochs = [row for row in rows(study.get("epochs")) if pairs(row.get("spike_agreement"))]
    if not epochs:
        return []
    return [
        {"name": name, "first": value, "last": lookup(epochs[-1], "spike_agreement", name)}
        for name, value in pairs(epochs[0].get("spike_agreement"))
    ]


def clip_totals(study: Data) -> Data:
    """Return the clips by name, added up over the epochs; only those that happened."""
    totals: Data = {}
    for row in rows(study.get("epochs")):
        for name, value in pairs(row.get("clips")):
            totals[name] = totals.get(name, 0) + int(number(value) or 0)
    return {name: total for name, total in totals.items() if total}


def _mean(shares: Any) -> float | None:
    """Return a share, or the mean of the shares of several layers."""
    values = [value for _, share in pairs(shares) if (value := number(share)) is not None]
    return sum(values) / len(values) if values else number(shares)


def _total(counts: Any) -> int | None:
    """Return the sum of the numbers of a dict, None where it holds none."""
    numbers = [number(value) for _, value in pairs(counts)]
    return int(sum(value for value in numbers if value is not None)) if numbers else None
