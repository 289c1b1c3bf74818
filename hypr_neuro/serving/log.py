"""What the server tells of itself: one JSON object a line on standard error."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone
from typing import Any


def log(event: str, **facts: Any) -> None:
    """Write one line: time, event, facts; never a secret."""
    line = {"time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"), "event": event, **facts}
    print(json.dumps(line), file=sys.stderr, flush=True)
