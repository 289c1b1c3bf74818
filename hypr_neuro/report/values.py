"""Reading results that may lack anything, and numbers as text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Data = dict[str, Any]
NOTHING = "–"  # stands for None, NaN and what is missing
UNKNOWN = "unknown"
"""What a profile does not state."""
LARGEST = 1e30
SPACE = "\u202f"  # narrow and not broken: between a number and its unit, and between thousands
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean(value: Any) -> Any:
    """Return plain dicts, lists, numbers and printable strings; anything else becomes its text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (np.generic, np.ndarray)):
        return clean(value.tolist())
    if isinstance(value, Mapping):
        return {clean(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return UNPRINTABLE.sub("\ufffd", str(value))


def finite(value: Any) -> Any:
    """Return the value with None in place of NaN and infinity."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ---- reading results of which any part may be missing or of another type


def number(value: Any) -> float | None:
    """Return a finite number, or None for everything else.

    Numbers beyond what a measurement gives count as none, so that sums stay finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -LARGEST < value < LARGEST else None


def lookup(value: Any, *keys: str) -> Any:
    """Return ``value[key][key]…``, or None where a step is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def rows(value: Any) -> list[Data]:
    """Return the dicts of a list; [] for anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


ADDED = ("neurons", "synapses", "in_axons", "out_axons", "memory_bits", "learning_bits")
"""What the layers on one core use together."""


def whole_cores(placement: Data) -> list[Data]:
    """Return one entry a core: what its layers use added up, their names in a row."""
    found: list[Data] = []
    at: dict[float, Data] = {}
    for part in rows(placement.get("per_core")):
        core = number(part.get("core"))
        if core is None or core not in at:
            found.append(dict(part))
            if core is not None:
                at[core] = found[-1]
            continue
        whole = at[core]
        whole["layer"] = f"{whole.get('layer')}, {part.get('layer')}"
        for name in ADDED:
            a, b = number(whole.get(name)), number(part.get(name))
            whole[name] = None if a is None or b is None else int(a + b)
    return found


def pairs(value: Any) -> list[tuple[str, Any]]:
    """Return the items of a dict; [] for anything else."""
    return list(value.items()) if isinstance(value, dict) else []


def texts(value: Any) -> list[str]:
    """Return the entries of a list as text; [] for anything else."""
    return [show(item) for item in value] if isinstance(value, list) else []


def last(table: list[Data], key: str) -> float | None:
    """Return the last number under `key`."""
    values = [value for row in table if (value := number(row.get(key))) is not None]
    return values[-1] if values else None


def common(table: list[Data], key: str) -> str:
    """Return the text that all rows have under `key`; "" if they differ."""
    shared = {show(row.get(key)) for row in table}
    return shared.pop() if len(shared) == 1 else ""


@dataclass(frozen=True)
class Part:
    """One section: its data, or the reason why there is none."""

    data: Data
    reason: str = ""

    @property
    def skipped(self) -> bool:
        """Tell whether the run says why there is nothing, so that the page says it, too."""
        return bool(self.reason) and self.reason != ABSENT


ABSENT = "Not part of this run."


def part(value: Any) -> Part:
    """Return a section of the results; an empty or missing one gets a reason."""
    if isinstance(value, dict) and value.get("skipped"):
        return Part({}, f"Skipped: {show(value['skipped'])}")
    if isinstance(value, dict) and any(key != "skipped" for key in value):
        return Part(value)
    return Part({}, ABSENT)


# ---- numbers as text


def show(value: Any, kind: str = "") -> str:
    """Return the text of a value.

    Parameters
    ----------
    value
        Anything.
    kind
        "pct" writes a share in percent, "fine" six digits, "sqnr" takes None for exact.
    """
    if kind == "sqnr" and value is None:
        return "exact"
    if kind == "pct" and number(value) is not None:
        return percent(float(value))
    if isinstance(value, (bool, int, float)):
        return _number_text(value, 6 if kind == "fine" else 4)
    if isinstance(value, dict):
        value = [f"{key} {show(item)}" for key, item in value.items()]
    if isinstance(value, list):
        return ", ".join(map(show, value)) or NOTHING
    return value if isinstance(value, str) and value else NOTHING


def _number_text(value: float, digits: int) -> str:
    """Return a number with so many significant digits, thousands apart."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if number(value) is None:
        return "very large" if value > 0 else "very small" if value < 0 else NOTHING  # the last: NaN
    whole = value == int(value)
    if whole and abs(value) < 10_000:
        text = str(int(value))
    elif abs(value) < 1000 or abs(value) >= 1e15:
        text = f"{value:.{digits}g}"
    else:
        text = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}"
    return text.replace(",", SPACE).replace("-", "−")


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share in percent, 0.917 as "91.7 %"; one that rounding alone would make whole keeps its digits."""
    if share is None:
        return NOTHING
    while digits < 4 and share != 1 and round(100 * share, digits) == 100:
        digits += 1
    return f"{100 * share:.{digits}f}{SPACE}%".replace("-", "−")


def points(difference: float | None) -> str:
    """Return a difference in percentage points, -0.3 as "−0.3 points"."""
    if difference is None:
        return NOTHING
    rounded = round(difference, 1) + 0.0
    return f"{rounded:+.1f}{SPACE}points".replace("-", "−") if rounded else f"0.0{SPACE}points"


def out_of(used: Any, limit: Any) -> str:
    """Return text such as "64 of 1024" or "64 of unknown", or the first number alone without a limit."""
    if limit == UNKNOWN:
        return f"{show(used)} of {UNKNOWN}"
    return show(used) if number(limit) is None else f"{show(used)} of {show(limit)}"


def span(low: Any, high: Any) -> str:
    """Return lowest and highest value, or the one value that both are."""
    return show(low) if low == high else f"{show(low)} … {show(high)}"


def quantity(value: Any, unit: str) -> str:
    """Return a number with its unit."""
    return show(value) if number(value) is None else f"{show(value)}{SPACE}{unit}"


def bytes_text(bits: Any) -> str:
    """Return bits as bytes or KiB."""
    size = number(bits)
    if size is None:
        return NOTHING
    return f"{size / 8192:.1f}{SPACE}KiB" if size >= 8192 else f"{show(size / 8)}{SPACE}B"
