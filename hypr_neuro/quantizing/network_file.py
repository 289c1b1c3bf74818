"""Files of quantized networks: one kind, and the two of version 0.1, chains of layers and graphs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hypr_neuro.errors import FileFormatError
from hypr_neuro.files.store import kind_of, load_arrays
from hypr_neuro.graph.integer import IntegerNetwork
from hypr_neuro.graph.synapses import loaded_matrix, matrix_arrays, matrix_entry, shift_entry
from hypr_neuro.neurons import get_model
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.profiles.profile import Profile, parse_profile
from hypr_neuro.quantizing.parts import Connection, QuantizedConnection, QuantizedLayer, QuantizedPopulation
from hypr_neuro.quantizing.psi import psi_table_at

KIND = "hypr-neuro quantized network"
GRAPH_KIND_0_1 = "hypr-neuro quantized graph"
"""Of files that version 0.1 wrote of graphs; its chains have the kind of today and "layers" in the metadata."""

Made = TypeVar("Made")


class StoredIntegers(Protocol):
    """What a file holds of a quantized network."""

    inputs: int
    populations: tuple[QuantizedPopulation, ...]
    connections: tuple[QuantizedConnection, ...]
    profile: Profile
    dt: float
    outputs: tuple[str, ...]
    encoder: dict[str, Any] | None
    record: list[dict[str, Any]]
    notes: list[str]
    output_decay: float


def contents(qnet: StoredIntegers) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return metadata and arrays of a network's file."""
    arrays: dict[str, Array] = {}
    populations, connections = [], []
    for i, p in enumerate(qnet.populations):
        arrays |= {f"p{i}/{key}": getattr(p, key) for key in ("per_neuron", "constants", "psi_table")}
        populations.append(
            {
                "name": p.name,
                "neuron": p.model.name,
                "state_scale": p.state_scale,
                "current_scale": p.current_scale,
                "trainable": list(p.trainable),
            }
        )
    for i, c in enumerate(qnet.connections):
        arrays |= matrix_arrays(f"c{i}/mantissa", c.mantissa)
        if not isinstance(c.delays, int):
            arrays |= matrix_arrays(f"c{i}/delays", c.delays)
        arrays |= {f"c{i}/cells/{name}": array for name, array in (c.cells or {}).items()}
        connections.append(
            {
                "source": c.source,
                "target": c.target,
                "shape": list(c.mantissa.shape),
                "exponent": c.exponent,
                "bias_axon": c.bias_axon,
                "delays": c.delays if isinstance(c.delays, int) else None,
                "current": c.current,
                "message_bits": c.message_bits,
                "trainable": c.trainable,
                **({} if c.weight_bits is None else {"weight_bits": c.weight_bits}),
                **shift_entry(c.message_shift),
                **matrix_entry(c.mantissa),
            }
        )
    meta = {
        "inputs": qnet.inputs,
        "outputs": list(qnet.outputs),
        "dt": qnet.dt,
        "encoder": qnet.encoder,
        "profile": qnet.profile.dump(),
        "populations": populations,
        "connections": connections,
        "record": qnet.record,
        "notes": qnet.notes,
        "output_decay": qnet.output_decay,
    }
    return meta, arrays


def load_network(path: str | Path, make: Callable[..., Made], make_chain: Callable[..., Made]) -> Made:
    """Return what `make` does of the fields of `QuantizedNetwork` in a file, `make_chain` of the layers of one of 0.1.

    Raises FileFormatError as `load_arrays` does.
    """
    graph_of_0_1 = kind_of(path) == GRAPH_KIND_0_1
    meta, arrays = load_arrays(path, GRAPH_KIND_0_1 if graph_of_0_1 else KIND)
    try:
        profile = parse_profile(meta["profile"], str(path))
        if "layers" in meta:
            layers = [_layer_of_0_1(i, entry, arrays) for i, entry in enumerate(meta["layers"])]
            return make_chain(layers, profile, meta["dt"], meta["encoder"], meta["record"])
        return make(**(_graph_of_0_1 if graph_of_0_1 else fields_of)(meta, arrays, profile))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FileFormatError(f"file '{path}': {type(error).__name__} {error}; write it again with quantize") from error


