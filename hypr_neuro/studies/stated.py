"""What a study file states for its fields, before it is read: plain values, lists of them and spans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypr_neuro.errors import like
from hypr_neuro.studies.plain import check_plain
from hypr_neuro.studies.variants import are_variants, check_variants

SPAN = ("from", "to", "step", "log")
WRITTEN = "rule: a list of values, or {from: …, to: …}, such as weight_bits: [4, 8] or weight_bits: {from: 2, to: 8}"


def check_vary(given: object) -> None:
    """Raise ValueError, naming field, value and rule, for values of what varies that are none."""
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"key 'vary' = {given!r:.60}, rule: a mapping of fields, such as weight_bits: [4, 8]")
    for name, values in given.items():
        where = f"key 'vary.{name!s:.60}' = {values!r:.60}"
        if not isinstance(name, str):
            raise ValueError(f"{where}, rule: the name of a field, a text")
        if are_variants(values):
            check_variants(name, values)
        elif isinstance(values, Mapping):
            _check_span(name, values)
        elif not isinstance(values, (list, tuple)):
            raise ValueError(f"{where}, {WRITTEN}")
        elif not values:
            raise ValueError(f"{where}, rule: at least one value")
        else:
            check_plain(f"vary.{name}", list(values))
            odd = next((v for v in values if isinstance(v, (list, tuple, Mapping))), None)
            if odd is not None:
                raise ValueError(f"{where}, rule: single values, of which {odd!r:.60} is none")


def _check_span(name: str, span: Mapping[Any, Any]) -> None:
    known = (*SPAN, "first", "last")
    where = f"key 'vary.{name!s:.60}"
    for key, value in span.items():
        if key not in known:
            raise ValueError(f"{where}.{key!s:.60}' = {value!r:.60}: unknown key{like(key, SPAN)}, {WRITTEN}")
        kinds, rule = ((bool,), "true or false") if key == "log" else ((int, float, str, type(None)), "a number")
        if not isinstance(value, kinds) or (key != "log" and isinstance(value, bool)):
            raise ValueError(f"{where}.{key}' = {value!r:.60}, rule: {rule}")
    for key, other in (("from", "first"), ("to", "last")):
        if span.get(key, span.get(other)) is None:
            raise ValueError(f"{where}.{key}' is missing, {WRITTEN}")
