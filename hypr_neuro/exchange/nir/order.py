"""The order in which a step computes populations, and the connections that close loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypr_neuro.graph.integer import INPUT


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
