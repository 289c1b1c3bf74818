"""NIR to network: exact for files of hypr-neuro, by the rules of `import_graph` and `chain` for all others."""

from __future__ import annotations

from pathlib import Path

import nir

from hypr_neuro.data.doubts import warn_of
from hypr_neuro.errors import InputError
from hypr_neuro.exchange.nir.doubtful_time import doubts_of_time
from hypr_neuro.exchange.nir.import_graph import import_foreign
from hypr_neuro.exchange.nir.imported import Imported
from hypr_neuro.exchange.nir.nodes import naming
from hypr_neuro.exchange.nir.open_graph import open_graph
from hypr_neuro.exchange.nir.options import DEFAULTS, Choice, check_arguments
from hypr_neuro.exchange.nir.own import rebuild, written_here
from hypr_neuro.exchange.nir.summary import ImportSummary
from hypr_neuro.graph.network import Network


def read_nir(path_or_graph: str | Path | nir.NIRGraph, *, dt: float | None = None, reset: str | None = None) -> Network:
    """Return the network in a NIR file or graph: any that `write_nir` wrote, of other programs a chain of layers.

    `import_nir` reads any graph. A file of hypr-neuro carries dt and reset; values that contradict it are refused. A
    file of a quantized network gives the float network that its integers stand for; the integers themselves:
    `read_quantized_nir`.

    Parameters
    ----------
    path_or_graph
        A file, or a graph of the package `nir`.
    dt
        Seconds a step, for graphs of other programs; NIR itself knows continuous time only.
    reset
        'zero' or 'subtract', what a spike does to v, for graphs of other programs; NIR does not say.

    Raises
    ------
    FileFormatError
        For a damaged or altered file.
    InputError
        For what cannot be imported; the error names the node.
    """
    arguments = check_arguments({"dt": dt, "reset": reset})
    graph, where = open_graph(path_or_graph)
    with naming(where):
        if written_here(graph):
            return rebuild(graph, dt, reset)
        return import_foreign(graph, arguments, where).require_network()


def import_nir(
    path_or_graph: str | Path | nir.NIRGraph,
    *,
    dt: float | None = None,
    reset: str | None = None,
    integrator: str | None = None,
    order: str | None = None,
    recurrent_delay: int | None = None,
    floor: float | None = None,
    max_spikes: int | None = None,
) -> Imported:
    """Return any NIR graph as a Network, and a summary of what was read, chosen and made.

    The module `options` defines the choices. A file of hypr-neuro carries its own; others than these are refused.

    Parameters
    ----------
    path_or_graph
        A file, or a graph of the package `nir`.
    dt
        Seconds a step; needed unless metadata say it or nothing depends on time.
    reset
        'zero', 'subtract', 'zero_delayed' or 'subtract_delayed' (snnTorch's default), what a spike does to v; needed
        unless metadata say it or no neuron has a reset.
    integrator
        'euler' (default) or 'exact'.
    order
        'current_first' (default) or 'membrane_first'.
    recurrent_delay
        Steps of a connection that closes a loop, 1 by default.
    floor
        Lowest v of neurons that spike; none by default.
    max_spikes
        Most spikes of a step, 1 to 127, of neurons that reset by 'subtract' and have no floor: they become
        `lif_multispike`, Sinabs' MultiSpike. By default they send one, as `lif`.

    Raises
    ------
    FileFormatError
        For a damaged file.
    InputError
        For what cannot be imported; the error names node or edge.
    """
    given = {"dt": dt, "reset": reset, "integrator": integrator, "order": order, "recurrent_delay": recurrent_delay}
    arguments = check_arguments(given | {"floor": floor, "max_spikes": max_spikes})
    graph, where = open_graph(path_or_graph)
    with naming(where):
        if not written_here(graph):
            found = import_foreign(graph, arguments, where)
            warn_of(doubts_of_time(found.places.values(), found.graph.dt))
            return found
        for name in ("floor", "max_spikes"):
            if name in arguments:
                raise InputError(
                    f"{name} = {arguments[name]} was passed, a file of hypr-neuro carries its own; leave it out"
                )
        for name, value in DEFAULTS.items():
            if arguments.get(name, value) != value:
                raise InputError(
                    f"{name} = {arguments[name]} was passed, a file of hypr-neuro has {value}; leave it out"
                )
        return _own(graph, where, dt, reset)


def read_own(path: str | Path) -> Network:
    """Return the network that `write_nir` was given; of integers what they stand for."""
    return import_nir(path).graph


def is_own(path_or_graph: str | Path | nir.NIRGraph) -> bool:
    """Return whether hypr-neuro wrote the file or graph, so that its metadata hold the exact network."""
    return written_here(open_graph(path_or_graph)[0])


def _own(graph: nir.NIRGraph, where: str, dt: float | None, reset: str | None) -> Imported:
    """Return what hypr-neuro wrote, and a summary."""
    net = rebuild(graph, dt, reset)
    kinds: dict[str, int] = {}
    for node in graph.nodes.values():
        kinds[type(node).__name__] = kinds.get(type(node).__name__, 0) + 1
    became = [f"{p.name}: {p.size} {p.model.name}" for p in net.populations]
    choices = (Choice("dt", net.dt, "metadata 'hypr_neuro'"),)
    summary = ImportSummary(where, dict(sorted(kinds.items())), len(graph.edges), choices, tuple(became), (), ())
    return Imported(net, summary)
