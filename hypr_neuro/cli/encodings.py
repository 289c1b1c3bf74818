"""Output on terminals and in pipes whose encoding is not UTF-8: readable, and no error for a sign that it lacks."""

from __future__ import annotations

import codecs
import json
import sys
from io import TextIOWrapper

PLAIN = {
    **{"·": "*", "×": "x", "−": "-", "–": "-", "…": "...", "→": "->", "←": "<-", "±": "+-", "√": "sqrt"},
    **{"≤": "<=", "≥": ">=", "≠": "!=", "²": "^2", "½": "1/2", "∞": "inf", "“": '"', "”": '"', "Σ": "sum ", "∂": "d"},
    **{
        "ε": "eps",
        "ψ": "psi",
        "κ": "kappa",
        "ω": "omega",
        "δ": "delta",
        "Δ": "delta",
        "μ": "u",
        "µ": "u",
        "λ": "lambda",
    },
    **{"τ": "tau", "π": "pi", "Θ": "step", "─": "-", "│": "|", "├": "|", "└": "`", "━": "-", "✓": "yes", "✕": "no"},
}
"""What stands for signs that an encoding lacks; others are written as their number."""
HANDLER = "hypr-neuro-plain"


def plain(error: UnicodeError) -> tuple[str, int]:
    """Give a `codecs` error handler's answer for signs that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, sign.encode("ascii", "backslashreplace").decode()) for sign in lacking), error.end


def write_plainly() -> None:
    """Let standard output and standard error write `PLAIN` for what their encoding lacks."""
    codecs.register_error(HANDLER, plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def json_for(encoding: str | None, text: str) -> str:
    """Return JSON with signs outside of ASCII escaped, which loses none, unless the encoding has them all."""
    if codecs.lookup(encoding or "ascii").name == "utf-8":
        return text
    return "".join(sign if sign.isascii() else json.dumps(sign)[1:-1] for sign in text)


def print_json(text: str) -> None:
    """Print JSON to standard output."""
    print(json_for(sys.stdout.encoding, text))
