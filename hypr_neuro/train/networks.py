"""What training asks of a network, in the engine of chains or in that of any graph: gradients, outputs, silence."""

from __future__ import annotations

from typing import Any

from hypr_neuro.errors import HyprError, InputError
from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network
from hypr_neuro.numbers.arrays import Array
from hypr_neuro.run.forward import Rows, readout
from hypr_neuro.run.graph_forward import run_graph
from hypr_neuro.train.block import BatchGradients
from hypr_neuro.train.gradients import batch_gradients
from hypr_neuro.train.graph_gradients import graph_gradients, refuse_options_of_chains


def keep_in_range(net: Network, where: str) -> None:
    """Bring parameters back into the range of their model after an update; HyprError for those it cannot keep."""
    for population in net.populations:
        if population.model.constrain is not None:
            population.model.constrain(population.params)
    try:
        net.check()
    except InputError as error:
        raise HyprError(f"{where}; {error}") from error


def gradients_of(net: Network, x: Array | Rows, y: Array, mask: Array | None, **options: Any) -> BatchGradients:
    """Compute the gradients of a batch, options as of `batch_gradients`; InputError for those a graph does not take."""
    if net.is_chain:
        return batch_gradients(net, x, y, mask, **options)
    # seed and sample are those of noise, a hook that `graph_gradients` refuses with its rule
    taken = {name: options[name] for name in ("rule", "chunk", "loss", "dtype") if name in options}
    refuse_options_of_chains(**{k: v for k, v in options.items() if k not in (*taken, "seed", "sample")})
    found, loss = graph_gradients(net, x, y, mask, **taken)
    return BatchGradients(found, loss, 0.0, {})


def outputs_of(net: Network, rows: Rows) -> Array:
    """Run the network forward; return its outputs (sample, T, outputs), which `score.predict` reads."""
    if net.is_chain:
        return readout(net, rows)
    return run_graph(net, rows[0 : len(rows), 0 : rows.shape[1]], record=()).readout


def has_spiking_outputs(net: Network) -> bool:
    """Tell whether an output is a population of spiking neurons."""
    return any(not net.population(name).model.readout for name in net.outputs)


def to_the_output(net: Network) -> list[str]:
    """Name the arrays of weights over which other populations reach an output."""
    if net.is_chain:
        return ["readout.weight"]
    names = zip(net.connection_names(), net.connections, strict=True)
    return [name for name, c in names if c.target in net.outputs and c.source != INPUT]


def said_of_silence(net: Network) -> str:
    """Say what has to spike for the output to learn, and the remedy."""
    if net.is_chain:
        what = net.name(len(net.layers) - 2)
    else:
        sources = {c.source for c in net.connections if c.target in net.outputs and c.source != INPUT}
        what = " and ".join(f"'{p.name}'" for p in net.populations if p.name in sources)
    return (
        f"{what} did not spike once in the first epoch, so nothing can be learned from it: call "
        "hn.scale_to_rate(net, x, 0.03) before training, or give larger weights"
    )


def digest_parts(net: Network) -> tuple[list[str], dict[str, Array]]:
    """Return the names of the models, and all arrays that decide what training starts from."""
    arrays, chain = dict(net.arrays()), net.is_chain
    for i, p in enumerate(net.populations):
        arrays |= {f"{i if chain else p.name}/{k}": v for k, v in p.params.items()}
    return [p.model.name for p in net.populations], arrays
