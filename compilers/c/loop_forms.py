"""What a loop of a syntax tree does with an array."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from hypr_neuro.compilers.c.names import stored_names


def writes_each(loop: ast.For, name: str) -> bool:
    """Tell whether every round of a loop writes the entry of its own index, and does not touch the array before."""
    index = ast.unparse(loop.target)
    for statement in loop.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == f"{name}[{index}]":
            return not touches(statement.value, name)
        if touches(statement, name) or index in stored_names(statement):
            return False
    return False


def touches(node: ast.AST, name: str) -> bool:
    """Tell whether an entry of an array is read or written."""
    return any(isinstance(n, ast.Subscript) and ast.unparse(n.value) == name for n in ast.walk(node))


def loops_among(body: Sequence[ast.stmt]) -> list[ast.For]:
    """Return the loops among these statements, also those under an if."""
    loops = []
    for statement in body:
        if isinstance(statement, ast.For):
            loops.append(statement)
        elif isinstance(statement, ast.If):
            loops += loops_among([*statement.body, *statement.orelse])
    return loops


def stop_of(node: ast.expr) -> ast.expr | None:
    """Return the end of a range from 0, None for another expression."""
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != "range" or len(node.args) not in (1, 2):
        return None
    return node.args[-1] if len(node.args) == 1 or ast.unparse(node.args[0]) == "0" else None


def writes(loop: ast.For, name: str) -> bool:
    """Tell whether a loop writes an entry of an array."""
    nodes = [n for statement in loop.body for n in ast.walk(statement)]
    return any(
        isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store) and ast.unparse(n.value) == name for n in nodes
    )
