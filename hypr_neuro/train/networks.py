"""What training asks of a network, a chain of layers or a graph: gradients, outputs, values kept in range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.graph.float_graph import FloatGraph
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import Rows, readout
from hypr_neuro.run.graph_forward import run_graph
from hypr_neuro.train.block import BatchGradients
from hypr_neuro.train.gradients import batch_gradients
from hypr_neuro.train.graph_gradients import graph_gradients, refuse_options_of_chains

Trainable = Network | FloatGraph


def output_count(net: Trainable) -> int:
    """Count the outputs, the neurons of the readout or of all output populations."""
    return net.outputs if isinstance(net, Network) else net.size


def check_values(net: Trainable) -> None:
    """Raise InputError, naming the entry, if a weight is not finite or a parameter out of range."""
    for part in net.layers if isinstance(net, Network) else [net]:
        part.check()


def keep_in_range(net: Trainable, where: str) -> None:
    """Bring parameters back into the range of their model after an update; HyprError for those it cannot keep."""
    for part in net.layers if isinstance(net, Network) else net.populations:
        if part.model.constrain is not None:
            part.model.constrain(part.params)
    try:
        check_values(net)
    except InputError as error:
        raise HyprError(f"{where}; {error}") from error


def gradients_of(net: Trainable, x: Array | Rows, y: Array, mask: Array | None, **options: Any) -> BatchGradients:
    """Compute the gradients of a batch, options as of `batch_gradients`; InputError for those a graph does not take."""
    if isinstance(net, Network):
        return batch_gradients(net, x, y, mask, **options)
    # seed and sample are those of noise, a hook that `graph_gradients` refuses with its rule
    taken = {name: options[name] for name in ("rule", "chunk", "loss", "dtype") if name in options}
    refuse_options_of_chains(**{k: v for k, v in options.items() if k not in (*taken, "seed", "sample")})
    found, loss = graph_gradients(net, x, y, mask, **taken)
    return BatchGradients(found, loss, 0.0, {})


def outputs_of(net: Trainable, rows: Rows) -> Array:
    """Run the network forward; return its outputs (sample, T, outputs), which `score.predict` reads."""
    if isinstance(net, Network):
        return readout(net, rows)
    return run_graph(net, rows[0 : len(rows), 0 : rows.shape[1]], record=()).readout


def has_spiking_outputs(net: Trainable) -> bool:
    """Tell whether an output is a population of spiking neurons."""
    return isinstance(net, FloatGraph) and any(not net.population(name).model.readout for name in net.outputs)


def to_the_output(net: Trainable) -> list[str]:
    """Name the arrays of weights over which other populations reach an output."""
    if isinstance(net, Network):
        return ["readout.weight"]
    names = zip(net.connection_names(), net.synapses, strict=True)
    return [name for name, c in names if c.target in net.outputs and c.source != INPUT]


def said_of_silence(net: Trainable) -> str:
    """Say what has to spike for the output to learn, and the remedy."""
    if isinstance(net, Network):
        what, remedy = net.name(len(net.layers) - 2), "call hn.scale_to_rate(net, x, 0.03) before training, or give"
    else:
        sources = {c.source for c in net.synapses if c.target in net.outputs and c.source != INPUT}
        what, remedy = " and ".join(f"'{p.name}'" for p in net.populations if p.name in sources), "give"
    return f"{what} did not spike once in the first epoch, so nothing can be learned from it: {remedy} larger weights"


def digest_parts(net: Trainable) -> tuple[list[str], dict[str, Array]]:
    """Return the names of the models, and all arrays that decide what training starts from."""
    parts: Iterable[tuple[str, Any]]
    if isinstance(net, Network):
        parts = ((str(i), layer) for i, layer in enumerate(net.layers))
    else:
        parts = ((p.name, p) for p in net.populations)
    models, arrays = [], dict(net.arrays())
    for name, part in parts:
        models.append(part.model.name)
        arrays |= {f"{name}/{k}": np.asarray(v) for k, v in part.params.items()}
    return models, arrays
