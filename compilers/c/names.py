"""Names of functions and variables in C, and which names of Python mean what."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

TUPLES = ("s", "s_prev", "I", "p", "change")
"""Arguments that are tuples, by the contract of `neurons.base`."""
STEP = ("s", "z_prev", "I", "p")
C99 = """
auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
"""
KEYWORDS = frozenset(C99.split())


def c_name(function: Callable[..., Any]) -> str:
    """Return the name in C: `lif_fixed_step` for `neurons.lif.fixed_step`, `hn_sat` for `fixed_point.sat`."""
    package, _, module = function.__module__.rpartition(".")
    return f"{module if package.endswith('neurons') else 'hn'}_{function.__name__}"


def names_in(node: ast.AST) -> set[str]:
    """Return names that a piece of Python reads or assigns."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def stored_names(node: ast.AST) -> set[str]:
    """Return names that a piece of Python assigns."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def nested_names(body: Iterable[ast.stmt]) -> set[str]:
    """Return names that an if or a for assigns before anything outside of them does."""
    outside: set[str] = set()
    nested: set[str] = set()
    for statement in body:
        stored = stored_names(statement)
        if isinstance(statement, (ast.If, ast.For, ast.While)):
            nested |= stored - outside
        else:
            outside |= stored
    return nested


def safe(name: str) -> str:
    """Return the name, with an underscore at its end where C would not take it."""
    return f"{name}_" if name in KEYWORDS or name.startswith("hn_") or name in ("out", "s_out", "events_out") else name


_ASCII = {"·": "*", "±": "+-", "−": "-", "≤": "<=", "≥": ">=", "Σ": "sum", "ψ": "psi", "∂": "d", "²": "^2"}


def ascii_text(text: str) -> str:
    """Return text for a comment of one line: nothing in it ends a comment, starts one, or is a trigraph."""
    for old, new in _ASCII.items():
        text = text.replace(old, new)
    text = "".join(c if " " <= c <= "~" else "~" for c in text)
    for mark in ("*/", "/*", "??"):
        # twice, because replacing can leave one more behind: "???"
        text = text.replace(mark, " ".join(mark)).replace(mark, " ".join(mark))
    return text
