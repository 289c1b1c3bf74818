"""Templates of C, and lines that are put into them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).parents[1] / "templates"


def template(file: str, /, **values: object) -> str:
    """Fill in the $names of a file of `templates`; lines that are left blank by that vanish."""
    text = Template((TEMPLATES / file).read_text(encoding="utf-8")).substitute(values)
    return "\n".join(line.replace("\0", "") for line in text.split("\n") if not line or line.strip("\0"))


def lines(indent: int, text: Sequence[str]) -> str:
    """Indent lines of C; none give what makes `template` leave the line out."""
    return "\n".join("    " * indent + line if line else "" for line in text) if text else "\0"
