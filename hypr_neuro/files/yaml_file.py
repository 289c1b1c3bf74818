"""YAML files of users: read by the safe loader, within bounds that hold before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hypr_neuro.errors import InputError

LARGEST = 1 << 20
"""Bytes of a file."""
MOST_VALUES = 100_000
"""Values of a file, where every alias counts as often as it is used: a few lines can name more than memory holds."""


def load_yaml(path: Path, title: str) -> Any:
    """Parse a YAML file.

    Parameters
    ----------
    path
        Of the file, at most 1 MiB.
    title
        What the file is, for errors.

    Raises
    ------
    InputError
        Naming file and line, for a file that cannot be read, is too long or no YAML, and for aliases that stand for
        more than 100,000 values or for themselves.
    """
    where = f"{title} '{path}'"
    return parse_yaml(_text(path, where), where)


def parse_yaml(text: str, where: str) -> Any:
    """Parse a text likewise; `where` names it in errors."""
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                _require_few(node, where)
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        # a date that does not exist is a ValueError, nesting without end a RecursionError
        if isinstance(error, RecursionError):
            raise InputError(f"{where}: not valid YAML (lists or mappings in one another without end)") from error
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise InputError(f"{where}{place}: not valid YAML ({problem})") from error


def _text(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InputError(f"{where} is longer than {LARGEST} bytes, rule: at most so many; it is not meant for data")
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where} cannot be read: byte {error.start} is no UTF-8, rule: text in UTF-8; save it so"
        ) from error
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror or error}") from error


def _require_few(root: yaml.Node, where: str) -> None:
    """Raise InputError for aliases that stand for too much; each node is looked at once."""
    counts: dict[int, int] = {}

    def count(node: yaml.Node) -> int:
        known = counts.get(id(node))
        line = node.start_mark.line + 1
        if known == 0:
            raise InputError(f"{where}, line {line}: an alias stands for itself, rule: no circle; write the value out")
        if known is None:
            _require_once(node, where)
            counts[id(node)] = 0
            counts[id(node)] = known = 1 + sum(count(inner) for inner in _inner(node))
        if known > MOST_VALUES:
            raise InputError(
                f"{where}, line {line}: aliases make more than {MOST_VALUES} values of it, rule: at most so many; "
                "write out what is meant"
            )
        return known

    count(root)


def _require_once(node: yaml.Node, where: str) -> None:
    """Raise InputError for a mapping that has a key twice: YAML forbids it, and the loader would keep the last."""
    seen: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        name = key.value if isinstance(key, yaml.ScalarNode) else None
        if name is not None and name in seen:
            raise InputError(f"{where}, line {key.start_mark.line + 1}: key '{name}' stands there twice, rule: once")
        seen |= set() if name is None else {name}


def _inner(node: yaml.Node) -> list[yaml.Node]:
    """Return the nodes right inside a node."""
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []
