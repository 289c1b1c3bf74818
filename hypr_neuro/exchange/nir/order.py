"""The order in which NIR's nodes are computed in a step, the connections that close loops, and what that takes.

A network may have its populations in another order than the one that readers of NIR find. What then arrives too early
waits in a Delay; what a reader delivers too late cannot be said in NIR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from hypr_neuro.graph.integer import INPUT
from hypr_neuro.graph.network import Network


def population_order(sources: Mapping[str, Sequence[str]]) -> tuple[list[str], set[tuple[str, str]]]:
    """Return (order, closing): the reverse postorder of a depth-first walk, and the connections that lead back in it.

    The walk starts at the input, then at populations that hear nothing, then at any that are left; of two paths it
    takes that of the first name first. A connection leads back if and only if it closes a loop of the walk; all
    others lead forward.

    Parameters
    ----------
    sources
        For each population those that it hears, the input among them.
    """
    targets: dict[str, list[str]] = {name: [] for name in [INPUT, *sources]}
    for target in sorted(sources, reverse=True):  # the last one walked stands first
        for source in sources[target]:
            targets[source].append(target)
    postorder: list[str] = []
    seen: set[str] = set()
    for root in [INPUT, *sorted(sources, key=lambda name: (bool(sources[name]), name), reverse=False)]:
        _visit(root, targets, seen, postorder)
    order = [name for name in reversed(postorder) if name != INPUT]
    position = {name: i for i, name in enumerate(order)}
    closing = {
        (s, t) for t, presynaptic in sources.items() for s in presynaptic if s != INPUT and position[s] >= position[t]
    }
    return order, closing


def delays_in_nir(net: Network, nodes: Mapping[str, str], biased: Set[str]) -> tuple[list[int], list[str]]:
    """Return the steps of each connection's Delay, and one line for each connection that arrives late all the same.

    Parameters
    ----------
    net
        The network.
    nodes
        The node of each population and of the input.
    biased
        Populations that hear the input for their constant current.
    """
    heard = {nodes[p.name]: {INPUT} if p.name in biased else set[str]() for p in net.populations}
    for c in net.connections:
        heard[nodes[c.target]].add(nodes[c.source])
    _, closing = population_order({name: sorted(sources) for name, sources in heard.items()})
    delays = [net.lag(c) - ((nodes[c.source], nodes[c.target]) in closing) for c in net.connections]
    late = [
        f"{name}: closes a loop in the order of NIR's nodes, where that takes a step; arrives a step late"
        for name, delay in zip(net.connection_names(), delays, strict=True)
        if delay < 0
    ]
    return [max(delay, 0) for delay in delays], late


def _visit(root: str, targets: Mapping[str, Sequence[str]], seen: set[str], postorder: list[str]) -> None:
    """Walk depth first from one population, without recursion; append those that are done to `postorder`."""
    if root in seen:
        return
    seen.add(root)
    path = [(root, iter(targets[root]))]
    while path:
        name, unvisited = path[-1]
        next_name = next((n for n in unvisited if n not in seen), None)
        if next_name is None:
            postorder.append(name)
            path.pop()
        else:
            seen.add(next_name)
            path.append((next_name, iter(targets[next_name])))
