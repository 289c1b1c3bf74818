"""Sizes of memory as people write them."""

from __future__ import annotations

import re
from typing import Any


def parse_size(value: Any) -> Any:
    """Return bytes of a text such as "256K" or "1M" (1024 and 1024² bytes); anything else as it is."""
    if not isinstance(value, str) or not (found := re.fullmatch(r"(\d+)\s*([KM]?)i?B?", value.strip(), re.IGNORECASE)):
        return value
    return int(found[1]) * {"": 1, "K": 1024, "M": 1024**2}[found[2].upper()]
