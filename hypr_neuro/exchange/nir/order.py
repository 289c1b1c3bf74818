"""The order in which a step computes populations, and the connections that close loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypr_neuro.graph.integer import INPUT


def walk(sources: Mapping[str, Sequence[str]]) -> tuple[list[str], set[tuple[str, str]]]:
    """(order, closing): the reverse postorder of a depth-first walk, and the connections that lead back in it.

    sources : for each population those that it hears, the input among them. The walk starts at the input, then at
        populations that hear nothing, then at any that are left; of two ways it takes that of the first name first. A
        connection leads back if and only if it closes a loop of the walk; all others lead forward.
    """
    hearers: dict[str, list[str]] = {name: [] for name in [INPUT, *sources]}
    for target in sorted(sources, reverse=True):  # the last one walked stands first
        for source in sources[target]:
            hearers[source].append(target)
    finished: list[str] = []
    seen: set[str] = set()
    for root in [INPUT, *sorted(sources, key=lambda name: (bool(sources[name]), name), reverse=False)]:
        _visit(root, hearers, seen, finished)
    order = [name for name in reversed(finished) if name != INPUT]
    at = {name: i for i, name in enumerate(order)}
    closing = {(s, t) for t, heard in sources.items() for s in heard if s != INPUT and at[s] >= at[t]}
    return order, closing


def _visit(root: str, hearers: Mapping[str, Sequence[str]], seen: set[str], finished: list[str]) -> None:
    """Depth first from one population, without recursion; those that are done go to `finished`."""
    if root in seen:
        return
    seen.add(root)
    way = [(root, iter(hearers[root]))]
    while way:
        name, ahead = way[-1]
        following = next((n for n in ahead if n not in seen), None)
        if following is None:
            finished.append(name)
            way.pop()
        else:
            seen.add(following)
            way.append((following, iter(hearers[following])))
