"""Kinds of networks: which of them a call takes, and the way to one from what it was given.

Kinds are known by the names of their classes, so that every module can ask, whatever it imports.
"""

from __future__ import annotations

from typing import Any

from hypr_neuro.errors import InputError
from hypr_neuro.numbers.checks import said

STEPS: dict[str, dict[str, str]] = {
    "Imported": {"Network": "its .network(), None where it is no chain of layers, or its .graph"},
    "ImportedFile": dict.fromkeys(("Network", "QuantizedNetwork", "IntegerNetwork"), "its .network"),
    "Network": {
        "QuantizedNetwork": "hn.quantize(net, profile, calibration=data)",
    },
    "IntegerNetwork": {"QuantizedNetwork": "hn.quantize(network, profile), which leaves the integers as they are"},
    "Netx": {"IntegerNetwork": "its .network"},
    "FromLava": {"IntegerNetwork": "its .network"},
    "LearnRun": {"QuantizedNetwork": "its .qnet"},
    "FloatRun": {"Trace": "hn.float_trace(net, x) instead of hn.run_float"},
}
"""By kind, what is made of it, and how."""

OTHERWISE = {
    "QuantizedNetwork": "integers do not turn into floats again: give the Network that was quantized, or "
    "hypr_neuro.quantizing.quantize.dequantize(net, qnet) for the weights it has learned",
    **dict.fromkeys(
        ("IntegerNetwork", "Netx", "FromLava"),
        "it has no float form; hn.simulate, hn.compile and hn.write_netx take it, hn.quantize(network, profile) gives "
        "it a profile, with which it learns",
    ),
}
"""By kind from which no way leads to what is wanted."""

SOURCES = {
    "Network": "hn.Network.build(spec) makes one, hn.load(path) reads one, "
    "hn.import_nir(path).graph is one; the .network() of an import is None where its graph is no chain of layers",
    "QuantizedNetwork": "hn.quantize(net, profile, calibration=data) makes one, hn.QuantizedNetwork.load(path) reads "
    "one",
    "SequenceData": "hn.load_data(name) gives one, hn.SequenceData(name, x, y, split, classes) holds your own",
    "Trace": "hn.simulate(qnet, x), and hn.float_trace(net, x) give one",
    "LearnOptions": "hn.LearnOptions(rate=0.2) makes some",
}
"""By kind, where one comes from."""

NO_NETWORKS = ("SequenceData", "Trace", "LearnOptions")


def require(name: str, value: object, *classes: type) -> None:
    """Raise InputError unless the argument `name` is of one of these classes, with the way there from its value."""
    if not isinstance(value, classes):
        raise wrong_kind(name, value, *(kind.__name__ for kind in classes))


def wrong_kind(name: str, value: object, *kinds: str) -> InputError:
    """Return the error for an argument that is of none of these kinds."""
    rule = " or ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1])))
    return InputError(f"{said(name, value)}, rule: {rule}; {_remedy(value, kinds)}")


def require_positive(name: str, value: Any, rule: str) -> None:
    """Raise InputError unless the argument `name` is a finite number above 0; `rule` in words, with the unit."""
    try:
        fits = bool(0 < value < float("inf"))
    except (TypeError, ValueError):  # no number, or an array of several
        fits = False
    if not fits:
        raise InputError(f"{said(name, value)}, rule: {rule}, positive and finite")


def _remedy(value: object, kinds: tuple[str, ...]) -> str:
    for kind in type(value).__mro__:
        chain = _chain(kind.__name__, kinds)
        if chain:
            return f"pass {', then '.join(chain)}"
        if kind.__name__ in OTHERWISE and kinds[0] not in NO_NETWORKS:
            return OTHERWISE[kind.__name__]
    if isinstance(value, tuple) and value:
        first = type(value[0]).__name__
        if first in kinds:
            return f"pass its first part, the {first}"
    return SOURCES[kinds[0]]


def _chain(kind: str, kinds: tuple[str, ...]) -> list[str]:
    """Return the shortest chain of STEPS from a kind to one of `kinds`, [] if there is none."""
    chains: dict[str, list[str]] = {kind: []}
    waiting = [kind]
    while waiting:
        current = waiting.pop(0)
        for made, how in STEPS.get(current, {}).items():
            if made in chains:
                continue
            chains[made] = [*chains[current], how]
            if made in kinds:
                return chains[made]
            waiting.append(made)
    return []
