"""One name, one class: whoever reads a name in an error, an import or a review knows which class is meant."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("hypr_neuro", "sim", "compilers")

pytestmark = pytest.mark.once


def classes() -> list[tuple[str, Path]]:
    """Return name and file of every class of the package, those inside functions and classes apart."""
    files = [path for part in PARTS for path in sorted((ROOT / part).rglob("*.py"))]
    return [
        (node.name, path.relative_to(ROOT))
        for path in files
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]


def twice(places: dict[str, list[Path]]) -> dict[str, list[str]]:
    return {name: [str(path) for path in paths] for name, paths in places.items() if len(paths) > 1}


def test_public_class_names_are_unique() -> None:
    places = defaultdict(list)
    for name, path in classes():
        if not name.startswith("_"):
            places[name].append(path)
    assert twice(places) == {}
    assert {"Network", "Simulator", "LavaDevice"} <= set(places)


def test_private_class_names_are_unique_in_their_room() -> None:
    places = defaultdict(list)
    for name, path in classes():
        if name.startswith("_"):
            places[f"{path.parent}: {name}"].append(path)
    assert twice(places) == {}
    assert places