def fields_of(meta: dict[str, Any], arrays: dict[str, Array], profile: Profile) -> dict[str, Any]:
    """Return the fields of `QuantizedNetwork` of what `contents` gave, read from JSON or not."""
    chosen = {k: meta[k] for k in ("inputs", "dt", "encoder", "record", "notes")}
    if "output_decay" in meta:
        chosen["output_decay"] = meta["output_decay"]
    return chosen | {
        "populations": tuple(_loaded_population(i, e, arrays) for i, e in enumerate(meta["populations"])),
        "connections": tuple(_loaded_connection(i, e, arrays) for i, e in enumerate(meta["connections"])),
        "profile": profile,
        "outputs": tuple(meta["outputs"]),
    }


def _loaded_population(i: int, entry: dict[str, Any], arrays: dict[str, Array]) -> QuantizedPopulation:
    return QuantizedPopulation(
        name=entry["name"],
        model=get_model(entry["neuron"]),
        **{key: arrays[f"p{i}/{key}"] for key in ("per_neuron", "constants", "psi_table")},
        state_scale=entry["state_scale"],
        current_scale=entry["current_scale"],
        trainable=tuple(entry["trainable"]),
    )


def _loaded_connection(i: int, entry: dict[str, Any], arrays: dict[str, Array]) -> QuantizedConnection:
    shape, delays = entry["shape"], entry["delays"]
    return QuantizedConnection(
        mantissa=loaded_matrix(f"c{i}/mantissa", shape, arrays, entry.get("convolution")),
        exponent=entry["exponent"],
        source=entry["source"],
        target=entry["target"],
        bias_axon=entry["bias_axon"],
        delays=loaded_matrix(f"c{i}/delays", shape, arrays) if delays is None else delays,
        current=entry["current"],
        message_bits=entry["message_bits"],
        trainable=entry.get("trainable", True),
        message_shift=entry.get("message_shift"),
        weight_bits=entry.get("weight_bits"),
        cells=_loaded_cells(f"c{i}/cells/", arrays),
    )


def _loaded_cells(first: str, arrays: dict[str, Array]) -> dict[str, Array] | None:
    """Return what analog cells remember, None where the file holds none."""
    return {name.removeprefix(first): array for name, array in arrays.items() if name.startswith(first)} or None


def _layer_of_0_1(i: int, entry: dict[str, Any], arrays: dict[str, Array]) -> QuantizedLayer:
    """Return a layer of a file that version 0.1 wrote."""
    exponents = entry["exponents"]
    connections = {k: Connection(arrays[f"{i}/{k}"], exponents[k]) for k in exponents}
    return QuantizedLayer(
        model=get_model(entry["neuron"]),
        input=connections["input"],
        recurrent=connections.get("recurrent"),
        bias_axon=entry["bias_axon"],
        **{key: arrays[f"{i}/{key}"] for key in ("per_neuron", "constants", "psi_table")},
        state_scale=entry["state_scale"],
        current_scale=entry["current_scale"],
        trainable=tuple(entry["trainable"]),
    )


def _graph_of_0_1(meta: dict[str, Any], arrays: dict[str, Array], profile: Profile) -> dict[str, Any]:
    """Return what makes a quantized graph of version 0.1, which had no ψ tables; they follow from scale and profile."""
    network = IntegerNetwork.from_contents(meta["network"], arrays)
    populations = tuple(
        QuantizedPopulation(
            name=p.name,
            model=p.model,
            per_neuron=p.per_neuron,
            constants=p.constants,
            psi_table=psi_table_at(p.model, meta["state_scale"][p.name], profile),
            state_scale=meta["state_scale"][p.name],
            current_scale=meta["current_scale"][p.name],
            trainable=p.model.trainable,
        )
        for p in network.populations
    )
    connections = tuple(QuantizedConnection.of(c) for c in network.synapses)
    return {
        "inputs": network.inputs,
        "populations": populations,
        "connections": connections,
        "profile": profile,
        "dt": meta["dt"],
        "record": meta["record"],
        "notes": meta["notes"],
    }
